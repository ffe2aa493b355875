"""Decides which row each record of a batch gets of a table whose rows records share, and what is filled into the row.

A shared row is found by its natural keys. A record fills the blanks of the row; over the rest, the item that was updated
last decides. An edit of a record that has the row already always goes in. What was changed with SQL, and no item shows
yet, is never filled over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from typing import Any

from msgspec import Struct, field

from databases.postgres.names import compose, identifier
from db_connector import Composable, Transaction
from mappings.pointers import ANY_OF_IDS, pointing
from models import Value
from rows.homes import NEVER, Home, Homes, Row, Slot, Written
from rows.kept_rows import KnownRows
from rows.tables import Table
from rows.wanted_rows import WantedRow
from values.canonical import is_empty
from values.comparing import from_json

USED_ONCE = """
select given.id::text
from unnest(%(ids)s::uuid[]) as given (id)
cross join lateral (select root from ({uses}) as uses limit 1) as one
-- ends at the second record, however many there are
where not exists (select from ({uses}) as uses where uses.root <> one.root)
"""
FILLED_BY = """
select
    last.row_id,
    last.home,
    l.monday_id,
    to_char(l.monday_updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    {base},
    {base_postgres}
from (
    -- Of the items that show a row, the one that was updated last.
    select distinct on (uses.row_id) uses.row_id, uses.home, l.id
    from ({uses}) as uses
    cross join lateral (
        select l.id, l.monday_id, l.monday_updated_at
        from sync_mapping as l
        where l.entity_id = uses.root and l.entity_type = %(type)s and l.monday_id is not null
        -- A look-up for each: without it, tables that are being filled and have no statistics are read as a whole.
        offset 0
    ) as l
    order by uses.row_id, l.monday_updated_at desc nulls last, length(l.monday_id) desc, l.monday_id desc
) as last
join sync_mapping as l on l.id = last.id
"""
PARTS_OF_BASE = """
coalesce(
    (
        select jsonb_object_agg(part.key, part.value)
        from jsonb_each(l.{base}) as part
        where part.key = any(%(fields)s)
    ),
    '{{}}'
)
"""
SHOWN_BY_ITEMS = """
select distinct new.at, new.home, l.base -> new.name
from {rows}
join ({uses}) as uses on uses.row_id = new.row_id and uses.home = new.home
cross join lateral (
    select l.base
    from sync_mapping as l
    where l.entity_id = uses.root and l.entity_type = %(type)s and l.monday_id is not null
    offset 0
) as l
"""


class SharedRowWriter(Struct):
    """Gives each record of a batch its row of one table, and changes what the rows show; `write_records` saves them."""

    homes: Homes
    table: Table
    rows: KnownRows
    new_ids: Iterator[str]
    joined: set[str] = field(default_factory=set)
    """Rows that records of this batch have come to."""
    filled: dict[tuple[str, Slot], Row] = field(default_factory=dict)
    """What records that came new to a row have filled into it, and no edit has changed since."""
    edits: dict[tuple[str, Slot], int] = field(default_factory=dict)
    """What edits have changed in a row, and nothing has filled since: at which revision of the known rows."""

    def write(self, tx: Transaction, wanted: Sequence[WantedRow], kinds: Sequence[WantedRow], written: Written) -> None:
        """Gives each wanted row its row, and notes what that does to other records. `kinds`: one of each kind."""
        alone = self._used_by_one_record(tx, wanted)
        self._look_at_disputed(tx, [want for want in kinds if self.rows.shows(want) is None])
        for want in wanted:
            shape, row = want.shape, self.rows.shows(want)
            # a new record like one that changed nothing in the row
            if row is not None:
                row.rank = max(row.rank or NEVER, want.record.upsert.rank)
                self._give(want, row)
                continue
            found = self._found(want)
            if found is None and want.record.upsert.stored is None:
                self._give_new(want)
                continue
            row = self._row_for(want, found, alone)
            self._bring_in(want, row, alone, written)
            if want.current is None and _shows_all(want, row):
                shape.row, shape.revision, shape.changes = row, self.rows.revision, row.changes
        if self.edits:
            self._note_overtaken(wanted)

    # Which row

    def _row_for(self, want: WantedRow, found: Row | None, alone: set[str]) -> Row:
        row = found or self._kept(want, alone)
        if row is None or row.id != want.current:
            want.show_own()
        row = row or self._made(want)
        self._give(want, row)
        if row.id != want.current:
            self.joined.add(row.id)
        return row

    def _give_new(self, want: WantedRow) -> None:
        """Makes a row for a new record, and tells the next record like it that it shows all of that."""
        row, shape = self._made(want), want.shape
        row.claimed = True
        self._give(want, row)
        self.joined.add(row.id)
        # without a key the next record gets another, and an empty text is not written
        if shape.keys and len(row.values) == sum(value is not None for value in shape.values.values()):
            shape.row, shape.revision, shape.changes = row, self.rows.revision, row.changes
            shape.shown, shape.shown_at, shape.others = {}, row.changes, ()

    def _give(self, want: WantedRow, row: Row) -> None:
        want.row, want.since = row, self.rows.revision
        row.page = self.rows.page
        want.record.ids[want.home.name] = row.id

    def _found(self, want: WantedRow) -> Row | None:
        """Returns the row of the best key that finds one."""
        higher: list[int] = []
        for key in want.keys:
            row = self.rows.by_key.get(key)
            # A row found by a lesser key is adopted only when it could not have been found by a better one.
            if row is not None and not (higher and any(self._has(row, at) for at in higher)):
                return row
            higher.append(key.at)
        return None

    def _has(self, row: Row, at: int) -> bool:
        return any(not is_empty(row.values.get((part.column, None))) for part in self.table.related.keys[at])

    def _kept(self, want: WantedRow, alone: set[str]) -> Row | None:
        """Returns the record's present row, to be corrected in place, or None."""
        row, related = self.rows.by_id.get(want.current or ""), self.table.related
        # the row is gone, or other records use it too
        if row is None or row.id not in alone or row.id in self.joined:
            return None
        # an item of another entity has it
        if row.owned:
            return None
        # the row has another key, and keys are not renamed
        if related.key_changed != "rename" and any(self._has(row, at) for at in range(len(related.keys))):
            return None
        # without a key there is no row
        if not want.keys and related.without_key != "own":
            return None
        self.rows.forget(row)
        return row

    def _made(self, want: WantedRow) -> Row:
        values = {
            slot: value for slot, value in want.values.items() if value is not None and (value or not is_empty(value))
        }
        assert want.home.related is not None
        row = Row(next(self.new_ids), values, new=True, rank=want.record.upsert.rank, defaults=want.home.related.new)
        self.rows.by_id[row.id] = row
        self.rows.add_keys(row, want.keys)
        return row

    # What the row shows

    def _bring_in(self, want: WantedRow, row: Row, alone: set[str], written: Written) -> None:
        # made for this record: it shows all already
        if row.new and not row.claimed:
            row.claimed = True
        # the record's own row: an edit
        elif row.id == want.current:
            if self._change(want, row, alone) and not row.new:
                written.note_edited(self.table.name, row.id, want.record.root_id)
        # a row of other records
        else:
            self._fill(want, row)

    def _change(self, want: WantedRow, row: Row, alone: set[str]) -> bool:
        """Changes a row that the record has: an edit, which every record that shows the row will see."""
        changed = want.record.upsert.changed
        is_edited = False
        for slot, value in want.values.items():
            name = want.home.slots.get(slot)
            # a pointer: never emptied by an edit
            if name is None:
                if value is None or row.values.get(slot) == value:
                    continue
            # a field that this edit leaves alone
            elif changed is not None and name not in changed:
                continue
            if self._set(want, row, slot, value, respells=row.id in alone):
                is_edited = True
                self.filled.pop((row.id, slot), None)
                self.edits[row.id, slot] = self.rows.revision
        self.rows.index(self.table, row)
        return is_edited

    def _fill(self, want: WantedRow, row: Row) -> None:
        """Fills a row that other records have: its blanks, and the rest if this item was updated last."""
        rank, last = want.record.upsert.rank, row.rank or NEVER
        for slot, value in want.values.items():
            shown = row.values.get(slot)
            # no other value, or changed with SQL
            if value == shown or is_empty(value) or slot in row.edited:
                continue
            # a blank, or an older item's value
            if is_empty(shown) or (rank > last and not want.home.same(slot, shown, value)):
                if self._set(want, row, slot, value):
                    self.filled[row.id, slot] = row
                    self.edits.pop((row.id, slot), None)
        row.rank = max(last, rank)
        self.rows.index(self.table, row)

    def _set(self, want: WantedRow, row: Row, slot: Slot, value: Value, respells: bool = False) -> bool:
        # the item that has the row decides over it
        if row.owned and self._is_owned(slot):
            return False
        # the same in other letters or digits; the spelling of a key is its only record's to correct
        is_same = want.home.looks_same if respells else want.home.same
        if is_same(slot, row.values.get(slot), value):
            return False
        row.values[slot] = value
        row.changes += 1
        self.rows.revision += 1
        row.indexed = row.indexed and slot not in self.table.keys.slots
        row.dirty = True
        return True

    def _is_owned(self, slot: Slot) -> bool:
        owner = self.homes.owners[str(self.table.related.owned_by)]
        return (slot[0] if slot[1] is None else f"{slot[0]}.{slot[1]}") in owner.owns

    # What other records show

    def _note_overtaken(self, wanted: Sequence[WantedRow]) -> None:
        """Notes of records that came new to a row what edits of other records have changed in it since."""
        for want in wanted:
            row = want.row
            if row is None or row.id == want.current:
                continue
            for slot in want.values:
                if self.edits.get((row.id, slot), 0) > want.since:
                    want.record.overtaken |= frozenset(_fields_at(self.homes, want.home, slot))

    def _uses(self, ids: str = ANY_OF_IDS) -> Composable:
        return pointing(self.homes.mapping, [home.name for home in self.table.homes], ids)

    def _used_by_one_record(self, tx: Transaction, wanted: Sequence[WantedRow]) -> set[str]:
        """Returns the present rows that only one record uses, so that correcting them corrects no other record's."""
        by_id = self.rows.by_id
        ids = {
            want.current
            for want in wanted
            if want.current and (self._found(want) is not (row := by_id.get(want.current)) or self._respells(want, row))
        }
        if not ids:
            return set()
        once = tx.rows(compose(USED_ONCE, uses=self._uses("given.id")), {"ids": sorted(ids)})
        return {row_id for (row_id,) in once}

    def _respells(self, want: WantedRow, row: Row | None) -> bool:
        """Returns whether a record spells the key of its present row otherwise."""
        shown = row.values if row is not None else {}
        spelt = ((slot, shown.get(slot), want.values.get(slot)) for slot in self.table.keys.case_blind)
        return any(now != value and not want.home.looks_same(slot, now, value) for slot, now, value in spelt)

    def _look_at_disputed(self, tx: Transaction, kinds: Sequence[WantedRow]) -> None:
        """Finds out of disputed rows which item filled them last, and what was changed with SQL since."""
        disputed = {row.id: row for want in kinds if (row := self._disputed(want)) is not None}
        if not disputed:
            return
        # What no item shows was filled in with SQL.
        for row in disputed.values():
            row.edited = {slot for slot, value in row.values.items() if not is_empty(value)}
        mapping = self.homes.mapping
        homes = [self.homes.related[name] for name in mapping.related]
        fields = sorted({name for home in self.table.homes for name in home.names})
        params = {"ids": sorted(disputed), "type": mapping.entity_type, "fields": fields}
        bases = {name: compose(PARTS_OF_BASE, base=identifier(name)) for name in ("base", "base_postgres")}
        differing: list[tuple[Row, Slot]] = []
        for found in tx.rows(compose(FILLED_BY, uses=self._uses(), **bases), params):
            row_id, number, monday_id, updated_at, base, base_postgres = found
            row, home = disputed[row_id], homes[number]
            row.rank = (updated_at or "", int(monday_id))
            row.edited = _edited(home, row, {**base, **base_postgres})
            differing += [(row, slot) for slot, name in home.slots.items() if name in base_postgres]
        for row, slot in self._shown_by_no_item(tx, differing):
            row.edited.add(slot)

    def _disputed(self, want: WantedRow) -> Row | None:
        """Returns the row that a record comes to and would show otherwise, if there is one."""
        row = self._found(want)
        if row is None or row.id == want.current or row.new:
            return None
        for slot, value in want.values.items():
            shown = row.values.get(slot)
            if value == shown or is_empty(value) or want.home.same(slot, shown, value):
                continue
            if not (row.owned and self._is_owned(slot)):
                return row
        return None

    def _shown_by_no_item(self, tx: Transaction, cells: Sequence[tuple[Row, Slot]]) -> list[tuple[Row, Slot]]:
        """Returns those filled cells which the last item is known to show otherwise, and which no other item shows."""
        mapping = self.homes.mapping
        numbers = {name: number for number, name in enumerate(mapping.related)}
        asked = [
            (at, row.id, numbers[home.name], home.slots[slot])
            for at, (row, slot) in enumerate(cells)
            for home in self.table.homes
            if slot in home.slots and not is_empty(row.values.get(slot))
        ]
        if not asked:
            return []
        shown = tx.bulk(
            SHOWN_BY_ITEMS,
            {"at": "integer", "row_id": "text", "home": "integer", "name": "text"},
            asked,
            {"type": mapping.entity_type, "ids": sorted({row_id for _, row_id, *_ in asked})},
            uses=self._uses(),
        )
        homes = [self.homes.related[name] for name in numbers]
        known = {at for at, number, value in shown if _shows(homes[number], *cells[at], value)}
        return [cells[at] for at in sorted({at for at, *_ in asked} - known)]


def _shows_all(want: WantedRow, row: Row) -> bool:
    """Returns whether all that a record wants stands in the row, so that the next record like it changes nothing.

    Without a key a row is one record's alone, and the next record like it gets another.
    """
    return bool(want.keys) and all(
        value is None or value == row.values.get(slot) for slot, value in want.values.items()
    )


def _fields_at(homes: Homes, home: Home, slot: Slot) -> Sequence[str]:
    """Returns the field in a place of a row, or the fields that are shown through a pointer."""
    if slot in home.slots:
        return (home.slots[slot],)
    other = home.own_pointers.get(slot[0])
    return homes.related[other].names if other else ()


def _shows(home: Home, row: Row, slot: Slot, value: Any) -> bool:
    """Returns whether an item that last showed this value in JSON shows what the row has."""
    return home.same(slot, row.values.get(slot), from_json(home.kinds[slot], value))


def _edited(home: Home, row: Row, known: Map[str, Any]) -> set[Slot]:
    """Returns where a row shows something else than when the item that was updated last agreed with it."""
    shown = (
        (slot, row.values.get(slot), from_json(home.kinds[slot], known.get(name))) for slot, name in home.slots.items()
    )
    return {slot for slot, now, was in shown if not home.same(slot, now, was)}
