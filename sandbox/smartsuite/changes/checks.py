"""Checks the values of a write against the fields of a table."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.models import Field, Table
from sandbox.smartsuite.account.record import Record, Stored
from sandbox.smartsuite.account.world import World
from sandbox.smartsuite.errors import NOT_BLANK, NOT_NULL, REQUIRED, Invalid, InvalidRecord
from sandbox.smartsuite.fields.kind import KEPT_AS_IT_WAS, Kind, Place
from sandbox.smartsuite.fields.kinds import is_writable, kind_of

NOT_KNOWN = "This field does not exist."
READ_ONLY = "This field is read-only."
NOT_UNIQUE = "This field must be unique."


class Rules(Struct, frozen=True):
    """Says how a write is checked."""

    created: bool = False
    required: bool = True  # must required fields be there, or stay


class Checker:
    """Checks one record at a time; values that are unique are also held against those checked before."""

    def __init__(self, world: World, table: Table, rules: Rules) -> None:
        self._world, self._table, self._rules = world, table, rules
        self._taken: dict[str, set[Any]] = {}

    def checked(self, values: JsonObject, record: Record | None = None) -> dict[str, Stored]:
        """Returns what is to be kept, None for what is cleared. Raises InvalidRecord."""
        messages: dict[str, list[str]] = {}
        kept: dict[str, Stored] = {}
        for slug, value in values.items():
            try:
                field = self._field(slug)
                if field is not None:
                    found = self._value(value, Place(self._world, self._table, field, record, self._rules.created))
                    if found is not KEPT_AS_IT_WAS:
                        kept[slug] = found
            except Invalid as exc:
                messages[slug] = [exc.message]
        if self._rules.created:
            self._fill_in(kept)
        missing = self._missing(kept, messages) if self._rules.required else {}
        if messages or missing:
            raise InvalidRecord({**missing, **messages}, required_only=not messages)
        return kept

    def _field(self, slug: str) -> Field | None:
        """Finds the field that a slug names; None: it is passed over."""
        field, switches = self._table.fields.get(slug), self._world.switches
        if field is None or field.hidden:
            if switches.unknown_slug == "dropped":
                return None
            raise Invalid(NOT_KNOWN)
        if not is_writable(field):
            if switches.read_only == "dropped":
                return None
            raise Invalid(READ_ONLY)
        return field

    def _value(self, value: object, place: Place) -> Stored:
        kind = kind_of(place.field)
        if value is None or kind.clears(value):
            check_clearing(value, kind, place)
            return None
        found = kind.stored(value, place)
        if place.field.params.get("unique") and place.switches.unique == "refused":
            self._take(kind.key(found, place), kind, place)
        return found

    def _take(self, key: object, kind: Kind, place: Place) -> None:
        taken, slug = self._taken.setdefault(place.field.slug, set()), place.field.slug
        others = (record for record in self._table.active() if record is not place.record)
        values = (kind.value_of(record, slug) for record in others)
        if key in taken or any(value is not None and kind.key(value, place) == key for value in values):
            raise Invalid(NOT_UNIQUE)
        taken.add(key)

    def _fill_in(self, kept: dict[str, Stored]) -> None:
        if not self._world.switches.defaults_applied:
            return
        for field in self._table.fields.values():
            default = field.params.get("default_value")
            if default not in (None, "") and field.slug not in kept:
                kept[field.slug] = kind_of(field).stored(default, Place(self._world, self._table, field))

    def _missing(self, kept: dict[str, Stored], messages: dict[str, list[str]]) -> dict[str, list[str]]:
        """Returns a message for each required field that a create leaves out, or an update clears."""
        if not self._rules.created and self._world.switches.required_cleared == "accepted":
            return {}
        there = {} if self._rules.created else dict.fromkeys(self._table.fields, True)
        return {
            field.slug: [REQUIRED]
            for field in self._table.fields.values()
            if field.params.get("required")
            and is_writable(field)
            and field.slug not in messages
            and kept.get(field.slug, there.get(field.slug)) is None
        }


def check_clearing(value: object, kind: Kind, place: Place) -> None:
    """Refuses the form of emptiness that the switch excludes."""
    clearing = place.switches.clearing
    if value is None and clearing == "empty_form" and kind.empty is not None:
        raise Invalid(NOT_NULL)
    if value is not None and clearing == "null":
        raise Invalid(NOT_BLANK)
