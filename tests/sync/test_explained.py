"""Checks what a repair does for a row whose item is gone, and that a record is explained: since when, what brings it in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from sync.operating import compare
from tests.kit.proofs import PLACES, Equal, differences, equal_sides


@pytest.fixture
def world(db: Database, database_url: str, home: Path) -> Iterator[Equal]:
    with equal_sides(db, database_url, home, ("users", "contacts", "planning")) as made:
        yield made


def explained(world: Equal, record: str) -> dict[str, Any]:
    return dict(json.loads(world.cli("explain", record, "--json").out))


def test_a_row_whose_item_is_gone_for_good_gets_a_new_item(world: Equal) -> None:
    item, root = world.links("contacts")[0]
    world.sandbox.admin("items/archive", item_id=item)
    world.cli("bidirectional", "--entity", "contacts", code=None)
    world.unheard("contacts", "update contacts set archived_at = null where id::text = %s", root)
    proof = world.verify("contacts", code=3)
    assert differences(proof) == [(">", compare.ITEM_LOST)]
    (finding,) = proof["findings"]
    before = world.both("contacts")
    plan = json.loads(world.cli("repair", finding["id"], "--json").out)
    assert [(step["side"], step["what"]) for step in plan["steps"]] == [
        ("monday.com", f"make a new item of the row: item {item} is gone for good")
    ]
    assert world.both("contacts") == before
    world.cli("repair", finding["id"], "--apply")
    items, rows = world.both("contacts")
    made = dict(world.links("contacts"))
    new = {"monday_id", "sync_status"}
    shown = [[{name: row[name] for name in row.keys() - new} for row in some] for some in (rows, before[1])]
    assert shown[0] == shown[1] and root in made.values() and item not in made
    assert items.keys() - before[0].keys() == {new for new, of in made.items() if of == root}
    assert world.verify("contacts", code=0)["equal"]


def test_a_repair_that_monday_refuses_is_not_called_done(world: Equal) -> None:
    world.unheard("contacts", "insert into contacts (name, email) values ('Unheard', 'unheard@example.com')")
    (finding,) = world.verify("contacts", code=3)["findings"]
    refusal = {"kind": "error", "code": "ColumnValueException", "match": {"contains": "create_item"}}
    world.sandbox.admin("faults/add", **refusal, count=10)
    refused = world.cli("repair", finding["id"], "--apply", code=3)
    assert "No item could be made" in refused.err and "Done." not in refused.out
    world.sandbox.admin("faults/clear")
    status = "select status from sync_findings where id = %s"
    assert world.db.execute_query(status, (finding["id"],))[0]["status"] == "open"


def test_since_when_a_record_is_as_it_is_and_what_would_bring_in_one_that_was_left_out(world: Equal) -> None:
    (_, root), (edited, other) = world.links("contacts")[:2]
    agreed = world.db.execute_query("select synced_at from sync_mapping where entity_id = %s", (root,))[0]["synced_at"]
    assert explained(world, f"contacts/{root}")["since"] == f"{agreed:%Y-%m-%dT%H:%M:%SZ}"
    world.sandbox.admin("items/rename", item_id=edited, name="Edited")
    assert explained(world, f"contacts/{other}")["since"] > "2026"
    nobody = world.sandbox.admin("items/create", board_id=PLACES["users"][0], name="Nobody", values={})["id"]
    email = world.db.execute_query("select email from users where email is not null limit 1")[0]["email"]
    values = {"email7": {"email": email, "text": email}}
    second = world.sandbox.admin("items/create", board_id=PLACES["users"][0], name="Second", values=values)["id"]
    world.cli("monday-to-pg", "--entity", "users", code=None)
    left_out = explained(world, f"users/{nobody}")
    columns = "RM Email or WRA Email"
    assert left_out["since"] and left_out["comes_in"] == f"It comes in when {columns} has a value on the board."
    assert left_out["comes_in"] in world.cli("explain", f"users/{nobody}").out
    assert f"{columns} is another one on the board" in explained(world, f"users/{second}")["comes_in"]


def test_numbers_are_written_as_numbers(world: Equal) -> None:
    item, root = world.links("planning")[0]
    world.sandbox.admin("items/change", item_id=item, values={"numbers1": "12.50"})
    said = world.cli("verify", "--entity", "planning", code=3).out
    assert "Budget: board 12.50, row" in said, said
    fields = {field["field"]: field["monday"] for field in explained(world, f"planning/{root}")["fields"]}
    (finding,) = world.verify("planning", code=3)["findings"]
    steps = json.loads(world.cli("repair", finding["id"], "--json").out)["steps"]
    assert fields["Budget"] == {step["name"]: step["after"] for step in steps}["Budget"] == 12.5
