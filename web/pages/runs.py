"""Shows the runs, and one while it goes on from any process; starts runs, stops them, and closes the dead ones."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, url_for

from errors import SettingsError
from mappings.query_syncs import choose_syncs
from state import lists
from state.overview import closed_dead, shown_run
from state.runs import ask_to_stop, calls_today, starting_with
from sync.choosing import why_not
from sync.queries.parts import credentials
from sync.report import SERVICES
from values.parsing import iso_moment
from values.wording import plural
from web.answers import done, note_act, shown, site
from web.grid import grid_of
from web.starting import OF_SYNCS, Started, Wanted

pages = Blueprint("runs", __name__)

PAGE = 50
OUTCOMES = ("success", "partial", "guarded", "failed", "running", "died")
KINDS = ("command", "scheduled", "http", "catch-up", "live", "shell", "deploy", "reload", "verify")


@pages.get("/runs")
def runs() -> Response:
    """Lists the runs, newest first."""
    asked = {name: request.args.get(name, "") for name in ("kind", "outcome", "entity")}
    at, _, run_id = request.args.get("before", "").partition(",")
    wanted = lists.RunFilter(**asked, at=moment_or_none(at), id=run_id)
    with site().reading() as tx:
        found = lists.runs_page(tx, wanted, PAGE + 1)
    more = found[PAGE - 1] if len(found) > PAGE else None
    every = [shown_run(run) for run in found[:PAGE]]
    data = {
        "runs": [_brief(run) for run in every],
        "grid": grid_of(every, [asked["entity"]] if asked["entity"] else site().names),
        "asked": asked,
        "next": more and f"{more['started_at'].isoformat()},{more['run_id']}",
        "entities": site().names,
        "outcomes": OUTCOMES,
        "kinds": KINDS,
        "dead": any(run["outcome"] == "died" and run["finished_at"] is None for run in found),
    }
    return shown("runs.html", data)


def moment_or_none(text: str) -> str | None:
    """Returns the text when it is a moment."""
    return text if text and iso_moment(text) else None


def _brief(run: dict[str, Any]) -> dict[str, Any]:
    names = (
        "run_id",
        "kind",
        "direction",
        "started_at",
        "finished_at",
        "outcome",
        "exit_code",
        "message",
        "duration_s",
    )
    entities = [str(entity.get("entity")) for entity in run["entities"]] or list(run["progress"])
    return {**{name: run[name] for name in names}, "entities": entities, "calls": int(run["api"].get("calls", 0))}


@pages.get("/runs/<run_id>")
def run(run_id: str) -> Response:
    """Shows one run: how far it is, what it did, what it cost."""
    with site().reading() as tx:
        found = _run(tx, run_id)
        entries = lists.log_page(tx, lists.LogFilter(since="-infinity", run=found["run_id"]), PAGE)
        today = calls_today(tx)
    data = {
        "run": _brief(found) | {name: found[name] for name in ("host", "pid", "stop_asked_at", "heartbeat_at", "api")},
        "steps": steps_of(found),
        "entities": found["entities"],
        "log": entries,
        "names": site().subject_names(),
        "today": today,
        "budget": site().settings.daily_calls,
        "service": SERVICES.get(str(found["direction"]), "monday.com"),
        "goes_on": found["outcome"] == "running",
        "may_stop": found["outcome"] == "running" and found["kind"] != "live" and not found["stop_asked_at"],
        "stopped": _stopped(found),
        "may_close": found["outcome"] == "died" and found["finished_at"] is None,
    }
    return shown("run.html", data)


def _run(tx: Any, run_id: str) -> dict[str, Any]:
    found = starting_with(tx, run_id)
    if len(found) != 1:
        raise SettingsError(f"There is no run {run_id}.", hint="/runs lists them.")
    return shown_run(found[0])


def _stopped(run: dict[str, Any]) -> list[str]:
    """Returns the entities that the guard of removals has stopped, where a run of that direction can be started."""
    if run["direction"] not in site().program.directions:
        return []
    known = {mapping.entity for mapping, _ in site().chosen()}
    return [
        entity["entity"]
        for entity in run["entities"]
        if entity.get("problem") == "GuardStop" and entity["entity"] in known
    ]


def steps_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns how far each entity of a run is, while it goes on."""
    steps = {} if run["finished_at"] else run["progress"]
    return [{"entity": name, **step, "percent": _percent(step)} for name, step in steps.items()]


def _percent(step: dict[str, Any]) -> int | None:
    total = step.get("total")
    return 100 * min(int(step.get("done") or 0), int(total)) // int(total) if total else None


# Acts


@pages.post("/runs/<run_id>/stop")
def stop(run_id: str) -> Response:
    """Asks a run to stop after its batch."""
    with site().reading() as tx:
        found = _run(tx, run_id)
    name = found["run_id"]
    if found["kind"] == "live" or found["outcome"] != "running":
        raise SettingsError(f"The run {name} cannot be stopped: it is {found['outcome']}.")
    with site().db.transaction() as tx:
        asked = ask_to_stop(tx, name)
    if not asked:
        raise SettingsError(f"The run {name} has ended.")
    note_act(f"asked the run {name} to stop")
    return done("The run is asked to stop. It finishes its batch.", url_for("runs.run", run_id=name), {"run_id": name})


@pages.post("/runs/close-dead")
def close_dead() -> Response:
    """Closes the runs whose processes ended without a word."""
    closed = closed_dead(site().db)
    note_act(f"closed {plural(len(closed), 'dead run')}")
    return done(f"{plural(len(closed), 'dead run')} closed.", url_for("runs.runs"), {"closed": closed})


@pages.get("/sync")
def sync() -> Response:
    """Shows what a run can be asked for."""
    data = {
        "entities": [{"entity": mapping.entity, "direction": mapping.direction} for mapping, _ in site().chosen()],
        "syncs": [name for name, sync in site().syncs.items() if sync.enabled],
        "entity": request.args.get("entity", ""),
        "directions": list(site().program.directions),
        "plans": [plan.as_json() for plan in site().starter.plans()],
    }
    return shown("sync.html", data)


@pages.post("/sync")
def start() -> Response:
    """Starts a run in a process of its own, or the plan of one."""
    form = request.form
    wanted = Wanted(
        direction=form.get("direction", "bidirectional"),
        entity=form.get("entity", ""),
        full="full" in form,
        sweep="sweep" in form,
        dry_run="dry_run" in form,
        allow_mass_delete="allow_mass_delete" in form,
    )
    _check(wanted)
    agreed: list[str] = []
    if wanted.allow_mass_delete and not wanted.dry_run:
        confirmed = _confirmed(wanted, form)
        agreed, fresh = confirmed.removed, site().starter.plan_again(wanted)
        if not fresh.is_made or fresh.removed != agreed:
            return shown("plan.html", {**fresh.as_json(), "moved": True}, 409)
        for plan in (fresh, confirmed):
            if not site().starter.use_up(plan):
                raise no_plan(AGAIN)
    started = site().starter.start(wanted, agreed)
    note_act(f"started {wanted.words()}{f', to remove {len(agreed)}' if agreed else ''}")
    if wanted.dry_run:
        to = url_for("runs.plan", number=started.number)
        return done("The plan is being made. Nothing is written.", to, {"plan": to})
    to = url_for("runs.runs")
    return done(f"Started {wanted.words()}. It appears here within some seconds.", to, {"pid": started.pid})


def _check(wanted: Wanted) -> None:
    """Raises SettingsError for a run that cannot begin."""
    if wanted.direction == OF_SYNCS and wanted.entity in site().syncs:
        choose_syncs(site().settings.home, (wanted.entity,))
        credentials(site().settings)
        return
    if wanted.direction not in site().program.directions:
        raise SettingsError(f"Unknown direction: {wanted.direction}.")
    site().settings.require_key()
    if wanted.entity:
        mapping = site().mapping(wanted.entity)
        board_id = next((board for found, board in site().chosen() if found.entity == wanted.entity), None)
        if problem := why_not(mapping, board_id, wanted.direction):
            raise problem


def _confirmed(wanted: Wanted, form: Any) -> Started:
    """Returns the plan that was shown. Raises SettingsError unless the user has typed of which entity."""
    if not wanted.entity or form.get("confirm", "").strip() != wanted.entity:
        raise SettingsError(
            f"Nothing was started: {wanted.entity or 'one entity'} was not typed.",
            hint="Type the name of the entity whose records are to be removed.",
        )
    number = form.get("plan", "")
    plan = site().starter.standing(int(number), wanted) if number.isdecimal() else None
    if plan is None:
        raise no_plan(AGAIN)
    return plan


AGAIN = "Look again at what would be removed, on the page of the run that was stopped."


def no_plan(hint: str) -> SettingsError:
    """Returns what says that a plan cannot be carried out."""
    told = "Nothing was started: this plan was carried out already, failed, or is older than 15 minutes."
    return SettingsError(told, hint=hint)


@pages.get("/sync/plans/<int:number>")
def plan(number: int) -> Response:
    """Shows what a dry run would do."""
    found = site().starter.plan(number)
    if found is None:
        raise SettingsError("There is no such plan any more.", hint="Make it again at /sync.")
    return shown("plan.html", {**found.as_json(), "moved": False})
