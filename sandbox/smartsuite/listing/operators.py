"""Compares what is kept of a field with the value of a condition: which comparisons each type has, and what they find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Test: TypeAlias = Callable[[Any, Any], bool]

EMPTIES = ("is_empty", "is_not_empty")
TEXTS: dict[str, Test] = {
    "is": lambda key, wanted: key == wanted,
    "is_not": lambda key, wanted: key != wanted,
    "contains": lambda key, wanted: wanted.lower() in (key or "").lower(),
    "not_contains": lambda key, wanted: wanted.lower() not in (key or "").lower(),
}
NUMBERS: dict[str, Test] = {
    "is_equal_to": lambda key, wanted: key == wanted,
    "is_not_equal_to": lambda key, wanted: key != wanted,
    "is_greater_than": lambda key, wanted: key is not None and key > wanted,
    "is_less_than": lambda key, wanted: key is not None and key < wanted,
    "is_equal_or_greater_than": lambda key, wanted: key is not None and key >= wanted,
    "is_equal_or_less_than": lambda key, wanted: key is not None and key <= wanted,
}
ONE_CHOICE: dict[str, Test] = {
    "is": lambda key, wanted: key == wanted,
    "is_not": lambda key, wanted: key != wanted,
    "is_any_of": lambda key, wanted: key in wanted,
    "is_none_of": lambda key, wanted: key not in wanted,
}
LISTS: dict[str, Test] = {
    "has_any_of": lambda key, wanted: bool(set(key or ()) & set(wanted)),
    "has_all_of": lambda key, wanted: set(key or ()) >= set(wanted),
    "is_exactly": lambda key, wanted: set(key or ()) == set(wanted),
    "has_none_of": lambda key, wanted: not set(key or ()) & set(wanted),
}
DATES = ("is", "is_not", "is_before", "is_on_or_before", "is_on_or_after")
FILES: dict[str, Test] = {
    "file_name_contains": lambda key, wanted: wanted.lower() in (key or "").lower(),
    "file_type_is": lambda key, wanted: bool(key) and wanted == "other",
}

COMPARISONS: dict[str, tuple[str, ...]] = {
    "text": (*TEXTS, *EMPTIES),
    "number": (*NUMBERS, *EMPTIES),
    "autonumber": tuple(NUMBERS),
    "choice": (*ONE_CHOICE, *EMPTIES),
    "list": (*LISTS, *EMPTIES),
    "linked": ("contains", "not_contains", *LISTS, *EMPTIES),
    "yesno": ("is",),
    "date": (*DATES, *EMPTIES),
    "due": (*DATES, "is_overdue", "is_not_overdue", *EMPTIES),
    "file": (*FILES, *EMPTIES),
    "empties": EMPTIES,
}
"""The comparisons of each group of types."""
