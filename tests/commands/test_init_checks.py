"""Checks which boards `init` proposes for a mapping, and that a board which the key may not read hides no other."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from commands.init_checks import best_of, boards_of, fit_of, other_key_helps
from errors import MondayRefused, MondayUnavailable, SettingsError
from models import Board
from services.monday.failures import HINTS_BY_CAUSE
from tests.kit.boards import board_for
from tests.kit.scripted import ok, scripted
from tests.kit.shipped import MAPPINGS

STAFF = MAPPINGS["users"]
FULL = board_for(STAFF)
COLUMNS = [column.id for column in FULL.columns if column.id != "name"]


def board(board_id: str, without: int = 0) -> Board:
    return replace(board_for(STAFF, without=COLUMNS[:without]), id=board_id)


@pytest.mark.parametrize(
    ("boards", "usual", "proposed"),
    [
        ([], "1", None),
        ([board("1")], None, "1"),
        ([board("1"), board("2")], "2", "2"),
        ([board("1"), board("2", 9)], "2", "2"),  # what is set wins, however few columns it has
        ([board("1"), board("2", 13)], "2", "1"),  # but not with none
        ([board("1"), board("2")], "3", None),  # two copies: which is meant?
        ([board("1"), board("2", 1)], "3", "1"),
        ([board("1", 3)], "3", None),
        ([board("1", 2)], "3", "1"),
        ([board_for(MAPPINGS["projects"])], None, None),
    ],
)
def test_the_board_that_fits_alone_is_proposed(boards: list[Board], usual: str | None, proposed: str | None) -> None:
    found = best_of(STAFF, boards, usual)
    assert (found.board.id if found else None) == proposed


def test_facts_of_an_item_and_its_name_are_no_columns_to_find() -> None:
    for mapping in MAPPINGS.values():
        fit = fit_of(mapping, board_for(mapping))
        assert fit.has == fit.of > 0


def raw(board_id: str, kind: str = "board") -> dict[str, object]:
    return {"id": board_id, "name": f"B{board_id}", "type": kind, "state": "active", "items_count": int(board_id)}


def test_a_board_that_cannot_be_read_hides_no_other() -> None:
    closed, asked = {"3"}, []

    def columns(body: dict) -> tuple:
        ids = body["variables"]["ids"]
        asked.append(ids)
        boards = [{**raw(one), "columns": None if one in closed else [], "groups": []} for one in ids]
        return ok({"boards": boards})

    with scripted() as make:
        listed = ok({"boards": [*map(raw, "12345"), raw("6", "sub_items_board"), raw("7", "document")]})
        monday, _ = make(listed, columns)
        boards, more = boards_of(monday, [])
    assert [(board.id, board.items_count) for board in boards] == [("1", 1), ("2", 2), ("4", 4), ("5", 5)]
    assert more == 0 and asked[0] == list("12345")


def test_of_very_many_boards_those_that_are_named_come_in_any_case() -> None:
    numbers = [str(number) for number in range(1, 431)]

    def page(body: dict) -> tuple:
        variables = body["variables"]
        if "page" in variables:
            begin = (variables["page"] - 1) * variables["limit"]
            return ok({"boards": [raw(one) for one in numbers[begin : begin + variables["limit"]]]})
        return ok({"boards": [{**raw(one), "columns": [], "groups": []} for one in variables["ids"]]})

    with scripted() as make:
        monday, script = make(page)
        boards, more = boards_of(monday, ["430", "999"])
    assert boards[0].id == "430" and len(boards) == 300 and more == 130
    assert len(script.asked) == 8


@pytest.mark.parametrize(
    ("exc", "helps"),
    [
        (MondayRefused("", hint=HINTS_BY_CAUSE["key"]), True),
        (MondayRefused("", hint=HINTS_BY_CAUSE["scopes"]), True),
        (MondayRefused("The token has no user."), True),
        (SettingsError("MONDAY_API_KEY holds blanks"), True),
        (MondayRefused("", hint=HINTS_BY_CAUSE["address"]), False),
        (MondayRefused("", hint=HINTS_BY_CAUSE["address list"]), False),
        (MondayRefused("", hint=HINTS_BY_CAUSE["proxy"]), False),
        (MondayUnavailable(""), False),
    ],
)
def test_another_key_is_asked_for_where_it_could_help(exc, helps: bool) -> None:
    assert other_key_helps(exc) is helps
