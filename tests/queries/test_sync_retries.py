"""`retry`, `forget` and `pause` work on syncs of queries as on entities, without a key of monday.com."""

from __future__ import annotations

import json

import pytest

from tests.kit.cli import run_main


def main(world, *arguments, code=0):
    done = run_main(world.home, *arguments, env=world.env)
    assert done.code == code, (done.out, done.err)
    return done


@pytest.fixture
def refused(world):
    """Has two rows refused: one has no record, the other has one."""
    world.rows(4)
    world.execute("update shop set stage = 'odd' where id = 2")
    world.counts(code=3)
    world.execute("update shop set stage = 'odd' where id = 3")
    world.counts(code=3)
    return world


def waiting(world, *arguments):
    return json.loads(main(world, "retry", "list", "--json", *arguments).out)["waiting"]


def test_refused_rows_are_listed_with_their_reasons(refused):
    second, third = waiting(refused)
    assert (second["entity"], second["kind"], second["entity_id"], second["record_id"]) == ("shop", "row", "2", None)
    assert second["attempts"] == 1 and second["next_try_at"] and "no choice 'odd'" in second["last_error"]
    assert third["entity_id"] == "3" and third["record_id"]
    assert waiting(refused, "--sync-name", "shop") == waiting(refused, "--entity", "shop") == [second, third]
    assert waiting(refused, "--entity", "users") == []
    assert "no choice 'odd'" in main(refused, "retry", "list").out


def test_retry_now_ends_the_pause_of_the_rows_that_are_named(refused):
    refused.execute("update shop set stage = 'n' where id in (2, 3)")
    assert (refused.counts(code=3)["set_aside"], set(refused.records())) == (2, {"1", "3", "4"})
    assert "1 record will be tried" in main(refused, "retry", "now", "shop/2").out
    assert refused.counts(code=3)["created"] == 1
    assert [waits["entity_id"] for waits in waiting(refused)] == ["3"]
    main(refused, "retry", "now", "--sync-name", "shop")
    done = refused.counts()
    assert (done["updated"], done["errors"], waiting(refused)) == (1, 0, [])


def test_a_key_with_a_slash_is_a_key(world):
    world.execute("alter table shop alter column id type text")
    world.execute("insert into shop (id, name, stage) values ('a/b', 'x', 'odd'), ('b', 'y', 'odd')")
    world.counts(code=3)
    world.execute("update shop set stage = 'n'")
    assert "1 record will be tried" in main(world, "retry", "now", "shop/a/b").out
    world.counts(code=3)
    assert set(world.records()) == {"a/b"}


def test_rows_that_are_given_up_are_not_tried_until_they_change(refused):
    assert "1 record given up" in main(refused, "retry", "drop", "shop/2").out
    assert [waits["entity_id"] for waits in waiting(refused)] == ["3"]
    assert "1 record given up" in main(refused, "retry", "drop", "--sync-name", "shop").out
    assert waiting(refused) == []
    done = refused.counts("--full")
    assert (done["errors"], done["set_aside"], done["calls"], set(refused.records())) == (0, 0, 0, {"1", "3", "4"})
    assert "was given up" in main(refused, "explain", "shop/2").out
    state = json.loads(main(refused, "status", "--json").out)
    assert [(sync["in_step"], sync["refused"]) for sync in state["syncs"]] == [(2, 0)]
    refused.execute("update shop set stage = 'n', updated_at = now() where id in (2, 3)")
    done = refused.counts()
    assert (done["created"], done["updated"], set(refused.records())) == (1, 1, {"1", "2", "3", "4"})
    assert refused.counts()["calls"] == 0


def test_an_edit_between_the_refusal_and_the_giving_up_is_not_lost(refused):
    refused.execute("update shop set stage = 'n', updated_at = now() where id in (2, 3)")
    main(refused, "retry", "drop", "--all")
    assert refused.counts()["created"] == 1


def test_what_is_forgotten_meets_anew_and_nothing_is_made_twice(world):
    world.rows(30)
    world.counts()
    assert "--yes" in main(world, "forget", "--sync-name", "shop", code=2).err
    assert "30 links of shop forgotten" in main(world, "forget", "--entity", "shop", "--yes").out
    assert not world.db.execute_query("select * from sync_records")
    again = world.counts()
    assert (again["read"], again["created"], len(world.records())) == (30, 0, 30)
    assert world.counts()["calls"] == 0


def test_a_paused_sync_is_not_run(world):
    world.rows(1)
    main(world, "pause", "shop")
    done = world.run()
    assert "shop is paused" in done.err and not world.records()
    main(world, "resume", "shop")
    assert world.counts()["created"] == 1
