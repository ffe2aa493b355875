"""Lists conflicts of entities and of syncs of queries, as `sync_conflicts` keeps them, and finds them by their ids.

`names` holds what each kind of conflict is called, by its `entity_type`: `names_of` makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import asdict

from db_connector import Transaction
from errors import SettingsError
from state.held import QUERY
from values.wording import utc_milliseconds

SUPERSEDED = "a later conflict about the same field stands; name that one"

SELECT = """
select id::text, entity_type, entity_id, monday_id, field, base_value, monday_value, postgres_value, monday_changed_at,
       postgres_changed_at, rule, winner, status, created_at, resolved_at, run_id::text
from sync_conflicts
"""

NEWEST_FIRST = f"""{SELECT}
where (%(all)s or status = 'open') and (%(every)s or entity_type = any(%(types)s))
  and (%(key)s::text is null or entity_id = %(key)s)
order by created_at desc, id
limit %(limit)s
"""

MATCHING = """
from sync_conflicts
where entity_type = any(%(types)s)
  and (%(state)s = 'all' or status = %(state)s)
  and (%(field)s = '' or field = %(field)s)
  and (%(rule)s = '' or rule = %(rule)s)
"""

PAGE = (
    SELECT.partition("\nfrom ")[0]
    + MATCHING
    + """
  and (%(at)s = ''
       or (date_trunc('milliseconds', created_at), id)
           < (nullif(%(at)s, '')::timestamptz, nullif(%(id)s, '')::uuid))
order by date_trunc('milliseconds', created_at) desc, id desc
limit %(limit)s
"""
)

BEGINNING_WITH = f"""{SELECT}
where starts_with(id::text, %s)
limit 2
"""

NEWEST_OF_FIELD = """
select distinct on (entity_type, entity_id, field) id::text
from sync_conflicts
where (entity_type, entity_id, field) in (
    select entity_type, entity_id, field from sync_conflicts where id = any(%s::uuid[]))
order by entity_type, entity_id, field, created_at desc, id
"""


class Named(Protocol):
    """Says how an entity is called, and under which type its conflicts are kept."""

    @property
    def entity(self) -> str:
        """Returns its name."""

    @property
    def entity_type(self) -> str:
        """Returns the type."""


def names_of(mappings: Iterable[Named], syncs: Iterable[str]) -> dict[str, str]:
    """Returns the names of entities and syncs by the type under which their conflicts are kept."""
    of_entities = {mapping.entity_type: mapping.entity for mapping in mappings}
    return of_entities | {f"{QUERY}{name}": name for name in syncs}


def is_of_sync(conflict: Mapping[str, Any]) -> bool:
    """Tells whether a conflict is of a sync of a query."""
    return str(conflict["entity_type"]).startswith(QUERY)


class Wanted(Struct, frozen=True):
    """Says which conflicts are wanted, and from which on: the time and the id of the last that was shown."""

    entity: str = ""
    """The name of an entity or of a sync."""
    field: str = ""
    rule: str = ""
    state: str = "open"
    """`open`, `resolved`, or `all`."""
    at: str = ""
    id: str = ""

    def params(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Returns the parameters of `MATCHING`."""
        types = [kind for kind, name in names.items() if self.entity in ("", name)]
        return {**asdict(self), "types": types}


def conflicts_of(
    tx: Transaction,
    names: Mapping[str, str],
    entity: str | None = None,
    everything: bool = False,
    limit: int | None = None,
    key: str | None = None,
) -> list[dict[str, Any]]:
    """Returns the conflicts that wait for a user, or also those that were decided, newest first. `key`: of one row."""
    types = [kind for kind, name in names.items() if entity in (None, name)]
    params = {"all": everything, "every": entity is None, "types": types, "limit": limit, "key": key}
    return [_named(row, names) for row in tx.dicts(NEWEST_FIRST, params)]


def page_of(tx: Transaction, names: Mapping[str, str], wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """Returns the conflicts that match, newest first."""
    return [_named(row, names) for row in tx.dicts(PAGE, {**wanted.params(names), "limit": limit})]


def count_of(tx: Transaction, names: Mapping[str, str], wanted: Wanted) -> int:
    """Counts the conflicts that match."""
    return int(tx.value(f"select count(*) {MATCHING}", wanted.params(names)))


def with_ids(tx: Transaction, names: Mapping[str, str], ids: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the conflicts of these whole ids, as far as they exist."""
    return [_named(row, names) for row in tx.dicts(f"{SELECT}\nwhere id::text = any(%s)", (list(ids),))]


def find(tx: Transaction, names: Mapping[str, str], ids: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the conflicts of these ids, or beginnings of ids. Raises SettingsError when an id names none, or several."""
    found = []
    for given in ids:
        text = given.strip().lower()
        rows = tx.dicts(BEGINNING_WITH, (text,)) if len(text) >= 4 else []
        if len(rows) != 1:
            what = "names several conflicts" if rows else "names no conflict"
            raise SettingsError(
                f"{given} {what}.", hint="python main.py conflicts list --all shows them with their ids."
            )
        found.append(_named(rows[0], names))
    return found


def newest_of(tx: Transaction, found: Sequence[Mapping[str, Any]]) -> set[str]:
    """Returns the ids of those conflicts that no later one about the same field has taken the place of."""
    return {row[0] for row in tx.rows(NEWEST_OF_FIELD, ([conflict["id"] for conflict in found],))}


def _named(row: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    kind = row["entity_type"]
    times = {name: row[name] and utc_milliseconds(row[name]) for name in row if name.endswith("_at")}
    return {"id": row["id"], "entity": names.get(kind, kind.removeprefix(QUERY)), **row, **times}
