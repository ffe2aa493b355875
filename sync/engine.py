"""The cycle: take a batch of items, load what is known and stored of them, decide, write, remember.

One batch is one transaction: rows, links, bases and logs are written together or not at all. What monday.com is to be
told comes back as `Outgoing`; its answer is taken in like any other reading, with what was sent as the base.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache, cached_property

from db_connector import Database, Transaction
from errors import RowRejected
from mappings.read_items import ItemReader
from models import Item, LogEntry, Record, Removal, Winner
from rows.homes import Stored, Upsert
from rows.store import RecordStore
from state import outbox
from state.entity import EntityState
from state.links import Link, LinkChange
from state.skipped import FAILED
from state.turns import take_turn
from sync.identity import AMBIGUOUS, Identity, key_from, match_key
from sync.reconcile import SHARED, Choice, Rules, Side, keep_lost, objection, overrule, reconcile
from sync.report import EntityReport
from sync.task import Answer, Batch, Outgoing, Task
from values.canonical import is_empty, to_json
from values.comparing import from_json
from values.parsing import CellError

log = logging.getLogger("monday_sync")

TO_POSTGRES = ("bidirectional", "monday_to_pg")
TO_MONDAY = ("bidirectional", "pg_to_monday")
EITHER_WAY = ("bidirectional", "monday_to_pg", "pg_to_monday")
FIRST_MEETING = "first meeting"
"""The rule under which unequal fields are held when an item and a row that both had a life before are linked."""
NO_KEY = "without a key there is no row for these columns; they are kept in"


@dataclass(frozen=True, slots=True)
class Options:
    """How a run differs from the usual one, and which sides it may write."""

    prefer: str | None = None
    first: str | None = None
    """The rule for what differs when item and row first meet; without one it is held."""
    dry_run: bool = False
    run_started: datetime | None = None
    server_time: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    """Now, by the clock of monday.com."""
    write_postgres: bool = True
    write_monday: bool = False
    unify: bool = False


class Times(Map[str, "datetime | None"]):
    """When fields were changed; looked up when a conflict asks."""

    def __init__(self, fields: Sequence[str], look_up: Callable[[str], datetime | None]) -> None:
        self._fields = fields
        self._look_up = look_up

    def __getitem__(self, name: str) -> datetime | None:
        return self._look_up(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(slots=True)
class Look:
    """What has become of some root rows since both sides last agreed."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """Rows with news whose items were gone when last seen (row → item): somebody may have restored them."""
    waiting: list[str] = field(default_factory=list)
    aside: set[str] = field(default_factory=set)
    """Of what is new or changed, that which was given up."""
    ambiguous: list[str] = field(default_factory=list)
    """Rows that could be several items, or several rows that could be one."""


class Engine:
    """Runs the cycle for one mapping."""

    def __init__(
        self, db: Database, reader: ItemReader, store: RecordStore, state: EntityState, options: Options
    ) -> None:
        self.db = db
        self.reader = reader
        self.bound = reader.bound
        self.mapping = reader.bound.mapping
        self.store = store
        self.state = state
        self.options = options
        self.report = EntityReport(self.mapping.entity, state.board_id)
        self.plans: list[str] = []
        self.identity = Identity(
            self.mapping, store, state, options.run_started, options.server_time, self._sync_id
        )
        self.dates: dict[str, datetime] = {}
        """When root rows were changed by SQL, as the outbox tells; filled by whoever reads it."""
        self.choices: dict[str, dict[str, Choice]] = {}
        """What a person has decided about fields, by item id."""
        self._outbox: Callable[[], Map[str, datetime]] = dict
        self.held: set[str] = set()
        """The items that this run has found something to be held of."""
        self._first_held: set[str] = set()
        self._disputed: set[str] = set()

    # Items from monday.com

    def take(self, items: Sequence[Item], force: bool = False) -> Batch:
        """Bring a batch of items in. `force` looks at them even when they are as they were when last read.

        A row that PostgreSQL refuses costs its own item only. What monday.com is to be told is in the batch.
        """
        batch = Batch(EntityReport(self.mapping.entity, self.state.board_id))
        self._take(items, {}, force, batch)
        self._count_held(batch)
        self.report.add(batch.report)
        self.plans += batch.plans
        _tell(batch, self.mapping.entity_type)
        return batch

    def settle(self, answers: Sequence[Answer], created: bool = False) -> None:
        """Take in what monday.com answered. What it made of a value that was sent is news like any other.

        `created`: the items are new, and counted as such by whoever made them.
        """
        if not answers:
            return
        batch = Batch(EntityReport(self.mapping.entity, self.state.board_id))
        self._take([answer.item for answer in answers], {answer.item.id: answer for answer in answers}, True, batch)
        report = batch.report
        self._count_held(batch)
        # The items were counted when they were read; a record that both sides are told of is one record.
        report.read = report.unchanged = report.updated = 0
        if not created:
            report.updated = sum(bool(answer.sent) and not answer.counted for answer in answers)
            report.to_monday.updated += sum(bool(answer.sent) for answer in answers)
        report.errors += sum(bool(answer.refused) for answer in answers)
        self.report.add(report)
        _tell(batch, self.mapping.entity_type)

    def forget_counts(self) -> None:
        """Another run begins."""
        for seen in (self.held, self._first_held, self._disputed):
            seen.clear()

    def _count_held(self, batch: Batch) -> None:
        """A run looks at some records several times, and counts what is held once."""
        batch.report.held += len(batch.held - self.held)
        batch.report.first_held += len(batch.first_held - self._first_held)
        batch.report.conflicts += len(batch.disputed - self._disputed)
        self.held |= batch.held
        self._first_held |= batch.first_held
        self._disputed |= batch.disputed

    def _take(self, items: Sequence[Item], answers: Map[str, Answer], force: bool, total: Batch) -> None:
        if not items:
            return
        try:
            batch = self._transact(items, answers, force)
        except RowRejected as exc:
            if len(items) == 1:
                self._refuse(items[0], str(exc), total)
                return
            middle = len(items) // 2
            self._take(items[:middle], answers, force, total)
            self._take(items[middle:], answers, force, total)
            return
        total.report.add(batch.report)
        for name in ("logs", "plans", "outgoing", "removals"):
            getattr(total, name).extend(getattr(batch, name))
        total.held |= batch.held
        total.first_held |= batch.first_held
        total.disputed |= batch.disputed

    def _transact(self, items: Sequence[Item], answers: Map[str, Answer], force: bool) -> Batch:
        def work(tx: Transaction) -> Batch:
            take_turn(tx)
            return self._apply(tx, items, answers, force)

        return self.db.run_in_transaction(work, snapshot=True, keep=not self.options.dry_run)

    def _refuse(self, item: Item, reason: str, total: Batch) -> None:
        """An item that cannot be dealt with: logged, counted, and tried again by the next run."""
        total.report.read += 1
        total.report.errors += 1
        total.log("pull", "error", reason, item.id)
        if not self.options.dry_run:
            with self.db.transaction() as tx:
                self.state.waiting.refuse_item(tx, item.id, reason, item.updated_at, self.reader.fingerprint(item)[0])
                self.state.log.append(tx, total.logs[-1:])

    # Rows of PostgreSQL

    def look(self, tx: Transaction, root_ids: Sequence[str]) -> Look:
        """What has become of these root rows: which are new, changed or gone, and which must wait."""
        links, stored = self.state.links.of_rows(tx, root_ids), self.store.load(tx, root_ids)
        look = Look()
        for root_id in root_ids:
            self._look_at(root_id, links.get(root_id), stored.get(root_id), look)
        if look.new and self.mapping.match:
            unclear = self.state.skipped.keys_of(tx, f"{AMBIGUOUS} ({self.mapping.match})")
            look.ambiguous = [one for one in look.new if match_key(stored[one].record.get(self.mapping.match)) in unclear]
            look.new = [one for one in look.new if one not in look.ambiguous]
        return look

    def _look_at(self, root_id: str, link: Link | None, rows: Stored | None, look: Look) -> None:
        if not self._may(TO_MONDAY, link, rows):
            look.waiting.append(root_id)
        elif link is None:
            if rows is not None and not rows.archived:
                look.new.append(root_id)
        elif link.monday_id is None:
            if link.intent_key is None and rows is not None and not rows.archived and not self._pauses(link):
                look.new.append(root_id)  # refused once; one that is being created is its intent's affair
                look.aside |= {root_id} if link.status == "set_aside" else set()
        elif rows is None or rows.archived:
            if not link.archived:
                look.removed.append((link.monday_id, root_id))
            elif rows is not None and self._edited(link, rows):
                look.lost[root_id] = link.monday_id
        elif link.archived:
            look.lost[root_id] = link.monday_id
            if link.status != "disabled" and self.mapping.on_item_removed != "ignore":
                look.held.append(root_id)
        elif not self._pauses(link) and self._edited(link, rows):
            look.changed.append(link.monday_id)
            look.aside |= {link.monday_id} if link.status == "set_aside" else set()

    def _pauses(self, link: Link) -> bool:
        """Whether it was refused, is not to be tried yet, and nobody has changed the row since then."""
        changed = self.dates.get(link.entity_id or "")
        return link.refused_at is not None and (changed is None or changed <= link.refused_at)

    def _edited(self, link: Link, stored: Stored) -> bool:
        """Whether the row shows something else than when both sides last agreed."""
        return bool(self._news(link, stored))

    def _news(self, link: Link, stored: Stored) -> list[str]:
        """The fields that the row shows otherwise than when both sides last agreed."""
        _, theirs = link.images(self.bound.kinds)
        return [
            name for name in self.bound.fields if not self.bound.same(name, stored.record.get(name), theirs.get(name))
        ]

    def _edited_alone(self, tx: Transaction, links: Iterable[Link], stored: Map[str, Stored]) -> set[str]:
        """Of these rows, those with news of their own: that of a row which others show too is no edit of theirs."""
        news = {
            row.root_id: self._news(link, row) for link in links if (row := stored.get(link.entity_id or "")) is not None
        }
        places = self.bound.places
        related = [root_id for root_id, names in news.items() if any(places[name].home for name in names)]
        shared = self.store.shared_homes(tx, [stored[root_id] for root_id in related])
        return {
            root_id
            for root_id, names in news.items()
            if any(places[name].home not in shared.get(root_id, ()) for name in names)
        }

    def _may(self, directions: tuple[str, ...], link: Link | None, stored: Stored | None) -> bool:
        """Whether a record's own settings let a change through in one of these directions."""
        if link is not None and (not link.enabled or link.direction not in directions):
            return False
        settings = stored.settings if stored else None
        return settings is None or (settings[0] and settings[1] in directions)

    # One transaction

    def _apply(self, tx: Transaction, items: Sequence[Item], answers: Map[str, Answer], force: bool) -> Batch:
        batch = Batch(EntityReport(self.mapping.entity, self.state.board_id, read=len(items)))
        self._outbox = cache(lambda: outbox.dates(tx, self.mapping))
        answers = {item.id: answers[item.id] for item in items if item.id in answers}
        made = [answer for answer in answers.values() if answer.made_under]
        self.state.links.adopt(tx, {answer.item.id: answer.root_id for answer in made})
        tasks = self._tasks(tx, items, force, batch)
        sending = self.state.links.sending(tx) if tasks else {}
        tasks = [task for task in tasks if self._read(task, answers.get(task.item.id), sending, batch)]
        tasks = self.identity.settle(tx, tasks, batch)
        self._load(tx, tasks)
        for task in tasks:
            self._decide(task, batch)
        written = self.store.write(tx, [task.upsert for task in tasks if task.upsert is not None])
        for task, record in zip((task for task in tasks if task.upsert is not None), written.records, strict=True):
            task.written = record
        changes = [self._remember(task, batch) for task in tasks]
        self.state.links.save(tx, [change for change in changes if change is not None])
        self._note_sending(tx, tasks, sending, batch)
        self.store.tell_others(tx, written)
        for table, editors in written.edited.items():
            outbox.note_edited(tx, self.store.owners.values(), table, editors)
        self._save(tx, answers, batch)
        for key in {answer.made_under for answer in made}:
            self.state.intents.finish(tx, key, [])
        return batch

    def _tasks(self, tx: Transaction, items: Sequence[Item], force: bool, batch: Batch) -> list[Task]:
        """The items that have to be looked at: all but those that are as they were when last read."""
        prints = {item.id: (item, *self.reader.fingerprint(item)) for item in items}
        hashes = [(item.id, "" if force else digest) for item, digest, _ in prints.values()]
        found = self.state.links.find(tx, hashes)
        tried = [prints[item_id][0] for item_id, link in found.links.items() if link.attempts and not force]
        pausing = self.state.waiting.pausing(tx, tried) if tried else set()
        tasks = []
        for item_id in sorted(prints, key=int):
            item, digest, odd = prints[item_id]
            link, skip = found.links.get(item_id), found.skips.get(item_id)
            if item_id in pausing:
                continue  # counted at the end of the run, with all that is left over
            if link is not None and link.same_hash and not link.archived:
                batch.report.unchanged += 1
            elif skip is not None and skip.same_hash and skip.key is None and not force:
                batch.report.skipped += not skip.reason.startswith(FAILED)
            else:
                task = Task(item, digest, link, skip)
                if odd:
                    task.warnings.append("NUL characters or halves of surrogate pairs were replaced")
                tasks.append(task)
        return tasks

    def _read(
        self, task: Task, answer: Answer | None, sending: Map[str, Map[str, object]], batch: Batch
    ) -> bool:
        """Turn the item into a record; whether it could be."""
        if task.link is not None:
            task.base_monday, task.base_postgres = task.link.images(self.bound.kinds)
        try:
            known = {**task.base_monday, **answer.sent} if answer is not None else task.base_monday
            reading = self.reader.read(task.item, known or None)
            task.record, task.unresolved = reading.record, reading.unresolved
        except CellError as exc:
            batch.report.errors += 1
            if task.skip is None or not task.skip.same_hash:
                batch.log("pull", "error", str(exc), task.item.id)
            if task.link is None:
                batch.skips.append((task.item.id, f"{FAILED}{exc}", None, task.hash))
            return False
        if answer is not None:
            task.base_monday.update(answer.sent)
            task.base_postgres.update(answer.sent)
        else:
            self._know_own_words(task, sending.get(task.item.id, {}))
        return True

    def _know_own_words(self, task: Task, told: Map[str, object]) -> None:
        """An item shows what a run told it that was killed before it could write so down: both sides had agreed on that."""
        for name, value in told.items():
            if name in self.bound.kinds:
                sent = from_json(self.bound.kinds[name], value)
                if self.bound.same(name, task.record.get(name), sent):
                    task.base_monday[name] = task.base_postgres[name] = task.record.get(name)

    def _note_sending(
        self, tx: Transaction, tasks: Sequence[Task], sending: Map[str, Map[str, object]], batch: Batch
    ) -> None:
        """Before anything is sent, what it is."""
        told = {
            one.item.id: {name: to_json(one.wanted.get(name)) for name in one.fields}
            for one in batch.outgoing
            if one.fields
        }
        over = [task.item.id for task in tasks if task.item.id in sending and task.item.id not in told]
        if told or over:
            self.state.links.note_sending(tx, told, over)

    def _sync_id(self, task: Task) -> str | None:
        """The row key that the tool has written into the item."""
        if self.mapping.sync_id is None:
            return None
        cell = task.item.cells.get(self.mapping.sync_id[0])
        return str(cell.get("text") or "").strip() or None if cell else None

    def _load(self, tx: Transaction, tasks: Sequence[Task]) -> None:
        wanted = [task.link.entity_id for task in tasks if task.stored is None and task.link and task.link.entity_id]
        stored = self.store.load(tx, wanted)
        for task in tasks:
            if task.stored is None and task.link is not None:
                task.stored = stored.get(task.link.entity_id or "")
            task.met = task.link is None and task.stored is not None and not task.adopts
        without = [task for task in tasks if task.stored is None and task.link is not None and task.link.entity_id]
        there = self.store.load(tx, [str(task.link.entity_id) for task in without if task.link], any_entity=True)
        for task in without:
            task.foreign = task.link is not None and task.link.entity_id in there
        disputes = self.state.conflicts.open(tx, [task.stored.root_id for task in tasks if task.stored is not None])
        for task in tasks:
            if task.stored is not None:
                task.disputes = disputes.get(task.stored.root_id, {})

    # Deciding

    @cached_property
    def _declared_rules(self) -> dict[str, str]:
        """The rules that the mapping gives single fields."""
        return {name: one.conflict for one in self.bound.bindings if one.conflict for name in one.fields}

    def _rules(self, task: Task) -> Rules:
        options = self.options
        by_field = {} if options.prefer else self._declared_rules
        default = options.prefer or self.mapping.conflict or "newest"
        if not options.prefer:
            # Clocks say nothing about two sides that lived apart: a person does, or the mapping by a rule of its own.
            first = options.first or self.mapping.conflict or FIRST_MEETING
            default = first if task.met else default
            met = [name for name, one in task.disputes.items() if one.rule == FIRST_MEETING]
            by_field = {**dict.fromkeys(met, first), **by_field} if met else by_field
        return Rules(
            default=default,
            by_field=by_field,
            read_only=self.bound.read_only,
            write_postgres=options.write_postgres and self._may(TO_POSTGRES, task.link, task.stored),
            write_monday=options.write_monday and self._may(TO_MONDAY, task.link, task.stored),
        )

    def _decide(self, task: Task, batch: Batch) -> None:
        """Compare both sides and say what each needs."""
        rules = self._rules(task)
        task.plan.base_monday, task.plan.base_postgres = dict(task.base_monday), dict(task.base_postgres)
        if not self._may(EITHER_WAY, task.link, task.stored):
            # Nothing is decided either, so that the setting that lets it through again finds everything as it was.
            task.idle = True
            task.plan.waiting = set(self.bound.fields)
        elif task.foreign:
            pass  # no removal: whoever filters anew, or gives a row another role, has not said so
        elif task.stored is None:
            self._decide_without_row(task, rules, batch)
        elif task.stored.archived and task.link is not None and not task.link.archived and not self._changed(task):
            self._follow_removal(task, rules, batch)
        else:
            self._decide_both(task, rules, batch)

    def _decide_without_row(self, task: Task, rules: Rules, batch: Batch) -> None:
        """A new item; or the row was removed, which the item follows unless somebody edited it since."""
        if task.link is not None and not task.link.archived and not self._changed(task):
            self._follow_removal(task, rules, batch)
        elif rules.write_postgres:
            task.operation = "create"
            task.plan.base_monday, task.plan.base_postgres = dict(task.record), dict(task.record)
            task.plan.to_postgres = dict(task.record)
            task.upsert = Upsert(task.item.id, _rank(task.item), task.record)

    def _changed(self, task: Task) -> bool:
        return any(
            not self.bound.same(name, task.record.get(name), task.base_monday.get(name)) for name in self.bound.fields
        )

    def _follow_removal(self, task: Task, rules: Rules, batch: Batch) -> None:
        if self.mapping.on_row_removed == "ignore":
            task.plan.base_monday, task.plan.base_postgres = dict(task.base_monday), dict(task.base_postgres)
            return
        task.removes_item = True
        if rules.write_monday:
            batch.removals.append(Removal(task.item.id, str(task.link.entity_id if task.link else "")))

    def _decide_both(self, task: Task, rules: Rules, batch: Batch) -> None:
        stored = task.stored
        assert stored is not None
        fields = self.bound.fields
        monday = Side(task.record, task.base_monday, Times(fields, lambda name: self._cell_changed_at(task, name)))
        postgres = Side(stored.record, task.base_postgres, Times(fields, lambda name: self._row_changed_at(task, name)))
        choices = self._choices(task, rules)
        left = [name for name in fields if name not in choices] if choices else fields
        task.plan = reconcile(monday, postgres, left, rules, self.bound.same)
        self._choose(task, choices, batch)
        self._close(task, choices, batch)
        if self.options.unify and rules.write_monday:
            self._unify(task, monday, postgres)
        if task.adopts:  # what the row showed is still shown by whoever made it
            task.plan.conflicts = [conflict for conflict in task.plan.conflicts if conflict.rule != SHARED]
        batch.conflicts += [(task.item.id, stored.root_id, conflict) for conflict in task.plan.conflicts]
        back = stored.archived and (task.link is None or task.link.archived or bool(task.plan.to_postgres))
        changes = bool(task.plan.to_postgres) or (task.adopts and rules.write_postgres)
        task.operation = "restore" if back and rules.write_postgres else "update" if changes else ""
        if task.operation:
            record = {**stored.record, **task.plan.to_postgres}
            changed = frozenset(task.plan.to_postgres)
            task.upsert = Upsert(
                task.item.id, _rank(task.item), record, changed, stored, back or task.adopts, task.adopts, self._own(task)
            )
        self._tell_monday(task, rules, batch)

    def _own(self, task: Task) -> Record:
        """The item's cells that are known to differ from a row which nobody has edited since."""
        assert task.stored is not None
        return {
            name: task.record.get(name)
            for name in (task.base_postgres.keys() | task.base_monday.keys()) - task.plan.to_postgres.keys()
            if not self.bound.same(name, task.base_monday.get(name), task.base_postgres.get(name))
            and self.bound.same(name, task.stored.record.get(name), task.base_postgres.get(name))
        }

    def _unify(self, task: Task, monday: Side, postgres: Side) -> None:
        """Cells that are known to differ from the row they share are rewritten to show it."""
        for name in self.bound.fields:
            ours, theirs = monday.now.get(name), postgres.now.get(name)
            busy = name in task.plan.to_postgres or name in task.plan.waiting or name in self.bound.read_only
            if not busy and not is_empty(theirs) and not self.bound.same(name, ours, theirs):
                task.plan.to_monday[name] = theirs
                keep_lost(task.plan, name, monday, postgres)

    # A change of another field may move the time of the item, or of the row. What was held is as old as it was then.

    def _cell_changed_at(self, task: Task, name: str) -> datetime | None:
        """When monday.com's side of a field was last changed."""
        held = task.disputes.get(name)
        if held is not None and self._still(name, held.monday, task.record):
            return held.monday_changed_at
        return self.reader.changed_at(name, task.item)

    def _row_changed_at(self, task: Task, name: str) -> datetime | None:
        """When the row was last changed by SQL, as the outbox tells."""
        assert task.stored is not None
        held = task.disputes.get(name)
        if held is not None and self._still(name, held.postgres, task.stored.record):
            return held.postgres_changed_at
        return self._outbox().get(task.stored.root_id) or self.dates.get(task.stored.root_id)

    def _still(self, name: str, kept: object, record: Record) -> bool:
        return self.bound.same(name, from_json(self.bound.kinds[name], kept), record.get(name))

    def _choices(self, task: Task, rules: Rules) -> dict[str, Choice]:
        """What a person has chosen and can be carried out; the rest is as if nobody had chosen."""
        assert task.stored is not None
        theirs, chosen = task.stored.record, self.choices.get(task.item.id, {})
        for name, one in chosen.items():
            one.problem = objection(name, task.record.get(name), theirs.get(name), one, rules, self.bound.same)
        return {name: one for name, one in chosen.items() if not one.problem}

    def _choose(self, task: Task, choices: Map[str, Choice], batch: Batch) -> None:
        """Bring what a person has chosen to both sides."""
        assert task.stored is not None
        for name, choice in choices.items():
            ours, theirs = task.record.get(name), task.stored.record.get(name)
            overrule(task.plan, name, ours, theirs, choice, self.bound.same)
            # Should monday.com not take it, the row's value is all the news there is.
            task.base_monday[name] = task.base_postgres[name] = ours
            batch.settled += [(conflict_id, choice.winner.value) for conflict_id in choice.conflicts]

    def _close(self, task: Task, chosen: Map[str, Choice], batch: Batch) -> None:
        """Conflicts that were open and are none any more: somebody has edited one side until they agreed, for example."""
        assert task.stored is not None
        disputed = {conflict.field for conflict in task.plan.conflicts}
        for name, one in task.disputes.items():
            if name in disputed or name in chosen or name not in self.bound.kinds:
                continue
            shown = {**task.stored.record, **task.plan.to_postgres}.get(name)
            winner = Winner.HELD
            for side, value in ((Winner.MONDAY, one.monday), (Winner.POSTGRES, one.postgres)):
                if self.bound.same(name, from_json(self.bound.kinds[name], value), shown):
                    winner = side
            batch.settled.append((one.id, winner.value))

    def _tell_monday(self, task: Task, rules: Rules, batch: Batch) -> None:
        clear = task.copied_sync_id and rules.write_monday
        if not task.plan.to_monday and not clear:
            return
        assert task.stored is not None
        wanted = {**task.record, **task.plan.to_monday}
        fields = tuple(task.plan.to_monday)
        # Until monday.com has answered, nothing is agreed.
        for name in fields:
            for base, before in ((task.plan.base_monday, task.base_monday), (task.plan.base_postgres, task.base_postgres)):
                base[name] = before.get(name)
        batch.outgoing.append(
            Outgoing(task.item, task.stored.root_id, wanted, task.base_postgres, fields, clear, bool(task.operation))
        )

    # Remembering

    def _remember(self, task: Task, batch: Batch) -> LinkChange | None:
        """What the link becomes; None when there is none to be made, or its item is on its way out."""
        written, plan = task.written, task.plan
        if written is not None:
            for name, value in written.shown.items():
                plan.base_postgres[name] = value
            if written.kept:
                task.warnings.append(f"{NO_KEY} {self.mapping.rest}: {', '.join(written.kept)}")
        root_id = written.root_id if written else task.stored.root_id if task.stored else None
        self._count(task, batch, root_id)
        if task.skip is not None:
            batch.unskipped.append(task.item.id)
        if root_id is None or task.removes_item:
            return None
        if task.copied_sync_id and task.stored is None and self.options.write_monday:
            batch.outgoing.append(Outgoing(task.item, root_id, {}, {}, (), clear_sync_id=True))
        due = self._owes_monday(task)
        status = "disabled" if task.idle else "conflict" if plan.held else "pending" if due else "synced"
        if self.mapping.record_settings:
            batch.statuses[root_id] = status
        return LinkChange(
            monday_id=task.item.id,
            entity_id=root_id,
            base_monday=plan.base_monday,
            base_postgres=plan.base_postgres,
            # What waits is looked at again by the next run, which may have another rule or direction.
            monday_hash=None if self._waits(task) else task.hash,
            monday_updated_at=task.item.updated_at,
            id=task.link.id if task.link else None,
            status=status,
            archived=self._stays_gone(task),
            due=due,
        )

    def _stays_gone(self, task: Task) -> bool:
        """An item that is there again, and a row that this run may not bring back: still nobody's removal."""
        back = task.operation or task.stored is None or not (task.idle or task.stored.archived)
        return task.link is not None and task.link.archived and not back

    def _owes_monday(self, task: Task) -> bool:
        """Whether something that the row shows has not found its way to monday.com yet."""
        if task.stored is None:
            return False
        record = {**task.stored.record, **task.plan.to_postgres}
        return any(
            not self.bound.same(name, record.get(name), task.plan.base_postgres.get(name))
            for name in (*task.plan.waiting, *task.plan.to_monday)
        )

    def _waits(self, task: Task) -> bool:
        """Whether something that monday.com shows has not found its way into PostgreSQL yet."""
        return task.unresolved or any(
            not self.bound.same(name, task.record.get(name), task.plan.base_monday.get(name))
            for name in (*task.plan.waiting, *task.plan.to_monday)
        )

    def _count(self, task: Task, batch: Batch, root_id: str | None) -> None:
        report = batch.report
        if task.plan.conflicts:
            batch.disputed.add(task.item.id)
        if task.plan.held:
            batch.held.add(task.item.id)
            if any(conflict.rule == FIRST_MEETING for conflict in task.plan.held):
                batch.first_held.add(task.item.id)
        for name, reason in task.plan.refused.items():
            batch.log("push", "warning", f"{name}: {reason}", task.item.id, root_id)
        for warning in task.warnings:
            batch.log(task.operation or "pull", "warning", warning, task.item.id, root_id)
        if not task.operation:
            report.unchanged += not (task.plan.to_monday or (task.removes_item and self.options.write_monday))
            report.updated += bool(task.plan.to_monday) and self.options.dry_run
        else:
            self._count_operation(task, batch, root_id)
        if self.options.dry_run and task.plan.to_monday:
            report.to_monday.updated += 1
            batch.plans.append(f"update item {task.item.id}: {', '.join(sorted(task.plan.to_monday))}")

    def _count_operation(self, task: Task, batch: Batch, root_id: str | None) -> None:
        report, changed = batch.report, sorted(task.plan.to_postgres)
        if task.operation == "create":
            report.created += 1
            report.to_postgres.created += 1
        else:
            report.restored += task.operation == "restore"
            report.updated += task.operation == "update"
            report.to_postgres.updated += 1
        message = f"created from item {task.item.id}" if task.operation == "create" else ", ".join(changed)
        batch.log(task.operation, "success", message, task.item.id, root_id)
        if self.options.dry_run:
            batch.plans.append(f"{task.operation} {self.mapping.entity_type} {task.item.id}: {', '.join(changed)}")

    def _save(self, tx: Transaction, answers: Map[str, Answer], batch: Batch) -> None:
        if batch.unskipped:
            self.state.skipped.remove(tx, batch.unskipped)
        if batch.skips:
            self.state.skipped.add(tx, batch.skips)
        for answer in answers.values():
            self._save_answer(tx, answer, batch)
        if batch.statuses:
            self.store.set_status(tx, batch.statuses)
        self.state.conflicts.save(tx, batch.conflicts)
        self.state.conflicts.close(tx, batch.settled)
        self.state.log.append(tx, batch.logs)

    def _save_answer(self, tx: Transaction, answer: Answer, batch: Batch) -> None:
        if answer.made_under:
            message = f"item made of {self.mapping.entity_type} {answer.root_id}"
            batch.log("create", "success", message, answer.item.id, answer.root_id)
        elif answer.sent:
            batch.log("push", "success", ", ".join(sorted(answer.sent)), answer.item.id, answer.root_id)
        if answer.refused:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(answer.refused.items()))
            batch.log("push", "error", reasons, answer.item.id, answer.root_id)
            batch.report.set_aside += self.state.waiting.refuse_change(tx, answer.root_id, reasons)
            if self.mapping.record_settings:
                batch.statuses[answer.root_id] = "error"

    # Items that are gone

    def remove(self, monday_ids: Sequence[str]) -> None:
        """Deal with rows whose items are gone, as the mapping says. A row edited since then stays."""
        report = EntityReport(self.mapping.entity, self.state.board_id)

        def work(tx: Transaction) -> EntityReport:
            take_turn(tx)
            return self.remove_within(tx, monday_ids)

        if self.options.dry_run:
            self.plans += [f"archive {self.mapping.entity_type} {monday_id}" for monday_id in monday_ids]
            report.archived = report.to_postgres.archived = len(monday_ids)
        else:
            report = self.db.run_in_transaction(work, snapshot=True)
        self.report.add(report)

    def remove_within(self, tx: Transaction, monday_ids: Sequence[str]) -> EntityReport:
        """The same in a transaction that does more."""
        report = EntityReport(self.mapping.entity, self.state.board_id)
        links = self.state.links.find(tx, [(monday_id, "") for monday_id in monday_ids]).links
        stored = self.store.load(tx, [link.entity_id for link in links.values() if link.entity_id])
        edited_ones = self._edited_alone(tx, links.values(), stored)
        entries: list[LogEntry] = []
        gone: list[str] = []
        ends: dict[str, list[str]] = {"archived": [], "conflict": [], "disabled": []}
        for monday_id, link in links.items():
            rows = stored.get(link.entity_id or "")
            if not self._may(TO_POSTGRES, link, rows):
                ends["disabled"].append(monday_id)  # its row follows once the record's settings let it
                continue
            edited = rows is not None and rows.root_id in edited_ones
            stays = rows is not None and not rows.archived and edited
            ends["conflict" if stays else "archived"].append(monday_id)
            if stays:
                entries.append(LogEntry("archive", "warning", "item is gone, but the row was edited: it stays", monday_id))
            elif rows is not None and self.mapping.on_item_removed != "ignore" and not edited:
                gone.append(rows.root_id)
                entries.append(LogEntry(self.mapping.on_item_removed, "success", "item is gone", monday_id, rows.root_id))
        if self.mapping.on_item_removed == "delete":
            self.store.delete(tx, gone)
        else:
            self.store.archive(tx, gone)
        for status, ids in ends.items():
            self.state.links.archive(tx, ids, status)
        self.state.log.append(tx, entries)
        report.archived = report.to_postgres.archived = len(gone)
        return report

    def waiting_for_a_free_key(self, tx: Transaction) -> list[str]:
        """Items that were left out because another one had their key, and whose key nobody has any more."""
        parts = len(self.mapping.key)
        waiting = [(monday_id, key_from(key, parts)) for monday_id, key in self.state.skipped.with_keys(tx)]
        taken = self.store.holders(tx, [key for _, key in waiting]) if parts else {}
        return [monday_id for monday_id, key in waiting if (holder := taken.get(key)) is None or holder.gone]


def _rank(item: Item) -> tuple[str, int]:
    # The form in which the store reads it back from a link, so that the two can be compared.
    return item.updated_at or "", int(item.id)


def _tell(batch: Batch, entity_type: str) -> None:
    """A line for each error, and one for all warnings of a kind: sync_logs names every item."""
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
