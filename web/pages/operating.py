"""Shows proofs; makes one, and mends what it has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, request, url_for
from msgspec import Struct
from msgspec.structs import asdict

from errors import SettingsError
from mappings.declaration import Mapping
from mappings.query_syncs import QuerySync
from state import lists
from state.findings import findings_of
from state.overview import shown_run
from state.values import query_key
from sync.choosing import why_not
from sync.operating import repair as mending
from sync.operating.verify import IDS
from sync.parts import board_of
from sync.queries import repair as mending_syncs
from sync.queries.parts import credentials
from values.canonical import to_json
from web.answers import digest_of, done, note_act, shown, site
from web.pages.runs import steps_of
from web.starting import PROOF, Wanted
from web.states import FAILED

pages = Blueprint("operating", __name__)

PAGE = 50
RUNS = 5
"""How many of the last runs of proofs are looked at."""


@pages.get("/proofs")
def proofs() -> Response:
    """Lists the proofs, newest first."""
    names = _names()
    begun = request.args.get("begun", "")
    with site().reading() as tx:
        found = lists.proofs(tx, PAGE)
        runs = lists.runs_page(tx, lists.RunFilter(kind=PROOF), RUNS)
    data = {
        "proofs": [{**row, "entity": names.get(row["entity_type"], row["entity_type"])} for row in found],
        "entities": site().names,
        "going": [_going(shown_run(run)) for place, run in enumerate(runs) if _is_news(run, place)],
        "begins": begun.isdecimal() and site().starter.goes_on(int(begun)),
    }
    return shown("proofs.html", data)


def _is_news(run: dict[str, Any], place: int) -> bool:
    """Tells whether a run goes on, or is the last and has proved nothing."""
    return run["outcome"] == "running" or (place == 0 and run["outcome"] in (*FAILED, "interrupted"))


def _going(run: dict[str, Any]) -> dict[str, Any]:
    names = ("run_id", "started_at", "outcome", "message", "stop_asked_at")
    return {**{name: run[name] for name in names}, "steps": steps_of(run)}


def _names() -> dict[str, str]:
    """Returns the names of entities and syncs by what proofs call them."""
    of_syncs = {query_key(name): name for name in site().syncs}
    return {mapping.entity_type: mapping.entity for mapping in site().mappings.values()} | of_syncs


@pages.post("/proofs")
def prove() -> Response:
    """Starts a proof of one entity, in a process of its own: it reads both sides, and writes neither."""
    # a database that is away is told at once
    with site().reading():
        pass
    entity = request.form.get("entity", "")
    subject = site().subject(entity)
    by_ids = request.form.get("kind") == IDS
    if isinstance(subject, QuerySync):
        credentials(site().settings)
        # it is read as a whole
        by_ids = False
    else:
        site().settings.require_key()
        if problem := why_not(subject, board_of(site().settings, subject), "bidirectional"):
            raise problem
    wanted = Wanted(PROOF, entity, ids=by_ids)
    started = site().starter.start(wanted)
    note_act(f"started {wanted.words()}", subject.entity_type)
    to = url_for("operating.proofs", begun=started.pid)
    return done(f"Started {wanted.words()}. It appears here within some seconds.", to, {"pid": started.pid})


@pages.get("/proofs/<proof_id>")
def proof(proof_id: str) -> Response:
    """Shows what a proof has found."""
    with site().reading() as tx:
        found = [row for row in lists.proofs(tx, 1000) if row["id"] == proof_id]
        findings = findings_of(tx, proof_id, 200) if found else []
    if not found:
        raise SettingsError(f"There is no proof {proof_id}.", hint="/proofs lists them.")
    names = _names()
    entity = names.get(found[0]["entity_type"], found[0]["entity_type"])
    there = "SmartSuite" if entity in site().syncs else "board"
    return shown("proof.html", {"proof": {**found[0], "entity": entity}, "there": there, "findings": findings})


class Planned(Struct, frozen=True):
    """Holds what is shown of a plan, and carries it out."""

    data: dict[str, Any]
    entity_type: str
    apply: Callable[[], None]


@pages.get("/findings/<finding_id>")
def finding(finding_id: str) -> Response:
    """Shows what would mend a finding."""
    with _planned(finding_id) as plan:
        return shown("finding.html", plan.data)


@contextmanager
def _planned(finding_id: str) -> Iterator[Planned]:
    """Yields the plan for a finding, of an entity or of a sync, while it can be carried out."""
    with site().reading() as tx:
        found = mending.finding_of(tx, finding_id)
    sync = next((sync for sync in site().syncs.values() if query_key(sync.name) == found["entity_type"]), None)
    if sync is not None:
        with site().working_on_syncs() as parts:
            of_sync = mending_syncs.planned(parts, sync, found)
            yield _as_planned(of_sync, sync, lambda: mending_syncs.apply(parts, sync, of_sync))
        return
    site().settings.require_key()
    with site().working() as parts:
        plan = mending.planned(parts, finding_id)
        yield _as_planned(plan, plan.mapping, lambda: mending.apply(parts, plan))


def _as_planned(
    plan: mending.Repair | mending_syncs.SyncRepair, subject: Mapping | QuerySync, apply: Callable[[], None]
) -> Planned:
    steps = [{**asdict(step), "before": to_json(step.before), "after": to_json(step.after)} for step in plan.steps]
    data = {"finding": plan.finding, "steps": steps, "why": plan.why, "digest": digest_of(steps), "moved": False}
    return Planned({**data, "entity": subject.entity}, subject.entity_type, apply)


@pages.post("/findings/<finding_id>")
def repair(finding_id: str) -> Response:
    """Mends a finding as its plan said; refuses when the plan is another one by now."""
    with _planned(finding_id) as plan:
        data = plan.data
        if data["digest"] != request.form.get("digest") or not data["steps"]:
            return shown("finding.html", {**data, "moved": True}, 409)
        plan.apply()
    note_act(f"mended the finding {finding_id[:8]}", plan.entity_type, data["finding"]["monday_id"])
    return done("Mended.", url_for("operating.proof", proof_id=data["finding"]["proof_id"]), {"steps": data["steps"]})
