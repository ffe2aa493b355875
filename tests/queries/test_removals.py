"""Rows that a query has no more, records that people have deleted, and rows that come back."""

from __future__ import annotations

import json

import pytest

from tests.kit.cli import run_main


def without(world, key: int) -> None:
    world.execute(f"delete from shop where id = {key}")


def of_key(world, key: str) -> str:
    return next(item["id"] for item in world.snapshot() if item[world.slugs["External id"]] == key)


def test_a_row_that_is_gone_is_found_by_the_sweep_and_its_record_is_recycled(world):
    world.rows(5)
    assert world.counts()["created"] == 5
    without(world, 3)
    assert world.counts()["archived"] == 0, "what changed since is read between sweeps"
    swept = world.counts("--sweep")
    assert swept["archived"] == 1 and swept["to_smartsuite"]["archived"] == 1
    assert sorted(world.records()) == ["1", "2", "4", "5"]
    again = world.counts("--sweep")
    assert again["archived"] == 0 and again["calls"] == 0


def test_a_sweep_is_due_after_a_day(world):
    world.rows(3)
    world.counts()
    without(world, 2)
    world.execute("""update sync_state set value = jsonb_set(value, '{swept}', '"2020-01-01T00:00:00+00:00"')
                     where name = 'query:shop'""")
    assert world.counts()["archived"] == 1


def test_a_query_that_reads_all_rows_finds_them_in_every_run(world):
    world.write_sync(query="select id, name, amount, stage, born, note from shop")
    world.rows(3)
    world.counts()
    without(world, 2)
    assert world.counts()["archived"] == 1


def test_a_row_that_comes_back_gets_its_record_out_of_the_bin_with_its_values(world):
    world.rows(3)
    world.counts()
    before = of_key(world, "2")
    without(world, 2)
    world.counts("--sweep")
    world.rows(1, begin=2)
    back = world.counts()
    assert back["created"] == 0 and of_key(world, "2") == before
    assert world.records()["2"]["Title"] == "Customer 2"
    assert world.counts("--full")["calls"] == 0


def test_a_row_that_comes_back_after_the_bin_was_emptied_gets_a_new_record(world):
    world.rows(3)
    world.counts()
    before = of_key(world, "2")
    without(world, 2)
    world.counts("--sweep")
    world.execute("update sync_records set record_id = repeat('0', 24) where source_key = '2'")
    world.rows(1, begin=2)
    assert world.counts()["created"] == 1
    assert of_key(world, "2") != before


@pytest.mark.parametrize(("rule", "archived", "remembered"), [("delete", 1, 2), ("ignore", 0, 3)])
def test_the_sync_says_what_becomes_of_the_record(world, rule, archived, remembered):
    world.write_sync(destination={"on_row_removed": rule})
    world.rows(3)
    world.counts()
    without(world, 2)
    assert world.counts("--sweep")["archived"] == archived
    assert len(world.snapshot()) == 3 - archived
    assert world.db.execute_query("select count(*) as n from sync_records")[0]["n"] == remembered


def test_many_rows_that_are_gone_wait_for_a_user(world):
    world.rows(60)
    world.counts()
    world.execute("delete from shop where id <= 25")
    world.execute("update shop set name = 'changed' where id = 60")
    stopped = world.run("--sweep")
    assert stopped.code == 4 and "25 of 60 rows are gone" in stopped.err and "--allow-mass-delete" in stopped.err
    assert len(world.snapshot()) == 60 and world.records()["60"]["Title"] == "Customer 60"
    assert world.counts("--sweep", "--allow-mass-delete")["archived"] == 25
    assert len(world.snapshot()) == 35


def test_a_query_without_any_row_removes_nothing(world):
    world.rows(3)
    world.counts()
    world.execute("delete from shop")
    stopped = world.run("--sweep")
    assert stopped.code == 4 and "no rows at all" in stopped.err and len(world.snapshot()) == 3


def test_a_query_that_fails_or_hides_keys_removes_nothing(world):
    world.rows(3)
    world.counts()
    without(world, 1)
    world.execute("update shop set id = null where id = 2")
    world.run("--sweep")
    assert len(world.snapshot()) == 3
    world.write_sync(query="select 1 / (id - 3) as broken, id, name, amount, stage, born, note from shop")
    assert world.run("--sweep").code != 0 and len(world.snapshot()) == 3


def test_a_query_with_a_limit_takes_no_row_for_gone(world):
    world.write_sync(query="select id, name, amount, stage, born, note from shop order by id desc limit 3")
    world.rows(3)
    world.counts()
    world.rows(1, begin=4)
    assert world.counts("--sweep")["archived"] == 0 and len(world.snapshot()) == 4


def test_a_dry_run_names_what_would_be_removed(world):
    world.rows(3)
    world.counts()
    without(world, 2)
    planned = world.counts("--sweep", "--dry-run")
    assert planned["archived"] == 1 and len(world.snapshot()) == 3


def test_a_record_that_is_gone_already_ends_no_sweep(world):
    world.rows(4)
    world.counts()
    world.suite.admin("records/delete", record_id=of_key(world, "2"))
    for key in (2, 3):
        without(world, key)
    assert world.counts("--sweep")["archived"] == 2
    assert sorted(world.records()) == ["1", "4"]


@pytest.mark.parametrize("rule", ["hold", "recreate"])
def test_a_record_that_people_deleted_is_told_or_made_anew(world, rule):
    world.write_sync(destination={"on_record_removed": rule})
    world.rows(3)
    world.counts()
    world.suite.admin("records/delete", record_id=of_key(world, "2"))
    world.execute("update shop set name = 'new name', updated_at = now() where id = 2")
    done = world.run()
    if rule == "recreate":
        assert done.code == 0 and world.records()["2"]["Title"] == "new name"
        return
    assert done.code == 3 and "record shop/2 --recreate" in done.err
    shown = run_main(world.home, "record", "shop/2", "--json", env=world.env)
    assert json.loads(shown.out)["attempts"] == 1
    assert run_main(world.home, "record", "shop/2", "--recreate", env=world.env).code == 0
    assert world.counts()["created"] == 1 and world.records()["2"]["Title"] == "new name"
    unknown = run_main(world.home, "record", "shop/99", env=world.env)
    assert unknown.code == 2 and "Nothing is remembered of the row 99" in unknown.err
