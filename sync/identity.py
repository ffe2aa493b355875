"""Matches items without a link to existing rows, before a new row is made of such an item.

In this order: the sync id that the tool wrote into an item it made, the row that has the item's id for its key, the row of
the item's natural key, and the row that the mapping's match field names. What cannot be told is reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Map
from datetime import datetime, timedelta

from msgspec import Struct

from db_connector import Transaction
from models import Item, Value
from rows.homes import Holder, Stored
from state.links import Link
from sync.cycle import Cycle
from sync.task import Batch, Task
from values.canonical import dumps, loads_exact
from values.folding import fold
from values.parsing import iso_moment

LEFT_TO_PUSH = "a push may have made this item of a row; the next push finds out"
SUSPECTED = "this item may have been made of a row in doubt: name it like the row if it was, archive it if not"
AMBIGUOUS = "several rows or items have the same value in the match field"
HAS_KEY = "row {row} has this key, and {what}; the item comes in when no row has the key"
SKEW = timedelta(minutes=1)
"""How much an age that is told by a clock may differ by another."""


def match_rows(cycle: Cycle, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
    """Returns the tasks that go on, with the rows they belong to; skips the items that cannot have a row."""
    tasks = _by_sync_id(cycle, tx, tasks, batch)
    tasks = _leave_to_push(cycle, tx, tasks, batch)
    if cycle.mapping.item_key:
        _by_item_id(cycle, tx, tasks)
    if cycle.mapping.key:
        return _by_key(cycle, tx, tasks, batch)
    if cycle.mapping.match:
        return _by_match(cycle, tx, tasks, batch, cycle.mapping.match)
    return tasks


# By the id that the tool itself wrote


class _Named(Struct, frozen=True):
    """Holds the rows that items name in their sync id."""

    free: Collection[str]
    """Those without an item, whether or not they are there."""
    there: Map[str, Stored]
    usable: set[str]
    """Those that an item of this batch may have been made of."""
    in_doubt: set[str]
    """Those whose item is in doubt: an item that names such a row may be that item, or a copy of it."""


def _by_sync_id(cycle: Cycle, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
    named = {task.item.id: row_id for task in tasks if task.link is None and (row_id := _sync_id(cycle, task))}
    if not named:
        return tasks
    rows = _rows_named(cycle, tx, set(named.values()))
    left = [task for task in tasks if named.get(task.item.id) in rows.in_doubt]
    for task in left:
        _skip(task, LEFT_TO_PUSH, named.pop(task.item.id), batch)
    pairs = _first_made(named, rows.usable)
    cycle.state.links.adopt(tx, pairs)
    links = cycle.state.links.of_rows(tx, list(pairs.values()))
    skipped = {task.item.id for task in left}
    tasks = [task for task in tasks if task.item.id not in skipped] if left else tasks
    for task in tasks:
        if row_id := named.get(task.item.id):
            _give_named(task, row_id, rows, links.get(row_id) if task.item.id in pairs else None)
    return tasks


def _sync_id(cycle: Cycle, task: Task) -> str | None:
    """Returns the row key that the tool has written into the item."""
    if cycle.mapping.sync_id is None:
        return None
    cell = task.item.cells.get(cycle.mapping.sync_id[0])
    return str(cell.get("text") or "").strip() or None if cell else None


def _rows_named(cycle: Cycle, tx: Transaction, row_ids: set[str]) -> _Named:
    free = cycle.state.links.unlinked(tx, sorted(row_ids))
    there = cycle.store.load(tx, sorted(free))
    known = cycle.state.links.of_rows(tx, sorted(there))
    # A row that went with its item is not brought back by a copy of the item.
    had = {row_id for row_id, link in known.items() if link.monday_id is not None}
    usable = {row_id for row_id, stored in there.items() if not (stored.archived and row_id in had)}
    in_doubt = {row_id for row_id, link in known.items() if link.monday_id is None and link.intent_key}
    return _Named(free, there, usable, in_doubt)


def _first_made(named: Map[str, str], usable: set[str]) -> dict[str, str]:
    """Pairs items with rows. Of several copies of an item, the tool made the first."""
    pairs: dict[str, str] = {}
    for item_id in sorted(named, key=int):
        if named[item_id] in usable and named[item_id] not in pairs.values():
            pairs[item_id] = named[item_id]
    return pairs


def _give_named(task: Task, row_id: str, rows: _Named, link: Link | None) -> None:
    # the item that was made of the row
    if link is not None:
        task.link, task.stored = link, rows.there[row_id]
        # As far as is known the row has not changed since then: what differs is news from both sides.
        task.base_monday, task.base_postgres = {}, {}
    # a copy: its row is there, or has an item
    elif row_id in rows.there or row_id not in rows.free:
        task.copied_sync_id = True


def _leave_to_push(cycle: Cycle, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
    """Skips items that may be new from a push that has not linked them yet, where no sync id column tells."""
    sync_id = cycle.mapping.sync_id
    if sync_id and sync_id[0] in cycle.bound.columns:
        return tasks
    if all(task.link is not None for task in tasks):
        return tasks
    names, begun, age = cycle.state.intents.names_in_doubt(tx)
    if not names:
        return tasks
    since = begun and earlier(begun, age, cycle.options.server_time())
    kept = []
    for task in tasks:
        suspected = task.skip is not None and task.skip.reason == SUSPECTED
        unknown = task.item.name in names or (since is not None and made_since(task.item, since))
        if task.link is None and (suspected or unknown):
            _skip(task, SUSPECTED if suspected else LEFT_TO_PUSH, task.item.id, batch)
        else:
            kept.append(task)
    return kept


# By the item's own id


def _by_item_id(cycle: Cycle, tx: Transaction, tasks: list[Task]) -> None:
    """Gives items rows that were there before them, where items' ids are keys."""
    new = {task.item.id: task for task in tasks if task.link is None and task.stored is None}
    there = cycle.store.load(tx, sorted(new)) if new else {}
    for item_id in cycle.state.links.unlinked(tx, sorted(there)) if there else ():
        new[item_id].stored = there[item_id]


# By natural key


def _by_key(cycle: Cycle, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
    without_key = cycle.mapping.skip_without_key
    keyed = []
    for task in tasks:
        key = cycle.store.root_key(task.record)
        if key is None and without_key and not _keeps(cycle, task, key):
            _skip(task, without_key, None, batch)
        else:
            keyed.append((task, key))
    new = sum(task.link is None for task, _ in keyed)
    holders = cycle.store.holders(tx, [key for _, key in keyed if key], new)
    return [task for task, key in keyed if key is None or _claim(cycle, task, key, holders, batch)]


def _claim(
    cycle: Cycle, task: Task, key: tuple[str, ...], holders: dict[tuple[str, ...], Holder], batch: Batch
) -> bool:
    """Gives the item the row of its key, unless another item has it; returns whether the task goes on."""
    holder = holders.get(key)
    mine = task.link.entity_id if task.link else None
    # free key
    if holder is None:
        holders[key] = Holder(mine or "", monday_id=task.item.id)
        return True
    # own row
    if mine and holder.root_id == mine:
        # SQL gave the row to another entity; it is its item's all the same
        if not holder.ours:
            task.stored, task.adopts = holder.stored, True
        return True
    # key as last seen: claims nothing
    if _keeps(cycle, task, key):
        return True
    # new item, and the row is free
    if task.link is None and holder.free_for(task.item.id, cycle.hints.started or cycle.options.run_started):
        _take_over(cycle, task, holder, key, batch)
        holders[key] = Holder(holder.root_id, monday_id=task.item.id)
        return True
    _skip(task, _why_taken(cycle, holder), key_text(key), batch)
    return False


def _why_taken(cycle: Cycle, holder: Holder) -> str:
    """Returns why an item cannot have a key that a row has already."""
    # another item has the row
    if holder.monday_id and not holder.gone:
        return cycle.mapping.duplicate
    # another maker's row, or one that SQL gave away
    if not holder.ours:
        return HAS_KEY.format(row=holder.root_id, what=f"is none of {cycle.mapping.entity}")
    # a row that was archived with its item, or has met none
    return HAS_KEY.format(row=holder.root_id, what="its item is gone" if holder.gone else "has no item")


def _keeps(cycle: Cycle, task: Task, key: tuple[str, ...] | None) -> bool:
    """Returns whether an item that has a row shows the key that it last had, whatever SQL made of its row."""
    return task.link is not None and not task.link.archived and key == cycle.store.root_key(task.base_monday)


def _take_over(cycle: Cycle, task: Task, holder: Holder, key: tuple[str, ...], batch: Batch) -> None:
    """Gives a row that exists to the item; the item that had it, if it is still there, is skipped."""
    task.stored = holder.stored
    before = dict(holder.stored.record) if holder.stored else {}
    # Never linked: of the entity's own row both sides have their say, a row of another maker takes the item's values.
    if holder.link_id is None:
        task.base_postgres = {} if holder.ours else before
        task.adopts = not holder.ours
        return
    task.base_monday, task.base_postgres, task.adopts = dict(before), before, True
    task.link = Link(holder.link_id, task.item.id, holder.root_id, archived=holder.gone)
    # the item that had the row is there
    if not holder.gone and holder.monday_id:
        duplicate = cycle.mapping.duplicate
        batch.skips.append((holder.monday_id, duplicate, key_text(key), ""))
        batch.log("skip", "warning", duplicate, holder.monday_id)
        batch.report.skipped += 1


def freed(cycle: Cycle, tx: Transaction) -> list[str]:
    """Returns the items that were skipped because another item had their key, and whose key is free now."""
    parts = len(cycle.mapping.key)
    waiting = [(item_id, key_from(key, parts)) for item_id, key in cycle.state.skipped.with_keys(tx)]
    taken = cycle.store.holders(tx, [key for _, key in waiting], shown=False) if parts else {}
    free = [item_id for item_id, key in waiting if key not in taken]
    left = [item_id for item_id, key in waiting if key in taken and taken[key].gone]
    # an item without a row takes that of an item which is gone
    linked = cycle.state.links.find(tx, [(item_id, "") for item_id in left]).links if left else {}
    return free + [item_id for item_id in left if item_id not in linked or linked[item_id].archived]


# By the match field


def _by_match(cycle: Cycle, tx: Transaction, tasks: list[Task], batch: Batch, name: str) -> list[Task]:
    new = [task for task in tasks if task.link is None and task.stored is None and task.record.get(name)]
    if not new:
        return tasks
    rows = cycle.store.unlinked_with(tx, name, [str(task.record[name]) for task in new])
    asking: dict[str, list[Task]] = {}
    for task in new:
        asking.setdefault(match_key(task.record[name]), []).append(task)
    for value, found in rows.items():
        # one row, one item
        if len(found) == 1 and len(asking[value]) == 1:
            asking[value][0].stored = found[0]
            continue
        # several of either
        for unclear in asking[value]:
            _skip(unclear, f"{AMBIGUOUS} ({name})", value, batch)
            tasks = [task for task in tasks if task is not unclear]
    return tasks


def match_key(value: Value) -> str:
    """Returns a value of the match field as it is compared."""
    return "" if value is None else fold(str(value))


def key_text(key: tuple[str, ...]) -> str:
    """Returns a natural key as it is kept with an item that waits for it."""
    return key[0] if len(key) == 1 else dumps(key).decode()


def key_from(text: str, parts: int) -> tuple[str, ...]:
    """Returns the natural key again; a key that another mapping has left behind names nothing."""
    key = (text,) if parts == 1 else tuple(loads_exact(text)) if text.startswith("[") else ()
    return key if len(key) == parts else ("",) * parts


def _skip(task: Task, reason: str, key: str | None, batch: Batch) -> None:
    batch.report.skipped += 1
    # not said before
    if task.skip is None or (task.skip.reason, task.skip.key) != (reason, key):
        batch.log("skip", "warning", reason, task.item.id, task.link.entity_id if task.link else None)
    batch.skips.append((task.item.id, reason, key, task.hash))


# Ages


def earlier(begun: datetime, age: timedelta, now: datetime) -> datetime:
    """Returns when something began, by PostgreSQL's clock or by monday.com's: they need not agree, and may be set."""
    return min(begun, now - age)


def made_since(item: Item, moment: datetime) -> bool:
    """Returns whether an item is that young, by monday.com's clock; an item that does not say may be."""
    made = item.created_at and iso_moment(item.created_at)
    return not made or made >= moment - SKEW
