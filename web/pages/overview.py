"""Shows how everything is: a sentence, what needs someone, and a card for each entity."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from flask import Blueprint, Response, g, request, url_for

from db_connector import Transaction
from errors import SettingsError
from mappings.declaration import Mapping
from mappings.files import lines_of_columns
from mappings.loader import read_again
from mappings.query_syncs import QuerySync
from state import lists, pauses
from state.findings import last_proofs
from state.overview import state_of
from sync.parts import Chosen
from values.wording import plural, utc_or_none
from web import charts
from web.answers import done, note_act, shown, site
from web.pages import syncs
from web.states import FAILED, PAUSE_HOURS, need

pages = Blueprint("overview", __name__)

HOURS = 24


@pages.get("/")
def overview() -> Response:
    """Shows the overview."""
    chosen = site().chosen()
    with site().reading() as tx:
        state, proofs, bars = state_and_more(tx, chosen)
    cards = [
        card(mapping, entity, proofs.get(mapping.entity_type), bars.get(mapping.entity_type, []))
        for (mapping, _), entity in zip(chosen, state["entities"])
    ]
    of_syncs = [
        syncs.card(sync, known, bars.get(sync.entity_type, []))
        for sync, known in zip(site().syncs.values(), state.get("syncs", ()))
    ]
    every = [*cards, *of_syncs]
    needs = [one for made in every for one in made["needs"]]
    if wrong := site().mistakes_of_syncs:
        told = f"The file of the syncs has mistakes: {wrong}"
        needs.append(need(told, url_for("checks.checks", look="settings"), "Look at the checks"))
    data = {
        "sentence": sentence(every, needs, state),
        "needs": needs,
        "cards": cards,
        "syncs": of_syncs,
        "inbox": state["inbox"],
        "outbox": state["outbox"],
        "busy": any(made["state"] == "working" for made in every),
    }
    return shown("overview.html", data)


def state_and_more(tx: Transaction, chosen: Chosen) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Returns the state of all, their last proofs, and what was done in each of the last hours."""
    found_syncs = site().syncs.values()
    types = [*(mapping.entity_type for mapping, _ in chosen), *(sync.entity_type for sync in found_syncs)]
    now = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    done: dict[str, dict[datetime, dict[str, Any]]] = {}
    for row in lists.last_day(tx, types):
        done.setdefault(row["entity_type"], {})[row["at"]] = row
    bars = {
        kind: [{"at": utc_or_none(hour), **_numbers(found.get(hour))} for hour in hours] for kind, found in done.items()
    }
    return state_of(tx, chosen, site().tables_of_syncs), last_proofs(tx), bars


def _numbers(row: dict[str, Any] | None) -> dict[str, int]:
    return {name: int(row[name]) if row else 0 for name in ("n", "errors")}


def card(mapping: Mapping, entity: dict[str, Any], proof: dict[str, Any] | None, bars: list[Any]) -> dict[str, Any]:
    """Returns what the card of an entity shows."""
    name, run = mapping.entity, entity["last_run"]
    needs = list(_needs(name, entity))
    return {
        "entity": name,
        "direction": mapping.direction,
        "state": _word(mapping, entity, bool(needs)),
        "counts": {
            **{key: entity[key] for key in ("active", "in_step", "waiting", "errors", "set_aside", "off", "archived")},
            "conflicts": entity["conflicts"],
            "left_out": sum(int(skip["items"]) for skip in entity["skipped"]),
            "known_to_differ": entity["known_to_differ"],
        },
        "skipped": entity["skipped"],
        "board_id": entity["board_id"],
        "last_run": run and {key: run[key] for key in ("id", "started_at", "outcome", "message")},
        "last_proof": proof and {"at": utc_or_none(proof["finished_at"]), "outcome": proof["outcome"]},
        "next_run_at": entity["next_run_at"],
        "read_up_to": entity["watermark"],
        "bars": bars,
        "path": charts.path_of([bar["n"] for bar in bars]),
        "needs": needs,
        "paused": entity["paused"],
    }


def _needs(name: str, entity: dict[str, Any]) -> Any:
    """Yields what waits for a user, each with the page where it is dealt with."""
    run = entity["last_run"]
    if run and run["outcome"] in FAILED:
        told = f": {run['message']}" if run["message"] else ""
        what = "died" if run["outcome"] == "died" else "failed"
        yield need(f"The last run of {name} {what}{told}", url_for("runs.run", run_id=run["id"]), "Look at the run")
    if run and run["outcome"] == "guarded":
        told = f"A safety guard stopped the last run of {name}"
        yield need(told, url_for("runs.run", run_id=run["id"]), "Look at the run")
    if number := entity["conflicts"]:
        told = f"{plural(number, 'conflict')} of {name} {'waits' if number == 1 else 'wait'} for a decision"
        yield need(told, url_for("conflicts.conflicts", entity=name), "Decide")
    if number := entity["set_aside"]:
        told = f"{plural(number, 'record')} of {name} {'was' if number == 1 else 'were'} set aside after eight tries"
        yield need(told, url_for("records.retries", entity=name), "Look at them")


def _word(mapping: Mapping, entity: dict[str, Any], needs: bool) -> str:
    """Returns the one word for the state of an entity."""
    run = entity["last_run"]
    outcome = run["outcome"] if run else None
    cases = (
        (outcome == "running", "working"),
        (entity["paused"] is not None, "paused"),
        (outcome in FAILED, "failed"),
        (outcome == "guarded", "stopped"),
        (needs, "needs you"),
        (mapping.direction == "none", "off"),
        (outcome is None and not entity["active"], "never run"),
        (bool(entity["waiting"] or entity["errors"]), "waiting"),
    )
    return next((word for true, word in cases if true), "in step")


def sentence(cards: list[dict[str, Any]], needs: list[Any], state: dict[str, Any]) -> str:
    """Returns how everything is, in one sentence."""
    if needs:
        return f"{plural(len(needs), 'thing')} need{'s' if len(needs) == 1 else ''} you"
    if working := [made.get("entity") or made["sync"] for made in cards if made["state"] == "working"]:
        return f"A run works on {', '.join(working)}"
    runs = [made["last_run"]["started_at"] for made in cards if made["last_run"]]
    if not runs:
        return "Nothing was synced yet"
    waits = state["inbox"] + state["outbox"] + sum(made["counts"].get("waiting", 0) for made in cards)
    if waits:
        return f"{plural(waits, 'change')} wait{'s' if waits == 1 else ''} for the next run"
    return f"In step since {max(runs)[:16].replace('T', ' ')} UTC"


@pages.get("/entities/<entity>")
def entity(entity: str) -> Response:
    """Shows one entity: its state, its columns, its last runs, and what was left out. Or a sync of a query."""
    mapping = site().subject(entity)
    if isinstance(mapping, QuerySync):
        return syncs.page(mapping)
    chosen = [pair for pair in site().chosen() if pair[0].entity == entity]
    with site().reading() as tx:
        state, proofs = state_of(tx, chosen or [(mapping, "")]), last_proofs(tx)
        runs = lists.runs_page(tx, lists.RunFilter(entity=entity), 10)
    made = card(mapping, state["entities"][0], proofs.get(mapping.entity_type), [])
    data = {
        "card": made,
        "pause_hours": PAUSE_HOURS,
        "has_board": bool(chosen),
        "board_setting": mapping.board_setting,
        "table": mapping.table,
        "rule": mapping.conflict or "newest",
        "file": str(mapping.path),
        "columns": _columns(mapping),
        "runs": [{name: run[name] for name in ("run_id", "started_at", "direction", "outcome")} for run in runs],
    }
    return shown("entity.html", data)


@pages.post("/entities/<entity>/pause")
def pause(entity: str) -> Response:
    """Pauses an entity or a sync: no run and no live work is begun for it."""
    mapping = site().subject(entity)
    hours = request.form.get("hours", "")
    if hours not in ("", *PAUSE_HOURS):
        raise SettingsError(f"A pause is {', '.join(PAUSE_HOURS)} hours, or until it is resumed.")
    until = datetime.now(timezone.utc) + timedelta(hours=int(hours)) if hours else None
    made = pauses.pause(site().db, entity, g.role, until)
    note_act(f"paused {entity}", mapping.entity_type)
    return done(f"{made.sentence} What comes for it waits.", url_for("overview.entity", entity=entity))


@pages.post("/entities/<entity>/resume")
def resume(entity: str) -> Response:
    """Has an entity or a sync worked for again."""
    mapping = site().subject(entity)
    if pauses.resume(site().db, entity):
        note_act(f"resumed {entity}", mapping.entity_type)
    return done(f"{entity} is worked for again.", url_for("overview.entity", entity=entity))


def _columns(mapping: Mapping) -> list[dict[str, Any]]:
    """Returns which column of the board is which column of which table, and the line that says so."""
    lines = lines_of_columns(read_again(mapping).tree)
    found = []
    for binding in mapping.bindings:
        places = [mapping.places[name] for name in binding.fields if name in mapping.places]
        homes = [
            mapping.related[place.home].table if place.home in mapping.related else mapping.table for place in places
        ]
        found.append(
            {
                "board": ", ".join(binding.columns),
                "fields": ", ".join(binding.fields),
                "places": ", ".join(f"{home}.{place.column}" for home, place in zip(homes, places)),
                "read_only": binding.read_only,
                "rule": binding.conflict or mapping.conflict or "newest",
                "line": next((lines[name] for name in binding.columns if name in lines), None),
            }
        )
    return found
