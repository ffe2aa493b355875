"""Turns sums by hour or day into bars: numbers for a table, and heights for a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

HEIGHT = 100


def steps(step: str, number: int) -> list[datetime]:
    """Returns the last hours or days, the oldest first."""
    now = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    if step == "hour":
        return [now - timedelta(hours=back) for back in range(number - 1, -1, -1)]
    today = now.replace(hour=0)
    return [today - timedelta(days=back) for back in range(number - 1, -1, -1)]


def all_of(moments: Sequence[datetime], done: Sequence[dict[str, Any]], cost: Sequence[dict[str, Any]]) -> list[Any]:
    """Returns the charts of a span."""
    return [
        _chart(
            "Records written to PostgreSQL", moments, _by(done, lambda row: row["side"] == "postgres" and _good(row))
        ),
        _chart("Records written to monday.com", moments, _by(done, lambda row: row["side"] == "monday" and _good(row))),
        _chart("Errors", moments, _by(done, lambda row: row["status"] == "error")),
        _chart("Calls to monday.com", moments, {row["at"]: float(row["calls"]) for row in cost}),
        _chart("Seconds waited for monday.com", moments, {row["at"]: float(row["waited_s"]) for row in cost}),
    ]


def _good(row: dict[str, Any]) -> bool:
    return bool(row["status"] == "success")


def _by(rows: Sequence[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> dict[datetime, float]:
    found: dict[datetime, float] = {}
    for row in rows:
        if wanted(row):
            found[row["at"]] = found.get(row["at"], 0) + float(row["n"])
    return found


def _chart(title: str, moments: Sequence[datetime], values: dict[datetime, float]) -> dict[str, Any]:
    numbers = [round(values.get(moment, 0)) for moment in moments]
    days = len(moments) > 24
    return {
        "title": title,
        "total": sum(numbers),
        "most": max([0, *numbers]),
        "bars": [
            {"at": f"{moment:%Y-%m-%d}" if days else f"{moment:%Y-%m-%d %H:00}", "n": number}
            for moment, number in zip(moments, numbers)
        ],
        "path": path_of(numbers),
    }


def path_of(numbers: Sequence[int]) -> str:
    """Returns the bars as one path of strokes, ten wide each, on a ground at `HEIGHT`."""
    most = max([1, *numbers])
    heights = ((place, HEIGHT * number / most) for place, number in enumerate(numbers))
    return "".join(f"M{10 * place + 5} {HEIGHT}V{HEIGHT - height:.1f}" for place, height in heights if height)
