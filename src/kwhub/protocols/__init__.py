"""One folder for each standard, all built alike: frames, items, sessions of both roles.

Source: the standards named in each folder; the folders do not know each other.
"""
