"""Shows single records, why each is as it is, and what is tried again; changes a record's settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for

from db_connector import Transaction
from errors import SettingsError, SyncError
from mappings.declaration import Mapping
from mappings.loader import choose
from state import lists
from state.query_syncs import refused_rows, try_rows_now
from state.record_settings import DIRECTIONS
from sync import records as work
from sync.board import Opening, open_board
from sync.operating.explain import asked_for
from sync.operating.explain import explain as explained
from sync.options import PullOptions
from sync.parts import board_of
from sync.queries.known import give_up
from values.wording import plural
from web.answers import digest_of, done, note_act, shown, site
from web.pages import syncs

pages = Blueprint("records", __name__)

PAGE = 50
STATES = ("error", "set_aside", "conflict", "disabled", "pending")


@pages.get("/records")
def records() -> Response:
    """Finds a record, or lists those in a state that needs someone."""
    asked, state = request.args.get("q", "").strip(), request.args.get("state", "")
    name, slash, of_row = asked.partition("/")
    if slash and name in site().syncs:
        to: Response = redirect(url_for("records.record", entity=name, key=of_row))  # type: ignore[assignment]
        return to
    entity, after = request.args.get("entity", ""), request.args.get("after", "")
    mappings = choose(site().mappings, [entity] if entity else [])
    problem, found = "", []
    with site().reading() as tx:
        if asked:
            try:
                record = asked_for(tx, list(site().mappings.values()), asked)
            except SettingsError as exc:
                problem = f"{exc.message} {exc.hint}"
            else:
                key = record.root_id or record.item_id
                back: Response = redirect(url_for("records.record", entity=record.mapping.entity, key=key))  # type: ignore[assignment]
                return back
        elif state in STATES:
            types = [mapping.entity_type for mapping in mappings]
            found = lists.needs_someone(tx, state, types, after, PAGE + 1)
    names = {mapping.entity_type: mapping.entity for mapping in mappings}
    data = {
        "records": [{**row, "entity": names[row["entity_type"]]} for row in found[:PAGE]],
        "next": found[PAGE - 1]["entity_id"] if len(found) > PAGE else None,
        "asked": {"q": asked, "state": state, "entity": entity},
        "problem": problem,
        "states": STATES,
        "entities": [mapping.entity for mapping, _ in site().chosen()],
    }
    return shown("records.html", data)


@pages.get("/records/<entity>/<path:key>")
def record(entity: str, key: str) -> Response:
    """Shows why a record is as it is, with its switches; without monday.com, what the tool remembers of it."""
    if sync := site().syncs.get(entity):
        return syncs.row(sync, key)
    mapping = site().mapping(entity)
    known: dict[str, Any] | None = None
    why, settings = "", None
    with site().reading() as tx:
        asked = asked_for(tx, list(site().mappings.values()), f"{entity}/{key}")
        if asked.record is not None:
            settings = work.shown(tx, asked.record)
    board_id = board_of(site().settings, mapping)
    if board_id is None:
        why = f"{entity} has no board: {mapping.board_setting} is not set."
    else:
        try:
            with site().working() as parts:
                options = Opening(PullOptions(dry_run=True), (True, True))
                known = explained(open_board(parts, mapping, board_id, options), asked)
        except SyncError as exc:
            why = f"{exc.message} {exc.hint}"
    data = {
        "entity": entity,
        "key": key,
        "known": known,
        "why": why,
        "settings": settings,
        "directions": DIRECTIONS,
    }
    return shown("record.html", data)


@pages.post("/records/<entity>/<path:key>")
def change(entity: str, key: str) -> Response:
    """Changes the settings of a record."""
    mapping, form = site().mapping(entity), request.form
    enabled = {"on": True, "off": False}.get(form.get("enabled", ""))
    direction = form.get("direction") or None
    with site().working() as parts, parts.db.transaction() as tx:
        found = work.find(tx, [mapping], key)
        work.change(tx, found, enabled, direction)
        known = work.shown(tx, work.find(tx, [mapping], found.row_id))
    words = [f"{'on' if enabled else 'off'}"] * (enabled is not None) + ([direction] if direction else [])
    note_act(f"set {entity}/{found.row_id}: {', '.join(words)}", mapping.entity_type, known["monday_id"], found.row_id)
    to = url_for("records.record", entity=entity, key=key)
    return done("Changed. The next run deals with what waits.", to, {"record": known})


@pages.post("/records/<entity>/<path:key>/recreate")
def recreate(entity: str, key: str) -> Response:
    """Makes a new item of a row whose own is gone, once the user has written its key."""
    mapping = site().mapping(entity)
    if request.form.get("typed", "").strip() != key:
        raise SettingsError("Nothing was made.", hint=f"Write {key} into the field to make a new item.")
    site().settings.require_key()
    with site().working() as parts:
        with parts.db.transaction(read_only=True) as tx:
            found = work.find(tx, [mapping], key)
        item = work.recreate(parts, found)
    note_act(f"made a new item of {entity}/{key}", mapping.entity_type, item, key)
    to = url_for("records.record", entity=entity, key=key)
    return done(f"Made item {item}.", to, {"monday_id": item})


# What is tried again


@pages.get("/retries")
def retries() -> Response:
    """Lists what was refused, grouped by reason."""
    entity, reason = request.args.get("entity", ""), request.args.get("reason", "")
    with site().reading() as tx:
        found = _waiting(tx, entity)
    return shown("retries.html", _listed(found, entity, reason))


def _listed(found: Sequence[dict[str, Any]], entity: str, reason: str) -> dict[str, Any]:
    groups = Counter((str(refused["entity"]), str(refused["last_error"] or "")) for refused in found)
    chosen = _with_reason(found, reason)
    return {
        "groups": [{"entity": name, "reason": why, "number": n} for (name, why), n in groups.most_common(PAGE)],
        "records": chosen[:PAGE],
        "total": len(chosen),
        "digest": _digest_of(chosen),
        "moved": False,
        "asked": {"entity": entity, "reason": reason},
        "entities": site().names,
    }


def _waiting(tx: Transaction, entity: str) -> list[dict[str, Any]]:
    """Returns the records that were refused, and the rows of syncs that were."""
    names = [name for name in site().syncs if entity in ("", name)]
    return [*work.waiting(tx, _mappings(entity), site().settings), *(refused_rows(tx, names) if names else ())]


def _with_reason(found: Sequence[dict[str, Any]], reason: str) -> list[dict[str, Any]]:
    return [refused for refused in found if reason in ("", str(refused["last_error"] or ""))]


def _digest_of(chosen: Sequence[dict[str, Any]]) -> str:
    """Returns what tells whether those that match are still the same."""
    return digest_of([name_of(refused) for refused in chosen])


def _mappings(entity: str) -> Sequence[Mapping]:
    if entity in site().syncs:
        return ()
    return choose(site().mappings, [entity] if entity else [])


@pages.post("/retries/<act>")
def try_again(act: str) -> Response:
    """Makes the ticked, or all that match, due at once; or gives them up."""
    form, entity = request.form, request.form.get("entity", "")
    mappings = _mappings(entity)
    with site().reading() as tx:
        found = _waiting(tx, entity)
    matching = _with_reason(found, form.get("reason", ""))
    if form.get("all") and not form.getlist("id") and _digest_of(matching) != form.get("digest"):
        return shown("retries.html", {**_listed(found, entity, form.get("reason", "")), "moved": True}, 409)
    some = _some(found, matching, form)
    if act == "now":
        with site().db.transaction() as tx:
            work.try_now(tx, mappings, some, site().settings)
            for name in site().syncs:
                if keys := [str(one["entity_id"]) for one in some if one["entity"] == name]:
                    try_rows_now(tx, name, keys)
        told = f"{plural(len(some), 'record')} will be tried by the next run."
    elif act == "drop":
        if str(len(some)) != form.get("typed", "").strip():
            raise SettingsError(
                f"Nothing was given up: {plural(len(some), 'record')} would be.",
                hint="Write that number into the field beside the button.",
            )
        with site().working() as parts:
            chosen = [(mapping, board) for mapping in mappings if (board := board_of(parts.settings, mapping))]
            if records := [one for one in some if one["entity"] not in site().syncs]:
                work.drop(parts, chosen, records)
            number = len(records) + sum(give_up(parts.db, sync, some) for sync in site().syncs.values())
        told = f"{plural(number, 'record')} given up. Both sides stay as they are until one is edited."
    else:
        raise SettingsError(f"Unknown: {act}.")
    note_act(f"retry {act}: {plural(len(some), 'record')} of {entity or 'all entities'}")
    return done(told, url_for("records.retries", entity=entity or None), {"records": some})


def _some(found: Sequence[dict[str, Any]], matching: list[dict[str, Any]], form: Any) -> list[dict[str, Any]]:
    """Returns those that are ticked, or all that match the reason. Raises SettingsError when there is none."""
    ticked = set(form.getlist("id"))
    every = matching if form.get("all") else []
    some = [refused for refused in found if name_of(refused) in ticked] if ticked else every
    if not some:
        raise SettingsError("No record is ticked that still waits.", hint="Tick some, or take all that match.")
    return some


def name_of(refused: dict[str, Any]) -> str:
    """Returns what names a refused record in a form."""
    return f"{refused['entity']}|{refused['entity_id'] or ''}|{refused['monday_id'] or ''}"
