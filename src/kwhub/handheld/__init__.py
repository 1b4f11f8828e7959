"""The handheld: its identity, and what opens only with it."""
