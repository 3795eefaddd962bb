"""The tables of teaching sessions; what readers were shown and answered is append-only."""

import sqlalchemy as sa
from alembic import op

from derm_kit.errors import RecordError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

POSITION = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLES = ("teaching_answers", "teaching_showings", "teaching_readers", "teaching_sessions")
APPEND_ONLY = TABLES[:2]
SQLITE = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
POSTGRESQL = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION derm_kit_append_only()
"""


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


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "teaching_sessions",
        *sealed(
            *map(text, ("code", "title")),
            sa.Column("facilitator", TEXT, sa.ForeignKey("people.id"), nullable=False),
            text("mode"),
            sa.Column("seed", sa.Integer, nullable=False),
            sa.Column("seconds_a_case", sa.Integer),
            *map(text, ("consent", "cases", "state", "made_at")),
            text("revealed_at", null=True),
            text("ended_at", null=True),
        ),
    )
    op.create_index("teaching_sessions_code", "teaching_sessions", ["code"])
    op.create_table(
        "teaching_readers",
        *sealed(
            sa.Column("session", TEXT, sa.ForeignKey("teaching_sessions.id"), nullable=False),
            sa.Column("place", sa.Integer, nullable=False),
            *map(text, ("alias", "alias_key", "salt", "token_sha256", "request_sha256", "consent_sha256", "joined_at")),
            sa.Column("names_agreed", sa.Boolean),
            text("erased_at", null=True),
            sa.UniqueConstraint("session", "alias_key", name="teaching_readers_alias"),
            sa.UniqueConstraint("session", "place", name="teaching_readers_place"),
            sa.UniqueConstraint("token_sha256", name="teaching_readers_token"),
        ),
    )
    for name, columns in (
        ("teaching_showings", [text("at")]),
        (
            "teaching_answers",
            [
                *map(text, ("request", "at", "diagnosis", "disposition")),
                sa.Column("confidence_percent", sa.Integer, nullable=False),
                sa.Column("seconds", sa.Double, nullable=False),
                sa.Column("client_seconds", sa.Double),
            ],
        ),
    ):
        op.create_table(
            name,
            *sealed(
                sa.Column("reader", TEXT, sa.ForeignKey("teaching_readers.id"), nullable=False),
                *map(text, ("case_id", "phase")),
                *columns,
                sa.UniqueConstraint("reader", "case_id", "phase", name=f"{name}_once"),
            ),
        )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in APPEND_ONLY:
        for event in ("update", "delete") if sqlite else ("update", "delete", "truncate"):
            op.execute((SQLITE if sqlite else POSTGRESQL).format(table=table, event=event))


def downgrade() -> None:
    """Drop them with their triggers, but never a session that took place."""
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM teaching_sessions")):
        raise RecordError(
            "a register that holds teaching sessions is never taken back to tables without them",
            next_step="Keep this version of derm-kit, or restore a backup from before the first session.",
        )
    for table in TABLES:
        op.drop_table(table)
