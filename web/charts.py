"""Turns sums by hour or day into bars: numbers for a table, and heights for a picture."""

from __future__ import annotations

from collections.abc import Sequence
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


SIDES = {"postgres": "PostgreSQL", "monday": "monday.com", "smartsuite": "SmartSuite"}


def all_of(
    moments: Sequence[datetime], done: Sequence[dict[str, Any]], cost: Sequence[dict[str, Any]], with_syncs: bool
) -> list[Any]:
    """Returns the charts of a span. Those of SmartSuite are shown where there are syncs of queries."""
    sides = [side for side in SIDES if with_syncs or side != "smartsuite"]
    services = [side for side in sides if side != "postgres"]
    return [
        *(_chart(f"Records written to {SIDES[side]}", moments, _by(done, side)) for side in sides),
        _chart("Errors", moments, _by(done, "errors")),
        *(_chart(f"Calls to {SIDES[service]}", moments, _by(cost, f"{service}_calls")) for service in services),
        *(
            _chart(f"Seconds waited for {SIDES[service]}", moments, _by(cost, f"{service}_waited_s"))
            for service in services
        ),
    ]


def _by(rows: Sequence[dict[str, Any]], name: str) -> dict[datetime, float]:
    return {row["at"]: float(row[name]) for row in rows}


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
