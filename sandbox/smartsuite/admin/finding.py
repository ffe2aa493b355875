"""Finds what an admin call names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sandbox.smartsuite.account.models import Member, Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.account.world import World

Calls: TypeAlias = dict[str, Callable[..., object]]


class Finder:
    def __init__(self, world: World) -> None:
        self._world = world

    def table(self, table_id: str) -> Table:
        """Finds a table by its id or its name."""
        for table in self._world.tables.values():
            if table_id in (table.id, table.name):
                return table
        raise LookupError(f"no table {table_id!r}")

    def record(self, record_id: str) -> tuple[Table, Record]:
        table = self._world.table_of(record_id)
        if table is None:
            raise LookupError(f"no record {record_id!r}")
        return table, table.records[record_id]

    def member(self, given: str | None) -> Member:
        """Finds a member by id, name or e-mail; without any the second, so that edits are not the key's."""
        if given is None:
            return list(self._world.members.values())[1]
        for member in self._world.members.values():
            if given in (member.id, member.name, member.email):
                return member
        raise LookupError(f"no member {given!r}")
