"""Validation at work: what the rules of ``quality`` find in the store, and what people make of it."""
