"""Finds what is known of the items of a batch: links and skips, what the items show, and the rows they belong to."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence

from db_connector import Transaction
from models import Item
from state.links import Found
from state.sight import why_unsure
from state.skipped import FAILED
from sync.apart import in_words, with_their_groups
from sync.cycle import Cycle
from sync.echo import know_own_words
from sync.task import Answer, Batch, Task


def find_tasks(cycle: Cycle, tx: Transaction, items: Sequence[Item], force: bool, batch: Batch) -> list[Task]:
    """Returns the items that have to be looked at: all but those that are as they were when last read."""
    prints = {item.id: (item, *cycle.reader.fingerprint(item)) for item in items}
    hashes = [(item.id, "" if force else digest) for item, digest, _ in prints.values()]
    unknown = cycle.hints.unknown
    if unknown is not None and unknown.none_is_known(prints.keys()):
        found = Found({}, {})
    else:
        found = cycle.state.links.find(tx, hashes)
    tried = [prints[item_id][0] for item_id, link in found.links.items() if link.attempts and not force]
    pausing = cycle.state.waiting.pausing(tx, tried) if tried else set()
    tasks = []
    for item_id in sorted(prints, key=int):
        item, digest, odd = prints[item_id]
        link, skip = found.links.get(item_id), found.skips.get(item_id)
        # refused, and not due: counted at the end of the run
        if item_id in pausing:
            continue
        # linked, and as it was
        if link is not None and link.same_hash and not link.archived:
            batch.report.unchanged += 1
        # skipped, and as it was
        elif skip is not None and skip.same_hash and skip.key is None and not force:
            batch.report.skipped += not skip.reason.startswith(FAILED)
        # new, changed or forced
        else:
            tasks.append(Task(item, digest, link, skip, odd))
    return tasks


def read_item(
    cycle: Cycle, task: Task, answer: Answer | None, sending: Map[str, Map[str, object]], batch: Batch
) -> bool:
    """Makes the item a record, and fills the bases; returns whether the item could be understood."""
    if task.link is not None:
        task.base_monday, task.base_postgres = task.link.images(cycle.bound.kinds)
    known = {**task.base_monday, **answer.sent} if answer is not None else task.base_monday
    reading = cycle.reader.read(task.item, known or None)
    task.record, task.kept, task.unresolved = reading.record, reading.kept, reading.unresolved
    task.withheld = cycle.withheld
    if reading.unread:
        unread = with_their_groups(cycle.bound, reading.unread)
        # its row cannot be told without that cell
        if unread is None or (task.link is None and cycle.mapping.match in unread):
            _note_failure(task, in_words(reading.unread), batch)
            return False
        task.unread = unread
    if answer is not None:
        task.base_monday.update(answer.sent)
        task.base_postgres.update(answer.sent)
        task.settling = cycle.bound.following(answer.sent)
    elif (told := sending.get(task.item.id)) is not None:
        know_own_words(cycle, task, told)
    return True


def _note_failure(task: Task, reason: str, batch: Batch) -> None:
    batch.report.errors += 1
    # not the failure that is known
    if task.skip is None or not task.skip.same_hash:
        batch.log("pull", "error", reason, task.item.id)
    if task.link is None:
        batch.skips.append((task.item.id, f"{FAILED}{reason}", None, task.hash))


def load_rows(cycle: Cycle, tx: Transaction, tasks: Sequence[Task]) -> None:
    """Loads the rows of the tasks, with the open conflicts of their records."""
    wanted = [task.link.entity_id for task in tasks if task.stored is None and task.link and task.link.entity_id]
    stored = cycle.store.load(tx, wanted)
    for task in tasks:
        if task.stored is None and task.link is not None:
            task.stored = stored.get(task.link.entity_id or "")
        task.met = task.link is None and task.stored is not None and not task.adopts
    without = [task for task in tasks if task.stored is None and task.link is not None and task.link.entity_id]
    there = cycle.store.load(tx, [str(task.link.entity_id) for task in without if task.link], any_entity=True)
    for task in without:
        task.foreign = task.link is not None and task.link.entity_id in there
    lost = [task for task in without if not task.foreign]
    if lost and (unsure := why_unsure(tx, cycle.mapping)) is not None:
        for task in lost:
            task.hidden = unsure.reason
    disputes = cycle.state.conflicts.open(tx, [task.stored.root_id for task in tasks if task.stored is not None])
    for task in tasks:
        if task.stored is not None:
            task.disputes = disputes.get(task.stored.root_id, {})
