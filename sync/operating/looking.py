"""Looks at items through the eyes of the cycle: the same readings, the same matching of items and rows, the same decisions.

It writes nothing: its transaction has to be rolled back, for an item that names its row is linked in it.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from types import MappingProxyType

from msgspec import Struct, field
from msgspec.structs import replace

from db_connector import Transaction
from models import Item
from state.proved import Proved
from state.skipped import FAILED
from sync.apart import in_words
from sync.board import BoardSync
from sync.cycle import Cycle
from sync.decide import decide_record
from sync.identity import match_rows
from sync.look_up import load_rows, read_item
from sync.seals import is_sealed
from sync.task import Batch, Decision, Task

UNREAD = "the item cannot be read"
NOTHING_PROVED: Map[str, Proved] = MappingProxyType({})


class Looked(Struct):
    """Holds some items as the cycle sees them: their tasks, and the items that did not come so far."""

    cycle: Cycle
    tasks: list[Task]
    left_out: dict[str, str] = field(default_factory=dict)
    """Items that a rule leaves out: id → reason."""
    unread: dict[str, str] = field(default_factory=dict)
    """Items that could not be read: id → reason."""
    sending: Map[str, Map[str, object]] = field(default_factory=dict)

    def decided(self) -> list[tuple[Task, Decision]]:
        """Returns what the next run would do about each."""
        return [(task, decide_record(self.cycle, task)) for task in self.tasks]


class Reading(Struct):
    """Holds what was read of some items: those that can be understood are tasks, of the others the reasons are known."""

    cycle: Cycle
    batch: Batch
    tasks: list[Task]
    unread: dict[str, str]
    sending: Map[str, Map[str, object]]


def look_at(sync: BoardSync, tx: Transaction, items: Sequence[Item]) -> Looked:
    """Looks up what is known and stored of items, as the next run would."""
    reading = read_items(sync, tx, items)
    return matched(reading, tx, reading.tasks)


def read_items(
    sync: BoardSync, tx: Transaction, items: Sequence[Item], proved: Map[str, Proved] = NOTHING_PROVED
) -> Reading:
    """Looks up what is remembered of items, and makes records of their cells.

    `proved`: cells that an earlier proof has read, and that show a base which is still the same, are not taken apart again.
    """
    cycle = replace(sync.engine.cycle, outbox=dict)
    batch, tasks = cycle.new_batch(), _tasks(cycle, tx, items)
    sending = cycle.state.sending.known(tx)
    readable, unread = [], {}
    for task in tasks:
        known = proved.get(task.item.id) if task.item.id not in sending else None
        if _shows_base(cycle, task, known):
            task.record = dict(task.base_monday)
        elif not read_item(cycle, task, None, sending, batch) or task.unread:
            unread[task.item.id] = _why_unread(task, batch)
            continue
        readable.append(task)
    return Reading(cycle, batch, readable, unread, sending)


def _shows_base(cycle: Cycle, task: Task, known: Proved | None) -> bool:
    """Returns whether the cells of an item were found to show its base, by a proof, or by the run that has sealed it."""
    if known is None or task.link is None or task.link.id != known.link or not (known.noted or known.seal):
        return False
    task.base_monday, task.base_postgres = task.link.images(cycle.bound.kinds)
    return known.noted or is_sealed(cycle.seal_key, known.content, task.base_monday, known.seal)


def matched(reading: Reading, tx: Transaction, tasks: list[Task]) -> Looked:
    """Finds the rows of items as the next run would."""
    cycle, batch = reading.cycle, reading.batch
    kept = match_rows(cycle, tx, tasks, batch) if tasks else []
    if kept:
        load_rows(cycle, tx, kept)
    here = {task.item.id for task in kept}
    left_out = {item_id: reason for item_id, reason, _, _ in batch.skips if item_id not in here | reading.unread.keys()}
    return Looked(cycle, kept, left_out, reading.unread, reading.sending)


def _tasks(cycle: Cycle, tx: Transaction, items: Sequence[Item]) -> list[Task]:
    """Returns a task for every item, whether or not it is as it was when last read."""
    found = cycle.state.links.find(tx, [(item.id, "") for item in items])
    return [
        Task(item, "", found.links.get(item.id), found.skips.get(item.id))
        for item in sorted(items, key=lambda item: int(item.id))
    ]


def _why_unread(task: Task, batch: Batch) -> str:
    if task.unread:
        return in_words(task.unread)
    noted = [reason for item_id, reason, _, _ in batch.skips if item_id == task.item.id]
    noted += [entry.message for entry in batch.logs if entry.monday_id == task.item.id]
    return next(iter(noted), task.skip.reason if task.skip else UNREAD).removeprefix(FAILED)
