"""Alembic's environment: it works in the transaction of the connection that migrate() hands over."""

from alembic import context

from derm_kit.records.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()
