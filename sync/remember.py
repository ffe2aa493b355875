"""Remembers what became of records: what their links become, and what is counted, logged and reported of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from db_connector import Transaction
from mappings.declaration import ROOT
from models import Item, LogEntry, Record
from rows.homes import WrittenRecord
from state.links import LinkChange
from sync.apart import in_words
from sync.cycle import TO_MONDAY, Cycle, may
from sync.decide import FIRST_MEETING
from sync.seals import seal_of
from sync.task import Answer, Batch, Decision, Outgoing, Task

log = logging.getLogger("monday_sync")

NO_KEY = "without a key there is no row for these columns; they are kept in"
ODD = "NUL characters or halves of surrogate pairs were replaced"


def note_decision(task: Task, decision: Decision, batch: Batch) -> None:
    """Notes what a decision has for monday.com, and for the conflicts."""
    if decision.outgoing is not None:
        batch.outgoing.append(decision.outgoing)
    if decision.removal is not None:
        batch.removals.append(decision.removal)
    if decision.plan.conflicts and task.stored is not None:
        root_id = task.stored.root_id
        batch.conflicts += [(task.item.id, root_id, conflict) for conflict in decision.plan.conflicts]
    if decision.settled:
        batch.settled += decision.settled
    for name, reason in decision.objections.items():
        batch.objections[task.item.id, name] = reason


def remember(
    cycle: Cycle, task: Task, decision: Decision, written: WrittenRecord | None, batch: Batch
) -> LinkChange | None:
    """Counts and logs a record, and returns what its link becomes; None when no link is made, or its item is to go."""
    plan, item_id = decision.plan, task.item.id
    if written is not None:
        _note_shown(cycle, task, decision, written, batch)
    root_id = written.root_id if written else task.stored.root_id if task.stored else None
    _log_warnings(cycle, task, decision, written, root_id, batch)
    _count(cycle, task, decision, root_id, batch)
    if task.skip is not None:
        batch.unskipped.append(item_id)
    if decision.waits:
        _note_row_not_found(task, decision.waits, batch)
    refused = _note_refused_fields(task, root_id, batch)
    # no row, or the item follows its row
    if root_id is None or decision.removes_item:
        return None
    # a copy that has become a row of its own
    if task.copied_sync_id and task.stored is None and cycle.options.write_monday:
        batch.outgoing.append(Outgoing(task.item, root_id, {}, {}, (), clear_sync_id=True))
    due = refused or _owes_monday(cycle, task, decision)
    status = "error" if refused else _status(decision, due)
    if cycle.mapping.record_settings:
        batch.statuses[root_id] = status
    return LinkChange(
        monday_id=item_id,
        entity_id=root_id,
        base_monday=plan.base_monday,
        base_postgres=plan.base_postgres,
        # What waits is looked at again by the next run, which may have another rule or direction.
        monday_hash=None if _owes_postgres(cycle, task, decision) else task.hash,
        monday_updated_at=task.item.updated_at,
        id=task.link.id if task.link else None,
        status=status,
        archived=_stays_gone(task, decision),
        due=due,
        seal=_seal(cycle, task, plan.base_monday),
        kept=task.kept if plan.base_monday is task.record else None,
    )


def _seal(cycle: Cycle, task: Task, base: Record) -> Callable[[bytes], str] | None:
    """Returns what seals the base, if the item's cells, all read, show it."""
    if task.unread or task.unresolved or not task.hash or task.record != base:
        return None
    return partial(seal_of, cycle.seal_key, task.hash)


def _note_row_not_found(task: Task, reason: str, batch: Batch) -> None:
    """Notes that an item waits for its row: it is tried again after a pause."""
    batch.report.errors += 1
    batch.log("pull", "error", f"its row is not found: {reason}", task.item.id)
    batch.unwritten.append((task.item, reason))


def _note_refused_fields(task: Task, root_id: str | None, batch: Batch) -> bool:
    """Notes that fields of an item do not come in: it is tried again after a pause, and when it is edited."""
    if not task.unread and not task.withheld:
        return False
    reason = in_words({**task.unread, **task.withheld})
    batch.report.errors += 1
    batch.log("pull", "error", reason, task.item.id, root_id)
    batch.unwritten.append((task.item, reason))
    return True


def _note_shown(cycle: Cycle, task: Task, decision: Decision, written: WrittenRecord, batch: Batch) -> None:
    """Notes what the tables show of the values that they were given; for monday.com, what the root table has made."""
    decision.plan.base_postgres.update(written.shown)
    bound, link = cycle.bound, task.link
    if not written.shown or not cycle.options.write_monday or not may(TO_MONDAY, link, task.stored):
        return
    made = {
        name: value
        for name, value in written.shown.items()
        if bound.places[name].home == ROOT and name not in bound.read_only and not task.copied_sync_id
    }
    if not made:
        return
    before = decision.outgoing or Outgoing(task.item, written.root_id, task.record, {}, (), counted=True)
    outgoing = replace(
        before,
        wanted={**before.wanted, **made},
        agreed={**decision.plan.base_postgres, **before.agreed},
        fields=tuple(dict.fromkeys((*before.fields, *made))),
    )
    batch.outgoing = [other for other in batch.outgoing if other is not before] + [outgoing]


def _status(decision: Decision, due: bool) -> str:
    if decision.idle:
        return "disabled"
    if decision.plan.held:
        return "conflict"
    return "pending" if due else "synced"


def _stays_gone(task: Task, decision: Decision) -> bool:
    """Returns whether an item that is there again has a row that this run may not bring back: still no removal."""
    if task.link is None or not task.link.archived:
        return False
    back = decision.operation or task.stored is None or not (decision.idle or task.stored.archived)
    return not back


def _owes_monday(cycle: Cycle, task: Task, decision: Decision) -> bool:
    """Returns whether the row shows something that has not reached monday.com yet."""
    plan = decision.plan
    if task.stored is None or not (plan.waiting or plan.to_monday):
        return False
    record = {**task.stored.record, **plan.to_postgres}
    same, base = cycle.bound.same, plan.base_postgres
    return any(not same(name, record.get(name), base.get(name)) for name in (*plan.waiting, *plan.to_monday))


def _owes_postgres(cycle: Cycle, task: Task, decision: Decision) -> bool:
    """Returns whether monday.com shows something that has not reached PostgreSQL yet."""
    plan, same, shown = decision.plan, cycle.bound.same, task.record
    if task.unresolved or task.unread:
        return True
    # the usual case
    if not plan.waiting and not plan.to_monday:
        return False
    return any(not same(name, shown.get(name), plan.base_monday.get(name)) for name in (*plan.waiting, *plan.to_monday))


# What is counted and logged


def _log_warnings(
    cycle: Cycle, task: Task, decision: Decision, written: WrittenRecord | None, root_id: str | None, batch: Batch
) -> None:
    for name, reason in decision.plan.refused.items():
        batch.log("push", "warning", f"{name}: {reason}", task.item.id, root_id)
    operation = decision.operation or "pull"
    if task.odd:
        batch.log(operation, "warning", ODD, task.item.id, root_id)
    if written is not None and written.kept:
        titles = f"{NO_KEY} {cycle.mapping.rest}: {', '.join(written.kept)}"
        batch.log(operation, "warning", titles, task.item.id, root_id)


def _count(cycle: Cycle, task: Task, decision: Decision, root_id: str | None, batch: Batch) -> None:
    report, plan, item_id = batch.report, decision.plan, task.item.id
    dry_run, write_monday = cycle.options.dry_run, cycle.options.write_monday
    if plan.conflicts:
        _count_conflicts(decision, item_id, batch)
    if decision.operation:
        _count_operation(cycle, task, decision, root_id, batch)
    else:
        report.unchanged += not (plan.to_monday or (decision.removes_item and write_monday))
        report.updated += bool(plan.to_monday) and dry_run
    if dry_run and plan.to_monday:
        report.to_monday.updated += 1
        batch.plans.append(f"update item {item_id}: {', '.join(sorted(plan.to_monday))}")


def _count_conflicts(decision: Decision, item_id: str, batch: Batch) -> None:
    batch.disputed.add(item_id)
    if held := decision.plan.held:
        batch.held.add(item_id)
        if any(conflict.rule == FIRST_MEETING for conflict in held):
            batch.first_held.add(item_id)


def _count_operation(cycle: Cycle, task: Task, decision: Decision, root_id: str | None, batch: Batch) -> None:
    report, operation, item_id = batch.report, decision.operation, task.item.id
    if operation == "create":
        report.created += 1
        report.to_postgres.created += 1
    else:
        report.restored += operation == "restore"
        report.updated += operation == "update"
        report.to_postgres.updated += 1
    is_new = operation == "create" and not cycle.options.dry_run
    changed = "" if is_new else ", ".join(sorted(decision.plan.to_postgres))
    message = f"created from item {item_id}" if operation == "create" else changed
    batch.log(operation, "success", message, item_id, root_id)
    if cycle.options.dry_run:
        batch.plans.append(f"{operation} {cycle.mapping.entity_type} {item_id}: {changed}")


# What is saved at the end of the transaction


def save(cycle: Cycle, tx: Transaction, answers: Iterable[Answer], batch: Batch) -> None:
    """Saves skips, conflicts, logs and what monday.com answered."""
    state = cycle.state
    if batch.unskipped:
        state.skipped.remove(tx, batch.unskipped)
    if batch.skips:
        state.skipped.add(tx, batch.skips)
    for answer in answers:
        _save_answer(cycle, tx, answer, batch)
    for item, reason in batch.unwritten:
        save_refusal(cycle, tx, item, reason, [])
    if batch.statuses:
        cycle.store.set_status(tx, batch.statuses)
    state.conflicts.save(tx, batch.conflicts)
    state.conflicts.close(tx, batch.settled)
    state.log.append(tx, batch.logs)


def _save_answer(cycle: Cycle, tx: Transaction, answer: Answer, batch: Batch) -> None:
    item_id, root_id = answer.item.id, answer.root_id
    if answer.made_under:
        made = f"item made of {cycle.mapping.entity_type} {root_id}"
        batch.logs.append(LogEntry("create", "success", made[:2000], item_id, root_id, "monday"))
    elif answer.sent:
        batch.log("push", "success", ", ".join(sorted(answer.sent)), item_id, root_id)
    if answer.refused:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(answer.refused.items()))
        batch.log("push", "error", reasons, item_id, root_id)
        batch.report.set_aside += cycle.state.waiting.refuse_change(tx, root_id, reasons)
        if cycle.mapping.record_settings:
            batch.statuses[root_id] = "error"


def note_refusal(cycle: Cycle, item: Item, reason: str) -> Batch:
    """Returns what is counted and logged of an item whose row PostgreSQL refuses."""
    batch = cycle.new_batch(read=1)
    batch.report.errors += 1
    batch.log("pull", "error", reason, item.id)
    return batch


def save_refusal(cycle: Cycle, tx: Transaction, item: Item, reason: str, logs: list[LogEntry]) -> None:
    """Remembers an item whose row PostgreSQL refuses, so that the next run tries it again."""
    digest, _ = cycle.reader.fingerprint(item)
    cycle.state.waiting.refuse_item(tx, item.id, reason, item.updated_at, digest)
    cycle.state.log.append(tx, logs)


def count_answers(answers: Sequence[Answer], created: bool, batch: Batch) -> None:
    """Counts what monday.com was told. The items were counted when they were read, and new ones by their maker."""
    report = batch.report
    report.read = report.unchanged = report.updated = 0
    if not created:
        # A record that both sides are told of is one record.
        report.updated = sum(bool(answer.sent) and not answer.counted for answer in answers)
        report.to_monday.updated += sum(bool(answer.sent) for answer in answers)
    report.errors += sum(bool(answer.refused) for answer in answers)


# What the user reads


def report_problems(batch: Batch, entity_type: str) -> None:
    """Writes a line for each error, and one for all warnings of a kind: sync_logs names every item."""
    alike: dict[str, list[LogEntry]] = {}
    for entry in batch.logs:
        if entry.status == "error":
            log.error("%s %s: %s", entity_type, entry.monday_id or entry.entity_id, entry.message)
        elif entry.status == "warning":
            alike.setdefault(entry.message.partition(": ")[0], []).append(entry)
    for kind, entries in alike.items():
        first = entries[0].monday_id or entries[0].entity_id
        if len(entries) == 1:
            log.warning("%s (%s %s)", entries[0].message, entity_type, first)
        else:
            log.warning("%s (%d %ss, such as %s)", kind, len(entries), entity_type, first)
