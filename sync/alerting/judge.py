"""Judges one subject by one rule: ok → late → failing → ok, and says which message follows. A pure function of values."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from state.alerts import FAILING, LATE, OK, Alert
from sync.alerting.rules import Rule

LATELY = timedelta(days=1)
"""What recovers and comes back within so long has to be bad for longer each time."""
MOST_FLAPS = 3
CALM_S = 300.0
REMINDER, RECOVERED = "reminder", "recovered"


class Seen(Struct, frozen=True):
    """Says how a subject was found."""

    subject: str
    rule: str
    bad: bool = False
    sentence: str = ""
    since: datetime | None = None
    """When it began, where that is known."""
    count: int | None = None
    """How many times in a row it was bad, where that can be counted; else each look counts."""
    passing: bool = False
    """It may pass by itself."""
    command: str = ""


class Judged(Struct, frozen=True):
    """Says how a subject is now, and the kind of message that follows; None: no message."""

    alert: Alert
    message: str | None = None


def judged(before: Alert | None, seen: Seen, rule: Rule, now: datetime, silent: bool) -> Judged:
    """Returns how a subject is after it was found so."""
    alert = before or Alert(seen.subject, seen.rule)
    alert = _bad(alert, seen, rule, now) if seen.bad else _good(alert, now)
    message = None if silent else _message(alert, rule, now)
    if message is not None:
        alert = replace(alert, told=OK if message == RECOVERED else FAILING, told_at=now)
    return Judged(alert, message)


def _bad(alert: Alert, seen: Seen, rule: Rule, now: datetime) -> Alert:
    since = alert.since if alert.state != OK and alert.since else seen.since or now
    count = alert.seen + 1 if seen.count is None else seen.count
    calm = alert.recovered_at is None or now - alert.recovered_at > LATELY
    flaps = 0 if calm else alert.flaps
    begun = since if calm or alert.recovered_at is None else max(since, alert.recovered_at)
    state = FAILING if alert.state == FAILING or _lasts(rule, seen, count, now - begun, flaps) else LATE
    return replace(
        alert,
        state=state,
        since=since,
        seen=count,
        sentence=seen.sentence,
        passing=seen.passing,
        command=seen.command,
        flaps=flaps,
    )


def _lasts(rule: Rule, seen: Seen, count: int, age: timedelta, flaps: int) -> bool:
    """Tells whether it has been bad often enough and for long enough to be told."""
    times = 0 if rule.steady else min(flaps, MOST_FLAPS)
    # what counts its runs has to fail in more of them, all else has to last
    needed = rule.in_a_row * 2**times if seen.count is not None else rule.in_a_row
    grace_s = rule.grace_s if seen.count is not None else max(rule.grace_s, CALM_S * (2**times - 1))
    return count >= needed and (grace_s <= 0 or age.total_seconds() >= grace_s)


def _good(alert: Alert, now: datetime) -> Alert:
    if alert.state == OK:
        return alert
    recovered = alert.state == FAILING
    return replace(
        alert,
        state=OK,
        since=now,
        seen=0,
        recovered_at=now if recovered else alert.recovered_at,
        flaps=alert.flaps + recovered,
    )


def _message(alert: Alert, rule: Rule, now: datetime) -> str | None:
    if alert.state == FAILING:
        if alert.told != FAILING:
            return FAILING
        due = rule.remind_s > 0 and alert.told_at is not None
        return REMINDER if due and (now - alert.told_at).total_seconds() >= rule.remind_s else None  # type: ignore[operator]
    # a silence may have hidden that it was over
    return RECOVERED if alert.state == OK and alert.told == FAILING else None
