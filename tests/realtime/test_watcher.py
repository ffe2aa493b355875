"""Checks PostgreSQL → monday.com in real time: any SQL, from any program, arrives on the board and never waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from msgspec.structs import replace

from db_connector import Database
from errors import SettingsError
from main import compose
from realtime.daemon import open_daemon
from realtime.worker_settings import WorkerSettings
from state.turns import working_on
from tests.kit.live import QUICK, SECOND_PROFILE, Live, LiveWorld, living, running, world
from tests.kit.shipped import CONTACTS, MAPPINGS, ORGANIZATIONS
from tests.kit.waiting import until


@pytest.fixture
def here(db: Database, database_url: str, home: Path) -> Iterator[LiveWorld]:
    with world(db, database_url, home) as found:
        for board in (CONTACTS, ORGANIZATIONS):
            found.sandbox.admin("columns/add", board_id=board, id="sync_id", title="Sync ID", type="text")
        yield found


@pytest.fixture
def live(here: LiveWorld) -> Iterator[Live]:
    with living(here, subscribe=False) as found:
        yield found


def named(here: LiveWorld, name: str, board: str = CONTACTS) -> dict[str, str] | None:
    found = [item for item in here.snapshot(board).values() if item["name"] == name]
    assert len(found) < 2
    return found[0] if found else None


def connected(here: LiveWorld, name: str) -> list[str]:
    """Returns the names of the organizations that a contact's cell shows."""
    item = next(item for item, shown in here.snapshot().items() if shown["name"] == name)
    query = "query($i:[ID!]){items(ids:$i){column_values{... on BoardRelationValue{linked_item_ids}}}}"
    cells = here.sandbox.query(query, i=[item])["data"]["items"][0]["column_values"]
    ids = [item_id for cell in cells for item_id in cell.get("linked_item_ids") or ()]
    return [here.snapshot(ORGANIZATIONS)[str(item_id)]["name"] for item_id in ids]


def mutations(here: LiveWorld) -> list[dict]:
    return here.sandbox.admin("requests", operation="mutation")


def test_commits_reach_the_board_one_after_another(live):
    here = live.world
    item, row = next(iter(here.pairs().items()))
    for number in range(3):
        here.change("update contacts set notes = %s where id = %s", f"from SQL {number}", row)
        until(lambda text=f"from SQL {number}": here.snapshot()[item]["notes"] == text)


def test_a_commit_wakes_the_daemon_by_itself(here):
    with open_daemon(compose(), here.settings, SECOND_PROFILE, QUICK) as daemon:
        listener = next(thread for thread in daemon.threads if thread.name == "listen")
        listener.start()
        assert daemon.listening.wait(60)
        here.change("insert into contacts (name) values ('heard')")
        until(daemon.workers[CONTACTS].wake.is_set)
        daemon.stopping.set()
        here.change("insert into contacts (name) values ('heard again')")
        listener.join(10)
        assert not listener.is_alive()


def test_every_kind_of_statement_reaches_the_board(live):
    here = live.world
    items = sorted(here.pairs().items())
    here.change("insert into contacts (name, email, role_title) values ('Ann Lee', 'ann@example.com', 'Owner')")
    here.change("delete from contacts where id = %s", items[0][1])
    here.change("update contacts set archived_at = now() where id = %s", items[1][1])
    here.change("update contacts set name = 'Bob Ray' where id = %s", items[2][1])
    until(lambda: named(here, "Ann Lee") and named(here, "Bob Ray"))
    until(lambda: not {items[0][0], items[1][0]} & here.snapshot().keys(), what="the archived items")
    live.settle()
    assert named(here, "Ann Lee")["role_title"] == "Owner"
    assert here.differences() == []


def test_a_contact_and_its_organization_of_one_transaction_are_connected_on_the_board(live):
    here = live.world
    with here.db.transaction(tool=False) as tx:
        made = tx.value("insert into organizations (name) values ('Acme') returning id::text")
        tx.execute("insert into contacts (name, organization_id) values ('Ann Lee', %s)", (made,))
    until(lambda: named(here, "Ann Lee") and connected(here, "Ann Lee") == ["Acme"], what="the connection")
    other = here.value("select id::text from organizations where name <> 'Acme' order by name limit 1")
    here.change("update contacts set organization_id = %s where name = 'Ann Lee'", other)
    name = here.value("select name from organizations where id = %s", other)
    until(lambda: connected(here, "Ann Lee") == [name])
    here.change("update contacts set organization_id = null where name = 'Ann Lee'")
    until(lambda: connected(here, "Ann Lee") == [])
    live.settle()
    assert here.sql("select sync_status from contacts where name = 'Ann Lee'") == [{"sync_status": "synced"}]


def test_a_record_that_keeps_changing_is_sent_once_it_rests(here):
    with living(here, workers=replace(QUICK, debounce_s=0.4), subscribe=False) as live:
        item, row = next(iter(here.pairs().items()))
        live.settle()
        here.sandbox.admin("requests/reset")
        for number in range(20):
            here.change("update contacts set notes = %s where id = %s", f"draft {number}", row)
        until(lambda: here.snapshot()[item]["notes"] == "draft 19")
        live.settle()
        assert len(mutations(here)) == 1


def test_a_record_that_never_rests_is_sent_all_the_same(here):
    with living(here, workers=replace(QUICK, debounce_s=0.1), subscribe=False):
        item, row = next(iter(here.pairs().items()))
        end, seen = time.monotonic() + 6, set()
        while time.monotonic() < end and len(seen) < 2:
            here.change("update contacts set notes = %s where id = %s", str(time.monotonic()), row)
            seen.add(here.snapshot()[item]["notes"])
            time.sleep(0.03)
        assert len(seen) >= 2


def test_many_records_are_sent_in_few_documents(live):
    here = live.world
    live.settle()
    here.sandbox.admin("requests/reset")
    here.change("update contacts set notes = 'to all of you'")
    until(lambda: {item["notes"] for item in here.snapshot().values()} == {"to all of you"})
    live.settle()
    assert len(mutations(here)) == 1


# Never in the way


def test_a_writer_does_not_wait_for_a_monday_that_is_down_and_its_change_arrives_later(here):
    settings = replace(here.settings, give_up_after=1.0)
    with living(here, settings=settings, subscribe=False) as live:
        item, row = next(iter(here.pairs().items()))
        live.settle()
        here.sandbox.admin("faults/add", kind="html_503", count=100_000)
        for number in range(20):
            here.change("update contacts set notes = %s where id = %s", f"unheard {number}", row)
        assert here.row_of(item)["notes"] == "unheard 19" and "unheard" not in here.snapshot()[item]["notes"]
        until(lambda: here.row_of(item)["sync_status"] == "pending", 20, "the row says that it waits")
        here.sandbox.admin("faults/clear")
        until(lambda: here.snapshot()[item]["notes"] == "unheard 19", 40)
        until(lambda: here.row_of(item)["sync_status"] == "synced")


def test_any_program_that_speaks_sql_is_heard_also_without_knowing_the_tool(live):
    here = live.world
    connection = psycopg2.connect(here.url, application_name="somebody else's")
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into contacts (name) select 'Person ' || n from generate_series(1, 3) as n")
    connection.close()
    until(lambda: all(named(here, f"Person {number}") for number in (1, 2, 3)))


def test_a_transaction_that_is_rolled_back_is_nothing(live):
    here = live.world
    live.settle()
    here.sandbox.admin("requests/reset")
    connection = psycopg2.connect(here.url)
    with connection.cursor() as cursor:
        cursor.execute("update contacts set notes = 'never said'")
    connection.rollback()
    connection.close()
    here.change("insert into contacts (name) values ('Bob Ray')")
    until(lambda: named(here, "Bob Ray"), what="what was committed after it")
    live.settle()
    assert "never said" not in {item["notes"] for item in here.snapshot().values()}
    assert [request for request in mutations(here) if "never said" in str(request)] == []


def test_one_bad_record_holds_up_no_other(live):
    here = live.world
    items = sorted(here.pairs().items())
    here.change("update contacts set email = 'no address at all' where id = %s", items[0][1])
    here.change("update contacts set notes = 'fine' where id = %s", items[1][1])
    until(lambda: here.snapshot()[items[1][0]]["notes"] == "fine")
    until(lambda: here.row_of(items[0][0])["sync_status"] == "error", what="the bad one says so")
    assert here.value("select next_try_at > now() from sync_mapping where monday_id = %s", items[0][0])


def test_a_row_that_an_applications_own_trigger_guards_holds_up_no_other(live):
    here = live.world
    here.change(
        "create function stop() returns trigger language plpgsql as"
        " $$begin if old.notes = 'signed' then raise exception 'signed contacts stay as they are'; end if;"
        " return new; end$$"
    )
    here.change("create trigger stop before update on contacts for each row execute function stop()")
    items = sorted(here.pairs().items())
    here.change("update contacts set notes = 'signed' where id = %s", items[0][1])
    here.change("update contacts set notes = 'fine' where id = %s", items[1][1])
    until(lambda: here.snapshot()[items[1][0]]["notes"] == "fine")
    here.change("insert into contacts (name) values ('Bob Ray')")
    until(
        lambda: (
            named(here, "Bob Ray") and here.value("select sync_status from contacts where name = 'Bob Ray'") == "synced"
        )
    )
    live.settle()
    assert here.value("select last_error from sync_mapping where monday_id = %s", items[0][0])
    assert live.daemon.workers[CONTACTS].trouble is None


def test_an_item_made_of_a_row_that_postgresql_then_guards_is_made_once_and_holds_up_no_other(live):
    here = live.world
    here.change(
        "create function stop() returns trigger language plpgsql as"
        " $$begin if old.notes = 'signed' then raise exception 'signed contacts stay as they are'; end if;"
        " return new; end$$"
    )
    here.change("create trigger stop before update on contacts for each row execute function stop()")
    here.change("insert into contacts (name, notes) values ('Ann Lee', 'signed'), ('Bob Ray', null)")
    until(lambda: here.value("select sync_status from contacts where name = 'Bob Ray'") == "synced")
    creation = live.daemon.workers[CONTACTS].live.push.sender.creation
    with working_on(here.db, "contact"):  # no other process works meanwhile
        creation.recover()
        creation.recover()
        assert named(here, "Ann Lee")
        here.change("drop trigger stop on contacts")
        creation.recover()
    until(lambda: here.value("select sync_status from contacts where name = 'Ann Lee'") == "synced")
    assert named(here, "Ann Lee")


def test_a_record_whose_item_went_to_another_board_holds_up_no_other(live):
    here = live.world
    items = sorted(here.pairs().items())
    elsewhere = here.sandbox.admin("boards/create", name="Elsewhere", columns=[])["id"]
    found = here.sandbox.query("query($b:[ID!]){boards(ids:$b){groups{id}}}", b=[elsewhere])
    group = found["data"]["boards"][0]["groups"][0]["id"]
    here.sandbox.admin("items/move_to_board", item_id=items[0][0], board_id=elsewhere, group_id=group)
    here.change("update contacts set notes = 'to both' where id = any(%s::uuid[])", [items[0][1], items[1][1]])
    until(lambda: here.snapshot()[items[1][0]]["notes"] == "to both")


# Record by record


@pytest.mark.parametrize(
    ("setting", "arrives"),
    [
        ("sync_enabled = false", False),
        ("sync_direction = 'none'", False),
        ("sync_direction = 'monday_to_pg'", False),
        ("sync_direction = 'pg_to_monday'", True),
        ("sync_direction = 'bidirectional'", True),
    ],
)
def test_a_records_own_settings_say_whether_it_goes_to_the_board(live, setting, arrives):
    here = live.world
    column, value = setting.split(" = ")
    here.change(f"insert into contacts (name, {column}) values ('Ann Lee', {value})")
    here.change("insert into contacts (name) values ('Bob Ray')")
    until(lambda: named(here, "Bob Ray"))
    live.settle()
    assert bool(named(here, "Ann Lee")) is arrives


def test_a_record_that_is_switched_on_later_goes_to_the_board_then(live):
    here = live.world
    here.change("insert into contacts (name, sync_enabled) values ('Ann Lee', false)")
    live.settle()
    here.change("update contacts set sync_enabled = true where name = 'Ann Lee'")
    until(lambda: named(here, "Ann Lee"))


def test_many_deletions_at_once_wait_for_a_person(db, database_url, home):
    with world(db, database_url, home, boards="organizations:1,contacts:40") as here:
        with living(here, subscribe=False) as live:
            here.change("delete from contacts where id in (select id from contacts limit 25)")
            worker = live.daemon.workers[CONTACTS]
            until(lambda: worker.trouble, what="the guard")
            assert len(here.snapshot()) == 40


# `watch` alone


def test_watch_pushes_and_leaves_what_the_board_changes_alone(here, run_cli):
    with living(here, subscribe=False) as live:
        live.settle()
    with running(here, "watch") as process:
        assert process.line == "watching organizations, contacts\n"
        item, row = next(iter(here.pairs().items()))
        here.sandbox.admin("items/change", item_id=item, values={"notes": "said on the board"})
        here.change("update contacts set role_title = 'Owner' where id = %s", row)
        until(lambda: here.snapshot()[item]["role_title"] == "Owner", 20)
        assert here.row_of(item)["notes"] != "said on the board"
        assert process.end() == 0


def test_watch_without_triggers_says_what_to_do(db, database_url, home, run_cli):
    done = run_cli(
        "watch",
        "--entity",
        "contacts",
        env={"DATABASE_URL": database_url, "MONDAY_API_KEY": "key", "MONDAY_BOARD_ID_CONTACTS": CONTACTS},
    )
    assert done.code == 2 and "no triggers" in done.err and "setup" in done.err


def test_an_entity_without_a_board_is_named(here):
    from realtime.daemon import choose_kept

    with pytest.raises(SettingsError):
        choose_kept(replace(here.settings, environment={}), ("contacts",), WorkerSettings(), MAPPINGS)
