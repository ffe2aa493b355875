"""Proves that a query and its table of SmartSuite are equal: reads both and what is remembered. Writes neither.

No run works on the table meanwhile. Records that differ are read again, as people may just have edited them.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any

from msgspec.structs import replace

from errors import SmartSuiteUnavailable, SyncError
from mappings.query_syncs import QuerySync
from rows.queries import opened, question
from services.smartsuite.answers import Item
from services.smartsuite.cells import key_shown
from services.smartsuite.client import BULK, PAGE
from state.findings import Findings, Found
from state.records import Known, Records
from state.turns import working_on
from state.values import query_key
from sync.entry import Entry
from sync.operating.compare import DIFFERENCES, Class, Compared
from sync.operating.proof import Proof, Proofs
from sync.operating.proving import as_run
from sync.operating.verify import WHOLE, finding_of
from sync.queries.both_sides import REPEATED, Pair, chosen_item, compared
from sync.queries.compare import Keys, Row, Shape, Spool
from sync.queries.edited import by_id
from sync.queries.parts import DIRECTION, SuiteParts
from sync.queries.references import References
from sync.queries.target import Target, target_of
from sync.steps import Steps
from timing import Stopped
from values.parsing import CellError
from values.slices import batched

SECOND_LOOKS = 500
"""So many records that differ are read a second time: a call for each 25."""


class Shelf:
    """Keeps records in a file without a name, and finds them by key: a large table needs no memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._places: dict[str, list[int]] = {}

    def add(self, key: str, item: Item) -> None:
        """Keeps a record."""
        self._places.setdefault(key, []).append(self._file.seek(0, 2))
        pickle.dump(item, self._file, pickle.HIGHEST_PROTOCOL)

    def take(self, key: str) -> list[Item]:
        """Returns the records of a key, which are not left any more."""
        found = []
        for place in self._places.pop(key, ()):
            self._file.seek(place)
            found.append(pickle.load(self._file))
        return found

    @property
    def left(self) -> list[str]:
        """Returns the keys whose records were not taken."""
        return list(self._places)

    def close(self) -> None:
        """Removes the file."""
        self._file.close()


class SyncVerification:
    """Makes one proof of one sync."""

    target: Target

    def __init__(self, parts: SuiteParts, sync: QuerySync) -> None:
        self.parts = parts
        self.sync = sync
        self.suspects: list[tuple[Pair, Compared]] = []
        self.proof = Proof(self.sync.name, self.sync.table_id, WHOLE)
        self.findings = Findings(query_key(self.sync.name), self.sync.table_id)
        self.records = Records(self.sync.name, self.sync.table_id)
        self._unread: list[Compared] = []

    def run(self) -> Proof:
        """Reads both sides, keeps what it finds, and returns the result."""
        started, proof = time.monotonic(), self.proof
        before = self.parts.costs()["calls"]
        self.target = target_of(self.sync, self.parts.smartsuite.table(self.sync.table_id))
        with self.parts.db.transaction() as tx:
            proof.id = self.findings.begin(tx, WHOLE)
        try:
            with working_on(self.parts.db, self.sync.turn):
                self._look()
        except SyncError as exc:
            proof.fails(exc)
        finally:
            proof.seconds, proof.calls = time.monotonic() - started, int(self.parts.costs()["calls"] - before)
            self._finish()
        return proof

    def _look(self) -> None:
        """Compares both sides; what was compared so far, when a user asks for the end."""
        try:
            with closing(Shelf()) as shelf:
                self._list(shelf)
                with closing(Spool()) as spool:
                    self._compare(spool, self._read(spool), shelf)
                self._without_row(shelf)
                self._second_looks()
            self.proof.message = ""
        except (Stopped, SmartSuiteUnavailable):
            # one that is to stop does not wait until SmartSuite is back
            if not self.parts.stop.asked:
                raise
            with suppress(SmartSuiteUnavailable):
                self._second_looks()
            self.proof.stops(None)

    def _tell(self, done: int, total: int | None) -> None:
        """Tells how far it is. Raises Stopped when a user has asked for the end."""
        if self.parts.progress is not None:
            self.parts.progress(self.sync.name, done, total)

    def _list(self, shelf: Shelf) -> None:
        slugs = {"id", self.target.key.slug, *(found.slug for found in self.target.fields.values())}
        seen: set[str] = set()
        for total, items in self.parts.smartsuite.pages(self.sync.table_id):
            self._tell(len(seen), total)
            for item in items:
                # records that move between pages come twice
                if item.get("id") not in seen:
                    seen.add(str(item.get("id")))
                    shown = {slug: value for slug, value in item.items() if slug in slugs}
                    shelf.add(key_shown(item, self.target.key), shown)

    def _read(self, spool: Spool) -> frozenset[int]:
        """Puts the rows into the spool. Returns the hashes of the keys that came more than once."""
        keys, without = Keys(), 0
        with opened(self.parts.settings, self.parts.db, self.sync) as source:
            shape: Shape | None = None
            for names, rows in source.pages(*question(source, self.sync, None)):
                shape = shape or Shape(self.sync, names)
                keyed = [(shape.key_of(row), row) for row in rows]
                without += sum(not key for key, _ in keyed)
                self._tell(spool.count, None)
                keys.add([key for key, _ in keyed if key])
                for key, row in keyed:
                    if key:
                        self._keep(spool, shape, key, row)
        if without:
            self.proof.counts[Class.UNREADABLE.value] += without
            self._unread.append(Compared(Class.UNREADABLE, None, None, f"{without} rows without a key"))
        return keys.repeated()

    def _keep(self, spool: Spool, shape: Shape, key: str, row: Sequence[Any]) -> None:
        try:
            spool.add(shape.read(key, row, ""))
        except CellError as exc:
            # the reason takes the place of the values
            spool.add(Row(key, str(exc), {}))

    def _compare(self, spool: Spool, repeated: frozenset[int], shelf: Shelf) -> None:
        told: set[str] = set()
        references = References(lambda: self.parts.db, self.parts.smartsuite, self.target.fields)
        for rows in spool.pages(PAGE):
            references.resolve(rows)
            known = self._known([row.key for row in rows])
            for row in rows:
                refusal = REPEATED if hash(row.key) in repeated else row.hash
                # of several rows with a key one is told
                if row.key in told:
                    continue
                if refusal == REPEATED:
                    told.add(row.key)
                item, twins = chosen_item(shelf.take(row.key), known.get(row.key))
                self._sort(Pair(row.key, row if not refusal else None, refusal, item, known.get(row.key)))
                for twin in twins:
                    self._sort(Pair(row.key, None, "", twin, known.get(row.key), twin=True))

    def _known(self, keys: Sequence[str]) -> dict[str, Known]:
        with self.parts.db.transaction(read_only=True) as tx:
            return self.records.known(tx, list(keys))

    def _without_row(self, shelf: Shelf) -> None:
        for keys in batched(shelf.left, PAGE):
            known = self._known(keys)
            found = [Pair(key, item=item, known=known.get(key)) for key in keys for item in shelf.take(key)]
            with self.parts.db.transaction(read_only=True) as tx:
                others = self.records.of_others(tx, [pair.item_id or "" for pair in found])
            for pair in found:
                self._sort(replace(pair, of_other=pair.item_id in others))

    def _sort(self, pair: Pair) -> None:
        found = compared(self.sync, self.target, pair)
        if found.kind in DIFFERENCES:
            self.suspects.append((pair, found))
        else:
            self._count(found)

    def _count(self, found: Compared) -> None:
        proof = self.proof
        proof.counts[found.kind.value] += 1
        both = zip(proof.digests, found.digests)
        first, second = ((total + part) % 2**128 for total, part in both)
        proof.digests = (first, second)
        if found.kind is Class.KNOWN:
            proof.known[found.cause] += 1

    def _second_looks(self) -> None:
        """Reads the records that differ again, and keeps what differs then, too."""
        kept: list[Found] = [finding_of(found) for found in self._unread]
        self._unread, looked_at = [], 0
        while self.suspects or kept:
            some = self.suspects[:BULK]
            again = self._read_again([pair for pair, _ in some]) if looked_at < SECOND_LOOKS else {}
            self.suspects = self.suspects[BULK:]
            kept += [finding_of(found) for found in self._settled(some, again) if found.kind in DIFFERENCES]
            with self.parts.db.transaction() as tx:
                self.findings.add(tx, self.proof.id, kept)
            looked_at, kept = looked_at + len(kept), []

    def _settled(self, suspects: Sequence[tuple[Pair, Compared]], again: dict[str, Item]) -> Iterator[Compared]:
        """Counts what the second look has found, and yields it."""
        for pair, found in suspects:
            item = again.get(pair.item_id or "")
            if item and not pair.refusal:
                found = compared(self.sync, self.target, replace(pair, item=item))
            elif pair.item_id and again and not item:
                found = Compared(Class.MOVED, pair.item_id, pair.key)
            if found.kind is Class.EQUAL:
                found = replace(found, kind=Class.MOVED)
            self._count(found)
            yield found

    def _read_again(self, pairs: Sequence[Pair]) -> dict[str, Item]:
        ids = [pair.item_id for pair in pairs if pair.item_id]
        return by_id(self.parts.smartsuite.by_id(self.sync.table_id, ids)) if ids else {}

    def _finish(self) -> None:
        proof = self.proof
        with self.parts.db.transaction() as tx:
            if not proof.message:
                self.findings.close_others(tx, proof.id)
            shape = proof.as_json()
            outcome = "equal" if shape["equal"] else "incomplete" if proof.message else "different"
            self.findings.finish(tx, proof.id, {**shape, "outcome": outcome, "api": self.parts.costs()})


def proved(parts: SuiteParts, syncs: Sequence[QuerySync], on_end: Callable[[Proof], None]) -> Proofs:
    """Proves syncs one after another, as one run that `runs` shows and can stop. An error of a sync is in its proof."""
    steps = Steps(parts.progress, parts.stop, parts.pause)
    own = replace(parts, progress=steps)
    proofs = Proofs(steps, own.stop, WHOLE, on_end)
    steps.expect(sync.name for sync in syncs)
    with as_run(Entry(own, steps), DIRECTION, proofs):
        for sync in syncs:
            proofs.make(sync.name, sync.table_id, SyncVerification(own, sync).run)
    return proofs
