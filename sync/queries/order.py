"""Puts syncs into the order in which records that others link to are made first."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from msgspec.structs import replace

from errors import SmartSuiteError, SmartSuiteRefused
from mappings.query_syncs import QuerySync
from services.smartsuite.structure import Field, Table
from state.values import links_key, put, values_of
from sync.queries.parts import SuiteParts
from sync.queries.references import LINKED, linked_table

log = logging.getLogger("monday_sync")


def in_order(parts: SuiteParts, syncs: Sequence[QuerySync], remembers: bool) -> list[QuerySync]:
    """Returns the syncs, those first whose tables others link to. In a circle of links one has to come before another.

    SmartSuite says which table a field links to. It is asked once for each mapping, and `remembers` keeps the answer.
    """
    if len({sync.table_id for sync in syncs}) < 2:
        return list(syncs)
    linked = _linked_tables(parts, syncs, remembers)
    before = {
        sync.name: [other.name for other in syncs if other.table_id in linked.get(sync.name, ())] for sync in syncs
    }
    ordered: list[str] = []
    for sync in syncs:
        _visit(sync.name, before, ordered, set())
    places = {name: place for place, name in enumerate(ordered)}
    return [
        replace(sync, after=tuple(name for name in before[sync.name] if places[name] < places[sync.name]))
        for sync in sorted(syncs, key=lambda sync: places[sync.name])
    ]


def _visit(name: str, before: Mapping[str, Sequence[str]], ordered: list[str], above: set[str]) -> None:
    if name in ordered or name in above:
        return
    for other in before[name]:
        _visit(other, before, ordered, {*above, name})
    if name not in ordered:
        ordered.append(name)


def _linked_tables(parts: SuiteParts, syncs: Sequence[QuerySync], remembers: bool) -> dict[str, list[str]]:
    """Returns by sync the ids of the other tables that its fields link to, as far as that is known."""
    with parts.db.transaction(read_only=True) as tx:
        known = values_of(tx, [links_key(sync.name) for sync in syncs])
    found: dict[str, list[str]] = {}
    for sync in syncs:
        written = blake2b(sync.written.encode(), digest_size=16).hexdigest()
        remembered = known.get(links_key(sync.name)) or {}
        if remembered.get("written") == written:
            found[sync.name] = remembered["tables"]
            continue
        try:
            tables = found[sync.name] = _links_of(sync, parts.table(sync.table_id))
        except SmartSuiteRefused as exc:  # the sync itself will tell
            log.debug("%s: %s", sync.name, exc.message)
            continue
        except SmartSuiteError as exc:
            log.debug("%s: %s", sync.name, exc.message)
            break
        if remembers:
            with parts.db.transaction() as tx:
                put(tx, links_key(sync.name), {"written": written, "tables": tables})
    return found


def _links_of(sync: QuerySync, table: Table) -> list[str]:
    fields = [table.find(name) for name in sync.fields.values()]
    linked = {linked_table(field) for field in fields if isinstance(field, Field) and field.kind == LINKED}
    return sorted(linked - {sync.table_id, ""})
