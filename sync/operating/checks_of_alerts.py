"""Checks how alerts reach users: the rules, what fails, and the last delivery of each channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from services.channels import Channel, channels_of
from state import alerts
from sync.alerting.rules import rules_of
from sync.operating.check import Check, Seen, fault, note, ok, warning
from sync.operating.examined import Examined
from values.wording import minute_text, plural

GROUP = "alerts"
NEEDS = ("pg.schema",)


def checks(examined: Examined) -> list[Check]:
    """Returns the checks of alerts, one of them for each address of ALERT_URLS."""
    found = [
        Check("alerts.rules", GROUP, lambda: _rules(examined)),
        Check("alerts.failing", GROUP, lambda: _failing(examined), NEEDS),
    ]
    seen = Counter[str]()
    for channel in channels_of(examined.settings.alert_urls) if examined.settings.alert_urls else ():
        seen[channel.scheme] += 1
        # a slug is shown to others, and so holds no host
        number = f".{seen[channel.scheme]}" if seen[channel.scheme] > 1 else ""
        slug = f"alerts.{channel.scheme}{number}"
        found.append(Check(slug, GROUP, partial(_channel, examined, channel), NEEDS if channel.usable else ()))
    return found


def _rules(examined: Examined) -> Iterator[Seen]:
    rules = rules_of(examined.settings.alert_rules)
    off = [rule.name for rule in rules.values() if not rule.on]
    if not examined.settings.alert_urls:
        yield ok("no alerts are wanted (ALERT_URLS is not set)")
    elif off:
        yield note(f"Nothing is told by {plural(len(off), 'rule')}: {', '.join(off)}.", "", "ALERT_RULES")
    else:
        yield ok(f"{plural(len(rules), 'rule')} on")


def _failing(examined: Examined) -> Iterator[Seen]:
    with examined.database().transaction(read_only=True) as tx:
        known = alerts.known(tx)
    failing = [alert for alert in known if alert.state == alerts.FAILING]
    for alert in failing:
        since = f" since {minute_text(alert.since)}" if alert.since else ""
        yield warning(f"{alert.subject} fails{since}: {alert.sentence}", alert.command, alert.subject)
    if not failing:
        yield ok("nothing failed when it was last judged" if known else "nothing failed yet")


def _channel(examined: Examined, channel: Channel) -> Iterator[Seen]:
    if not channel.usable:
        told = f"Apprise does not understand an address of ALERT_URLS that begins with {channel.name}"
        yield fault(f"{told}.", "Correct it as docs/alerts.md shows; then: python main.py alerts test", "ALERT_URLS")
        return
    with examined.database().transaction(read_only=True) as tx:
        found = {row["channel"]: row for row in alerts.channels(tx)}.get(channel.name)
    if found is None or found["answered_at"] is None:
        yield ok(f"{channel.name}: nothing was sent yet")
        return
    last = f"{channel.name}: the last message, at {minute_text(found['answered_at'])}, "
    if found["state"] == "delivered" and not found["failures"]:
        yield ok(f"{last}was taken")
    elif found["state"] == "unknown":
        yield warning(f"{last}may not have come: {found['answer']}.", "python main.py alerts test", channel.name)
    else:
        waiting = plural(found["waiting"], "message")
        yield warning(
            f"{last}was not taken: {found['answer']}; {waiting} waiting.", "python main.py alerts test", channel.name
        )
