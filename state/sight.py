"""Knows when a row that is not found may be there all the same, and remembers which table an entity's name stood for.

Absence means removal only when every row can be seen. Row level security, a view, a foreign table, a replica, a partition
that was detached, and a name that stands for another table now all hide rows that nobody removed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from databases.postgres.names import identifier, table_name
from databases.postgres.sight import (
    KINDS,
    Sight,
    hidden_in_words,
    hiding,
    remedy_for_hidden,
    sight_of,
    still_there,
)
from db_connector import Transaction
from mappings.declaration import Mapping
from state.links import Links
from state.values import put, table_key, value_of

BY_SQL = "An item is archived when its row has a time in {column}; `deletes: {{postgres: ignore}}` says that all stay."
NO_SQL = "`deletes: {postgres: ignore}` in the mapping says that items stay."
SETUP = "If that is meant, and what is missing was removed: python main.py setup --entity {entity}"


class Unsure(NamedTuple):
    """Says why a row that is not found may be there all the same, and what a user can do."""

    reason: str
    hint: str


def why_unsure(tx: Transaction, mapping: Mapping) -> Unsure | None:
    """Returns why a root row that is not found may be there all the same; None when it is gone."""
    sight = sight_of(tx, mapping.table)
    if sight is None:
        return None
    if hiding(tx, [mapping.table]):
        role = str(tx.value("select quote_ident(current_user)"))
        return Unsure(hidden_in_words(mapping.table, role), remedy_for_hidden(mapping.table, role))
    return why_never_sure(mapping, sight) or _moved(tx, mapping, sight)


def why_never_sure(mapping: Mapping, sight: Sight) -> Unsure | None:
    """Returns why absence says nothing in a table of this kind; None when it can be judged."""
    column = mapping.archived_column
    hint = BY_SQL.format(column=column) if column else NO_SQL
    # rows come from a query, or from another database
    if sight.kind in KINDS:
        return Unsure(f"{mapping.table} is {KINDS[sight.kind]}, and may leave out rows that are there.", hint)
    # some do
    if sight.foreign:
        return Unsure(f"A part of {mapping.table} is a foreign table, and may leave out rows that are there.", hint)
    # rows come late
    if sight.replica:
        return Unsure("The server is a replica, and may lag.", "Set DATABASE_URL to the server that is written.")
    return None


def note_table(tx: Transaction, mapping: Mapping) -> None:
    """Remembers what the mapping's table is, unless rows are missing that may be where they were."""
    sight = sight_of(tx, mapping.table)
    if sight is None or (known := value_of(tx, table_key(mapping.entity))) == _remembered(sight):
        return
    if known and _moved(tx, mapping, sight):
        links = Links(mapping.entity_type, "")
        if links.rows_gone(tx, table_name(mapping.table), identifier(mapping.primary_key)):
            return
    put(tx, table_key(mapping.entity), _remembered(sight))


def _remembered(sight: Sight) -> dict[str, Any]:
    return {"oid": sight.oid, "name": sight.name, "parts": list(sight.parts)}


def _moved(tx: Transaction, mapping: Mapping, sight: Sight) -> Unsure | None:
    """Returns where rows may be that were in the table: in another one of its name, or in a partition of before."""
    known = value_of(tx, table_key(mapping.entity))
    # a pull writes what is missing into the table as it is
    if not known or mapping.direction == "monday_to_pg":
        return None
    hint = SETUP.format(entity=mapping.entity)
    # a search path, or a swap of names
    if known["oid"] != sight.oid and (there := still_there(tx, [known["oid"]], mapping.primary_key)):
        return Unsure(f"{mapping.table} was {known['name']} ({there[0]} now), and is {sight.name} now.", hint)
    lost = set(known["parts"]) - {sight.oid, *sight.parts}
    # a partition detached, or a child that inherits no more
    if there := still_there(tx, sorted(lost), mapping.primary_key):
        return Unsure(f"{', '.join(there)} was a part of {mapping.table}, and is none now.", hint)
    return None
