"""Words the messages: what, since when, why, whether it may pass, and what to do. No cell's value is in them."""

from __future__ import annotations

from datetime import datetime

from state.alerts import Alert, Message
from sync.alerting.judge import RECOVERED, REMINDER
from sync.alerting.rules import Rule
from values.wording import minute_text

SENDER = "[monday-sync]"


def message_of(alert: Alert, kind: str, rule: Rule, since: datetime | None, link: str | None) -> Message:
    """Returns the message of a change. `since` is when it began, also when it is over."""
    begun = f" Since {minute_text(since)}." if since else ""
    if kind == RECOVERED:
        title = f"{SENDER} {alert.subject}: is well again ({rule.headline})"
        lines = [f"{alert.subject} is well again." + (f" It was not since {minute_text(since)}." if since else "")]
    else:
        title = f"{SENDER} {alert.subject}: {rule.headline}" + " still" * (kind == REMINDER)
        waits = "It may pass by itself." if alert.passing else "It does not pass by itself."
        lines = [f"{alert.subject}: {alert.sentence}{begun} {waits}", f"Look: {alert.command}"]
    if link:
        lines.append(f"See: {link}")
    return Message(alert.subject, alert.rule, kind, title, "\n".join(lines))


def test_message(channel: str) -> tuple[str, str]:
    """Returns title and body of the message by which a channel is tried."""
    return f"{SENDER} test", f"This is a test of {channel}, sent by: python main.py alerts test"
