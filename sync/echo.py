"""Remembers what monday.com is about to be told, so that a run after a kill knows the tool's own values again."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map

from db_connector import Transaction
from sync.cycle import Cycle
from sync.task import Batch, Task
from values.canonical import to_json
from values.comparing import from_json


def note_sending(cycle: Cycle, tx: Transaction, tasks: Iterable[Task], known: Iterable[str], batch: Batch) -> None:
    """Notes what the batch is about to send, and deletes such notes of items that nothing is sent to any more.

    `known` are the ids of items that have a note.
    """
    told = {
        outgoing.item.id: {name: to_json(outgoing.wanted.get(name)) for name in outgoing.fields}
        for outgoing in batch.outgoing
        if outgoing.fields
    }
    noted = set(known)
    over = [task.item.id for task in tasks if task.item.id in noted and task.item.id not in told]
    if told or over:
        cycle.state.sending.note(tx, told, over)


def know_own_words(cycle: Cycle, task: Task, told: Map[str, object]) -> None:
    """Puts into the bases what an item shows because a run told it so, and was killed before it could remember that."""
    kinds = cycle.bound.kinds
    for name, value in told.items():
        shown = task.record.get(name)
        if name in kinds and cycle.bound.same(name, shown, from_json(kinds[name], value)):
            task.base_monday[name] = task.base_postgres[name] = shown
