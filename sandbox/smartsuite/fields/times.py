"""Fields of time: date, date range, due date, time of day. What is kept of a date is a moment and `include_time`."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from msgspec import Struct

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.record import Stored
from sandbox.smartsuite.errors import Invalid
from sandbox.smartsuite.fields.kind import Kind, Place, a_text, an_object, known_keys

CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d\Z", re.ASCII)
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?\Z", re.ASCII)
READ_ONLY_PARTS = ("is_overdue", "status_is_completed", "status_updated_on")
DIGITS = {"milliseconds": 3, "microseconds": 6}
DONE = "complete"


class Moment(Struct, frozen=True):
    at: datetime
    include_time: bool


class Span(Struct, frozen=True):
    from_date: Moment | None
    to_date: Moment | None


def moment_of(text: object, place: Place) -> datetime:
    """Reads an ISO text as UTC. Raises Invalid."""
    if not isinstance(text, str) or not ISO_DATE.match(text):
        raise not_a_date(text)
    has_zone = len(text) <= 10 or text.endswith("Z") or text[-6] in "+-"
    if not has_zone and place.switches.zoneless_time == "refused":
        raise not_a_date(text)
    try:
        found = datetime.fromisoformat(with_six_digits(text).replace("Z", "+00:00"))
        return found.replace(tzinfo=found.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise not_a_date(text) from None


def with_six_digits(text: str) -> str:
    """Fills up a fraction of a second, which `fromisoformat` of Python 3.10 needs."""
    return re.sub(r"\.(\d+)", lambda found: f".{found[1]:0<6}", text)


def not_a_date(value: object) -> Invalid:
    return Invalid(f"{str(value)[:60]!r} can't be converted to date.")


def shown_moment(at: datetime, place: Place) -> str:
    return iso(at, place.switches.fraction)


def iso(at: datetime, fraction: str = "microseconds") -> str:
    text = at.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    digits = DIGITS.get(fraction, 0)
    return f"{text}.{at.microsecond:06d}"[: 20 + digits] + "Z" if digits else f"{text}Z"


def moment_at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def whole_moment(value: object, place: Place) -> Moment | None:
    """Reads `{"date", "include_time"}`; both keys are needed. A date without time is kept as midnight."""
    found = known_keys(an_object(value), ("date", "include_time"))
    if set(found) != {"date", "include_time"} or not isinstance(found["include_time"], bool):
        raise not_a_date(value)
    if found["date"] is None:
        return None
    at, include_time = moment_of(found["date"], place), found["include_time"]
    return Moment(at if include_time else midnight(at), include_time)


def midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


class DateKind(Kind):
    filters = "date"

    def stored(self, value: Any, place: Place) -> Stored:
        if isinstance(value, str) and place.switches.date_text == "accepted":
            at = moment_of(value, place)
            return Moment(at, at != midnight(at))
        return whole_moment(value, place)

    def shown(self, value: Stored, place: Place) -> Any:
        return {"date": shown_moment(value.at, place), "include_time": value.include_time}

    def empty_shown(self, place: Place) -> Any:
        return None

    def key(self, value: Stored, place: Place) -> Any:
        return value.at


class RangeKind(Kind):
    filters = "date"

    def stored(self, value: Any, place: Place) -> Stored:
        found = self._parts(an_object(value), place)
        if not found:
            raise Invalid("from_date or to_date is required.")
        span = Span(edge(found.get("from_date"), place), edge(found.get("to_date"), place))
        return None if span == Span(None, None) else span

    def _parts(self, value: JsonObject, place: Place) -> JsonObject:
        return known_keys(value, ("from_date", "to_date"))

    def shown(self, value: Stored, place: Place) -> Any:
        return {"from_date": shown_edge(value.from_date, place), "to_date": shown_edge(value.to_date, place)}

    def empty_shown(self, place: Place) -> Any:
        return {"from_date": None, "to_date": None}

    def key(self, value: Stored, place: Place) -> Any:
        """Filters and sorts by the end."""
        return value.to_date.at if value.to_date else None


class DueDateKind(RangeKind):
    filters = "due"

    def _parts(self, value: JsonObject, place: Place) -> JsonObject:
        passed_over = READ_ONLY_PARTS if place.switches.read_only == "dropped" else ()
        return known_keys(value, ("from_date", "to_date"), passed_over)

    def shown(self, value: Stored, place: Place) -> Any:
        status = status_beside(place)
        completed = bool(status) and status["value"] == DONE
        return {
            **super().shown(value, place),
            "is_overdue": is_overdue(value, place) if place.switches.overdue_shown else None,
            "status_is_completed": completed,
            "status_updated_on": status["updated_on"] if status else None,
        }


def is_overdue(value: Span, place: Place) -> bool:
    status = status_beside(place)
    if value.to_date is None or status and status["value"] == DONE:
        return False
    day_after = value.to_date.at.timestamp() + (0 if value.to_date.include_time else 86_400)
    return day_after <= place.world.clock.now()


def status_beside(place: Place) -> JsonObject:
    """Returns what is kept of the record's first status field, {} without any."""
    record = place.record
    for field in place.table.fields.values():
        if field.type == "statusfield" and record is not None:
            return record.values.get(field.slug) or {}
    return {}


def edge(value: object, place: Place) -> Moment | None:
    """Reads one end of a range, in the form that the switch asks for."""
    if value is None:
        return None
    form = place.switches.range_form
    if isinstance(value, str):
        if form == "objects":
            raise not_a_date(value)
        at = moment_of(a_text(value), place)
        return Moment(at, at != midnight(at))
    if form == "strings":
        raise not_a_date(value)
    return whole_moment(value, place)


def shown_edge(moment: Moment | None, place: Place) -> JsonObject | None:
    if moment is None:
        return None
    shown = place.switches.range_time_shown and moment.include_time
    return {"date": shown_moment(moment.at, place), "include_time": shown}


class TimeKind(Kind):
    """Keeps a time of day, in 24 hours."""

    def stored(self, value: Any, place: Place) -> Stored:
        if not CLOCK_TIME.match(a_text(value)):
            raise Invalid("Time has wrong format. Use hh:mm:ss.")
        return value
