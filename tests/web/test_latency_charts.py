"""Shows how long changes took from one side to the other: as a picture, as a table, and as JSON."""

from __future__ import annotations

import re

import pytest

from state import latency
from web.charts import share_of


def of_side(served, side: str, asked: str = ""):
    (found,) = [chart for chart in served.json(f"/charts{asked}")["latency"] if chart["side"] == side]
    return found


def cells(served, title: str, asked: str = "") -> list[list[str]]:
    """Returns the rows of a chart's table."""
    table = served.get(f"/charts{asked}").text.partition(f">{title}</caption>")[2].partition("</table>")[0]
    return [re.findall(r"<td>([^<]*)", row) for row in table.partition("<tbody>")[2].split("<tr>")[1:]]


def moved(db, interval: str) -> None:
    db.execute_query("update sync_latency set hour = hour - %s::interval", (interval,), fetch=False)


def test_latencies_are_shown_by_hour_with_a_table(served, db):
    latency.add(db, "contact", [("postgres", 0.25)] * 3)
    moved(db, "2 hours")
    latency.add(db, "contact", [("postgres", 0.25)] * 18 + [("postgres", 4.0)] * 2 + [("monday", 1.25)])
    chart = of_side(served, "postgres")
    assert (chart["title"], chart["n"], len(chart["bars"])) == ("Latency to PostgreSQL", 23, 24)
    earlier, now = chart["bars"][-3], chart["bars"][-1]
    assert (earlier["n"], earlier["median_s"], earlier["p95_s"], earlier["mean_s"]) == (3, 0.25, 0.25, 0.25)
    assert (now["n"], now["mean_s"]) == (20, 0.625)
    assert 0.25 <= now["median_s"] <= 0.5 and 2.0 < now["p95_s"] <= 4.0
    assert {bar["n"] for bar in chart["bars"]} == {0, 3, 20} and chart["most"] == now["p95_s"]
    # one stroke for each hour with changes, the slowest as high as the picture
    assert chart["path"].count("M") == 2 and chart["path"].endswith("V0.0")
    times = [f"{now[name]:.2f}" for name in ("median_s", "p95_s", "mean_s")]
    rows = cells(served, "Latency to PostgreSQL")
    assert rows == [[earlier["at"], "3", "0.25", "0.25", "0.25"], [now["at"], "20", *times]]
    assert [row[1:] for row in cells(served, "Latency to monday.com")] == [["1", "1.25", "1.25", "1.25"]]
    assert "95 of 100 of 23 changes" in served.get("/charts").text


def test_latencies_of_200_days_are_shown_by_day(served, db):
    for seconds in (2.0, 40.0):
        latency.add(db, "contact", [("monday", seconds)])
        moved(db, "40 days")
    chart = of_side(served, "monday", "?span=200d")
    assert [(bar["n"], bar["p95_s"]) for bar in chart["bars"] if bar["n"]] == [(1, 2.0), (1, 40.0)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", chart["bars"][0]["at"]) and len(chart["bars"]) == 200
    assert of_side(served, "monday", "?span=30d")["n"] == 0


def test_latencies_are_those_of_the_entity_that_is_asked_for(served, db):
    latency.add(db, "contact", [("monday", 1.0)])
    latency.add(db, "organization", [("monday", 3.0)])
    assert of_side(served, "monday", "?entity=contacts")["p95_s"] == 1.0
    assert of_side(served, "monday")["n"] == 2


def test_where_nothing_was_measured_the_page_says_what_measures(served):
    assert [chart["p95_s"] for chart in served.json("/charts")["latency"]] == [None, None]
    text = served.get("/charts").text
    assert text.count("No change was measured.") == 2 and "python main.py webhook" in text


@pytest.mark.parametrize(
    ("counts", "share", "ends", "expected"),
    [
        ([1, 0, 0], 0.95, (0.07, 0.07), 0.07),
        ([0, 10, 0], 0.5, (0.1, 0.2), 0.15),
        # those that took 0.2 to 0.5 s are taken to lie evenly
        ([0, 10, 10], 0.75, (0.1, 0.9), 0.35),
        ([19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0.5, (0.0, 7200.0), 0.1 * 10 / 19),
        # longer than every bound: up to the longest that was seen
        ([0] * 11 + [4], 0.5, (3000.0, 5000.0), 4000.0),
    ],
)
def test_a_share_of_the_changes_was_there_within(counts, share, ends, expected):
    assert share_of(counts, share, *ends) == pytest.approx(expected)
