"""Reads the pages of a large board in a second process, while this one decides and writes.

Decoding a page, reading its cells and hashing them is half of a first pull's work, and one Python process does one thing
at a time. The second process is a copy of this one, made when the reading begins. It only computes: bytes of answers
come in, what the items show goes back. It opens no connection, closes those that it was born with, and ends with this
process. What it cannot know alone, and every answer that is not in order, this process reads as it reads small boards;
so it does all, should the other die or not answer.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import socket
import struct
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from msgspec import Struct, field

from mappings.read_items import Ahead, ItemReader, LateReading
from models import Cell, Item
from monday_api import loads
from services.monday.late_items import LateCells, PageBytes, WholeItems, page_in
from sync.second_process import Facts, Readings, Wanted, be_the_second

ANSWERS_WITHIN_S = 30.0
"""A page takes a tenth of a second. Who has not answered by then is not waited for."""

T = TypeVar("T")


class _Page(Struct, frozen=True):
    """Waits for what comes back of one page."""

    facts: Future[Facts | None] = field(default_factory=Future)
    readings: Future[list[Ahead | None]] = field(default_factory=Future)

    def cancel(self) -> None:
        """Says that nothing more will come."""
        self.facts.cancel()
        self.readings.cancel()


class ReadingProcess:
    """Holds the second process; threads may share it."""

    def __init__(self, reader: ItemReader, wanted: Wanted, patience_s: float = ANSWERS_WITHIN_S) -> None:
        """Starts it. Raises OSError."""
        self._reader, self._patience_s = reader, patience_s
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._pages: dict[int, _Page] = {}
        self._socket, theirs = socket.socketpair()
        with theirs:
            # one that hangs takes nothing more, and who sends would wait for ever
            until = struct.pack("ll", int(patience_s), int(patience_s % 1 * 1_000_000))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, until)
            try:
                self.pid = os.fork()
            except OSError:
                self._socket.close()
                raise
            if self.pid == 0:
                be_the_second(theirs.detach(), reader, wanted)
        self._connection = Connection(os.dup(self._socket.fileno()))
        self._receiver = threading.Thread(target=self._receive, name="monday-reading-process", daemon=True)
        self._receiver.start()

    def decode(self, body: bytes) -> object:
        """Decodes an answer; the items of a page in it come without their cells, and what those show comes later."""
        page = _Page()
        facts = self._waited_for(page.facts) if self._send(page, body) else None
        return loads(body) if facts is None else self._answer(facts, page, body)

    def finish(self) -> None:
        """Waits for what is still to come of the pages that were sent; none is sent any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._receiver.join(self._patience_s)

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._give_up()
        self._receiver.join()
        self._connection.close()
        self._socket.close()
        with suppress(ChildProcessError):  # waited for by somebody else
            os.waitpid(self.pid, 0)

    def _send(self, page: _Page, body: bytes) -> bool:
        try:
            with self._sending:
                number = next(self._numbers)
                self._pages[number] = page
                self._connection.send_bytes(body)
        except OSError:  # it is gone, or takes nothing more
            self._give_up()
            return False
        return True

    def _waited_for(self, coming: Future[T]) -> T | None:
        try:
            return coming.result(self._patience_s)
        except CancelledError:
            return None
        except NotInTime:
            self._give_up()
            return None

    def _answer(self, facts: Facts, page: _Page, body: bytes) -> dict[str, Any]:
        there, columns = PageBytes(body, loads), dict.fromkeys(facts.columns)
        known: Sequence[dict[str, Cell]] = facts.known or [{}] * len(facts.items)

        def readings() -> Sequence[Ahead | None]:
            return self._waited_for(page.readings) or ()

        found = page_in(facts.answer)
        assert found is not None, "the other process has found it"
        found["items"] = WholeItems(
            Item(*told, LateCells(columns, known[at], there, at), LateReading(readings, at))
            for at, told in enumerate(facts.items)
        )
        return facts.answer

    def _give_up(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _receive(self) -> None:
        try:
            while True:
                number, told = pickle.loads(self._connection.recv_bytes())
                if isinstance(told, Readings):
                    self._pages.pop(number).readings.set_result(self._taken_over(told))
                else:
                    page = self._pages[number] if told is not None else self._pages.pop(number)
                    page.facts.set_result(told)
        except (EOFError, OSError):
            pass  # it has ended: what has not come by now, this process reads
        finally:
            with self._sending:
                for page in self._pages.values():
                    page.cancel()

    def _taken_over(self, told: Readings) -> list[Ahead | None]:
        self._reader.note_unparsed(told.unparsed)
        return [Ahead.of(reading) if reading else None for reading in told.items]
