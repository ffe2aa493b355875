"""Shows conflicts with both values, and lets a user decide one, those that are ticked, or all that match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request, url_for
from msgspec.structs import asdict

from errors import SettingsError
from state import disputes
from state.disputes import is_of_sync
from sync.queries.settle import Settled, settle
from sync.resolve import Resolved
from sync.resolve import resolve as resolve_conflicts
from values.wording import plural
from web.answers import done, note_act, shown, site
from web.sides import OF_ENTITIES, OF_SYNCS, SIDES, Side, digest_of_all, has, sides_of, with_sides

pages = Blueprint("conflicts", __name__)

PAGE = 50
MOST = 5000
"""How many conflicts one act decides at most."""
MOST_OF_SYNCS = 1000
"""The same of syncs: SmartSuite takes five calls a second, each for 25 records, and a user waits."""
SHOWN = 200


@pages.get("/conflicts")
def conflicts() -> Response:
    """Lists the conflicts, newest first."""
    wanted = _wanted(request.args)
    with site().reading() as tx:
        found = disputes.page_of(tx, _names(), wanted, PAGE + 1)
        total = disputes.count_of(tx, _names(), wanted)
    last = found[PAGE - 1] if len(found) > PAGE else None
    kinds = _kinds(wanted.entity)
    data = {
        "conflicts": [with_sides(conflict) for conflict in found[:PAGE]],
        "asked": _asked(wanted),
        "total": total,
        "next": last and f"{last['created_at']},{last['id']}",
        "entities": site().names,
        "columns": [", ".join(titles) for titles in zip(*[[side.title for side in sides] for sides in kinds])],
        "winners": [
            {"winner": side.winner, "title": side.short[0].upper() + side.short[1:]}
            for sides in kinds
            for side in sides
        ],
    }
    return shown("conflicts.html", data)


def _names() -> dict[str, str]:
    return disputes.names_of(site().mappings.values(), site().syncs)


def _kinds(entity: str) -> list[tuple[Side, Side]]:
    """Returns the pairs of sides that conflicts of this entity or sync can have; of all there are, for none."""
    if entity:
        return [OF_SYNCS if entity in site().syncs else OF_ENTITIES]
    return [*([OF_ENTITIES] * bool(site().chosen() or not site().syncs)), *([OF_SYNCS] * bool(site().syncs))]


def _wanted(given: Any) -> disputes.Wanted:
    at, _, conflict_id = given.get("before", "").partition(",")
    return disputes.Wanted(
        entity=given.get("entity", ""),
        field=given.get("field", ""),
        rule=given.get("rule", ""),
        state=given.get("state", "open"),
        at=at,
        id=conflict_id,
    )


def _asked(wanted: disputes.Wanted) -> dict[str, str]:
    return {name: text for name, text in asdict(wanted).items() if name in ("entity", "field", "rule", "state")}


@pages.get("/conflicts/<conflict_id>")
def conflict(conflict_id: str) -> Response:
    """Shows everything that is known of one conflict."""
    with site().reading() as tx:
        (found,) = disputes.find(tx, _names(), [conflict_id])
    return shown("conflict.html", {"conflict": with_sides(found)})


# Deciding


@pages.get("/conflicts/plan")
def plan() -> Response:
    """Shows what deciding the ticked conflicts, or all that match, will do."""
    winner = _winner(request.args.get("winner", ""))
    found = _chosen(request.args, winner)
    return shown("conflicts_plan.html", _plan(found, winner, request.args))


def _winner(given: str) -> Side:
    if given not in SIDES:
        raise SettingsError("Say which side wins.", hint=f"winner is one of {', '.join(SIDES)}.")
    return SIDES[given]


def _chosen(given: Any, winner: Side) -> list[dict[str, Any]]:
    """Returns the conflicts that are named, or all that match the filter, in an order that does not change."""
    ids = given.getlist("id")
    with site().reading() as tx:
        if ids:
            found = disputes.with_ids(tx, _names(), ids)
        elif given.get("all"):
            of_syncs = winner in OF_SYNCS
            names = disputes.names_of(() if of_syncs else site().mappings.values(), site().syncs if of_syncs else ())
            most = MOST_OF_SYNCS if of_syncs else MOST
            found = disputes.page_of(tx, names, _wanted({**given.to_dict(), "before": ""}), most)
        else:
            raise SettingsError("No conflict is ticked.", hint="Tick some, or decide all that match.")
    return sorted(found, key=lambda conflict: str(conflict["id"]))


def _carried_out(
    found: Sequence[dict[str, Any]], winner: Side, force: bool = False, dry_run: bool = False
) -> list[Resolved | Settled]:
    """Does what the command `conflicts resolve` does; returns what becomes of each conflict."""
    if winner in OF_SYNCS:
        with site().working_on_syncs() as suite:
            return [*settle(suite, site().syncs, found, winner.winner, force, dry_run)]
    site().settings.require_key()
    with site().working() as parts:
        return [*resolve_conflicts(parts, found, winner.winner, force, dry_run)]


def _plan(found: Sequence[dict[str, Any]], winner: Side, given: Any) -> dict[str, Any]:
    """Returns what would become of each conflict, as the functions say that will carry it out."""
    fit = [conflict for conflict in found if has(conflict, winner.winner)]
    problems = {conflict["id"]: _other_sides(conflict) for conflict in found if not has(conflict, winner.winner)}
    if fit:
        planned = _carried_out(fit, winner, dry_run=True)
        problems |= {str(result.conflict["id"]): result.problem for result in planned if result.problem}
    number = len(found) - len(problems)
    return {
        "winner": winner.winner,
        "number": number,
        "sentence": winner.sentence(number),
        "stay": [{"reason": reason, "number": count} for reason, count in Counter(problems.values()).most_common()],
        "by_field": [
            {"entity": entity, "field": field, "number": count}
            for (entity, field), count in sorted(Counter((c["entity"], c["field"]) for c in found).items())
        ],
        "conflicts": [
            {name: c[name] for name in ("id", "entity", "entity_id", "monday_id", "field")}
            | {"now": c[_loser_of(c, winner).value], "gets": c[winner.value], "stays": problems.get(str(c["id"]))}
            for c in found[:SHOWN]
        ],
        "digest": digest_of_all(found, f"{winner.winner} {sorted(problems.items())}"),
        "ids": given.getlist("id"),
        "all": bool(given.get("all")) and not given.getlist("id"),
        "asked": _asked(_wanted(given)),
        "moved": False,
    }


def _other_sides(conflict: dict[str, Any]) -> str:
    first, second = sides_of(conflict)
    return f"{conflict['entity']} has other sides: {first.short} and {second.short}"


def _loser_of(conflict: dict[str, Any], winner: Side) -> Side:
    """Returns the side whose value a plan shows as the present one: of SmartSuite's fields the source's is no other."""
    first, second = sides_of(conflict)
    if is_of_sync(conflict):
        return first
    return second if winner is first else first


@pages.post("/conflicts/resolve")
def resolve() -> Response:
    """Decides what a plan has shown, or one conflict as it was shown; refuses when they are others by now."""
    # of two tabs that decide at once, the second sees what the first has done
    with site().db.held_lock("decisions on the dashboard"):
        return _one(request.form) if request.form.get("one") else _several(request.form)


def _one(form: Any) -> Response:
    conflict_id, given, digest = (form["one"].split(":") + ["", ""])[:3]
    with site().reading() as tx:
        found = disputes.find(tx, _names(), [conflict_id])
    if digest_of_all(found) != digest:
        return _moved({"conflict": with_sides(found[0])}, "conflict.html")
    winner = _winner(given)
    if not has(found[0], winner.winner):
        raise SettingsError("Nothing was done.", hint=f"{_other_sides(found[0])}.")
    return _settle(found, winner, "force" in form)


def _several(form: Any) -> Response:
    winner = _winner(form.get("winner", ""))
    found = _chosen(form, winner)
    now = _plan(found, winner, form)
    if now["digest"] != form.get("digest"):
        return _moved(now, "conflicts_plan.html")
    return _settle([conflict for conflict in found if has(conflict, winner.winner)], winner, False)


def _moved(data: dict[str, Any], template: str) -> Response:
    return shown(template, {**data, "moved": True}, 409)


def _settle(found: Sequence[dict[str, Any]], winner: Side, force: bool) -> Response:
    settled = _carried_out(found, winner, force)
    well = [result for result in settled if not result.problem]
    for result in settled:
        conflict, told = result.conflict, result.problem or winner.outcome
        message = f"conflict {conflict['id'][:8]} about {conflict['field']}: {told}"
        note_act(message, conflict["entity_type"], conflict["monday_id"], conflict["entity_id"])
    problems = Counter(result.problem for result in settled if result.problem)
    told = f"{plural(len(well), 'conflict')} decided: {winner.outcome}."
    told += "".join(f" {plural(number, 'conflict')} not: {problem}." for problem, number in problems.items())
    asked: dict[str, Any] = {name: text for name, text in _asked(_wanted(request.form)).items() if text}
    back = url_for("conflicts.conflicts", **asked)
    return done(told, back, {"conflicts": [result.as_json() for result in settled]})
