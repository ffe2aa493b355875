"""Reads the rules of a query, and says which operators a type of column takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Column, Item
from sandbox.monday.errors import bad_argument

Test: TypeAlias = Callable[[Item], bool]

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


class Rule(Struct, frozen=True):
    """Holds one rule of `query_params`, with the values to compare as a list."""

    column: Column
    operator: str
    values: list[object]
    attribute: str | None


def rule_from(sent: JsonObject, column: Column) -> Rule:
    # any_of is the schema's default
    operator = sent.get("operator") or "any_of"
    if operator not in OPERATORS.get(column.type, ()):
        message = f"Operator {operator} is not supported for column {column.id} of type {column.type}"
        raise bad_argument(message, column_id=column.id)
    value = sent["compare_value"]
    return Rule(column, operator, value if isinstance(value, list) else [value], sent.get("compare_attribute"))
