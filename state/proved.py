"""Remembers which cells a proof has read and found to show what is remembered of their item: `sync_proved`.

A later proof reads the same cells without taking them apart again. A hash tells that they are the same, and the version of
the link (which transaction wrote it, and where it stands) that nothing has written it since.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass

from db_connector import Transaction

FIND = """
select l.id::text, l.xmin::text || ' ' || l.ctid::text, p.cells, p.version
from sync_mapping as l
left join sync_proved as p on p.link = l.id
where l.id = any(%s::uuid[])
"""
NOTE = """
insert into sync_proved (link, cells, version)
select link, cells, version from {rows}
on conflict (link) do update set cells = excluded.cells, version = excluded.version
"""


@dataclass(frozen=True, slots=True)
class Proved:
    """Holds what a proof notes of an item: its link with its version, a hash of the cells, and whether that was noted."""

    link: str
    cells: str
    version: str
    noted: bool = False


def find_proved(tx: Transaction, cells: Map[str, str]) -> dict[str, Proved]:
    """Returns what there is to know of links (id → hash of the item's cells as they are), by id."""
    return {
        link: Proved(link, cells[link], version, noted=(of_cells, of_version) == (cells[link], version))
        for link, version, of_cells, of_version in tx.rows(FIND, (list(cells),))
    }


def note_proved(tx: Transaction, proved: Sequence[Proved]) -> None:
    """Notes that these cells show what their links hold, in an order in which no two proofs wait for each other."""
    rows = [(found.link, found.cells, found.version) for found in sorted(proved, key=lambda found: found.link)]
    tx.bulk(NOTE, {"link": "uuid", "cells": "text", "version": "text"}, rows)


def forget_unlinked(tx: Transaction) -> None:
    """Deletes what was noted of links that are not there any more."""
    tx.execute("delete from sync_proved as p where not exists (select from sync_mapping as l where l.id = p.link)")
