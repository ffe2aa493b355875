"""Runs the cycle: takes a batch of items, loads what is known and stored of them, decides, writes, remembers.

One batch is one transaction: rows, links, bases and logs are written together or not at all. What monday.com is told
comes back as `Outgoing`; its answer is taken in like any other reading, with what was sent as the base.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from functools import cache

from msgspec import Struct, field
from msgspec.structs import replace

from db_connector import Database, Transaction
from errors import RowRejected
from mappings.read_items import ItemReader
from models import Item
from state import outbox
from state.entity import EntityState
from state.turns import tables_of
from sync.apart import Fields, groups_of, refused_fields
from sync.cycle import Cycle, Options
from sync.decide import decide_record
from sync.echo import note_sending
from sync.identity import freed, match_rows
from sync.look_at_rows import RowNews, look_at_rows
from sync.look_up import find_tasks, load_rows, read_item
from sync.remember import count_answers, note_decision, note_refusal, remember, report_problems, save, save_refusal
from sync.remove_rows import remove_rows
from sync.report import EntityReport
from sync.sides import Source
from sync.task import NO_HINTS, Answer, Batch, Decision, Hints, Task


class _Trial(Struct, frozen=True):
    """Says what an item is written without, and whether that is kept."""

    withheld: Map[str, str] = field(default_factory=dict)
    keep: bool = True


FOR_GOOD = _Trial()


class Engine:
    """Runs the cycle for one mapping, and keeps account of a run."""

    def __init__(self, db: Database, reader: ItemReader, store: Source, state: EntityState, options: Options) -> None:
        self.db = db
        self.store = store
        self.state = state
        self.options = options
        self.report = EntityReport(reader.bound.mapping.entity, state.board_id)
        self.plans: list[str] = []
        self.held: set[str] = set()
        """The items of which this run has found something held."""
        self.looked_at = 0
        """How many times an item was not just as it is known, or was removed."""
        self._first_held: set[str] = set()
        self._disputed: set[str] = set()
        self.cycle = Cycle(reader, store, state, options)
        self._suspects: list[Fields] = []
        """What PostgreSQL has refused of other items: asked about first, for it mostly is the same."""

    # Items from monday.com

    def take(self, items: Sequence[Item], force: bool = False, hints: Hints = NO_HINTS) -> Batch:
        """Brings a batch of items in. `force` looks at them even when they are as they were when last read.

        A value that PostgreSQL refuses costs its own field, and a row that it refuses its own item. What monday.com is
        to be told is in the batch.
        """
        batch = self._take(items, {}, force, hints)
        self._count(batch)
        self.report.add(batch.report)
        self.plans += batch.plans
        report_problems(batch, self.cycle.mapping.entity_type)
        return batch

    def settle(self, answers: Sequence[Answer], created: bool = False, hints: Hints = NO_HINTS) -> None:
        """Takes in what monday.com answered. What it made of a value that was sent is news like any other.

        `created`: the items are new, and the caller counts them as such.
        """
        if not answers:
            return
        batch = self._take(
            [answer.item for answer in answers], {answer.item.id: answer for answer in answers}, True, hints
        )
        self._count(batch)
        count_answers(answers, created, batch)
        self.report.add(batch.report)
        report_problems(batch, self.cycle.mapping.entity_type)

    def reset_counts(self) -> None:
        """Resets what is counted once in a run, for the next run."""
        for seen in (self.held, self._first_held, self._disputed):
            seen.clear()

    def _count(self, batch: Batch) -> None:
        """Counts what was looked at, and what is held once, although a run looks at some records several times."""
        batch.report.held += len(batch.held - self.held)
        batch.report.first_held += len(batch.first_held - self._first_held)
        batch.report.conflicts += len(batch.disputed - self._disputed)
        self.held |= batch.held
        self._first_held |= batch.first_held
        self._disputed |= batch.disputed
        self.looked_at += batch.looked_at

    def _take(self, items: Sequence[Item], answers: Map[str, Answer], force: bool, hints: Hints) -> Batch:
        """Takes items in one transaction; when PostgreSQL refuses a row, each half in its own."""
        if not items:
            return self.cycle.new_batch()
        try:
            return self._transact(items, answers, force, hints)
        except RowRejected as exc:
            if len(items) == 1:
                # what a trigger drops without a word is no matter of a field
                dropped = exc.__cause__ is None
                return self._refuse(items[0], str(exc)) if dropped else self._take_apart(items[0], answers, hints, exc)
        middle = len(items) // 2
        batch = self._take(items[:middle], answers, force, hints)
        batch += self._take(items[middle:], answers, force, hints)
        return batch

    def _transact(
        self, items: Sequence[Item], answers: Map[str, Answer], force: bool, hints: Hints, trial: _Trial = FOR_GOOD
    ) -> Batch:
        def work(tx: Transaction) -> Batch:
            dates = cache(lambda: outbox.dates(tx, self.cycle.mapping))
            cycle = replace(self.cycle, hints=hints, outbox=dates, withheld=trial.withheld)
            return _apply(cycle, tx, items, answers, force)

        tables = tables_of(self.cycle.mapping)
        keep = trial.keep and not self.options.dry_run
        return self.db.run_in_transaction(work, snapshot=True, keep=keep, turns=tables)

    def _take_apart(self, item: Item, answers: Map[str, Answer], hints: Hints, refusal: RowRejected) -> Batch:
        """Takes an item whose row PostgreSQL refuses, without the fields that it refuses."""

        def attempt(without: Fields) -> RowRejected | None:
            try:
                withheld = dict.fromkeys(without, str(refusal))
                self._transact([item], answers, True, hints, _Trial(withheld, keep=False))
            except RowRejected as exc:
                return exc
            return None

        bound = self.cycle.bound
        groups = groups_of(bound)
        refused = refused_fields(attempt, self._suspects, bound) if self._suspects else {}
        refused = refused or refused_fields(attempt, groups, bound)
        if not refused:
            return self._refuse(item, str(refusal))
        self._suspects = [group for group in groups if group in self._suspects or not group.isdisjoint(refused)]
        try:
            return self._transact([item], answers, True, hints, _Trial(refused))
        # what is checked at the end of a transaction
        except RowRejected as exc:
            return self._refuse(item, str(exc))

    def _refuse(self, item: Item, reason: str) -> Batch:
        """Leaves an item whose row PostgreSQL refuses to the next run."""
        batch = note_refusal(self.cycle, item, reason)
        batch.looked_at += 1
        if not self.options.dry_run:
            with self.db.transaction() as tx:
                save_refusal(self.cycle, tx, item, reason, batch.logs)
        return batch

    # Rows of PostgreSQL

    def look(self, tx: Transaction, root_ids: Sequence[str], hints: Hints = NO_HINTS) -> RowNews:
        """Tells what has become of root rows: which are new, changed or gone, and which must wait."""
        return look_at_rows(replace(self.cycle, hints=hints), tx, root_ids)

    # Items that are gone

    def remove(self, item_ids: Sequence[str]) -> None:
        """Deals with rows whose items are gone, as the mapping says. A row edited since then stays."""

        def work(tx: Transaction) -> int:
            return remove_rows(self.cycle, tx, item_ids)

        self.looked_at += len(item_ids)
        if self.options.dry_run:
            self.plans += [f"archive {self.cycle.mapping.entity_type} {item_id}" for item_id in item_ids]
            removed = len(item_ids)
        else:
            removed = self.db.run_in_transaction(work, snapshot=True, turns=tables_of(self.cycle.mapping))
        self.report.archived += removed
        self.report.to_postgres.archived += removed

    def remove_within(self, tx: Transaction, item_ids: Sequence[str]) -> int:
        """Does the same in a transaction that does more; returns how many rows were archived or deleted."""
        return remove_rows(self.cycle, tx, item_ids)

    def waiting_for_a_free_key(self, tx: Transaction) -> list[str]:
        """Returns items that were skipped because another item had their key, and whose key is free now."""
        return freed(self.cycle, tx)


def _apply(cycle: Cycle, tx: Transaction, items: Sequence[Item], answers: Map[str, Answer], force: bool) -> Batch:
    """Does the steps of a batch, in one transaction."""
    batch, state, store = cycle.new_batch(read=len(items)), cycle.state, cycle.store
    answers = {item.id: answers[item.id] for item in items if item.id in answers}
    made = [answer for answer in answers.values() if answer.made_under]
    state.links.adopt(tx, {answer.item.id: answer.root_id for answer in made})
    tasks = find_tasks(cycle, tx, items, force, batch)
    batch.looked_at += len(tasks)
    sending = state.sending.known(tx) if any(task.link for task in tasks) else {}
    tasks = [task for task in tasks if read_item(cycle, task, answers.get(task.item.id), sending, batch)]
    tasks = match_rows(cycle, tx, tasks, batch)
    load_rows(cycle, tx, tasks)
    decisions = _decide(cycle, tasks, batch)
    written = store.write(tx, [decision.upsert for decision in decisions if decision.upsert is not None])
    records = iter(written.records)
    changes = [
        remember(cycle, task, decision, next(records) if decision.upsert is not None else None, batch)
        for task, decision in zip(tasks, decisions, strict=True)
    ]
    state.links.save(tx, [change for change in changes if change is not None])
    note_sending(cycle, tx, tasks, sending, batch)
    store.tell_others(tx, written)
    for table, editors in written.edited.items():
        outbox.note_edited(tx, store.owners.values(), table, editors)
    save(cycle, tx, answers.values(), batch)
    for key in {answer.made_under for answer in made}:
        state.intents.finish(tx, key, [])
    return batch


def _decide(cycle: Cycle, tasks: Sequence[Task], batch: Batch) -> list[Decision]:
    decisions = []
    for task in tasks:
        decision = decide_record(cycle, task)
        note_decision(task, decision, batch)
        decisions.append(decision)
    return decisions
