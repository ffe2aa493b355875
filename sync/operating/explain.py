"""Explains one record: whether both sides agree, field by field, what the next run would do, and how it came to that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from db_connector import Transaction
from errors import SettingsError
from mappings.cell_readers import instant
from mappings.declaration import Mapping
from mappings.files import lines_of_columns
from mappings.loader import read_again
from mappings.stored import at_line
from models import Item, Winner
from settings import PROJECT
from state import log as logs
from state.findings import last_proofs
from sync.board import BoardSync
from sync.decide import FIRST_MEETING
from sync.operating.compare import Class, Compared, compare_items, compare_rows
from sync.operating.looking import Looked, look_at
from sync.operating.since import brings_in, since
from sync.operating.verify import waiting_for
from sync.read_board import read_by_id
from sync.records import SingleRecord, find
from sync.task import Decision, Task
from values.canonical import to_json
from values.wording import utc_or_none

HISTORY = 20
"""How many lines of history are shown, unless all are asked for."""


class Asked(Struct, frozen=True):
    """Names a record that was asked about: its mapping, and the ids that are known."""

    mapping: Mapping
    item_id: str | None
    root_id: str | None
    record: SingleRecord | None = None


def asked_for(tx: Transaction, mappings: Sequence[Mapping], given: str) -> Asked:
    """Returns the record of `entity/id`, an item's id, a row's id or a natural key. Raises SettingsError."""
    try:
        found: SingleRecord = find(tx, mappings, given)
    except SettingsError:
        return _without_record(tx, mappings, given)
    return Asked(found.mapping, (found.link or {}).get("monday_id"), found.row_id, found)


def _without_record(tx: Transaction, mappings: Sequence[Mapping], given: str) -> Asked:
    """Returns an item that has no record, or a row by its natural key. Raises SettingsError."""
    entity, _, key = given.strip().rpartition("/")
    chosen = [mapping for mapping in mappings if entity in ("", mapping.entity)]
    for mapping in chosen:
        if root_id := row_with_key(tx, mapping, key):
            return asked_for(tx, [mapping], f"{mapping.entity}/{root_id}")
    if key.isdigit() and len(chosen) >= 1:
        skipped = tx.value("select entity_type from sync_skipped where monday_id = %s", (key,))
        by_type = [mapping for mapping in chosen if mapping.entity_type == skipped] or chosen
        if entity or skipped:
            return Asked(by_type[0], key, None)
    find(tx, mappings, given)  # says what is wrong
    raise SettingsError(f"There is no record {given}.")


def row_with_key(tx: Transaction, mapping: Mapping, key: str) -> str | None:
    """Returns the root row with a natural key of one column, or with the value of the match field."""
    from databases.postgres.catalogue import exists
    from databases.postgres.names import compose, identifier, table_name

    column = mapping.key[0].column if len(mapping.key) == 1 else mapping.match
    place = mapping.places.get(column or "")
    column = (
        place.column if place and not place.home and place.key is None else column if len(mapping.key) == 1 else None
    )
    if column is None or not key or not exists(tx, mapping.table):
        return None
    statement = compose(
        "select {id}::text from {table} where sync_fold({column}::text) = sync_fold(%s) limit 1",
        id=identifier(mapping.primary_key),
        table=table_name(mapping.table),
        column=identifier(column),
    )
    found = tx.value(statement, (key,))
    return str(found) if found is not None else None


def explain(sync: BoardSync, asked: Asked, lines: int | None = HISTORY) -> dict[str, Any]:
    """Returns what is known of a record, in the documented shape, with so many lines of history. Writes nothing."""
    items = [item for page in read_by_id(sync, [asked.item_id] if asked.item_id else []) for item in page]

    def work(tx: Transaction) -> tuple[Looked, list[Compared], list[dict[str, Any]]]:
        queues = waiting_for(sync, tx)
        looked = look_at(sync, tx, items)
        found = compare_items(looked, queues)
        if asked.root_id and not any(compared.root_id for compared in found):
            found += compare_rows(sync, tx, [asked.root_id], frozenset(), queues)
        return looked, found, logs.of_record(tx, sync.mapping.entity_type, asked.root_id, asked.item_id, lines)

    looked, found, history = sync.db.run_in_transaction(work, snapshot=True, keep=False)
    compared = found[0] if found else None
    shape = _heading(sync, asked, compared, items)
    shape |= _fields(sync, looked)
    shape["history"] = [_entry(entry) for entry in history]
    edited_at = instant(items[0].updated_at) if items and items[0].updated_at else None
    with sync.db.transaction(read_only=True) as tx:
        shape["since"] = utc_or_none(since(tx, sync, compared, edited_at))
        shape["comes_in"] = _comes_in(tx, sync, compared) if compared and shape["state"] == "left out" else ""
        proof = last_proofs(tx).get(sync.mapping.entity_type)
    shape["last_proof"] = {"at": utc_or_none(proof["finished_at"]), "outcome": proof["outcome"]} if proof else None
    return shape


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    times = {"at": utc_or_none(entry["created_at"]), "last_at": utc_or_none(entry["last_at"])}
    return {**{name: value for name, value in entry.items() if name != "created_at"}, **times}


def _comes_in(tx: Transaction, sync: BoardSync, compared: Compared) -> str:
    """Returns what would bring in an item that was left out."""
    if compared.item_id is None:
        return ""
    found = sync.state.links.find(tx, [(compared.item_id, "")])
    return brings_in(sync, compared.cause, found.skips.get(compared.item_id))


def _heading(sync: BoardSync, asked: Asked, compared: Compared | None, items: Sequence[Item]) -> dict[str, Any]:
    kind = compared.kind if compared else None
    if compared is None:
        state, why = "gone", "neither side has it any more"
    elif kind is Class.EQUAL:
        state, why = (
            "in step",
            "what is remembered is another value; verify finds that, and a run with --full mends it"
            if compared.stale_base
            else "",
        )
    elif compared.root_id is None and kind is Class.KNOWN:
        state, why = "left out", compared.cause
    else:
        state, why = "not in step", compared.cause
    return {
        "entity": sync.mapping.entity,
        "entity_id": (compared.root_id if compared else None) or asked.root_id,
        "monday_id": (compared.item_id if compared else None) or asked.item_id,
        "board_id": sync.board.id,
        "board": sync.board.name,
        "item": items[0].name if items else None,
        "state": state,
        "class": kind.value if kind else None,
        "why": why,
    }


def _fields(sync: BoardSync, looked: Looked) -> dict[str, Any]:
    if not looked.tasks:
        return {"fields": [], "equal_fields": 0}
    (task, decision), *_ = looked.decided()
    names, same = sync.bound.fields, sync.bound.same
    row = task.stored.record if task.stored else {}
    lines = _lines(sync.mapping)
    shown = [
        _field(sync, task, decision, name, lines)
        for name in names
        if not (
            same(name, task.record.get(name), row.get(name))
            and same(name, task.record.get(name), task.base_monday.get(name))
        )
    ]
    return {"fields": shown, "equal_fields": len(names) - len(shown)}


def _field(sync: BoardSync, task: Task, decision: Decision, name: str, lines: dict[str, int]) -> dict[str, Any]:
    row = task.stored.record if task.stored else {}
    rule, where = _rule(sync, task, name, lines)
    cell_at = looked_at = None
    for conflict in decision.plan.conflicts:
        if conflict.field == name:
            cell_at, looked_at = conflict.monday_changed_at, conflict.postgres_changed_at
    return {
        "field": name,
        "agreed": to_json(task.base_monday.get(name)),
        "monday": to_json(task.record.get(name)),
        "postgres": to_json(row.get(name)),
        "monday_changed_at": utc_or_none(cell_at or sync.reader.changed_at(name, task.item)),
        "postgres_changed_at": utc_or_none(looked_at),
        "next_run": _next(task, decision, name),
        "rule": rule,
        "rule_from": where,
    }


def _next(task: Task, decision: Decision, name: str) -> str:
    """Says what the next run would do about a field."""
    plan = decision.plan
    if decision.idle:
        return "nothing: the record is switched off"
    if decision.operation == "create":
        return "to PostgreSQL, with the new row"
    if decision.removal is not None:
        return "the item is removed, because its row is"
    held = [conflict for conflict in plan.conflicts if conflict.field == name and conflict.winner is Winner.HELD]
    if held:
        known = task.disputes.get(name)
        return f"held: python main.py conflicts resolve {known.id[:8]} --winner monday" if known else "held for a user"
    if name in plan.to_postgres:
        return "to PostgreSQL"
    if name in plan.to_monday:
        return "to the board"
    if name in plan.refused:
        return f"refused: {plan.refused[name]}"
    if name in plan.waiting:
        return "waits: this mapping does not flow that way"
    return "nothing"


def _rule(sync: BoardSync, task: Task, name: str, lines: dict[str, int]) -> tuple[str, str]:
    """Returns the rule that settles a conflict about a field, and the file and line that says so."""
    mapping, binding = sync.mapping, sync.bound.owner.get(name)
    line = next((lines[column] for column in binding.columns if column in lines), None) if binding else None
    here = at_line(_shown_path(mapping.path), line) if line else _shown_path(mapping.path)
    if binding is not None and binding.conflict:
        return binding.conflict, here
    if name in sync.bound.read_only:
        return "read-only", here
    if mapping.conflict:
        return mapping.conflict, at_line(_shown_path(mapping.path), lines.get("", 1))
    if task.met:
        return FIRST_MEETING, "default"
    return "newest", f"default; no rule in {here}"


def _lines(mapping: Mapping) -> dict[str, int]:
    there = mapping.text or mapping.path and Path(mapping.path).is_file()
    return lines_of_columns(read_again(mapping).tree) if there else {}


def _shown_path(path: str) -> str:
    place = Path(path)
    return str(place.relative_to(PROJECT)) if place.is_relative_to(PROJECT) else path
