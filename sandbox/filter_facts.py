"""Which operators a type of column takes, and by what tokens `any_of` finds its cells."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.cells import Cell

BLANK = "$$$blank$$$"
ANY = {"any_of", "not_any_of"}
EMPTY = {"is_empty", "is_not_empty"}
COMPARE = {"greater_than", "greater_than_or_equals", "lower_than", "lower_than_or_equal"}
CONTAINS = {"contains_text", "not_contains_text"}
ENDS = {"starts_with", "ends_with"}
NEAR = {"within_the_next", "within_the_last"}

# The table of the reference; types that are missing here cannot be filtered.
OPERATORS: dict[str, set[str]] = {
    "name": ANY | CONTAINS | ENDS | {"contains_terms"},
    "group": ANY,
    "item_id": ANY | COMPARE | {"between"},
    "status": ANY | EMPTY | {"contains_terms"},
    "dropdown": ANY | EMPTY | CONTAINS,
    "date": ANY | EMPTY | COMPARE | NEAR | {"between"},
    "timeline": ANY | EMPTY | COMPARE | NEAR | {"between"},
    "people": ANY | EMPTY | CONTAINS,
    "numbers": ANY | EMPTY | COMPARE | {"between"},
    "text": ANY | EMPTY | CONTAINS | ENDS,
    "long_text": ANY | EMPTY | CONTAINS | ENDS,
    "email": ANY | EMPTY | CONTAINS,
    "link": ANY | EMPTY | CONTAINS,
    "phone": ANY | EMPTY | CONTAINS,
    "country": ANY | EMPTY,
    "location": ANY | EMPTY | CONTAINS | {"contains_terms"},
    "checkbox": EMPTY,
    "rating": ANY | EMPTY | COMPARE,
    "hour": ANY | EMPTY,
    "week": ANY | EMPTY | {"between"},
    "world_clock": ANY | EMPTY,
    "tags": ANY | EMPTY,
    "board_relation": ANY | EMPTY | CONTAINS,
    "dependency": ANY | EMPTY | CONTAINS,
    "vote": ANY,
    "time_tracking": ANY,
    "color_picker": ANY | EMPTY,
    "subtasks": EMPTY,
    "creation_log": ANY | COMPARE | {"between"},
    "last_updated": ANY | COMPARE | {"between"},
}


def tokens_of(cell: Cell) -> set[str]:
    """What a cell answers to under `any_of`, as strings; blank cells answer to their type's word for blank."""
    kind, datum = cell.column.type, cell.datum
    if kind == "name":
        return {cell.item.name}
    if kind == "group":
        return {cell.item.group_id}
    if kind == "item_id":
        return {str(cell.item.id)}
    if kind == "creation_log":
        return people_tokens(cell.item.creator_id)
    if kind == "last_updated":
        return people_tokens(cell.item.updater_id)
    if datum is None:
        return BLANKS.get(kind, {"", BLANK})
    return TOKENS[kind](datum) if kind in TOKENS else {str(datum)}


def people_tokens(user_id: int) -> set[str]:
    return {str(user_id), f"person-{user_id}"}


def part_of_day(datum: tuple[int, int]) -> set[str]:
    hour = datum[0]
    names = ((5, "Night"), (8, "Early morning"), (12, "Morning"), (17, "Afternoon"), (21, "Evening"), (24, "Night"))
    return {next(name for until, name in names if hour < until)}


def every(datum: Any) -> set[str]:
    return {str(one) for one in datum}


BLANKS = {"status": {"5"}, "people": {"person-0"}, "rating": {"0"}, "tags": {"-1"}, "vote": {"No votes"},
          "time_tracking": {"2"}}
TOKENS: dict[str, Any] = {
    "dropdown": every, "tags": every, "board_relation": every, "dependency": every, "vote": every,
    "people": lambda d: {f"{kind}-{number}" for number, kind in d},
    "numbers": lambda d: {format(Decimal(d).normalize(), "f")},
    "email": lambda d: {d[1]}, "link": lambda d: {d[1]}, "phone": lambda d: {d[1]}, "country": lambda d: {d[0]},
    "location": lambda d: {d[2]}, "hour": part_of_day,
    "time_tracking": lambda d: {"1" if d[1] else "2"},
}
