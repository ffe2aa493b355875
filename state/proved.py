"""Remembers what a proof has read and found equal: `sync_proved`.

A later proof reads the same cells and the same row without taking them apart again. Hashes tell that they are the same, and
the version of the link (which transaction wrote it, and where it stands) that nothing has written it since.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from typing import NamedTuple

from db_connector import Transaction

FIND = """
select l.monday_id, l.id::text, l.entity_id, l.xmin::text || ' ' || l.ctid::text,
       l.archived_at is null and l.sending is null, l.seal, p.cells, p.seen_row, p.shown
from sync_mapping as l
left join sync_proved as p on p.link = l.id and p.version = l.xmin::text || ' ' || l.ctid::text
where l.entity_type = %s and l.monday_id = any(%s)
"""
NOTE = """
insert into sync_proved (link, cells, version, seen_row, shown)
select link, cells, version, seen_row, shown from {rows}
on conflict (link) do update
set cells = excluded.cells, version = excluded.version, seen_row = excluded.seen_row, shown = excluded.shown
"""


class Proved(NamedTuple):
    """Holds what there is to know of an item: its link with its version, a hash of its cells, and what was noted of them."""

    link: str
    root_id: str | None
    version: str
    lives: bool
    """The link is not archived, and nothing is being sent to the item."""
    cells: str
    noted: bool
    """A proof has read these very cells: they show the base of this version of the link."""
    row: str = ""
    """A hash of the row that was found equal to them, if one was."""
    shown: str = ""
    """The digest of what both showed."""
    seal: str = ""
    """What a run has sealed the base of the link with, after it had taken the cells apart."""
    content: str = ""
    """A hash of what the item shows, as links keep it."""


def find_proved(tx: Transaction, entity_type: str, cells: Map[str, str]) -> dict[str, Proved]:
    """Returns what there is to know of items with a link (id → hash of the cells as they are), by id."""
    return {
        item_id: Proved(link, root_id, version, lives, cells[item_id], True, row or "", shown or "", seal or "")
        if noted == cells[item_id]
        else Proved(link, root_id, version, lives, cells[item_id], False, seal=seal or "")
        for item_id, link, root_id, version, lives, seal, noted, row, shown in tx.rows(FIND, (entity_type, list(cells)))
    }


def note_proved(tx: Transaction, proved: Sequence[Proved]) -> None:
    """Notes that these cells show what their links hold, in an order in which no two proofs wait for each other."""
    columns = dict.fromkeys(("link", "cells", "version", "seen_row", "shown"), "text") | {"link": "uuid"}
    rows = [(found.link, found.cells, found.version, found.row, found.shown) for found in sorted(proved)]
    tx.bulk(NOTE, columns, rows)


def forget_unlinked(tx: Transaction) -> None:
    """Deletes what was noted of links that are not there any more."""
    tx.execute("delete from sync_proved as p where not exists (select from sync_mapping as l where l.id = p.link)")
