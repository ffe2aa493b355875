"""Makes five entities equal on both sides, changes them behind the tool's back, and asks it whether they are equal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import field

from db_connector import Database
from sandbox import Sandbox
from tests.kit.deployed import BOARD, Deployment
from tests.kit.live import BOARDS
from tests.kit.shipped import CONTACTS, MAPPINGS, ORGANIZATIONS, PROJECTS, USERS

PLACES = {
    "users": (USERS, "users", "name"),
    "projects": (PROJECTS, "projects", "title"),
    "organizations": (ORGANIZATIONS, "organizations", "name"),
    "contacts": (CONTACTS, "contacts", "name"),
    "planning": (str(BOARD), "planning", "Name"),
}
"""Of each entity its board, its table, and the column that shows the item's name."""


class Equal(Deployment):
    """Holds the five entities, equal on both sides."""

    boards: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, **BOARDS}

    def verify(self, entity: str, code: int | None = None) -> dict[str, Any]:
        """Returns the proof of one entity."""
        done = self.cli("verify", "--entity", entity, "--json", code=code)
        return dict(json.loads(done.out)["entities"][0])

    def links(self, entity: str) -> list[tuple[str, str]]:
        """Returns the living links of an entity (item, row), in a fixed order."""
        rows = self.db.execute_query(
            """
            select monday_id, entity_id from sync_mapping
            where entity_type = %s and archived_at is null and monday_id is not null
            order by length(monday_id), monday_id
            """,
            (self.entity_type(entity),),
        )
        assert isinstance(rows, list)
        return [(row["monday_id"], row["entity_id"]) for row in rows]

    def entity_type(self, entity: str) -> str:
        return MAPPINGS[entity].entity_type if entity in MAPPINGS else entity

    def key(self, entity: str) -> str:
        return MAPPINGS[entity].primary_key if entity in MAPPINGS else "Item ID"

    def unheard(self, entity: str, statement: str, *params: Any) -> None:
        """Runs SQL on the entity's table while its triggers are off."""
        table = PLACES[entity][1]
        self.db.execute_query(f'alter table "{table}" disable trigger user', fetch=False)
        self.db.execute_query(statement, params, fetch=False)
        self.db.execute_query(f'alter table "{table}" enable trigger user', fetch=False)

    def both(self, entity: str) -> tuple[Any, Any]:
        """Returns all that both sides show of an entity's records, by item and by row."""
        board, table, _ = PLACES[entity]
        items = {
            item["id"]: (item["name"], {column: cell["text"] for column, cell in item["cells"].items()})
            for item in self.sandbox.admin("boards/snapshot", board_id=board)
        }
        rows = self.db.execute_query(f"select to_jsonb(t) - 'updated_at' as shown from \"{table}\" as t order by 1")
        return items, [row["shown"] for row in rows]


@contextmanager
def equal_sides(
    db: Database, url: str, home: Path, entities: Sequence[str] = tuple(PLACES), **sizes: int
) -> Iterator[Equal]:
    """Yields these entities after the first run, with triggers."""
    sizes = {"users": 6, "projects": 12, "organizations": 3, "contacts": 8, **sizes}
    boards = ",".join(f"{entity}:{size}" for entity, size in sizes.items() if entity in entities)
    with Sandbox(boards=boards, seed=3, limits="off") as sandbox:
        world = Equal(db, url, home, sandbox)
        if "planning" in entities:
            world.board(("text1", "Notes", "text"), ("numbers1", "Budget", "numbers"), items=5, text1="note")
            world.deploy()
            world.set("direction", "bidirectional")
        chosen = [word for entity in entities for word in ("--entity", entity)]
        world.cli("setup", "--yes", *chosen)
        world.cli("bidirectional", *chosen, code=None)
        yield world


def show(world: Equal, entity: str, item: str, name: str) -> None:
    """Gives the item another name; staff have theirs in two columns."""
    world.sandbox.admin("items/rename", item_id=item, name=name)
    if entity == "users":
        world.sandbox.admin("items/change", item_id=item, values={"text25": name, "text1": "Example"})


def edit_item(world: Equal, entity: str, item: str, root: str) -> None:
    """Edits an item, of which no event comes."""
    show(world, entity, item, "Edited on the board")


def edit_row(world: Equal, entity: str, item: str, root: str) -> None:
    """Edits a row, of which no trigger tells."""
    _, table, name = PLACES[entity]
    world.unheard(entity, f'update "{table}" set "{name}" = %s where "{world.key(entity)}"::text = %s', "By SQL", root)


def differences(proof: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns class and cause of what a proof has found."""
    return [(finding["class"], finding["cause"]) for finding in proof["findings"]]


def kinds(proof: dict[str, Any]) -> dict[str, int]:
    """Returns how many records of each class a proof has counted, but for the equal."""
    return {name: number for name, number in proof["counts"].items() if number and name != "equal"}
