"""Shows conflicts with both values, and lets a user decide one, those that are ticked, or all that match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, request, url_for

from errors import SettingsError
from sync import resolve as work
from values.wording import plural
from web.answers import digest_of, done, note_act, shown, site

pages = Blueprint("conflicts", __name__)

PAGE = 50
MOST = 5000
"""How many conflicts one act decides at most."""
SIDES = {"monday": "the board", "postgres": "PostgreSQL"}
OTHER = {"monday": "postgres", "postgres": "monday"}
SHOWN = 200


@pages.get("/conflicts")
def conflicts() -> Response:
    """Lists the conflicts, newest first."""
    wanted = _wanted(request.args)
    with site().reading() as tx:
        found = work.page_of(tx, site().mappings.values(), wanted, PAGE + 1)
        total = work.count_of(tx, site().mappings.values(), wanted)
    last = found[PAGE - 1] if len(found) > PAGE else None
    data = {
        "conflicts": [with_digest(conflict) for conflict in found[:PAGE]],
        "asked": _asked(wanted),
        "total": total,
        "next": last and f"{last['created_at']},{last['id']}",
        "entities": [mapping.entity for mapping, _ in site().chosen()],
    }
    return shown("conflicts.html", data)


def _wanted(given: Any) -> work.Wanted:
    at, _, conflict_id = given.get("before", "").partition(",")
    return work.Wanted(
        entity=given.get("entity", ""),
        field=given.get("field", ""),
        rule=given.get("rule", ""),
        state=given.get("state", "open"),
        at=at,
        id=conflict_id,
    )


def _asked(wanted: work.Wanted) -> dict[str, str]:
    return {name: text for name, text in asdict(wanted).items() if name in ("entity", "field", "rule", "state")}


def with_digest(conflict: dict[str, Any]) -> dict[str, Any]:
    """Adds what tells whether a conflict is still as it was shown."""
    return {**conflict, "digest": _digest_of([conflict])}


def _digest_of(conflicts: Sequence[dict[str, Any]], winner: str = "") -> str:
    """Returns a digest of what was shown of conflicts, and of what is to be done with them."""
    names = ("id", "base_value", "monday_value", "postgres_value", "status", "winner")
    seen = [[conflict[name] for name in names] for conflict in conflicts]
    return digest_of([winner, seen])


@pages.get("/conflicts/<conflict_id>")
def conflict(conflict_id: str) -> Response:
    """Shows everything that is known of one conflict."""
    with site().reading() as tx:
        (found,) = work.find(tx, site().mappings.values(), [conflict_id])
    return shown("conflict.html", {"conflict": with_digest(found)})


# Deciding


@pages.get("/conflicts/plan")
def plan() -> Response:
    """Shows what deciding the ticked conflicts, or all that match, will do."""
    winner = _winner(request.args.get("winner", ""))
    found = _chosen(request.args)
    return shown("conflicts_plan.html", _plan(found, winner, request.args))


def _winner(given: str) -> str:
    if given not in SIDES:
        raise SettingsError("Say which side wins.", hint="winner is monday or postgres.")
    return given


def _chosen(given: Any) -> list[dict[str, Any]]:
    """Returns the conflicts that are named, or all that match the filter, in an order that does not change."""
    ids, mappings = given.getlist("id"), site().mappings.values()
    with site().reading() as tx:
        if ids:
            found = work.with_ids(tx, mappings, ids)
        elif given.get("all"):
            found = work.page_of(tx, mappings, _wanted({**given.to_dict(), "before": ""}), MOST)
        else:
            raise SettingsError("No conflict is ticked.", hint="Tick some, or decide all that match.")
    return sorted(found, key=lambda conflict: str(conflict["id"]))


def _plan(found: Sequence[dict[str, Any]], winner: str, given: Any) -> dict[str, Any]:
    """Returns what would become of each conflict, as the cycle says that will carry it out."""
    with site().working() as parts:
        parts.settings.require_key()
        planned = work.resolve(parts, found, winner, dry_run=True)
    problems = {str(result.conflict["id"]): result.problem for result in planned if result.problem}
    loser = SIDES[OTHER[winner]]
    done = len(found) - len(problems)
    return {
        "winner": winner,
        "number": done,
        "sentence": f"{plural(done, 'field')} of {loser} will get the value of {SIDES[winner]}.",
        "stay": [{"reason": reason, "number": number} for reason, number in Counter(problems.values()).most_common()],
        "by_field": [
            {"entity": entity, "field": field, "number": number}
            for (entity, field), number in sorted(Counter((c["entity"], c["field"]) for c in found).items())
        ],
        "conflicts": [
            {name: c[name] for name in ("id", "entity", "entity_id", "monday_id", "field")}
            | {"now": c[f"{OTHER[winner]}_value"], "gets": c[f"{winner}_value"], "stays": problems.get(str(c["id"]))}
            for c in found[:SHOWN]
        ],
        "digest": _digest_of(found, f"{winner} {sorted(problems.items())}"),
        "ids": given.getlist("id"),
        "all": bool(given.get("all")) and not given.getlist("id"),
        "asked": _asked(_wanted(given)),
        "moved": False,
    }


@pages.post("/conflicts/resolve")
def resolve() -> Response:
    """Decides what a plan has shown, or one conflict as it was shown; refuses when they are others by now."""
    # of two tabs that decide at once, the second sees what the first has done
    with site().db.held_lock("decisions on the dashboard"):
        return _one(request.form) if request.form.get("one") else _several(request.form)


def _one(form: Any) -> Response:
    conflict_id, winner, digest = (form["one"].split(":") + ["", ""])[:3]
    with site().reading() as tx:
        found = work.find(tx, site().mappings.values(), [conflict_id])
    if _digest_of(found) != digest:
        return _moved({"conflict": with_digest(found[0])}, "conflict.html")
    return _settle(found, _winner(winner), "force" in form)


def _several(form: Any) -> Response:
    winner, found = _winner(form.get("winner", "")), _chosen(form)
    now = _plan(found, winner, form)
    if now["digest"] != form.get("digest"):
        return _moved(now, "conflicts_plan.html")
    return _settle(found, winner, False)


def _moved(data: dict[str, Any], template: str) -> Response:
    return shown(template, {**data, "moved": True}, 409)


def _settle(found: Sequence[dict[str, Any]], winner: str, force: bool) -> Response:
    site().settings.require_key()
    with site().working() as parts:
        settled = work.resolve(parts, found, winner, force)
    well = [result for result in settled if not result.problem]
    for result in settled:
        conflict, told = result.conflict, result.problem or f"both sides get the value of {SIDES[winner]}"
        message = f"conflict {conflict['id'][:8]} about {conflict['field']}: {told}"
        note_act(message, conflict["entity_type"], conflict["monday_id"], conflict["entity_id"])
    problems = Counter(result.problem for result in settled if result.problem)
    told = f"{plural(len(well), 'conflict')} decided: both sides have the value of {SIDES[winner]}."
    told += "".join(f" {plural(number, 'conflict')} not: {problem}." for problem, number in problems.items())
    asked: dict[str, Any] = {name: text for name, text in _asked(_wanted(request.form)).items() if text}
    back = url_for("conflicts.conflicts", **asked)
    return done(told, back, {"conflicts": [result.as_json() for result in settled]})
