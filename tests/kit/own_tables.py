"""Tables of the user's own that answer a write otherwise, and what a run then leaves."""

from __future__ import annotations

from typing import Any

from tests.kit.deployed import BOARD, Deployment

PLAIN = (("text1", "Notes", "text"), ("numbers1", "Budget", "numbers"))
DEPLOY = ("boards", "deploy", "--board-id", str(BOARD), "--name", "planning", "--yes", "--existing-table", "mine")
BOTH = [False, True]


def trigger(world: Deployment, body: str, when: str = "before insert or update") -> None:
    world.sql("create sequence keys")
    world.sql(f"create function mend() returns trigger language plpgsql as $$ begin {body} end $$")
    world.sql(f"create trigger mend {when} on mine for each row execute function mend()")


def both_ways(world: Deployment) -> None:
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning", "--yes")


def links(world: Deployment) -> list[str]:
    found = world.db.execute_query("select entity_id from sync_mapping where monday_id is not null order by monday_id")
    assert isinstance(found, list)
    return [row["entity_id"] for row in found]


def change(world: Deployment, item: int, **values: Any) -> None:
    world.admin("items/change", item_id=world.ids()[item], values=values)


def cell(world: Deployment, column: str) -> str:
    return str(world.cells(world.ids()[0])[column]["text"])


def in_step(world: Deployment) -> None:
    """Expects that the next run writes nothing, and holds nothing."""
    done = world.pull()
    assert not any(done[count] for count in ("created", "updated", "archived", "conflicts", "held", "errors")), done
    assert done["to_monday"] == {"created": 0, "updated": 0, "archived": 0}
