"""Reading one board with several cursors at once: a group each, and the longest group from both ends.

Groups alone are no way to split a board of which one group holds nearly everything. A worker without a group of its own
therefore reads the group that is furthest from its end backwards, until the two meet. The order of a listing is not
trusted: what both ends miss shows in the count of the board, and is then read by id.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from errors import QueryRejected, RecordRefused
from models import Item, Page

FORWARD = {"order_by": [{"column_id": "__last_updated__", "direction": "asc"}]}
BACKWARD = {"order_by": [{"column_id": "__last_updated__", "direction": "desc"}]}

GroupPages = Callable[[str, dict[str, object]], Iterator[Page]]
"""(group id, query parameters) → its pages"""


@dataclass(eq=False)
class _Group:
    """A group on its way: what has been seen of it, and from how many ends it is read."""

    id: str
    seen: set[str] = field(default_factory=set)
    ends: int = 0
    done: bool = False


class _End(Exception):
    """The consumer went away."""


class ParallelReading:
    """Pages of all groups of a board, from several threads into one."""

    def __init__(self, groups: list[str], pages: GroupPages, workers: int) -> None:
        self._groups = [_Group(group) for group in groups]
        self._pages = pages
        self._workers = workers
        self._lock = threading.Lock()
        self._made: queue.Queue[list[Item] | BaseException | None] = queue.Queue(maxsize=workers)
        self._stop = threading.Event()

    def __iter__(self) -> Iterator[list[Item]]:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                made = self._made.get()
                if made is None:
                    running -= 1
                elif isinstance(made, BaseException):
                    raise made
                else:
                    yield made
        finally:
            self._stop.set()
            self._empty(threads)

    def _empty(self, threads: list[threading.Thread]) -> None:
        """Let workers that wait for room go, so that none outlives the reading."""
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

    def _next(self) -> tuple[_Group, bool] | None:
        """A group that nobody reads yet, else the other end of the one that has shown most so far."""
        with self._lock:
            for group in self._groups:
                if group.ends == 0:
                    group.ends = 1
                    return group, True
            open_groups = [group for group in self._groups if group.ends == 1 and not group.done]
            if not open_groups:
                return None
            longest = max(open_groups, key=lambda group: len(group.seen))
            longest.ends = 2
            return longest, False

    def _read(self, group: _Group, forward: bool) -> None:
        try:
            self._walk(group, self._pages(group.id, dict(FORWARD if forward else BACKWARD)))
        except (QueryRejected, RecordRefused):
            # A server that will not sort by update time: then each group is read from one end only.
            if forward:
                self._walk(group, self._pages(group.id, {}))

    def _walk(self, group: _Group, pages: Iterator[Page]) -> None:
        for page in pages:
            with self._lock:
                new = [item for item in page.items if item.id not in group.seen]
                group.seen.update(item.id for item in new)
                met = group.ends == 2 and bool(page.items) and not new
            if new:
                self._hand_on(new)
            if met or group.done:
                break
        group.done = True

    def _hand_on(self, items: list[Item]) -> None:
        while not self._stop.is_set():
            try:
                self._made.put(items, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _End
