"""Reads and writes cells of dates, times and durations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from models import BoardColumn, Cell, Value
from services.monday.cells.shape import JsonMember, Reader, guarded, object_of
from values.canonical import as_text
from values.parsing import UTC, CellError, clock_time, day_of, excerpt, in_utc, moment_of, text_of, whole_number

# --- Days and moments -----------------------------------------------------------------------------------------------


def read_date(cell: Cell, column: BoardColumn) -> Value:
    """Reads a day, or with a time of day a moment."""
    # Only `value` is in UTC: `text` and the typed fields are in the zone of the token's user.
    value = object_of(cell)
    day = value.get("date")
    if not day:
        return None
    clock = value.get("time")
    return datetime.combine(day_of(day), clock_time(clock), UTC) if clock else day_of(day)


def read_shown_day(cell: Cell, column: BoardColumn) -> Value:
    """Reads the day that the board shows to the token's user, also of a cell with a time of day."""
    moment = read_date(cell, column)
    if not isinstance(moment, datetime):
        return moment
    try:
        return day_of(str(cell.get("text") or "")[:10])
    # a text of another shape
    except CellError:
        return moment.date()


def reader_of_moment(member: str) -> Reader:
    """Makes a reader of the moment that stands in this member of `value`, or in the text."""

    def read(cell: Cell, column: BoardColumn) -> Value:
        moment = object_of(cell).get(member) or cell.get("text")
        return moment_of(moment) if moment else None

    return read


def write_date(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a day, or a moment in UTC."""
    if isinstance(value, str):
        value = day_of(value) if len(value) == 10 else moment_of(value)
    if isinstance(value, datetime):
        try:
            moment = in_utc(value)
        except OverflowError:
            raise CellError(f"not a date: {excerpt(value)}") from None
        return {"date": moment.date().isoformat(), "time": moment.strftime("%H:%M:%S")}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    raise CellError(f"not a date: {excerpt(value)}")


# --- Periods: a timeline, a week ------------------------------------------------------------------------------------


def read_timeline(cell: Cell, column: BoardColumn) -> Value:
    """Reads the first and the last day."""
    value = object_of(cell)
    return _period(value.get("from"), value.get("to"))


@guarded
def read_week(cell: Cell, column: BoardColumn) -> Value:
    """Reads the first and the last day of a week; older cells have them one level higher."""
    value = object_of(cell)
    week = value.get("week", value)
    return _period(week.get("startDate"), week.get("endDate")) if week else None


def _period(start: Any, end: Any) -> Value:
    if not start and not end:
        return None
    first, last = str(start or end)[:10], str(end or start)[:10]
    day_of(first), day_of(last)
    return {"from": first, "to": last}


def _dates_of(value: Value) -> tuple[date, date]:
    if not isinstance(value, Mapping) or not value.get("from") or not value.get("to"):
        raise CellError(f"needs both from and to: {excerpt(value)}")
    first, last = day_of(str(value["from"])[:10]), day_of(str(value["to"])[:10])
    if last < first:
        raise CellError(f"ends before it begins: {excerpt(value)}")
    return first, last


def write_timeline(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes the first and the last day."""
    first, last = _dates_of(value)
    return {"from": first.isoformat(), "to": last.isoformat()}


def write_week(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a whole week."""
    first, last = _dates_of(value)
    # Weeks start on the account's first weekday, which is Monday or Sunday.
    if last - first != timedelta(days=6) or first.weekday() not in (0, 6):
        raise CellError(f"not a week of seven days from Monday or Sunday: {excerpt(value)}")
    return {"week": {"startDate": first.isoformat(), "endDate": last.isoformat()}}


# --- Hours, zones and durations -------------------------------------------------------------------------------------


@guarded
def read_hour(cell: Cell, column: BoardColumn) -> Value:
    """Reads a time of day, to the minute."""
    value = object_of(cell)
    if value.get("hour") is None:
        return None
    try:
        return time(whole_number(value["hour"]), whole_number(value.get("minute") or 0))
    except ValueError as exc:
        raise CellError(f"not a time: {excerpt(value)}") from exc


def read_world_clock(cell: Cell, column: BoardColumn) -> Value:
    """Reads the name of a time zone."""
    return text_of(object_of(cell).get("timezone")) or None


@guarded
def read_duration(cell: Cell, column: BoardColumn) -> Value:
    """Reads the seconds recorded so far; a timer that runs counts from its last stop."""
    seconds = cell.get("duration")
    if seconds is None:
        seconds = object_of(cell).get("duration")
    if seconds is None and cell.get("text"):
        parts = [whole_number(part) for part in cell["text"].split(":")]
        return sum(part * size for part, size in zip(reversed(parts), (1, 60, 3_600), strict=False))
    return None if seconds is None else whole_number(seconds)


def write_hour(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a time of day, to the minute."""
    clock = value if isinstance(value, time) else clock_time(value)
    if clock.utcoffset():
        raise CellError(f"an hour has no time zone: {excerpt(value)}")
    return {"hour": clock.hour, "minute": clock.minute}


def write_world_clock(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes the name of a time zone."""
    return {"timezone": as_text(value).strip()}
