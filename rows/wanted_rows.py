"""Holds what the records of a batch want in their related rows, and where those rows have other values at the end."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from models import Record, Value
from rows.homes import Home, Homes, Key, Row, Slot, Written, WrittenRecord
from values.canonical import is_empty


class RowShape(Struct):
    """Holds what a record, or several new records of a batch that are alike in this, want of a related row."""

    values: dict[Slot, Value]
    keys: list[Key]
    row: Row | None = None
    """The row in which all of it stands already."""
    revision: int = -1
    """Of the known rows, when that was found out."""
    changes: int = -1
    """Of the row, when that was found out."""
    shown: Record | None = None
    """What the row shows otherwise in the end."""
    shown_at: int = -1
    """How often the row had been changed then."""
    others: Sequence[str] = ()
    """The related rows that it points at otherwise in the end."""
    page: int = -1
    """On which page it was last asked whether new records need more than the id of the row."""
    given: list[int] | None = None
    """Where they do not: the places of those records among the page's."""


class WantedRow(Struct):
    """Holds what a record wants of a related row, and the row that it gets."""

    record: WrittenRecord
    home: Home
    shape: RowShape
    current: str | None
    """The row that the record has now."""
    row: Row | None = None
    since: int = 0
    """The revision of the known rows when it got the row."""

    @property
    def values(self) -> dict[Slot, Value]:
        """Returns what the row is to show."""
        return self.shape.values

    @property
    def keys(self) -> list[Key]:
        """Returns the natural keys by which the row is found, best first."""
        return self.shape.keys

    def show_own(self) -> None:
        """Lets a record that gets another row than before show its own cells where they were known to differ."""
        known = self.record.upsert.own
        own = {slot: known[name] for slot, name in self.home.slots.items() if name in known} if known else {}
        if own:
            self.shape = RowShape({**self.values, **own}, self.keys)


Shapes = dict[str, dict[tuple[Any, ...], RowShape]]
"""Of new records, by related name, and then by what makes them alike."""


class Known(Protocol):
    """Knows rows of a table (`rows.kept_rows.KnownRows`)."""

    @property
    def shapes(self) -> Shapes:
        """Returns what new records have wanted so far."""

    @property
    def page(self) -> int:
        """Returns the number of the page."""

    def is_settled(self, shape: RowShape) -> bool:
        """Tells whether a new record that wants this needs no more than the id of the row."""


# What is wanted


class WantedRows(NamedTuple):
    """Holds what the records of a page want of the rows of one table.

    A first pull mostly meets rows in which all that a record wants stands already: such a record was given its row, and
    nothing more is to be done for it as long as nothing else on the page touches that row.
    """

    together: Sequence[Home]
    records: Sequence[WrittenRecord]
    by_home: list[list[WantedRow | None]]
    """For each home and record what has to be looked at."""
    settled: list[list[RowShape]]
    """For each home the shapes whose records were given their rows."""

    def in_order(self) -> list[WantedRow]:
        """Returns what has to be looked at, record by record."""
        return [want for of_record in zip(*self.by_home, strict=True) for want in of_record if want is not None]

    def take_back(self, touched: Container[str]) -> None:
        """Has the records looked at that were given one of these rows (by id)."""
        for home, wanted, shapes in zip(self.together, self.by_home, self.settled, strict=True):
            for shape in shapes:
                if shape.row is not None and shape.row.id in touched:
                    for at in shape.given or ():
                        wanted[at] = WantedRow(self.records[at], home, shape, None)

    def rows_given(self) -> Iterator[Row]:
        """Yields the rows that records were given."""
        return (shape.row for shapes in self.settled for shape in shapes if shape.row is not None)


def wanted_rows(homes: Homes, together: Sequence[Home], records: Sequence[WrittenRecord], known: Known) -> WantedRows:
    """Returns what the records want of the rows of one table, and gives those their rows that need no more."""
    settled: list[list[RowShape]] = [[] for _ in together]
    by_home = [_wanted(homes, home, records, known, shapes) for home, shapes in zip(together, settled, strict=True)]
    return WantedRows(together, records, by_home, settled)


def each_kind(wanted: Iterable[WantedRow]) -> Iterable[WantedRow]:
    """Returns one wanted row of each kind: new records that want the same are dealt with together."""
    return {(id(want.shape), want.current): want for want in wanted}.values()


def is_redirected(homes: Homes, home: Home, record: WrittenRecord) -> bool:
    """Returns whether a row that this one points at, or that needs this one to exist, is another row now."""
    assert home.related is not None
    needed_by = home.related.needed_by
    if needed_by and record.upsert.touches([name for other in needed_by for name in homes.related[other].names]):
        return True
    stored = record.upsert.stored
    before = stored.ids if stored else {}
    return any(record.ids.get(other) != before.get(other) for other in (*home.others, *needed_by))


def _wanted(
    homes: Homes, home: Home, records: Sequence[WrittenRecord], known: Known, settled: list[RowShape]
) -> list[WantedRow | None]:
    """Returns what each record wants of one related row; None where nothing about it is to change."""
    wanted: list[WantedRow | None] = []
    name, names, others = home.name, home.names, home.others
    own = home.related is not None and home.related.without_key == "own"
    shapes, page = known.shapes.setdefault(name, {}), known.page
    for at, record in enumerate(records):
        upsert, ids = record.upsert, record.ids
        if upsert.stored is None:
            alike = tuple(map(upsert.record.get, names))
            if others:
                alike += tuple(map(ids.get, others))
            try:
                shape = shapes.get(alike)
                if shape is None:
                    shape = shapes[alike] = _shape(home, record)
            except TypeError:  # a list or a dict among the values
                shape = _shape(home, record)
            if shape.page != page and _is_settled(known, shape):
                settled.append(shape)
            if shape.given is not None and shape.row is not None:
                shape.given.append(at)
                ids[name] = shape.row.id
                wanted.append(None)
                continue
        elif upsert.touches(names) or is_redirected(homes, home, record):
            shape = _shape(home, record)
        # an edit that leaves this row alone
        else:
            wanted.append(None)
            continue
        if shape.keys or (own and _has_row_without_key(homes, home, record, shape.values)):
            wanted.append(WantedRow(record, home, shape, ids.get(name)))
        else:
            ids[name] = None
            wanted.append(None)
    return wanted


def _is_settled(known: Known, shape: RowShape) -> bool:
    """Returns whether new records of this page that want this need no more than the id of the row; notes it."""
    is_settled = known.is_settled(shape)
    shape.page, shape.given = known.page, [] if is_settled else None
    return is_settled


def _shape(home: Home, record: WrittenRecord) -> RowShape:
    values = home.values(record.upsert.record, record.ids)
    return RowShape(values, home.keys.of(values))


def _has_row_without_key(homes: Homes, home: Home, record: WrittenRecord, values: Map[Slot, Value]) -> bool:
    """Returns whether a record without a key gets a row of its own, where the mapping allows that."""
    related = home.related
    assert related is not None
    if any(not is_empty(values[slot]) for slot in home.slots):
        return True
    return any(_has_key(homes.related[other], record) for other in related.needed_by)


def _has_key(home: Home, record: WrittenRecord) -> bool:
    values = {slot: record.upsert.record.get(name) for slot, name in home.slots.items()}
    return bool(home.keys.of(values))


# What is shown in the end


def note_shown(wanted: Iterable[WantedRow], written: Written) -> None:
    """Notes where rows show something else than their records would, because other records have the rows too."""
    for want in wanted:
        row, shape = want.row, want.shape
        assert row is not None
        is_one_of_many = want.current is None and shape.row is row and not want.record.overtaken
        # a record like this one was compared already
        if is_one_of_many and shape.shown is not None and shape.shown_at == row.changes:
            others, shown_otherwise = shape.others, shape.shown
        else:
            others, shown_otherwise = _others(want, row), _shown_otherwise(want, row)
            if is_one_of_many and not want.record.upsert.own:
                shape.others, shape.shown, shape.shown_at = others, shown_otherwise, row.changes
        if others:
            # The row points at another row than this record's own, so what hangs on it shows something else too.
            written.redirected.setdefault(want.record, set()).update(others)
        if shown_otherwise:
            want.record.shown.update(shown_otherwise)


def _others(want: WantedRow, row: Row) -> Sequence[str]:
    if not want.home.own_pointers:
        return ()
    return [
        other
        for column, other in want.home.own_pointers.items()
        if want.values.get((column, None)) != row.values.get((column, None))
    ]


def _shown_otherwise(want: WantedRow, row: Row) -> Record:
    upsert, has_moved = want.record.upsert, row.id != want.current
    shown_in, wanted_in, own = row.values.get, want.shape.values.get, upsert.own
    found: Record = {}
    for slot, name in want.home.slots.items():
        shown, value = shown_in(slot), wanted_in(slot)
        # the same, and no other spelling of the key
        if shown == value and not (own and name in own):
            continue
        if not has_moved and upsert.changed is not None and name not in upsert.changed:
            continue
        if name in want.record.overtaken:
            continue
        if name in upsert.own or not want.home.looks_same(slot, shown, value):
            found[name] = shown
    return found


def shown_through(homes: Homes, record: WrittenRecord, others: Iterable[str], written: Written) -> Record | None:
    """Returns what a record shows in rows that its shared rows point at; None where such a row was not met."""
    found: Record = {}
    for other in others:
        home = homes.related[other]
        assert home.related is not None
        above = written.rows.get(record.ids.get(home.related.parent) or "")
        row = written.rows.get(above.values.get((str(home.related.via), None)) or "") if above else None
        if row is None:
            return None
        found.update({name: row.values.get(slot) for slot, name in home.slots.items()})
    return found
