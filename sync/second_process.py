"""The second process that reads pages of items: it decodes answers, reads their cells and hashes them, and no more.

It is a copy of the first (`sync.reading_process`), so that it knows the board and the mapping. Two messages go back for
each answer: what the first process needs to ask for the next page, and, once no other answer waits, what the cells show.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from mappings.bound import BoundMapping
from mappings.read_items import ItemReader
from models import Cell, Columns, Item
from monday_api import loads
from services.monday.cells.people_and_places import NAMES
from services.monday.late_items import ItemFacts, facts_of, whole_page

READ_AT_ONCE = 50
"""Items: after so many, a page that has come meanwhile is decoded, because the next is asked for by its cursor."""


class Wanted(NamedTuple):
    """Says what is wanted of the items of a board."""

    board_id: str
    columns: Columns
    known: Sequence[str] = ()
    """The columns of whose cells the first process asks."""


class Facts(NamedTuple):
    """Holds what comes back of a page first: all but what the cells show."""

    answer: dict[str, Any]
    items: list[ItemFacts]
    columns: tuple[str, ...]
    known: list[dict[str, Cell]] | None
    """Of each item the cells that the first process asks for; None where the board has no such column."""


class Readings(NamedTuple):
    """Holds what comes back of a page later: what the cells of each item show."""

    items: list[tuple[Any, ...] | None]
    """As `Ahead`; None for an item that the other process could not read alone."""
    unparsed: dict[str, dict[str, str]]


class _Page(Struct, frozen=True):
    """Holds a page whose items are being read."""

    number: int
    items: deque[Item]
    """Those that are left."""
    readings: list[tuple[Any, ...] | None] = field(default_factory=list)


class _AskedOutside(Exception):
    """Says that a cell cannot be read without the database or monday.com."""


class _OutOfReach:
    """Stands for what the second process has not."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise _AskedOutside(name)


class _Reading:
    """Reads pages in the second process."""

    def __init__(self, reader: ItemReader, wanted: Wanted) -> None:
        self._reader, self._wanted = ItemReader(_alone(reader.bound)), wanted
        self._left: deque[_Page] = deque()

    def serve(self, connection: Connection) -> None:
        """Answers until nothing more comes. A page that comes is decoded before the cells of others are read."""
        self._reader.load()  # the first page is on its way
        with suppress(EOFError):
            for number in itertools.count():
                while self._left and not connection.poll():
                    self._read_some(connection)
                self._take(number, connection)
        while self._left:
            self._read_some(connection)

    def _take(self, number: int, connection: Connection) -> None:
        """Decodes an answer, and tells what it holds beside the cells."""
        facts, items = self._decoded(connection.recv_bytes())
        connection.send_bytes(pickle.dumps((number, facts), pickle.HIGHEST_PROTOCOL))
        if items:
            self._left.append(_Page(number, deque(items)))

    def _read_some(self, connection: Connection) -> None:
        """Reads some items of the oldest page, and tells what all of them show once they are read."""
        page = self._left[0]
        for _ in range(min(READ_AT_ONCE, len(page.items))):
            page.readings.append(self._reading(page.items.popleft()))  # its cells are not needed any more
        if page.items:
            return
        self._left.popleft()
        unparsed, self._reader.unparsed = self._reader.unparsed, {}
        told = page.number, Readings(page.readings, unparsed)
        connection.send_bytes(pickle.dumps(told, pickle.HIGHEST_PROTOCOL))

    def _decoded(self, body: bytes) -> tuple[Facts | None, list[Item]]:
        page = whole_page(loads(body), self._wanted.board_id, self._wanted.columns)
        if page is None:
            return None, []
        known = [column for column in page.columns if column in self._wanted.known]
        cells = [{column: item.cells[column] for column in known} for item in page.items] if known else None
        return Facts(page.answer, list(map(facts_of, page.items)), page.columns, cells), page.items

    def _reading(self, item: Item) -> tuple[Any, ...] | None:
        try:
            return self._reader.ahead(item).told()
        except _AskedOutside:
            return None


def _alone(bound: BoundMapping) -> BoundMapping:
    """Returns a bound mapping that reaches nothing outside this process."""
    for column in bound.columns.values():
        if NAMES in column.parsed:
            column.parsed[NAMES] = _OutOfReach()
    return replace(bound, links=_OutOfReach() if bound.links else None)


def be_the_second(socket_number: int, reader: ItemReader, wanted: Wanted) -> None:
    """Becomes the second process: leaves all that belongs to the first alone, and never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the first process ends this one
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        logging.disable()
        gc.disable()
        _close_all_but(socket_number)
        _Reading(reader, wanted).serve(Connection(socket_number))
    finally:
        os._exit(0)


def _close_all_but(kept: int) -> None:
    """Closes the connections and files of the first process: whoever is at their other ends is to see when it ends."""
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number != kept:
            with suppress(OSError):
                os.close(number)
