"""Checks runs over several boards: which are worked on at the same time, and in which order the caller is told of them."""

from __future__ import annotations

import threading
from itertools import groupby

import pytest
from msgspec.structs import replace

from db_connector import Database
from monday_api import Monday
from sandbox import Sandbox
from sync.options import PullOptions, RunOptions, processors
from sync.report import EntityReport
from sync.run import Run
from tests.kit.runs import PROGRAM, parts_of
from tests.kit.shipped import MAPPINGS, ORGANIZATIONS, USERS

NAMES = ("first", "second", "third")
TWO = RunOptions(max_workers=None if processors() > 1 else 2)
"""As many boards at the same time as nobody asks for; two also where there is one processor."""


@pytest.fixture
def parts(database_url):
    made = parts_of(Database(database_url), None, {})
    yield made
    made.db.close()


def boards(*names):
    return [(replace(MAPPINGS["users"], entity=name, entity_type=name, after=()), "1") for name in names]


def worked_on(parts, work, options, on_entity=lambda report: None):
    """Makes a run in which `work`, given the name of an entity, is all that is done with it. Returns its report."""

    def done(parts, mapping, board_id, options, run_id):
        work(mapping.entity)
        return EntityReport(mapping.entity, board_id)

    return Run(parts, "monday_to_pg", done, options, on_entity).of(boards(*NAMES))


def test_as_many_boards_as_there_are_processors_but_two_at_most_unless_more_are_asked_for():
    assert RunOptions().boards_at_once == min(2, processors())
    assert [RunOptions(max_workers=n).boards_at_once for n in (1, 2, 4)] == [1, 2, 4]


def test_two_boards_are_worked_on_at_the_same_time(parts):
    both = threading.Barrier(2)

    def meet(entity):
        if entity != "third":
            both.wait(20)

    report = worked_on(parts, meet, TWO)
    assert [(entity.entity, entity.message) for entity in report.entities] == [(name, "") for name in NAMES]


def test_with_one_at_a_time_each_ends_before_the_next_begins(parts):
    seen = []

    def note(entity):
        seen.append(f"{entity} begins")
        seen.append(f"{entity} ends")

    worked_on(parts, note, RunOptions(max_workers=1))
    assert seen == [f"{name} {what}" for name in NAMES for what in ("begins", "ends")]


def test_the_caller_is_told_of_boards_in_the_order_in_which_they_were_chosen(parts):
    told, second_is_done = [], threading.Event()

    def second_first(entity):
        if entity == "first":
            assert second_is_done.wait(20)
        elif entity == "second":
            second_is_done.set()

    worked_on(parts, second_first, TWO, lambda report: told.append(report.entity))
    assert told == list(NAMES)


def test_the_caller_is_told_of_each_board_of_a_run_that_is_interrupted(parts):
    told = []

    def interrupt(entity):
        if entity == "second":
            raise KeyboardInterrupt

    report = worked_on(parts, interrupt, RunOptions(max_workers=1), lambda report: told.append(report.entity))
    assert told == list(NAMES) and report.exit_code == 130


# Readings of whole boards


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:50,organizations:50,contacts:1") as running:
        running.admin("switches", latency_ms=40)
        yield running


def pulled(database_url, sandbox, see, batch_size, options):
    monday = Monday(token=sandbox.token, url=sandbox.graphql_url)
    parts = parts_of(Database(database_url), monday, MAPPINGS, see)
    chosen = [(MAPPINGS["users"], USERS), (MAPPINGS["organizations"], ORGANIZATIONS)]
    options = replace(options, pull=PullOptions(batch_size=batch_size))
    report = Run(parts, "monday_to_pg", PROGRAM.directions["monday_to_pg"], options).of(chosen)
    parts.close()
    return report


def test_of_two_large_boards_all_is_read_of_one_after_the_other(db, database_url, sandbox):
    """Each takes memory, and a second process. With a number of workers a user says that there is room."""
    seen = []
    report = pulled(database_url, sandbox, lambda entity, done, total: seen.append(entity), 10, RunOptions())
    assert report.exit_code in (0, 3) and {entity.read for entity in report.entities} == {50}
    assert len(seen) >= 10 and len(list(groupby(seen))) == 2


def test_small_boards_are_read_at_the_same_time(db, database_url, sandbox):
    reading = {"users": threading.Event(), "organizations": threading.Event()}

    def meet(entity, done, total):
        reading[entity].set()
        assert all(other.wait(20) for other in reading.values())

    report = pulled(database_url, sandbox, meet, 50, TWO)
    assert [(entity.read, entity.failed) for entity in report.entities] == [(50, 0), (50, 0)]
