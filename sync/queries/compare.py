"""Compares the rows of a query with what is remembered of them, and keeps those with news in a file for the writing.

Nothing is written while the query is read: a database cuts off a reader that is slow, and SmartSuite is slow.
"""

from __future__ import annotations

import pickle
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from errors import SettingsError
from mappings.query_syncs import QuerySync
from models import Value
from values.canonical import as_text, dumps
from values.parsing import CellError

BUCKETS = 256


@dataclass(frozen=True, slots=True)
class Row:
    """Holds a row with news: its key, the hash of what the mapping reads of it, and its values by column."""

    key: str
    hash: str
    values: dict[str, Value]


class Spool:
    """Keeps rows in a file without a name, so that a large query needs no memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self.count = 0

    def add(self, row: Row) -> None:
        """Keeps a row."""
        pickle.dump(row, self._file, pickle.HIGHEST_PROTOCOL)
        self.count += 1

    def pages(self, size: int) -> Iterator[list[Row]]:
        """Yields the rows in the order in which they came, in lists of `size`."""
        self._file.seek(0)
        for start in range(0, self.count, size):
            yield [pickle.load(self._file) for _ in range(min(size, self.count - start))]

    def close(self) -> None:
        """Removes the file."""
        self._file.close()


class Keys:
    """Finds keys that come more than once, in eight bytes for each."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(BUCKETS)]
        self._sorted: list[array[int]] | None = None

    def add(self, key: str) -> None:
        """Takes a key."""
        digest = digest_of(key)
        self._buckets[digest % BUCKETS].append(digest)

    def without(self, keys: Sequence[str]) -> list[str]:
        """Returns those of the keys that did not come."""
        if self._sorted is None:
            self._sorted = [array("Q", sorted(bucket)) for bucket in self._buckets]
        return [key for key in keys if not self._has(digest_of(key))]

    def _has(self, digest: int) -> bool:
        bucket = (self._sorted or self._buckets)[digest % BUCKETS]
        place = bisect_left(bucket, digest)
        return place < len(bucket) and bucket[place] == digest

    def repeated(self) -> frozenset[int]:
        """Returns the digests of the keys that came more than once."""
        found: set[int] = set()
        for bucket in self._buckets:
            if len(seen := set(bucket)) < len(bucket):
                found.update(digest for digest in seen if bucket.count(digest) > 1)
        return frozenset(found)


def digest_of(key: str) -> int:
    """Returns eight bytes of a hash of a key."""
    return int.from_bytes(blake2b(key.encode("utf-8", "replace"), digest_size=8).digest(), "big")


class Shape:
    """Reads rows by the mapping: key, values, hash. Made of the names of the query's columns, which it checks."""

    def __init__(self, sync: QuerySync, names: Sequence[str]) -> None:
        twice = sorted({name for name in names if list(names).count(name) > 1})
        missing = [name for name in (sync.primary_key, *sync.fields) if name not in names]
        if twice or missing:
            said = [f"the query has no column {name!r}" for name in dict.fromkeys(missing)]
            said += [f"the query has two columns {name!r}" for name in twice]
            known = f"It has {', '.join(names)}." if names else "It returns no rows at all."
            raise SettingsError(f"{sync.name}: {'; '.join(said)}.", hint=f"{known} Look at {sync.path}:{sync.line}.")
        places = {name: place for place, name in enumerate(names)}
        self._key = places[sync.primary_key]
        self._columns = [(column, places[column], sync.changes.get(column)) for column in sync.fields]
        self._beginning = blake2b(sync.written.encode(), digest_size=16)

    def key_of(self, row: Sequence[Any]) -> str:
        """Returns the key as text; "" for none, or one without anything in it."""
        key = row[self._key]
        return "" if key is None else " ".join(as_text(key).split())

    def read(self, key: str, row: Sequence[Any]) -> Row:
        """Returns the row with its values changed. Raises CellError that names the column."""
        values: dict[str, Value] = {}
        for column, place, change in self._columns:
            value = row[place]
            if isinstance(value, memoryview):
                value = bytes(value)
            if change is not None:
                try:
                    value = change(value)
                except CellError as exc:
                    raise CellError(f"{column}: {exc}") from None
            values[column] = value
        digest = self._beginning.copy()
        digest.update(dumps([values[column] for column, _, _ in self._columns]))
        return Row(key, digest.hexdigest(), values)
