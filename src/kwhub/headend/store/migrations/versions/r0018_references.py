"""A reference names an entry among those of its kind: what people write never stands in the way of a statement."""

from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_KEPT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    """Change the bound; every row that was allowed still is."""
    _change(
        "uq_balance_entry_account_id_reference",
        "uq_balance_entry_account_id_kind_reference",
        "kind",
    )


def downgrade() -> None:
    """Change it back; fails where a reference was used for two kinds."""
    _change("uq_balance_entry_account_id_kind_reference", "uq_balance_entry_account_id_reference")


def _change(old: str, new: str, *more: str) -> None:
    with op.batch_alter_table("balance_entry", table_kwargs=_KEPT) as batch:
        batch.drop_constraint(op.f(old), type_="unique")
        batch.create_unique_constraint(op.f(new), ["account_id", *more, "reference"])
