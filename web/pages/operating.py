"""Shows proofs; makes one, and mends what it has found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, request, url_for

from errors import SettingsError
from mappings.declaration import Mapping
from state import lists
from state.findings import findings_of
from sync.operating import repair as mending
from sync.operating.proving import Proving
from sync.operating.verify import IDS, WHOLE, Extent
from sync.parts import Parts, board_of
from values.canonical import to_json
from web.answers import digest_of, done, note_act, shown, site

pages = Blueprint("operating", __name__)

PAGE = 50


@pages.get("/proofs")
def proofs() -> Response:
    """Lists the proofs, newest first."""
    names = {mapping.entity_type: mapping.entity for mapping in site().mappings.values()}
    with site().reading() as tx:
        found = lists.proofs(tx, PAGE)
    data = {
        "proofs": [{**row, "entity": names.get(row["entity_type"], row["entity_type"])} for row in found],
        "entities": [mapping.entity for mapping, _ in site().chosen()],
    }
    return shown("proofs.html", data)


@pages.post("/proofs")
def prove() -> Response:
    """Makes a proof of one entity: reads both sides, and writes neither."""
    entity = request.form.get("entity", "")
    site().settings.require_key()
    with site().working() as parts:
        mapping, board_id = _with_board(entity)
        (proof,) = Proving(parts, Extent(IDS if request.form.get("kind") == IDS else WHOLE)).of([(mapping, board_id)])
    note_act(f"made a proof of {entity}", mapping.entity_type)
    told = "Equal." if not proof.exit_code else proof.message or f"Not equal: {proof.differences}."
    return done(told, url_for("operating.proof", proof_id=proof.id), {"proof": proof.as_json()})


def _with_board(entity: str) -> tuple[Mapping, str]:
    mapping = site().mapping(entity)
    board_id = board_of(site().settings, mapping)
    if board_id is None:
        raise SettingsError(f"{entity} has no board.", hint=f"Set {mapping.board_setting} in .env.")
    return mapping, board_id


@pages.get("/proofs/<proof_id>")
def proof(proof_id: str) -> Response:
    """Shows what a proof has found."""
    with site().reading() as tx:
        found = [row for row in lists.proofs(tx, 1000) if row["id"] == proof_id]
        findings = findings_of(tx, proof_id, 200) if found else []
    if not found:
        raise SettingsError(f"There is no proof {proof_id}.", hint="/proofs lists them.")
    names = {mapping.entity_type: mapping.entity for mapping in site().mappings.values()}
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
