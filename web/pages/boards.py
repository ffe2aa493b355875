"""Shows deployed boards and what has changed on them, and applies the changes that wait as their plan said."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, url_for

from errors import SettingsError
from sync.parts import Parts, Updates
from values.wording import plural
from web.answers import digest_of, done, note_act, shown, site

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
