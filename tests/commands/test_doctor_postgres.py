"""Seeds faults of PostgreSQL, which `doctor` finds, and carries out the remedies."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from db_connector import Database
from models import State
from sandbox import Sandbox
from tests.kit.patient import Patient
from tests.kit.transaction_pooler import TransactionPooler

FAULT, WARNING, NOTE, OK = State.FAULT, State.WARNING, State.NOTE, State.OK


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


def name_of(db: Database) -> str:
    with db.autocommit() as session:
        return str(session.value("select quote_ident(current_database())"))


@contextmanager
def hidden_by(patient: Patient, statement: str) -> Iterator[None]:
    """Makes something in a schema that is looked through before PostgreSQL's own."""
    patient.sql("create schema if not exists odd")
    patient.sql(statement)
    patient.sql(f"alter database {name_of(patient.db)} set search_path = public, odd, pg_catalog")
    yield
    patient.sql(f"alter database {name_of(patient.db)} reset search_path")


# PostgreSQL


@pytest.mark.parametrize(
    "url, code, told",
    [
        ("postgresql://a:secret-word@127.0.0.1:1/b", 1, "could not be reached"),
        ("mysql://a:secret-word@b/c", 2, "no address"),
        ("postgresql://a:secret-word@no-such-host.invalid/b", 2, "could not be reached"),
    ],
)
def test_a_database_that_cannot_be_reached_hides_what_depends_on_it(patient: Patient, url: str, code: int, told: str):
    found, ended = patient.look(DATABASE_URL=url)
    assert ended == code and told in found["pg.reach"][0].sentence and found["pg.reach"][0].remedy
    assert found["pg.version"][0].sentence == "not looked at, because pg.reach failed"
    assert found["monday.key"][0].state is OK
    assert "secret-word" not in str(found)
    patient.is_content("pg.reach")


def test_tables_that_are_missing(patient: Patient):
    patient.sql("drop table sync_intents")
    finding = patient.finds("pg.schema", FAULT, "sync_intents", "python main.py init-db")
    assert patient.main(*finding.remedy.split()[2:]).code == 0
    patient.is_content("pg.schema")


def test_a_server_that_is_too_old(patient: Patient):
    old = """
        create function odd.current_setting(name text) returns text language sql as
        $$ select case name when 'server_version_num' then '120005' when 'server_version' then '12.5'
                  else pg_catalog.current_setting(name) end $$
    """
    with hidden_by(patient, old):
        patient.finds("pg.version", FAULT, "PostgreSQL is 12.5", "Upgrade")
    patient.is_content("pg.version")


def test_a_database_that_is_read_only(patient: Patient):
    patient.sql(f"alter database {name_of(patient.db)} set default_transaction_read_only = on")
    finding = patient.finds("pg.write", FAULT, "read only", "reset default_transaction_read_only")
    assert patient.look("pg.write")[1] == 1
    statements = finding.remedy.removeprefix("In psql: ").rstrip(";").split("; ")
    with patient.db.autocommit() as session:
        for statement in statements:
            session.execute(statement)
    patient.is_content("pg.write")


@pytest.fixture
def role(patient: Patient, postgres: Any) -> Iterator[tuple[str, str]]:
    """Makes a role without rights, and returns it with its address of the database."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    patient.sql(f"create role {name} login password 'only-for-this'")
    database = name_of(patient.db)
    place = {key: str(postgres.connection[key]) for key in ("host", "port") if key in postgres.connection}
    url = " ".join(f"{key}='{value}'" for key, value in {**place, "user": name, "dbname": database}.items())
    yield name, f"{url} password=only-for-this"
    patient.sql(f"drop owned by {name}")
    patient.sql(f"drop role {name}")


def test_a_role_that_lacks_rights(patient: Patient, role: tuple[str, str]):
    name, url = role
    patient.sql(f"grant usage on schema public to {name}")
    patient.sql(f"grant select on all tables in schema public to {name}")
    found = patient.look("pg.rights", DATABASE_URL=url)[0]["pg.rights"]
    assert {finding.state for finding in found} == {FAULT}
    assert {"sync_mapping", "users"} <= {finding.affects for finding in found}
    assert any("trigger" in finding.sentence for finding in found if finding.affects == "users")
    for finding in found:
        patient.carry_out(finding.remedy)
    patient.is_content("pg.rights", DATABASE_URL=url)


def test_a_role_with_too_few_connections(patient: Patient, role: tuple[str, str]):
    name, url = role
    patient.sql(f"grant select on all tables in schema public to {name}")
    patient.sql(f"alter role {name} connection limit 5")
    finding = patient.finds("pg.connections", WARNING, "a daemon opens up to", f"alter role {name}", DATABASE_URL=url)
    patient.carry_out(finding.remedy)
    patient.is_content("pg.connections", DATABASE_URL=url)


def test_a_pooler_that_changes_connections(patient: Patient):
    with TransactionPooler(patient.env["DATABASE_URL"]) as pooler:
        found, code = patient.look("pg", DATABASE_URL=pooler.url)
        assert found["pg.pooler"][0].state is FAULT and "pool_mode = session" in found["pg.pooler"][0].remedy
        assert code == 2 and found["pg.reach"][0].state is OK, found
        assert found["pg.version"][0].sentence == "not looked at, because pg.pooler failed"
    patient.is_content("pg.pooler")


def test_clocks_that_are_apart(patient: Patient):
    ahead = """
        create function odd.clock_timestamp() returns timestamptz language sql as
        $$ select pg_catalog.clock_timestamp() + interval '1 hour' $$
    """
    with hidden_by(patient, ahead):
        patient.finds("pg.clock", WARNING, "3,600 s apart", "timedatectl")
    patient.is_content("pg.clock")


def test_a_transaction_that_is_open_for_long(patient: Patient):
    older = """
        create view odd.pg_stat_activity as
        select pid, usename, application_name, state, datname, backend_type, xact_start - interval '1 hour' as xact_start
        from pg_catalog.pg_stat_activity
        where backend_type = 'client backend' and state = 'idle in transaction'
    """
    with hidden_by(patient, older), closing(Database(patient.env["DATABASE_URL"])) as other:
        with pytest.raises(Exception, match="terminat|clos"), other.transaction() as tx:
            tx.execute("select 1")
            finding = patient.finds("pg.oldest_tx", WARNING, "has been open for 60 min", "pg_terminate_backend")
            patient.carry_out(finding.remedy)
            patient.is_content("pg.oldest_tx")
            tx.execute("select 1")


def test_two_links_for_one_item(patient: Patient):
    patient.sql("drop index sync_mapping_item_key")
    for row in ("a", "b"):
        patient.sql("insert into sync_mapping (entity_type, monday_id, entity_id) values ('user', %s, %s)", "4711", row)
    finding = patient.finds("pg.links", FAULT, "item 4711 (user) has 2 links", "delete from sync_mapping")
    patient.carry_out(finding.remedy)
    patient.is_content("pg.links")
