"""Checks `setup`: triggers on the tables that the mappings read, a sync id column on the boards, a full comparison."""

from __future__ import annotations

import json

import pytest

from commands.starting import show_setup
from models import Columns
from monday_api import Monday
from sandbox import Sandbox
from state.triggers import VERSION
from sync.setup import Setup, set_up
from tests.kit.cli import on_a_terminal, settings_for
from tests.kit.rows import change, row
from tests.kit.runs import parts_of
from tests.kit.shipped import CONTACTS, PROJECTS, USERS
from tests.kit.two_sides import COLUMNS, TwoSides


@pytest.fixture(scope="module")
def shared():
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:2,projects:2,contacts:1,organizations:1") as running:
        yield running


@pytest.fixture
def cli(run_cli, database_url, sandbox):
    return lambda *arguments, **more: run_cli(*arguments, env=settings_for(sandbox, database_url, **more))


def sync_columns(sandbox, board_id):
    with Monday(token=sandbox.token, url=sandbox.graphql_url) as monday:
        return [(column.id, column.type) for column in monday.board(board_id).columns if column.title == "Sync ID"]


def triggers(db):
    found = db.execute_query(
        "select distinct tgrelid::regclass::text as name from pg_trigger"
        " where not tgisinternal and tgname like 'monday_sync%%' and tgrelid::regclass::text not like 'sync\\_%%'"
    )
    return {trigger["name"] for trigger in found}


def noted(db, name):
    return [row[name] for row in db.execute_query("select * from sync_outbox")]


def test_it_makes_statement_triggers_on_every_table_that_a_mapping_with_a_board_reads(cli, db):
    assert cli("setup", "--yes").code == 0
    assert triggers(db) == {
        "users",
        "sales_teams",
        "projects",
        "customers",
        "properties",
        "policies",
        "insurances",
        "insurance_claims",
        "storms",
        "pa_law",
        "notes",
    }
    kinds = db.execute_query(
        "select distinct tgtype::int & 1 as by_row, tgenabled::text as fires from pg_trigger"
        " where tgname like 'monday_sync%%' and tgname <> 'monday_sync_count' order by 1, 2"
    )
    # those for each row fire in sessions that are replicas, and nowhere else
    assert kinds == [{"by_row": 0, "fires": "A"}, {"by_row": 0, "fires": "O"}, {"by_row": 1, "fires": "R"}]


def test_it_makes_the_sync_id_columns_and_says_so(cli, sandbox):
    done = cli("setup", "--yes")
    assert "users: the sync id column sync_id was made on SALES STAFF BOARD." in done.out
    assert sync_columns(sandbox, USERS) == sync_columns(sandbox, PROJECTS) == [("sync_id", "text")]


def test_without_a_terminal_and_without_yes_it_ends_with_exit_2_and_has_done_nothing(cli, sandbox, db):
    done = cli("setup")
    assert done.code == 2
    assert "SALES STAFF BOARD (5764059860)" in done.err and "--yes" in done.err
    assert triggers(db) == set()
    assert sync_columns(sandbox, USERS) == []
    assert db.execute_query("select 1 from sync_state where name like 'setup:%%'") == []


def test_without_a_terminal_it_goes_on_when_the_boards_lack_nothing(cli, db):
    assert cli("setup", "--yes").code == 0
    again = cli("setup")
    assert again.code == 0
    assert "the sync id column sync_id is there" in again.out


def test_one_table_is_told_as_one(capsys):
    show_setup(Setup(["contacts"]))
    assert capsys.readouterr().out.startswith("Triggers are on 1 table: contacts.")


@pytest.mark.parametrize("answer, made", [("y", [("sync_id", "text")]), ("n", [])])
def test_in_a_terminal_it_asks_before_it_touches_a_board(answer, made, database_url, sandbox, home, db):
    code, shown = on_a_terminal(
        ["setup", "--entity", "users"], [answer], settings_for(sandbox, database_url, MONDAY_SYNC_HOME=str(home))
    )
    assert code == 0, shown
    assert "'Sync ID' on SALES STAFF BOARD (5764059860)" in shown and "Make it?" in shown
    assert sync_columns(sandbox, USERS) == made
    assert triggers(db) == {"users", "sales_teams"}


def test_json_says_what_was_made(cli):
    shape = json.loads(cli("setup", "--yes", "--entity", "users", "--json").out)
    assert shape == {
        "tables": ["sales_teams", "users"],
        "entities": [{"entity": "users", "board_id": USERS, "sync_id": "sync_id", "made": True}],
    }


def test_entities_that_were_set_up_before_keep_their_triggers_on_a_table_that_both_read(cli, db):
    cli("setup", "--yes", "--entity", "projects")
    cli("setup", "--yes", "--entity", "users")
    change(db, "insert into users (name, email, role) values ('New Person', 'new@example.com', 'Sales Staff')")
    change(db, "insert into projects (title) values ('New')")
    assert sorted(noted(db, "entity_type")) == ["project", "user"]
    (source,) = db.execute_query("select prosrc from pg_proc where proname = 'monday_sync_note_users'")
    assert "[project:" in source["prosrc"] and "[user:" in source["prosrc"]


def test_an_unknown_entity_and_one_without_a_board_end_with_exit_2(cli):
    assert cli("setup", "--yes", "--entity", "nobody").code == 2
    done = cli("setup", "--yes", "--entity", "contacts")
    assert done.code == 2
    assert "MONDAY_BOARD_ID_CONTACTS" in done.err


def test_a_table_that_is_not_there_ends_with_exit_2(cli, sandbox, home, db):
    (home / "mappings").mkdir()
    text = f"entity: tasks\nboard: {{id: {CONTACTS}}}\ntable: tasks\nfields:\n  - {{column: name, field: title}}\n"
    (home / "mappings" / "tasks.yaml").write_text(text)
    done = cli("setup", "--yes", "--entity", "tasks")
    assert done.code == 2
    assert "tasks" in done.err


# What it remembers


def ready(sides, **more):
    """Does what `setup` does, in this process."""
    parts = parts_of(sides.db, sides.monday, {"contacts": sides.mapping, **more})
    return set_up(parts, [(sides.mapping, sides.board_id)], lambda lacking: True)


@pytest.fixture
def bare(db, shared):
    """Makes a board without a sync id column, and a table without triggers."""
    made = TwoSides(db, shared, triggers=False, columns=COLUMNS[:-1])
    yield made
    made.close()


def test_rows_changed_before_there_were_triggers_are_found_by_the_next_run(bare):
    item_id = bare.item(A="a")
    ready(bare)
    bare.sync()
    bare.sql("alter table contacts disable trigger user")
    bare.update(bare.link(item_id)["entity_id"], A="unnoticed")
    bare.sql("alter table contacts enable trigger user")
    bare.sync("pg_to_monday")
    assert bare.on_board(item_id) == "A=a"
    ready(bare)
    bare.sync("pg_to_monday")
    assert bare.on_board(item_id) == "A=unnoticed"


def test_a_push_that_was_running_meanwhile_does_not_take_the_mark_away(bare):
    from sync.board import Opening, open_board
    from sync_pg_to_monday import Push

    item_id = bare.item(A="a")
    ready(bare)
    bare.sync()
    parts = parts_of(bare.db, bare.monday, {"contacts": bare.mapping})
    running = Push(open_board(parts, bare.mapping, bare.board_id, Opening(writes=(False, True))))
    bare.sql("alter table contacts disable trigger user")
    ready(bare)
    running.run()
    bare.update(bare.link(item_id)["entity_id"], A="unnoticed")
    bare.sync("pg_to_monday")
    assert bare.on_board(item_id) == "A=unnoticed"


def test_the_triggers_note_what_sql_changes_from_then_on(bare):
    ready(bare)
    bare.sync()
    bare.insert("ann", A="a")
    assert noted(bare.db, "operation") == ["insert"]
    bare.sync()
    assert bare.board() == ["ann A=a"]


def test_an_item_made_of_a_row_carries_its_key(bare):
    ready(bare)
    row_id = bare.insert("ann")
    bare.sync()
    item = row(bare.db, "sync_mapping", entity_id=row_id)["monday_id"]
    assert sync_id_of(bare, item) == row_id


def sync_id_of(sides, item_id, column_id="sync_id"):
    for items in sides.monday.items([item_id], Columns((column_id,))):
        return items[0].cells[column_id]["text"]


def test_an_id_that_was_used_before_is_left_to_monday_and_the_column_is_found_again(bare, shared):
    shared.admin("columns/add", board_id=bare.board_id, id="sync_id", title="Sync ID", type="text")
    shared.admin("columns/delete", board_id=bare.board_id, column_id="sync_id")
    (entity,) = ready(bare).entities
    assert entity.made and entity.column != "sync_id"
    row_id = bare.insert("ann")
    bare.sync()
    item = row(bare.db, "sync_mapping", entity_id=row_id)["monday_id"]
    assert sync_id_of(bare, item, entity.column) == row_id
    (again,) = ready(bare).entities
    assert (again.column, again.made) == (entity.column, False)
    assert bare.sync().changes == 0


def test_a_text_column_of_that_title_is_taken_and_a_status_column_is_not(bare, shared):
    shared.admin("columns/add", board_id=bare.board_id, id="other", title="SYNC ID", type="status")
    shared.admin("columns/add", board_id=bare.board_id, id="ours", title="sync id", type="text")
    (entity,) = ready(bare).entities
    assert (entity.column, entity.made) == ("ours", False)
    row_id = bare.insert("ann")
    bare.sync()
    assert sync_id_of(bare, row(bare.db, "sync_mapping", entity_id=row_id)["monday_id"], "ours") == row_id


def test_init_db_makes_the_triggers_of_an_earlier_version_anew(cli, db):
    """What an earlier version left: no triggers for replicas, and functions that do not say of which version they are."""
    assert cli("setup", "--yes").code == 0
    assert "made anew" not in cli("init-db").out
    for function in db.execute_query(
        "select pg_get_functiondef(oid) as text from pg_proc where proname like 'monday%%'"
    ):
        db.execute_query(function["text"].replace(VERSION, "").replace("%", "%%"), (), fetch=False)
    for made in db.execute_query(
        "select tgname, tgrelid::regclass::text as table from pg_trigger where tgname = 'monday_sync_replica'"
    ):
        db.execute_query(f"drop trigger {made['tgname']} on {made['table']}", fetch=False)
    assert "The triggers of users were made anew." in cli("init-db").out
    assert "made anew" not in cli("init-db").out
    assert len(db.execute_query("select 1 as one from pg_trigger where tgname = 'monday_sync_replica'")) == 11
