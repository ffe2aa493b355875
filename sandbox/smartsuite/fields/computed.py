"""Fields that the service fills in itself; results of formulas and the like are put in place by an admin call."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.smartsuite.account.record import Record, Stored
from sandbox.smartsuite.fields.kind import Kind, Place
from sandbox.smartsuite.fields.numbers import is_number
from sandbox.smartsuite.fields.times import iso, moment_at


class ComputedKind(Kind):
    """Shows what was put in place for it."""

    writable = False

    def shown(self, value: Stored, place: Place) -> Any:
        if is_number(value) and place.switches.number_result == "text":
            return format(Decimal(repr(value)), "f")
        return value


class CountKind(Kind):
    writable, filters = False, "number"

    def value_of(self, record: Record, slug: str) -> Stored:
        return record.values.get(slug, 0)


class CommentsKind(CountKind):
    def value_of(self, record: Record, slug: str) -> Stored:
        return record.comments_count


class AutoNumberKind(Kind):
    writable, filters = False, "autonumber"

    def value_of(self, record: Record, slug: str) -> Stored:
        return record.autonumber


class RecordIdKind(Kind):
    writable = False

    def value_of(self, record: Record, slug: str) -> Stored:
        return record.id


class FirstCreatedKind(Kind):
    writable, filters = False, "date"

    def value_of(self, record: Record, slug: str) -> Stored:
        return (record.created_by, record.created_at)

    def shown(self, value: Stored, place: Place) -> Any:
        by, seconds = value
        return {"by": by, "on": iso(moment_at(seconds))}

    def key(self, value: Stored, place: Place) -> Any:
        return moment_at(value[1])


class LastUpdatedKind(FirstCreatedKind):
    def value_of(self, record: Record, slug: str) -> Stored:
        return (record.updated_by, record.updated_at)


class UnknownKind(ComputedKind):
    """Stands for a type that the reference does not name."""
