"""Finds what no trigger heard of: with the sweep, once a day or when it is asked for, in either way of pushing."""

from __future__ import annotations

import logging

import pytest

DAY_PASSES = """
update sync_state set value = jsonb_set(value, '{swept_at}', to_jsonb((now() - interval '25 hours')::text))
where value ? 'swept_at'
"""
OFF = ("alter table things disable trigger user", "alter table things enable trigger user")
EDITS = {
    "changed": "update things set note = 'loaded' where title = 'Thing 1'",
    "new": "insert into things (title, note) values ('Loaded', 'loaded')",
    "removed": "delete from things where title = 'Thing 1'",
    "archived": "update things set archived_at = now() where title = 'Thing 1'",
}


@pytest.fixture
def quiet(bench):
    """Has three records in step, whose edits no trigger notes."""
    bench.insert(3)
    bench.push("both")
    bench.push("push")
    return bench


def edit_unheard(bench, statement):
    with bench.db.transaction(tool=False) as tx:
        tx.execute(OFF[0])
        tx.execute(statement)
        tx.execute(OFF[1])
        assert tx.value("select count(*) from sync_outbox") == 0


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("way", ["push", "both"])
def test_the_sweep_finds_what_no_trigger_noted(quiet, way, edit, caplog):
    caplog.set_level(logging.WARNING, "monday_sync")
    edit_unheard(quiet, EDITS[edit])
    quiet.push(way, sweep=True)
    if edit in ("changed", "new"):
        assert "1 record changed and no trigger had noted it" in caplog.text
    quiet.must_be_equal()


@pytest.mark.parametrize("way", ["push", "both"])
def test_it_is_found_once_a_day_without_being_asked_for(quiet, way):
    edit_unheard(quiet, EDITS["changed"])
    assert quiet.push(way).to_monday.updated == 0
    quiet.sql(DAY_PASSES)
    assert quiet.push(way).to_monday.updated == 1
    quiet.must_be_equal()


@pytest.mark.parametrize("way", ["push", "both"])
def test_what_a_trigger_noted_is_not_told_as_unheard_and_planned_once(quiet, way, caplog):
    caplog.set_level(logging.WARNING, "monday_sync")
    quiet.sql(EDITS["changed"])
    assert len(quiet.push(way, sweep=True, dry_run=True).plans) == 1
    assert quiet.push(way, sweep=True).to_monday.updated == 1
    assert "no trigger" not in caplog.text
    quiet.must_be_equal()


def test_an_unheard_edit_beside_one_on_the_board_keeps_both_fields(quiet):
    (item,) = [item for item in quiet.items() if item["name"] == "Thing 1"]
    edit_unheard(quiet, EDITS["changed"])
    quiet.sandbox.admin("items/change", item_id=item["id"], values={"status": {"label": "Done"}})
    quiet.push("both", sweep=True)
    (row,) = quiet.sql("select note, state from things where title = 'Thing 1'")
    assert row == {"note": "loaded", "state": "Done"}
    quiet.must_be_equal()


def test_a_sweep_over_rows_in_step_writes_nothing_and_asks_monday_nothing_more(quiet):
    quiet.push("push")
    quiet.sandbox.admin("requests/reset")
    quiet.push("push")
    usual = len(quiet.sandbox.admin("requests"))
    quiet.sandbox.admin("requests/reset")
    quiet.push("push", sweep=True)
    assert len(quiet.sandbox.admin("requests")) == usual
