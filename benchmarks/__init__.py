"""Measured against peers and against physics; run with ``python -m benchmarks``."""
