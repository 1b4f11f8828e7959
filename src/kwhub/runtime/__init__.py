"""The doors to the world: time, chance and tasks; the real ones and the virtual ones."""
