"""Shows the log, what waits in the queues, and charts of what was done."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request

from errors import DatabaseError, DatabaseUnreachable, SchemaMissing, SettingsError
from state import latency, lists
from values.parsing import iso_moment
from web import charts
from web.answers import shown, site

pages = Blueprint("logs", __name__)

PAGE = 50
DAYS = 7
STATUSES = ("trouble", "success", "warning", "error")


@pages.get("/log")
def log() -> Response:
    """Lists the log, newest first; seven days unless told."""
    given = request.args
    at, seq, row_id = (given.get("before", "").split(",") + ["", ""])[:3]
    entity = given.get("entity", "")
    days = min(max(int(given["days"]), 1), 36_500) if given.get("days", "").isdigit() else DAYS
    asked = {name: given.get(name, "") for name in ("status", "operation", "q", "run")}
    since = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - timedelta(days=days)
    if at and (iso_moment(at) is None or not seq.lstrip("-").isdigit()):
        at, seq, row_id = "", "", ""
    if asked["run"] and not _is_run(asked["run"]):
        raise SettingsError(f"There is no run {asked['run']}.", hint="/runs lists them.")
    wanted = lists.LogFilter(
        since=since.isoformat(),
        entity_type=site().subject(entity).entity_type if entity else "",
        at=at,
        seq=int(seq or -1),
        id=row_id,
        **asked,
    )
    found, problem = _read(wanted)
    last = found[PAGE - 1] if len(found) > PAGE else None
    data = {
        "rows": found[:PAGE],
        "names": site().subject_names(),
        "problem": problem,
        "asked": {**asked, "entity": entity, "days": days},
        "next": last and f"{last['created_at'].isoformat()},{-1 if last['seq'] is None else last['seq']},{last['id']}",
        "entities": site().names,
        "statuses": STATUSES,
    }
    return shown("log.html", data)


def _is_run(text: str) -> bool:
    with suppress(ValueError):
        return bool(UUID(text))
    return False


def _read(wanted: lists.LogFilter) -> tuple[list[dict[str, Any]], str]:
    """Returns the rows; and what is wrong when the question took too long."""
    try:
        with site().reading() as tx:
            return lists.log_page(tx, wanted, PAGE + 1), ""
    except (DatabaseUnreachable, SchemaMissing):
        raise
    except DatabaseError as exc:
        return [], f"{exc.message} Ask for fewer days, or name an id."


@pages.get("/queues")
def queues() -> Response:
    """Shows how much waits, since when, and the oldest."""
    with site().reading() as tx:
        found, oldest = lists.queues(tx)
    now = datetime.now(timezone.utc)
    names = site().subject_names()
    names |= {board_id: mapping.entity for mapping, board_id in site().chosen()}
    # a run of the mapping's own direction, as POST /sync/ENTITY makes it
    directions = {mapping.entity: mapping.direction for mapping, _ in site().chosen() if mapping.direction != "none"}
    rows = [
        # whole minutes, so that a page on which nothing happens stays the same
        {
            **row,
            "of": names.get(row["of"], row["of"]),
            "direction": directions.get(names.get(row["of"], "")),
            "minutes": math.floor((now - row["oldest"]).total_seconds() / 60),
        }
        for row in found
    ]
    return shown("queues.html", {"queues": rows, "oldest": oldest})


SPANS = {"24h": ("hour", "24 hours", 24), "30d": ("day", "30 days", 30), "200d": ("day", "200 days", 200)}


@pages.get("/charts")
def charts_page() -> Response:
    """Shows what was done in the last 24 hours, 30 or 200 days, and what it cost."""
    span = request.args.get("span", "24h")
    step, interval, number = SPANS.get(span, SPANS["24h"])
    entity = request.args.get("entity", "")
    kind = site().subject(entity).entity_type if entity else ""
    with site().reading() as tx:
        done, cost = lists.sums(tx, step, interval, kind), lists.spent(tx, step, interval)
        took = latency.latencies(tx, step, interval, kind)
    moments = charts.steps(step, number)
    data = {
        "span": span if span in SPANS else "24h",
        "spans": list(SPANS),
        "entity": entity,
        "entities": site().names,
        "charts": charts.all_of(moments, done, cost, bool(site().syncs)),
        "latency": charts.latency_of(moments, took),
    }
    return shown("charts.html", data)
