"""Shows deployed boards and what has changed on them, and applies the changes that wait as their plan said."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, url_for
from msgspec.structs import replace

from errors import SettingsError
from sync.parts import Parts, Updates
from values.wording import plural
from web.answers import digest_of, done, note_act, shown, site
from web.pages.runs import no_plan
from web.starting import RELOAD, Wanted

pages = Blueprint("boards", __name__)


@pages.get("/boards")
def boards() -> Response:
    """Lists the deployed boards, with what has changed on them."""
    with site().reading():
        pass
    return shown("boards.html", {"boards": site().program.deployed(site().db, None)})


@pages.get("/boards/<name>")
def board(name: str) -> Response:
    """Shows one deployed board."""
    (found,) = site().program.deployed(site().db, name)
    return shown("board.html", {"board": found})


@pages.post("/boards/<name>/reload")
def reload(name: str) -> Response:
    """Has the plan of a reload made; carries that plan out, or refuses when it would be another by now."""
    site().program.deployed(site().db, name)
    site().settings.require_key()
    starter, wanted = site().starter, Wanted(RELOAD, name)
    number = request.form.get("plan", "")
    if not number:
        started = starter.start(replace(wanted, dry_run=True))
        note_act(f"started {started.wanted.words()}")
        to = url_for("runs.plan", number=started.number)
        return done("The plan is being made. Nothing is written.", to, {"plan": to})
    shown_plan = starter.standing(int(number), wanted) if number.isdecimal() else None
    if shown_plan is None:
        raise no_plan("Have the plan made again, on the page of the board.")
    fresh = starter.plan_again(wanted)
    if not fresh.is_made or fresh.changes != shown_plan.changes:
        return shown("plan.html", {**fresh.as_json(), "moved": True}, 409)
    for made in (fresh, shown_plan):
        if not starter.use_up(made):
            raise no_plan("Have the plan made again, on the page of the board.")
    started = starter.start(wanted)
    note_act(f"started {wanted.words()}")
    told = f"Started {wanted.words()}. It appears here within some seconds."
    return done(told, url_for("runs.runs"), {"pid": started.pid})


@pages.get("/boards/<name>/plan")
def plan(name: str) -> Response:
    """Shows which changes of the board would be applied, with types and samples of new columns."""
    with site().working() as parts:
        return shown("board_plan.html", _planned(parts, name))


def _planned(parts: Parts, name: str) -> dict[str, Any]:
    parts.settings.require_key()
    planned = _updates().plan(parts, name)
    return {"name": name, **planned, "digest": digest_of(planned), "moved": False}


def _updates() -> Updates:
    updates = site().program.updates
    if updates is None:
        raise SettingsError("Boards are not deployed here.")
    return updates()


@pages.post("/boards/<name>")
def apply(name: str) -> Response:
    """Applies what a plan has shown; refuses when the board, the mapping or the table are others by now."""
    # of two tabs that apply at once, the second sees what the first has done
    with site().db.held_lock("decisions on the dashboard"), site().working() as parts:
        now = _planned(parts, name)
        if now["digest"] != request.form.get("digest") or not now["changes"]:
            return shown("board_plan.html", {**now, "moved": True}, 409)
        came = _updates().apply(parts, name, request.form.getlist("reject"))
    waits = f" {plural(len(came['waits']), 'change')} could not be applied; the log says why." if came["waits"] else ""
    told = f"{plural(len(came['applied']), 'change')} applied.{waits}"
    note_act(f"applied what has changed on the board of {name}: {told}")
    return done(told, url_for("boards.board", name=name), came)
