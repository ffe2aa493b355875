"""Checks that columns are not listed where all are wanted, which costs less, and that what comes is the same."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from errors import MondayError
from mappings.bound import bind
from models import BoardColumn, Columns
from monday_api import Monday, ReadOptions
from sandbox import Sandbox
from services.monday.cells.kinds import MONDAY_KINDS
from tests.kit.boards import board_for
from tests.kit.scripted import first_page, item_json, next_page, ok
from tests.kit.shipped import MAPPINGS

ALL = Columns(("a", "b"), all=True)
LOOP = """
query ($board: [ID!]) {
  boards(ids: $board) { id items_page(limit: 500) { cursor items {
    id name state created_at updated_at group { id } parent_item { id } column_values { CELL }
  } } }
  complexity { query }
}
"""


def test_no_list_is_sent_where_all_columns_are_wanted(monday):
    client, script = monday(first_page(item_json(1, "a", "b"), cursor="c"), next_page(item_json(2, "a", "b")))
    pages = list(client.pages(7, ALL))
    assert [sorted(item.cells) for page in pages for item in page.items] == [["a", "b"]] * 2
    for body in script.bodies:
        assert "column_values {" in body["query"] and "$columns" not in body["query"]
        assert "columns" not in body["variables"]


def test_items_by_id_are_asked_for_without_the_list_too(monday):
    client, script = monday(ok({"items": [{**item_json(1, "a", "b"), "board": {"id": "7"}}]}))
    assert len(list(client.items([1], ALL))[0]) == 1
    assert "column_values {" in script.bodies[0]["query"] and "columns" not in script.variables[0]


def test_cells_of_a_column_that_is_newer_than_the_boards_reading_are_left_out(monday):
    client, _ = monday(first_page(item_json(1, "a", "b", "new"), item_json(2, "a", "b", "new")))
    assert [sorted(item.cells) for item in next(client.pages(7, ALL)).items] == [["a", "b"]] * 2


@pytest.mark.parametrize("lacking", [("a",), ("a", "new")])
def test_an_item_that_lacks_a_cell_is_no_less_reported(monday, lacking):
    client, _ = monday(first_page(item_json(1, "a", "b"), item_json(2, *lacking)))
    bad: dict[str, str] = {}
    page = next(client.pages(7, ALL, ReadOptions(on_malformed=bad.__setitem__)))
    assert [item.id for item in page.items] == ["1"] and list(bad) == ["2"] and "b" in bad["2"]


def test_a_cell_that_comes_twice_is_a_fault(monday):
    cell = {"id": "a", "text": "", "value": None}
    client, _ = monday(first_page(item_json(1, column_values=[cell, cell, {**cell, "id": "b"}])))
    with pytest.raises(MondayError, match="not the ones"):
        list(client.pages(7, ALL))


def test_cells_that_were_not_asked_for_are_a_fault_where_columns_are_listed(monday):
    client, _ = monday(first_page(item_json(1, "a", "b", "new")))
    with pytest.raises(MondayError, match="not the ones"):
        list(client.pages(7, Columns(("a", "b"))))


def mirrors(number):
    return [BoardColumn(f"m{place}", f"Mirror {place}", "mirror") for place in range(number)]


@pytest.mark.parametrize(
    ("entity", "more", "all_wanted"),
    [
        ("projects", [], True),
        ("projects", [BoardColumn("t", "Note", "text")], True),  # in `metadata`
        ("projects", mirrors(2), True),
        ("projects", mirrors(9), False),
        ("contacts", [], True),
        ("contacts", [BoardColumn("t", "Salary", "text")], False),
    ],
)
def test_a_board_with_other_columns_than_a_few_computed_ones_is_asked_for_some(entity, more, all_wanted):
    mapping = MAPPINGS[entity]
    if entity == "contacts":
        mapping = replace(mapping, rest=None)
    assert bind(mapping, board_for(mapping, *more), MONDAY_KINDS).wanted.all is all_wanted


@pytest.mark.parametrize("entity", ["users", "projects"])
def test_a_page_costs_no_more_than_that_of_a_bare_loop(entity):
    mapping = MAPPINGS[entity]
    with Sandbox(boards=f"{entity}:3") as sandbox, Monday(token=sandbox.token, url=sandbox.graphql_url) as client:
        bound = bind(mapping, client.board(str(mapping.board_id)), MONDAY_KINDS)
        bare = client.run(LOOP.replace("CELL", bound.selection), {"board": [bound.board.id]})["complexity"]["query"]
        before = client.stats.complexity
        assert sum(len(page.items) for page in client.pages(bound.board.id, bound.wanted)) == 3
        assert client.stats.complexity - before <= 1.1 * bare
