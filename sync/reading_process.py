"""Reads items in a process of its own, so that a second core makes records of cells while the run decides and writes.

It talks over a socket (`multiprocessing.connection`), whose number is its argument. It receives first how to read
(mapping, board, types of the tables), then one page of items after another, as JSON. It answers with an empty message when
it is ready, then with what was read of each page; with an empty one for a page that it cannot read. It ends when the other
side, `sync/reading_ahead.py`, closes the socket or ends itself.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import orjson

from mappings.bound import bind
from mappings.read_items import Ahead, ItemReader
from models import Item
from services.monday.cells.kinds import MONDAY_KINDS
from values.addresses import shared_parser


@dataclass(frozen=True, slots=True)
class PageRead:
    """Holds what was read of a page. Values come in the order of the fields: names would come with each item."""

    items: list[tuple[str, bool, tuple[Any, ...], dict[str, str]]]
    """For each item: its hash, whether PostgreSQL cannot store some of it, its values, and the fields that are unread."""
    unparsed: dict[str, dict[str, str]]
    addresses: tuple[int, float]
    """How many the address library was given, and for how many seconds."""


def items_text(items: Sequence[Item]) -> bytes:
    """Returns items as JSON. Raises TypeError for halves of surrogate pairs."""
    return orjson.dumps([[getattr(item, name) for name in FACTS] for item in items])


FACTS = ("id", "name", "state", "created_at", "updated_at", "group_id", "board_id", "parent_id", "cells")
"""What an item is made of."""


def read_page(reader: ItemReader, text: bytes) -> PageRead:
    """Reads the items of a page."""
    parser, fields = shared_parser(), reader.bound.fields
    parsed, seconds = parser.parsed, parser.seconds
    read = []
    for facts in orjson.loads(text):
        item = Item(*facts)
        reader.read_ahead(item)
        ahead: Ahead = item.ahead
        record = ahead.reading.record
        read.append((ahead.digest, ahead.odd, tuple(map(record.get, fields)), dict(ahead.reading.unread)))
    unparsed, reader.unparsed = reader.unparsed, {}
    return PageRead(read, unparsed, (parser.parsed - parsed, parser.seconds - seconds))


def work(run: Connection) -> None:
    """Reads pages until the other side ends. Raises EOFError then."""
    mapping, board, types = pickle.loads(run.recv_bytes())
    reader = ItemReader(bind(mapping, board, MONDAY_KINDS, types))
    run.send_bytes(b"")
    while True:
        text = run.recv_bytes()
        try:
            answer = pickle.dumps(read_page(reader, text), pickle.HIGHEST_PROTOCOL)
        # the run reads the page itself, and tells what is wrong with it
        except Exception:
            answer = b""
        run.send_bytes(answer)


def main() -> None:
    """Runs the process."""
    # Ctrl-C reaches all processes of a terminal, and SIGTERM those of a service: the run decides when this one ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as run, suppress(EOFError, OSError):
        work(run)
    # what a library keeps for the end of the process would only take time
    os._exit(0)
