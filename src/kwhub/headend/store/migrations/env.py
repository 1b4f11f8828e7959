"""What alembic runs: applies the steps on the connection that ``database.migrate`` handed over."""

from alembic import context

from kwhub.headend.store.tables import metadata

__all__ = ["run"]


def run() -> None:
    """Apply the steps; the caller holds the transaction."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name that alembic loads this file under; a plain import does nothing
    run()
