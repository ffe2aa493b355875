"""Who is who: which row an item without a link is about, before a new one is made of it.

In this order: the sync id that the tool wrote into an item it made, the row that has the item's id for its key, the row of
the item's natural key, and the row that the mapping's match field names. What cannot be told is reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from db_connector import Transaction
from mappings.declaration import Mapping
from models import Item, Value
from rows.homes import Holder
from rows.store import RecordStore
from state.entity import EntityState
from state.links import Link
from sync.task import Batch, Task
from values.canonical import dumps, loads_exact
from values.parsing import iso_moment

LEFT_TO_PUSH = "a push may have made this item of a row; the next push finds out"
SUSPECTED = "this item may have been made of a row in doubt: name it like the row if it was, archive it if not"
AMBIGUOUS = "several rows or items have the same value in the match field"
SKEW = timedelta(minutes=1)
"""How much an age that is told by one clock may differ by another."""


class Identity:
    """Finds the rows that items are about, and leaves out the items that cannot have one."""

    def __init__(
        self, mapping: Mapping, store: RecordStore, state: EntityState, started: datetime | None,
        server_time: Callable[[], datetime], sync_id: Callable[[Task], str | None],
    ) -> None:  # fmt: skip
        self.mapping = mapping
        self.store = store
        self.state = state
        self.started = started
        self.server_time = server_time
        self.sync_id = sync_id

    def settle(self, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
        """The tasks that go on, with the rows they are about."""
        tasks = self._by_sync_id(tx, tasks, batch)
        tasks = self._leave_to_push(tx, tasks, batch)
        if self.mapping.item_key:
            self._by_item_id(tx, tasks)
        if self.mapping.key:
            tasks = self._by_key(tx, tasks, batch)
        elif self.mapping.match:
            tasks = self._by_match(tx, tasks, batch)
        return tasks

    # By the id that the tool itself wrote

    def _by_sync_id(self, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
        named = {task.item.id: row_id for task in tasks if task.link is None and (row_id := self.sync_id(task))}
        if not named:
            return tasks
        free = self.state.links.unlinked(tx, sorted(set(named.values())))
        there = self.store.load(tx, sorted(free))
        known = self.state.links.of_rows(tx, sorted(there))
        # A row that went with its item is not brought back by a copy of the item.
        had = {row_id for row_id, link in known.items() if link.monday_id is not None}
        ours = {row_id for row_id, stored in there.items() if not (stored.archived and row_id in had)}
        # Of a row whose item is in doubt, this may be the item or a copy of it.
        doubtful = {row_id for row_id, link in known.items() if link.monday_id is None and link.intent_key}
        left = [task for task in tasks if named.get(task.item.id) in doubtful]
        for task in left:
            _skip(task, LEFT_TO_PUSH, named.pop(task.item.id), batch)
        tasks = [task for task in tasks if task not in left] if left else tasks
        # Of several copies the first made is the tool's own.
        pairs: dict[str, str] = {}
        for item_id in sorted(named, key=int):
            if named[item_id] in ours and named[item_id] not in pairs.values():
                pairs[item_id] = named[item_id]
        self.state.links.adopt(tx, pairs)
        links = self.state.links.of_rows(tx, list(pairs.values()))
        for task in tasks:
            row_id = named.get(task.item.id)
            if row_id is None:
                continue
            if task.item.id in pairs and row_id in links:
                task.link, task.stored = links[row_id], there[row_id]
                # Nobody has changed the row since the item was made of it, as far as is known: what differs is news
                # from both sides.
                task.base_monday, task.base_postgres = {}, {}
            elif row_id in there or row_id not in free:
                task.copied_sync_id = True
        return tasks

    def _leave_to_push(self, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
        """Without a sync id column, an item may be one that a push has just made and knows nothing of yet."""
        if self.mapping.sync_id and self.mapping.sync_id[0] in self.store.bound.columns:
            return tasks
        if all(task.link is not None for task in tasks):
            return tasks
        names, begun, age = self.state.intents.names_in_doubt(tx)
        if not names:
            return tasks
        since = begun and earlier(begun, age, self.server_time())
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

    def _by_item_id(self, tx: Transaction, tasks: list[Task]) -> None:
        """Where items' ids are keys, a row that was there before its item was met is known by it."""
        new = {task.item.id: task for task in tasks if task.link is None and task.stored is None}
        there = self.store.load(tx, sorted(new)) if new else {}
        for item_id in self.state.links.unlinked(tx, sorted(there)) if there else ():
            new[item_id].stored = there[item_id]

    # By natural key

    def _by_key(self, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
        keyed = []
        for task in tasks:
            key = self.store.root_key(task.record)
            if key is None and self.mapping.skip_without_key and not self._keeps(task, key):
                _skip(task, self.mapping.skip_without_key, None, batch)
            else:
                keyed.append((task, key))
        holders = self.store.holders(tx, [key for _, key in keyed if key])
        return [task for task, key in keyed if self._claim(task, key, holders, batch)]

    def _claim(
        self, task: Task, key: tuple[str, ...] | None, holders: dict[tuple[str, ...], Holder], batch: Batch
    ) -> bool:
        """Give the item the row of its key, unless another item has it."""
        holder = holders.get(key) if key else None
        mine = task.link.entity_id if task.link else None
        if key is None or holder is None or (mine and holder.root_id == mine):
            if key is not None and holder is None:
                holders[key] = Holder(mine or "", monday_id=task.item.id)
            elif holder is not None and not holder.ours:
                # Somebody made the row another's with SQL; it is its item's all the same.
                task.stored, task.adopts = holder.stored, True
            return True
        if self._keeps(task, key):
            return True
        if task.link is None and holder.free_for(task.item.id, self.started):
            self._take_over(task, holder, key, batch)
            holders[key] = Holder(holder.root_id, monday_id=task.item.id)
            return True
        _skip(task, self.mapping.duplicate, key_text(key), batch)
        return False

    def _keeps(self, task: Task, key: tuple[str, ...] | None) -> bool:
        """Whether an item that has a row shows the key that it last had: it claims nothing, whatever SQL made of its row."""
        return task.link is not None and not task.link.archived and key == self.store.root_key(task.base_monday)

    def _take_over(self, task: Task, holder: Holder, key: tuple[str, ...], batch: Batch) -> None:
        """A row that exists goes on as this item's; the item that had it, if it is still there, is left out."""
        task.stored = holder.stored
        before = dict(holder.stored.record) if holder.stored else {}
        if holder.link_id is None:
            # A row of the entity that no item has met yet: both sides have their say. A row that something else made
            # takes what the item has to say.
            task.base_postgres = {} if holder.ours else before
            task.adopts = not holder.ours
            return
        task.base_monday, task.base_postgres, task.adopts = dict(before), before, True
        task.link = Link(holder.link_id, task.item.id, holder.root_id, archived=holder.gone)
        if not holder.gone and holder.monday_id:
            batch.skips.append((holder.monday_id, self.mapping.duplicate, key_text(key), ""))
            batch.log("skip", "warning", self.mapping.duplicate, holder.monday_id)
            batch.report.skipped += 1

    # By the match field

    def _by_match(self, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
        name = str(self.mapping.match)
        new = [task for task in tasks if task.link is None and task.stored is None and task.record.get(name)]
        if not new:
            return tasks
        rows = self.store.unlinked_with(tx, name, [str(task.record[name]) for task in new])
        asking: dict[str, list[Task]] = {}
        for task in new:
            asking.setdefault(match_key(task.record[name]), []).append(task)
        for value, found in rows.items():
            if len(found) == 1 and len(asking[value]) == 1:
                asking[value][0].stored = found[0]
                continue
            for task in asking[value]:
                _skip(task, f"{AMBIGUOUS} ({name})", value, batch)
                tasks = [one for one in tasks if one is not task]
        return tasks


def earlier(begun: datetime, age: timedelta, now: datetime) -> datetime:
    """When something began by PostgreSQL's clock, or by monday.com's: they need not agree, and either may be set."""
    return min(begun, now - age)


def made_since(item: Item, moment: datetime) -> bool:
    """Whether an item is that young, by monday.com's clock; one that does not say may be."""
    made = item.created_at and iso_moment(item.created_at)
    return not made or made >= moment - SKEW


def match_key(value: Value) -> str:
    """A value of the match field as it is compared."""
    return "" if value is None else str(value).strip().lower()


def key_text(key: tuple[str, ...]) -> str:
    """A natural key as it is kept with an item that waits for it."""
    return key[0] if len(key) == 1 else dumps(key).decode()


def key_from(text: str, parts: int) -> tuple[str, ...]:
    """The natural key again; one that another mapping has left behind names nothing."""
    key = (text,) if parts == 1 else tuple(loads_exact(text)) if text.startswith("[") else ()
    return key if len(key) == parts else ("",) * parts


def _skip(task: Task, reason: str, key: str | None, batch: Batch) -> None:
    batch.report.skipped += 1
    if task.skip is None or (task.skip.reason, task.skip.key) != (reason, key):
        batch.log("skip", "warning", reason, task.item.id, task.link.entity_id if task.link else None)
    batch.skips.append((task.item.id, reason, key, task.hash))
