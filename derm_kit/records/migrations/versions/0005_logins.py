"""Which person of the register a login name stands for."""

import sqlalchemy as sa
from alembic import op

from derm_kit.errors import RecordError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column: NULL, which no seal covers, for everybody who is there already."""
    op.add_column("people", sa.Column("login", TEXT, nullable=True))
    op.create_index("people_login", "people", ["login"], unique=True)


def downgrade() -> None:
    """Take it away, but never a login: the seal of its person would no longer fit."""
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM people WHERE login IS NOT NULL")):
        raise RecordError(
            "a register that knows logins is never taken back to tables without them",
            next_step="Take each away first: derm-kit people login ID --none.",
        )
    op.drop_index("people_login", table_name="people")
    op.drop_column("people", "login")
