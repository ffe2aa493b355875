"""Checks that a proof finds every single difference, names its cause, and that a repair mends that and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from sync.operating import compare
from tests.kit.proofs import PLACES, Equal, equal_sides

ENTITIES = pytest.mark.parametrize("entity", list(PLACES))


@pytest.fixture
def world(db: Database, database_url: str, home: Path) -> Iterator[Equal]:
    with equal_sides(db, database_url, home) as made:
        yield made


# What somebody does behind the tool's back. Each returns nothing: what it does is found, not told.


def show(world: Equal, entity: str, item: str, name: str) -> None:
    """Gives the item another name; staff have theirs in two columns."""
    world.sandbox.admin("items/rename", item_id=item, name=name)
    if entity == "users":
        world.sandbox.admin("items/change", item_id=item, values={"text25": name, "text1": "Example"})


def edit_item(world: Equal, entity: str, item: str, root: str) -> None:
    show(world, entity, item, "Edited on the board")


def edit_row(world: Equal, entity: str, item: str, root: str) -> None:
    _, table, name = PLACES[entity]
    world.unheard(entity, f'update "{table}" set "{name}" = %s where "{world.key(entity)}"::text = %s', "By SQL", root)


def edit_both(world: Equal, entity: str, item: str, root: str) -> None:
    show(world, entity, item, "One value")
    _, table, name = PLACES[entity]
    world.unheard(entity, f'update "{table}" set "{name}" = %s where "{world.key(entity)}"::text = %s', "Another", root)


def remove_item(world: Equal, entity: str, item: str, root: str) -> None:
    world.sandbox.admin("items/archive", item_id=item)


def remove_row(world: Equal, entity: str, item: str, root: str) -> None:
    table = PLACES[entity][1]
    gone = world.mapping()["archived_column"] if entity == "planning" else "archived_at"
    world.unheard(entity, f'update "{table}" set "{gone}" = now() where "{world.key(entity)}"::text = %s', root)


def remove_link(world: Equal, entity: str, item: str, root: str) -> None:
    world.db.execute_query("delete from sync_mapping where monday_id = %s", (item,), fetch=False)


def change_base(world: Equal, entity: str, item: str, root: str) -> None:
    field = "Name" if entity == "planning" else PLACES[entity][2]
    world.db.execute_query(
        "update sync_mapping set base = base || jsonb_build_object(%s::text, 'Never shown') where monday_id = %s",
        (field, item),
        fetch=False,
    )


MUTATIONS: dict[str, tuple[Callable[[Equal, str, str, str], None], str, str]] = {
    "item": (edit_item, "*", compare.ITEM_UNHEARD),
    "row": (edit_row, "*", compare.ROW_UNHEARD),
    "both": (edit_both, "*", compare.UNDETECTED),
    "item removed": (remove_item, ">", compare.ITEM_REMOVED),
    "row removed": (remove_row, "<", compare.ROW_REMOVED),
    "link": (remove_link, "*", compare.UNLINKED),
    "base": (change_base, "=", compare.STALE),
}


def differences(proof: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["class"], finding["cause"]) for finding in proof["findings"]]


@ENTITIES
def test_equal_sides_are_proved_and_neither_is_written(world: Equal, entity: str) -> None:
    before = world.both(entity)
    proof = world.verify(entity, code=0)
    assert proof["equal"] and proof["findings"] == []
    assert proof["counts"]["equal"] > 0 and proof["stale_bases"] == 0
    assert world.both(entity) == before


@ENTITIES
def test_each_single_difference_is_found_named_and_mended_and_nothing_else_changes(world: Equal, entity: str) -> None:
    for name, (mutate, mark, cause) in MUTATIONS.items():
        item, root = world.links(entity)[-1]
        links = len(world.links(entity))
        mutate(world, entity, item, root)
        proof = world.verify(entity, code=0 if mark == "=" else 3)
        assert differences(proof) == [(mark, cause)], (name, proof["findings"])
        (finding,) = proof["findings"]
        before = world.both(entity)
        world.cli("repair", finding["id"])
        assert world.both(entity) == before, f"{name}: the plan alone has written something"
        world.cli("repair", finding["id"], "--apply")
        after = world.both(entity)
        assert {key: shown for key, shown in after[0].items() if key != item} == {
            key: shown for key, shown in before[0].items() if key != item
        }, name
        proof = world.verify(entity, code=0)
        assert proof["equal"] and proof["findings"] == [], (name, proof)
        assert len(world.links(entity)) == links - (name in ("item removed", "row removed")), name
        assert json.loads(world.cli("bidirectional", "--entity", entity, "--json", code=None).out)["entities"]
        assert world.both(entity) == after, f"{name}: the next run has written something"
