"""Reads and writes cells of time: date, timeline, hour, week, world clock, time tracking."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from sandbox.common.clock import iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Datum
from sandbox.monday.cells.kind import Cell, Field, Kind, Writing, as_object, need, no_value, part, zone_of
from sandbox.monday.errors import BadValue

DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
TIME = re.compile(r"\d{2}:\d{2}:\d{2}\Z")


def as_day(sent: object) -> date:
    if not isinstance(sent, str) or not DAY.match(sent):
        raise BadValue()
    try:
        return date.fromisoformat(sent)
    except ValueError:
        raise BadValue() from None


def local_moment(cell: Cell) -> datetime | None:
    """Converts a date with time to the reader's zone: `text` and `time` are local, `value` is UTC."""
    day, time, _ = cell.datum or ("", None, None)
    # a date without time has no zone
    if time is None:
        return None
    utc = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=timezone.utc)
    return utc.astimezone(zone_of(cell.user))


def date_text(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    local = local_moment(cell)
    return cell.datum[0] if local is None else local.strftime("%Y-%m-%d %H:%M")


def date_day(cell: Cell) -> str:
    return date_text(cell)[:10]


def date_time(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    local = local_moment(cell)
    return "" if local is None else local.strftime("%H:%M")


def date_value(cell: Cell) -> JsonObject | None:
    if cell.datum is None:
        return None
    day, time, icon = cell.datum
    return {"date": day, "time": time, "icon": icon, "changed_at": cell.changed_at()}


def read_date(sent: object, writing: Writing) -> Datum:
    wanted = as_object(sent, "date")
    # an empty date clears the cell
    if wanted is None or wanted["date"] in ("", None):
        return None
    day, time = as_day(wanted["date"]).isoformat(), wanted.get("time") or None
    if time is not None:
        need(isinstance(time, str) and TIME.match(time))
        check_moment(day, time)
    return day, time, wanted.get("icon")


def check_moment(day: str, time: str) -> None:
    try:
        datetime.fromisoformat(f"{day}T{time}")
    except ValueError:
        raise BadValue() from None


def simple_date(text: str, writing: Writing) -> Datum:
    day, _, time = text.partition(" ")
    return read_date({"date": day, "time": time}, writing) if text else None


def read_span(sent: object, start: str, end: str) -> tuple[str, str] | None:
    wanted = as_object(sent, start, end)
    if wanted is None:
        return None
    first, last = as_day(wanted[start]), as_day(wanted[end])
    need(first <= last)
    return first.isoformat(), last.isoformat()


def span_text(cell: Cell) -> str:
    return f"{cell.datum[0]} - {cell.datum[1]}" if cell.datum else ""


def timeline_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"from": cell.datum[0], "to": cell.datum[1], "changed_at": cell.changed_at()}


def span_part(index: int) -> Field:
    return lambda cell: f"{cell.datum[index]}T00:00:00Z" if cell.datum else None


def read_week(sent: object, writing: Writing) -> tuple[str, str] | None:
    wanted = as_object(sent, "week")
    if wanted is None or wanted["week"] == "":
        return None
    span = read_span(wanted["week"], "startDate", "endDate")
    if span is None:
        raise BadValue()
    first, last = date.fromisoformat(span[0]), date.fromisoformat(span[1])
    # A week must start on the account's first day.
    starts_on = 0 if writing.world.account.first_day_of_the_week == "monday" else 6
    need(first.weekday() == starts_on and last - first == timedelta(days=6))
    return span


def week_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"week": {"startDate": cell.datum[0], "endDate": cell.datum[1]}}


def hour_text(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    hour, minute = cell.datum
    return f"{(hour - 1) % 12 + 1:02d}:{minute:02d} {'AM' if hour < 12 else 'PM'}"


def read_hour(sent: object, writing: Writing) -> tuple[int, int] | None:
    wanted = as_object(sent, "hour")
    if wanted is None:
        return None
    hour, minute = wanted["hour"], wanted.get("minute", 0)
    need(all(isinstance(n, int) and not isinstance(n, bool) for n in (hour, minute)))
    need(0 <= hour <= 23 and 0 <= minute <= 59)
    return hour, minute


def hour_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"hour": cell.datum[0], "minute": cell.datum[1], "changed_at": cell.changed_at()}


def world_clock_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"timezone": cell.datum, "changed_at": cell.changed_at()}


def read_world_clock(sent: object, writing: Writing) -> str | None:
    wanted = as_object(sent, "timezone")
    if wanted is None:
        return None
    try:
        ZoneInfo(wanted["timezone"])
    except Exception:  # ZoneInfo raises half a dozen kinds for what is no zone name
        raise BadValue() from None
    return wanted["timezone"]


# time tracking: (seconds so far, running, start as Unix seconds or None)


def tracked(cell: Cell) -> int | None:
    """Returns the finished seconds; the reader adds what has run since `started_at`."""
    return None if cell.datum is None else cell.datum[0]


def tracking_text(cell: Cell) -> str:
    seconds = tracked(cell)
    return "" if seconds is None else f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def tracking_value(cell: Cell) -> JsonObject | None:
    if cell.datum is None:
        return None
    seconds, running, start = cell.datum
    return {
        "running": "true" if running else "false",
        "duration": seconds,
        "startDate": start,
        "changed_at": cell.changed_at(),
    }


def tracking_start(cell: Cell) -> str | None:
    return iso(cell.datum[2]) if cell.datum and cell.datum[2] else None


TIME_KINDS = [
    Kind(
        type="date",
        graphql="DateValue",
        internal="date",
        text=date_text,
        value=date_value,
        fields={"date": date_day, "time": date_time, "icon": part(2)},
        read=read_date,
        simple=simple_date,
    ),
    Kind(
        type="timeline",
        graphql="TimelineValue",
        internal="timerange",
        text=span_text,
        value=timeline_value,
        fields={"from": span_part(0), "to": span_part(1), "visualization_type": no_value},
        read=lambda sent, writing: read_span(sent, "from", "to"),
    ),
    Kind(
        type="week",
        graphql="WeekValue",
        internal="week",
        text=span_text,
        value=week_value,
        fields={"start_date": part(0), "end_date": part(1)},
        read=read_week,
    ),
    Kind(
        type="hour",
        graphql="HourValue",
        internal="hour",
        text=hour_text,
        value=hour_value,
        fields={"hour": part(0), "minute": part(1)},
        read=read_hour,
    ),
    Kind(
        type="world_clock",
        graphql="WorldClockValue",
        internal="timezone",
        text=lambda cell: cell.datum or "",
        value=world_clock_value,
        fields={"timezone": lambda cell: cell.datum},
        read=read_world_clock,
    ),
    Kind(
        type="time_tracking",
        graphql="TimeTrackingValue",
        internal="duration",
        text=tracking_text,
        value=tracking_value,
        fields={
            "duration": tracked,
            "running": lambda cell: cell.datum and bool(cell.datum[1]),
            "started_at": tracking_start,
            "history": lambda cell: [],
        },
    ),
]
