"""Says by what tokens the operator `any_of` finds a cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation

from sandbox.monday.account.models import Datum
from sandbox.monday.cells.kind import Cell
from sandbox.monday.listing.operators import BLANK

PARTS_OF_DAY = (
    (5, "Night"),
    (8, "Early morning"),
    (12, "Morning"),
    (17, "Afternoon"),
    (21, "Evening"),
    (24, "Night"),
)


def tokens_of(cell: Cell) -> set[str]:
    """Lists the tokens of a cell; a blank cell has its type's word for blank."""
    kind, datum, item = cell.column.type, cell.datum, cell.item
    # what an item has without a cell
    if kind == "name":
        return {item.name}
    if kind == "group":
        return {item.group_id}
    if kind == "item_id":
        return {str(item.id)}
    if kind == "creation_log":
        return user_tokens(item.creator_id)
    if kind == "last_updated":
        return user_tokens(item.updater_id)
    if datum is None:
        return BLANKS.get(kind, {"", BLANK})
    return TOKENS[kind](datum) if kind in TOKENS else {str(datum)}


def user_tokens(user_id: int) -> set[str]:
    return {str(user_id), f"person-{user_id}"}


def part_of_day(datum: tuple[int, int]) -> set[str]:
    return {next(name for until, name in PARTS_OF_DAY if datum[0] < until)}


def each(datum: Iterable[int]) -> set[str]:
    return {str(number) for number in datum}


def number_token(value: str) -> str:
    """Writes a number as its token: 2.50 and 2.5 are the same."""
    try:
        return format(Decimal(value).normalize(), "f")
    except InvalidOperation:
        return value


BLANKS = {
    "status": {"5"},
    "people": {"person-0"},
    "rating": {"0"},
    "tags": {"-1"},
    "vote": {"No votes"},
    "time_tracking": {"2"},
}
TOKENS: dict[str, Callable[[Datum], set[str]]] = {
    "dropdown": each,
    "tags": each,
    "board_relation": each,
    "dependency": each,
    "vote": each,
    "people": lambda datum: {f"{kind}-{number}" for number, kind in datum},
    "numbers": lambda datum: {number_token(datum)},
    "email": lambda datum: {datum[1]},
    "link": lambda datum: {datum[1]},
    "phone": lambda datum: {datum[1]},
    "country": lambda datum: {datum[0]},
    "location": lambda datum: {datum[2]},
    "hour": part_of_day,
    "time_tracking": lambda datum: {"1" if datum[1] else "2"},
}
