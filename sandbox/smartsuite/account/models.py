"""Holds what an account is made of: members, solutions, tables with fields."""

from __future__ import annotations

from msgspec import Struct, field

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.index import Index
from sandbox.smartsuite.account.record import Record


class Member(Struct):
    id: str
    first_name: str
    last_name: str
    email: str
    role: str = "3"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Solution(Struct):
    id: str
    name: str
    slug: str
    hidden: bool = False


class Field(Struct):
    slug: str
    label: str
    type: str
    params: JsonObject = field(default_factory=dict)
    nested: list[JsonObject] = field(default_factory=list)
    hidden: bool = False  # from the key's member

    @property
    def choices(self) -> list[JsonObject]:
        found: list[JsonObject] = self.params.get("choices") or []
        return found

    @property
    def is_automatic(self) -> bool:
        """Says whether the field is a title that the service writes."""
        return self.type == "recordtitlefield" and bool(self.params.get("is_auto_generated"))

    def as_json(self) -> JsonObject:
        found = {"slug": self.slug, "label": self.label, "field_type": self.type, "params": self.params}
        return {**found, "nested": self.nested} if self.nested else found


class Table(Struct):
    id: str
    name: str
    solution: str
    slug: str
    fields: dict[str, Field]
    created_by: str
    created_at: float
    records: dict[str, Record] = field(default_factory=dict)
    records_limit: int = 0
    next_number: int = 1
    deleted_fields: dict[str, Field] = field(default_factory=dict)
    index: Index = field(default_factory=Index)

    @property
    def primary(self) -> str:
        return next((slug for slug, place in self.fields.items() if place.params.get("primary")), "title")

    def active(self) -> list[Record]:
        return [record for record in self.records.values() if record.deleted_at is None]
