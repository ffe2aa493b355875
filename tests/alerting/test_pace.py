"""Checks when a daemon judges: seldom while nothing happens, and soon after anything has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from db_connector import Database
from main import compose
from realtime.alerting import Judge, Pace
from realtime.daemon import open_daemon
from state.quiet import is_quiet
from state.runs import Runs
from tests.kit.live import QUICK, LiveWorld
from tests.kit.waiting import until

QUICKLY = Pace(first_s=0.01, every_s=0.05, quiet_s=3600)
FAILED = [{"entity": "contacts", "problem": "MondayUnavailable"}]
ONGOING = {
    "a run": "insert into sync_runs (kind, direction, outcome) values ('command', 'monday_to_pg', 'running')",
    "an event": "insert into sync_inbox (trigger_id, monday_board_id, event, body) values ('t', '1', 'e', '{}')",
    "a change": "insert into sync_outbox (entity_type, table_name, row_id, operation)"
    " values ('contact', 'contacts', '1', 'update')",
    "a refused change": "insert into sync_mapping (entity_type, entity_id, next_try_at) values ('contact', '1', now())",
    "a creation in doubt": "insert into sync_intents (key, entity_type, monday_board_id, kind, document)"
    " values ('k', 'contact', '1', 'items', '{}')",
}
FAILS = "insert into sync_alerts (subject, rule, state, told) values ('queue', 'queue', 'failing', 'ok')"
RECOVERED = "insert into sync_alerts (subject, rule, state, told) values ('queue', 'queue', 'ok', 'failing')"
MESSAGE = """
insert into sync_alert_deliveries (subject, rule, kind, title, body) values ('queue', 'queue', 'failing', 't', 'b')
"""


@contextmanager
def judging(here: LiveWorld, hears: bool = True) -> Iterator[tuple[Judge, Callable[[], int]]]:
    """Yields a judge at work, and what tells how many statements its looks have sent."""
    stopping, heard = threading.Event(), threading.Event()
    if hears:
        heard.set()
    with open_daemon(compose(), here.settings, ("contacts",), QUICK) as daemon:
        judge, before = Judge(daemon.parts, stopping, heard, QUICKLY), daemon.parts.db.statements
        judge.start()
        try:
            yield judge, lambda: daemon.parts.db.statements - before
        finally:
            stopping.set()
            judge.news.set()
            judge.join(10)


def at_rest(sent: Callable[[], int]) -> int:
    """Waits until no statement was sent for twenty looks, and returns how many were sent before."""
    for _ in range(60):
        before = sent()
        time.sleep(1)
        if before and sent() == before:
            return before
    raise AssertionError(f"{sent()} statements, and no end of it")


def test_nothing_is_judged_while_nothing_happens_and_soon_after_news(here: LiveWorld) -> None:
    with judging(here) as (judge, sent):
        before = at_rest(sent)
        judge.news.set()
        until(lambda: sent() > before, what="a look after news")
        at_rest(sent)


@pytest.mark.parametrize("what", ONGOING)
def test_all_is_judged_again_and_again_while_something_goes_on(here: LiveWorld, what: str) -> None:
    here.change(ONGOING[what])
    with judging(here) as (_, sent):
        until(lambda: sent() > 300, what="ten looks")


def test_all_is_judged_again_and_again_while_no_news_can_come(here: LiveWorld) -> None:
    with judging(here, hears=False) as (_, sent):
        until(lambda: sent() > 300, what="ten looks")


@pytest.mark.parametrize("statement", [*ONGOING.values(), FAILS, RECOVERED], ids=[*ONGOING, "fails", "recovered"])
def test_what_goes_on_waits_or_fails_is_no_quiet(db: Database, statement: str) -> None:
    with db.transaction() as tx:
        assert is_quiet(tx, delivers=True)
        tx.execute(statement)
        assert not is_quiet(tx, delivers=False)


def test_a_message_waits_only_for_a_process_that_delivers(db: Database) -> None:
    with db.transaction() as tx:
        tx.execute(MESSAGE)
        assert is_quiet(tx, delivers=False) and not is_quiet(tx, delivers=True)


def test_the_beginning_and_the_end_of_a_run_are_news_to_those_who_judge_and_wake_no_worker(live) -> None:
    judge, worker = live.daemon.judge, next(iter(live.daemon.workers.values()))
    live.settle()
    runs = Runs(live.world.db)
    for step in (
        lambda: runs.start("command", "monday_to_pg"),
        lambda: runs.finish(
            live.world.value("select id::text from sync_runs where kind = 'command'"), 1, "failed", "", FAILED, {}
        ),
    ):
        worked = worker.last_success
        judge.news.clear()
        step()
        until(judge.news.is_set, what="news of a run")
        time.sleep(0.5)
        assert worker.last_success == worked
