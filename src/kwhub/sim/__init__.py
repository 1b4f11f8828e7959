"""A world to try the system on: customers, meters, buses and their faults, all from one seed."""
