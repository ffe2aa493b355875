"""Decides field by field: compares both sides of a record with what they last agreed on, and says what to do.

Pure: no I/O, no clock, no randomness. Every way of running the tool, and every test of a rule, reads the plan made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct, field

from models import Conflict, Record, Value, Winner

CLOCKS_CANNOT_TELL = timedelta(seconds=2)
"""Two systems' clocks only rank a conflict when the changes lie at least this far apart."""

RULES = ("newest", "monday", "postgres", "manual")
READ_ONLY = "read-only"
"""What decides about a column that only monday.com can write."""
READ_ONLY_COLUMN = "monday.com computes this column, or the mapping keeps it read-only"
SHARED = "shared"
"""What decides between an item and a shared row that it showed otherwise: which of the two has changed."""


class Move(Enum):
    """Names what becomes of one field."""

    SETTLED = "settled"  # nothing changed since both sides were last seen
    AGREED = "agreed"  # changed on both sides, and equal now
    TO_POSTGRES = "to_postgres"
    TO_MONDAY = "to_monday"
    CONFLICT = "conflict"


Same = Callable[[str, Value, Value], bool]
"""(field, a, b) → whether the two canonical values mean the same."""


class Side(Struct, frozen=True):
    """Holds a side of a record: what it shows now, what it showed when both sides last agreed, and when it changed."""

    now: Record
    base: Record
    changed_at: Mapping[str, datetime | None] = field(default_factory=dict)


class Rules(Struct, frozen=True):
    """Says how conflicts are settled, which fields may flow which way, and which sides this run may write."""

    default: str = "newest"
    by_field: Mapping[str, str] = field(default_factory=dict)
    read_only: Mapping[str, str] = field(default_factory=dict)  # field → error | ignore | revert
    write_postgres: bool = True
    write_monday: bool = True
    settling: frozenset[str] = frozenset()
    """Fields that follow from what monday.com was just told; any run may write them to PostgreSQL."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Fields that PostgreSQL refuses, with its words."""

    def rule_for(self, name: str) -> str:
        """Returns the rule of a field, or the mapping's own."""
        return self.by_field.get(name, self.default)


class FieldPlan(Struct):
    """Holds what one record needs: in `to_*` the values to write; the `base_*` are true once these are written."""

    to_postgres: Record = field(default_factory=dict)
    to_monday: Record = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    base_monday: Record = field(default_factory=dict)
    base_postgres: Record = field(default_factory=dict)

    @property
    def held(self) -> list[Conflict]:
        """Returns the conflicts that only a user can settle."""
        return [conflict for conflict in self.conflicts if conflict.winner is Winner.HELD]

    @property
    def quiet(self) -> bool:
        """Tells whether there is nothing to write."""
        return not (self.to_postgres or self.to_monday)


def decide(monday_base: Value, postgres_base: Value, monday: Value, postgres: Value, same: Callable[..., bool]) -> Move:
    """Compares both sides of one field with what each showed when they last agreed.

    The bases may differ: an item that shows a shared row unlike its neighbours is known to differ, and that is no news.
    """
    monday_changed = not same(monday, monday_base)
    postgres_changed = not same(postgres, postgres_base)
    # neither side has changed
    if not monday_changed and not postgres_changed:
        return Move.SETTLED
    # changed, and equal now
    if same(monday, postgres):
        return Move.AGREED
    # both changed, to different values
    if monday_changed and postgres_changed:
        return Move.CONFLICT
    # one side changed
    return Move.TO_POSTGRES if monday_changed else Move.TO_MONDAY


def winner_of(rule: str, monday_at: datetime | None, postgres_at: datetime | None) -> Winner:
    """Settles a conflict by rule. `newest` needs two known times, farther apart than two clocks may differ."""
    # the rule names a side
    if rule in ("monday", "postgres"):
        return Winner(rule)
    # left to a user, or a time unknown
    if rule != "newest" or monday_at is None or postgres_at is None:
        return Winner.HELD
    # too close for two clocks
    if abs(monday_at - postgres_at) < CLOCKS_CANNOT_TELL:
        return Winner.HELD
    return Winner.MONDAY if monday_at > postgres_at else Winner.POSTGRES


def reconcile(monday: Side, postgres: Side, fields: Iterable[str], rules: Rules, same: Same) -> FieldPlan:
    """Plans a record that both sides hold. What this run may not write waits, and stays news for a run that may."""
    plan = FieldPlan(base_monday=dict(monday.base), base_postgres=dict(postgres.base))
    for name in fields:
        cell, value = monday.now.get(name), postgres.now.get(name)
        cell_base, value_base = monday.base.get(name), postgres.base.get(name)
        # equal without a closer look
        if cell == cell_base and value == value_base:
            continue
        move = decide(cell_base, value_base, cell, value, lambda a, b, name=name: same(name, a, b))
        if move is Move.SETTLED:
            continue
        if move is Move.AGREED:
            _keep(plan, name, cell, value)
        elif move is Move.CONFLICT:
            _settle(plan, name, monday, postgres, rules)
        else:
            if move is Move.TO_POSTGRES:
                _to_postgres(plan, name, cell, rules)
            else:
                _to_monday(plan, name, cell, value, rules)
            # known to differ before
            if not same(name, cell_base, value_base):
                keep_lost(plan, name, monday, postgres)
    return plan


class Choice(Struct, frozen=True):
    """Holds a user's decision about a field: which value both sides are to show, and what they showed in the conflict."""

    winner: Winner
    monday: Value
    postgres: Value
    conflicts: tuple[str, ...] = ()
    force: bool = False

    @property
    def value(self) -> Value:
        """Returns what both sides are to show."""
        return self.monday if self.winner is Winner.MONDAY else self.postgres


def objection(name: str, monday: Value, postgres: Value, choice: Choice, rules: Rules, same: Same) -> str:
    """Returns why a user's choice cannot be carried out, or nothing. Edits made since then are not overwritten."""
    known = (choice.monday, choice.postgres)
    # edited since the conflict
    for side, shown in (("monday.com", monday), ("PostgreSQL", postgres)):
        if not choice.force and not any(same(name, shown, value) for value in known):
            return f"{side} shows another value since then"
    to_postgres, to_monday = not same(name, postgres, choice.value), not same(name, monday, choice.value)
    # only monday.com can write it
    if to_monday and name in rules.read_only:
        return READ_ONLY_COLUMN
    # a side that may not be written
    if (to_postgres and not rules.write_postgres) or (to_monday and not rules.write_monday):
        return "the mapping's or the record's direction does not let it through"
    return ""


def overrule(plan: FieldPlan, name: str, monday: Value, postgres: Value, choice: Choice, same: Same) -> None:
    """Plans what a user has chosen: the value comes to the side that lacks it."""
    if not same(name, postgres, choice.value):
        plan.to_postgres[name] = choice.value
    if not same(name, monday, choice.value):
        plan.to_monday[name] = choice.value
    _keep(plan, name, choice.value, choice.value)


def keep_lost(plan: FieldPlan, name: str, monday: Side, postgres: Side) -> None:
    """Keeps a value that is written over: both sides were known to differ, so that it may be the later value."""
    if name in plan.to_postgres and postgres.now.get(name) is not None:
        plan.conflicts.append(_conflict(name, monday, postgres, SHARED, Winner.MONDAY))
    elif name in plan.to_monday and monday.now.get(name) is not None:
        plan.conflicts.append(_conflict(name, monday, postgres, SHARED, Winner.POSTGRES))


def _keep(plan: FieldPlan, name: str, monday: Value, postgres: Value) -> None:
    plan.base_monday[name] = monday
    plan.base_postgres[name] = postgres


def _to_postgres(plan: FieldPlan, name: str, value: Value, rules: Rules) -> None:
    may = rules.write_postgres or name in rules.settling
    # this run may not write it, or PostgreSQL refuses it
    if not may or name in rules.withheld:
        plan.waiting.add(name)
        return
    plan.to_postgres[name] = value
    _keep(plan, name, value, value)


def _to_monday(plan: FieldPlan, name: str, monday: Value, postgres: Value, rules: Rules) -> None:
    policy = rules.read_only.get(name)
    # read-only, and may differ
    if policy == "ignore":
        plan.base_postgres[name] = postgres
    # read-only: the row is set back
    elif policy == "revert":
        _to_postgres(plan, name, monday, rules)
    # this run may not write it
    elif not rules.write_monday:
        plan.waiting.add(name)
    # read-only: reported
    elif policy is not None:
        plan.refused[name] = READ_ONLY_COLUMN
    else:
        plan.to_monday[name] = postgres
        _keep(plan, name, postgres, postgres)


def _settle(plan: FieldPlan, name: str, monday: Side, postgres: Side, rules: Rules) -> None:
    cell, value = monday.now.get(name), postgres.now.get(name)
    # only monday.com can have the last word on what only it can write
    if name in rules.read_only:
        rule, winner = READ_ONLY, Winner.MONDAY
    else:
        rule = rules.rule_for(name)
        winner = winner_of(rule, monday.changed_at.get(name), postgres.changed_at.get(name))
    plan.conflicts.append(_conflict(name, monday, postgres, rule, winner))
    # left to a user
    if winner is Winner.HELD:
        plan.waiting.add(name)
    # When this run may not write PostgreSQL, its value is superseded all the same: what monday.com shows from now on is
    # the news, also what it showed before.
    elif winner is Winner.MONDAY:
        _keep(plan, name, value, value)
        _to_postgres(plan, name, cell, rules)
    else:
        _keep(plan, name, cell, cell)
        _to_monday(plan, name, cell, value, rules)


def _conflict(name: str, monday: Side, postgres: Side, rule: str, winner: Winner) -> Conflict:
    return Conflict(
        field=name,
        base=monday.base.get(name),
        monday=monday.now.get(name),
        postgres=postgres.now.get(name),
        monday_changed_at=monday.changed_at.get(name),
        postgres_changed_at=postgres.changed_at.get(name),
        rule=rule,
        winner=winner,
    )
