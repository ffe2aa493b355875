"""Draws histories: a state machine whose rules are what users, faults and kills can do.

What is drawn never depends on what the sides answer, so the same seed tells the same story. A rule that finds nothing
to act on does nothing.
"""

from __future__ import annotations

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.histories.history import History
from tests.histories.people import BoardUser, Draws, SqlUser
from tests.histories.world import Setup, World

NUMBERS = st.integers(0, 41)
FEW_FIELDS = st.dictionaries(NUMBERS, NUMBERS, max_size=5)
SIDES = st.sampled_from(["monday", "sql"])
KINDS = st.sampled_from(["both", "both", "pull", "push"])
PREFER = st.sampled_from([None, None, None, "monday", "postgres", "newest"])
UNITS = st.sampled_from(["statement", "before", "after"])
REMOVALS = st.sampled_from(["archive", "delete"])
FLOWS = st.sampled_from(["bidirectional", "monday_to_pg", "pg_to_monday", "none"])
CHANGES = st.sampled_from([1, 5, 400, 2_000, 100_000, "newest", "monday", "postgres", "manual", "title", "title"])
FAULTS = (
    {"kind": "html_502"},
    {"kind": "html_504", "applied": True},
    {"kind": "reset"},
    {"kind": "lost_answer"},
    {"kind": "lost_answer"},
    {"kind": "cut"},
    {"kind": "partial", "rows": 1},
    {"kind": "drop_item"},
    {"kind": "drop_page"},
    {"kind": "empty_listing"},
    {"kind": "drop_cell"},
    {"kind": "lagging_reads", "seconds": 10},
    {"kind": "html_503", "count": 100},
)

EDITS = st.tuples(NUMBERS, NUMBERS, NUMBERS)
"""Which record, which field, and what is written."""

after_a_creation = precondition(lambda self: self.created > 0)
after_two_creations = precondition(lambda self: self.created > 1)
after_a_removal = precondition(lambda self: self.removed > 0)


class Drawing(RuleBasedStateMachine):
    """Begins a history, says what a drawn number means in it, and judges it at its end."""

    world: ClassVar[World]
    profiles: ClassVar[tuple[str, ...]] = ("jobs", "jobs", "jobs", "projects")

    def __init__(self) -> None:
        super().__init__()
        self.history: History | None = None
        self.created = self.removed = 0
        """How many creations and removals were drawn, whatever came of them."""

    @property
    def h(self) -> History:
        assert self.history is not None
        return self.history

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        choose = lambda *values: data.draw(st.sampled_from(values))  # noqa: E731
        setup = Setup(
            profile=choose(*self.profiles),
            rule=choose("newest", "newest", "monday", "postgres", "manual"),
            item_removed=choose("archive", "archive", "delete", "ignore"),
            row_removed=choose("archive", "archive", "delete", "ignore"),
            triggers=choose(True, True, False),
            sync_id=choose(True, True, False),
            skew=choose(0, 0, 10, -10, -100_000),
            without_key=choose("own", "metadata"),
            key_changed=choose("rename", "relink"),
            at_last=choose("monday", "postgres"),
        )
        self.history = History(self.world, setup)
        self.h.notes.tell(setup)
        shared = [number for number, field in enumerate(self.h.sides.profile.fields) if field.shared]
        for side in choose("", "m", "s", "ms", "sm", "mms", "mss"):
            draws = dict.fromkeys(shared, data.draw(st.integers(1, 3)))
            self._create("monday" if side == "m" else "sql", draws)
        first = choose("both", "both", "pull", "push", None)
        if first:
            self.h.run(first)

    # What a drawn number means

    def _draws(self, many: dict[int, int]) -> Draws:
        return {self._field(number): draw for number, draw in many.items()}

    def _field(self, number: int) -> str:
        fields = self.h.sides.profile.fields
        return fields[number % len(fields)].name

    def _code(self, number: int) -> str:
        codes = self.h.notes.codes
        return codes[number % len(codes)]

    def _user(self, side: str) -> BoardUser | SqlUser:
        return self.h.monday if side == "monday" else self.h.sql

    def _create(self, side: str, many: dict[int, int]) -> None:
        self.created += 1
        self._user(side).create(self._draws(many))

    def _edit(self, side: str, edit: tuple[int, int, int]) -> None:
        which, name, draw = edit
        self._user(side).edit(self._code(which), self._field(name), draw)

    def _remove(self, side: str, which: int, how: str) -> None:
        self.removed += 1
        self._user(side).remove(self._code(which), how)

    def teardown(self) -> None:
        if self.history is None:
            return
        try:
            self.h.quiet()
        except BaseException as exc:
            if hasattr(exc, "add_note"):
                exc.add_note("\n".join(self.h.notes.told))
            raise


class EditedByUsers(Drawing):
    """Draws what users do on either side."""

    @rule(many=FEW_FIELDS)
    def monday_creates(self, many):
        self._create("monday", many)

    @rule(many=FEW_FIELDS)
    def sql_creates(self, many):
        self._create("sql", many)

    @after_a_creation
    @rule(edit=EDITS)
    def monday_edits(self, edit):
        self._edit("monday", edit)

    @after_a_creation
    @rule(edit=EDITS)
    def sql_edits(self, edit):
        self._edit("sql", edit)

    @after_a_creation
    @rule(edit=EDITS, other=NUMBERS)
    def both_edit(self, edit, other):
        which, name, _ = edit
        self._edit("monday", edit)
        self._edit("sql", (which, name, other))

    @after_a_creation
    @rule(edit=EDITS, how=REMOVALS, removing=SIDES, edit_first=st.booleans(), then=KINDS)
    def edits_what_the_other_side_removes(self, edit, how, removing, edit_first, then):
        editing = "sql" if removing == "monday" else "monday"
        if edit_first:
            self._edit(editing, edit)
        self._remove(removing, edit[0], how)
        if not edit_first:
            self._edit(editing, edit)
        self.h.run(then)

    @after_a_creation
    @rule(which=NUMBERS, how=REMOVALS)
    def monday_removes(self, which, how):
        self._remove("monday", which, how)

    @after_a_creation
    @rule(which=NUMBERS, how=REMOVALS)
    def sql_removes(self, which, how):
        self._remove("sql", which, how)

    @after_a_removal
    @rule(which=NUMBERS, side=SIDES)
    def restores(self, which, side):
        self._user(side).restore(self._code(which))

    @after_a_creation
    @rule(which=NUMBERS)
    def duplicates(self, which):
        self.created += 1
        self.h.monday.duplicate(self._code(which))

    @after_two_creations
    @rule(which=NUMBERS, other=NUMBERS)
    def sql_relates(self, which, other):
        self.h.sql.relate(self._code(which), self._code(other))

    @after_a_creation
    @rule(which=NUMBERS, enabled=st.booleans(), direction=FLOWS)
    def changes_a_setting(self, which, enabled, direction):
        self.h.sql.set_flow(self._code(which), enabled, direction)

    @rule(what=CHANGES)
    def something_else_changes(self, what):
        if isinstance(what, int):
            self.h.pass_time(what)
        elif what == "title":
            self.h.monday.rename_column("extra")
        else:
            self.h.change_rule(what)


class Run(Drawing):
    """Draws runs, and what befalls them."""

    @rule(kind=KINDS, prefer=PREFER, full=st.booleans(), size=st.sampled_from([500, 2, 1]))
    def runs(self, kind, prefer, full, size):
        self.h.run(kind, prefer=prefer, full=full, batch_size=size)

    @rule(kind=KINDS)
    def runs_plainly(self, kind):
        self.h.run(kind)

    @rule(kind=KINDS, fault=st.sampled_from(FAULTS), nth=st.integers(1, 6), full=st.booleans())
    def runs_in_trouble(self, kind, fault, nth, full):
        match = {"nth": nth}
        if fault["kind"] == "lost_answer":
            match = {"nth": 1 + nth % 2, "operation": "mutation"}
        if fault["kind"] == "drop_cell":
            fault = {**fault, "column_id": self.h.sides.profile.field(self._field(nth + 1)).column}
        self.h.runs.among_faults(kind, {**fault, "match": match}, full=full)

    @rule(kind=KINDS, at=st.integers(1, 60), unit=UNITS)
    def runs_and_is_killed(self, kind, at, unit):
        self.h.runs.killed(kind, at if unit == "statement" else 1 + at % 8, unit)

    @rule(kind=st.sampled_from(["both", "push"]), at=st.integers(1, 60), unit=UNITS, many=FEW_FIELDS)
    def is_killed_while_it_makes_an_item(self, kind, at, unit, many):
        self._create("sql", many)
        self.h.runs.killed(kind, at if unit == "statement" else 1 + at % 5, unit)

    @after_a_creation
    @rule(kind=KINDS, at=st.integers(1, 7), when=st.sampled_from(["before", "after"]), edit=EDITS, side=SIDES)
    def edits_while_it_runs(self, kind, at, when, edit, side):
        which, name, draw = edit
        code, field = self._code(which), self._field(name)
        if side == "monday":
            act = lambda: self.h.monday.edit(code, field, draw, between=True)  # noqa: E731
        else:
            act = lambda: self.h.sql.edit(code, field, draw)  # noqa: E731
        self.h.runs.among_edits(kind, at, when, act)


class Histories(EditedByUsers, Run):
    """Draws histories."""
