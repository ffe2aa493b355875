"""Takes the planner alone through 100,000 random histories over a model of the two sides, made of dictionaries.

A history is some edits on either side, runs in any direction under any rule, and then quiet. Every value that is written
is unlike all others, so what became of it can be told.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from msgspec import Struct, field

from models import Conflict, Winner
from sync.reconcile import Rules, Side, reconcile

HISTORIES = 100_000
WORKERS = 4
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PLAIN = ("name", "amount", "place")
COMPUTED = "formula"
FIELDS = (*PLAIN, COMPUTED)
SIDES = ("monday", "postgres")


def same(name, a, b):
    """Compares two values: a blank is no value, and case does not count in a place."""
    if not a or not b:
        return not a and not b
    return a == b or (name == "place" and a.lower() == b.lower())


class Model(Struct):
    """Holds one record on two sides, what is remembered of it, and what became of every value that a user wrote."""

    rule: str
    by_field: dict[str, str]
    policy: str
    now: dict = field(default_factory=lambda: {side: {} for side in SIDES})
    base: dict = field(default_factory=lambda: {side: {} for side in SIDES})
    changed_at: dict = field(default_factory=lambda: {side: {} for side in SIDES})
    moment: datetime = START
    written: list = field(default_factory=list)
    replaced: set = field(default_factory=set)
    conflicts: list[Conflict] = field(default_factory=list)

    def edit(self, side: str, name: str, value: str | None) -> None:
        self.replaced.add((name, self.now[side].get(name)))
        self.now[side][name] = value
        self.changed_at[side][name] = self.moment
        if value is not None:
            self.written.append((side, name, value))

    def plan(self, write_postgres: bool, write_monday: bool, prefer: str | None):
        rules = Rules(
            prefer or self.rule, {} if prefer else self.by_field, {COMPUTED: self.policy}, write_postgres, write_monday
        )
        sides = {side: Side(dict(self.now[side]), self.base[side], self.changed_at[side]) for side in SIDES}
        return reconcile(sides["monday"], sides["postgres"], FIELDS, rules, same)

    def run(self, write_postgres: bool = True, write_monday: bool = True, prefer: str | None = None):
        plan = self.plan(write_postgres, write_monday, prefer)
        assert write_postgres or not plan.to_postgres
        assert write_monday or not plan.to_monday
        assert COMPUTED not in plan.to_monday
        self.now["postgres"].update(plan.to_postgres)
        self.now["monday"].update(plan.to_monday)
        self.base = {"monday": plan.base_monday, "postgres": plan.base_postgres}
        self.conflicts += plan.conflicts
        return plan


def steps(model: Model, chance: random.Random) -> Iterator[str]:
    """Does some steps of a history, and returns each in words."""
    number = 0
    for _ in range(chance.randrange(1, 9)):
        model.moment += timedelta(seconds=chance.choice((0, 1, 1, 3, 60)))
        draw = chance.random()
        if draw < 0.65:
            side, name = chance.choice(SIDES), chance.choice(FIELDS)
            other = model.now["postgres" if side == "monday" else "monday"].get(name)
            number += 1
            value = chance.choice((f"v{number}", f"v{number}", f"v{number}", None, other, str(other or "x").upper()))
            model.edit(side, name, value)
            yield f"{side}: {name} = {value!r}"
        else:
            ways = chance.choice(((True, True), (True, False), (False, True)))
            prefer = chance.choice((None, None, None, "monday", "postgres", "newest", "manual"))
            before = {side: dict(values) for side, values in model.now.items()}
            plan = model.run(*ways, prefer)
            assert ways[0] or model.now["postgres"] == before["postgres"]
            assert ways[1] or model.now["monday"] == before["monday"]
            again = model.plan(*ways, prefer)
            assert again.quiet, "a run whose own writes are news to it"
            assert again.waiting == plan.waiting
            yield f"run {ways} {prefer}"


def check_quiet(model: Model) -> None:
    """Checks that after quiet both sides are equal, no value is lost, and there is nothing more to do."""
    model.run()
    model.run(prefer="monday")
    last = model.run()
    assert last.quiet and not last.waiting and not last.conflicts
    for name in FIELDS:
        ours, theirs = model.now["monday"].get(name), model.now["postgres"].get(name)
        if name == COMPUTED and model.policy != "revert":
            assert same(name, ours, theirs) or same(name, theirs, model.base["postgres"].get(name)) or last.refused
        else:
            assert same(name, ours, theirs), f"{name}: {ours!r} and {theirs!r}"
    shown = {(name, value) for side in SIDES for name, value in model.now[side].items()}
    disputed = {
        (conflict.field, value) for conflict in model.conflicts for value in (conflict.monday, conflict.postgres)
    }
    for side, name, value in model.written:
        if name == COMPUTED and side == "postgres" and model.policy != "error":
            continue  # what a user writes there is passed over, or taken back, as the mapping says
        kept = any(
            same(name, value, other)
            for where in (shown, model.replaced, disputed)
            for field, other in where
            if field == name
        )
        assert kept, f"{value!r} of {name} on {side} is lost"


def history(seed: str) -> None:
    """Tells one history, the same for the same seed. What fails says how to see it again."""
    chance = random.Random(seed)
    by_field = {"amount": chance.choice(("monday", "postgres", "manual"))} if chance.random() < 0.3 else {}
    model = Model(
        chance.choice(("newest", "monday", "postgres", "manual")),
        by_field,
        chance.choice(("error", "ignore", "revert")),
    )
    told = []
    try:
        for step in steps(model, chance):
            told.append(step)
        check_quiet(model)
    except AssertionError as exc:
        settings = f"rule {model.rule}, {model.by_field}, read-only: {model.policy}"
        raise AssertionError(f"history {seed!r}: {exc}\n{settings}\n" + "\n".join(told)) from None


@pytest.mark.parametrize("worker", range(WORKERS))
def test_any_edits_and_runs_end_equal_with_nothing_lost(worker):
    for number in range(HISTORIES // WORKERS):
        history(f"planner-{worker}-{number}")


def test_a_value_that_loses_a_conflict_stands_in_it():
    model = Model("monday", {}, "error")
    model.edit("monday", "name", "Ann")
    model.edit("postgres", "name", "Bob")

    model.run()

    (conflict,) = model.conflicts
    assert (conflict.monday, conflict.postgres, conflict.winner) == ("Ann", "Bob", Winner.MONDAY)
    assert model.now["postgres"]["name"] == "Ann"


@pytest.mark.parametrize("winner", ["monday", "postgres"])
def test_the_winner_of_a_conflict_in_a_run_that_may_not_say_so_may_still_take_its_change_back(winner):
    loser = "postgres" if winner == "monday" else "monday"
    model = Model(winner, {}, "error")
    model.edit(winner, "name", "Ann")
    model.edit(loser, "name", "Bob")
    model.run(write_postgres=winner == "postgres", write_monday=winner == "monday")
    model.edit(winner, "name", None)

    model.run()

    assert model.now[loser]["name"] is model.now[winner]["name"] is None
