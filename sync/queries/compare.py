"""Compares the rows of a query with what is remembered of them, and keeps those with news in a file for the writing.

Nothing is written while the query is read: a database cuts off a reader that is slow, and SmartSuite is slow.
"""

from __future__ import annotations

import pickle
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from hashlib import blake2b
from operator import itemgetter
from typing import Any

from msgspec import Struct, field

from errors import SettingsError
from mappings.query_syncs import QuerySync
from models import Value
from values.canonical import as_text
from values.parsing import CellError

BUCKETS = 256
CHUNK = 100
"""Rows that the file holds together."""
MEMORY = "<memory at "
"""What Python shows of a memoryview, in the place of its bytes."""


class Row(Struct, frozen=True):
    """Holds a row with news: its key, the hash of what the mapping reads of it, and its values by column."""

    key: str
    hash: str
    values: dict[str, Value]
    changed_at: datetime | None = None
    """What the query says of when it changed; in UTC where it says no zone."""
    unlinked: dict[str, list[str]] = field(default_factory=dict)
    """The records that it names and that are not there, by the slug of the field."""


class Spool:
    """Keeps rows in a file without a name, so that a large query needs no memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._rows: list[Row] = []
        self.count = 0

    def add(self, row: Row) -> None:
        """Keeps a row."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) == CHUNK:
            self._keep()

    def _keep(self) -> None:
        """Writes rows together: the names of their columns are written once, and a row costs little."""
        # a row that could not be read has no values
        columns = max((list(row.values) for row in self._rows), key=len)
        rows = [(row.key, row.hash, list(row.values.values()), row.changed_at) for row in self._rows]
        pickle.dump((columns, rows), self._file, pickle.HIGHEST_PROTOCOL)
        self._rows = []

    def pages(self, size: int) -> Iterator[list[Row]]:
        """Yields the rows in the order in which they came, in lists of `size`."""
        if self._rows:
            self._keep()
        self._file.seek(0)
        left, page = self.count, list[Row]()
        while left:
            columns, rows = pickle.load(self._file)
            left -= len(rows)
            page += [Row(key, digest, dict(zip(columns, values)), at) for key, digest, values, at in rows]
            while len(page) >= size:
                yield page[:size]
                page = page[size:]
        if page:
            yield page

    def close(self) -> None:
        """Removes the file."""
        self._file.close()


class Keys:
    """Finds keys that come more than once, in eight bytes for each."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(BUCKETS)]
        self._sorted: list[array[int]] | None = None

    def add(self, keys: Iterable[str]) -> None:
        """Takes keys."""
        buckets = self._buckets
        for digest in map(hash, keys):
            buckets[digest % BUCKETS].append(digest)

    def without(self, keys: Sequence[str]) -> list[str]:
        """Returns those of the keys that did not come."""
        if self._sorted is None:
            self._sorted = [array("q", sorted(bucket)) for bucket in self._buckets]
        return [key for key in keys if not self._has(hash(key))]

    def _has(self, digest: int) -> bool:
        bucket = (self._sorted or self._buckets)[digest % BUCKETS]
        place = bisect_left(bucket, digest)
        return place < len(bucket) and bucket[place] == digest

    def surplus(self) -> int:
        """Returns how many keys came that had come before."""
        return sum(len(bucket) - len(set(bucket)) for bucket in self._buckets)

    def repeated(self) -> frozenset[int]:
        """Returns the hashes of the keys that came more than once, as this process hashes them."""
        found: set[int] = set()
        for bucket in self._buckets:
            if len(seen := set(bucket)) < len(bucket):
                found.update(digest for digest in seen if bucket.count(digest) > 1)
        return frozenset(found)


def wrong_columns(sync: QuerySync, names: Sequence[str]) -> list[tuple[str, str]]:
    """Returns what the columns of the query lack, or have twice: the key of the file that it is about, and a sentence."""
    wanted = {sync.primary_key: "primary_key", **{name: f"field:{name}" for name in sync.fields}}
    missing = [(place, f"the query has no column {name!r}") for name, place in wanted.items() if name not in names]
    twice = sorted({name for name in names if list(names).count(name) > 1})
    return missing + [("query", f"the query has two columns {name!r}") for name in twice]


def known_columns(names: Sequence[str]) -> str:
    """Says which columns there are."""
    return f"It has {', '.join(names)}." if names else "It returns no rows at all."


def key_text(key: Any) -> str:
    """Returns a key as text; "" for none, or one without anything in it."""
    # as most keys are
    if type(key) is int:
        return str(key)
    return "" if key is None else " ".join(as_text(key).split())


class Shape:
    """Reads rows by the mapping: key, values, hash. Made of the names of the query's columns, which it checks."""

    def __init__(self, sync: QuerySync, names: Sequence[str]) -> None:
        if wrong := wrong_columns(sync, names):
            said = "; ".join(sentence for _, sentence in wrong)
            raise SettingsError(f"{sync.name}: {said}.", hint=f"{known_columns(names)} Look at {sync.at()}.")
        places = {name: place for place, name in enumerate(names)}
        self._key = places[sync.primary_key]
        self._changed_at = places.get(sync.updated_at_field or "")
        self._columns = [(column, places[column], sync.changes.get(column)) for column in sync.fields]
        self._beginning = blake2b(sync.written.encode(), digest_size=16)
        self._mapped = itemgetter(*(place for _, place, _ in self._columns))
        self._has_functions = sync.has_functions

    def key_of(self, row: Sequence[Any]) -> str:
        """Returns the key as text; "" for none, or one without anything in it."""
        return key_text(row[self._key])

    def hash_of(self, row: Sequence[Any]) -> str:
        """Returns the hash of what the mapping reads of a row; "" when that cannot be read.

        It is made of the values before they are changed. Where a function of the user's changes them, it is made of the
        values after that: the function may have become another one.
        """
        try:
            seen = repr([*self._values(row).values()] if self._has_functions else self._mapped(row))
        except CellError:
            return ""
        if MEMORY in seen:
            seen = repr([_plain(row[place]) for _, place, _ in self._columns])
        digest = self._beginning.copy()
        digest.update(seen.encode())
        return digest.hexdigest()

    def read(self, key: str, row: Sequence[Any], digest: str) -> Row:
        """Returns the row with its values changed. Raises CellError that names the column."""
        at = None if self._changed_at is None else row[self._changed_at]
        if not isinstance(at, datetime):
            at = None
        elif at.tzinfo is None:
            at = at.replace(tzinfo=timezone.utc)
        return Row(key, digest, self._values(row), at)

    def _values(self, row: Sequence[Any]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for column, place, change in self._columns:
            value = _plain(row[place])
            if change is not None:
                try:
                    value = change(value)
                except CellError as exc:
                    raise CellError(f"{column}: {exc}") from None
            values[column] = value
        return values


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
