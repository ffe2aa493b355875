"""Shows what `doctor` finds, and runs the commands that mend it and can be repeated without harm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from flask import Blueprint, Response, request, url_for

from settings import read_settings
from sync.operating import doctor
from sync.operating.checks import all_checks
from sync.operating.examined import Examined
from terminal.logs import secrets_of
from web.answers import digest_of, done, note_act, shown, site

pages = Blueprint("checks", __name__)


@pages.get("/checks")
def checks() -> Response:
    """Looks at settings, PostgreSQL, monday.com, boards and work when that is asked for."""
    asked = request.args.get("look", "")
    return shown("checks.html", _shown(asked, _examined(asked) if asked else []))


def _shown(asked: str, results: Sequence[doctor.Result]) -> dict[str, Any]:
    groups: dict[str, list[Any]] = {}
    for result in results:
        groups.setdefault(result.check.group, []).extend(result.as_json())
    fixes = doctor.harmless(results)
    return {
        "look": asked,
        "looked": bool(asked),
        "groups": [{"group": name, "findings": found} for name, found in groups.items()],
        "exit_code": doctor.verdict(results) if asked else None,
        "fixes": [doctor.PROGRAM + command for command in fixes],
        "digest": digest_of(fixes),
        "moved": False,
    }


def _examined(asked: str) -> list[doctor.Result]:
    slug = "" if asked in ("1", "all") else asked
    reading = read_settings()
    secrets = secrets_of(reading.settings)

    def masked(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    with closing(Examined(reading)) as examined:
        known = all_checks(examined, site().program.checks())
        wanted = doctor.selected(known, [slug] if slug else [])
        return list(doctor.examine(doctor.with_needs(known, wanted), masked))


@pages.post("/checks/fix")
def fix() -> Response:
    """Runs the commands that were shown; refuses when others would mend by now."""
    asked = request.form.get("look", "all")
    results = _examined(asked)
    now, commands = _shown(asked, results), doctor.harmless(results)
    if not commands or now["digest"] != request.form.get("digest"):
        return shown("checks.html", {**now, "moved": True}, 409)
    came = []
    for command in commands:
        code, last = site().starter.carry_out(doctor.without_question(command))
        came.append({"command": doctor.PROGRAM + command, "exit_code": code, "last": last if code else ""})
    told = " ".join(_told(one) for one in came)
    # the tables that the log stands in may have been made just now
    note_act(f"mended what doctor found: {told}")
    return done(told, url_for("checks.checks", look=asked), {"ran": came})


def _told(came: dict[str, Any]) -> str:
    ended = "done." if not came["exit_code"] else f"ended with {came['exit_code']}: {came['last']}"
    return f"{came['command']}: {ended}"
