"""Changes records: makes, changes, deletes and restores them, for the API and for people alike."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sandbox.smartsuite.account.models import Table
from sandbox.smartsuite.account.record import Record, Stored
from sandbox.smartsuite.account.world import World
from sandbox.smartsuite.fields.kind import Place
from sandbox.smartsuite.fields.kinds import kind_of

RESTORED = " (Restored)"


class Edits:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, table: Table, values: dict[str, Stored], member: str) -> Record:
        now = self._world.clock.now()
        kept = {slug: value for slug, value in values.items() if value is not None}
        record = Record(self._world.new_id(), table.next_number, kept, member, now, member, now)
        table.next_number += 1
        self._world.remember(table, record.id, None)
        table.records[record.id] = record
        table.index.add(record)
        self._write_title(table, record)
        self._mirror(table, record, dict.fromkeys(kept), member)
        return record

    def change(self, table: Table, record: Record, values: dict[str, Stored], member: str) -> bool:
        """Stores values; returns False when all of them stand there already, and nothing moves."""
        before = {slug: record.values.get(slug) for slug in values}
        if before == values:
            return False
        self._world.remember(table, record.id, record)
        table.index.remove(record)
        for slug, value in values.items():
            if value is None:
                record.values.pop(slug, None)
            else:
                record.values[slug] = value
        record.updated_by, record.updated_at = member, self._world.clock.now()
        table.index.add(record)
        self._write_title(table, record)
        self._mirror(table, record, before, member)
        return True

    def delete(self, table: Table, record: Record, member: str) -> None:
        """Puts a record into the recycle bin."""
        self._world.remember(table, record.id, record)
        record.deleted_at, record.deleted_by = self._world.clock.now(), member

    def restore(self, table: Table, record: Record, member: str) -> None:
        self._world.remember(table, record.id, record)
        table.index.remove(record)
        record.deleted_at = record.deleted_by = None
        record.values[table.primary] = f"{record.values.get(table.primary, '')}{RESTORED}"
        record.updated_by, record.updated_at = member, self._world.clock.now()
        table.index.add(record)

    def purge(self, table: Table, record: Record) -> None:
        """Removes a record from the recycle bin: no answer names it any more."""
        table.index.remove(record)
        del table.records[record.id]

    def _write_title(self, table: Table, record: Record) -> None:
        """Makes an automatic title by its template: `[[autonumber]] - [[slug]]`."""
        field = table.fields.get(table.primary)
        if field is None or not field.is_automatic:
            return
        template = field.params.get("template") or "[[autonumber]]"

        def filled(found: re.Match[str]) -> str:
            part = table.fields.get(found[1])
            if part is None:
                return ""
            kind, place = kind_of(part), Place(self._world, table, part, record)
            value = kind.value_of(record, part.slug)
            return "" if value is None else str(kind.key(value, place))

        table.index.remove(record)
        record.values[field.slug] = re.sub(r"\[\[(\w+)]]", filled, template)
        table.index.add(record)

    def _mirror(self, table: Table, record: Record, before: dict[str, Stored], member: str) -> None:
        """Writes the other side of links: the mirror field of the linked table."""
        for slug, old in before.items():
            field = table.fields[slug]
            mirror = field.params.get("linked_field_slug")
            other = self._world.tables.get(field.params.get("linked_application", ""))
            if field.type != "linkedrecordfield" or other is None or mirror not in other.fields:
                continue
            new = record.values.get(slug) or []
            for record_id in gone_and_new(old or [], new):
                self._link(other, record_id, mirror, record.id, record_id in new)

    def _link(self, table: Table, record_id: str, slug: str, linked: str, wanted: bool) -> None:
        record = table.records.get(record_id)
        if record is None:
            return
        self._world.remember(table, record.id, record)
        rest = [entry for entry in record.values.get(slug, []) if entry != linked]
        record.values[slug] = [*rest, linked] if wanted else rest


def gone_and_new(old: Iterable[str], new: Iterable[str]) -> list[str]:
    return sorted(set(old) ^ set(new))
