"""Shows what fails and since when, the channels and the last messages; silences a subject for a time."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, request, url_for

from errors import SettingsError
from state import alerts as kept
from web.answers import done, note_act, shown, site

pages = Blueprint("alerts", __name__)

MESSAGES = 20
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
    return shown("alerts.html", {**data, "hours": HOURS})


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
