"""Triggers: what is written to the audit log, the reviews and the policies stays as it was written."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("audit_log", "reviews", "policies")
SQLITE = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
SQLITE_NEXT = """
CREATE TRIGGER audit_log_next BEFORE INSERT ON audit_log
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM audit_log)
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END
"""
POSTGRESQL_FUNCTION = """
CREATE FUNCTION derm_kit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""
POSTGRESQL = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION derm_kit_append_only()
"""


def upgrade() -> None:
    """Make them."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(SQLITE_NEXT)
        for table in TABLES:
            for event in ("update", "delete"):
                op.execute(SQLITE.format(table=table, event=event))
        return
    op.execute(POSTGRESQL_FUNCTION)
    for table in TABLES:
        for event in ("update", "delete", "truncate"):
            op.execute(POSTGRESQL.format(table=table, event=event))


def downgrade() -> None:
    """Take them away."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_log_next")
        for table in TABLES:
            for event in ("update", "delete"):
                op.execute(f"DROP TRIGGER {table}_no_{event}")
        return
    for table in TABLES:
        for event in ("update", "delete", "truncate"):
            op.execute(f"DROP TRIGGER {table}_no_{event} ON {table}")
    op.execute("DROP FUNCTION derm_kit_append_only()")
