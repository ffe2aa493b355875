"""Checks how a round of work ends: what is done last in its transaction, and when the next round is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from main import compose
from realtime.catch_up import NOTE_AGAIN_S, CatchUp
from realtime.daemon import open_daemon
from realtime.metrics import Metrics
from realtime.rounds import IDLE_S, RoundResult, RoundsInTurn
from state import pauses
from state.values import daemon_key, put
from tests.kit.live import QUICK, LiveWorld
from tests.kit.shipped import CONTACTS


@pytest.fixture
def rounds(here: LiveWorld) -> Iterator[RoundsInTurn]:
    with open_daemon(compose(), here.settings, ("contacts",), QUICK) as daemon:
        yield RoundsInTurn(daemon.parts, daemon.workers[CONTACTS].mapping, CONTACTS, QUICK, Metrics())


def test_what_ends_a_round_is_committed_with_it_also_while_the_entity_is_paused(here, rounds):
    for number in (1, 2):
        rounds.round(RoundResult(), lambda tx, number=number: put(tx, "round", number))
        assert here.value("select value from sync_state where name = 'round'") == number
        pauses.pause(here.db, "contacts", "a test")


def test_the_round_after_a_pause_with_an_end_is_due_at_that_end(here, rounds):
    assert rounds.round(RoundResult()) == IDLE_S
    pauses.pause(here.db, "contacts", "a test")
    assert rounds.round(RoundResult()) == IDLE_S
    pauses.pause(here.db, "contacts", "a test", datetime.now(timezone.utc) + timedelta(seconds=IDLE_S / 2))
    assert 0 < rounds.round(RoundResult()) < IDLE_S


def test_a_note_that_events_arrive_is_known_to_be_fresh_unless_a_gap_was_found(here, rounds):
    def run(options):
        raise AssertionError("nothing is due")

    catch_up = CatchUp(here.db, rounds.rounds.mapping, QUICK, run)
    assert catch_up.noted_ago_s >= NOTE_AGAIN_S
    long_ago = (datetime.now(timezone.utc) - timedelta(minutes=45)).isoformat()

    def beat(told: str) -> bool:
        with here.db.transaction() as tx:
            put(tx, daemon_key("contacts"), told)
            return catch_up.beat(tx)

    assert beat(long_ago) and catch_up.noted_ago_s >= NOTE_AGAIN_S
    assert not beat(datetime.now(timezone.utc).isoformat()) and catch_up.noted_ago_s < NOTE_AGAIN_S
