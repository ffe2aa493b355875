"""Decides what one record needs. Reads the task and the cycle; writes, logs and counts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Map
from datetime import datetime

from msgspec import Struct

from mappings.declaration import ROOT
from models import Conflict, Item, Record, Removal, Winner
from rows.homes import Stored, Upsert
from state.outbox import column_key
from sync.cycle import EITHER_WAY, TO_MONDAY, TO_POSTGRES, Cycle, may
from sync.reconcile import SHARED, Choice, FieldPlan, Rules, Side, keep_lost, objection, overrule, reconcile
from sync.task import Decision, Outgoing, Task
from values.canonical import is_empty
from values.comparing import from_json

FIRST_MEETING = "first meeting"
"""The rule under which unequal fields are held when an item and a row that both had a life before are linked."""


def decide_record(cycle: Cycle, task: Task) -> Decision:
    """Compares both sides, and returns what each needs."""
    stored, link = task.stored, task.link
    # settings let nothing through: undecided, so that a later setting finds everything as it was
    if not may(EITHER_WAY, link, stored):
        return Decision(_as_it_was(task, waiting=set(cycle.bound.fields)), idle=True)
    # row left the entity: no removal, because a new filter or role is none
    if task.foreign:
        return Decision(_as_it_was(task))
    # row may be there, unseen: an edit of its item waits
    if task.hidden:
        return Decision(_as_it_was(task), waits=task.hidden if _item_changed(cycle, task) else "")
    # new item
    if stored is None and link is None:
        return _new_row(cycle, task)
    rules = _rules(cycle, task)
    # row deleted, or never there
    if stored is None:
        return _without_row(cycle, task, rules)
    # row archived, item untouched since
    if stored.archived and link is not None and not link.archived and not _item_changed(cycle, task):
        return _follow_removal(cycle, task, rules)
    return _BothSides(cycle, task, stored, rules).decide()


def _as_it_was(task: Task, waiting: set[str] | None = None) -> FieldPlan:
    return FieldPlan(
        waiting=waiting or set(), base_monday=dict(task.base_monday), base_postgres=dict(task.base_postgres)
    )


def _item_changed(cycle: Cycle, task: Task) -> bool:
    same = cycle.bound.same
    # what is not understood may be an edit
    return bool(task.unread) or any(
        not same(name, task.record.get(name), task.base_monday.get(name)) for name in cycle.bound.fields
    )


def _rank(item: Item) -> tuple[str, int]:
    # The form in which the store reads it back from a link, so that the two can be compared.
    return item.updated_at or "", int(item.id)


# The rules


def _rules(cycle: Cycle, task: Task) -> Rules:
    options = cycle.options
    write_postgres = options.write_postgres and may(TO_POSTGRES, task.link, task.stored)
    write_monday = options.write_monday and may(TO_MONDAY, task.link, task.stored)
    default, by_field = _conflict_rules(cycle, task)
    settling = task.settling if task.settling and _may_settle(cycle, task) else frozenset()
    return Rules(default, by_field, cycle.bound.read_only, write_postgres, write_monday, settling, task.withheld)


def _may_settle(cycle: Cycle, task: Task) -> bool:
    """Returns whether the row may take what follows from the record's own news, in a run that reads no news otherwise."""
    there = task.stored is not None and not task.stored.archived
    return there and cycle.mapping.direction in TO_POSTGRES and may(TO_POSTGRES, task.link, task.stored)


def _conflict_rules(cycle: Cycle, task: Task) -> tuple[str, dict[str, str]]:
    """Returns the rule for all fields, and the rules of single fields."""
    options, declared = cycle.options, cycle.mapping.conflict
    # the user prefers a side
    if options.prefer:
        return options.prefer, {}
    # Clocks say nothing about two sides that lived apart: a user does, or the mapping by a rule of its own.
    first = options.first or declared or FIRST_MEETING
    default = first if task.met else declared or "newest"
    met = [name for name, dispute in task.disputes.items() if dispute.rule == FIRST_MEETING] if task.disputes else None
    by_field = {**dict.fromkeys(met, first), **cycle.declared_rules} if met else cycle.declared_rules
    return default, by_field


# One side only


def _without_row(cycle: Cycle, task: Task, rules: Rules) -> Decision:
    # row deleted, item untouched since
    if task.link is not None and not task.link.archived and not _item_changed(cycle, task):
        return _follow_removal(cycle, task, rules)
    # edited after its row went
    return _new_row(cycle, task)


def _new_row(cycle: Cycle, task: Task) -> Decision:
    """Makes a row of an item."""
    if not (cycle.options.write_postgres and may(TO_POSTGRES, task.link, task.stored)):
        return Decision(_as_it_was(task))
    withheld, record = task.withheld, task.record
    if withheld:
        record = {name: value for name, value in record.items() if name not in withheld}
    # what the row shows may become something else when it is written
    plan = FieldPlan(
        to_postgres=record, waiting={*withheld, *task.unread}, base_monday=record, base_postgres=dict(record)
    )
    return Decision(plan, "create", Upsert(task.item.id, _rank(task.item), record))


def _follow_removal(cycle: Cycle, task: Task, rules: Rules) -> Decision:
    # the mapping keeps items without rows
    if cycle.mapping.on_row_removed == "ignore":
        return Decision(_as_it_was(task))
    removal = Removal(task.item.id, str(task.link.entity_id if task.link else ""))
    return Decision(_as_it_was(task), removes_item=True, removal=removal if rules.write_monday else None)


# Both sides


class Times(Map[str, "datetime | None"]):
    """Tells when fields were changed; looked up when a conflict asks."""

    def __init__(self, fields: Sequence[str], look_up: Callable[[str], datetime | None]) -> None:
        self._fields = fields
        self._look_up = look_up

    def __getitem__(self, name: str) -> datetime | None:
        return self._look_up(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class _BothSides(Struct, frozen=True):
    """Decides about a record that has an item and a row."""

    cycle: Cycle
    task: Task
    stored: Stored
    rules: Rules

    def decide(self) -> Decision:
        """Returns what each side needs."""
        task, unread = self.task, self.task.unread
        fields = [name for name in self.cycle.bound.fields if name not in unread] if unread else self.cycle.bound.fields
        monday = Side(task.record, task.base_monday, Times(fields, self._cell_changed_at))
        postgres = Side(self.stored.record, task.base_postgres, Times(fields, self._row_changed_at))
        decided = self.cycle.hints.choices.get(task.item.id)
        objections = self._objections(decided) if decided else {}
        chosen = {name: choice for name, choice in decided.items() if not objections[name]} if decided else {}
        left = [name for name in fields if name not in chosen] if chosen else fields
        plan = reconcile(monday, postgres, left, self.rules, self.cycle.bound.same)
        plan.waiting.update(unread)
        if chosen:
            monday, postgres = self._carry_out(plan, chosen, monday, postgres)
        settled = [(conflict_id, choice.winner.value) for choice in chosen.values() for conflict_id in choice.conflicts]
        if task.disputes:
            settled += self._closed(plan, chosen)
        if self.cycle.options.unify and self.rules.write_monday:
            self._unify(plan, monday, postgres)
        # the table made its value of the item's own cell: nothing of another's is lost
        if plan.conflicts:
            plan.conflicts = [conflict for conflict in plan.conflicts if not self._is_own_value(conflict)]
        # what the row showed is still shown by the item that made it
        if task.adopts:
            plan.conflicts = [conflict for conflict in plan.conflicts if conflict.rule != SHARED]
        operation, back = self._operation(plan)
        upsert = self._upsert(plan, back, monday.base, postgres.base) if operation else None
        outgoing = self._outgoing(plan, bool(operation), monday.base, postgres.base)
        return Decision(plan, operation, upsert, outgoing, settled=settled, objections=objections)

    def _is_own_value(self, conflict: Conflict) -> bool:
        """Returns whether the row showed a cell unlike the item although no other record shares it."""
        name, bound = conflict.field, self.cycle.bound
        overwritten = conflict.rule == SHARED and conflict.winner is Winner.MONDAY
        return overwritten and bound.places[name].home == ROOT and name not in bound.read_only

    # What a user has decided

    def _objections(self, decided: Map[str, Choice]) -> dict[str, str]:
        """Returns why decisions cannot be carried out; those fields are as if nothing had been decided."""
        monday, postgres, same = self.task.record, self.stored.record, self.cycle.bound.same
        kept = {**self.task.unread, **self.task.withheld}
        return {
            name: kept.get(name) or objection(name, monday.get(name), postgres.get(name), choice, self.rules, same)
            for name, choice in decided.items()
        }

    def _carry_out(self, plan: FieldPlan, chosen: Map[str, Choice], monday: Side, postgres: Side) -> tuple[Side, Side]:
        """Plans the chosen values for both sides. Should monday.com refuse a value, the row's is all the news."""
        shown = {name: monday.now.get(name) for name in chosen}
        for name, choice in chosen.items():
            overrule(plan, name, shown[name], postgres.now.get(name), choice, self.cycle.bound.same)
        return (
            Side(monday.now, {**monday.base, **shown}, monday.changed_at),
            Side(postgres.now, {**postgres.base, **shown}, postgres.changed_at),
        )

    def _closed(self, plan: FieldPlan, chosen: Map[str, Choice]) -> list[tuple[str, str]]:
        """Returns the conflicts (id, winner) that were open and are none any more, by edits for example."""
        kinds, same = self.cycle.bound.kinds, self.cycle.bound.same
        disputed = {conflict.field for conflict in plan.conflicts}
        closed = []
        for name, dispute in self.task.disputes.items():
            if name in disputed or name in chosen or name not in kinds or name in self.task.unread:
                continue
            shown = plan.to_postgres[name] if name in plan.to_postgres else self.stored.record.get(name)
            # the side whose value was kept; of two equal ones PostgreSQL
            winner = Winner.HELD
            for side, value in ((Winner.MONDAY, dispute.monday), (Winner.POSTGRES, dispute.postgres)):
                if same(name, from_json(kinds[name], value), shown):
                    winner = side
            closed.append((dispute.id, winner.value))
        return closed

    # When a field was changed. Another field may move the time of the item or the row: what was held is as old as then.

    def _cell_changed_at(self, name: str) -> datetime | None:
        held = self.task.disputes.get(name)
        if held is not None and self._still(name, held.monday, self.task.record):
            return held.monday_changed_at
        return self.cycle.reader.changed_at(name, self.task.item)

    def _row_changed_at(self, name: str) -> datetime | None:
        held, root_id = self.task.disputes.get(name), self.stored.root_id
        if held is not None and self._still(name, held.postgres, self.stored.record):
            return held.postgres_changed_at
        place, times = self.cycle.bound.places[name], (self.cycle.outbox(), self.cycle.hints.dates)
        columns = (place.column, "") if place.home == ROOT else ()
        keys = [*(column_key(root_id, column) for column in columns), root_id]
        return next((known[key] for known in times for key in keys if key in known), None)

    def _still(self, name: str, kept: object, record: Record) -> bool:
        return self.cycle.bound.same(name, from_json(self.cycle.bound.kinds[name], kept), record.get(name))

    # What is written

    def _unify(self, plan: FieldPlan, monday: Side, postgres: Side) -> None:
        """Plans to rewrite cells that are known to differ from the row they share."""
        for name in self.cycle.bound.fields:
            cell, value = monday.now.get(name), postgres.now.get(name)
            busy = name in plan.to_postgres or name in plan.waiting or name in self.cycle.bound.read_only
            if not busy and not is_empty(value) and not self.cycle.bound.same(name, cell, value):
                plan.to_monday[name] = value
                keep_lost(plan, name, monday, postgres)

    def _operation(self, plan: FieldPlan) -> tuple[str, bool]:
        """Returns what is done to the row, and whether it comes back from the archive."""
        task, writes = self.task, self.rules.write_postgres
        back = self.stored.archived and (task.link is None or task.link.archived or bool(plan.to_postgres))
        # the item is there again, or was edited
        if back and writes:
            return "restore", back
        # fields to write, or a row to take over
        if plan.to_postgres or (task.adopts and writes):
            return "update", back
        return "", back

    def _upsert(self, plan: FieldPlan, back: bool, base_monday: Record, base_postgres: Record) -> Upsert:
        task, same, row = self.task, self.cycle.bound.same, self.stored.record
        # The item's cells that are known to differ from a row that was not edited since.
        own = {
            name: task.record.get(name)
            for name in (base_postgres.keys() | base_monday.keys()) - plan.to_postgres.keys()
            if not same(name, base_monday.get(name), base_postgres.get(name))
            and same(name, row.get(name), base_postgres.get(name))
        }
        record = {**row, **plan.to_postgres}
        changed, restore = frozenset(plan.to_postgres), back or task.adopts
        return Upsert(task.item.id, _rank(task.item), record, changed, self.stored, restore, task.adopts, own)

    def _outgoing(self, plan: FieldPlan, counted: bool, base_monday: Record, base_postgres: Record) -> Outgoing | None:
        """Returns what monday.com is told. Until it has answered, nothing is agreed."""
        task = self.task
        clear = task.copied_sync_id and self.rules.write_monday
        if not plan.to_monday and not clear:
            return None
        fields = tuple(plan.to_monday)
        for name in fields:
            plan.base_monday[name] = base_monday.get(name)
            plan.base_postgres[name] = base_postgres.get(name)
        wanted = {**task.record, **plan.to_monday}
        return Outgoing(task.item, self.stored.root_id, wanted, base_postgres, fields, clear, counted)
