"""Deals with rows whose items are gone, as the mapping says. A row that was edited since then stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from enum import Enum

from db_connector import Transaction
from models import LogEntry
from rows.homes import Stored
from state.links import Link
from sync.cycle import TO_POSTGRES, Cycle, may
from sync.look_at_rows import news_of


class End(Enum):
    """Names what becomes of the row of an item that is gone."""

    WAITS = "disabled"  # its settings keep it: it follows once they let it
    STAYS = "conflict"  # it was edited
    LEFT = "left"  # it is gone already, or the mapping ignores such rows
    GOES = "goes"


STATUS = {End.GOES: "archived", End.LEFT: "archived", End.STAYS: "conflict", End.WAITS: "disabled"}
"""What the link of such an item says."""


def remove_rows(cycle: Cycle, tx: Transaction, item_ids: Sequence[str]) -> int:
    """Archives, deletes or leaves the rows of these items; returns how many are archived or deleted."""
    how = cycle.mapping.on_item_removed
    links = cycle.state.links.find(tx, [(item_id, "") for item_id in item_ids]).links
    stored = cycle.store.load(tx, [link.entity_id for link in links.values() if link.entity_id])
    edited = _edited_alone(cycle, tx, links.values(), stored)
    rows = {item_id: stored.get(link.entity_id or "") for item_id, link in links.items()}
    ends = {item_id: _end(cycle, link, rows[item_id], edited) for item_id, link in links.items()}
    gone = [row.root_id for item_id, end in ends.items() if end is End.GOES and (row := rows[item_id])]
    if how == "delete":
        cycle.store.delete(tx, gone)
    else:
        cycle.store.archive(tx, gone)
    for status in ("archived", "conflict", "disabled"):
        cycle.state.links.archive(tx, [item_id for item_id, end in ends.items() if STATUS[end] == status], status)
    entries = [_entry(item_id, end, rows[item_id], how) for item_id, end in ends.items()]
    cycle.state.log.append(tx, [entry for entry in entries if entry is not None])
    return len(gone)


def _end(cycle: Cycle, link: Link, row: Stored | None, edited: set[str]) -> End:
    # settings let nothing through
    if not may(TO_POSTGRES, link, row):
        return End.WAITS
    # row gone already
    if row is None:
        return End.LEFT
    # row edited since both sides agreed
    if row.root_id in edited:
        return End.LEFT if row.archived else End.STAYS
    return End.LEFT if cycle.mapping.on_item_removed == "ignore" else End.GOES


def _entry(item_id: str, end: End, row: Stored | None, how: str) -> LogEntry | None:
    if end is End.STAYS:
        return LogEntry("archive", "warning", "item is gone, but the row was edited: it stays", item_id)
    if end is End.GOES and row is not None:
        return LogEntry(how, "success", "item is gone", item_id, row.root_id)
    return None


def _edited_alone(cycle: Cycle, tx: Transaction, links: Iterable[Link], stored: Map[str, Stored]) -> set[str]:
    """Returns the rows with news of their own: news of a related row that other records show too is no edit of theirs."""
    news = {
        row.root_id: news_of(cycle, link, row)
        for link in links
        if (row := stored.get(link.entity_id or "")) is not None
    }
    places = cycle.bound.places
    related = [root_id for root_id, names in news.items() if any(places[name].home for name in names)]
    shared = cycle.store.shared_homes(tx, [stored[root_id] for root_id in related])
    return {
        root_id
        for root_id, names in news.items()
        if any(places[name].home not in shared.get(root_id, ()) for name in names)
    }
