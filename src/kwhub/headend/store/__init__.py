"""The store: a durable journal of received batches, day vectors packed from it, archive, orders and audit."""
