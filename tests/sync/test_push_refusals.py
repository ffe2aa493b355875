"""Checks what becomes of values, records and runs that monday.com refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from errors import DailyLimitReached, MondayRefused
from tests.kit.pushes import PushBench, bench_of, things_with

# What monday.com refuses


def test_a_value_that_is_refused_costs_its_field_only(bench: PushBench) -> None:
    bench.insert(3)
    bench.push()
    bench.sql("update things set note = 'new', state = 'No such label' where title = 'Thing 2'")
    report = bench.push()
    assert (report.errors, report.exit_code) == (1, 3)
    assert bench.shown("text") == ["new", "note 1", "note 3"]
    (log,) = bench.sql("select message from sync_logs where operation = 'push' and status = 'error'")
    assert log["message"].startswith("state: ")
    (link,) = [link for link in bench.links() if link["next_try_at"]]
    assert (link["attempts"], link["sync_status"]) == (1, "error")


def test_what_was_refused_is_tried_again_after_growing_pauses_and_set_aside_in_the_end(bench: PushBench) -> None:
    bench.insert(1, state="'No such label'")
    pauses = []
    for attempt in range(1, 9):
        report = bench.push()
        (link,) = bench.links()
        assert link["attempts"] == attempt
        assert bench.push().to_monday.updated == 0, "not before its time"
        assert bench.links()[0]["attempts"] == attempt
        if link["next_try_at"]:
            pauses.append(round((link["next_try_at"] - link["updated_at"]).total_seconds() / 60))
        bench.retry()
    assert pauses == [1, 2, 4, 8, 16, 32, 64]
    assert (report.set_aside, bench.links()[0]["sync_status"]) == (1, "set_aside")
    bench.sandbox.admin("labels/add", board_id=bench.board, column_id="status", label_id=9, name="No such label")
    bench.sql("update things set note = 'and on'")
    assert bench.push().errors == 0
    assert (bench.links()[0]["attempts"], bench.shown("status")) == (0, ["No such label"])


@pytest.mark.parametrize("first", ["an item", "a row"])
def test_an_edit_does_not_wait_for_the_pause_of_what_was_refused_before(bench: PushBench, first: str) -> None:
    if first == "an item":
        bench.insert(1)
        bench.push()
        bench.sql("update things set state = 'No such label'")
    else:
        bench.insert(1, state="'No such label'")
    assert bench.push().errors == 1
    bench.sql("update things set note = 'another field'")
    assert bench.push().errors == 1, "it is refused again"
    assert bench.shown("text") == ["another field"]
    assert bench.links()[0]["attempts"] == 2
    assert bench.push().to_monday.updated == 0, "and pauses again"
    bench.sql("update things set state = 'Done'")
    assert bench.push().errors == 0
    bench.must_be_equal()


def test_a_row_with_a_refused_value_becomes_an_item_all_the_same(bench: PushBench) -> None:
    bench.insert(2, state="case when i = 1 then 'No such label' end")
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (2, 1)
    assert bench.shown("text") == ["note 1", "note 2"]
    bench.sql("update things set state = null")
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_labels_are_made_when_the_mapping_says_so_and_only_in_that_column(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    mapping = things_with("""
  - {column: name, field: title}
  - {column: status, field: state, create_labels: true}
  - {column: other, field: note}
""")
    with bench_of(db, database_url, tmp_path, mapping) as bench:
        other = {"id": "other", "title": "Other", "type": "status", "labels": ["Known"]}
        bench.sandbox.admin("columns/add", board_id=bench.board, **other)
        bench.insert(3, note="case when i = 1 then 'Mistyped' else 'Known' end", state="'Made ' || mod(i, 2)")
        report = bench.push()
        assert (report.to_monday.created, report.errors) == (3, 1)
        bench.sql("update things set note = 'Mistyped too', state = 'Made later' where title = 'Thing 2'")
        assert bench.push().errors == 2, "the new one, and the one that pauses"
        assert bench.shown("status") == ["Made 1", "Made 1", "Made later"]
        assert bench.shown("other") == ["", "Known", "Known"]
        labels = next(column for column in bench.monday.board(bench.board).columns if column.id == "other").settings
        assert "Mistyped" not in str(labels)


def test_a_name_that_is_too_long_is_cut_on_the_board_and_whole_in_its_row(bench: PushBench) -> None:
    bench.insert(1, title="repeat('n', 300)")
    assert bench.push().errors == 1
    bench.push("both")
    assert bench.shown("name") == ["n" * 255]
    assert bench.sql("select length(title) as n from things")[0]["n"] == 300
    bench.sql("update things set title = 'short'")
    bench.retry()
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("title", ["null", "''", "'   '"])
def test_a_row_without_a_name_becomes_an_item_that_has_one(bench: PushBench, title: str) -> None:
    bench.insert(1, title=title)
    assert bench.push().to_monday.created == 1
    assert bench.shown("name")[0].startswith("thing ")
    bench.writes()
    bench.push()
    assert bench.writes() == 0


def test_a_name_cannot_be_cleared(bench: PushBench) -> None:
    bench.insert(1)
    bench.push()
    bench.sql("update things set title = null, note = 'kept'")
    assert bench.push().errors == 1
    assert (bench.shown("name"), bench.shown("text")) == (["Thing 1"], ["kept"])


# Trouble on the way


def test_what_was_answered_before_the_daily_limit_is_taken_in_and_the_next_run_goes_on(bench: PushBench) -> None:
    bench.insert(60)
    bench.sandbox.admin(
        "faults/add",
        kind="error",
        code="DAILY_LIMIT_EXCEEDED",
        message="Daily limit exceeded",
        http=429,
        status=429,
        match={"field": "create_item", "nth": 2},
        count=1,
    )
    with pytest.raises(DailyLimitReached):
        bench.push()
    assert len(bench.items()) == 25
    assert len([link for link in bench.links() if link["monday_id"]]) == 25
    bench.connect()  # the next day
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html_502"},
        {"kind": "html_504", "applied": True},
        {"kind": "lost_answer"},
        {"kind": "cut"},
        {
            "kind": "error",
            "code": "COMPLEXITY_BUDGET_EXHAUSTED",
            "message": "Complexity",
            "status": 429,
            "retry_in_seconds": 7,
        },
        {"kind": "error", "code": "", "message": "Resource is currently locked", "http": 423, "status": 423},
        {
            "kind": "error",
            "code": "RATE_LIMIT_EXCEEDED",
            "message": "Minute limit rate exceeded",
            "http": 429,
            "status": 429,
        },
    ],
    ids=lambda fault: fault["code"] if fault.get("code") else fault["kind"],
)
def test_one_failure_on_the_way_changes_nothing_about_the_outcome(bench: PushBench, fault: dict[str, Any]) -> None:
    bench.insert(50)
    bench.sandbox.admin("faults/add", **fault, match={"operation": "mutation", "nth": 2})
    bench.push()
    bench.sandbox.admin("faults/add", **fault, match={"operation": "mutation"})
    bench.sql("update things set note = 'edited'")
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("rows", [1, 60])
def test_a_column_that_the_token_may_not_edit_costs_its_field_only(bench: PushBench, rows: int) -> None:
    bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id="status")
    bench.insert(rows, state="'Done'")
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (rows, rows)
    bench.sql("update things set note = 'edited', state = 'Stuck'")
    bench.retry()
    report = bench.push()
    assert (report.to_monday.updated, report.errors) == (rows, rows)
    assert bench.shown("text") == ["edited"] * rows
    bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id="status", restricted=False)
    bench.retry()
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("rows", [1, 60])
@pytest.mark.parametrize("columns", [("status",), ("text",), ("status", "text")], ids="+".join)
def test_a_column_that_the_token_may_not_edit_costs_its_field_also_alone(
    bench: PushBench, rows: int, columns: tuple[str, ...]
) -> None:
    bench.insert(rows)
    bench.push()
    for column in columns:
        bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id=column)
    bench.sql("update things set " + ", ".join({"status": "state = 'Stuck'", "text": "note = 'x'"}[c] for c in columns))
    report = bench.push()
    assert (report.errors, report.exit_code) == (rows, 3)
    assert all("unauthorized" in link["last_error"] for link in bench.links())
    bench.insert(1)
    assert bench.push().to_monday.created == 1
    for column in columns:
        bench.sandbox.admin("columns/restrict", board_id=bench.board, column_id=column, restricted=False)
    bench.retry()
    bench.push()
    bench.must_be_equal()


@pytest.mark.parametrize("edit", ["note = 'edited'", "note = 'edited', state = 'Stuck'"])
def test_a_token_that_may_not_write_at_all_is_told_at_once(bench: PushBench, edit: str) -> None:
    bench.insert(60)
    bench.push()
    bench.sandbox.admin("boards/set", board_id=bench.board, protected=True)
    bench.writes()
    bench.sql(f"update things set {edit}")
    with pytest.raises(MondayRefused):
        bench.push()
    assert bench.writes() <= 4


def test_a_change_whose_answer_never_comes_is_kept(bench: PushBench) -> None:
    bench.insert(1)
    bench.push()
    bench.sql("update things set note = 'edited'")
    bench.sandbox.admin("faults/add", kind="json_500", match={"field": "change_multiple_column_values"}, count=40)
    bench.push()
    assert bench.links()[0]["next_try_at"] is not None
    bench.sandbox.admin("faults/clear")
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_a_change_of_a_row_whose_item_is_gone_is_kept_and_shown(bench: PushBench) -> None:
    bench.insert(2)
    bench.push()
    item = bench.items()[0]
    bench.sandbox.admin("items/archive", item_id=item["id"])
    bench.sql("update things set note = 'edited'")
    report = bench.push()
    assert (report.errors, report.to_monday.updated) == (1, 1)
    (link,) = [link for link in bench.links() if link["monday_id"] == item["id"]]
    assert "not on the board" in link["last_error"]
    bench.sandbox.admin("items/restore", item_id=item["id"])
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_a_full_board_takes_what_it_can_and_the_rest_waits(bench: PushBench) -> None:
    bench.sandbox.admin("boards/set", board_id=bench.board, items_limit=30)
    bench.insert(60)
    report = bench.push()
    assert (report.to_monday.created, report.errors) == (30, 30)
    assert len(bench.items()) == 30
    assert len([link for link in bench.links() if link["next_try_at"]]) == 30
    bench.sandbox.admin("boards/set", board_id=bench.board, items_limit=100)
    bench.retry()
    bench.push()
    bench.must_be_equal()


def test_a_retry_that_is_cut_off_is_not_forgotten(bench: PushBench) -> None:
    bench.insert(1, state="'No such label'")
    bench.push()
    bench.sandbox.admin("labels/add", board_id=bench.board, column_id="status", label_id=9, name="No such label")
    bench.retry()
    bench.kill_at("ChangeItems", 1)
    bench.push()
    bench.must_be_equal()
