"""Compares a deployed board with its mapping, and decides by the contract what to do about each difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from msgspec import Struct
from msgspec import field as member
from msgspec.structs import replace

from boards.types_of_tables import HARD, labels_of
from mappings.declaration import FACTS, ITEM_NAME
from mappings.declaration import Mapping as EntityMapping
from models import Board, BoardColumn
from values.parsing import clean_text

ADDED, RENAMED, RETYPED, DELETED, RETURNED, LABELS = "added", "renamed", "retyped", "deleted", "returned", "labels"
EVOLVE, FREEZE, DISCARD = "evolve", "freeze", "discard_value"
APPLY, WAIT, PASS = "apply", "wait", "pass"

TABLE_OF_CONTRACTS: Mapping[str, Mapping[str, str]] = {
    ADDED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    RENAMED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    RETYPED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    DELETED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    RETURNED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    LABELS: {EVOLVE: APPLY, FREEZE: APPLY, DISCARD: APPLY},
}
"""By drift and contract: done at once, left for `boards update`, or passed over. docs/boards.md shows the same table."""


class DriftShape(TypedDict):
    """Describes a drift as JSON, as it is kept and shown."""

    kind: str
    column: str
    title: str
    what: str
    at: str
    waits: bool
    passed: bool


class Drift(Struct, frozen=True):
    """Describes one difference between a board and its mapping."""

    kind: str
    column: str
    title: str
    what: str
    move: str
    at: str = ""

    def as_json(self) -> DriftShape:
        """Returns the documented shape."""
        return {
            "kind": self.kind,
            "column": self.column,
            "title": self.title,
            "what": self.what,
            "at": self.at,
            "waits": self.move == WAIT,
            "passed": self.move == PASS,
        }


class Known(Struct, frozen=True):
    """Describes a column as the mapping file knows it."""

    column: str
    title: str | None
    type: str | None
    field: str | None
    labels: Mapping[int, str] = member(default_factory=dict)
    rejected: bool = False
    gone: bool = False


def known_columns(entries: Sequence[Mapping[str, Any]]) -> dict[str, Known]:
    """Returns what a mapping file says of columns, by their ids; entries of several columns are a user's own."""
    found: dict[str, Known] = {}
    for entry in entries:
        for column in [entry["column"]] if "column" in entry else entry.get("columns", ()):
            column = str(column)
            if column != ITEM_NAME and column not in FACTS:
                found.setdefault(column, _known(column, entry))
    return found


def _known(column: str, entry: Mapping[str, Any]) -> Known:
    title = entry.get("title")
    return Known(
        column,
        title=None if title is None else str(title),
        type=entry.get("type"),
        field=entry.get("field"),
        labels={int(number): str(name) for number, name in (entry.get("labels") or {}).items()},
        rejected="rejected" in entry,
        gone="gone" in entry,
    )


def compare(known: Mapping[str, Known], board: Board, mapping: EntityMapping) -> list[Drift]:
    """Returns the differences, each with what the contract says to do. The sync id column is the tool's own."""
    contract, found = mapping.contract, []
    sync_id = mapping.sync_id[0] if mapping.sync_id else None
    on_board = {about.id: about for about in board.columns if about.type != "name" and about.id != sync_id}
    # columns that the mapping does not know
    for column, about in on_board.items():
        if column not in known:
            found.append(Drift(ADDED, column, about.title, about.type, _move_of_new(about, mapping)))
    # columns that the mapping knows
    for column, entry in known.items():
        if not entry.rejected:
            found += _changed(entry, on_board.get(column), contract)
    if mapping.own_table:
        return found
    # A table of the user's own is altered only when the user asks for it.
    return [replace(drift, move=WAIT) if drift.kind in (RETYPED, RETURNED) else drift for drift in found]


def _move_of_new(about: BoardColumn, mapping: EntityMapping) -> str:
    move = TABLE_OF_CONTRACTS[ADDED][mapping.contract]
    if not mapping.own_table:
        return PASS  # the user's own table gets no columns
    if move == APPLY and HARD.get(about.type):
        return WAIT  # a user decides about such columns
    return move


def _changed(known: Known, about: BoardColumn | None, contract: str) -> list[Drift]:
    title = known.title or known.column

    def drift(kind: str, what: str) -> Drift:
        return Drift(kind, known.column, title, what, TABLE_OF_CONTRACTS[kind][contract])

    # deleted, now or in an earlier run
    if about is None:
        return [] if known.gone else [drift(DELETED, "gone")]
    found = []
    if known.gone:
        found.append(drift(RETURNED, about.type))  # was deleted, is there again
    if known.type is not None and about.type != known.type:
        found.append(drift(RETYPED, f"{known.type} → {about.type}"))
    if known.title is not None and clean_text(about.title) != known.title:
        found.append(drift(RENAMED, clean_text(about.title)))
    if renamed := _renamed_labels(known, about):
        found.append(drift(LABELS, ", ".join(renamed)))
    return found


def _renamed_labels(known: Known, about: BoardColumn) -> list[str]:
    now = labels_of(about)
    return [f"{name} → {now[number]}" for number, name in known.labels.items() if now.get(number, name) != name]


def sentence(drift: Drift) -> str:
    """Returns a drift as a log line."""
    title = drift.title
    said = {
        ADDED: f"column {title!r} ({drift.what}) is new on the board",
        RENAMED: f"column {title!r} is called {drift.what!r} now",
        RETYPED: f"column {title!r} has another type: {drift.what}",
        DELETED: f"column {title!r} is not on the board any more; the table keeps its values",
        RETURNED: f"column {title!r} is on the board again",
        LABELS: f"labels of {title!r} were renamed: {drift.what}",
    }[drift.kind]
    ends = {APPLY: "", WAIT: "; it waits for: boards update", PASS: "; by its contract it is passed over"}
    return said + ends[drift.move]
