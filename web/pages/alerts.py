"""Shows what fails and since when, the channels and the last messages; silences a subject for a time."""

from __future__ import annotations

from flask import Blueprint, Response, request, url_for
from msgspec.structs import asdict

from errors import SettingsError
from state import alerts as kept
from sync.alerting.center import Center
from values.wording import plural
from web.answers import done, note_act, shown, site

pages = Blueprint("alerts", __name__)

MESSAGES = 20
TEST_S = 10.0
"""Seconds that a channel may take for a test."""
HOURS = ("1", "8", "24", "168")


@pages.get("/alerts")
def alerts() -> Response:
    """Shows how each subject was when it was last judged."""
    with site().reading() as tx:
        data = {
            "alerts": [asdict(alert) for alert in kept.known(tx)],
            "silent": kept.silences(tx),
            "channels": kept.channels(tx),
            "messages": kept.last(tx, MESSAGES),
        }
    return shown("alerts.html", {**data, "hours": HOURS, "can_test": bool(site().settings.alert_urls)})


@pages.post("/alerts/test")
def test() -> Response:
    """Sends a message to each channel, and tells what it answers."""
    if not site().settings.alert_urls:
        raise SettingsError("ALERT_URLS is not set.", hint="docs/alerts.md shows how an address looks.")
    with site().working() as parts:
        answers = Center.of(parts.db, parts.settings, parts.mappings).test(TEST_S)
    shape = [
        {"channel": channel.name, "outcome": said.outcome.value, "answer": said.words} for channel, said in answers
    ]
    note_act(f"sent a test to {plural(len(shape), 'channel')} of alerts")
    told = " ".join(f"{one['channel']}: {one['outcome']} ({one['answer']})." for one in shape)
    return done(told, url_for("alerts.alerts"), {"channels": shape})


@pages.post("/alerts/silence")
def silence() -> Response:
    """Silences a subject for some hours."""
    subject, hours = request.form.get("subject", "").strip(), request.form.get("hours", "")
    if not subject or hours not in HOURS:
        raise SettingsError("Say which subject, and for how many hours.")
    with site().db.transaction() as tx:
        until = kept.silence(tx, subject, 3600 * int(hours))
    note_act(f"silenced alerts of {subject} for {hours} h")
    return done(f"No message about {subject} for {hours} h.", url_for("alerts.alerts"), {"until": until})
