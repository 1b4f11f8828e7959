"""Orders to meters and terminals."""
