"""Checks what a database or a role has set: each setting lets the tool work, or is refused with the remedy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from databases.postgres.names import compose, identifier
from db_connector import Database
from tests.kit.deployed import Deployment, deployment
from tests.kit.postgres import Postgres


class Given(NamedTuple):
    """Holds what a superuser has set, how the database was made, and the words of the refusal ("" where the tool works)."""

    statements: tuple[str, ...] = ()
    made_with: str = ""
    refused: str = ""


def of_role(*settings: str, refused: str = "") -> Given:
    return Given(tuple(f"alter role {{role}} set {setting}" for setting in settings), refused=refused)


def of_database(*settings: str, refused: str = "") -> Given:
    return Given(tuple(f"alter database {{database}} set {setting}" for setting in settings), refused=refused)


GIVEN = {
    "time zone": of_role("timezone = 'Asia/Kathmandu'"),
    "time zone of the database": of_database("timezone = 'America/St_Johns'"),
    "date style": of_role("datestyle = 'German'", "intervalstyle = 'iso_8601'"),
    "date style DMY": of_role("datestyle = 'SQL, DMY'", "intervalstyle = 'sql_standard'"),
    "bytea": of_role("bytea_output = 'escape'"),
    "few digits": of_role("extra_float_digits = -15"),
    "serializable": of_role("default_transaction_isolation = 'serializable'"),
    "repeatable read": of_database("default_transaction_isolation = 'repeatable read'"),
    "deferrable": of_role("default_transaction_deferrable = on", "default_transaction_isolation = 'serializable'"),
    "read only": of_role("default_transaction_read_only = on", refused="default_transaction_read_only"),
    "read only database": of_database("default_transaction_read_only = on", refused="default_transaction_read_only"),
    "short statements": of_role("statement_timeout = '20ms'", refused="statement_timeout is 20 ms"),
    "short locks": of_role("lock_timeout = '1ms'", "deadlock_timeout = '1ms'"),
    "short idling": of_role(
        "idle_in_transaction_session_timeout = '20ms'", refused="idle_in_transaction_session_timeout is 20 ms"
    ),
    "short transactions": of_role("transaction_timeout = '20ms'", refused="transaction_timeout is 20 ms"),
    "short idle sessions": of_role("idle_session_timeout = '20ms'", refused="idle_session_timeout is 20 ms"),
    "no public schema": of_role("search_path = mine"),
    "several schemas": of_role("search_path = mine, public"),
    "empty search path": of_role("search_path = ''", refused="search path"),
    "schema that is not there": of_role("search_path = elsewhere", refused="search path"),
    "old strings": of_role("standard_conforming_strings = off", "backslash_quote = off"),
    "backslashes": of_role("escape_string_warning = on", "standard_conforming_strings = off"),
    "all notices": of_role("client_min_messages = 'debug5'"),
    "no notices": of_role("client_min_messages = 'error'"),
    "row security off": of_role("row_security = off"),
    "jit": of_role("jit = on", "jit_above_cost = 0"),
    "no functions checked": of_role("check_function_bodies = off"),
    "null comparisons": of_role("transform_null_equals = on"),
    "arrays without nulls": of_role("array_nulls = off"),
    "xml documents": of_role("xmloption = 'document'"),
    "quoting": of_role("quote_all_identifiers = on"),
    "no sync": of_role("synchronous_commit = off"),
    "little memory": of_role("work_mem = '64kB'", "temp_file_limit = '10MB'"),
    "replica": Given(
        ("alter role {role} superuser", "alter role {role} set session_replication_role = 'replica'"),
        refused="session_replication_role",
    ),
    "client encoding": of_role("client_encoding = 'LATIN1'"),
    "generic plans": of_role(
        "plan_cache_mode = 'force_generic_plan'", "enable_hashjoin = off", "enable_indexscan = off"
    ),
    "1 session": Given(("alter role {role} connection limit 1",), refused="1 sessions at once"),
    "2 sessions": Given(("alter role {role} connection limit 2",), refused="2 sessions at once"),
    "3 sessions": Given(("alter role {role} connection limit 3",)),
    "latin1": Given(made_with="encoding 'LATIN1' locale_provider libc locale 'C'", refused="encoding LATIN1"),
    "ascii": Given(made_with="encoding 'SQL_ASCII' locale_provider libc locale 'C'", refused="encoding SQL_ASCII"),
    "euc": Given(made_with="encoding 'EUC_JP' locale_provider libc locale 'C'", refused="encoding EUC_JP"),
    "utf8": Given(made_with="encoding 'UTF8' locale_provider libc locale 'C'"),
}


@pytest.fixture
def world(postgres: Postgres, home: Path, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """Makes a database and a role of the test's own, with the settings of the case."""
    case: Given = request.param
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    names = {"role": identifier(name), "database": identifier(name)}
    admin = postgres.database(postgres.connection["dbname"], max_connections=1)
    with admin.autocommit() as session:
        session.execute(compose("create role {role} login", **names))
        session.execute(
            compose(f"create database {{database}} owner {{role}} template template0 {case.made_with}", **names)
        )
    own = Database(**{**postgres.connection, "dbname": name, "user": name})
    own.execute_query("create schema mine", fetch=False)
    own.close()
    with admin.autocommit() as session:
        for statement in case.statements:
            session.execute(compose(statement, **names))
    url = Postgres({**postgres.connection, "user": name}).url(name)
    plain = Database(**{**postgres.connection, "dbname": name})
    try:
        with deployment(plain, url, home) as made:
            yield made
    finally:
        plain.close()
        postgres.drop(name)
        with admin.autocommit() as session:
            session.execute(compose("drop role {role}", **names))
        admin.close()


@pytest.mark.parametrize(
    ("world", "refused"), [(case, case.refused) for case in GIVEN.values()], ids=list(GIVEN), indirect=["world"]
)
def test_each_setting_works_or_is_refused_at_init_db(world: Deployment, refused: str) -> None:
    if refused:
        assert refused in world.cli("init-db", code=2).err
        return
    world.cli("init-db")
    world.board(
        ("text1", "Notes", "text"),
        ("num1", "Budget", "numbers"),
        ("date1", "Due", "date"),
        items=3,
        text1="Grüße \\ '1'",
        num1="0.1",
        date1={"date": "2026-03-04"},
    )
    world.deploy()
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning", "--yes")
    world.pull()
    table = world.mapping()["table"]
    edit_first_row(world, table)
    world.admin(
        "items/change", item_id=world.ids()[1], values={"text1": "from the board", "date1": {"date": "2026-07-08"}}
    )
    report = world.pull()
    assert (report["errors"], report["conflicts"]) == (0, 0)
    shown = [world.cells(number)["text1"]["text"] for number in world.ids()]
    assert shown == ["Zürich", "from the board", "Grüße \\ '1'"]
    assert [world.cells(number)["date1"]["text"] for number in world.ids()] == [
        "2026-05-06",
        "2026-07-08",
        "2026-03-04",
    ]
    again = world.pull()
    assert (again["created"], again["updated"], again["errors"]) == (0, 0, 0)
    world.cli("status")


def edit_first_row(world: Deployment, table: str) -> None:
    """Changes a row as the program of that role does."""
    own = Database(world.url)
    first = f'(select min("Item ID") from {table})'
    edit = (
        f"""update {table} set "Notes" = 'Zürich', "Due" = '2026-05-06' where "Budget" = 0.1 and "Item ID" = {first}"""
    )
    own.execute_query(edit, fetch=False)
    own.close()
