"""Finds the ids that rows name in another way: people by their e-mail address, records by their row's key or their title."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from db_connector import Database
from services.smartsuite.client import BULK, SmartSuite
from services.smartsuite.simple import RECORD_ID, texts
from services.smartsuite.structure import Field
from state.records import record_ids
from sync.queries.compare import Row
from values.canonical import is_empty
from values.slices import batched

LINKED = "linkedrecordfield"
NAMED = (LINKED, "userfield")


class References(Struct):
    """Puts ids in the place of what rows name.

    A row that names nobody is refused. One that names a record which is not there is written without the link.
    """

    database: Callable[[], Database]
    """Returns where the tool remembers which record belongs to which row; called when a row names records."""
    suite: SmartSuite
    fields: Mapping[str, Field]
    """The fields that are filled, by column."""
    _found: dict[str, dict[str, str]] = field(default_factory=dict)

    def resolve(self, rows: Sequence[Row], again: Collection[str] = ()) -> None:
        """Changes the values of rows that name people and records. `again`: only records of these tables are looked for."""
        for column, named in self.fields.items():
            if named.kind in NAMED:
                self._resolve(column, named, rows, not again or linked_table(named) in again)

    def _resolve(self, column: str, named: Field, rows: Sequence[Row], looks: bool) -> None:
        names = {row.key: _names(named, row.values[column]) for row in rows if not is_empty(row.values.get(column))}
        known = self._found.setdefault(column, {})
        wanted = {name for listed in names.values() for name in listed if not RECORD_ID.fullmatch(name)} - known.keys()
        if wanted and looks:
            known |= self._people(known) if named.kind == "userfield" else self._records(named, sorted(wanted))
        for row in rows:
            if not is_empty(row.values.get(column)):
                given = names[row.key]
                row.values[column] = [known.get(_folded(named, name), name) for name in given]
                missing = [name for name in given if name not in known and not RECORD_ID.fullmatch(name)]
                if missing and named.kind == LINKED:
                    row.unlinked[named.slug] = missing
                else:
                    row.unlinked.pop(named.slug, None)

    def _people(self, known: dict[str, str]) -> dict[str, str]:
        if known:
            return {}
        return {
            str(address).lower(): str(member["id"])
            for member in self.suite.members()
            for address in _list(member.get("email"))
        }

    def _records(self, named: Field, wanted: Sequence[str]) -> dict[str, str]:
        table_id = linked_table(named)
        with self.database().transaction(read_only=True) as tx:
            found = record_ids(tx, table_id, wanted)
        left = [name for name in wanted if name not in found]
        for some in batched(left, BULK):
            titles: dict[str, list[str]] = {}
            for item in self.suite.find(table_id, "title", "is", some):
                titles.setdefault(str(item.get("title")), []).append(str(item.get("id")))
            # two of one title are not told apart
            found |= {title: ids[0] for title, ids in titles.items() if title in some and len(ids) == 1}
        return found


def linked_table(named: Field) -> str:
    """Returns the id of the table whose records a field names."""
    return str(named.params.get("linked_application") or "")


def _names(named: Field, value: Any) -> list[str]:
    listed: Iterable[Any] = value if isinstance(value, (list, tuple)) else [value]
    if named.kind == "userfield" and isinstance(value, str):
        listed = value.split(",")
    return texts(named, list(listed))


def _folded(named: Field, name: str) -> str:
    return name.lower() if named.kind == "userfield" else name


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []
