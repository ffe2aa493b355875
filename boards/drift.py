"""What has changed on a deployed board since its mapping was written, and what a contract makes of it: pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import field as member
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between a board and its mapping."""

    kind: str
    column: str
    title: str
    what: str
    move: str
    at: str = ""

    def as_json(self) -> dict[str, Any]:
        """The documented shape."""
        shape = {name: value for name, value in asdict(self).items() if name != "move"}
        return {**shape, "waits": self.move == WAIT, "passed": self.move == PASS}


@dataclass(frozen=True, slots=True)
class Known:
    """A column as the mapping file knows it."""

    column: str
    title: str | None
    type: str | None
    field: str | None
    labels: Mapping[int, str] = member(default_factory=dict)
    rejected: bool = False
    gone: bool = False


def known_columns(entries: Sequence[Any]) -> dict[str, Known]:
    """What a mapping file says of columns, by their ids; entries that tie several columns together are a person's own."""
    found: dict[str, Known] = {}
    for entry in entries:
        for column in [entry["column"]] if "column" in entry else entry.get("columns", ()):
            column = str(column)
            if column == ITEM_NAME or column in FACTS:
                continue
            labels = {int(number): str(name) for number, name in (entry.get("labels") or {}).items()}
            kind, title = entry.get("type"), entry.get("title")
            found.setdefault(
                column,
                Known(column, None if title is None else str(title), kind, entry.get("field"), labels,
                      "rejected" in entry, "gone" in entry),
            )  # fmt: skip
    return found


def compare(known: Mapping[str, Known], board: Board, mapping: EntityMapping) -> list[Drift]:
    """What differs, and what the contract makes of it. The sync id column is the tool's own."""
    contract, found = mapping.contract, []
    own = mapping.sync_id[0] if mapping.sync_id else None
    there = {one.id: one for one in board.columns if one.type != "name" and one.id != own}
    for column, about in there.items():
        if column not in known:
            found.append(Drift(ADDED, column, about.title, about.type, _move_of_new(about, mapping)))
    for column, one in known.items():
        if not one.rejected:
            found += _changed(one, there.get(column), contract)
    # A table of the user's own is altered when somebody says so, not before.
    moved = {RETYPED: WAIT, RETURNED: WAIT} if not mapping.own_table else {}
    return [replace(one, move=moved.get(one.kind, one.move)) for one in found]


def _move_of_new(about: BoardColumn, mapping: EntityMapping) -> str:
    move = TABLE_OF_CONTRACTS[ADDED][mapping.contract]
    if not mapping.own_table:
        return PASS
    return WAIT if move == APPLY and HARD.get(about.type) else move


def _changed(one: Known, about: BoardColumn | None, contract: str) -> list[Drift]:
    title = one.title or one.column

    def drift(kind: str, what: str) -> Drift:
        return Drift(kind, one.column, title, what, TABLE_OF_CONTRACTS[kind][contract])

    if about is None:
        return [] if one.gone else [drift(DELETED, "gone")]
    found = [drift(RETURNED, about.type)] if one.gone else []
    if one.type is not None and about.type != one.type:
        found.append(drift(RETYPED, f"{one.type} → {about.type}"))
    if one.title is not None and clean_text(about.title) != one.title:
        found.append(drift(RENAMED, clean_text(about.title)))
    renamed = [
        f"{name} → {now[number]}"
        for now in [labels_of(about)] for number, name in one.labels.items() if now.get(number, name) != name
    ]  # fmt: skip
    if renamed:
        found.append(drift(LABELS, ", ".join(renamed)))
    return found


def sentence(one: Drift) -> str:
    """A drift as a log line."""
    title = one.title
    said = {
        ADDED: f"column {title!r} ({one.what}) is new on the board",
        RENAMED: f"column {title!r} is called {one.what!r} now",
        RETYPED: f"column {title!r} has another type: {one.what}",
        DELETED: f"column {title!r} is not on the board any more; the table keeps its values",
        RETURNED: f"column {title!r} is on the board again",
        LABELS: f"labels of {title!r} were renamed: {one.what}",
    }[one.kind]
    ends = {APPLY: "", WAIT: "; it waits for: boards update", PASS: "; by its contract it is passed over"}
    return said + ends[one.move]
