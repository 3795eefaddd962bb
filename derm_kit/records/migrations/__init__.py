"""The versions of the register's tables, and how a database is brought to one of them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from derm_kit.errors import RecordError

SCHEMA = "0005"
"""The version that this derm-kit reads and writes: the newest in `versions`."""
NOTHING = "base"
"""The version before the first: no tables."""
_TABLE = "alembic_version"


def schema_of(connection: Connection) -> str | None:
    """The version of the tables in the database, or None where it has none."""
    if not inspect(connection).has_table(_TABLE):
        return None
    version = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608 - a constant
    return None if version is None else str(version)


def migrate(connection: Connection, version: str = SCHEMA) -> None:
    """Bring the tables up or down to `version` in the connection's transaction.

    Raises RecordError for tables of a newer derm-kit, and rather than drop an audit log that has entries.
    """
    found = schema_of(connection)
    if found == version:
        return
    if found is not None and found > SCHEMA:
        raise RecordError(
            f"this derm-kit reads registers up to version {SCHEMA}",
            value=found,
            next_step="Install the derm-kit that wrote it, or a newer one.",
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    down = found is not None and (version == NOTHING or found > version)
    (command.downgrade if down else command.upgrade)(config, version)
