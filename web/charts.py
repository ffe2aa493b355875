"""Turns sums by hour or day into bars: numbers for a table, and heights for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from state.latency import WITHIN_S

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


def latency_of(moments: Sequence[datetime], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns how long changes took to each side: a bar is as high as the time within which 95 of 100 were there."""
    return [_latency(side, moments, [row for row in rows if row["side"] == side]) for side in ("postgres", "monday")]


def _latency(side: str, moments: Sequence[datetime], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    of_moment: dict[datetime, list[dict[str, Any]]] = {moment: [] for moment in moments}
    for row in rows:
        of_moment.get(row["at"], []).append(row)
    bars = [{"at": _name(moment, moments), **_times(found)} for moment, found in of_moment.items()]
    p95s = [bar["p95_s"] or 0 for bar in bars]
    return {
        "title": f"Latency to {SIDES[side]}",
        "side": side,
        **_times([row for found in of_moment.values() for row in found]),
        "most": max(p95s),
        "bars": bars,
        "path": path_of([round(1000 * p95) for p95 in p95s]),
    }


def _times(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns how many changes there were, and their times; None of no change."""
    n = sum(row["n"] for row in rows)
    times: dict[str, float | None] = dict.fromkeys(("median_s", "p95_s", "mean_s"))
    if n:
        counts = [sum(of_place) for of_place in zip(*(row["counts"] for row in rows))]
        ends = min(row["shortest_s"] for row in rows), max(row["longest_s"] for row in rows)
        times["median_s"], times["p95_s"] = (round(share_of(counts, share, *ends), 3) for share in (0.5, 0.95))
        times["mean_s"] = round(sum(row["seconds"] for row in rows) / n, 3)
    return {"n": n, **times}


def share_of(counts: Sequence[int], share: float, shortest_s: float, longest_s: float) -> float:
    """Returns the time within which that share of some changes was there, given how many took up to each of `WITHIN_S`.

    Those between two of these are taken to lie evenly.
    """
    left = share * sum(counts)
    for n, before, within in zip(counts, (0.0, *WITHIN_S), WITHIN_S):
        if left <= n > 0:
            low, high = max(before, shortest_s), min(within, longest_s)
            return low + (high - low) * left / n
        left -= n
    return longest_s


def _name(moment: datetime, moments: Sequence[datetime]) -> str:
    """Returns the name of a bar: a day, or an hour where a day is shown."""
    return f"{moment:%Y-%m-%d}" if len(moments) > 24 else f"{moment:%Y-%m-%d %H:00}"


def _chart(title: str, moments: Sequence[datetime], values: dict[datetime, float]) -> dict[str, Any]:
    numbers = [round(values.get(moment, 0)) for moment in moments]
    return {
        "title": title,
        "total": sum(numbers),
        "most": max([0, *numbers]),
        "bars": [{"at": _name(moment, moments), "n": number} for moment, number in zip(moments, numbers)],
        "path": path_of(numbers),
    }


def path_of(numbers: Sequence[int]) -> str:
    """Returns the bars as one path of strokes, ten wide each, on a ground at `HEIGHT`."""
    most = max([1, *numbers])
    heights = ((place, HEIGHT * number / most) for place, number in enumerate(numbers))
    return "".join(f"M{10 * place + 5} {HEIGHT}V{HEIGHT - height:.1f}" for place, height in heights if height)
