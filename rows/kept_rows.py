"""Keeps what is known of shared rows from one page to the next.

A first pull meets the same rows on every page. What one page has found or made needs no look-up on the next, as long as
PostgreSQL shows that no other transaction has written since; and a key that no row of a table had needs none either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from typing import Any

from msgspec import Struct, field

from databases.postgres.names import compose, joined, literal, table_name
from databases.postgres.transactions import Snapshot
from db_connector import Transaction
from rows.cells import comes_back
from rows.homes import Key, Row, Slot
from rows.tables import Table
from rows.wanted_rows import RowShape, Shapes, WantedRow

WORTH_KEEPING = 50
"""New records of a page from which on rows are kept: for fewer, asking costs more than it spares."""
MOST_ROWS = 1000
"""Rows of a table that are kept; those that were met last stay."""
BITS = 1 << 23
MASK = BITS - 1
MOST_OWN = 1000
"""Transactions of its own that are told from others."""

SMALL = 1 << 23
"""Bytes of a table up to which reading all of it is cheaper than looking up the rows of a page."""

LOOK = """
select txid_current(), txid_current_snapshot()::text, txid_status(%s),
    current_setting('transaction_isolation') = 'repeatable read'
"""
TABLES = """
select t.name, c.oid::bigint,
    -- what is written to another table may be seen through a view, a parent or a partition
    c.relkind = 'r' and not c.relhassubclass and not exists (select from pg_inherits where inhrelid = c.oid)
from unnest(%s::text[]) as t (name)
left join pg_class as c on c.oid = to_regclass(t.name)
"""
COUNT = """
select {name}, not exists (select from {table}),
    case when pg_relation_size({oid}) < %(small)s then (select count(*) from {table}) end
"""
WRITTEN = """
select {name},
    case when pg_relation_size({oid}) < %(small)s then (
        select array[count(*), count(*) filter (where xmin::text::bigint >= %(low)s and xmin::text <> all(%(own)s::text[]))]
        from {table}
    ) end
"""


class KnownRows(Struct):
    """Holds the rows known while rows of a table are written, by id and by natural key."""

    by_id: dict[str, Row] = field(default_factory=dict)
    by_key: dict[Key, Row] = field(default_factory=dict)
    revision: int = 0
    """Grows whenever a row can be found by other keys or shows something else."""
    shapes: Shapes = field(default_factory=dict)
    """What new records want of a row, by related name and what makes them alike."""
    keys: Keys | None = None
    """All keys of the table's rows, where they are known."""
    guessed: set[Key] = field(default_factory=set)
    """Keys of rows by which a look-up might find other rows that are older."""
    count: int | None = None
    """How many rows the table has, where it is small."""
    page: int = 0

    def add(self, table: Table, found: Sequence[object]) -> None:
        """Adds a row of the look-up statement: which key found it, its id, and its columns."""
        key, row_id, _, owned, *cells = found
        assert isinstance(key, int)
        row = self.by_id.get(str(row_id))
        if row is None:
            row = self.by_id[str(row_id)] = Row(str(row_id), table.values(cells), owned=bool(owned))
        row.page = self.page
        if key >= 0:
            filled = table.keys.at(key, row.values)
            # Where a user has made several rows with one key, the oldest is meant.
            if filled is not None:
                self.by_key.setdefault(filled, row)

    def shows(self, want: WantedRow) -> Row | None:
        """Returns the row in which all that a new record wants is known to stand; None where that is to be found out."""
        shape, row = want.shape, want.shape.row
        if row is None or want.current is not None or shape.changes != row.changes:
            return None
        # found by its best key, or by no better one than before
        return row if shape.revision == self.revision or self.by_key.get(shape.keys[0]) is row else None

    def is_settled(self, shape: RowShape) -> bool:
        """Returns whether all that a new record wants is known to stand in a row, found by its best key, and no more."""
        row = shape.row
        return (
            row is not None
            and shape.changes == row.changes == shape.shown_at
            and not shape.shown
            and not shape.others
            and self.by_key.get(shape.keys[0]) is row
        )

    def within_reach(self, kinds: Iterable[WantedRow]) -> set[str]:
        """Returns the ids of the rows that records may come to, after the look-up."""
        found = {row.id for want in kinds for key in want.keys if (row := self.by_key.get(key)) is not None}
        return found.union(want.current for want in kinds if want.current)

    def meet(self, kinds: Iterable[WantedRow]) -> None:
        """Notes the known rows that records of this page have now, or may come to."""
        for want in kinds:
            met = [self.by_id.get(want.current or ""), *map(self.by_key.get, want.keys)]
            for row in met:
                if row is not None:
                    row.page = self.page

    def of_page(self) -> dict[str, Row]:
        """Returns the rows that this page has come to, by id."""
        return {row_id: row for row_id, row in self.by_id.items() if row.page == self.page}

    def is_known(self, key: Key) -> bool:
        """Returns whether nothing more can be found out about the row of a key."""
        return key in self.by_key or self._is_absent(key)

    def _is_absent(self, key: Key) -> bool:
        return self.keys is not None and key not in self.keys

    def index(self, table: Table, row: Row) -> None:
        """Makes a row findable by the keys it has now."""
        if not row.indexed:
            keys = table.keys.of(row.values)
            self.guessed.update(key for key in keys if self.by_key.get(key) is not row and not self._is_absent(key))
            self.add_keys(row, keys)

    def add_keys(self, row: Row, keys: Iterable[Key]) -> None:
        """Makes a row findable by these keys, which are all it has."""
        for key in keys:
            self.by_key.setdefault(key, row)
            if self.keys is not None:
                self.keys.add(key)
        row.indexed = True
        self.revision += 1

    def forget(self, row: Row) -> None:
        """Removes a row from the keys it has had."""
        row.indexed = False
        self.revision += 1
        for found in [found for found, known in self.by_key.items() if known is row]:
            del self.by_key[found]

    def settle(self, table: Table) -> None:
        """Keeps, once a page is committed, the rows that stand in the table as they are known: the last that were met."""
        rows = list(self.by_id.values())
        if self.count is not None:
            self.count += sum(row.new for row in rows)
        stands = _standing(table)
        gone = {row.id for row in rows if row.page == self.page and not _settled(row, stands)}
        if len(rows) > MOST_ROWS:
            gone.update(row.id for row in sorted(rows, key=lambda row: row.page)[: -MOST_ROWS // 2])
        for row in [self.by_key.pop(key) for key in self.guessed if key in self.by_key]:
            row.indexed = False
        if gone:
            self.by_id = {row_id: row for row_id, row in self.by_id.items() if row_id not in gone}
            self.by_key = {key: row for key, row in self.by_key.items() if row.id not in gone}
        for name, shapes in self.shapes.items():
            if gone or len(shapes) > MOST_ROWS:
                stay = [
                    (like, shape)
                    for like, shape in shapes.items()
                    if shape.row is not None and shape.row.id not in gone
                ]
                self.shapes[name] = dict(stay[-MOST_ROWS:])
        self.guessed = set()
        self.revision += 1
        self.page += 1


def _settled(row: Row, stands: Map[Slot, Sequence[type]]) -> bool:
    """Makes a row of the last page one of the table's; returns whether that shows what is known of it."""
    # changed: by which other rows' keys it can be found now is not known; or filled by defaults of its own
    if row.dirty or row.standins:
        return False
    if row.new and not _stands(row, stands):
        return False
    row.new, row.claimed, row.rank = False, False, None
    if row.edited:
        row.edited = set()
    return True


def _standing(table: Table) -> dict[Slot, Sequence[type]]:
    """Returns for the columns of a table the types of the values that they show as they were written."""
    return {(column, None): comes_back(table.types.get(column, "text")) for column in table.plain}


def _stands(row: Row, stands: Map[Slot, Sequence[type]]) -> bool:
    """Returns whether a look-up would find the values that a new row was made with."""
    if row.defaults and any((column, None) in row.values for column in row.defaults):
        return False
    for slot, value in row.values.items():
        if slot[1] is None and value is not None and type(value) not in stands.get(slot, ()):
            return False
    return True


class Keys:
    """Holds many keys in little memory. It may say of a key that it is there although it is not, never the reverse."""

    def __init__(self) -> None:
        self._bits = bytearray(BITS // 8)

    def add(self, key: Key) -> None:
        """Adds a key."""
        bits, number = self._bits, hash(key)
        for place in (number & MASK, (number >> 20) & MASK, (number >> 40) & MASK):
            bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, key: Key) -> bool:
        bits, number = self._bits, hash(key)
        for place in (number & MASK, (number >> 20) & MASK, (number >> 40) & MASK):
            # most keys that are not there fail at the first place
            if not bits[place >> 3] & 1 << (place & 7):
                return False
        return True


class _Looked(Struct, frozen=True):
    """Holds which transaction looked last, and what it saw."""

    transaction: int
    seen: Snapshot


class KeptRows:
    """Keeps the known rows of the tables of a mapping. What is not certain to be as it was is forgotten."""

    def __init__(self, tables: Sequence[Table], root: str | None, written: Iterable[str], worth: int) -> None:
        """Takes the tables whose rows can be kept, and the names of all tables that a page writes.

        `root` is the table of root rows, where the natural keys of its rows can be kept. For fewer than `worth` new
        records a page, nothing is kept.
        """
        self._tables, self._root, self._written, self._worth = tables, root, sorted(set(written)), worth
        self._known: dict[str, KnownRows] = {}
        self._oids: dict[str, int] = {}
        self._own: deque[int] = deque(maxlen=MOST_OWN)
        self._last: _Looked | None = None

    def begin(self, tx: Transaction, new: int) -> None:
        """Prepares for a page with so many new records."""
        last, self._last = self._last, None
        if new < self._worth or not (self._tables or self._root):
            self._known = {}
            return
        (current, text, ended, stays), *_ = tx.rows(LOOK, (last.transaction if last else None,))
        now = _Looked(current, Snapshot.of(text))
        # never asked, undone, or written twice in one transaction
        if last is None or ended != "committed" or not stays:
            self._known = {}
        if not stays:
            return
        for table in self._tables:
            if table.name in self._known:
                self._known[table.name].settle(table)
        if last is not None and self._known:
            self._forget_written(tx, last, now)
        if not self._known:
            self._know(tx)
        if len(self._oids) == len(self._written):
            tx.own_writes.note(current, self._oids.values())
        self._own.append(current)
        self._last = now

    def maybe_there(self, keys: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Returns those natural keys that a root row may have; all of them count as there from now on."""
        known = self._known.get(self._root) if self._root else None
        if known is None or known.keys is None:
            return list(keys)
        asked = [Key(0, key) for key in keys]
        there = [key.folded for key in asked if key in known.keys]
        for key in asked:
            known.keys.add(key)
        return there

    def note_roots(self, number: int) -> None:
        """Notes how many root rows a page has made."""
        known = self._known.get(self._root) if self._root else None
        if known is not None and known.count is not None:
            known.count += number

    def of(self, table: Table) -> KnownRows:
        """Returns what is known of the rows of a table."""
        return self._known.get(table.name) or KnownRows()

    def _forget_written(self, tx: Transaction, last: _Looked, now: _Looked) -> None:
        """Forgets the tables that other transactions have written."""
        since = now.seen.since(last.seen)
        others = {-1} if since is None else since - {last.transaction}
        tables = [tx.own_writes.tables(transaction) for transaction in others]
        unsure = [name for name in self._known if any(at is None or self._oids[name] in at for at in tables)]
        if not unsure:
            return
        # whether an item has a row is not seen in the row
        owned = {table.name for table in self._tables if table.related.owned_by}
        asked = [name for name in unsure if name not in owned and self._known[name].count is not None]
        low = min(last.seen.under_way | {last.seen.end})
        params = {"low": low & 0xFFFFFFFF, "own": [str(own & 0xFFFFFFFF) for own in self._own]}
        is_same_epoch = low >> 32 == now.seen.end >> 32
        is_told = is_same_epoch and (len(self._own) < MOST_OWN or low >= self._own[0])
        found = dict(self._ask(tx, WRITTEN, asked, params)) if is_told else {}
        for name in unsure:
            if found.get(name) != [self._known[name].count, 0]:
                del self._known[name]

    def _know(self, tx: Transaction) -> None:
        """Begins to keep rows, of tables that are only written under one name."""
        found = {name: (oid, plain) for name, oid, plain in tx.rows(TABLES, (self._written,)) if oid is not None}
        self._oids = {name: oid for name, (oid, _) in found.items()}
        if len(found) < len(self._written):
            return
        oids = list(self._oids.values())
        kept = [
            name
            for name in (*(table.name for table in self._tables), *([self._root] if self._root else []))
            if found[name][1] and oids.count(self._oids[name]) == 1
        ]
        for name, is_empty, count in self._ask(tx, COUNT, kept, {}):
            # of root rows only their keys are known, and only from the first on
            if name != self._root:
                self._known[name] = KnownRows(keys=Keys() if is_empty else None, count=count)
            elif is_empty:
                self._known[name] = KnownRows(keys=Keys(), count=count)

    def _ask(self, tx: Transaction, statement: str, names: Sequence[str], params: dict[str, object]) -> list[Any]:
        """Asks the same of several tables at once."""
        parts = [
            compose(statement, name=literal(name), table=table_name(name), oid=literal(self._oids[name]))
            for name in names
        ]
        return tx.rows(joined("union all", parts), {"small": SMALL, **params}) if parts else []
