"""Walks through random histories over the sandbox and a real PostgreSQL, and through those that once ended badly.

`tests/histories/` says what a history is made of, and how it is judged. `make soak` walks through many more of them.
"""

from __future__ import annotations

import pytest

from tests.histories.machine import Histories
from tests.histories.walking import walk

HISTORIES = 200
BATCHES = 8
STEPS = 16


@pytest.mark.timeout(900)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_after_any_history_both_sides_are_equal_and_nothing_is_lost_or_doubled(history_world, batch):
    walk(Histories, history_world, batch, HISTORIES // BATCHES, STEPS)


# Histories that once ended badly


def test_what_sql_wrote_into_a_row_that_no_item_shows_yet_is_not_filled_over(history):
    h = history()
    h.monday.create({"client.email": 1, "client.name": 0})
    h.sql.create({"client.email": 1, "client.name": 0})

    h.quiet()


def test_a_renamed_column_takes_what_sql_wrote_under_its_old_title_along_before_an_item_is_made_of_it(history):
    h = history()
    h.monday.create({})
    h.run("pull")
    h.sql.create({"extra": 0})
    h.monday.rename_column("extra")
    h.run("push")

    h.quiet()


def test_a_row_that_was_edited_does_not_go_with_its_item(history):
    h = history(item_removed="delete")
    h.monday.create({"amount": 1})
    h.run()
    h.sql.edit("C1", "amount", 1)
    h.monday.remove("C1", "delete")
    h.run()

    h.quiet()


def test_an_archived_row_that_was_edited_is_not_deleted_with_its_item(history):
    h = history(item_removed="delete")
    h.monday.create({"amount": 1})
    h.run()
    h.sql.remove("C1", "archive")
    h.sql.edit("C1", "amount", 1)
    h.monday.remove("C1", "archive")
    h.run()

    h.quiet()


def test_edits_of_a_shared_row_from_several_items_at_once_reach_all_that_show_it(history):
    h = history(profile="projects")
    h.monday.create({"customer.name": 0, "customer.phone": 0, "customer.email": 1})
    h.monday.duplicate("C1")
    h.monday.duplicate("C1")
    h.run("both")
    h.monday.edit("C1", "customer.name", 0)
    h.monday.edit("C2", "customer.phone", 0)
    h.monday.edit("C3", "title", 0)

    h.quiet()

    assert len({(item.fields["customer.name"], item.fields["customer.phone"]) for item in h.items()}) == 1


@pytest.mark.parametrize("key_changed", ["rename", "relink"])
def test_an_edit_of_a_shared_row_reaches_the_items_that_came_new_to_it_in_the_same_run(history, key_changed):
    h = history(profile="projects", key_changed=key_changed)
    h.monday.create({"customer.name": 0, "customer.phone": 1, "customer.email": 3})
    h.run("pull")
    h.monday.duplicate("C1")
    h.pass_time(5)
    h.monday.edit("C1", "customer.email", 6)

    h.quiet()


def test_edits_of_a_shared_row_reach_all_that_show_it_where_its_table_has_a_trigger_of_its_own(history):
    h = history(profile="projects")
    h.world.db.execute_query(
        """
        create function touch() returns trigger language plpgsql as
            'begin new.updated_at := clock_timestamp(); return new; end';
        create trigger touch before insert or update on customers for each row execute function touch()
        """,
        fetch=False,
    )
    h.monday.create({"customer.name": 0, "customer.phone": 0, "customer.email": 1})
    h.monday.duplicate("C1")
    h.monday.duplicate("C1")
    h.run("both")
    h.monday.edit("C1", "customer.name", 0)
    h.monday.edit("C2", "customer.phone", 0)
    h.monday.edit("C3", "title", 0)

    h.quiet()

    h.world.db.execute_query("drop function touch() cascade", fetch=False)
    assert len({(item.fields["customer.name"], item.fields["customer.phone"]) for item in h.items()}) == 1


@pytest.mark.parametrize("items", [1, 2])
def test_what_a_row_shows_by_sql_and_no_item_shows_is_not_filled_over_by_a_copy_of_an_item_that_differs(history, items):
    h = history()
    person = {"client.name": 0, "client.phone": 0, "client.email": 1}
    for _ in range(items):
        h.monday.create(person)
    h.sql.create(person)
    h.run("pull")
    h.monday.duplicate("C1")

    h.quiet()


def test_a_row_goes_with_its_item_although_another_item_edited_the_row_that_both_show(history):
    h = history()
    h.monday.create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.monday.duplicate("C1")
    h.run()
    h.monday.edit("C1", "client.phone", 0)
    h.monday.remove("C2", "delete")

    h.quiet()

    assert h.row("C2").archived


def test_a_copy_of_an_item_whose_row_was_removed_is_an_item_of_its_own(history):
    h = history()
    h.sql.create({})
    h.run()
    h.monday.duplicate("C1")
    h.sql.remove("C1", "archive")
    h.run("push")

    h.quiet()

    assert not h.row("C2").archived


def test_a_row_that_is_given_another_shared_row_takes_what_the_item_shows_along(history):
    h = history(profile="projects")
    h.monday.create({"customer.name": 0, "customer.phone": 0, "customer.email": 1})
    h.monday.create({"customer.name": 0, "customer.phone": 0, "customer.email": 3})
    h.sql.create({"customer.name": 0, "customer.phone": 0, "customer.email": 3})
    h.run()
    h.monday.edit("C1", "customer.name", 0)
    h.sql.edit("C1", "customer.name", 0)
    h.sql.relate("C1", "C3")

    h.quiet()


def test_a_cell_that_differs_from_its_shared_row_stands_in_a_conflict_when_the_row_is_written_over_it(history):
    h = history()
    h.monday.create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.run()
    h.monday.duplicate("C1")
    h.monday.edit("C1", "client.name", 0)
    h.sql.edit("C1", "client.name", 0)
    h.monday.edit("C2", "client.name", 0)
    h.run()

    h.quiet()


@pytest.mark.parametrize("seconds", [0, 3])
def test_an_edit_of_a_shared_row_is_news_to_a_dispute_also_where_a_copy_has_filled_the_row_before(history, seconds):
    h = history()
    person = {"client.name": 0, "client.phone": 0, "client.email": 1}
    h.monday.create(person)
    h.sql.create(person)
    h.run()
    h.monday.duplicate("C1")
    h.monday.edit("C1", "client.name", 0)
    h.sql.edit("C1", "client.name", 0)
    h.monday.duplicate("C1")
    h.run()
    h.pass_time(seconds)
    h.monday.duplicate("C1")
    h.pass_time(3)
    h.monday.edit("C3", "client.name", 0)
    h.run()

    h.quiet()


def test_an_edit_that_was_undone_keeps_no_row_from_going_with_its_item(history):
    h = history()
    h.monday.create({})
    h.run()
    h.monday.remove("C1", "archive")
    h.sql.edit("C1", "due", 0)
    h.sql.edit("C1", "due", 6)

    h.quiet()

    assert h.row("C1").archived


def test_a_row_whose_shared_row_was_edited_and_left_to_it_alone_is_held_when_its_item_is_gone(history):
    h = history()
    person = {"client.name": 0, "client.phone": 0, "client.email": 1}
    h.monday.create(person)
    h.sql.create(person)
    h.run()
    h.sql.remove("C1", "archive")
    h.monday.edit("C1", "title", 0)
    h.run()
    h.monday.remove("C2", "archive")
    h.sql.remove("C1", "archive")
    h.monday.edit("C1", "client.email", 5)
    h.sql.edit("C1", "client.email", 0)

    h.quiet()

    assert not h.row("C2").archived
    (link,) = h.sides.sql("select sync_status from sync_mapping where entity_id = %s", h.row("C2").id)
    assert link["sync_status"] == "conflict"


def test_an_edit_that_reached_the_board_keeps_no_row_from_going_with_its_item(history):
    h = history()
    h.monday.create({})
    h.run()
    h.sql.remove("C1", "archive")
    h.monday.edit("C1", "title", 0)
    h.run()
    h.sql.edit("C1", "title", 0)
    h.run()
    h.monday.remove("C1", "archive")

    h.quiet()

    assert h.row("C1").archived


def test_items_that_show_a_shared_row_unlike_it_are_made_to_show_it_on_demand(history):
    h = history()
    h.monday.create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.monday.create({"client.name": 0, "client.phone": 0, "client.email": 1})
    h.run()
    shown = {item.fields["client.name"] for item in h.items()}
    assert len(shown) == 2
    assert h.run().changes == 0
    report = h.run(unify=True)
    assert report.to_monday.updated == 1
    assert len({item.fields["client.name"] for item in h.items()}) == 1
    assert h.sides.sql("select 1 from sync_mapping where base_postgres is not null") == []

    h.quiet()
