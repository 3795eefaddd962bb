"""The tables: audit log, people, reviews, changes, policies."""

import sqlalchemy as sa
from alembic import op

from derm_kit.errors import RecordError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

POSITION = sa.BigInteger().with_variant(sa.Integer, "sqlite")

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def text(name: str, *, null: bool = False) -> sa.Column[str]:
    """A text column."""
    return sa.Column(name, TEXT, nullable=null)


def sealed(*columns: sa.schema.SchemaItem) -> list[sa.schema.SchemaItem]:
    """The columns of a sealed record: its id, its entry in the log, its own."""
    return [
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("entry", POSITION, sa.ForeignKey("audit_log.position"), nullable=False),
        *columns,
    ]


def person(name: str, *, null: bool = False) -> sa.Column[str]:
    """A column that names a person by id."""
    return sa.Column(name, TEXT, sa.ForeignKey("people.id"), nullable=null)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "audit_log",
        sa.Column("position", POSITION, primary_key=True, autoincrement=False),
        *map(text, ("at", "actor", "action", "subject", "details", "previous", "seal")),
    )
    op.create_index("audit_log_subject", "audit_log", ["subject", "position"])
    op.create_table(
        "people",
        *sealed(
            *map(text, ("name", "role", "registration", "passphrase", "salt")),
            sa.Column("failures", sa.Integer, nullable=False),
            text("failed_at", null=True),
            text("added_at"),
            text("erased_at", null=True),
        ),
    )
    op.create_table(
        "reviews",
        *sealed(
            text("run"),
            text("case_id"),
            person("reviewer"),
            sa.Column("version", sa.Integer, nullable=False),
            *map(text, ("at", "verdict", "disposition")),
            sa.Column("agrees", sa.Boolean),
            sa.Column("confidence_percent", sa.Integer),
            text("note"),
            sa.Column("seconds", sa.Double),
            sa.Column("blind", sa.Boolean, nullable=False),
            sa.Column("adjudication", sa.Boolean, nullable=False),
            sa.UniqueConstraint("run", "case_id", "reviewer", "version", name="reviews_version"),
        ),
    )
    op.create_index("reviews_run", "reviews", ["run", "entry"])
    op.create_table(
        "changes",
        *sealed(
            *map(text, ("state", "proposal")),
            text("report", null=True),
            person("author"),
            person("approver", null=True),
            sa.Column("version", sa.Integer, nullable=False),
            *map(text, ("created_at", "changed_at")),
        ),
    )
    op.create_table(
        "policies",
        *sealed(
            sa.Column("version", sa.Integer, nullable=False),
            *map(text, ("policy", "sha256", "effective_from")),
            text("signature", null=True),
            sa.Column("change", TEXT, sa.ForeignKey("changes.id")),
            person("released_by"),
            text("released_at"),
            sa.UniqueConstraint("version", name="policies_version"),
        ),
    )


def downgrade() -> None:
    """Drop them, but never a log that has entries."""
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM audit_log")):
        raise RecordError(
            "a register with entries in its audit log is never dropped",
            next_step="Make a backup and begin with an empty database instead.",
        )
    for table in ("policies", "changes", "reviews", "people", "audit_log"):
        op.drop_table(table)
