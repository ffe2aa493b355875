"""Finds out what has become of root rows since both sides last agreed: new, changed, gone, or to be left alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct, field

from db_connector import Transaction
from rows.homes import Stored
from state.links import Link
from sync.cycle import TO_MONDAY, Cycle, may
from sync.identity import AMBIGUOUS, match_key


class Fate(Enum):
    """Names what has become of a root row."""

    SETTLED = "settled"  # as it was, or not this run's affair
    WAITING = "waiting"  # the record's settings keep it off monday.com
    NEW = "new"
    CHANGED = "changed"
    REMOVED = "removed"
    LOST = "lost"  # edited while row and item are both gone
    ITEM_GONE = "item gone"


class RowNews(Struct):
    """Tells what has become of some root rows since both sides last agreed."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """Rows with news whose items were gone when last seen (row → item): the items may have been restored."""
    waiting: list[str] = field(default_factory=list)
    aside: set[str] = field(default_factory=set)
    """Of what is new or changed, that which was set aside."""
    ambiguous: list[str] = field(default_factory=list)
    """Rows that could be several items, or several rows that could be the same item."""


def look_at_rows(cycle: Cycle, tx: Transaction, root_ids: Sequence[str]) -> RowNews:
    """Tells which of these root rows are new, changed or gone, and which must wait."""
    links, stored = cycle.state.links.of_rows(tx, root_ids), cycle.store.load(tx, root_ids)
    news = RowNews()
    for root_id in root_ids:
        link = links.get(root_id)
        _note(news, fate_of(cycle, link, stored.get(root_id)), root_id, link, cycle.mapping.on_item_removed)
    name = cycle.mapping.match
    if news.new and name:
        unclear = cycle.state.skipped.keys_of(tx, f"{AMBIGUOUS} ({name})")
        news.ambiguous = [root_id for root_id in news.new if match_key(stored[root_id].record.get(name)) in unclear]
        news.new = [root_id for root_id in news.new if root_id not in news.ambiguous]
    return news


def fate_of(cycle: Cycle, link: Link | None, rows: Stored | None) -> Fate:
    """Returns what has become of a root row, by its link and what it shows."""
    there = rows is not None and not rows.archived
    # settings let nothing through
    if not may(TO_MONDAY, link, rows):
        return Fate.WAITING
    # never linked
    if link is None:
        return Fate.NEW if there else Fate.SETTLED
    # no item yet: refused before, or its intent makes it
    if link.monday_id is None:
        return Fate.NEW if there and link.intent_key is None and not _pauses(cycle, link) else Fate.SETTLED
    # row gone, item there
    if not there and not link.archived:
        return Fate.REMOVED
    # both gone
    if rows is None or rows.archived:
        return Fate.LOST if rows is not None and news_of(cycle, link, rows) else Fate.SETTLED
    # item gone, row there
    if link.archived:
        return Fate.ITEM_GONE
    # both there
    return Fate.CHANGED if not _pauses(cycle, link) and news_of(cycle, link, rows) else Fate.SETTLED


def _note(news: RowNews, fate: Fate, root_id: str, link: Link | None, on_item_removed: str) -> None:
    item_id = (link.monday_id if link else None) or ""
    aside = link is not None and link.status == "set_aside"
    if fate is Fate.WAITING:
        news.waiting.append(root_id)
    elif fate is Fate.NEW:
        news.new.append(root_id)
        news.aside |= {root_id} if aside else set()
    elif fate is Fate.CHANGED:
        news.changed.append(item_id)
        news.aside |= {item_id} if aside else set()
    elif fate is Fate.REMOVED:
        news.removed.append((item_id, root_id))
    elif fate in (Fate.LOST, Fate.ITEM_GONE):
        news.lost[root_id] = item_id
        if fate is Fate.ITEM_GONE and link and link.status != "disabled" and on_item_removed != "ignore":
            news.held.append(root_id)


def news_of(cycle: Cycle, link: Link, stored: Stored) -> list[str]:
    """Returns the fields in which the row shows something else than when both sides last agreed."""
    bound = cycle.bound
    _, base = link.images(bound.kinds)
    return [name for name in bound.fields if not bound.same(name, stored.record.get(name), base.get(name))]


def _pauses(cycle: Cycle, link: Link) -> bool:
    """Returns whether it was refused, is not to be tried yet, and the row has not changed since then."""
    changed = cycle.hints.dates.get(link.entity_id or "")
    return link.refused_at is not None and (changed is None or changed <= link.refused_at)
