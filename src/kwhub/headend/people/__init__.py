"""People: users, roles, sessions, API keys and the trail of what they did."""
