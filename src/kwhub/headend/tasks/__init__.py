"""Tasks: one order for many meters or terminals."""
