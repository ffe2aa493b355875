"""Says what a kind of field is: what may be written, what is kept, and what is shown."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from msgspec import Struct

from sandbox.smartsuite.account.models import Field, Table
from sandbox.smartsuite.account.record import Record, Stored
from sandbox.smartsuite.account.switches import Switches
from sandbox.smartsuite.account.world import World
from sandbox.smartsuite.errors import Invalid

KEPT_AS_IT_WAS = object()
"""What `stored` returns for a value that is accepted and passed over."""


class Place(Struct, frozen=True):
    """Holds where a value stands: the field, and what a check or a look may need of the rest."""

    world: World
    table: Table
    field: Field
    record: Record | None = None
    created: bool = False

    @property
    def switches(self) -> Switches:
        return self.world.switches


class Kind:
    """Keeps any value as it was written; the kinds of fields narrow this."""

    writable = True
    filters = "empties"  # which comparisons a filter may use
    empty: Any = None  # the empty form that clears a field, and that an answer may show

    def value_of(self, record: Record, slug: str) -> Stored:
        """Returns what is kept of a field in a record."""
        return record.values.get(slug)

    def clears(self, value: object) -> bool:
        """Says whether a value is the empty form of the type."""
        return self.empty is not None and value == self.empty and type(value) is type(self.empty)

    def stored(self, value: Any, place: Place) -> Stored:
        """Checks a value and returns what is kept. Raises Invalid."""
        return value

    def shown(self, value: Stored, place: Place) -> Any:
        """Returns what an answer shows of what is kept."""
        return value

    def empty_shown(self, place: Place) -> Any:
        return self.empty

    def key(self, value: Stored, place: Place) -> Any:
        """Returns what sorts, and what a filter compares; None: empty."""
        return value

    def index_key(self, value: Stored) -> Hashable | None:
        """Returns what `is` finds the value by, for kinds that are looked up often."""
        return None


def a_list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(f'Expected a list of items but got type "{type(value).__name__}".')
    return value


def an_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f"Invalid data. Expected a dictionary, but got {type(value).__name__}.")
    return value


def a_text(value: object) -> str:
    if not isinstance(value, str):
        raise Invalid("Not a valid string.")
    return value


def texts(value: object, what: str) -> list[str]:
    """Checks a list of ids."""
    for entry in a_list(value):
        if not isinstance(entry, str):
            raise Invalid(f'"{str(entry)[:60]}" is not a valid {what}.')
    return list(dict.fromkeys(a_list(value)))


def entries(value: object, place: Place) -> list[Any]:
    """Checks a list against the field's `entries_allowed`."""
    found = a_list(value)
    if place.field.params.get("entries_allowed") == "single" and len(found) > 1:
        raise Invalid("Only one entry is allowed.")
    return found


def known_keys(value: dict[str, Any], known: tuple[str, ...], made_by_server: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns the known members; what the server makes itself is passed over, anything else is refused."""
    for name in value:
        if name not in known and name not in made_by_server:
            raise Invalid(f"Unexpected key '{name}'.")
    return {name: value[name] for name in known if name in value}
