"""Words values, times and states for the templates. Texts of boards may hold anything: they are cut and made visible."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from flask import Flask, request
from werkzeug.datastructures import MultiDict

from timing import duration
from values.wording import counted, plural

LONGEST = 2000
MARKS = {
    "in step": "✓",
    "success": "✓",
    "equal": "✓",
    "ok": "✓",
    "working": "↻",
    "running": "↻",
    "waiting": "…",
    "note": "•",
    "partial": "!",
    "warning": "!",
    "needs you": "!",
    "different": "!",
    "guarded": "!",
    "off": "–",
    "paused": "–",
    "never run": "–",
    "not run": "–",
}
"""A mark beside each word, so that colour alone says nothing. All others are wrong: ✗."""
COLOURS = {"✓": "success", "↻": "primary", "…": "info", "•": "secondary", "!": "warning", "–": "secondary"}


def install(app: Flask) -> None:
    """Gives the templates these words."""
    app.jinja_env.filters.update(
        value=value,
        visible=visible,
        utc=utc,
        counted=_counted,
        plural=plural,
        duration=_duration,
        seconds=_seconds,
        mark=mark,
        colour=colour,
    )
    app.jinja_env.globals.update(link_with=link_with)


def visible(text: Any) -> str:
    """Returns a text of others as it is shown: signs that steer or hide are written as their numbers."""
    return "".join(
        f"⟨U+{ord(sign):04X}⟩"
        if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs") and sign not in "\n\t"
        else sign
        for sign in str(text)
    )


def value(given: Any, longest: int = LONGEST) -> str:
    """Returns a value of a field as it is shown, cut when it is long."""
    if given is None or given == "":
        return "(empty)"
    if isinstance(given, (datetime,)):
        return utc(given)
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=_plain)
    text = text if len(text) <= longest else f"{text[:longest]} … ({counted(len(text))} characters)"
    return visible(text)


def _plain(given: Any) -> Any:
    return float(given) if isinstance(given, Decimal) else str(given)


def utc(moment: Any) -> str:
    """Returns `2026-11-28 21:50:00` of a moment."""
    if moment is None:
        return "never"
    if isinstance(moment, datetime):
        moment = moment.astimezone(timezone.utc).isoformat()
    return str(moment)[:19].replace("T", " ")


def _counted(number: Any) -> str:
    return counted(int(number or 0))


def _duration(seconds: Any) -> str:
    return duration(float(seconds or 0))


def _seconds(number: float) -> str:
    return f"{number:.2f}"


def mark(state: str) -> str:
    """Returns the mark of a state."""
    return MARKS.get(state, "✗")


def colour(state: str) -> str:
    """Returns the colour of a state, in the toolkit's words."""
    return COLOURS.get(mark(state), "danger")


def link_with(**changed: Any) -> str:
    """Returns the address of this page with some parts of its question changed."""
    found: MultiDict[str, str] = request.args.copy()
    for name, given in changed.items():
        found.setlist(name, [str(given)] if given not in (None, "") else [])
    return f"{request.path}?{urlencode(list(found.items(multi=True)))}"
