"""Checks that people in a cell have the names of their ids, and that a renamed user arrives with the sweep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.deployed import BOARD, Deployment

NAMES = ("Example, Ann", "Lee, Bob, Jr.", "Plain Name")


@pytest.fixture
def people(world: Deployment) -> list[str]:
    """Makes users, and a deployed board whose items show one, two, and three of them, and nobody."""
    ids = [
        str(world.sandbox.admin("users/add", name=name, email=f"u{n}@example.com")["id"])
        for n, name in enumerate(NAMES)
    ]
    world.board(("who", "Who", "people"), items=4)
    for item, count in zip(world.ids(), range(4), strict=True):
        chosen = [{"id": int(user), "kind": "person"} for user in ids[:count]]
        if chosen:
            world.admin("items/change", item_id=item, values={"who": {"personsAndTeams": chosen}})
    world.deploy()
    return ids


def shown(world: Deployment) -> list[list[tuple[str, str]]]:
    return [[(str(person["id"]), person["name"]) for person in cell or ()] for cell in world.column("Who")]


@pytest.mark.parametrize("direction", ["monday-to-pg", "bidirectional"])
def test_names_come_from_ids_and_new_names_with_the_sweep(world: Deployment, people: list[str], direction: str) -> None:
    assert shown(world) == [list(zip(people, NAMES, strict=True))[:count] for count in range(4)]
    if direction == "bidirectional":
        world.set("direction", direction)
        world.cli("setup", "--entity", "planning", "--yes")
        world.cli(direction, "--entity", "planning")
    names = ("Example-Roe, Ann", *NAMES[1:])
    world.sandbox.admin("users/set", id=people[0], name=names[0])
    world.cli(direction, "--entity", "planning", "--sweep")
    assert shown(world) == [list(zip(people, names, strict=True))[:count] for count in range(4)]
    for more in ((), ("--sweep",)):
        report = world.json(direction, "--entity", "planning", *more)["entities"][0]
        assert (report["updated"], report["conflicts"], report["held"]) == (0, 0, 0)
    ids = [[person["id"] for person in cell["value"]["personsAndTeams"]] for cell in cells(world)]
    assert ids == [[int(user) for user in people[:count]] for count in range(1, 4)]


def cells(world: Deployment) -> list[dict[str, Any]]:
    found = [world.cells(item, BOARD)["who"] for item in world.ids()]
    return [{"value": json.loads(cell["value"])} for cell in found if cell["value"]]


def test_a_changed_cell_has_the_names_too(world: Deployment, people: list[str]) -> None:
    item = world.ids()[0]
    chosen = [{"id": int(user), "kind": "person"} for user in (people[1], people[0])]
    world.admin("items/change", item_id=item, values={"who": {"personsAndTeams": chosen}})
    world.pull()
    assert shown(world)[0] == [(people[1], NAMES[1]), (people[0], NAMES[0])]
