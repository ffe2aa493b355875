"""Says what a kind of column is: how its cells look in answers and events, and which writes it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from sandbox.common.clock import iso, iso_ms
from sandbox.common.json_text import JsonObject, encode
from sandbox.monday.account.models import Column, Datum, Item, Label, User
from sandbox.monday.account.world import World
from sandbox.monday.errors import BadValue


class Cell:
    """Holds one column of one item as one user sees it. `datum` is None when the cell is empty."""

    __slots__ = ("world", "user", "item", "column", "kind", "datum")

    def __init__(self, world: World, user: User, item: Item, column: Column, kind: Kind) -> None:
        self.world, self.user, self.item, self.column, self.kind = world, user, item, column, kind
        self.datum: Datum = item.cells.get(column.id)

    def text(self) -> str | None:
        return self.kind.text(self)

    def value(self) -> str | None:
        """Renders the JSON that `value` carries, as a string: clients decode it a second time."""
        decoded = self.kind.value(self)
        return None if decoded is None else encode(decoded)

    def changed_at(self) -> str:
        return iso_ms(self.item.changed_at(self.column.id))

    def updated_at(self) -> str | None:
        return None if self.datum is None else iso(self.item.changed_at(self.column.id))


class Writing(Struct):
    """Holds what a value is checked against; the labels it needs are made only when all values are right."""

    world: World
    user: User
    column: Column
    item: Item | None
    create_labels: bool
    many: bool = True
    new_labels: list[tuple[Column, Label]] = field(default_factory=list)


Field: TypeAlias = Callable[[Cell], object]


def no_text(cell: Cell) -> None:
    return None


def no_value(cell: Cell) -> object:
    return None


def refuse_simple(text: str, writing: Writing) -> Datum:
    raise BadValue(
        f"column type {writing.column.type} is not supporting changing the column value with simple column value",
        code="CorrectedValueException",
    )


def value_as_event(cell: Cell) -> object:
    return cell.kind.value(cell)


class Kind(Struct, frozen=True):
    """Describes a column type: its name in the API, its type in the schema, its name in events.

    `read` takes the decoded JSON of a write, `simple` its text form; both give a datum, or None for empty, or raise
    BadValue. `event` is the value in webhooks and activity logs.
    """

    type: str
    graphql: str
    internal: str
    text: Callable[[Cell], str | None] = no_text
    value: Field = no_value
    fields: dict[str, Field] = field(default_factory=dict)
    read: Callable[[object, Writing], Datum] | None = None
    simple: Callable[[str, Writing], Datum] = refuse_simple
    event: Field = value_as_event
    delivered: bool = True
    clear_by_simple: bool = True


def need(ok: object) -> None:
    if not ok:
        raise BadValue()


def as_object(sent: object, *keys: str) -> JsonObject | None:
    """Takes the object form with its obligatory keys; None for the empty object."""
    if not isinstance(sent, dict):
        raise BadValue()
    if not sent:
        return None
    need(all(key in sent for key in keys))
    return sent


def as_id(sent: object) -> int:
    # True is an int in Python
    if isinstance(sent, bool) or not isinstance(sent, (int, str)) or not str(sent).isdecimal():
        raise BadValue()
    return int(sent)


def as_ids(sent: object) -> tuple[int, ...]:
    if not isinstance(sent, list):
        raise BadValue()
    return tuple(dict.fromkeys(as_id(number) for number in sent))


def part(index: int) -> Field:
    """Reads one part of a datum that is a tuple."""
    return lambda cell: None if cell.datum is None else cell.datum[index]


def zone_of(user: User) -> ZoneInfo:
    return ZoneInfo(user.time_zone)
