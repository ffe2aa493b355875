"""Checks the bulk import: what it carries, what becomes of rows it refuses, and boards or versions that have none."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from sync.import_items import csv_cell
from tests.kit.pushes import PushBench


@pytest.mark.parametrize(
    "kind, value, text",
    [
        ("text", 'a, "b"', 'a, "b"'),
        ("text", None, ""),
        ("numbers", Decimal("1234567890.10"), "1234567890.10"),
        ("checkbox", True, "true"),
        ("checkbox", False, ""),
        ("people", [{"id": 1, "kind": "person"}, {"id": 9, "kind": "team"}], "user:1,team:9"),
        ("timeline", {"from": "2026-03-01", "to": "2026-03-15"}, "2026-03-01/2026-03-15"),
        ("location", {"lat": "1.5", "lng": "-2", "address": "Giza"}, "1.5|-2|Giza"),
        ("location", {"lat": "1.5", "lng": "-2", "address": ""}, ""),
        ("location", {"lat": "1.5", "lng": "-2"}, ""),
        ("link", {"url": "https://example.com", "text": "A b"}, "[A b](https://example.com)"),
        ("link", {"url": "https://example.com", "text": ""}, "[https://example.com](https://example.com)"),
        ("link", "https://example.com", "[https://example.com](https://example.com)"),
        ("link", {"url": "https://example.com", "text": "A [b]"}, ""),
        ("link", {"url": "https://example.com/(x)", "text": "A"}, ""),
        ("link", {"url": "ftp://example.com", "text": "A"}, ""),
        ("dropdown", ["A", "B"], "A, B"),
        ("dropdown", ["A, B"], ""),
        ("date", date(2026, 6, 15), "2026-06-15"),
        ("date", datetime(2026, 6, 15, 9, 30, tzinfo=timezone.utc), ""),
    ],
)
def test_a_value_in_a_file(kind: str, value: Any, text: str) -> None:
    assert csv_cell(kind, value) == text


def test_a_row_that_the_import_refuses_goes_on_by_itself(bench: PushBench) -> None:
    bench.insert(250, state="case when i < 4 then 'No such label' else 'Done' end")
    bench.sandbox.admin("labels/add", board_id=bench.board, column_id="status", label_id=11, name="Done")
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (250, 3)
    assert len(bench.items()) == 250
    assert bench.shown("text") == sorted(f"note {n}" for n in range(1, 251))


def test_a_version_without_the_import_gets_documents(bench: PushBench) -> None:
    bench.sandbox.admin(
        "faults/add",
        kind="error",
        message="Cannot query field 'ingest_items' on type 'Mutation'.",
        code="",
        match={"field": "ingest_items"},
    )
    bench.insert(220)
    assert bench.push().to_monday.created == 220
    bench.must_be_equal()


def test_a_token_that_may_not_import_makes_documents(bench: PushBench) -> None:
    bench.sandbox.admin(
        "faults/add",
        kind="error",
        message="User unauthorized to perform action",
        code="USER_UNAUTHORIZED",
        match={"field": "ingest_items"},
    )
    bench.insert(220)
    assert bench.push().to_monday.created == 220
    bench.must_be_equal()


def test_an_import_that_does_not_say_how_many_it_made_doubles_none(bench: PushBench) -> None:
    bench.sandbox.admin("switches", import_counts=False)
    bench.insert(220)
    assert bench.push().to_monday.created == 220
    assert len(bench.items()) == 220
    bench.must_be_equal()


@pytest.mark.parametrize("limit", [100, 219])
def test_a_board_without_room_for_all_takes_what_it_can(bench: PushBench, limit: int) -> None:
    bench.sandbox.admin("boards/set", board_id=bench.board, items_limit=limit)
    bench.insert(220)
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (limit, 220 - limit)
    assert len(bench.items()) == limit


def test_what_an_import_made_before_it_failed_is_not_made_again(bench: PushBench) -> None:
    bench.sandbox.admin("switches", import_until_full=True)
    bench.sandbox.admin("boards/set", board_id=bench.board, items_limit=100)
    bench.insert(220)
    assert bench.push().to_monday.created == 100
    bench.sandbox.admin("boards/set", board_id=bench.board, items_limit=1000)
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_listings_that_do_not_show_the_new_items_yet_are_waited_for(bench: PushBench) -> None:
    bench.sandbox.admin("faults/add", kind="empty_listing", match={"field": "boards", "contains": "ItemsPage"})
    bench.insert(220)
    assert bench.push().to_monday.created == 220
    bench.sandbox.admin("faults/clear")
    bench.must_be_equal()


def test_an_upload_whose_answer_is_lost_is_not_repeated_in_another_way(bench: PushBench) -> None:
    bench.insert(220)
    hold = bench.relay.hold("PUT", 1, True)
    child = bench.begin()
    hold.reached.wait(20)
    bench.relay.drop_answers.add("PUT")
    hold.go.set()
    child.process.join(20)
    assert child.process.exitcode == 0
    bench.must_be_equal()
