"""Fields of choices: single and multiple select, status, tags."""

from __future__ import annotations

from typing import Any

from sandbox.smartsuite.account.record import Stored
from sandbox.smartsuite.errors import Invalid
from sandbox.smartsuite.fields.kind import KEPT_AS_IT_WAS, Kind, Place, a_list, an_object, known_keys, texts
from sandbox.smartsuite.fields.times import iso, moment_at


def choice_id(value: object, place: Place) -> str:
    """Finds a choice by its id, or by its label where the switch allows it. Raises Invalid."""
    for choice in place.field.choices:
        if choice["value"] == value:
            return str(value)
    if place.switches.select_label == "accepted":
        for choice in place.field.choices:
            if choice["label"] == value:
                return str(choice["value"])
    raise Invalid(f'"{str(value)[:60]}" is not a valid choice.')


def order_of(value: str, place: Place) -> int:
    """Returns the place of a choice in its list: selects sort by it."""
    ids = [choice["value"] for choice in place.field.choices]
    return ids.index(value) if value in ids else len(ids)


class SelectKind(Kind):
    filters, empty = "choice", ""

    def stored(self, value: Any, place: Place) -> Stored:
        if isinstance(value, dict) and place.switches.select_object == "ignored":
            return KEPT_AS_IT_WAS
        if not isinstance(value, str):
            raise Invalid("Not a valid choice.")
        return choice_id(value, place)

    def empty_shown(self, place: Place) -> Any:
        return None


class MultipleSelectKind(Kind):
    filters, empty = "list", []

    def stored(self, value: Any, place: Place) -> Stored:
        return list(dict.fromkeys(choice_id(entry, place) for entry in a_list(value)))


class StatusKind(Kind):
    """Keeps the id of a choice, and when it was set."""

    filters, empty = "choice", ""

    def stored(self, value: Any, place: Place) -> Stored:
        if isinstance(value, str):
            if place.switches.status_text == "refused":
                raise Invalid("Invalid data. Expected a dictionary, but got str.")
            wanted: object = value
        else:
            wanted = known_keys(an_object(value), ("value",), ("updated_on",)).get("value")
            if wanted is None:
                return None
        found = choice_id(wanted, place)
        before = place.record.values.get(place.field.slug) if place.record else None
        if before and before["value"] == found:
            return before
        return {"value": found, "updated_on": iso(moment_at(place.world.clock.now()))}

    def empty_shown(self, place: Place) -> Any:
        return {"value": None}

    def key(self, value: Stored, place: Place) -> Any:
        return value["value"]


class TagsKind(Kind):
    """Keeps ids of tags, each 24 hex digits."""

    filters, empty = "list", []

    def stored(self, value: Any, place: Place) -> Stored:
        known = {choice["value"] for choice in place.field.choices} | place.world.tags.keys()
        found = texts(value, "tag")
        for entry in found:
            if entry not in known:
                raise Invalid(f'"{entry[:60]}" is not a valid tag.')
        return found
