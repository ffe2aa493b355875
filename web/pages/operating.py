"""Shows proofs; makes one, and mends what it has found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, request, url_for

from errors import SettingsError
from state import lists
from state.findings import findings_of
from state.overview import shown_run
from sync.choosing import why_not
from sync.operating import repair as mending
from sync.operating.verify import IDS
from sync.parts import Parts, board_of
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
    names = site().subject_names()
    begun = request.args.get("begun", "")
    with site().reading() as tx:
        found = lists.proofs(tx, PAGE)
        runs = lists.runs_page(tx, lists.RunFilter(kind=PROOF), RUNS)
    data = {
        "proofs": [{**row, "entity": names.get(row["entity_type"], row["entity_type"])} for row in found],
        "entities": [mapping.entity for mapping, _ in site().chosen()],
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


@pages.post("/proofs")
def prove() -> Response:
    """Starts a proof of one entity, in a process of its own: it reads both sides, and writes neither."""
    # a database that is away is told at once
    with site().reading():
        pass
    entity = request.form.get("entity", "")
    mapping = site().mapping(entity)
    site().settings.require_key()
    if problem := why_not(mapping, board_of(site().settings, mapping), "bidirectional"):
        raise problem
    wanted = Wanted(PROOF, entity, ids=request.form.get("kind") == IDS)
    started = site().starter.start(wanted)
    note_act(f"started {wanted.words()}", mapping.entity_type)
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
    names = site().subject_names()
    entity = names.get(found[0]["entity_type"], found[0]["entity_type"])
    return shown("proof.html", {"proof": {**found[0], "entity": entity}, "findings": findings})


@pages.get("/findings/<finding_id>")
def finding(finding_id: str) -> Response:
    """Shows what would mend a finding."""
    site().settings.require_key()
    with site().working() as parts:
        return shown("finding.html", _planned(parts, finding_id)[0])


def _planned(parts: Parts, finding_id: str) -> tuple[dict[str, Any], mending.Repair]:
    plan = mending.planned(parts, finding_id)
    steps = [{**asdict(step), "before": to_json(step.before), "after": to_json(step.after)} for step in plan.steps]
    digest = digest_of(steps)
    data = {"finding": plan.finding, "steps": steps, "why": plan.why, "digest": digest, "entity": plan.mapping.entity}
    return {**data, "moved": False}, plan


@pages.post("/findings/<finding_id>")
def repair(finding_id: str) -> Response:
    """Mends a finding as its plan said; refuses when the plan is another one by now."""
    site().settings.require_key()
    with site().working() as parts:
        data, plan = _planned(parts, finding_id)
        if data["digest"] != request.form.get("digest") or not plan.steps:
            return shown("finding.html", {**data, "moved": True}, 409)
        mending.apply(parts, plan)
    note_act(f"mended the finding {finding_id[:8]}", plan.mapping.entity_type, plan.finding["monday_id"])
    return done("Mended.", url_for("operating.proof", proof_id=plan.finding["proof_id"]), {"steps": data["steps"]})
