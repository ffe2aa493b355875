"""Cells of time: date, timeline, hour, week, world clock, time tracking."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.cells.kind import Cell, Kind, Writing, as_object, need, zone_of
from sandbox.clock import iso
from sandbox.errors import BadValue

DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
TIME = re.compile(r"\d{2}:\d{2}:\d{2}\Z")


def as_day(sent: Any) -> date:
    if not isinstance(sent, str) or not DAY.match(sent):
        raise BadValue()
    try:
        return date.fromisoformat(sent)
    except ValueError:
        raise BadValue() from None


def local_moment(cell: Cell) -> datetime | None:
    """A date with time, in the zone of the user who looks: `text` and `time` are local, `value` is UTC."""
    day, time, _ = cell.datum or ("", None, None)
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


def date_value(cell: Cell) -> Any:
    if cell.datum is None:
        return None
    day, time, icon = cell.datum
    return {"date": day, "time": time, "icon": icon, "changed_at": cell.changed_at()}


def read_date(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "date")
    if wanted is None or wanted["date"] in ("", None):
        return None
    day, time = as_day(wanted["date"]).isoformat(), wanted.get("time") or None
    if time is not None:
        need(isinstance(time, str) and TIME.match(time))
        parse_moment(day, time)
    return day, time, wanted.get("icon")


def parse_moment(day: str, time: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{day}T{time}")
    except ValueError:
        raise BadValue() from None


def simple_date(text: str, writing: Writing) -> Any:
    day, _, time = text.partition(" ")
    return read_date({"date": day, "time": time}, writing) if text else None


def read_span(sent: Any, start: str, end: str) -> tuple[str, str] | None:
    wanted = as_object(sent, start, end)
    if wanted is None:
        return None
    first, last = as_day(wanted[start]), as_day(wanted[end])
    need(first <= last)
    return first.isoformat(), last.isoformat()


def span_text(cell: Cell) -> str:
    return f"{cell.datum[0]} - {cell.datum[1]}" if cell.datum else ""


def timeline_value(cell: Cell) -> Any:
    return cell.datum and {"from": cell.datum[0], "to": cell.datum[1], "changed_at": cell.changed_at()}


def span_part(index: int) -> Any:
    return lambda cell: f"{cell.datum[index]}T00:00:00Z" if cell.datum else None


def day_part(index: int) -> Any:
    return lambda cell: cell.datum[index] if cell.datum else None


def read_week(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "week")
    if wanted is None or wanted["week"] == "":
        return None
    span = read_span(wanted["week"], "startDate", "endDate")
    if span is None:
        raise BadValue()
    first, last = date.fromisoformat(span[0]), date.fromisoformat(span[1])
    starts_on = 0 if writing.world.account.first_day_of_the_week == "monday" else 6
    need(first.weekday() == starts_on and last - first == timedelta(days=6))
    return span


def week_value(cell: Cell) -> Any:
    return cell.datum and {"week": {"startDate": cell.datum[0], "endDate": cell.datum[1]}}


def hour_text(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    hour, minute = cell.datum
    return f"{(hour - 1) % 12 + 1:02d}:{minute:02d} {'AM' if hour < 12 else 'PM'}"


def read_hour(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "hour")
    if wanted is None:
        return None
    hour, minute = wanted["hour"], wanted.get("minute", 0)
    need(all(isinstance(n, int) and not isinstance(n, bool) for n in (hour, minute)))
    need(0 <= hour <= 23 and 0 <= minute <= 59)
    return hour, minute


def hour_value(cell: Cell) -> Any:
    return cell.datum and {"hour": cell.datum[0], "minute": cell.datum[1], "changed_at": cell.changed_at()}


def read_world_clock(sent: Any, writing: Writing) -> Any:
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
    """The finished seconds; what has run since `started_at` is for the reader to add."""
    return None if cell.datum is None else cell.datum[0]


def tracking_text(cell: Cell) -> str:
    seconds = tracked(cell)
    return "" if seconds is None else f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def tracking_value(cell: Cell) -> Any:
    if cell.datum is None:
        return None
    seconds, running, start = cell.datum
    return {"running": "true" if running else "false", "duration": seconds, "startDate": start,
            "changed_at": cell.changed_at()}


TIME_KINDS = [
    Kind("date", "DateValue", "date", date_text, date_value,
         {"date": date_day, "time": date_time, "icon": lambda c: c.datum[2] if c.datum else None},
         read_date, simple_date, cell_time=True),
    Kind("timeline", "TimelineValue", "timerange", span_text, timeline_value,
         {"from": span_part(0), "to": span_part(1), "visualization_type": lambda c: None},
         lambda sent, w: read_span(sent, "from", "to"), cell_time=True),
    Kind("week", "WeekValue", "week", span_text, week_value,
         {"start_date": day_part(0), "end_date": day_part(1)}, read_week),
    Kind("hour", "HourValue", "hour", hour_text, hour_value,
         {"hour": day_part(0), "minute": day_part(1)}, read_hour, cell_time=True),
    Kind("world_clock", "WorldClockValue", "timezone", lambda c: c.datum or "",
         lambda c: c.datum and {"timezone": c.datum, "changed_at": c.changed_at()},
         {"timezone": lambda c: c.datum}, read_world_clock, cell_time=True),
    Kind("time_tracking", "TimeTrackingValue", "duration", tracking_text, tracking_value,
         {"duration": tracked, "running": lambda c: c.datum and bool(c.datum[1]),
          "started_at": lambda c: iso(c.datum[2]) if c.datum and c.datum[2] else None, "history": lambda c: []},
         cell_time=True),
]
