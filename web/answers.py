"""Answers with a page or with its data as JSON, whichever was asked for; with 304 when the reader has it already."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, flash, g, redirect, render_template, request, session
from flask.globals import current_app

from models import LogEntry
from state.log import Log
from values.canonical import dumps
from web.site import Site


def site() -> Site:
    """Returns what the pages are made from."""
    found: Site = current_app.config["SITE"]
    return found


def wants_json() -> bool:
    """Tells whether the reader is a program."""
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def shown(template: str, data: dict[str, Any], status: int = 200) -> Response:
    """Returns the page, or its data."""
    body = dumps(data)
    g.busy = any(word in body for word in (b'"running"', b'"working"', b'"begins":true'))
    if wants_json():
        return _tagged(Response(body, status, mimetype="application/json"), body)
    news = bool(session.get("_flashes"))
    state = b"\0".join(
        (template.encode(), request.full_path.encode(), f"{g.get('role')} {g.get('user')}".encode(), body)
    )
    tag = hashlib.sha256(state).hexdigest()[:32]
    # what has not changed is not written again
    if status == 200 and not news and tag in request.if_none_match:
        answer = Response(status=304)
        answer.set_etag(tag)
        return answer
    answer = Response(render_template(template, **data), status, mimetype="text/html")
    if status == 200 and not news:
        answer.set_etag(tag)
    return answer


def _tagged(answer: Response, body: bytes) -> Response:
    if answer.status_code != 200:
        return answer
    answer.set_etag(hashlib.sha256(body).hexdigest()[:32])
    made: Response = answer.make_conditional(request)  # type: ignore[assignment]
    return made


def digest_of(plan: object) -> str:
    """Returns what tells whether a plan is still the one that was shown."""
    return hashlib.sha256(dumps(plan)).hexdigest()[:24]


def done(message: str, to: str, data: dict[str, Any] | None = None) -> Response:
    """Leads back to a page, which shows the message; a program gets it as JSON."""
    if wants_json():
        return Response(dumps({"done": message, **(data or {})}), 200, mimetype="application/json")
    flash(message)
    back: Response = redirect(to, 303)  # type: ignore[assignment]
    return back


def note_act(message: str, entity_type: str = "", monday_id: str | None = None, entity_id: str | None = None) -> None:
    """Writes into the log what was done on the page, and by whom."""
    who = f"{g.user or g.role} from {request.remote_addr}"
    entry = LogEntry("dashboard", "success", f"{message} ({who})", monday_id, entity_id, "dashboard")
    with site().db.transaction() as tx:
        Log(entity_type, None).append(tx, [entry])
