"""Checks how a document of new items is written down, and what follows when the command is killed in the middle of one."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from db_connector import Database
from tests.kit.cli import run_main, settings_for, start_main
from tests.kit.pushes import THINGS, PushBench, bench_of, text_of
from tests.kit.waiting import until


def test_what_is_sent_again_is_the_same_to_the_byte(bench: PushBench) -> None:
    """Another body under a key that is known would be refused, and it would not be known what was made."""
    bench.insert(3, note="'b ' || i", state="'Done'")
    # PostgreSQL keeps the members of an object by their length, and monday.com is sent them in the mapping's order.
    text, first = (bench.folder / "things.yaml").read_text(), "  - {column: status, field: state}\n"
    bench.use(text.replace(first, "").replace("fields:\n", f"fields:\n{first}"))
    bench.sandbox.admin("labels/add", board_id=bench.board, column_id="status", label_id=11, name="Done")
    bench.kill_at("CreateItems", 1)
    bench.sandbox.admin("requests/reset")
    bench.kill_at("CreateItems", 1, after=True)
    bench.sandbox.admin("faults/add", kind="empty_listing", match={"field": "items_page_by_column_values"})
    bench.push()
    assert len({body for name, body in bench.relay.bodies if name == "CreateItems"}) == 1
    bench.must_be_equal()


@pytest.mark.parametrize("columns", [True, False])
def test_a_row_that_spoils_its_document_without_being_named_costs_only_itself(bench: PushBench, columns: bool) -> None:
    if not columns:
        bench.use("".join(line for line in THINGS.splitlines(True) if "sync_id" not in line))
    bench.insert(3)
    bench.sandbox.admin(
        "faults/add",
        kind="error",
        message="Something is wrong with a value",
        code="InvalidArgumentException",
        match={"contains": "Thing 2"},
        count=1000,
    )
    bench.push()
    assert bench.push().errors
    assert sorted(item["name"] for item in bench.items()) == ["Thing 1", "Thing 3"]
    for _ in range(8):
        bench.db.execute_query("update sync_mapping set next_try_at = now() where monday_id is null", fetch=False)
        bench.push()
    assert bench.sql("select sync_status from sync_mapping where monday_id is null") == [{"sync_status": "set_aside"}]


def test_items_carry_the_row_key_only_where_the_tool_made_them(bench: PushBench) -> None:
    bench.sandbox.admin("items/create", board_id=bench.board, name="By hand")
    bench.insert(1)
    bench.push("both")
    made = {item["name"]: text_of(item, "sync_id") for item in bench.items()}
    (row,) = bench.sql("select id::text from things where title = 'Thing 1'")
    assert made == {"By hand": "", "Thing 1": row["id"]}


def must_be_marked(bench: PushBench) -> None:
    """Checks that each row says which item it has, and that saying so was no edit of a user's."""
    unlike = (
        "select title from things as t join sync_mapping as l on l.entity_id = t.id::text"
        " where t.monday_id is distinct from l.monday_id or t.updated_at <> t.created_at"
    )
    assert bench.sql(unlike) == []
    assert bench.sql("select 1 from things where monday_id is null") == []
    assert bench.sql("select 1 from sync_outbox") == []


@pytest.mark.parametrize("count", [3, 220])
def test_a_row_of_which_an_item_was_made_says_so_at_once(bench: PushBench, count: int) -> None:
    bench.insert(count)
    assert bench.push().to_monday.created == count
    must_be_marked(bench)
    bench.must_be_equal()


@pytest.mark.parametrize("columns", [True, False])
def test_a_row_whose_item_was_found_after_a_kill_says_so_too(bench: PushBench, columns: bool) -> None:
    if not columns:
        bench.use("".join(line for line in THINGS.splitlines(True) if "sync_id" not in line))
    bench.insert(3)
    bench.kill_at("CreateItems", 1, after=True)
    bench.later(31)
    bench.push()
    must_be_marked(bench)


def test_a_row_is_not_linked_before_it_says_which_item_it_has(bench: PushBench) -> None:
    bench.insert(3)
    hold = bench.relay.hold("CreateItems", 1, after=True)
    bench.kill_at_lock("sync_turn", "exclusive", hold)
    assert bench.sql("select 1 from sync_mapping where monday_id is not null") == []
    bench.push()
    must_be_marked(bench)


def test_a_row_that_cannot_say_which_item_it_has_keeps_no_other_from_it(bench: PushBench) -> None:
    bench.sql("alter table things add check (title <> 'Thing 2' or monday_id is null)")
    bench.insert(3)
    assert bench.push().to_monday.created == 3
    assert bench.sql("select title from things where monday_id is null") == [{"title": "Thing 2"}]
    bench.must_be_equal()


def test_a_copied_sync_id_is_cleared_and_the_copy_is_a_record_of_its_own(bench: PushBench) -> None:
    bench.insert(1)
    bench.push("both")
    bench.sandbox.admin("items/duplicate", item_id=bench.items()[0]["id"])
    bench.push("both")
    assert bench.sql("select count(*) as n from things")[0]["n"] == 2
    assert bench.shown("sync_id").count("") == 1
    bench.must_be_equal()


def test_the_group_of_new_items_is_the_one_of_the_mapping(db: Database, database_url: str, tmp_path: Path) -> None:
    with bench_of(db, database_url, tmp_path, THINGS.replace("item_name", "group: Second\nitem_name")) as bench:
        bench.sandbox.admin("groups/add", board_id=bench.board, id="second", title="Second")
        bench.insert(1)
        bench.push()
        assert [item["group_id"] for item in bench.items()] == ["second"]


@pytest.mark.parametrize("after", [False, True])
def test_the_command_itself_can_be_killed(bench: PushBench, home: Path, after: bool) -> None:
    (home / "mappings").mkdir()
    (home / "mappings" / "things.yaml").write_text(THINGS)
    places = {"MONDAY_API_URL": f"{bench.relay.url}/v2", "MONDAY_SYNC_HOME": str(home)}
    settings = settings_for(bench.sandbox, bench.database, **places)
    command = ("pg-to-monday", "--entity", "things")
    bench.insert(60)
    hold = bench.relay.hold("CreateItems", 2, after)
    with start_main(*command, env=settings) as process:
        until(hold.reached.is_set, what="the second document")
        process.send_signal(signal.SIGKILL)
    hold.go.set()
    bench.later(31)
    done = run_main(home, *command, env=settings)
    assert done.code == 0, done.err
    bench.must_be_equal()
