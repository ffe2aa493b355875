"""Proves that both sides of an entity are equal: reads both and what is remembered, and sorts every record. Writes neither.

Each difference is looked at a second time while no other process works on the entity, so that what is on its way is none.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from msgspec import Struct

from db_connector import Transaction
from errors import MondayUnavailable, SyncError, TurnBusy
from models import Item
from state import outbox
from state.findings import Findings, Found
from state.inbox import items_waiting
from state.proved import forget_unlinked, note_proved
from sync.board import BoardSync
from sync.operating.compare import (
    DIFFERENCES,
    NEVER_SENT,
    NEVER_TAKEN,
    UNLINKED,
    Class,
    Compared,
    FieldState,
    Queues,
    compare_items,
    compare_page,
    compare_rows,
)
from sync.operating.looking import look_at
from sync.operating.proof import Proof
from sync.operating.proved_cells import ProvedCells
from sync.read_ahead import ReadAhead
from sync.read_board import count_listed, forget_listing, larger_count, list_ids, new_pass, read_by_id, read_pages
from sync.steps import Steps
from timing import Stopped
from values.canonical import to_json
from values.slices import batched

ROWS_AT_ONCE = 800
ITEMS_AT_ONCE = 250
THREADS = 2
PROVED_AT_ONCE = 2_000
SECOND_LOOKS_AT_ONCE = 100
WHOLE, IDS, SAMPLE = "whole", "ids", "sample"
"""What a proof reads: every item, ids and update times, or a part of the items."""


class Extent(Struct, frozen=True):
    """Says how much of the board a proof reads. A sample is one of `parts` equal parts, counted from 1."""

    kind: str = WHOLE
    number: int = 1
    parts: int = 1


def estimated_calls(sync: BoardSync, extent: Extent) -> int:
    """Returns how many calls a proof will make, about: pages of items or ids, and what a sample reads by id."""
    items = sync.board.items_count or 0
    pages = -(-items // (sync.options.batch_size if extent.kind == WHOLE else 500)) or 1
    return pages + (-(-items // extent.parts // 100) if extent.kind == SAMPLE else 0)


class Verification:
    """Makes one proof of one entity."""

    def __init__(self, sync: BoardSync, extent: Extent, steps: Steps, costs_before: Map[str, float]) -> None:
        self.sync = sync
        self.extent = extent
        self.steps = steps
        self.costs_before = costs_before
        """What the run had cost when it came to this entity."""
        self.pass_id = ""
        self.suspects: list[Compared] = []
        self.proof = Proof(sync.mapping.entity, sync.board.id, extent.kind)
        self.proved = ProvedCells(sync)
        self.findings = Findings(sync.mapping.entity_type, sync.board.id)

    def run(self) -> Proof:
        """Reads both sides, keeps what it finds, and returns the result: of a part when it fails, or a user ends it."""
        started, proof = time.monotonic(), self.proof
        with self.sync.db.transaction() as tx:
            proof.id = self.findings.begin(tx, self.extent.kind)
        try:
            self._items()
            self._rows()
            self._second_looks(at_least=1)
            self._note_proved()
            self._check_listing()
        except (Stopped, SyncError) as exc:
            # one that is to stop does not wait until monday.com is back
            waits = self.sync.parts.stop.asked and isinstance(exc, MondayUnavailable)
            if isinstance(exc, SyncError) and not waits:
                proof.fails(exc)
            else:
                self._stopped()
        finally:
            proof.seconds = time.monotonic() - started
            self._finish()
        return proof

    # First look

    def _items(self) -> None:
        sync = self.sync
        if self.extent.kind == WHOLE:
            self.pass_id = new_pass()
            return self._compare(self._pages())
        self.pass_id = list_ids(sync).pass_id
        with sync.db.transaction(read_only=True) as tx:
            ids = self._chosen(tx)
        self._compare(read_by_id(sync, ids, self._malformed))

    def _pages(self) -> Iterator[Sequence[Item]]:
        """Yields the pages of the board, once their ids are noted."""
        for page in read_pages(self.sync, self._malformed, ReadAhead()):
            with self.sync.db.transaction() as tx:
                self.sync.state.listings.note(tx, self.pass_id, page.items)
            yield page.items

    def _compare(self, pages: Iterable[Sequence[Item]]) -> None:
        """Compares items in threads: while one waits for PostgreSQL, another compares."""
        going: deque[Future[list[Compared]]] = deque()
        with ThreadPoolExecutor(THREADS, "verify") as pool:
            try:
                for some in (some for items in pages for some in batched(items, ITEMS_AT_ONCE)):
                    going.append(pool.submit(self._compared, some))
                    # no more than they are at, so that memory does not grow with the board
                    if len(going) > THREADS:
                        self._sort(going.popleft().result())
                while going:
                    self._sort(going.popleft().result())
            finally:
                for left in going:
                    left.cancel()

    def _compared(self, items: Sequence[Item]) -> list[Compared]:
        def work(tx: Transaction) -> list[Compared]:
            return compare_page(self.sync, tx, items, self.proved)

        return self.sync.db.run_in_transaction(work, snapshot=True, keep=False)

    def _chosen(self, tx: Transaction) -> list[str]:
        """Returns the items to be read by id: those of the sample, or those that were not seen as they are now."""
        listings = self.sync.state.listings
        if self.extent.kind == SAMPLE:
            return listings.of_sample(tx, self.pass_id, self.extent.number, self.extent.parts)
        stale = listings.stale(tx, self.pass_id)
        self.proof.counts[Class.EQUAL.value] += listings.count(tx, self.pass_id) - len(stale)
        return stale

    def _rows(self) -> None:
        """Finds living rows without a living item on the board."""
        sync, after = self.sync, None
        while True:
            with sync.db.transaction(read_only=True) as tx:
                page = sync.store.page_of_ids(tx, after, ROWS_AT_ONCE)
                alone = sync.state.listings.rows_unlisted(tx, self.pass_id, page)
                found = compare_rows(sync, tx, alone, frozenset(), Queues())
            if not page:
                return
            after = page[-1]
            self._sort([compared for compared in found if self._in_sample(compared)])

    def _in_sample(self, compared: Compared) -> bool:
        return self.extent.kind != SAMPLE or int(compared.state, 16) % self.extent.parts == self.extent.number - 1

    def _sort(self, found: Sequence[Compared]) -> None:
        """Counts what is equal or known; of the rest a second look decides."""
        for compared in found:
            if compared.kind in DIFFERENCES or compared.stale_base:
                self.suspects.append(compared)
            else:
                self._count(compared)
        self.steps(self.proof.entity, self.proof.counts.total() + len(self.suspects), self.sync.board.items_count)
        self._second_looks(at_least=SECOND_LOOKS_AT_ONCE)
        self._note_proved(at_least=PROVED_AT_ONCE)

    def _note_proved(self, at_least: int = 1) -> None:
        if some := self.proved.take_new(at_least):
            with self.sync.db.transaction() as tx:
                note_proved(tx, some)

    def _count(self, compared: Compared) -> None:
        proof = self.proof
        proof.counts[compared.kind.value] += 1
        proof.stale_bases += compared.stale_base
        proof.digests = (
            (proof.digests[0] + compared.digests[0]) % 2**128,
            (proof.digests[1] + compared.digests[1]) % 2**128,
        )
        if compared.kind is Class.KNOWN:
            proof.known[compared.cause] += 1

    # Second look

    def _second_looks(self, at_least: int, patience_s: float | None = None) -> None:
        while len(self.suspects) >= at_least:
            some = self.suspects[:SECOND_LOOKS_AT_ONCE]
            with self.sync.parts.in_turn(self.sync.mapping.entity_type, patience_s, self._wait):
                self.steps.works(self.proof.entity)
                again = look_again(self.sync, some)
            self.suspects = self.suspects[SECOND_LOOKS_AT_ONCE:]
            kept = [found for compared in again if (found := self._settled(compared)) is not None]
            with self.sync.db.transaction() as tx:
                self.findings.add(tx, self.proof.id, kept)

    def _wait(self) -> None:
        """Tells that another process works on the entity. Raises Stopped when a user has asked for the end."""
        self.steps.waits(self.proof.entity, f"another process that works on {self.sync.mapping.entity_type} records")

    def _settled(self, compared: Compared) -> Found | None:
        """Counts what the second look has found, and returns what is to be kept of it."""
        if compared.kind is Class.EQUAL and not compared.stale_base:  # equal by now
            compared = Compared(Class.MOVED, compared.item_id, compared.root_id, digests=compared.digests)
        self._count(compared)
        return finding_of(compared) if compared.kind in DIFFERENCES or compared.stale_base else None

    # End

    def _stopped(self) -> None:
        """Ends with what was found so far; what would have to wait for a second look is left out."""
        with suppress(TurnBusy, MondayUnavailable):
            self._second_looks(at_least=1, patience_s=0.0)
        self._note_proved()
        self.proof.stops(self.sync.board.items_count)

    def _malformed(self, item_id: str, reason: str) -> None:
        self.suspects.append(Compared(Class.UNREADABLE, item_id or None, None, f"did not come whole: {reason}"))

    def _check_listing(self) -> None:
        listed = count_listed(self.sync, self.pass_id)
        claimed = larger_count(self.sync, listed)
        short = f"the board says that it has {claimed} items, and its listing has {listed}"
        self.proof.message = short if claimed is not None else ""

    def _finish(self) -> None:
        sync, proof = self.sync, self.proof
        costs = {name: n - self.costs_before.get(name, 0) for name, n in sync.parts.costs().items()}
        proof.calls = int(costs["calls"])
        if self.pass_id:
            forget_listing(sync, self.pass_id)
        with sync.db.transaction() as tx:
            if self.extent.kind != SAMPLE:
                self._pair(tx)
            if self.extent.kind == WHOLE and not proof.message:
                self.findings.close_others(tx, proof.id)
                forget_unlinked(tx)
            shape = proof.as_json()
            outcome = "equal" if shape["equal"] else "incomplete" if proof.message else "different"
            self.findings.finish(tx, proof.id, {**shape, "outcome": outcome, "api": costs})

    def _pair(self, tx: Transaction) -> None:
        """Counts an item and a row that show the same, and have no link, as one record."""
        pairs, counts = self.findings.pair(tx, self.proof.id, UNLINKED), self.proof.counts
        counts[Class.DIFFERENT.value] += pairs
        counts[Class.BOARD_ONLY.value] -= pairs
        counts[Class.POSTGRES_ONLY.value] -= pairs


def look_again(sync: BoardSync, suspects: Sequence[Compared]) -> list[Compared]:
    """Reads items and rows again, and compares them with what waits in view. No other process may work on the entity."""
    items = {item.id: item for item in _items_again(sync, suspects)}
    unread = [compared for compared in suspects if compared.item_id is None and compared.root_id is None]

    def work(tx: Transaction) -> list[Compared]:
        queues = waiting_for(sync, tx)
        found = compare_items(look_at(sync, tx, list(items.values())), queues)
        seen = {compared.root_id for compared in found}
        roots = dict.fromkeys(compared.root_id for compared in suspects if compared.root_id not in seen)
        rows = [root_id for root_id in roots if root_id is not None]
        found += compare_rows(sync, tx, rows, frozenset(items), queues)
        known = {compared.root_id for compared in found} | {compared.item_id for compared in found}
        # gone from both sides by now
        for compared in suspects:
            if not {compared.root_id, compared.item_id} & known and compared not in unread:
                found.append(Compared(Class.EQUAL, compared.item_id, compared.root_id))
        return found + unread

    return sync.db.run_in_transaction(work, snapshot=True, keep=False)


def _items_again(sync: BoardSync, suspects: Sequence[Compared]) -> Iterator[Item]:
    ids = sorted({compared.item_id for compared in suspects if compared.item_id}, key=int)
    for some in batched(ids, SECOND_LOOKS_AT_ONCE):
        for items in read_by_id(sync, some):
            yield from items


def waiting_for(sync: BoardSync, tx: Transaction) -> Queues:
    """Returns what waits to be dealt with."""
    rows = outbox.noted(tx, sync.mapping).roots
    return Queues(frozenset(items_waiting(tx, sync.board.id)), frozenset(rows))


def finding_of(compared: Compared) -> Found:
    """Returns what is kept of a difference."""
    return Found(
        kind=compared.kind.value,
        monday_id=compared.item_id,
        entity_id=compared.root_id,
        cause=compared.cause,
        fields=[field_as_json(found) for found in compared.fields],
        state=compared.state,
        content=compared.content if compared.cause in (NEVER_TAKEN, NEVER_SENT) else None,
    )


def field_as_json(found: FieldState) -> dict[str, Any]:
    """Returns a field in the documented shape."""
    return {
        "field": found.name,
        "monday": to_json(found.monday),
        "postgres": to_json(found.postgres),
        "agreed": to_json(found.agreed_monday),
        "cause": found.cause,
        "known": found.known,
    }
