"""Judges the end of a history: each difference between the sides, and each value that is gone, needs an excuse.

The judge reads the board and the tables, and asks nothing of the tool but what it remembers. `EXCUSES` says which
difference is excused because of what; a difference without an excuse is a broken promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from tests.histories.notes import Notes
from tests.histories.values import plain
from tests.histories.world import BoardItem, Sides, TableRow


class Broken(AssertionError):
    """Says that a promise was not kept."""


class End(Struct, frozen=True):
    """Holds what the judge found at the end of a history."""

    sides: Sides
    notes: Notes
    items: list[BoardItem]
    rows: list[TableRow]
    disputed: set[tuple[str, str | None]]

    def removed(self, code: str) -> bool:
        return code in self.notes.removed

    def set_aside(self, code: str) -> bool:
        """Tells whether its item may have been made and cannot be found: the board has no column for the sync id."""
        ids = [row.id for row in self.rows if row.code == code][:1]
        statement = "select 1 from sync_mapping where entity_id = any(%s) and intent_key is not null"
        return not self.sides.setup.sync_id and bool(self.sides.sql(statement, ids))

    def left_alone(self, code: str) -> bool:
        """Tells whether all that showed an edited shared row with it were removed since, or show another one."""
        shared = {row.code: row.shared for row in self.rows}
        others = self.notes.shared_edits.get(code, set())
        return bool(others) and all(self.removed(other) or shared.get(other) != shared.get(code) for other in others)

    def known_to_differ(self, item: BoardItem, name: str) -> bool:
        """Tells whether the tool remembers that an item shows a shared row unlike it."""
        known = self.sides.sql("select base_postgres as base from sync_mapping where monday_id = %s", item.id)
        return bool(known) and name in (known[0]["base"] or {})


class Excuse(Struct, frozen=True):
    """Says why a difference is right, and when."""

    because: str
    holds: Callable[..., bool]


ROW_ALONE = "in the table and not on the board"
ITEM_ALONE = "on the board and not in the table"
NEITHER = "neither on the board nor in the table"
UNEQUAL = "shown otherwise on the board than in the table"
LOST = "lost: neither side shows it"
DOUBLED = "doubled"

SET_ASIDE = Excuse(
    "a killed run may have made the item, and without a sync id column it is left to a user",
    lambda end, code: end.set_aside(code),
)

EXCUSES: dict[str, tuple[Excuse, ...]] = {
    # of a record, by its code
    ROW_ALONE: (
        SET_ASIDE,
        Excuse(
            "a user removed the record, and the mapping leaves rows whose item is gone (on_item_removed: ignore)",
            lambda end, code: end.removed(code) and end.sides.setup.item_removed == "ignore",
        ),
        Excuse(
            "a user removed the item, and SQL edited the row or brought it back (revived)",
            lambda end, code: end.removed(code) and code in end.notes.revived,
        ),
        Excuse(
            "a user removed the item, and SQL had edited a shared row that others have left to it since (shared_edits)",
            lambda end, code: end.removed(code) and end.left_alone(code),
        ),
    ),
    ITEM_ALONE: (
        Excuse(
            "a user removed the row, and the mapping leaves items whose row is gone (on_row_removed: ignore)",
            lambda end, code: (
                end.removed(code) and code not in end.notes.kept and end.sides.setup.row_removed == "ignore"
            ),
        ),
        Excuse(
            "a user removed the row of an item that a killed run may have made, and without a sync id column it is left",
            lambda end, code: end.removed(code) and code not in end.notes.kept and end.set_aside(code),
        ),
    ),
    NEITHER: (
        Excuse(
            "a user removed the record, and no edit of its row was waiting for a run by then (kept)",
            lambda end, code: end.removed(code) and code not in end.notes.kept,
        ),
    ),
    # of a field, by its item
    UNEQUAL: (
        Excuse(SET_ASIDE.because, lambda end, item, field: end.set_aside(item.code)),
        Excuse(
            "it stands in a shared row, and the tool knows that this item shows something else",
            lambda end, item, field: (
                field.shared
                and end.known_to_differ(item, field.name)
                # Another item fills the row, or it was there before this item came. An e-mail would have led elsewhere.
                and (field.name != end.sides.profile.email or item.fields[field.name] is None)
            ),
        ),
    ),
    # of a value that a user wrote
    LOST: (
        Excuse("it stands in a conflict", lambda end, write: (write.field, write.value) in end.disputed),
        Excuse(
            "a user wrote over it, or gave it up with what showed it (replaced)",
            lambda end, write: (write.field, write.value) in end.notes.replaced,
        ),
        Excuse(
            "it was written on the board between a run's reading and its writing of that very field (exposed)",
            lambda end, write: (write.field, write.value) in end.notes.exposed,
        ),
    ),
    # of a code, on one side
    DOUBLED: (
        Excuse(
            "a user removed an item that a killed run had made and never heard of, and its row got another one",
            lambda end, code, alive: end.removed(code) and alive < 2,
        ),
    ),
}


class Judge:
    """Judges a history."""

    def __init__(self, sides: Sides, notes: Notes) -> None:
        self.sides, self.notes = sides, notes

    def check(self) -> None:
        """Checks that both sides are equal, that nothing is doubled, and that no value that a user wrote is lost."""
        sides = self.sides
        end = End(sides, self.notes, sides.items(), sides.rows(), sides.disputed())
        for difference, words, case in differences(end):
            excuses = EXCUSES[difference]
            if not any(excuse.holds(end, *case) for excuse in excuses):
                none_of = "; ".join(excuse.because for excuse in excuses)
                raise Broken(f"{words} is {difference}. None of this excuses it: {none_of}.")


def differences(end: End) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Finds all differences: which it is, what it is about in words, and what its excuses are asked about."""
    yield from _doubled(end)
    yield from _alone(end)
    yield from _unequal(end)
    yield from _lost(end)


def _doubled(end: End) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    living = [item for item in end.items if item.state == "active"]
    for what, found, alive in (("item", end.items, living), ("row", end.rows, end.rows)):
        assert all(each.code for each in found), f"there is an {what} that no user made: {found}"
        alive_of = Counter(each.code for each in alive)
        for code, count in Counter(each.code for each in found).items():
            if count > 1:
                yield DOUBLED, f"the {what} of {code}", (code, alive_of[code])


def _alone(end: End) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    on_board = {item.code for item in end.items if item.state == "active"}
    in_table = {row.code for row in end.rows if not row.archived}
    for code in end.notes.codes:
        if code in in_table and code not in on_board:
            yield ROW_ALONE, code, (code,)
        elif code in on_board and code not in in_table:
            yield ITEM_ALONE, code, (code,)
        elif code not in on_board:
            yield NEITHER, code, (code,)


def _unequal(end: End) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    living = {row.code: row for row in end.rows if not row.archived}
    for item in end.items:
        if item.state != "active" or item.code not in living:
            continue
        for field in end.sides.profile.fields:
            on_board, in_table = item.fields[field.name], living[item.code].fields[field.name]
            if on_board != in_table:
                yield UNEQUAL, f"{field.name} of {item.code} ({on_board!r}, {in_table!r})", (item, field)


def _lost(end: End) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    records: list[BoardItem | TableRow] = [*end.items, *end.rows]
    shown = {(name, value) for record in records for name, value in record.fields.items()}
    for field in end.sides.profile.shared_fields:
        rows = end.sides.sql(f"select {field.sql} as value from {end.sides.profile.shared}")
        shown |= {(field.name, plain(field, row["value"])) for row in rows}
    for write in end.notes.written:
        if (write.field, write.value) not in shown:
            yield LOST, f"{write.value!r}, written on {write.side} as {write.field} of {write.code},", (write,)
