"""From data units to the journal: what came becomes readings, and is durable before it is confirmed."""
