"""Reads the items of coming pages ahead: in the thread that fetches them or, on large boards, in a process of its own."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path

from mappings.read_items import Ahead, ItemReader, Reading
from models import Item
from sync.board import BoardSync
from sync.reading_process import PageRead, items_text
from values.addresses import shared_parser

log = logging.getLogger("monday_sync")

PROJECT = Path(__file__).resolve().parent.parent

WORTH_A_PROCESS = 4_000
"""Items of a board from which on a process of its own is worth its start, a quarter of a second."""
PATIENCE_S = 60.0
"""How long a page may take the process; then the run reads on by itself."""
START = "from sync.reading_process import main; main()"
"""Not `-m`: its answers name their class by the module."""
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE")


class ReadingAhead:
    """Reads items in the thread that has fetched them, for as long as the run is at work on others."""

    def __init__(self, reader: ItemReader) -> None:
        self.reader = reader

    def prepare(self, items: Sequence[Item], waiting: threading.Event) -> None:
        """Reads items until the run waits for them. Called in the thread that has fetched them."""
        for item in items:
            if waiting.is_set():
                return
            self.reader.read_ahead(item)

    def arrived(self, items: list[Item]) -> list[Item]:
        """Returns the same items, once what is being read of them is there. Called by the run."""
        return items


class ReadingProcess(ReadingAhead):
    """Gives pages to a process. What that does not read, for whatever reason, the run reads itself."""

    def __init__(self, reader: ItemReader, how: bytes) -> None:
        super().__init__(reader)
        self._under_way: deque[Sequence[Item]] = deque()
        """The pages that the process has, as they were sent."""
        self._sending = threading.Lock()
        self._sent = self._taken = 0
        self._is_ready = self._has_failed = False
        self._socket, other = Pipe()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(other.fileno())],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        self._send(how)

    def prepare(self, items: Sequence[Item], waiting: threading.Event) -> None:
        """Sends a page to the process, once that is ready: the first pages do not wait for its start."""
        with self._sending:
            if not items or not self._is_started():
                return
            try:
                text = items_text(items)
            except TypeError:  # a lone surrogate
                return
            self._sent += 1
            for item in items:
                item.ahead = self._sent
            self._under_way.append(items)
            self._send(text)

    def arrived(self, items: list[Item]) -> list[Item]:
        """Waits for what is read of the pages from which the items come."""
        last = max((item.ahead for item in items if type(item.ahead) is int), default=0)
        while self._taken < last:
            self._take_in()
        return items

    def close(self) -> None:
        """Ends the process, which has nothing to lose."""
        self._has_failed = True
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _is_started(self) -> bool:
        if not self._is_ready and not self._has_failed and self._socket.poll():
            self._is_ready = self._answer() is not None
        return self._is_ready and not self._has_failed

    def _send(self, message: bytes) -> None:
        try:
            self._socket.send_bytes(message)
        except OSError:  # it has ended, or was closed
            self._has_failed = True

    def _answer(self) -> bytes | None:
        """Returns the next message; None once none comes any more."""
        try:
            if not self._has_failed and self._socket.poll(PATIENCE_S):
                return self._socket.recv_bytes()
        except (EOFError, OSError):
            pass
        if not self._has_failed:
            log.warning("The process that reads items ahead has ended or does not answer. The run reads them itself.")
        self._has_failed = True
        return None

    def _take_in(self) -> None:
        """Takes in what was read of the oldest page under way."""
        items, message = self._under_way.popleft(), self._answer()
        self._taken += 1
        for item in items:
            item.ahead = None
        if not message:
            return
        page: PageRead = pickle.loads(message)
        fields = self.reader.bound.fields
        for item, (digest, odd, values, unread) in zip(items, page.items, strict=True):
            record = {name: value for name, value in zip(fields, values, strict=True) if value is not None}
            item.ahead = Ahead(digest, odd, Reading(record, False, unread))
        self.reader.note_unparsed(page.unparsed)
        shared_parser().count(*page.addresses)


@contextmanager
def reading_ahead(sync: BoardSync) -> Iterator[ReadingAhead]:
    """Gives what reads the items of a board ahead, until the end of the block."""
    is_large = (sync.board.items_count or 0) >= WORTH_A_PROCESS
    how = how_to_read(sync) if is_large and _cores() > 1 and os.name == "posix" else None
    if how is None:
        yield ReadingAhead(sync.reader)
        return
    process = ReadingProcess(sync.reader, how)
    try:
        yield process
    finally:
        process.close()


def how_to_read(sync: BoardSync) -> bytes | None:
    """Returns what the process has to know; None for a board whose cells are read with a look at rows or users."""
    if sync.reader.looks_up_rows:
        return None
    try:
        return pickle.dumps((sync.mapping, sync.board, sync.store.types), pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def _environment() -> dict[str, str]:
    """Returns what the process gets of the environment: no setting of the tool, and no secret."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, sys.path)])}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
