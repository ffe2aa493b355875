"""Reads one board with several cursors at once: a group each, a long group from both ends, a longer group in two parts.

Groups alone are no way to split a board of which one group holds nearly everything. A worker without a group of its own
therefore reads the group that is furthest from its end backwards, until the two meet. A worker that finds no end left
parts a group in two, by the labels of a status column, and each part has two ends again. Both read some pages twice,
so they are done only while the caller waits for pages: who has more work than that is not served sooner. Neither the
order of a listing nor a filter is trusted: what all workers miss shows in the count of the board, and is then read by
id.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate

from msgspec import Struct, field

from errors import QueryRejected, RecordRefused
from models import Cell, Item, Page
from services.monday.prefetch import Prepare, prepare_ahead

FORWARD = {"order_by": [{"column_id": "__last_updated__", "direction": "asc"}]}
BACKWARD = {"order_by": [{"column_id": "__last_updated__", "direction": "desc"}]}

WORTH_PARTING = 2_000
"""Items. When fewer are left to be read, the pages that are read twice would cost more than the parting saves."""
UNEVEN = 0.2
"""A part with less than this share of its group is not worth a cursor of its own."""
LOOK_AGAIN_S = 0.05
WORTH_AN_END, WORTH_PARTS = 0.1, 0.5
"""For which share of its own work the caller has to wait for pages: a second end reads one page twice, parts some."""

_Made = list[Item] | BaseException | None
"""What a thread hands on: new items, why it ends before its time, or that it ends."""

GroupPages = Callable[[str, dict[str, object]], Iterator[Page]]
"""(group id, query parameters) → its pages"""


class _Group(Struct, eq=False):
    """Holds a group and what has been read of it, in all its parts."""

    id: str
    known: set[str] = field(default_factory=set)
    whole: bool = False
    """Whether it is read as a whole because the server would not filter."""


class _Part(Struct, eq=False):
    """Holds a group, or the items in it that rules let through: what was seen, and from how many ends it is read."""

    group: _Group
    rules: tuple[dict[str, object], ...] = ()
    seen: set[str] = field(default_factory=set)
    sampled: int = 0
    """How many items were on its first page."""
    labels: dict[str, Counter[int]] = field(default_factory=dict)
    """How often each label of each status column stands there."""
    ends: int = 0
    done: bool = False

    def query(self, forward: bool) -> dict[str, object]:
        """Returns the parameters that read it from one end."""
        order = FORWARD if forward else BACKWARD
        return {"rules": list(self.rules), **order} if self.rules else dict(order)

    def count(self, items: Sequence[Item], columns: Collection[str]) -> None:
        """Notes what a first page shows."""
        self.sampled = len(items)
        for column in columns:
            found = (_label(item.cells.get(column)) for item in items)
            self.labels[column] = Counter(label for label in found if label is not None)

    def parted(self) -> list[_Part]:
        """Returns two parts of about the same size, as far as the first page can tell; none if there is no such way."""
        best: tuple[float, str, list[int]] = (0.5 - UNEVEN, "", [])
        for column, counts in self.labels.items():
            ranked = counts.most_common()
            for number, share in enumerate(accumulate(count for _, count in ranked), 1):
                off = abs(share / self.sampled - 0.5)
                if off < best[0]:
                    best = off, column, [label for label, _ in ranked[:number]]
        _, column, labels = best
        if not labels:
            return []
        rule: dict[str, object] = {"column_id": column, "compare_value": labels}
        either = ({**rule, "operator": "any_of"}, {**rule, "operator": "not_any_of"})
        return [_Part(self.group, (*self.rules, added)) for added in either]


def _label(cell: Cell | None) -> int | None:
    """Returns the id of the label that a status cell shows."""
    try:
        return int(json.loads(cell["value"])["index"]) if cell else None
    except (KeyError, TypeError, ValueError):
        return None


class _Caller:
    """Keeps how long the caller has waited for pages, and worked on them. What it waited for the first does not count."""

    def __init__(self) -> None:
        self._waited = self._worked = 0.0
        self._waits_since: float | None = None
        self._works_since: float | None = None

    def waits(self) -> None:
        """Notes that it wants pages."""
        now = time.monotonic()
        if self._works_since is not None:
            self._worked += now - self._works_since
            self._waits_since = now

    def works(self) -> None:
        """Notes that it has got pages."""
        now = time.monotonic()
        if self._waits_since is not None:
            self._waited += now - self._waits_since
        self._waits_since, self._works_since = None, now

    def waits_for(self, share: float) -> bool:
        """Returns whether it waits for more than this share of the time for which it works."""
        since = self._waits_since
        waited = self._waited + (time.monotonic() - since if since is not None else 0.0)
        return waited > share * self._worked


class _End(Exception):
    """Ends a worker whose consumer went away."""


class ParallelReading:
    """Yields the items of all groups of a board, read in several threads; pages that are ready together are one list.

    `total` is how many items the board claims to have, `status` the columns by whose labels a group can be parted.
    `prepare` is called with items, in the threads, for as long as the caller is at work on other items.
    """

    def __init__(
        self,
        groups: Sequence[str],
        pages: GroupPages,
        workers: int,
        *,
        total: int = 0,
        status: Collection[str] = (),
        prepare: Prepare | None = None,
    ) -> None:
        self._groups = [_Group(group) for group in groups]
        self._parts = [_Part(group) for group in self._groups]
        self._pages = pages
        self._total = total
        self._status = status
        self._workers = workers
        self._lock = threading.Condition()
        self._made: queue.Queue[_Made] = queue.Queue(maxsize=max(1, workers // 2))
        self._prepare = prepare
        self._waiting = threading.Event()
        self._waiting.set()
        self._stop = threading.Event()
        self._caller = _Caller()

    def __iter__(self) -> Iterator[list[Item]]:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                ready = self._ready()
                if items := [item for made in ready if isinstance(made, list) for item in made]:
                    yield items
                for made in ready:
                    if isinstance(made, BaseException):
                        raise made
                    running -= made is None
        finally:
            self._stop.set()
            self._empty(threads)

    def _ready(self) -> list[_Made]:
        """Waits for pages, and takes all that are ready: one transaction for them is cheaper than one each."""
        self._waiting.set()
        self._caller.waits()
        ready = [self._made.get()]
        self._caller.works()
        self._waiting.clear()
        with suppress(queue.Empty):
            for _ in range(self._made.maxsize):
                ready.append(self._made.get_nowait())
        return ready

    def _empty(self, threads: list[threading.Thread]) -> None:
        """Lets workers that wait for room go, so that none outlives the reading."""
        while any(thread.is_alive() for thread in threads):
            try:
                self._made.get(timeout=0.05)
            except queue.Empty:
                continue

    def _work(self) -> None:
        try:
            while (task := self._next()) is not None:
                self._read(*task)
            self._made.put(None)
        except _End:
            self._made.put(None)
        except BaseException as exc:
            self._made.put(exc)

    def _next(self) -> tuple[_Part, bool] | None:
        """Returns what a worker reads next, and from which end; None when there is nothing left."""
        with self._lock:
            while not self._stop.is_set():
                if task := self._free():
                    return task
                if all(part.done for part in self._parts):
                    break
                # a first page says whether the part is long, and how it could be parted; the caller may have to wait
                self._lock.wait(LOOK_AGAIN_S)
            return None

    def _free(self) -> tuple[_Part, bool] | None:
        for part in self._parts:
            if part.ends == 0:
                part.ends = 1
                return part, True  # no worker reads it yet
        if not self._caller.waits_for(WORTH_AN_END):
            return None
        going = sorted((part for part in self._parts if not part.done), key=lambda part: len(part.seen), reverse=True)
        one_end = [part for part in going if part.ends == 1]
        for part in (part for part in one_end if part.sampled):
            part.ends = 2
            return part, False  # the other end of the longest
        for part in going if not one_end and self._caller.waits_for(WORTH_PARTS) else ():
            if new := self._parted(part):
                new[0].ends = 1
                return new[0], True  # one half of the longest that could be parted
        return None

    @property
    def _left(self) -> int:
        """Returns how many items are not read yet, by the board's own count."""
        return self._total - sum(len(group.known) for group in self._groups)

    def _parted(self, part: _Part) -> list[_Part]:
        # Its parts are read from their own ends, so what was read of it is read once more.
        new = part.parted() if self._left >= max(WORTH_PARTING, 2 * len(part.seen)) else []
        part.done = bool(new)  # the workers that read it end with the page that they are at
        self._parts += new
        return new

    def _read(self, part: _Part, forward: bool) -> None:
        try:
            self._walk(part, self._pages(part.group.id, part.query(forward)))
        except (QueryRejected, RecordRefused):
            # A server that will not sort by update time, or not filter: then each group is read once, from one end.
            if forward:
                self._read_whole(part)

    def _read_whole(self, part: _Part) -> None:
        with self._lock:
            part.done = True
            self._lock.notify_all()
            if part.group.whole:
                return
            part.group.whole = True
        self._walk(_Part(part.group), self._pages(part.group.id, {}))

    def _walk(self, part: _Part, pages: Iterator[Page]) -> None:
        for page in pages:
            with self._lock:
                new = [item for item in page.items if item.id not in part.group.known]
                part.group.known.update(item.id for item in new)
                met = part.ends == 2 and bool(page.items) and part.seen.issuperset(item.id for item in page.items)
                part.seen.update(item.id for item in page.items)
                if not part.sampled:
                    part.count(page.items, self._status)
                    self._lock.notify_all()
            if new:
                self._hand_on(new)
            if met or part.done:
                break
        with self._lock:
            part.done = True
            self._lock.notify_all()

    def _hand_on(self, items: list[Item]) -> None:
        prepare_ahead(items, self._prepare, self._waiting)
        while not self._stop.is_set():
            try:
                self._made.put(items, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _End
