"""Meter tasks as conversations: generators that yield requests and are sent the final event of each."""
