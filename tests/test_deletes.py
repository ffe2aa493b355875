"""Checks removals, both ways: what follows them, what they never take along, and what stops them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from errors import BoardNotVisible, GuardStop, Incomplete, SettingsError, SyncError
from models import NO_CELLS, Columns
from sandbox import Sandbox
from tests.kit.pulls import Journey
from tests.kit.rows import change, column, logs, project, row, rows
from tests.kit.shipped import MAPPINGS, PROJECTS
from tests.kit.two_sides import WAYS, TwoSides


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(boards="projects:0") as running:
        yield running


@pytest.fixture
def sides(sides, sandbox):
    sides.item("bob", A="b")
    yield sides
    sandbox.admin("faults/clear")


@pytest.fixture
def ann(sides):
    return sides.pair(A="a", B="b")


def states(sides):
    """Counts what is active on each side."""
    living = rows(sides.db, "contacts")
    return len(sides.board()), sum(row["archived_at"] is None for row in living)


# What a mapping says


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("said, left", [("archive", "archived"), ("delete", "no row"), ("ignore", "A=a B=b")])
def test_an_item_that_is_gone_does_to_its_row_what_the_mapping_says(sides, ann, said, left, way):
    sides.mapping = replace(sides.mapping, on_item_removed=said)
    sides.act("delete", ann[0])
    reports = sides.run(WAYS[way])
    assert sides.in_table() == left
    assert reports[-1].exit_code == 0
    assert sides.board() == ["bob A=b"]
    again = sides.run([*WAYS[way], *WAYS[way]], full=True)
    assert [(report.changes, report.exit_code) for report in again] == [(0, 0)] * len(again)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["update contacts set archived_at = now()", "delete from contacts"])
@pytest.mark.parametrize("said, left", [("archive", "archived"), ("delete", "deleted"), ("ignore", "A=a B=b")])
def test_a_row_that_is_gone_does_to_its_item_what_the_mapping_says(sides, ann, said, left, how, way):
    sides.mapping = replace(sides.mapping, on_row_removed=said)
    sides.sql(f"{how} where id::text = %s", ann[1])
    reports = sides.run(WAYS[way])
    assert sides.on_board(ann[0]) == left
    assert reports[-1].exit_code == 0
    again = sides.run([*WAYS[way], *WAYS[way]], full=True)
    assert [(report.changes, report.exit_code) for report in again] == [(0, 0)] * len(again)


def test_an_edit_against_a_removal_is_logged(sides, ann):
    sides.update(ann[1], A="Y")
    sides.act("archive", ann[0])
    sides.sync()
    assert (ann[0], "item is gone, but the row was edited: it stays") in logs(sides.db)


# Coming back


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("said, left", [("archive", "A=a B=b"), ("delete", "A=a B=b")])
def test_an_item_that_is_restored_has_its_row_again(sides, ann, said, left, way):
    sides.mapping = replace(sides.mapping, on_item_removed=said)
    sides.act("archive", ann[0])
    sides.sync()
    sides.act("restore", ann[0])
    sides.run(WAYS[way])
    assert sides.in_table() == left
    assert [report.changes for report in sides.run(WAYS[way], full=True)] == [0] * len(WAYS[way])
    assert len(sides.board()) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_restored_item_is_not_removed_again_although_its_row_is_still_archived(sides, ann, way):
    sides.sql("update contacts set archived_at = now() where id::text = %s", ann[1])
    sides.sync()
    assert sides.on_board(ann[0]) == "archived"
    sides.act("restore", ann[0])
    sides.update(ann[1], A="Y")
    for direction in ("pg_to_monday", "pg_to_monday", *WAYS[way]):
        sides.sync(direction)
        assert sides.on_board(ann[0]) == "A=Y B=b"
    assert sides.in_table() == "A=Y B=b"


def test_a_row_that_is_there_again_says_so_in_every_run_until_its_item_is_restored(sides, ann, caplog):
    sides.act("archive", ann[0])
    sides.sync()
    sides.sql("update contacts set archived_at = null where id::text = %s", ann[1])
    assert [sides.code(direction) for direction in ("pg_to_monday", "monday_to_pg", "bidirectional")] == [3, 3, 3]
    assert "--recreate" in caplog.text
    sides.act("restore", ann[0])
    assert [sides.code() for _ in range(2)] == [0, 0]
    assert states(sides) == (2, 2)


# The guard


def many(sides, number=60):
    ids = sides.items(number, A="a")
    sides.sync()
    return ids


@pytest.mark.parametrize("direction", ["bidirectional", "monday_to_pg"])
def test_too_many_items_gone_stop_the_entity_in_both_directions_until_the_flag_lets_it_through(sides, direction):
    ids = many(sides)
    for item_id in ids[:21]:
        sides.act("archive", item_id)
    sides.edit(ids[30], A="X")
    sides.sql("update contacts set role_title = 'Y' where monday_id = %s", ids[31])
    with pytest.raises(GuardStop) as stopped:
        sides.sync(direction)
    assert stopped.value.exit_code == 4
    assert "--allow-mass-delete" in stopped.value.hint
    assert "21 of 61" in stopped.value.message
    assert (sides.in_table("n30"), sides.on_board(ids[31])) == ("A=a", "A=a")
    assert states(sides) == (40, 61)
    assert sides.sync(direction, allow_mass_delete=True).archived == 21
    assert states(sides) == (40, 40)


@pytest.mark.parametrize("direction", ["bidirectional", "pg_to_monday"])
@pytest.mark.parametrize("how", ["update contacts set archived_at = now()", "delete from contacts"])
def test_too_many_rows_gone_stop_the_entity_in_both_directions_until_the_flag_lets_it_through(sides, how, direction):
    ids = many(sides)
    sides.sql(f"{how} where monday_id = any(%s)", ids[:21])
    sides.edit(ids[30], A="X")
    sides.sql("update contacts set role_title = 'Y' where monday_id = %s", ids[31])
    with pytest.raises(GuardStop) as stopped:
        sides.sync(direction)
    assert "--allow-mass-delete" in stopped.value.hint
    assert (sides.in_table("n30"), sides.on_board(ids[31])) == ("A=a", "A=a")
    assert states(sides)[0] == 61
    sides.sync(direction, allow_mass_delete=True)
    assert states(sides) == (40, 40)


def test_twenty_of_a_small_entity_go_without_a_question(sides):
    ids = many(sides)
    for item_id in ids[:20]:
        sides.act("archive", item_id)
    assert sides.sync().archived == 20


def test_a_tenth_of_a_large_entity_goes_without_a_question_and_one_more_does_not(sides):
    ids = many(sides, 299)
    sides.sql("update contacts set archived_at = now() where monday_id = any(%s)", ids[:30])
    assert sides.sync("pg_to_monday").to_monday.archived == 30
    sides.sql("update contacts set archived_at = now() where monday_id = any(%s)", ids[30:58])
    with pytest.raises(GuardStop):
        sides.sync("pg_to_monday")


def test_the_guard_ends_a_command_with_exit_4(sides, cli):
    ids = many(sides, 30)
    for item_id in ids:
        sides.act("archive", item_id)
    done = cli("bidirectional", "--entity", "contacts")
    assert done.code == 4
    assert "--allow-mass-delete" in done.err
    assert cli("bidirectional", "--entity", "contacts", "--allow-mass-delete").code == 0
    assert states(sides) == (1, 1)


# Listings that are not what they seem


FAULTS = {
    "empty": ({"kind": "empty_listing", "count": 1000}, Incomplete),
    "cut short": ({"kind": "drop_page", "count": 1000}, (GuardStop, Incomplete)),
    "unauthorised": ({"kind": "hide_board"}, BoardNotVisible),
}


@pytest.mark.parametrize("options", [{}, {"full": True}, {"sweep": True}], ids=["usual", "full", "sweep"])
@pytest.mark.parametrize("direction", ["bidirectional", "monday_to_pg"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_listing_that_is_not_whole_removes_nothing(sides, ann, fault, direction, options, sandbox):
    given, error = FAULTS[fault]
    more = {"board_id": sides.board_id} if fault == "unauthorised" else {}
    sandbox.admin("faults/add", **given, **more)
    try:
        report = sides.sync(direction, **options)
    except SyncError as exc:
        assert isinstance(exc, error), exc
    else:
        assert fault != "unauthorised" and "full" not in options and "sweep" not in options, report
    sandbox.admin("faults/clear")
    assert states(sides) == (2, 2)
    assert column(sides.db, "sync_mapping", "archived_at") == [None, None]
    assert sides.code(direction, full=True) == 0
    assert states(sides) == (2, 2)


def test_one_item_left_out_of_a_listing_is_looked_up_and_not_removed(sides, ann, sandbox):
    sandbox.admin("faults/add", kind="drop_item", item_id=ann[0], count=2, match={"field": "boards"})
    try:
        sides.sync(sweep=True)
    except Incomplete as exc:
        assert exc.exit_code == 3
    sandbox.admin("faults/clear")
    assert states(sides) == (2, 2)


@pytest.mark.parametrize("way", WAYS)
def test_an_entity_that_is_filtered_anew_removes_nothing(sides, ann, way):
    sides.mapping = replace(sides.mapping, only={"role_title": "something else"})
    with pytest.raises(SettingsError, match="only was nothing and is role_title: something else"):
        sides.run(WAYS[way], full=True)
    assert sides.on_board(ann[0]) == "A=a B=b"
    assert sides.in_table() == "A=a B=b"
    assert [row["archived_at"] for row in rows(sides.db, "sync_mapping")] == [None, None]


def test_a_row_that_is_given_away_does_not_take_its_item_along(db, sandbox):
    sides = TwoSides(db, sandbox)
    bindings = tuple(binding for binding in sides.mapping.bindings if binding.fields != ("phone",))
    places = {name: place for name, place in sides.mapping.places.items() if name != "phone"}
    sides.mapping = replace(sides.mapping, bindings=bindings, places=places, only={"phone": "+12025550100"})
    item_id = sides.item(A="a")
    sides.sync()
    row_id = sides.link(item_id)["entity_id"]
    sides.update(row_id, phone="+12025550199")
    sides.edit(item_id, B="b")
    sides.run(["bidirectional", "pg_to_monday"])
    assert sides.on_board(item_id) == "A=a B=b"
    sides.close()


# Rows that several records share


def load(sandbox, number):
    cells = {
        "text65__1": "Ann Lee",
        "email4__1": {"email": "ann@example.com", "text": ""},
        "job_division___1__1": "Red",
        "text43__1": "A note",
        "partner_name__1": "Bob",
        "partner_email__1": {"email": "bob@example.com", "text": ""},
        "claim_number__1": "C-1",
        "dup__of_text0__1": "P-1",
        "text31__1": "Acme",
        "dup__of_job_address0__1": "1 Elm St",
    }
    made = [{"name": f"Job {place}", "values": cells} for place in range(number)]
    return [str(item_id) for item_id in sandbox.admin("items/load", board_id=PROJECTS, items=made)]


SHARED = ("customers", "properties", "sales_teams", "users", "policies", "insurances", "insurance_claims")


class Projects(Journey):
    """Runs the shipped mapping of projects, both ways."""

    def both(self, **options):
        return self.run("both", "projects", **options)

    def push(self, **options):
        return self.run("push", "projects", **options)


@pytest.fixture
def projects(db, sandbox):
    made = Projects(db, sandbox)
    made.ids = load(sandbox, 3)
    made.pull("projects")
    yield made
    for item in sandbox.admin("boards/snapshot", board_id=PROJECTS):
        sandbox.admin("items/delete", item_id=item["id"])
    made.monday.close()


def contents(db):
    return {table: column(db, table, "id") for table in SHARED}


@pytest.mark.parametrize("said", ["archive", "delete"])
def test_rows_that_other_records_use_stay_when_an_item_goes(projects, sandbox, db, said):
    projects.mappings["projects"] = replace(MAPPINGS["projects"], on_item_removed=said)
    before = contents(db)
    sandbox.admin("items/delete", item_id=projects.ids[0])
    projects.both()
    assert contents(db) == before
    assert project(db, projects.ids[1])["customer"]["name"] == "Ann Lee"
    assert len(rows(db, "projects")) == (3 if said == "archive" else 2)


def test_a_note_goes_with_its_project_and_nothing_else_does(projects, sandbox, db):
    projects.mappings["projects"] = replace(MAPPINGS["projects"], on_item_removed="delete")
    before = contents(db)
    sandbox.admin("items/delete", item_id=projects.ids[0])
    projects.both()
    assert len(rows(db, "notes")) == 2
    assert contents(db) == before


def test_shared_rows_that_no_record_uses_any_more_stay(projects, sandbox, db):
    projects.mappings["projects"] = replace(MAPPINGS["projects"], on_item_removed="delete")
    before = contents(db)
    for item_id in projects.ids:
        sandbox.admin("items/delete", item_id=item_id)
    projects.both(allow_mass_delete=True)
    assert rows(db, "projects") == []
    assert contents(db) == before


def test_a_project_deleted_with_sql_takes_its_item_and_no_other(projects, db):
    change(db, "delete from projects where monday_id = %s", projects.ids[0])
    assert projects.push().to_monday.archived == 1
    states_of = {item.id: item.state for items in projects.monday.items(projects.ids, NO_CELLS) for item in items}
    assert [states_of[item_id] for item_id in projects.ids] == ["archived", "active", "active"]


def test_a_shared_row_deleted_with_sql_leaves_the_records_that_showed_it(projects, db):
    change(db, "delete from customers")
    projects.both(full=True)
    assert [row["archived_at"] for row in rows(db, "projects")] == [None] * 3
    assert row(db, "projects", monday_id=projects.ids[0])["customer_id"] is None
    read = projects.monday.items(projects.ids, Columns(("text65__1",)))
    assert [item.cells["text65__1"].get("text") for items in read for item in items] == ["", "", ""]
