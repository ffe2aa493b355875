"""Lets two syncs fill one table: each keeps to its own records, whatever their keys."""

from __future__ import annotations

import json

import pytest

from tests.kit.cli import run_main

QUERY = "select id, name, amount, stage, born, note from shop where id {}"


@pytest.fixture
def both(world):
    """Writes a file with two syncs of the table; the second reads what is added later."""
    path = world.home / "config" / "sync_mappings.yml"

    def write(first: str, second: str, name: str = "second") -> None:
        (sync,) = json.loads(path.read_text())["syncs"][:1]
        syncs = [
            {**sync, "name": called, "source": {**sync["source"], "query": QUERY.format(which)}}
            for called, which in (("first", first), (name, second))
        ]
        path.write_text(json.dumps({"syncs": syncs}))

    world.write_both = write
    return world


def main(world, *arguments, code=0):
    done = run_main(world.home, *arguments, env=world.env)
    assert done.code == code, (done.out, done.err)
    return done


def test_records_of_another_sync_are_not_taken_over(both):
    both.rows(3)
    both.write_both("in (1, 2)", "= 3")
    main(both, "run")
    both.write_both("in (1, 2)", "in (2, 3)")
    both.execute("update shop set name = 'Later' where id = 2")
    done = main(both, "run", "--sync-name", "second", code=3)
    assert "row 2: first fills the record with this key" in done.err
    assert both.records()["2"]["Title"] == "Customer 2"
    main(both, "run", "--sync-name", "first")
    assert both.records()["2"]["Title"] == "Later"


def test_a_sync_that_has_another_name_now_takes_its_records_over(both):
    both.rows(3)
    both.write_both("in (1, 2)", "= 3")
    main(both, "run")
    both.write_both("in (1, 2)", "= 3", name="renamed")
    both.execute("update shop set name = 'Later' where id = 3")
    main(both, "run")
    assert set(both.records()) == {"1", "2", "3"} and both.records()["3"]["Title"] == "Later"


def test_what_one_is_refused_is_not_told_of_the_other(both):
    both.rows(3)
    both.execute("update shop set stage = 'odd' where id = 3")
    both.write_both("in (1, 2)", "= 3")
    main(both, "run", code=3)
    logged = both.db.execute_query("select distinct entity_type, status from sync_logs where entity_id is not null")
    assert {(row["entity_type"], row["status"]) for row in logged} == {
        ("query:first", "success"),
        ("query:second", "error"),
    }
    assert "odd" in main(both, "explain", "second/3").out
    # nothing of the other's is gone, whichever looks for what is gone
    main(both, "run", "--sync-name", "first", "--sweep")
    assert set(both.records()) == {"1", "2"}
