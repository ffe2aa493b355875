"""Compares a row of a query with its record of SmartSuite and with what is remembered, for `verify`, `repair`, `explain`.

Reading, changes of values, cells and the comparison are those of a run. It writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mappings.query_syncs import QuerySync
from rows.queries import Reading, question
from services.smartsuite.answers import Item
from services.smartsuite.shown import shows
from state.records import Known
from sync.operating.compare import HELD, Class, Compared, FieldState
from sync.queries.compare import Row, Shape
from sync.queries.edited import BY_HAND, OF_SMARTSUITE
from sync.queries.removed import IGNORE
from sync.queries.target import Cells, Target
from values.canonical import dumps
from values.parsing import CellError

# Causes
EDITED = "edited in SmartSuite since it was written"
ROW_CHANGED = "the row has changed, and no run has written it yet"
BOTH_CHANGED = "changed on both sides, and no run has met it yet"
NOT_TAKEN = "the record is there, and no run has taken it over yet"
NOT_MADE = "no run has made its record yet"
REFUSED = "it was refused, and is tried again"
REMOVED = "its record is in the recycle bin; the next run that reads the row takes it out"
RECORD_GONE = "its record was deleted in SmartSuite"
ROW_GONE = "the query has its row no more"
FOREIGN = "no row has its key, and the tool did not make it"
OF_OTHER = "another sync fills it"
WITHOUT_KEY = "it has no key of a row: the tool did not make it"
TWIN = "another record has the same key"
WAITS = "it names a record that is not there yet, and is linked by the first run that finds one"
REPEATED = "the query has several rows with this key"
SMARTSUITE_COUNTS = "edited in SmartSuite, whose value counts (on_conflict)"
LEFT = "the query has its row no more, and on_row_removed leaves it"


class Pair(Struct, frozen=True):
    """Holds what there is of one key: the row, why it cannot be read, the record, and what is remembered."""

    key: str
    row: Row | None = None
    refusal: str = ""
    item: Item | None = None
    known: Known | None = None
    twin: bool = False
    """Another record has the key, too."""
    of_other: bool = False
    """Another sync fills the record."""

    @property
    def item_id(self) -> str | None:
        """Returns the id of the record."""
        return str(self.item["id"]) if self.item else None


def rows_with_key(source: Reading, sync: QuerySync, key: str) -> tuple[list[Row], str]:
    """Returns the rows of a key, and why one of them cannot be read."""
    quote = "`" if source.is_mysql else '"'
    name = quote + sync.primary_key.replace(quote, quote * 2).replace("%", "%%") + quote
    name = name.replace("{", "{{").replace("}", "}}")
    column = f"q.{name}" if source.is_mysql else f"q.{name}::text"
    form = f"select * from (\n{{}}\n) as q where {column} = %(row_key)s"
    rows, why = _read(source, sync, key, question(source, sync, None, form, row_key=key))
    # the database may write a key in another way, 1.00 for 1
    return (rows, why) if rows or why else _read(source, sync, key, question(source, sync, None))


def _read(source: Reading, sync: QuerySync, key: str, asked: tuple[str, dict[str, Any]]) -> tuple[list[Row], str]:
    shape: Shape | None = None
    rows: list[Row] = []
    for names, page in source.pages(*asked):
        shape = shape or Shape(sync, names)
        for row in page:
            if shape.key_of(row) == key:
                try:
                    rows.append(shape.read(key, row, shape.hash_of(row)))
                except CellError as exc:
                    return rows, str(exc)
    return rows, ""


def compared(sync: QuerySync, target: Target, pair: Pair) -> Compared:
    """Sorts one key into a class, and names the cause of a difference."""
    try:
        cells = target.cells(pair.row) if pair.row else {}
    except CellError as exc:
        return _found(Class.UNREADABLE, pair, str(exc))
    if pair.refusal:
        return _found(Class.UNREADABLE, pair, pair.refusal)
    if pair.row is None:
        return _without_row(sync, pair)
    if pair.item is None:
        return _found(Class.POSTGRES_ONLY, pair, _why_no_record(pair.known), cells)
    fields = tuple(differing(sync, target, pair, cells).values())
    if not fields and pair.row.unlinked:
        return _found(Class.UNREADABLE, pair, WAITS, cells)
    if not fields:
        digests = (digest(pair.key, cells), digest(pair.key, cells))
        return Compared(Class.EQUAL, pair.item_id, pair.key, digests=digests)
    kind = Class.KNOWN if all(field.known for field in fields) else Class.DIFFERENT
    # of fields that differ for several reasons, the first that nobody knows of
    cause = next((field.cause for field in fields if not field.known), fields[0].cause)
    return _found(kind, pair, cause, cells, fields)


def differing(sync: QuerySync, target: Target, pair: Pair, cells: Cells) -> dict[str, FieldState]:
    """Returns the fields that show something else than the row, by slug, each with the cause."""
    item, base = pair.item or {}, (pair.known.base if pair.known else None)
    if pair.known and pair.known.record_id != pair.item_id:
        base = None
    found = {}
    for slug, cell in cells.items():
        field, shown = target.table.fields[slug], item.get(slug)
        # of links that wait for a record, the record may show those of before
        if shows(field, shown, cell) or (pair.row and slug in pair.row.unlinked):
            continue
        agreed = None if base is None else base.get(slug)
        cause = _cause(base is None, agreed == cell, shows(field, shown, agreed))
        known = _why_known(sync.on_conflict, cause)
        found[slug] = FieldState(field.label, shown, cell, agreed, agreed, known or cause, known)
    return found


def _why_known(rule: str, cause: str) -> str:
    """Returns why a difference is known by the rule for conflicts; empty when it is not."""
    if rule == OF_SMARTSUITE and cause == EDITED:
        return SMARTSUITE_COUNTS
    return HELD if rule == BY_HAND and cause == BOTH_CHANGED else ""


def _cause(unknown: bool, row_same: bool, record_same: bool) -> str:
    if unknown:  # never written by this sync
        return NOT_TAKEN
    if row_same:  # only the record has changed
        return EDITED
    return ROW_CHANGED if record_same else BOTH_CHANGED


def _why_no_record(known: Known | None) -> str:
    if known is None or (known.record_id is None and not known.attempts):
        return NOT_MADE
    if known.removed:
        return REMOVED
    return RECORD_GONE if known.record_id else REFUSED


def _without_row(sync: QuerySync, pair: Pair) -> Compared:
    if pair.twin:
        return _found(Class.BOARD_ONLY, pair, TWIN)
    if pair.of_other:
        return _found(Class.KNOWN, pair, OF_OTHER)
    if not pair.key:
        return _found(Class.KNOWN, pair, WITHOUT_KEY)
    if pair.known is None or pair.known.record_id != pair.item_id:
        return _found(Class.BOARD_ONLY, pair, FOREIGN)
    if sync.on_row_removed == IGNORE:
        return _found(Class.KNOWN, pair, LEFT)
    return _found(Class.BOARD_ONLY, pair, ROW_GONE)


def _found(
    kind: Class, pair: Pair, cause: str, cells: Cells | None = None, fields: tuple[FieldState, ...] = ()
) -> Compared:
    known = pair.known
    remembered = (known.record_id, known.base, known.removed) if known else None
    shown = [(field.name, field.monday) for field in fields]
    state = hashlib.blake2b(dumps([cause, cells, shown, remembered, pair.item_id]), digest_size=16).hexdigest()
    digests = (digest(pair.item_id or "", shown), digest(pair.key, cells))
    return Compared(kind, pair.item_id, pair.key or None, cause, fields, state=state, digests=digests)


def digest(key: str, content: Any) -> int:
    """Returns a number that stands for a record; those of all records are added up."""
    return int.from_bytes(hashlib.blake2b(dumps([key, content]), digest_size=16).digest(), "big")


def chosen_item(items: Sequence[Item], known: Known | None) -> tuple[Item | None, list[Item]]:
    """Returns the record of a key, the one that is remembered where there are several, and the others."""
    linked = [item for item in items if known and item.get("id") == known.record_id]
    first = next(iter(linked or items), None)
    return first, [item for item in items if item is not first]
