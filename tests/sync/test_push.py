"""Checks what a push writes of rows with a natural key, of read-only fields, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db_connector import Database
from tests.kit.pushes import THINGS, PushBench, bench_of, text_of, things_with

# Rows that an item knows by their natural key


@pytest.fixture
def keyed(db: Database, database_url: str, tmp_path: Path) -> Iterator[PushBench]:
    rules = "key: [lower(note)]\nskip_without_key: no note\nduplicate: duplicate note\n"
    with bench_of(db, database_url, tmp_path, THINGS.replace("item_name:", rules + "item_name:")) as bench:
        bench.install_triggers()
        bench.insert(2)
        bench.push()
        yield bench


def at_rest(bench: PushBench) -> None:
    bench.must_be_equal()
    bench.writes()
    report = bench.push("both", full=True)
    assert (bench.writes(), report.errors, report.skipped, report.to_postgres.updated) == (0, 0, 0, 0)


@pytest.mark.parametrize("way", ["push", "both"])
def test_a_key_that_sql_takes_away_and_gives_back_goes_to_the_board(keyed: PushBench, way: str) -> None:
    for change in ("note = null", "state = 'Done'", "note = 'given back'"):
        keyed.sql(f"update things set {change} where title = 'Thing 1'")
        assert keyed.push(way).to_monday.updated == 1
    assert keyed.shown("text") == ["given back", "note 2"]
    at_rest(keyed)


@pytest.mark.parametrize("way", ["push", "both"])
def test_keys_that_sql_hands_on_or_swaps_go_to_the_board(keyed: PushBench, way: str) -> None:
    keyed.sql("update things set note = 'note 3' where title = 'Thing 1'")
    keyed.sql("update things set note = 'note 1' where title = 'Thing 2'")
    keyed.push(way)
    assert keyed.shown("text") == ["note 1", "note 3"]
    at_rest(keyed)
    keyed.sql("update things set note = case note when 'note 1' then 'note 3' else 'note 1' end")
    assert keyed.push(way).to_monday.updated == 2
    at_rest(keyed)


@pytest.mark.parametrize("way", ["push", "both"])
def test_a_row_that_another_one_with_its_key_replaces_takes_its_item_along(keyed: PushBench, way: str) -> None:
    with keyed.db.transaction(tool=False) as tx:
        tx.execute("delete from things where title = 'Thing 1'")
        tx.execute("insert into things (title, note) values ('Another', 'note 1')")
    keyed.push(way)
    assert sorted(keyed.shown("name")) == ["Another", "Thing 2"]
    at_rest(keyed)


def test_a_row_without_a_key_becomes_an_item_that_follows_it(keyed: PushBench) -> None:
    keyed.sql("insert into things (title) values ('Without')")
    keyed.push()
    keyed.sql("update things set title = 'Still without' where title = 'Without'")
    keyed.push()
    assert "Still without" in keyed.shown("name")
    assert {link["sync_status"] for link in keyed.links()} == {"synced"}


# Read-only fields


@pytest.mark.parametrize("policy, errors, note", [("error", 0, "sql"), ("ignore", 0, "sql"), ("revert", 0, "board")])
def test_a_read_only_field_follows_its_policy(
    db: Database, database_url: str, tmp_path: Path, policy: str, errors: int, note: str
) -> None:
    mapping = things_with(f"""
  - {{column: name, field: title}}
  - {{column: text, field: note, read_only: {policy}}}
""")
    with bench_of(db, database_url, tmp_path, mapping) as bench:
        bench.install_triggers()
        bench.insert(1, note="null")
        bench.push("both")
        bench.sandbox.admin("items/change", item_id=bench.items()[0]["id"], values={"text": "board"})
        bench.push("both")
        bench.sql("update things set note = 'sql'")
        bench.writes()
        report = bench.push("both")
        assert (bench.writes(), report.errors) == (0, errors)
        assert (bench.shown("text"), bench.sql("select note from things")[0]["note"]) == (["board"], note)
        refused = bench.sql("select * from sync_logs where operation = 'push' and status = 'warning'")
        assert bool(refused) is (policy == "error")


def test_a_read_only_value_of_a_new_row_is_not_taken_from_it(db: Database, database_url: str, tmp_path: Path) -> None:
    mapping = things_with("  - {column: name, field: title}\n  - {column: text, field: note, read_only: error}\n")
    with bench_of(db, database_url, tmp_path, mapping) as bench:
        bench.install_triggers()
        bench.insert(1)
        bench.push("both")
        bench.push("both")
        assert (bench.shown("text"), bench.sql("select note from things")[0]["note"]) == ([""], "note 1")


# What it costs


def test_new_rows_go_through_the_import_and_its_answers_are_read_a_page_at_a_time(bench: PushBench) -> None:
    bench.insert(1_100)
    before = bench.monday.stats.calls
    assert bench.push().to_monday.created == 1_100
    # The board, the job, its state twice, and three pages.
    assert bench.monday.stats.calls - before <= 8
    bench.must_be_equal()


def test_without_a_sync_id_column_new_rows_go_in_documents_of_25(nameless: PushBench) -> None:
    nameless.insert(500)
    before = nameless.monday.stats.calls
    assert nameless.push().to_monday.created == 500
    # The board, whose token it is, and 20 documents.
    assert nameless.monday.stats.calls - before <= 22


def test_a_thousand_changes_cost_36_calls(bench: PushBench) -> None:
    bench.insert(1_000)
    bench.push()
    bench.sql("update things set note = 'edited ' || title")
    before = bench.monday.stats.calls
    assert bench.push().to_monday.updated == 1_000
    assert bench.monday.stats.calls - before <= 36
    bench.must_be_equal()


def test_fields_of_one_item_travel_in_one_change(bench: PushBench) -> None:
    bench.insert(1)
    bench.push()
    bench.sql("update things set title = 'Other', note = 'edited', state = (select null)")
    bench.writes()
    bench.push()
    assert bench.writes() == 1
    assert [text_of(item, "text") for item in bench.items()] == ["edited"]
