"""Declares `alerts`: how each subject is, a test of each channel, a check for cron, and silence."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from errors import EXIT_FAILED, EXIT_LEFTOVERS, DatabaseError, SettingsError
from terminal.commands import Example, Several, json_option, prepared
from values.wording import minute_text, plural, utc_or_none

if TYPE_CHECKING:
    from state.alerts import Alert

log = logging.getLogger("monday_sync")

CHECK_S, TEST_S = 30.0, 10.0
"""Seconds that `alerts check` may take to deliver, and that one channel may take in `alerts test`."""
MESSAGES = 10


@click.group("alerts", cls=Several)
def alerts() -> None:
    """Tell users when something fails, and when it is well again: by ALERT_URLS."""


@alerts.command("list", cls=Example, example="alerts list")
@json_option
def list_alerts(as_json: bool) -> None:
    """Show how each subject was when it was last judged, the channels, and the last messages."""
    settings = prepared()
    from state import alerts as kept
    from sync.alerting.center import Center
    from sync.parts import open_parts

    with open_parts(settings) as parts:
        names = [channel.name for channel in Center.of(parts.db, settings, parts.mappings).channels()]
        with parts.db.transaction(read_only=True) as tx:
            known, silent = kept.known(tx), kept.silences(tx)
            channels, messages = kept.channels(tx), kept.last(tx, MESSAGES)
    shape = {
        "alerts": [_alert_json(alert) for alert in known],
        "silent": {subject: utc_or_none(until) for subject, until in silent.items()},
        "channels": _with_unused(channels, names),
        "messages": messages,
    }
    if as_json:
        return _say_json(shape)
    _show(known, shape)


def _with_unused(channels: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the channels, with those of ALERT_URLS that no message was sent to yet."""
    used = {channel["channel"] for channel in channels}
    unused = [{"channel": name, "state": None, "answer": None, "answered_at": None, "waiting": 0} for name in names]
    return [*channels, *(channel for channel in unused if channel["channel"] not in used)]


def _alert_json(alert: Alert) -> dict[str, Any]:
    return {
        "subject": alert.subject,
        "rule": alert.rule,
        "state": alert.state,
        "since": utc_or_none(alert.since),
        "sentence": alert.sentence if alert.state != "ok" else "",
        "passing": alert.passing,
        "command": alert.command,
        "told": alert.told,
        "told_at": utc_or_none(alert.told_at),
    }


def _show(known: Sequence[Alert], shape: dict[str, Any]) -> None:
    from terminal.console import say, show_table

    rows = [
        (alert.subject, alert.rule, alert.state, minute_text(alert.since) if alert.since else None, _why(alert))
        for alert in known
    ]
    if rows:
        show_table("", ("subject", "rule", "state", "since", "why"), rows)
    else:
        say("Nothing has failed yet.")
    for subject, until in shape["silent"].items():
        say(f"{subject}: no message before {until}")
    for channel in shape["channels"]:
        told = f"{channel['state']}: {channel['answer']}" if channel["answered_at"] else "nothing was sent yet"
        say(f"channel {channel['channel']}: {told}; {plural(channel['waiting'], 'message')} waiting")
    if not shape["channels"]:
        say("No channel is set: ALERT_URLS.")


def _why(alert: Alert) -> str:
    return "" if alert.state == "ok" else f"{alert.sentence} {alert.command}".strip()


@alerts.command("check", cls=Example, example="alerts check")
@json_option
def check(as_json: bool) -> None:
    """Judge every subject now, and deliver what is due: for cron, where no daemon runs. Exit 3 when something fails."""
    settings = prepared()
    from sync.alerting.center import Center
    from sync.parts import open_parts
    from terminal.console import say

    with open_parts(settings) as parts:
        found = [result.alert for result in Center.of(parts.db, settings, parts.mappings).check(CHECK_S)]
    bad = [alert for alert in found if alert.state != "ok"]
    if as_json:
        _say_json({"judged": len(found), "alerts": [_alert_json(alert) for alert in bad]})
    for alert in () if as_json else bad:
        say(f"{alert.subject} {alert.state} ({alert.rule}): {_why(alert)}")
    if not bad and not as_json:
        say(f"{plural(len({alert.subject for alert in found}), 'subject')} judged: nothing fails.")
    sys.exit(EXIT_LEFTOVERS if any(alert.state == "failing" for alert in bad) else 0)


@alerts.command("test", cls=Example, example="alerts test")
@json_option
def test(as_json: bool) -> None:
    """Send a message to each channel, and show what it answers. Exit 1 when a channel does not take it."""
    settings = prepared()
    from services.channels import Outcome, channels_of
    from sync.alerting.center import Center, tested
    from sync.parts import open_parts
    from terminal.console import say

    if not settings.alert_urls:
        raise SettingsError("ALERT_URLS is not set.", hint="docs/alerts.md shows how an address looks.")
    try:
        with open_parts(settings) as parts:
            answers = Center.of(parts.db, settings, parts.mappings).test(TEST_S)
    except DatabaseError as exc:
        log.warning("The answers are not kept: %s", exc.message, extra={"hint": exc.hint})
        answers = [tested(channel, TEST_S) for channel in channels_of(settings.alert_urls)]
    shape = [
        {"channel": channel.name, "outcome": answer.outcome.value, "answer": answer.words}
        for channel, answer in answers
    ]
    if as_json:
        _say_json({"channels": shape})
    for line in () if as_json else shape:
        say(f"{line['channel']}: {line['outcome']} ({line['answer']})")
    sys.exit(0 if all(answer.outcome is Outcome.DELIVERED for _, answer in answers) else EXIT_FAILED)


@alerts.command("silence", cls=Example, example="alerts silence projects --for 8h")
@click.argument("subject")
@click.option(
    "--for", "span", required=True, metavar="TIME", help="How long: 30m, 8h, 2d; 0 ends it. Example: --for 8h"
)
@json_option
def silence(subject: str, span: str, as_json: bool) -> None:
    """Send no message about SUBJECT for some time (`all`: about anything). `alerts list` names the subjects."""
    settings = prepared()
    from state import alerts as kept
    from sync.alerting.observe import SUBJECTS
    from sync.alerting.rules import seconds_of
    from sync.parts import open_parts
    from terminal.console import say

    seconds = 0.0 if span.strip("0smhd") == "" and span else seconds_of(span)
    if seconds is None:
        raise SettingsError(f"--for {span} is no time.", hint="For example: --for 30m, --for 8h, --for 2d.")
    with open_parts(settings) as parts, parts.db.transaction() as tx:
        known = {alert.subject for alert in kept.known(tx)} | set(parts.mappings) | set(SUBJECTS)
        if subject not in known | {kept.ALL}:
            raise SettingsError(f"There is no subject {subject}.", hint=f"There are: {', '.join(sorted(known))}.")
        until = kept.silence(tx, subject, seconds)
    if as_json:
        return _say_json({"subject": subject, "until": utc_or_none(until)})
    say(f"{subject}: no message before {minute_text(until)}." if until else f"{subject}: messages are sent again.")


def _say_json(shape: dict[str, Any]) -> None:
    from terminal.console import say

    say(json.dumps(shape, default=_plain))


def _plain(value: Any) -> Any:
    return utc_or_none(value)
