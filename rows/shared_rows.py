"""Rows that several records share: which row each record of a batch gets, and who fills it.

A shared row is found by its natural keys. Blanks in it are filled by whoever has something to say; over the rest, the
item that was updated last decides. An edit of a record that has the row already always goes in. What somebody changed
with SQL, and no item shows yet, is never filled over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from databases.postgres.names import compose
from db_connector import Transaction
from mappings.pointers import pointing
from models import Record, Value
from rows.tables import NEVER, Home, Key, NaturalKeys, Row, Slot, Table
from values.canonical import dumps, is_empty
from values.comparing import from_json

if TYPE_CHECKING:
    from rows.store import RecordStore, Upsert


@dataclass(slots=True)
class Effects:
    """What writing some records did to rows that others show too."""

    edited: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Rows (by table and id) that edits have changed, and the root rows whose items were edited: news for everybody else
    who shows them."""
    redirected: dict[int, tuple[Upsert, set[str]]] = field(default_factory=dict)
    """Records for which a shared row points at other rows than their own, and which those are."""

    def note_edited(self, table: str, row_id: str, root_id: str) -> None:
        """An item's edit has changed a row."""
        self.edited.setdefault(table, {}).setdefault(row_id, set()).add(root_id)


@dataclass(slots=True)
class Shape:
    """What one or several new records of a page, alike in this, want of one related row."""

    values: dict[Slot, Value]
    keys: list[Key]
    row: Row | None = None
    """The row that all of it stands in already."""
    revision: int = -1
    """Of the rows, when that was found out."""
    shown: Record | None = None
    """What the row shows otherwise in the end."""
    others: Sequence[str] = ()
    """The related rows that it points at otherwise in the end."""


@dataclass(slots=True)
class Want:
    """What one record wants of one related row."""

    upsert: Upsert
    home: Home
    shape: Shape
    current: str | None
    row: Row | None = None

    @property
    def values(self) -> dict[Slot, Value]:
        """What the row is to show."""
        return self.shape.values

    @property
    def keys(self) -> list[Key]:
        """The natural keys by which the row is found, best first."""
        return self.shape.keys

    def show_own(self) -> None:
        """In another row than before, the record shows its own cells where they were known to differ."""
        own = {slot: self.upsert.own[name] for slot, name in self.home.slots.items() if name in self.upsert.own}
        if own:
            self.shape = Shape({**self.values, **own}, self.keys)


class Rows:
    """The rows known while a step is written, by id and by natural key."""

    def __init__(self) -> None:
        self.by_id: dict[str, Row] = {}
        self.by_key: dict[tuple[int, tuple[str, ...]], Row] = {}
        self.revision = 0
        """Another one whenever a row can be found by other keys or shows something else."""

    def add(self, table: Table, row: Sequence[Any]) -> None:
        """A row of the look-up statement: which key found it, its id, and its columns."""
        key, row_id, _, owned, *cells = row
        known = self.by_id.get(row_id)
        if known is None:
            known = self.by_id[row_id] = Row(row_id, table.values(cells), owned=owned)
        if key >= 0:
            found = table.homes[0].keys.one(key, known.values)
            # Where somebody has made several rows with one key, the oldest is meant.
            if found is not None:
                self.by_key.setdefault((key, found.folded), known)

    def index(self, keys: NaturalKeys, row: Row) -> None:
        """Make a row findable by the keys it has now."""
        if not row.indexed:
            self.name(row, keys.of(row.values))

    def name(self, row: Row, keys: Iterable[Key]) -> None:
        """Make a row findable by these keys, which are all it has."""
        for key in keys:
            self.by_key.setdefault((key.at, key.folded), row)
        row.indexed = True
        self.revision += 1

    def forget(self, row: Row) -> None:
        """Take a row out from under the keys it has had."""
        row.indexed = False
        self.revision += 1
        for found in [found for found, known in self.by_key.items() if known is row]:
            del self.by_key[found]


class Settlement:
    """Decides which row each record of a page gets, and what is written into rows that several share."""

    def __init__(
        self, store: RecordStore, tx: Transaction, homes: Sequence[Home], wants: Sequence[Want], rows: Rows
    ) -> None:
        self.store = store
        self.tx = tx
        self.homes = homes
        self.wants = wants
        self.rows = rows
        related = homes[0].related
        assert related is not None
        self.related = related
        self.keys = homes[0].keys
        self.joined: set[str] = set()
        """Rows that records of this page have come to."""
        self.overwritten: dict[tuple[str, Slot], Row] = {}
        """What a newcomer filled into rows that others show too, and nobody has edited since."""

    def run(self, effects: Effects) -> None:
        """Give each want its row, and note what that does to other records."""
        alone = self._used_once()
        self._look_at_found()
        for want in self.wants:
            shape = want.shape
            if shape.revision == self.rows.revision and want.current is None and shape.row is not None:
                shape.row.rank = max(shape.row.rank or NEVER, want.upsert.rank)
                self._give(want, shape.row)
                continue
            row = self._found(want) or self._kept(want, alone)
            if row is None or row.id != want.current:
                want.show_own()
            row = row or self._made(want)
            self._give(want, row)
            if row.id != want.current:
                self.joined.add(row.id)
            if row.new and not row.claimed:
                row.claimed = True
            elif row.id == want.current:
                if self._change(want, row) and not row.new:
                    effects.note_edited(self.related.table, row.id, want.upsert.root_id)
            else:
                self._fill(want, row)
            if want.current is None and self._stands(want, row):
                shape.row, shape.revision = row, self.rows.revision

    def _give(self, want: Want, row: Row) -> None:
        want.row = row
        want.upsert.ids[want.home.name] = row.id

    def _stands(self, want: Want, row: Row) -> bool:
        """Whether all that a record wants stands in the row already, so that the next one like it changes nothing.

        Without a key a row is one record's alone, and the next one like it gets another.
        """
        return bool(want.keys) and all(value is None or value == row.values.get(slot) for slot, value in want.values.items())

    def _found(self, want: Want) -> Row | None:
        higher: list[int] = []
        for at, _, folded in want.keys:
            row = self.rows.by_key.get((at, folded))
            # A row found by a lesser key is adopted only when it could not have been found by a better one.
            if row is not None and not (higher and any(self._has(row, key) for key in higher)):
                return row
            higher.append(at)
        return None

    def _has(self, row: Row, key: int) -> bool:
        return any(not is_empty(row.values.get((part.column, None))) for part in self.related.keys[key])

    def _kept(self, want: Want, alone: set[str]) -> Row | None:
        """The record's present row, to be corrected in place, unless others use it too."""
        row = self.rows.by_id.get(want.current or "")
        if row is None or row.id not in alone or row.id in self.joined or row.owned:
            return None
        keyed = any(self._has(row, at) for at in range(len(self.related.keys)))
        if keyed and self.related.key_changed != "rename":
            return None
        if not want.keys and self.related.without_key != "own":
            return None
        self.rows.forget(row)
        return row

    def _made(self, want: Want) -> Row:
        values = {slot: value for slot, value in want.values.items() if value is not None and (value or not is_empty(value))}
        assert want.home.related is not None
        row = Row(next(self.store.new_ids), values, new=True, rank=want.upsert.rank, defaults=want.home.related.new)
        self.rows.by_id[row.id] = row
        self.rows.name(row, want.keys)
        return row

    def _change(self, want: Want, row: Row) -> bool:
        """The record has this row and changes it: an edit, which everybody who shows the row will see."""
        changed = want.upsert.changed
        edited = False
        for slot, value in want.values.items():
            name = want.home.slots.get(slot)
            if name is None:
                if value is None or row.values.get(slot) == value:
                    continue
            elif changed is not None and name not in changed:
                continue
            if self._set(want, row, slot, value):
                edited = True
                self.overwritten.pop((row.id, slot), None)
        self.rows.index(self.keys, row)
        return edited

    def _fill(self, want: Want, row: Row) -> None:
        """The record meets a row of others: blanks are filled, and who was updated last has the say over the rest."""
        last = row.rank or NEVER
        for slot, value in want.values.items():
            shown = row.values.get(slot)
            if value == shown or is_empty(value) or slot in row.edited:
                continue
            if is_empty(shown) or (want.upsert.rank > last and not want.home.same(slot, shown, value)):
                if self._set(want, row, slot, value):
                    self.overwritten[row.id, slot] = row
        row.rank = max(last, want.upsert.rank)
        self.rows.index(self.keys, row)

    def _set(self, want: Want, row: Row, slot: Slot, value: Value) -> bool:
        if row.owned and self._is_owned(slot):
            return False
        if want.home.same(slot, row.values.get(slot), value):
            return False
        row.values[slot] = value
        self.rows.revision += 1
        row.indexed = row.indexed and slot not in self.keys.slots
        row.dirty = True
        return True

    def _is_owned(self, slot: Slot) -> bool:
        owner = self.store.owners[str(self.related.owned_by)]
        return (slot[0] if slot[1] is None else f"{slot[0]}.{slot[1]}") in owner.owns

    def _used_once(self) -> set[str]:
        """Which of the present rows only one record uses, so that correcting them corrects nobody else's."""
        rows = self.rows.by_id
        ids = sorted(
            {want.current for want in self.wants if want.current and self._found(want) is not rows.get(want.current)}
        )
        if not ids:
            return set()
        return {row_id for row_id, count in self._uses(ids) if count == 1}

    def _uses(self, ids: Sequence[str]) -> list[Any]:
        statement = compose(
            "select row_id, count(distinct root) from ({uses}) as uses where row_id = any(%(ids)s) group by row_id",
            uses=pointing(self.store.mapping, [home.name for home in self.homes]),
        )
        return self.tx.rows(statement, {"ids": list(ids)})

    def _look_at_found(self) -> None:
        """Of existing rows that a record meets and would show otherwise: who filled them, and what is there by SQL alone."""
        disputed = {
            row.id: row
            for want in once(self.wants)
            if (row := self._found(want)) is not None and row.id != want.current and not row.new
            and any(
                value != row.values.get(slot) and not is_empty(value)
                and not want.home.same(slot, row.values.get(slot), value)
                and not (row.owned and self._is_owned(slot))
                for slot, value in want.values.items()
            )
        }  # fmt: skip
        if not disputed:
            return
        statement = compose(
            "select last.row_id, last.home, l.monday_id,"
            " to_char(l.monday_updated_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
            " coalesce(l.base, '{{}}'), coalesce(l.base_postgres, '{{}}')"
            " from (select distinct on (uses.row_id) uses.row_id, uses.home, l.id"
            " from ({uses}) as uses join sync_mapping as l on l.entity_id = uses.root and l.entity_type = %(type)s"
            " where l.monday_id is not null"
            " order by uses.row_id, l.monday_updated_at desc nulls last, length(l.monday_id) desc, l.monday_id desc"
            ") as last join sync_mapping as l on l.id = last.id",
            uses=pointing(self.store.mapping, [home.name for home in self.homes]),
        )
        homes = [self.store.homes[name] for name in self.store.mapping.related]
        params = {"ids": sorted(disputed), "type": self.store.mapping.entity_type}
        for row in disputed.values():  # what no item shows, somebody has filled in with SQL
            row.edited = {slot for slot, value in row.values.items() if not is_empty(value)}
        unlike: list[tuple[Row, Slot]] = []
        for row_id, home, monday_id, updated_at, base, differing in self.tx.rows(statement, params):
            row = disputed[row_id]
            row.rank = (updated_at or "", int(monday_id))
            row.edited = _edited(homes[home], row, {**base, **differing})
            unlike += [(row, slot) for slot, name in homes[home].slots.items() if name in differing]
        for row, slot in self._shown_by_none(unlike):
            row.edited.add(slot)

    def _shown_by_none(self, cells: Sequence[tuple[Row, Slot]]) -> list[tuple[Row, Slot]]:
        """Of filled cells that the last item is known to show otherwise, those that no other item shows either."""
        numbers = {name: number for number, name in enumerate(self.store.mapping.related)}
        asked = [
            (at, row.id, numbers[home.name], home.slots[slot], dumps(row.values[slot]).decode())
            for at, (row, slot) in enumerate(cells)
            for home in self.homes
            if slot in home.slots and not is_empty(row.values.get(slot))
        ]
        if not asked:
            return []
        shown = self.tx.bulk(
            "select distinct new.at from {rows} join ({uses}) as uses on uses.row_id = new.row_id and uses.home = new.home"
            " join sync_mapping as l on l.entity_id = uses.root and l.entity_type = %(type)s and l.monday_id is not null"
            " where l.base -> new.name = new.value",
            {"at": "integer", "row_id": "text", "home": "integer", "name": "text", "value": "jsonb"},
            asked,
            {"type": self.store.mapping.entity_type, "ids": sorted({one[1] for one in asked})},
            uses=pointing(self.store.mapping, [home.name for home in self.homes]),
        )
        return [cells[at] for at in sorted({one[0] for one in asked} - {found[0] for found in shown})]


def _edited(home: Home, row: Row, known: Map[str, Any]) -> set[Slot]:
    """Where a row shows something else than when the item that was updated last agreed with it."""
    shown = ((slot, row.values.get(slot), from_json(home.kinds[slot], known.get(name))) for slot, name in home.slots.items())
    return {slot for slot, now, was in shown if not home.same(slot, now, was)}


def note_shown(want: Want, effects: Effects) -> None:
    """Remember where the row shows something else than the record would, because the row is not its alone."""
    row, upsert, shape = want.row, want.upsert, want.shape
    assert row is not None
    if want.current is None and shape.shown is not None and shape.row is row:
        others, shown_otherwise = shape.others, shape.shown
    else:
        others, shown_otherwise = _others(want, row), _shown_otherwise(want, row)
        if want.current is None and shape.row is row and not upsert.own:
            shape.others, shape.shown = others, shown_otherwise
    if others:
        # The row points at another row than this record's own, so what hangs on it shows something else too.
        effects.redirected.setdefault(id(upsert), (upsert, set()))[1].update(others)
    if shown_otherwise:
        upsert.shown.update(shown_otherwise)


def _others(want: Want, row: Row) -> list[str]:
    return [
        other
        for column, other in want.home.own_pointers.items()
        if want.values.get((column, None)) != row.values.get((column, None))
    ]


def _shown_otherwise(want: Want, row: Row) -> Record:
    upsert, moved, found = want.upsert, row.id != want.current, dict[str, Value]()
    for slot, name in want.home.slots.items():
        if not moved and upsert.changed is not None and name not in upsert.changed:
            continue
        shown, value = row.values.get(slot), want.values.get(slot)
        if name in upsert.own or shown != value and not want.home.same(slot, shown, value):
            found[name] = shown
    return found


def once(wants: Iterable[Want]) -> Iterable[Want]:
    """One want of each kind: new records that want the same are looked after together."""
    return {(id(want.shape), want.current): want for want in wants}.values()
