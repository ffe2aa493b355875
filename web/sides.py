"""Names the sides of a conflict, which are others for entities than for syncs of queries, and says what each side gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from state.disputes import is_of_sync
from sync.queries.settle import shape_of
from values.wording import plural
from web.answers import digest_of

SEEN = ("id", "base_value", "monday_value", "postgres_value", "status", "winner")
"""What of a conflict has to be as it was shown when it is decided."""


class Side(Struct, frozen=True):
    """Names a side, and what becomes of both when it wins."""

    winner: str
    """How the command `conflicts resolve --winner` calls it."""
    value: str
    """Where `sync_conflicts` keeps its value."""
    title: str
    short: str
    does: str
    """What stands on a button before its value."""
    loser: str = ""

    @property
    def outcome(self) -> str:
        """Says what both sides have when it has won."""
        return f"both sides have the value of {self.short}"

    def sentence(self, number: int) -> str:
        """Says what becomes of so many fields when it wins."""
        return f"{plural(number, 'field')} of {self.loser} will get the value of {self.short}."


class Keeps(Side, frozen=True):
    """Names a side that keeps its value when it wins, while the other side keeps its own."""

    @property
    def outcome(self) -> str:
        """Says what both sides have when it has won."""
        return f"{self.short} keeps its value"

    def sentence(self, number: int) -> str:
        """Says what becomes of so many fields when it wins."""
        keep = "keeps its value" if number == 1 else "keep their values"
        return f"{plural(number, 'field')} of {self.short} {keep}; nothing is written, and {self.loser} has its own."


BOARD = Side("monday", "monday_value", "Board", "the board", "Both get", "PostgreSQL")
POSTGRES = Side("postgres", "postgres_value", "PostgreSQL", "PostgreSQL", "Both get", "the board")
SMARTSUITE = Keeps("smartsuite", "monday_value", "SmartSuite", "SmartSuite", "SmartSuite keeps", "the source")
SOURCE = Side("mysql", "postgres_value", "Source", "the source", "SmartSuite gets", "SmartSuite")

OF_ENTITIES, OF_SYNCS = (BOARD, POSTGRES), (SMARTSUITE, SOURCE)
SIDES = {side.winner: side for side in (*OF_ENTITIES, *OF_SYNCS)}


def sides_of(conflict: Mapping[str, Any]) -> tuple[Side, Side]:
    """Returns both sides of a conflict."""
    return OF_SYNCS if is_of_sync(conflict) else OF_ENTITIES


def has(conflict: Mapping[str, Any], winner: str) -> bool:
    """Tells whether a conflict has this side."""
    return any(side.winner == winner for side in sides_of(conflict))


def with_sides(conflict: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a conflict as a page shows it: with its sides, and with what tells whether it is still as it was shown."""
    shape = shape_of(conflict) if is_of_sync(conflict) else dict(conflict)
    sides = [
        {
            "winner": side.winner,
            "title": side.title,
            "value": conflict[side.value],
            "changed_at": conflict[side.value.replace("_value", "_changed_at")],
            "does": side.does,
            "won": conflict["status"] != "open" and conflict["winner"] == side.winner,
        }
        for side in sides_of(conflict)
    ]
    of = {"name": conflict["entity"], "key": conflict["entity_id"] or conflict["monday_id"]}
    return {**shape, "of": of, "sides": sides, "digest": digest_of_all([conflict])}


def digest_of_all(conflicts: Sequence[Mapping[str, Any]], plan: str = "") -> str:
    """Returns a digest of what was shown of conflicts, and of what is to be done with them."""
    return digest_of([plan, [[conflict[name] for name in SEEN] for conflict in conflicts]])
