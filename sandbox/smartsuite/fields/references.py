"""Fields that name something else: linked records, members, dependencies, files; checklists and what is uncertain."""

from __future__ import annotations

from typing import Any

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.record import Stored
from sandbox.smartsuite.errors import Invalid
from sandbox.smartsuite.fields.kind import (
    KEPT_AS_IT_WAS,
    Kind,
    Place,
    a_list,
    a_text,
    an_object,
    entries,
    known_keys,
    texts,
)
from sandbox.smartsuite.fields.texts import checked_document, rendered, text_of
from sandbox.smartsuite.fields.times import iso, moment_at


class LinkedRecordKind(Kind):
    """Keeps ids of records of another table."""

    filters, empty = "linked", []

    def stored(self, value: Any, place: Place) -> Stored:
        table = place.world.tables.get(place.field.params.get("linked_application", ""))
        for entry in entries(value, place):
            record = table.records.get(entry) if table and isinstance(entry, str) else None
            if record is None or record.deleted_at is not None:
                raise Invalid(f'Invalid pk "{str(entry)[:60]}" - object does not exist.')
        return list(dict.fromkeys(value))


class MembersKind(Kind):
    filters, empty = "list", []

    def stored(self, value: Any, place: Place) -> Stored:
        found = texts(entries(value, place), "member")
        for entry in found:
            if entry not in place.world.members or place.switches.member_ids == "refused":
                raise Invalid(f'"{entry[:60]}" is not a valid member.')
        return found


class DependencyKind(Kind):
    def stored(self, value: Any, place: Place) -> Stored:
        found = known_keys(an_object(value), ("predecessor", "successor"))
        kept = {name: [dependency(entry) for entry in a_list(found.get(name) or [])] for name in found}
        return {"predecessor": [], "successor": [], **kept} if any(kept.values()) else None


def dependency(value: object) -> JsonObject:
    found = known_keys(an_object(value), ("type", "lag", "application", "record"))
    if found.get("type") not in ("fs", "ss", "ff", "sf") or not isinstance(found.get("record"), str):
        raise Invalid("Not a valid dependency.")
    return {"lag": 0, **found}


class FilesKind(Kind):
    """Keeps files that an update names by their URLs; nothing is fetched."""

    filters, empty = "file", []

    def stored(self, value: Any, place: Place) -> Stored:
        if place.created:
            raise Invalid("Files are attached by an update.")
        urls = [a_text(entry) for entry in entries(value, place)]
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise Invalid("Enter a valid URL.")
        return [file_of(url, place) for url in urls]

    def key(self, value: Stored, place: Place) -> Any:
        return ", ".join(entry["metadata"]["filename"] for entry in value)


def file_of(url: str, place: Place) -> JsonObject:
    name, now = url.rstrip("/").rsplit("/", 1)[-1], place.world.clock.now()
    handle = f"{place.world.random.getrandbits(80):020x}"
    container = {"container": "sandbox", "filename": name, "key": f"{handle}_{name}"}
    return {
        "handle": handle,
        "metadata": {**container, "mimetype": "application/octet-stream", "size": 0},
        "transform_options": {},
        "icon": "file",
        "file_type": "other",
        "created_on": iso(moment_at(now)),
        "updated_on": iso(moment_at(now)),
        "description": "",
    }


class ChecklistKind(Kind):
    """Keeps items, each with a SmartDoc. Plain texts are answered with 200 and not stored."""

    filters = "empties"

    def stored(self, value: Any, place: Place) -> Stored:
        items = an_object(value).get("items") if isinstance(value, dict) else a_list(value)
        if any(isinstance(entry, str) for entry in a_list(items)):
            if place.switches.checklist_text == "ignored":
                return KEPT_AS_IT_WAS
            raise Invalid("Not a valid checklist item.")
        return [checklist_item(entry, place) for entry in a_list(items)] or None

    def shown(self, value: Stored, place: Place) -> Any:
        done = sum(entry["completed"] for entry in value)
        items = [{**entry, "content": rendered(entry["content"])} for entry in value]
        return {"items": items, "total_items": len(items), "completed_items": done}

    def key(self, value: Stored, place: Place) -> Any:
        return ", ".join(text_of(entry["content"]["data"]) for entry in value)


def checklist_item(value: object, place: Place) -> JsonObject:
    parts = ("id", "content", "completed", "assignee", "due_date", "completed_at")
    found = known_keys(an_object(value), parts)
    content = known_keys(an_object(found.get("content")), ("data",), ("html", "preview"))
    completed = found.get("completed", False)
    if not isinstance(completed, bool):
        raise Invalid("Must be a valid boolean.")
    return {
        "id": found.get("id") or place.world.new_id(),
        "content": {"data": checked_document(an_object(content.get("data")))},
        "completed": completed,
        "assignee": found.get("assignee"),
        "due_date": found.get("due_date"),
        "completed_at": found.get("completed_at") or (now_of(place) if completed else None),
    }


def now_of(place: Place) -> str:
    return iso(moment_at(place.world.clock.now()))


class UncertainKind(Kind):
    """Keeps what no source tells how to write: refused, or kept as it came."""

    def __init__(self, shape: type) -> None:
        self._shape = shape
        self.empty = [] if shape is list else None

    def stored(self, value: Any, place: Place) -> Stored:
        if place.switches.uncertain_types == "refused" or not isinstance(value, self._shape):
            raise Invalid("This field can't be written.")
        return value or None
