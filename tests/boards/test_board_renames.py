"""Checks that names which change between two runs are planned together: chains, swaps, names of gone columns."""

from __future__ import annotations

import pytest

from tests.kit.deployed import Deployment

TITLES = {"c1": "P", "c2": "Q", "c3": "R"}
NAMES = {
    "chain": ({"c1": "Q", "c2": "S"}, {"Q": "c1", "S": "c2", "R": "c3"}),
    "chain, the other way": ({"c2": "P", "c1": "S"}, {"S": "c1", "P": "c2", "R": "c3"}),
    "long chain": ({"c1": "Q", "c2": "R", "c3": "S"}, {"Q": "c1", "R": "c2", "S": "c3"}),
    "swap": ({"c1": "Q", "c2": "P"}, {"Q": "c1", "P": "c2", "R": "c3"}),
    "round": ({"c1": "Q", "c2": "R", "c3": "P"}, {"Q": "c1", "R": "c2", "P": "c3"}),
    "deleted, and another has its name": ({"c1": None, "c2": "P"}, {"P (c1)": "c1", "P": "c2", "R": "c3"}),
    "deleted, and a new one has its name": ({"c1": None, "new": "P"}, {"P (c1)": "c1", "P": "new", "Q": "c2"}),
    "renamed, and a new one has its name": ({"c1": "S", "new": "P"}, {"S": "c1", "P": "new", "Q": "c2"}),
    "swap, and a new one has the third": ({"c1": "Q", "c2": "P", "c3": "S", "new": "R"}, {"R": "new", "S": "c3"}),
    "both called the same": ({"c1": "S", "c2": "S"}, {"S": "c1", "S (c2)": "c2"}),
    "to one that stays": ({"c1": "R"}, {"R (c1)": "c1", "R": "c3"}),
}


@pytest.fixture(params=["exact", "plain", "bidirectional"])
def named(request, world: Deployment) -> Deployment:
    columns = [(column, title, "text") for column, title in TITLES.items()]
    more = ("--names", "plain") if request.param == "plain" else ()
    board = world.board(*columns, id=99_000_003, name="Named", items=2, **{column: column for column in TITLES})
    world.cli("boards", "deploy", "--board-id", board, "--name", "named", "--yes", "--quiet", *more)
    if request.param == "bidirectional":
        world.set("direction", "bidirectional", "named")
        world.cli("setup", "--entity", "named", "--yes")
        world.cli("bidirectional", "--entity", "named")
    return world


def change_titles(world: Deployment, changes: dict[str, str | None]) -> None:
    for column, title in changes.items():
        if title is None:
            world.sandbox.admin("columns/delete", board_id=99_000_003, column_id=column)
        elif column in TITLES:
            world.sandbox.admin("columns/rename", board_id=99_000_003, column_id=column, title=title)
        else:
            world.sandbox.admin("columns/add", board_id=99_000_003, id=column, title=title, type="text")
            for item in world.ids(99_000_003):
                world.sandbox.admin("items/change", item_id=item, values={column: column})


@pytest.mark.parametrize("case", NAMES)
def test_names_that_change_between_two_runs_are_planned_together(named: Deployment, case: str) -> None:
    changes, wanted = NAMES[case]
    change_titles(named, changes)
    both = "direction: bidirectional" in named.mapping_path("named").read_text()
    named.cli("bidirectional" if both else "monday-to-pg", "--entity", "named")
    plain = "names: plain" in named.mapping_path("named").read_text()
    for name, column in wanted.items():
        shown = name.lower().replace(" (", "_").replace(")", "") if plain else name
        assert named.column(shown, "named") == [column] * 2, (named.columns("named"), name)
    for item in named.ids(99_000_003):
        cells = {column: cell["text"] for column, cell in named.cells(item, 99_000_003).items() if column in TITLES}
        assert all(text == column for column, text in cells.items())
    before = named.columns("named")
    report = named.json("bidirectional" if both else "monday-to-pg", "--entity", "named")["entities"][0]
    assert (report["updated"], report["held"], report["conflicts"], named.columns("named")) == (0, 0, 0, before)
