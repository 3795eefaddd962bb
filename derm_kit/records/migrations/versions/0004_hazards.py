"""The tables of the hazard log and of incidents, all of them append-only."""

import sqlalchemy as sa
from alembic import op

from derm_kit.errors import RecordError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

POSITION = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = ("incident_steps", "incidents", "hazard_approvals", "hazards")
SQLITE = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
POSTGRESQL = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION derm_kit_append_only()
"""


def text(name: str) -> sa.Column[str]:
    """A text column."""
    return sa.Column(name, TEXT, nullable=False)


def link(name: str, to: str, *, null: bool = False) -> sa.Column[str]:
    """A column that names a record of another table by id."""
    return sa.Column(name, TEXT, sa.ForeignKey(f"{to}.id"), nullable=null)


def sealed(*columns: sa.schema.SchemaItem) -> list[sa.schema.SchemaItem]:
    """The columns of a sealed record: its id, its entry in the log, its own."""
    return [
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("entry", POSITION, sa.ForeignKey("audit_log.position"), nullable=False),
        *columns,
    ]


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "hazards",
        *sealed(
            text("hazard"),
            sa.Column("version", sa.Integer, nullable=False),
            link("author", "people"),
            *map(text, ("at", "content")),
            sa.UniqueConstraint("hazard", "version", name="hazards_version"),
        ),
    )
    op.create_table(
        "hazard_approvals",
        *sealed(
            link("hazard_version", "hazards"),
            link("approver", "people"),
            *map(text, ("at", "reason", "content_sha256")),
            sa.UniqueConstraint("hazard_version", name="hazard_approvals_once"),
        ),
    )
    op.create_table(
        "incidents",
        *sealed(
            *map(text, ("name", "hazard", "signal", "signal_key")),
            link("opened_by", "people"),
            text("opened_at"),
            sa.UniqueConstraint("name", name="incidents_name"),
            sa.UniqueConstraint("signal_key", name="incidents_signal"),
        ),
    )
    op.create_table(
        "incident_steps",
        *sealed(
            link("incident", "incidents"),
            sa.Column("number", sa.Integer, nullable=False),
            text("kind"),
            link("person", "people"),
            *map(text, ("at", "said")),
            link("hazard_version", "hazards", null=True),
            sa.UniqueConstraint("incident", "number", name="incident_steps_number"),
        ),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in TABLES:
        for event in ("update", "delete") if sqlite else ("update", "delete", "truncate"):
            op.execute((SQLITE if sqlite else POSTGRESQL).format(table=table, event=event))


def downgrade() -> None:
    """Drop them with their triggers, but never a hazard that was written down."""
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM hazards")):
        raise RecordError(
            "a register that holds a hazard log is never taken back to tables without it",
            next_step="Keep this version of derm-kit, or restore a backup from before the first hazard.",
        )
    for table in TABLES:
        op.drop_table(table)
