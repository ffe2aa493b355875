"""Checks how boards, users and items by id are read."""

from __future__ import annotations

import pytest

from errors import BoardNotVisible, MondayRefused
from models import Columns
from tests.kit.scripted import ME, failed, first_page, item_json, ok


def board_json(board_id="7", **changes):
    columns = [
        {"id": "name", "title": "Name", "type": "name", "archived": False, "settings": "{}"},
        {"id": "status", "title": "Status", "type": "status", "archived": False, "settings": {"labels": [{"id": 1}]}},
        {"id": "num", "title": "N", "type": "numbers", "archived": False, "settings": '{"unit":{"symbol":"$"}}'},
        {"id": "odd", "title": "O", "type": "text", "archived": False, "settings": "null"},
        {"id": "gone", "title": "G", "type": "text", "archived": True, "settings": None},
    ]
    groups = [{"id": "topics", "title": "Topics", "archived": False, "deleted": False}]
    fields = {"items_count": 3, "items_limit": 10000, "updated_at": "2026-01-01T00:00:00Z"}
    return {
        "id": board_id,
        "name": "Projects",
        "state": "active",
        "columns": columns,
        "groups": groups,
        **fields,
        **changes,
    }


def test_a_board_comes_with_its_columns_settings_and_groups(monday):
    client, _ = monday(ok({"boards": [board_json()]}))
    found = client.board(7)
    assert [column.id for column in found.columns] == ["name", "status", "num", "odd"]
    assert found.column("status").settings == {"labels": [{"id": 1}]}
    assert found.column("num").settings == {"unit": {"symbol": "$"}}
    assert found.column("odd").settings == {}
    assert (found.groups, found.items_count, found.items_limit) == ((("topics", "Topics"),), 3, 10000)


def test_boards_come_in_the_order_asked_for_and_missing_ones_are_named(monday):
    client, _ = monday(ok({"boards": [board_json("8"), board_json("7")]}))
    assert [found.id for found in client.account.boards([7, "8", 7])] == ["7", "8", "7"]
    with pytest.raises(BoardNotVisible, match="Boards 5, 6 are not visible"):
        client.account.boards([5, 7, 6])


def test_columns_that_may_not_be_read_are_not_taken_for_none(monday):
    client, _ = monday(ok({"boards": [board_json(columns=None)]}))
    with pytest.raises(MondayRefused, match="columns of board 7"):
        client.board(7)


def test_the_plan_may_be_hidden_from_the_token(monday):
    data = {"me": {"id": "1", "name": "Ann", "account": {"id": "2", "slug": "acme", "plan": None}}}
    client, _ = monday(failed("UNAUTHORIZED_FIELD_OR_TYPE", path=["me", "account", "plan"], data=data))
    assert (client.account.me().account_slug, client.account.me().plan_tier) == ("acme", "")


def test_the_whole_account_may_be_hidden_from_the_token(monday):
    hidden = failed("UNAUTHORIZED_FIELD_OR_TYPE", path=["me", "account"], data={"me": None})
    client, _ = monday(hidden, ok({"me": {"id": "1", "name": "Ann"}}))
    assert (client.account.me().name, client.account.me().account_slug) == ("Ann", "")


def test_what_a_wide_page_costs_says_nothing_about_a_sweep(monday):
    def page(body):
        answer = first_page(item_json(1, *body["variables"].get("columns", ())))
        cost = 900_000 if "columns" in body["variables"] else 1_000
        answer[2]["data"]["complexity"] = {"before": 0, "query": cost, "after": 500_000, "reset_in_x_seconds": 50}
        return answer

    client, script = monday(page)
    list(client.pages(7, Columns(("a",))))
    list(client.listing(7))
    assert script.clock.at == 0
    list(client.pages(7, Columns(("a",))))
    assert script.clock.at >= 50


def test_items_are_read_by_the_hundred_and_absent_ones_are_absent(monday):
    def answer(body):
        asked = [item_json(int(n), "a", board={"id": "7"}) for n in body["variables"]["ids"] if n != "13"]
        return ok({"items": asked[::-1]})

    client, script = monday(answer)
    found = [item for batch in client.items([*range(1, 151), 1], Columns(("a",))) for item in batch]
    assert sorted(int(item.id) for item in found) == [n for n in range(1, 151) if n != 13]
    assert [len(variables["ids"]) for variables in script.variables] == [100, 50]
    assert script.variables[0]["limit"] == 100
    assert found[0].board_id == "7"


def test_archived_items_come_with_their_state_and_need_no_cells(monday):
    client, _ = monday(
        ok({"items": [item_json(1, "a"), item_json(2, state="deleted", column_values=[], updated_at=None)]})
    )
    assert [item.state for item in next(client.items([1, 2], Columns(("a",))))] == ["active", "deleted"]


@pytest.mark.parametrize("told", ["yesterday", "2026-02-30T00:00:00Z", 17, ""])
def test_a_moment_that_cannot_be_read_is_none(monday, told):
    client, _ = monday(ok({"items": [item_json(1, "a", updated_at=told, created_at=told)]}))
    (item,) = next(client.items([1], Columns(("a",))))
    assert (item.updated_at, item.created_at) == (None, None)


def test_an_id_that_comes_as_a_number_is_one(monday):
    client, _ = monday(ok({"items": [{**item_json(1, "a"), "id": 1}]}))
    assert [item.id for item in next(client.items([1], Columns(("a",))))] == ["1"]


def test_an_id_that_is_no_number_is_refused_before_it_is_sent(monday):
    client, script = monday(ME)
    with pytest.raises(ValueError):
        client.items(["7; drop"])
    assert not script.asked


def test_a_call_for_items_that_is_too_much_is_cut_smaller_and_loses_none(monday):
    def answer(body):
        ids = body["variables"]["ids"]
        return failed("maxComplexityExceeded") if len(ids) > 30 else ok({"items": [item_json(int(n)) for n in ids]})

    client, _ = monday(answer)
    assert sorted(int(item.id) for batch in client.items(range(1, 121)) for item in batch) == list(range(1, 121))


def test_finding_by_text_follows_the_cursor_without_repeating_the_filter(monday):
    def page(*rows, cursor=None):
        return ok({"items_page_by_column_values": {"cursor": cursor, "items": list(rows)}})

    client, script = monday(page(item_json(1, "a"), cursor="c"), page(item_json(2, "a")))
    assert [item.id for item in client.find_by_text(7, "key", ["x", "y"], Columns(("a",)))] == ["1", "2"]
    assert script.variables[0]["match"] == [{"column_id": "key", "column_values": ["x", "y"]}]
    assert "match" not in script.variables[1] and script.variables[1]["cursor"] == "c"


def test_users_are_read_to_the_last_page(monday):
    def answer(body):
        numbers = range(1000) if body["variables"]["page"] == 1 else range(1000, 1003)
        return ok({"users": [{"id": str(n), "name": f"U{n}"} for n in numbers]})

    client, _ = monday(answer)
    assert len(client.account.users()) == 1003
