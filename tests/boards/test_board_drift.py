"""Changes a board under its table, and checks drift by contract, as the table in docs/boards.md has it."""

from __future__ import annotations

import re
from hashlib import blake2b

import pytest
from msgspec.structs import replace

from boards.drift import APPLY, PASS, TABLE_OF_CONTRACTS, WAIT, Known, compare
from mappings.declaration import Mapping
from models import Board, BoardColumn
from state.values import Values
from tests.kit.deployed import BOARD, Deployment
from tests.kit.shipped import PROJECT

LABELS = {"labels": [{"id": 1, "label": "Done"}, {"id": 2, "label": "Stuck"}]}
BEFORE = (BoardColumn("a", "A", "text"), BoardColumn("s", "S", "status", LABELS), BoardColumn("n", "N", "numbers"))
KNOWN = {
    "a": Known("a", "A", "text", "A"),
    "s": Known("s", "S", "status", "S", {1: "Done", 2: "Stuck"}),
    "n": Known("n", "N", "numbers", "N"),
}

DRIFTS = {
    "nothing": BEFORE,
    "added": (*BEFORE, BoardColumn("b", "B", "text")),
    "renamed": (replace(BEFORE[0], title="Z"), *BEFORE[1:]),
    "retyped": (replace(BEFORE[0], type="numbers"), *BEFORE[1:]),
    "deleted": BEFORE[1:],
    "labels": (BEFORE[0], replace(BEFORE[1], settings={"labels": [{"id": 1, "label": "Finished"}]}), BEFORE[2]),
}
TABLE = """
                evolve    freeze    discard_value
    added       apply     wait      pass
    renamed     apply     wait      pass
    retyped     apply     wait      pass
    deleted     apply     wait      pass
    labels      apply     apply     apply
"""
CONTRACTS, *LINES = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(drift, contract, move) for drift, *moves in LINES for contract, move in zip(CONTRACTS, moves, strict=True)]


def mapping(contract: str = "evolve", own_table: bool = True) -> Mapping:
    return Mapping("e", "e", "E", "e", "1", None, (), {}, contract=contract, own_table=own_table)


@pytest.mark.parametrize("drift, contract, move", CASES)
def test_drift_is_found_and_handled_by_contract(drift: str, contract: str, move: str) -> None:
    found = compare(KNOWN, Board("1", "B", DRIFTS[drift]), mapping(contract))
    assert [(change.kind, change.move) for change in found] == [(drift, move)]


def test_a_board_as_it_was_has_no_drift() -> None:
    assert compare(KNOWN, Board("1", "B", BEFORE), mapping()) == []


@pytest.mark.parametrize("kind", ["board_relation", "mirror", "formula", "dependency", "file"])
def test_a_new_column_that_is_hard_waits_for_a_person(kind: str) -> None:
    board = Board("1", "B", (*BEFORE, BoardColumn("h", "H", kind)))
    assert [change.move for change in compare(KNOWN, board, mapping())] == [WAIT]
    assert [change.move for change in compare(KNOWN, board, mapping("discard_value"))] == [PASS]


def test_a_rejected_column_may_change_as_it_likes() -> None:
    known = {**KNOWN, "h": replace(KNOWN["a"], column="h", rejected=True)}
    assert compare(known, Board("1", "B", BEFORE), mapping()) == []


def test_a_table_of_the_users_own_gets_no_column_by_itself() -> None:
    added, retyped = (Board("1", "B", DRIFTS[name]) for name in ("added", "retyped"))
    assert [change.move for change in compare(KNOWN, added, mapping(own_table=False))] == [PASS]
    assert [change.move for change in compare(KNOWN, retyped, mapping(own_table=False))] == [WAIT]


def test_the_page_shows_the_table_that_the_code_goes_by() -> None:
    text = (PROJECT / "docs" / "boards.md").read_text(encoding="utf-8")
    words = {APPLY: "followed", WAIT: "waits", PASS: "passed over"}
    for kind, by_contract in TABLE_OF_CONTRACTS.items():
        row = next(line for line in text.splitlines() if re.match(rf"\| `{kind}`", line))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert [cell.split(":")[0] for cell in cells[2:5]] == [words[move] for move in by_contract.values()]


# On a real board and a real table


@pytest.fixture
def world(world: Deployment) -> Deployment:
    columns = (("text1", "Notes", "text"), ("num1", "Budget", "numbers"), ("status1", "Status", "status"))
    world.board(*columns, items=3, text1="words", num1="5", status1={"label": "Done"})
    world.deploy()
    return world


def all_at_once(world: Deployment) -> None:
    """Does everything that can happen to a board between two runs."""
    world.admin("columns/add", id="new1", title="New", type="text")
    world.admin("columns/rename", column_id="text1", title="Remarks")
    world.admin("columns/retype", column_id="num1", type="text")
    world.admin("labels/rename", column_id="status1", label_id=1, name="Finished")
    item = world.column("Item ID")[0]
    world.admin("items/change", item_id=item, values={"new1": "hello", "num1": "five"})


def test_evolve_follows_the_board_and_drops_nothing(world: Deployment) -> None:
    all_at_once(world)
    world.pull()
    row = world.rows()[0]
    assert (row["New"], row["Remarks"], row["Status"]) == ("hello", "words", "Finished")
    assert (row["Budget"], row["Budget (numbers)"]) == ("five", 5)
    assert world.column("Status") == ["Finished"] * 3
    status = world.json("boards", "status", "planning")
    assert {change["kind"] for change in status["drift"]} == {"added", "renamed", "retyped", "labels"}
    assert not any(change["waits"] for change in status["drift"]) and status["columns"] == 4
    quiet = world.pull()
    assert quiet["to_postgres"] == {"created": 0, "updated": 0, "archived": 0}


def test_freeze_leaves_the_table_as_it_is_until_a_person_says_so(world: Deployment) -> None:
    world.set("contract", "freeze")
    columns = world.columns()
    all_at_once(world)
    world.pull()
    assert world.columns() == columns and world.column("Budget") == [5, 5, 5]
    assert {change["kind"] for change in world.json("boards", "status", "planning")["drift"] if change["waits"]} == {
        "added",
        "renamed",
        "retyped",
    }
    world.cli("boards", "update", "planning", "--yes")
    world.pull()
    row = world.rows()[0]
    assert (row["New"], row["Remarks"], row["Budget"], row["Budget (numbers)"]) == ("hello", "words", "five", 5)
    assert not any(change["waits"] for change in world.json("boards", "status", "planning")["drift"])


def test_discard_value_passes_over_what_does_not_fit(world: Deployment) -> None:
    world.set("contract", "discard_value")
    columns = world.columns()
    all_at_once(world)
    report = world.pull()
    assert world.columns() == columns and world.column("Budget") == [5, 5, 5] and report["errors"] == 0
    assert world.column("Notes") == ["words"] * 3
    assert not any(change["waits"] for change in world.json("boards", "status", "planning")["drift"])


@pytest.mark.parametrize("contract", ["evolve", "freeze", "discard_value"])
def test_a_deleted_column_keeps_its_values_and_is_no_crash(world: Deployment, contract: str) -> None:
    world.set("contract", contract)
    world.admin("columns/delete", column_id="text1")
    for _ in range(2):
        assert world.pull()["errors"] == 0
    assert world.column("Notes") == ["words"] * 3
    assert world.json("boards", "status", "planning")["drift"][0]["kind"] == "deleted"


def test_a_renamed_column_of_a_two_way_board_keeps_its_triggers_and_its_unsent_change(world: Deployment) -> None:
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning")
    world.pull()
    world.sql("create view shown as select {notes} from planning", notes="Notes")
    world.sql("update planning set {notes} = 'mine'", notes="Notes")
    world.admin("columns/rename", column_id="text1", title="Remarks")
    report = world.pull()
    assert (report["to_monday"]["updated"], report["conflicts"]) == (3, 0)
    world.sql("update planning set {notes} = 'again'", notes="Remarks")
    assert world.pull()["to_monday"]["updated"] == 3
    shown = world.sandbox.admin("boards/snapshot", board_id=BOARD)
    assert {item["cells"]["text1"]["text"] for item in shown} == {"again"}


def test_a_new_mirror_waits_and_its_rejection_is_kept(world: Deployment) -> None:
    world.admin("columns/add", id="mirror1", title="Shown", type="mirror")
    world.pull()
    assert "Shown" not in world.columns()
    assert "Shown" in world.cli("boards", "update", "planning", code=2).err
    world.cli("boards", "update", "planning", "--auto-reject", "mirrors", "--yes")
    assert world.entry("mirror1")["rejected"]
    world.pull()
    assert not any(change["waits"] for change in world.json("boards", "status", "planning")["drift"])


def test_a_reader_of_the_table_is_not_pushed_aside_by_a_new_column(world: Deployment) -> None:
    world.admin("columns/add", id="new1", title="New", type="text")
    with world.db.transaction(read_only=True) as tx:
        tx.rows("select * from planning")
        assert world.pull()["errors"] == 0  # the reader holds its lock; the column has to wait
    assert "New" not in world.columns()
    world.pull()
    assert "New" in world.columns()


def two_way(world: Deployment) -> None:
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning")
    world.pull()


def test_a_table_column_that_is_there_is_taken_over_by_no_column_of_the_board(world: Deployment) -> None:
    two_way(world)
    world.sql("alter table planning add column {own} int", own="Salary")
    world.sql("update planning set {own} = 100000", own="Salary")
    world.admin("columns/retype", column_id="num1", type="text")
    world.pull()
    world.admin("columns/add", id="new1", title="Salary", type="text")
    world.admin("columns/add", id="new2", title="Budget (numbers)", type="numbers")
    world.admin("items/change", item_id=world.ids()[0], values={"new2": "77"})
    world.pull()
    world.cli("boards", "reload", "planning")
    row = world.rows()[0]
    assert (row["Salary"], row["Budget (numbers)"]) == (100000, 5)
    assert (row["Salary (new1)"], row["Budget (numbers) (new2)"]) == (None, 77)
    assert {world.cells(item)["new1"]["text"] for item in world.ids()} <= {"", None}


def test_what_a_killed_run_did_to_the_table_is_not_done_again(world: Deployment) -> None:
    """Table and database are committed, and the copy in the home is as it was."""
    path = world.mapping_path()
    before = path.read_bytes()
    all_at_once(world)
    world.pull()
    columns, after = world.columns(), path.read_bytes()
    path.write_bytes(before)
    for _ in range(2):
        world.pull()
        assert (world.columns(), path.read_bytes()) == (columns, after)
    assert world.rows()[0]["New"] == "hello"


def before_the_database_kept_mappings(world: Deployment, mark: str | None = None) -> None:
    """Makes the database what it was then: it holds no text, and perhaps the mark of a file that a killed run left."""
    world.sql("delete from sync_mappings")
    Values(world.db).put("drift:planning", {"drift": [], "file": mark})


def test_what_a_killed_run_of_an_earlier_version_did_is_not_done_again(world: Deployment) -> None:
    """The table is committed, and the file that says so has not come into its place."""
    path = world.mapping_path()
    before = path.read_bytes()
    all_at_once(world)
    world.pull()
    columns, after, part = world.columns(), path.read_bytes(), path.with_suffix(".drifting")
    path.rename(part)
    path.write_bytes(before)
    before_the_database_kept_mappings(world, blake2b(before + b"\0" + after, digest_size=16).hexdigest())
    for _ in range(2):
        world.pull()
        assert (world.columns(), path.read_bytes()) == (columns, after)
    assert world.rows()[0]["New"] == "hello" and not part.exists()


def test_a_file_of_a_change_that_never_reached_the_table_counts_for_nothing(world: Deployment) -> None:
    all_at_once(world)
    before_the_database_kept_mappings(world)
    text = world.mapping_path().read_text(encoding="utf-8")
    world.mapping_path().with_suffix(".drifting").write_text(text.replace("Notes", "Never"), encoding="utf-8")
    world.pull()
    row = world.rows()[0]
    assert (row["New"], row["Remarks"], row["Budget"], row["Budget (numbers)"]) == ("hello", "words", "five", 5)
    assert not world.mapping_path().with_suffix(".drifting").exists()


def test_a_column_renamed_to_what_the_table_has_stops_no_other_change(world: Deployment) -> None:
    world.sql("alter table planning add column {own} text", own="Remarks")
    all_at_once(world)
    world.pull()
    row = world.rows()[0]
    assert (row["Remarks"], row["Remarks (text1)"], row["New"], row["Budget"]) == (None, "words", "hello", "five")
    assert "nothing was done" in world.cli("boards", "update", "planning", "--yes").out


def test_a_change_that_fails_stops_no_other_and_boards_update_says_that_it_waits(world: Deployment) -> None:
    world.sql(
        "create function refuse() returns event_trigger language plpgsql as $$ begin"
        " if current_query() like '%%rename column%%' then raise exception 'not this'; end if; end $$;"
        " create event trigger refusing on ddl_command_start when tag in ('ALTER TABLE') execute function refuse()"
    )
    all_at_once(world)
    told = world.cli("boards", "update", "planning", "--yes", code=3)
    assert "not this" in told.err and "it waits" in told.out
    row = world.rows()[0]
    assert "New" in row and (row["Notes"], row["Budget"]) == ("words", 5)
    drift = world.json("boards", "status", "planning")["drift"]
    assert {change["kind"]: change["waits"] for change in drift} == {
        "added": False,
        "labels": False,
        "renamed": True,
        "retyped": True,
    }
    world.sql("drop event trigger refusing")
    world.pull()
    assert world.rows()[0]["Remarks"] == "words" and world.column("Budget")[0] == "five"


@pytest.mark.parametrize("direction", ["monday_to_pg", "bidirectional"])
def test_a_rejected_column_that_is_wanted_after_all_is_fetched(world: Deployment, direction: str) -> None:
    world.admin("columns/add", id="rel1", title="Team", type="dependency")
    world.admin("columns/settings", column_id="rel1", boardIds=[BOARD], allowMultipleItems=True)
    world.cli("boards", "update", "planning", "--auto-reject", "dependencies", "--yes")
    first, second, _ = world.ids()
    world.admin("items/change", item_id=first, values={"rel1": {"item_ids": [second]}})
    shown = world.cells(first)["rel1"]
    world.pull()
    text = world.mapping_path().read_text(encoding="utf-8")
    text = re.sub(r"( +)rejected: .*\n", r"\1field: Team\n", text)
    world.mapping_path().write_text(text.replace("monday_to_pg", direction), encoding="utf-8")
    if direction == "bidirectional":
        world.cli("setup", "--entity", "planning")
    world.cli("monday-to-pg", "--entity", "planning", "--dry-run")
    assert "Team" not in world.columns()
    world.pull()
    assert world.column("Team") == [[second], None, None]
    assert world.cells(first)["rel1"] == shown
    world.cli("boards", "reload", "planning")


def test_a_column_that_was_dropped_from_the_table_comes_back_and_empties_nothing(world: Deployment) -> None:
    two_way(world)
    world.sql("alter table planning drop column {notes}", notes="Notes")
    world.pull()
    assert world.column("Notes") == ["words"] * 3
    assert {world.cells(item)["text1"]["text"] for item in world.ids()} == {"words"}


def test_a_deploy_is_repeated_after_the_board_got_a_column(world: Deployment) -> None:
    other = world.board(("text1", "Notes", "text"), id=99_000_002, name="Others", items=2, text1="words")
    item = world.ids(99_000_002)[0]
    world.sandbox.admin(
        "faults/add", kind="drop_item", item_id=str(item), count=50, match={"contains": "column_values"}
    )
    arguments = ("boards", "deploy", "--board-id", other, "--name", "others", "--yes", "--quiet")
    world.cli(*arguments, code=3)
    world.sandbox.admin("faults/clear")
    assert world.rows("others") == []
    world.sandbox.admin("columns/add", board_id=99_000_002, id="new1", title="New", type="numbers")
    world.sandbox.admin("items/change", item_id=item, values={"new1": "7"})
    world.cli(*arguments)
    assert world.column("New", "others") == [7, None]
    assert world.json("boards", "status", "others")["status"] == "deployed"


@pytest.mark.parametrize("change", ["columns/retype", "columns/delete"])
def test_a_column_that_is_kept_for_its_old_values_may_be_empty_in_new_rows(world: Deployment, change: str) -> None:
    world.sql("alter table planning alter {budget} set not null", budget="Budget")
    world.admin(change, column_id="num1", **({"type": "text"} if change == "columns/retype" else {}))
    world.sandbox.admin("items/create", board_id=BOARD, name="New")
    report = world.pull()
    assert (report["created"], report["errors"]) == (1, 0) and len(world.rows()) == 4


def test_what_is_passed_over_is_told_as_that_and_once(world: Deployment) -> None:
    world.set("contract", "discard_value")
    all_at_once(world)
    for _ in range(2):
        world.pull()
    drift = world.json("boards", "status", "planning")["drift"]
    assert {change["kind"]: (change["waits"], change["passed"]) for change in drift} == {
        "labels": (False, False),
        "added": (False, True),
        "renamed": (False, True),
        "retyped": (False, True),
    }
    assert world.cli("boards", "status", "planning").out.count("passed over") == 3
    world.cli("boards", "update", "planning", "--yes")
    after = world.json("boards", "status", "planning")["drift"]
    assert sorted(change["kind"] for change in after) == ["added", "labels", "renamed", "retyped"]
    assert not any(change["passed"] or change["waits"] for change in after)
