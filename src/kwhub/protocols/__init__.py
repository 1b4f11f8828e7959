"""The wire protocols: one folder a standard, all built alike, none knows another."""
