"""Money: tariffs, statements that can be traced to readings, and balances."""
