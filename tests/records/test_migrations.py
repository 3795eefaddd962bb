"""The tables: the versions on disk are the tables in the code, and data outlast the way down and up."""

from __future__ import annotations

import warnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from derm_kit.errors import RecordError
from derm_kit.records import migrations
from derm_kit.records.migrations import SCHEMA, migrate, schema_of
from derm_kit.records.register import Register
from derm_kit.records.tables import APPEND_ONLY, SEALED, AuditEntry, Base
from tests.records.places import RUN, Place, review


def test_the_version_in_the_code_is_the_newest_on_disk():
    assert ScriptDirectory(migrations.__path__[0]).get_heads() == [SCHEMA]


def test_the_tables_that_the_versions_make_are_those_in_the_code(register: Register, place: Place):
    with place.sql() as connection, warnings.catch_warnings():
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert schema_of(connection) == SCHEMA


def test_what_was_written_outlasts_the_way_down_and_up_again(register: Register, place: Place, reader: str):
    saved = register.save_review(review(reader, note="\0 note"))
    with place.sql() as connection:
        migrate(connection, "0001")
        assert schema_of(connection) == "0001"
        connection.execute(text("UPDATE audit_log SET actor = actor"))  # the triggers are gone
    with place.open() as newer:
        assert newer.reviews(RUN, "case 1") == [saved]
        found = newer.verify()
        assert found.sound
        assert list(newer.entries("register"))[-1].details == {"tables": SCHEMA, "tables_before": "0001"}
        newer.save_review(review(reader, "case 2"))
    with place.sql() as connection, pytest.raises(Exception, match="append-only"):
        connection.execute(text("UPDATE audit_log SET actor = actor"))


def test_a_log_with_entries_is_never_dropped_on_the_way_down(register: Register, place: Place, reader: str):
    with pytest.raises(RecordError, match="never dropped"), register._database.writing() as session:
        migrate(session.connection(), "base")
    with place.sql() as connection:
        assert schema_of(connection) == SCHEMA
    assert register.person(reader)
    assert register.verify().sound


def test_empty_tables_go_down_to_nothing_and_up_again(place: Place):
    with place.sql() as connection:
        migrate(connection)
        migrate(connection, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
        migrate(connection)
        assert schema_of(connection) == SCHEMA


def test_tables_of_a_newer_derm_kit_are_left_alone(register: Register, place: Place):
    with place.sql() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RecordError, match=r"reads registers up to version.*9999"):
        place.open()


def test_every_table_is_sealed_or_the_log_and_what_is_never_changed_has_its_triggers(register: Register, place: Place):
    assert {table.__tablename__ for table in SEALED} | {AuditEntry.__tablename__} == set(Base.metadata.tables)
    with place.sql() as connection:
        catalogue = "SELECT tgname FROM pg_trigger" if place.url else "SELECT name FROM sqlite_master"
        found = set(connection.scalars(text(catalogue)))
        assert {f"{table}_no_{event}" for table in APPEND_ONLY for event in ("update", "delete")} <= found


def test_a_login_is_never_lost_on_the_way_down(register: Register, place: Place, reader: str):
    register.name_login(reader, "ada@trust")
    with pytest.raises(RecordError, match="never taken back"), register._database.writing() as session:
        migrate(session.connection(), "0004")
    assert register.person(reader).login == "ada@trust"
    register.name_login(reader, "")
    with place.sql() as connection:
        migrate(connection, "0004")
    with place.open() as newer:
        assert newer.person(reader).login == ""
        assert newer.verify().sound
