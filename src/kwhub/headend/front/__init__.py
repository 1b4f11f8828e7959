"""The front: concentrators connect, log in, report and take orders."""
