"""Holds a table of SmartSuite: its fields, and their choices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct, field

from errors import SmartSuiteUnavailable


class Field(Struct, frozen=True, dict=True):
    """Holds a field: the slug that records carry, the label that people see."""

    slug: str
    label: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    nested: Mapping[str, str] = field(default_factory=dict)
    """The labels of its parts by slug, where it has parts."""

    @cached_property
    def choices(self) -> dict[str, str]:
        """Returns the labels by the ids that records carry."""
        found = self.params.get("choices")
        listed = found if isinstance(found, list) else []
        return {str(choice["value"]): str(choice.get("label", "")) for choice in listed if "value" in choice}

    @cached_property
    def ids_by_label(self) -> dict[str, list[str]]:
        """Returns the ids of the choices by their labels."""
        found: dict[str, list[str]] = {}
        for name, label in self.choices.items():
            found.setdefault(label, []).append(name)
        return found

    @property
    def is_automatic(self) -> bool:
        """Tells whether it is a title that SmartSuite makes itself."""
        return self.kind == "recordtitlefield" and bool(self.params.get("is_auto_generated"))


class Table(Struct, frozen=True):
    """Holds a table with its fields by slug."""

    id: str
    name: str
    fields: Mapping[str, Field]

    @property
    def labels(self) -> dict[str, str]:
        """Returns the labels of the fields by slug."""
        return {slug: found.label for slug, found in self.fields.items()}

    def find(self, name: str) -> Field | str:
        """Returns the field of that slug, or of that label where only one has it; else a sentence that says why not."""
        if name in self.fields:
            return self.fields[name]
        alike = [found for found in self.fields.values() if found.label == name]
        if len(alike) == 1:
            return alike[0]
        if alike:
            return (
                f"{len(alike)} fields have the label {name!r}: name one by its slug, {', '.join(f.slug for f in alike)}"
            )
        known = ", ".join(f"{found.slug} ({found.label})" for found in list(self.fields.values())[:40])
        return f"the table {self.name} has no field {name!r}; it has {known}"


def table_of(table_id: str, body: object) -> Table:
    """Reads the structure of a table out of an answer."""
    if not isinstance(body, Mapping) or not isinstance(body.get("structure"), list):
        raise SmartSuiteUnavailable(f"SmartSuite's answer for the table {table_id} has no fields in it.")
    fields: dict[str, Field] = {}
    for part in body["structure"]:
        if isinstance(part, Mapping) and isinstance(part.get("slug"), str):
            params = part.get("params")
            fields[part["slug"]] = Field(
                part["slug"],
                str(part.get("label") or part["slug"]),
                str(part.get("field_type") or ""),
                params if isinstance(params, Mapping) else {},
                _nested(part.get("nested")),
            )
    return Table(table_id, str(body.get("name") or table_id), fields)


def _nested(parts: object) -> dict[str, str]:
    listed = parts if isinstance(parts, list) else []
    return {
        str(part["slug"]): str(part.get("label", "")) for part in listed if isinstance(part, Mapping) and "slug" in part
    }
