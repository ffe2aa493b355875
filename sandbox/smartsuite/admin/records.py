"""Answers admin calls that change records as people do, and those that put values past all checks."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.models import Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.admin.finding import Calls, Finder
from sandbox.smartsuite.changes.checks import Checker, Rules
from sandbox.smartsuite.service import Service

AS_A_PERSON = Rules(created=False, required=False)


class RecordCalls:
    def __init__(self, service: Service) -> None:
        self._world, self._edits, self._find = service.world, service.edits, Finder(service.world)
        self.calls: Calls = {
            "records/create": self.create,
            "records/load": self.load,
            "records/change": self.change,
            "records/delete": self.delete,
            "records/restore": self.restore,
            "records/purge": self.purge,
            "records/raw": self.store,
        }

    def create(self, table_id: str, values: JsonObject | None = None, member: str | None = None) -> JsonObject:
        """Makes a record as a person does."""
        return {"id": self._made(self._find.table(table_id), values or {}, member).id}

    def load(self, table_id: str, records: list[JsonObject], member: str | None = None) -> list[str]:
        """Makes many records; returns their ids."""
        table = self._find.table(table_id)
        return [self._made(table, values, member).id for values in records]

    def change(self, record_id: str, values: JsonObject, member: str | None = None) -> JsonObject:
        table, record = self._find.record(record_id)
        kept = Checker(self._world, table, AS_A_PERSON).checked(values, record)
        self._edits.change(table, record, kept, self._find.member(member).id)
        return {"id": record.id}

    def delete(self, record_id: str, member: str | None = None) -> JsonObject:
        table, record = self._find.record(record_id)
        self._edits.delete(table, record, self._find.member(member).id)
        return {"id": record.id}

    def restore(self, record_id: str, member: str | None = None) -> JsonObject:
        table, record = self._find.record(record_id)
        self._edits.restore(table, record, self._find.member(member).id)
        return {"id": record.id}

    def purge(self, record_id: str) -> JsonObject:
        """Removes a record from the recycle bin."""
        self._edits.purge(*self._find.record(record_id))
        return {"id": record_id}

    def store(self, record_id: str, values: JsonObject) -> JsonObject:
        """Stores any value past all checks: for results of formulas, say."""
        table, record = self._find.record(record_id)
        table.index.remove(record)
        record.values.update(values)
        table.index.add(record)
        return {"id": record.id}

    def _made(self, table: Table, values: JsonObject, member: str | None) -> Record:
        kept = Checker(self._world, table, AS_A_PERSON).checked(values)
        return self._edits.create(table, kept, self._find.member(member).id)
