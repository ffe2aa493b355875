"""Holds one call while it is answered."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct, field

from sandbox.common.faults import FaultHit
from sandbox.common.json_text import JsonObject, encode
from sandbox.common.wire import JSON_HEADERS, Answer, Refusal
from sandbox.smartsuite.account.models import Member, Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.account.world import World
from sandbox.smartsuite.errors import InvalidRecord, detail, not_found
from sandbox.smartsuite.service import Service


class Call(Struct, frozen=True):
    """Holds what a call may need; `named` are the parts of its path that vary."""

    service: Service
    member: Member
    named: dict[str, str]
    query: dict[str, list[str]]
    body: Any
    faults: list[FaultHit] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.service.world

    def fault(self, kind: str) -> FaultHit | None:
        return next((hit for hit in self.faults if hit.kind == kind), None)

    def table(self) -> Table:
        """Finds the table of the path. Raises Refusal."""
        table = self.world.tables.get(self.named["table"])
        if table is None:
            raise not_found()
        if self.world.solutions[table.solution].hidden:
            raise detail(403, "You do not have permission to perform this action.")
        return table

    def record(self, table: Table, deleted: bool = False) -> Record:
        """Finds the record of the path, among those in the recycle bin or those that are not. Raises Refusal."""
        record = table.records.get(self.named["record"])
        if record is None or (record.deleted_at is not None) != deleted:
            raise not_found()
        return record

    def object(self) -> JsonObject:
        if not isinstance(self.body, dict):
            raise detail(400, "Invalid data. Expected a dictionary.")
        return self.body

    def flag(self, name: str) -> bool:
        return self.query.get(name, [""])[-1].lower() == "true"

    def whole_number(self, name: str, otherwise: int) -> int:
        text = self.query.get(name, [str(otherwise)])[-1]
        if not text.isascii() or not text.isdecimal():
            raise detail(400, f"{name} must be a whole number.")
        return int(text)


def answered(body: object, status: int = 200) -> Answer:
    return Answer(status, encode(body).encode(), JSON_HEADERS)


def nothing(status: int = 200) -> Answer:
    return Answer(status, b"")


def refusal_of(exc: InvalidRecord, call: Call) -> Refusal:
    """Refuses a single write: 422 for missing required fields, else what the switch says."""
    status = 422 if exc.required_only else call.world.switches.invalid_status
    return Refusal(status, in_form(exc.messages, call.world.switches.message_form))


def in_form(messages: dict[str, list[str]], form: str) -> JsonObject:
    return {slug: texts if form == "list" else " ".join(texts) for slug, texts in messages.items()}


def query_of(text: str) -> dict[str, list[str]]:
    return parse_qs(text, keep_blank_values=True)
