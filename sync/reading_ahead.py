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
from contextlib import contextmanager, suppress
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
        self._sending, self._changed = threading.Lock(), threading.Condition()
        self._sent = self._taken = 0
        self._is_ready = self._has_ended = self._is_closed = False
        self._socket, other = Pipe()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(other.fileno())],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        # In a thread: while PostgreSQL works, the run waits, and what was read can be taken in.
        self._receiver = threading.Thread(target=self._receive, name="read-ahead", daemon=True)
        self._receiver.start()
        self._send(how)

    def prepare(self, items: Sequence[Item], waiting: threading.Event) -> None:
        """Sends a page to the process, once that is ready: the first pages do not wait for its start."""
        with self._sending:
            if not items or not self._is_ready or self._has_ended:
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
        with self._changed:
            if not self._changed.wait_for(lambda: self._taken >= last or self._has_ended, PATIENCE_S):
                self._process.kill()
                self._has_ended = True
        for item in items:
            if type(item.ahead) is int:  # the process has ended before it came to it
                item.ahead = None
        return items

    def close(self) -> None:
        """Ends the process, which has nothing to lose."""
        self._is_closed = True
        self._process.kill()
        self._process.wait()
        self._receiver.join()
        self._socket.close()

    def _send(self, message: bytes) -> None:
        # it may have ended: then the receiver tells
        with suppress(OSError):
            self._socket.send_bytes(message)

    def _receive(self) -> None:
        """Takes in what the process answers until it ends."""
        try:
            self._socket.recv_bytes()
            self._is_ready = True
            while True:
                self._take_in(self._socket.recv_bytes())
        except (EOFError, OSError):
            if not self._is_closed:
                log.warning("The process that reads items ahead has ended. The run goes on without it.")
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _take_in(self, message: bytes) -> None:
        """Takes in what was read of the oldest page under way; nothing where it could not be read."""
        items = self._under_way.popleft()
        page: PageRead | None = pickle.loads(message) if message else None
        if page is not None:
            fields = self.reader.bound.fields
            for item, (digest, odd, values, unread) in zip(items, page.items, strict=True):
                record = {name: value for name, value in zip(fields, values, strict=True) if value is not None}
                item.ahead = Ahead(digest, odd, Reading(record, False, unread))
            self.reader.note_unparsed(page.unparsed)
            shared_parser().count(*page.addresses)
        else:
            for item in items:
                item.ahead = None
        with self._changed:
            self._taken += 1
            self._changed.notify_all()


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
