"""The cycle: take a batch of items, load what is known and stored of them, decide, write, remember.

One batch is one transaction: rows, links, bases and logs are written together or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from column_types import CellError
from db_connector import Database, Transaction
from errors import RowRejected
from mapping import BoundMapping
from models import Item, Record
from reconcile import Conflict, FieldPlan, Rules, Side, reconcile
from record_store import Holder, RecordStore, Stored, Upsert
from report import EntityReport
from sync_state import Link, LinkChange, LogEntry, Skip, SyncState, take_turn

log = logging.getLogger("monday_sync")

TAKES_FROM_MONDAY = ("bidirectional", "monday_to_pg")
TAKES_FROM_POSTGRES = ("bidirectional", "pg_to_monday")


NO_KEY = "without a key there is no row for these columns; they are kept in"


class _DryRun(Exception):
    """Ends the transaction of a dry run, which then leaves nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run differs from the usual one."""

    prefer: str | None = None
    dry_run: bool = False
    run_started: datetime | None = None


@dataclass(slots=True)
class Task:
    """One item on its way through a batch."""

    item: Item
    hash: str
    link: Link | None = None
    skip: Skip | None = None
    record: Record = field(default_factory=dict)
    base_monday: Record = field(default_factory=dict)
    base_postgres: Record = field(default_factory=dict)
    stored: Stored | None = None
    plan: FieldPlan = field(default_factory=FieldPlan)
    upsert: Upsert | None = None
    adopts: bool = False
    operation: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """What became of a batch, to be counted once its transaction is through."""

    report: EntityReport
    logs: list[LogEntry] = field(default_factory=list)
    skips: list[tuple[str, str, str | None, str]] = field(default_factory=list)
    unskipped: list[str] = field(default_factory=list)
    conflicts: list[tuple[str | None, str | None, Conflict]] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)


class Engine:
    """Runs the cycle for one mapping."""

    def __init__(
        self, db: Database, bound: BoundMapping, store: RecordStore, state: SyncState, options: Options
    ) -> None:
        self.db = db
        self.bound = bound
        self.mapping = bound.mapping
        self.store = store
        self.state = state
        self.options = options
        self.report = EntityReport(self.mapping.entity, state.board_id)
        self.plans: list[str] = []

    def take(self, items: Sequence[Item]) -> None:
        """Bring a batch of items into PostgreSQL. A row that PostgreSQL refuses costs its own item only."""
        if not items:
            return
        try:
            batch = self._transact(items)
        except RowRejected as exc:
            if len(items) == 1:
                self._refuse(items[0], str(exc))
                return
            middle = len(items) // 2
            self.take(items[:middle])
            self.take(items[middle:])
            return
        self.report.add(batch.report)
        self.plans += batch.plans
        _tell(batch, self.mapping.entity_type)

    def _transact(self, items: Sequence[Item]) -> Batch:
        made: list[Batch] = []

        def work(tx: Transaction) -> Batch:
            take_turn(tx)
            made.append(self._apply(tx, items))
            if self.options.dry_run:
                raise _DryRun
            return made[-1]

        try:
            return self.db.run_in_transaction(work, snapshot=True)
        except _DryRun:
            return made[-1]

    def _refuse(self, item: Item, reason: str) -> None:
        """An item that cannot be dealt with: logged, counted, and tried again by the next run."""
        batch = Batch(EntityReport(self.mapping.entity, self.state.board_id, read=1, errors=1))
        batch.logs.append(LogEntry("pull", "error", reason, item.id))
        if not self.options.dry_run:
            with self.db.transaction() as tx:
                self.state.fail(tx, item.id, reason)
                self.state.log(tx, batch.logs)
        self.report.add(batch.report)
        _tell(batch, self.mapping.entity_type)

    # Items that are gone

    def remove(self, monday_ids: Sequence[str]) -> None:
        """Deal with rows whose items are gone, as the mapping says. A row edited since then stays."""
        batch = EntityReport(self.mapping.entity, self.state.board_id)

        def work(tx: Transaction) -> EntityReport:
            take_turn(tx)
            return self._remove(tx, monday_ids)

        if self.options.dry_run:
            self.plans += [f"archive {self.mapping.entity_type} {monday_id}" for monday_id in monday_ids]
            batch.archived = batch.to_postgres.archived = len(monday_ids)
        else:
            batch = self.db.run_in_transaction(work, snapshot=True)
        self.report.add(batch)

    def _remove(self, tx: Transaction, monday_ids: Sequence[str]) -> EntityReport:
        report = EntityReport(self.mapping.entity, self.state.board_id)
        links = self.state.find(tx, [(monday_id, "") for monday_id in monday_ids]).links
        links = {monday_id: link for monday_id, link in links.items() if link.enabled and not self._stays_put(link)}
        stored = self.store.load(tx, [link.entity_id for link in links.values() if link.entity_id])
        logs, gone = [], []
        for monday_id, link in links.items():
            rows = stored.get(link.entity_id or "")
            if rows is not None and self._edited(link, rows):
                logs.append(LogEntry("archive", "warning", "item is gone, but the row was edited: it stays", monday_id))
            elif rows is not None and self.mapping.on_item_removed != "ignore":
                gone.append(rows.root_id)
                logs.append(LogEntry(self.mapping.on_item_removed, "success", "item is gone", monday_id, rows.root_id))
        if self.mapping.on_item_removed == "delete":
            self.store.delete(tx, gone)
        else:
            self.store.archive(tx, gone)
        self.state.archive(tx, list(links))
        self.state.log(tx, logs)
        report.archived = report.to_postgres.archived = len(gone)
        return report

    def _stays_put(self, link: Link) -> bool:
        return link.direction not in TAKES_FROM_MONDAY

    def _edited(self, link: Link, stored: Stored) -> bool:
        """Whether the row shows something else than when both sides last agreed."""
        _, theirs = link.images(self.bound.kinds)
        return any(not self.bound.same(name, stored.record.get(name), theirs.get(name)) for name in self.bound.fields)

    def waiting_for_a_free_key(self, tx: Transaction) -> list[str]:
        """Items that were left out because another one had their key, and whose key nobody has any more."""
        waiting = self.state.waiting(tx)
        taken = self.store.holders(tx, [tuple(key.split("/")) for _, key in waiting]) if self.mapping.key else {}
        return [
            monday_id
            for monday_id, key in waiting
            if (holder := taken.get(tuple(key.split("/")))) is None or holder.gone
        ]

    # One transaction

    def _apply(self, tx: Transaction, items: Sequence[Item]) -> Batch:
        batch = Batch(EntityReport(self.mapping.entity, self.state.board_id, read=len(items)))
        tasks = self._tasks(tx, items, batch)
        tasks = [task for task in tasks if self._read(task, batch)]
        tasks = self._identify(tx, tasks, batch)
        self._load(tx, tasks)
        for task in tasks:
            self._decide(task, batch)
        upserts = [task.upsert for task in tasks if task.upsert is not None]
        self.store.write(tx, upserts)
        changes = [self._remember(task, batch) for task in tasks]
        self.state.save(tx, changes)
        self._save(tx, batch)
        return batch

    def _tasks(self, tx: Transaction, items: Sequence[Item], batch: Batch) -> list[Task]:
        """The items that have to be looked at: all but those that are as they were when last read."""
        prints = {item.id: (item, *self.bound.fingerprint(item)) for item in items}
        found = self.state.find(tx, [(item.id, digest) for item, digest, _ in prints.values()])
        tasks = []
        for item_id in sorted(prints, key=int):
            item, digest, odd = prints[item_id]
            link, skip = found.links.get(item_id), found.skips.get(item_id)
            if link is not None and self._resting(link):
                batch.report.unchanged += 1
            elif skip is not None and skip.same_hash and skip.key is None:
                batch.report.skipped += 1
            else:
                task = Task(item, digest, link, skip)
                if odd:
                    task.warnings.append("NUL characters or halves of surrogate pairs were replaced")
                tasks.append(task)
        return tasks

    def _resting(self, link: Link) -> bool:
        if not link.enabled or link.direction not in TAKES_FROM_MONDAY:
            return True
        return link.same_hash and not link.archived

    def _read(self, task: Task, batch: Batch) -> bool:
        """Turn the item into a record; whether it could be."""
        if task.link is not None:
            task.base_monday, task.base_postgres = task.link.images(self.bound.kinds)
        try:
            task.record = self.bound.read(task.item, task.base_monday or None).record
        except CellError as exc:
            batch.report.errors += 1
            batch.logs.append(LogEntry("pull", "error", str(exc), task.item.id))
            return False
        return True

    def _load(self, tx: Transaction, tasks: Sequence[Task]) -> None:
        wanted = [task.link.entity_id for task in tasks if task.stored is None and task.link and task.link.entity_id]
        stored = self.store.load(tx, wanted)
        for task in tasks:
            if task.stored is None and task.link is not None:
                task.stored = stored.get(task.link.entity_id or "")

    # Who is who

    def _identify(self, tx: Transaction, tasks: list[Task], batch: Batch) -> list[Task]:
        """Leave out items without a key and second items with one; find rows that new items are about."""
        if not self.mapping.key:
            return tasks
        kept = []
        for task in tasks:
            if self._key(task.record) is None and self.mapping.skip_without_key:
                self._skip(task, self.mapping.skip_without_key, None, batch)
            else:
                kept.append(task)
        holders = self.store.holders(tx, [key for task in kept if (key := self._key(task.record))])
        return [task for task in kept if self._claim(task, holders, batch)]

    def _key(self, record: Record) -> tuple[str, ...] | None:
        return self.store.root_key(record)

    def _claim(self, task: Task, holders: dict[tuple[str, ...], Holder], batch: Batch) -> bool:
        """Give the item the row of its key, unless another item has it."""
        key = self._key(task.record)
        holder = holders.get(key) if key else None
        mine = task.link.entity_id if task.link else None
        if key is None or holder is None or (mine and holder.root_id == mine):
            if key is not None and holder is None:
                holders[key] = Holder(mine or "", monday_id=task.item.id)
            return True
        if task.link is None and holder.free_for(task.item.id, self.options.run_started):
            self._take_over(task, holder, key, batch)
            holders[key] = Holder(holder.root_id, monday_id=task.item.id)
            return True
        self._skip(task, self.mapping.duplicate, "/".join(key), batch)
        return False

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
            batch.skips.append((holder.monday_id, self.mapping.duplicate, "/".join(key), ""))
            batch.logs.append(LogEntry("skip", "warning", self.mapping.duplicate, holder.monday_id))
            batch.report.skipped += 1

    def _skip(self, task: Task, reason: str, key: str | None, batch: Batch) -> None:
        batch.report.skipped += 1
        if task.skip is None or (task.skip.reason, task.skip.key) != (reason, key):
            entity_id = task.link.entity_id if task.link else None
            batch.logs.append(LogEntry("skip", "warning", reason, task.item.id, entity_id))
        batch.skips.append((task.item.id, reason, key, task.hash))

    # Deciding

    def _rules(self) -> Rules:
        return Rules(
            default=self.options.prefer or self.mapping.conflict or "newest",
            by_field={
                name: one.conflict
                for one in self.bound.bindings
                if one.conflict and not self.options.prefer
                for name in one.fields
            },
            read_only=self.bound.read_only,
            write_monday=False,
        )

    def _decide(self, task: Task, batch: Batch) -> None:
        """Compare both sides and say what PostgreSQL needs."""
        if task.stored is None:
            self._plan_new(task)
            return
        monday = Side(task.record, task.base_monday, {name: _moment(task.item) for name in self.bound.fields})
        postgres = Side(task.stored.record, task.base_postgres)
        task.plan = reconcile(monday, postgres, self.bound.fields, self._rules(), self.bound.same)
        batch.conflicts += [(task.item.id, task.stored.root_id, conflict) for conflict in task.plan.conflicts]
        back = task.stored.archived and (task.link is None or task.link.archived or bool(task.plan.to_postgres))
        changes = bool(task.plan.to_postgres) or task.adopts
        task.operation = "restore" if back else "update" if changes else ""
        if not task.operation:
            return
        record = {**task.stored.record, **task.plan.to_postgres}
        changed = frozenset(task.plan.to_postgres)
        task.upsert = Upsert(task.item.id, _rank(task.item), record, changed, task.stored, back or task.adopts)

    def _plan_new(self, task: Task) -> None:
        """No row: a new item, or one whose row is gone while it went on changing."""
        task.operation = "create"
        task.plan.base_monday, task.plan.base_postgres = dict(task.record), dict(task.record)
        task.plan.to_postgres = dict(task.record)
        task.upsert = Upsert(task.item.id, _rank(task.item), task.record)

    # Remembering

    def _remember(self, task: Task, batch: Batch) -> LinkChange:
        upsert, plan = task.upsert, task.plan
        root_id = upsert.root_id if upsert else task.stored.root_id if task.stored else None
        if upsert is not None:
            for name, value in upsert.shown.items():
                plan.base_postgres[name] = value
            if upsert.kept:
                task.warnings.append(f"{NO_KEY} {self.mapping.rest}: {', '.join(upsert.kept)}")
        self._count(task, batch, root_id)
        if task.skip is not None:
            batch.unskipped.append(task.item.id)
        return LinkChange(
            monday_id=task.item.id,
            entity_id=root_id,
            base_monday=plan.base_monday,
            base_postgres=plan.base_postgres,
            # A held conflict is looked at again by the next run, which may have another rule.
            monday_hash=None if plan.held else task.hash,
            monday_updated_at=task.item.updated_at,
            id=task.link.id if task.link else None,
            status="conflict" if plan.held else "synced",
        )

    def _count(self, task: Task, batch: Batch, root_id: str | None) -> None:
        report = batch.report
        report.conflicts += len(task.plan.conflicts)
        report.held += bool(task.plan.held)
        for warning in task.warnings:
            batch.logs.append(LogEntry(task.operation or "pull", "warning", warning, task.item.id, root_id))
        if not task.operation:
            report.unchanged += 1
            return
        if task.operation == "create":
            report.created += 1
            report.to_postgres.created += 1
        else:
            report.restored += task.operation == "restore"
            report.updated += task.operation == "update"
            report.to_postgres.updated += 1
        changed = sorted(task.plan.to_postgres)
        message = f"{task.operation}d from item {task.item.id}" if task.operation == "create" else ", ".join(changed)
        batch.logs.append(LogEntry(task.operation, "success", message[:2000], task.item.id, root_id))
        if self.options.dry_run:
            batch.plans.append(f"{task.operation} {self.mapping.entity_type} {task.item.id}: {', '.join(changed)}")

    def _save(self, tx: Transaction, batch: Batch) -> None:
        if batch.unskipped:
            self.state.unskip(tx, batch.unskipped)
        if batch.skips:
            self.state.skip(tx, batch.skips)
        self.state.save_conflicts(tx, batch.conflicts)
        self.state.log(tx, batch.logs)


def _rank(item: Item) -> tuple[str, int]:
    return item.updated_at or "", int(item.id)


def _moment(item: Item) -> datetime | None:
    return datetime.fromisoformat(item.updated_at.replace("Z", "+00:00")) if item.updated_at else None


def _tell(batch: Batch, entity_type: str) -> None:
    for entry in batch.logs:
        if entry.status == "error":
            log.error("%s %s: %s", entity_type, entry.monday_id or entry.entity_id, entry.message)
        elif entry.status == "warning":
            log.warning("%s (%s %s)", entry.message, entity_type, entry.monday_id or entry.entity_id)
