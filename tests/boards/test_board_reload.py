"""Checks reloads without downtime: what readers see, what survives, and what a failed validation leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.kit.cli import start_main
from tests.kit.deployed import BOARD, Deployment
from tests.kit.forked import Child
from tests.kit.waiting import until

READER = """
import json, sys, threading, psycopg2
connection = psycopg2.connect(sys.argv[1])
connection.autocommit = True
cursor, seen, errors, stop = connection.cursor(), set(), [], threading.Event()
def look():
    try:
        cursor.execute('select count(*), min("Notes"), max("Notes") from planning')
        seen.add(cursor.fetchone())
    except psycopg2.Error as error:
        errors.append(str(error))
look()
print("ready", flush=True)
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
while not stop.wait(0.01):
    look()
look()
print(json.dumps({"seen": sorted(seen), "errors": errors}))
"""


@pytest.fixture
def world(world: Deployment) -> Deployment:
    world.board(("text1", "Notes", "text"), ("num1", "Budget", "numbers"), items=0)
    return world


def load(world: Deployment, count: int, text: str = "old") -> list[int]:
    ids: list[int] = []
    for start in range(0, count, 10_000):
        items = [
            {"name": f"Item {number}", "values": {"text1": text, "num1": str(number)}}
            for number in range(start, min(start + 10_000, count))
        ]
        made = world.sandbox.admin("items/load", board_id=BOARD, items=items)
        ids += [int(item_id) for item_id in (made["ids"] if isinstance(made, dict) else made)]
    return ids


def two_way(world: Deployment, count: int = 4) -> list[int]:
    """Loads a board that flows both ways, with its triggers."""
    ids = load(world, count)
    world.deploy()
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning")
    world.pull()
    return ids


def edit(world: Deployment, item_id: int, text: str) -> None:
    world.sql(f"update planning set {{notes}} = '{text}' where {{key}} = {item_id}", notes="Notes", key="Item ID")


def row(world: Deployment, item_id: int) -> dict[str, Any]:
    (found,) = [row for row in world.rows() if row["Item ID"] == item_id]
    return found


def begun(world: Deployment) -> Child:
    """Begins a reload in a process of its own."""
    return start_main("boards", "reload", "planning", env=world.env, stderr=subprocess.PIPE)


def test_a_reader_that_polls_sees_the_old_table_and_then_the_new_one(world: Deployment) -> None:
    """How long it waits for a table of 100,000 rows: `python -m benchmarks --only deployed`."""
    load(world, 5_000)
    world.deploy()
    world.sql("update planning set {notes} = 'changed by hand'", notes="Notes")
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, world.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout and reader.stdout.readline() == "ready\n"
    report = world.json("boards", "reload", "planning")["entities"][0]
    out, _ = reader.communicate("stop\n", timeout=60)
    assert (report["read"], report["updated"]) == (5_000, 5_000)
    assert json.loads(out) == {
        "seen": [[5_000, "changed by hand", "changed by hand"], [5_000, "old", "old"]],
        "errors": [],
    }


def test_grants_views_foreign_keys_and_indexes_survive(world: Deployment) -> None:
    load(world, 50)
    world.deploy()
    world.sql("create view shown as select {name}, {notes} from planning", name="Name", notes="Notes")
    world.sql("create index by_notes on planning ({notes})", notes="Notes")
    world.sql("create table orders (id int, item bigint references planning ({key}))", key="Item ID")
    world.sql("insert into orders select 1, min({key}) from planning", key="Item ID")
    world.sql("grant select on planning to public")
    before = world.db.execute_query("select oid, relacl::text from pg_class where relname = 'planning'")
    world.cli("boards", "reload", "planning")
    assert world.db.execute_query("select oid, relacl::text from pg_class where relname = 'planning'") == before
    assert world.db.execute_query("select count(*) from shown") == [{"count": 50}]
    assert world.db.execute_query("select count(*) from orders join planning on item = {key}".format(key='"Item ID"'))
    assert world.db.execute_query("select 1 as found from pg_indexes where indexname = 'by_notes'") == [{"found": 1}]


def test_what_the_board_has_is_live_and_what_it_lacks_is_archived(world: Deployment) -> None:
    ids = load(world, 40)
    world.deploy()
    world.admin("items/change", item_id=ids[0], values={"text1": "new"})
    world.admin("items/delete", item_id=ids[1])
    world.sandbox.admin("items/create", board_id=BOARD, name="Another")
    report = world.json("boards", "reload", "planning")["entities"][0]
    assert (report["created"], report["updated"], report["archived"], report["unchanged"]) == (1, 1, 1, 38)
    rows = {row["Item ID"]: row for row in world.rows()}
    assert rows[ids[0]]["Notes"] == "new" and rows[ids[1]]["Archived at"] and len(rows) == 41
    assert world.pull()["to_postgres"] == {"created": 0, "updated": 0, "archived": 0}
    world.admin("items/restore", item_id=ids[1])
    assert world.json("boards", "reload", "planning")["entities"][0]["restored"] == 1


def test_a_listing_that_lacks_items_is_made_up_for_by_id(world: Deployment) -> None:
    load(world, 1_200)
    world.deploy()
    world.sandbox.admin("faults/add", kind="drop_page", match={"field": "next_items_page"}, count=1)
    assert world.json("boards", "reload", "planning")["entities"][0]["read"] == 1_200
    assert world.column("Archived at") == [None] * 1_200


def test_a_failed_validation_leaves_the_live_table_as_it_was(world: Deployment) -> None:
    ids = load(world, 30)
    world.deploy()
    before = world.db.execute_query("select ctid::text, xmin::text, t::text from planning as t order by 1")
    for number in ids:
        world.admin("items/change", item_id=number, values={"text1": "new"})
    world.sandbox.admin("faults/add", kind="drop_item", item_id=ids[3], count=50, match={"contains": "ItemsPage"})
    done = world.cli("boards", "reload", "planning", code=3)
    assert "The live table is as it was" in done.err
    assert world.db.execute_query("select ctid::text, xmin::text, t::text from planning as t order by 1") == before
    assert world.db.execute_query("select to_regclass('stg_planning') as left_over") == [{"left_over": None}]


def test_an_item_that_is_listed_and_does_not_come_fails_the_validation(world: Deployment) -> None:
    load(world, 30)
    world.deploy()
    new = world.sandbox.admin("items/create", board_id=BOARD, name="New")["id"]
    world.sandbox.admin("faults/add", kind="drop_item", item_id=new, count=50, match={"contains": "column_values"})
    assert f"did not come, such as {new}" in world.cli("boards", "reload", "planning", code=3).err
    assert len(world.rows()) == 30


def test_a_table_that_is_altered_meanwhile_fails_the_validation(world: Deployment) -> None:
    load(world, 1_000)
    world.deploy()
    world.sandbox.admin("latency", ms=100)
    reload = begun(world)
    until(lambda: world.reached("select to_regclass('stg_planning')"))
    world.sql("alter table planning alter {budget} type text", budget="Budget")
    _, told = reload.communicate(timeout=60)
    assert reload.returncode == 3 and "planning was altered meanwhile: Budget" in told
    assert set(world.column("Notes")) == {"old"}


def test_a_reload_that_would_remove_much_stops_first(world: Deployment) -> None:
    ids = load(world, 60)
    world.deploy()
    for number in ids[:40]:
        world.admin("items/delete", item_id=number)
    assert "--allow-mass-delete" in world.cli("boards", "reload", "planning", code=4).err
    assert world.column("Archived at") == [None] * 60
    world.cli("boards", "reload", "planning", "--allow-mass-delete")
    assert sum(moment is not None for moment in world.column("Archived at")) == 40


def test_what_people_changed_in_a_two_way_board_survives_a_reload(world: Deployment) -> None:
    ids = load(world, 10)
    world.deploy()
    world.set("direction", "bidirectional")
    assert "setup --entity planning" in world.cli("boards", "reload", "planning", code=2).err
    world.cli("setup", "--entity", "planning")
    world.pull()
    world.sql(f"update planning set {{notes}} = 'mine' where {{key}} = {ids[0]}", notes="Notes", key="Item ID")
    world.cli("boards", "reload", "planning")
    assert world.column("Notes")[0] == "mine"
    assert world.pull()["to_monday"]["updated"] == 1
    shown = world.sandbox.admin("boards/snapshot", board_id=BOARD)
    assert shown[0]["cells"]["text1"]["text"] == "mine"


def test_several_workers_read_several_groups(world: Deployment) -> None:
    world.admin("groups/add", id="more", title="More")
    load(world, 700)
    items = [{"name": f"Other {number}", "group_id": "more"} for number in range(700)]
    world.sandbox.admin("items/load", board_id=BOARD, items=items)
    world.deploy("--max-workers", "4")
    assert len(world.rows()) == 1_400
    assert set(world.column("Group")) >= {"More"}


def test_an_edit_that_is_committed_while_a_reload_waits_for_it_survives(world: Deployment) -> None:
    ids = two_way(world)
    world.admin("items/change", item_id=ids[0], values={"num1": "77"})
    with closing(psycopg2.connect(world.url)) as person:
        person.cursor().execute(f'update planning set "Notes" = \'mine\' where "Item ID" = {ids[0]}')
        reload = begun(world)
        waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        until(lambda: world.reached(waits))
        assert world.column("Notes") == ["old"] * 4
        person.commit()
    reload.communicate(timeout=60)
    assert reload.returncode == 0
    assert row(world, ids[0])["Notes"] == "mine"
    world.pull()
    assert world.cells(ids[0])["text1"]["text"] == "mine"
    assert (row(world, ids[0])["Notes"], row(world, ids[0])["Budget"]) == ("mine", 77)


@pytest.mark.parametrize("deletes", ["archive", "delete"])
def test_a_row_that_a_user_edited_outlives_its_item(world: Deployment, deletes: str) -> None:
    ids = two_way(world)
    world.set("contract", f"evolve\ndeletes: {{monday: {deletes}, postgres: archive}}")
    edit(world, ids[0], "mine")
    for number in ids[:2]:
        world.admin("items/archive", item_id=number)
    assert world.json("boards", "reload", "planning")["entities"][0]["archived"] == 1
    assert (row(world, ids[0])["Notes"], row(world, ids[0])["Archived at"]) == ("mine", None)
    assert all(row["Archived at"] for row in world.rows() if row["Item ID"] == ids[1])
    assert world.json("run", "--entity", "planning", code=3)["entities"][0]["held"] == 1


@pytest.mark.parametrize("direction", ["monday_to_pg", "bidirectional"])
def test_a_record_that_is_off_is_left_as_it_is_until_it_is_on_again(world: Deployment, direction: str) -> None:
    ids = two_way(world, 5)
    world.set("direction", direction)
    settings = ["sync_enabled = false", "sync_direction = 'none'", "sync_direction = 'pg_to_monday'"]
    for item_id, setting in zip(ids[1:], settings, strict=False):
        world.sql(f"update sync_mapping set {setting} where monday_id = '{item_id}'")
    world.cli("record", f"planning/{ids[0]}", "--disable")
    for number in ids:
        world.admin("items/change", item_id=number, values={"text1": "new"})
    world.cli("boards", "reload", "planning")
    assert world.column("Notes") == ["old"] * 4 + ["new"]
    statuses = world.db.execute_query("select sync_status from sync_mapping order by monday_id")
    assert [row["sync_status"] for row in statuses][:3] == ["disabled"] * 3
    world.sql("update sync_mapping set sync_enabled = true, sync_direction = 'bidirectional'")
    world.pull()
    assert world.column("Notes") == ["new"] * 5


def test_a_row_whose_record_is_off_outlives_its_item(world: Deployment) -> None:
    ids = load(world, 4)
    world.deploy()
    world.cli("record", f"planning/{ids[0]}", "--disable")
    world.admin("items/archive", item_id=ids[0])
    world.cli("boards", "reload", "planning")
    assert row(world, ids[0])["Archived at"] is None


@pytest.mark.parametrize(
    "kind", ["table stg_planning (precious text)", "view stg_planning_links as select 1 as precious"]
)
def test_a_table_or_view_that_is_not_ours_is_not_dropped(world: Deployment, kind: str) -> None:
    load(world, 3)
    world.deploy()
    world.sql(f"create {kind}")
    name = kind.split()[1]
    assert f"{name} is not the tool's" in world.cli("boards", "reload", "planning", code=2).err
    assert world.columns(name) == ["precious"]


def test_a_deploy_drops_no_table_that_is_not_ours(world: Deployment) -> None:
    load(world, 3)
    world.sql("create table stg_planning (precious text)")
    deploy = ("boards", "deploy", "--board-id", str(BOARD), "--name", "planning", "--yes")
    assert "stg_planning is not the tool's" in world.cli(*deploy, code=2).err
    assert world.columns("stg_planning") == ["precious"]
    assert not world.reached("select to_regclass('planning')")
    world.sql("drop table stg_planning")
    world.deploy()
    assert len(world.rows()) == 3


def test_what_a_killed_reload_has_left_is_cleared_away(world: Deployment) -> None:
    load(world, 1_000)
    world.deploy()
    world.sandbox.admin("latency", ms=100)
    reload = begun(world)
    until(lambda: world.reached("select to_regclass('stg_planning')"))
    reload.kill()
    reload.communicate(timeout=60)
    world.sandbox.admin("latency", ms=0)
    assert world.reached("select to_regclass('stg_planning')")
    world.cli("boards", "reload", "planning")
    assert not world.reached("select to_regclass('stg_planning')")


def with_a_key_of_its_own(world: Deployment) -> int:
    """Inserts a row together with a key, and returns its item."""
    two_way(world)
    world.sql("insert into planning ({key}, {name}) values (5, 'five')", key="Item ID", name="Name")
    world.pull()
    return max(world.ids())


def test_a_row_that_sql_gave_a_key_is_not_doubled(world: Deployment) -> None:
    made = with_a_key_of_its_own(world)
    world.admin("items/change", item_id=made, values={"text1": "new"})
    world.cli("boards", "reload", "planning")
    assert [row["Notes"] for row in world.rows() if row["Name"] == "five"] == ["new"]
    links = world.db.execute_query(f"select entity_id from sync_mapping where monday_id = '{made}'")
    assert links == [{"entity_id": str(row["Item ID"])} for row in world.rows() if row["Name"] == "five"]


def test_a_row_that_sql_gave_a_key_and_deleted_does_not_come_back(world: Deployment) -> None:
    with_a_key_of_its_own(world)
    world.sql("delete from planning where {name} = 'five'", name="Name")
    world.cli("boards", "reload", "planning")
    assert "five" not in world.column("Name")


REFUSALS = {
    "null": ("alter table planning alter {notes} set not null", "alter table planning alter {notes} drop not null"),
    "twice": ("create unique index only_one on planning ({budget})", "drop index only_one"),
    "trigger": (
        "create function refuse() returns trigger language plpgsql as $$ begin"
        " if new.{notes} is null then raise exception 'no'; end if; return new; end $$;"
        " create trigger refuses before insert or update on planning for each row execute function refuse()",
        "drop function refuse cascade",
    ),
}


@pytest.mark.parametrize("refuses", REFUSALS)
def test_what_the_live_table_refuses_costs_its_own_field_or_item_only(world: Deployment, refuses: str) -> None:
    ids = load(world, 9)
    world.deploy()
    constrain, lift = REFUSALS[refuses]
    world.sql(constrain, notes="Notes", budget="Budget")
    world.admin("items/change", item_id=ids[0], values={"text1": "new"})
    world.admin("items/change", item_id=ids[5], values={"text1": "", "num1": "8"})
    added = world.sandbox.admin("items/create", board_id=BOARD, name="Another", values={"num1": "8"})["id"]
    done = world.cli("boards", "reload", "planning", "--json", code=3)
    report = json.loads(done.out)["entities"][0]
    # a budget that is taken is left out; without notes there is no new row
    made = int(refuses == "twice")
    assert (report["created"], report["updated"], report["errors"]) == (made, 2, 2)
    assert f"planning {added}: {'Budget: ' * made}PostgreSQL refused a row" in done.err
    changed = [None, 5] if made else ["old", 8]
    assert [world.column("Notes")[5], world.column("Budget")[5]] == changed
    assert world.column("Notes")[:5] == ["new"] + ["old"] * 4 and len(world.rows()) == 9 + made
    world.sql(lift, notes="Notes")
    report = world.json("boards", "reload", "planning")["entities"][0]
    assert (report["created"], report["updated"], report["errors"]) == (1 - made, 1 + made, 0)
    assert world.pull()["to_postgres"] == {"created": 0, "updated": 0, "archived": 0}


def test_a_table_that_refuses_at_the_end_fails_the_validation(world: Deployment) -> None:
    ids = load(world, 3)
    world.deploy()
    world.sql("alter table planning add unique ({budget}) deferrable initially deferred", budget="Budget")
    world.admin("items/change", item_id=ids[0], values={"num1": "2"})
    done = world.cli("boards", "reload", "planning", code=3)
    assert "PostgreSQL refused a row" in done.err and "The live table is as it was" in done.err
    assert world.column("Budget") == [0, 1, 2]


@pytest.mark.parametrize("held", ["smallint", "integer", "bigint"])
def test_a_value_that_its_column_cannot_hold_costs_its_field_only(world: Deployment, held: str) -> None:
    (world.home / "mappings").mkdir(exist_ok=True)
    (world.home / "mappings" / "types.yaml").write_text(f"types:\n  numbers: {held}\n")
    ids = load(world, 4)
    world.admin("items/change", item_id=ids[1], values={"num1": "1.5", "text1": "kept"})
    world.admin("items/change", item_id=ids[2], values={"num1": "9" * 30, "text1": "kept"})
    command = ("boards", "deploy", "--board-id", str(BOARD), "--name", "planning", "--yes", "--quiet")
    assert "Budget: PostgreSQL refused a row" in world.cli(*command, code=3).err
    assert (world.column("Budget"), world.column("Notes")) == ([0, None, None, 3], ["old", "kept", "kept", "old"])
    world.admin("items/change", item_id=ids[1], values={"num1": "7"})
    world.admin("items/change", item_id=ids[2], values={"text1": "newer"})
    report = world.json("boards", "reload", "planning", code=3)["entities"][0]
    assert (report["updated"], report["errors"], report["read"]) == (2, 1, 4)
    assert (world.column("Budget"), world.column("Notes")) == ([0, 7, None, 3], ["old", "kept", "newer", "old"])
