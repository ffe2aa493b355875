"""Checks clock, stopwatch and pauses."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.kit.clocks import MovingClock
from timing import Clock, Stopwatch, backoff, duration


def test_the_clock_tells_an_aware_time_in_utc():
    assert Clock().now().utcoffset() == timedelta(0)


@pytest.mark.parametrize("seconds, least, most", [(0, 0, 0.5), (-5, 0, 0.5), (0.05, 0.05, 3)])
def test_sleeping_takes_its_time_and_for_nothing_or_less_none(seconds, least, most):
    watch = Stopwatch(Clock())
    Clock().sleep(seconds)
    assert least <= watch.seconds < most


def test_a_wait_ends_when_its_event_is_set_and_says_so():
    event = threading.Event()
    assert not Clock().wait(event, 0) and not Clock().wait(event, -5)
    event.set()
    assert Clock().wait(event, 3600)


def test_a_stopwatch_counts_from_when_it_was_made_or_restarted():
    clock = MovingClock()
    watch = Stopwatch(clock)
    clock.sleep(3)
    assert watch.restart() == 3
    clock.sleep(0.5)
    assert (watch.seconds, str(watch)) == (0.5, "0.5 s")


@pytest.mark.parametrize("attempt, longest", [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (20, 60), (5000, 60), (-1, 1)])
def test_a_pause_is_drawn_from_a_range_that_doubles_up_to_a_ceiling(attempt, longest):
    assert backoff(attempt, random=lambda: 1.0) == longest
    assert backoff(attempt, random=lambda: 0.0) == 0
    assert 0 <= backoff(attempt) <= longest


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0 s"), (2.44, "2.4 s"), (30, "30 s"), (185, "3 min 5 s"), (180, "3 min"), (3720, "1 h 2 min"), (7200, "2 h")],
)
def test_a_length_of_time_is_said_as_a_person_would(seconds, text):
    assert duration(seconds) == text
