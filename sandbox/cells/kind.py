"""What a kind of column is: how its cells look in answers and events, and which writes it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.clock import iso, iso_ms
from sandbox.errors import BadValue
from sandbox.models import Column, Item, Label, User
from sandbox.world import World

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Cell:
    """One column of one item as one user sees it. `datum` is None when the cell is empty."""

    __slots__ = ("world", "user", "item", "column", "kind", "datum")

    def __init__(self, world: World, user: User, item: Item, column: Column, kind: Kind) -> None:
        self.world, self.user, self.item, self.column, self.kind = world, user, item, column, kind
        self.datum = item.cells.get(column.id)

    def text(self) -> str | None:
        return self.kind.text(self)

    def value(self) -> str | None:
        """The JSON that `value` carries, as a string: clients decode it a second time."""
        decoded = self.kind.value(self)
        return None if decoded is None else encode(decoded)

    def changed_at(self) -> str:
        return iso_ms(self.item.changed_at(self.column.id))

    def updated_at(self) -> str | None:
        return None if self.datum is None else iso(self.item.changed_at(self.column.id))


@dataclass
class Writing:
    """One mutation's view while it checks values; labels it needs are made only when everything else is right."""

    world: World
    user: User
    column: Column
    item: Item | None
    create_labels: bool
    many: bool = True
    new_labels: list[tuple[Column, Label]] = field(default_factory=list)


def no_cell_value(cell: Cell) -> Any:
    return None


def refuse_simple(text: str, writing: Writing) -> Any:
    raise BadValue(
        f"column type {writing.column.type} is not supporting changing the column value with simple column value",
        code="CorrectedValueException",
    )


def plain_event(cell: Cell) -> Any:
    return cell.kind.value(cell)


@dataclass(frozen=True)
class Kind:
    """One entry per column type. `read` takes the decoded JSON of a write, `simple` its text form; both give a datum
    or None for empty, or raise BadValue. `event` is the value in webhooks and activity logs."""

    type: str
    graphql: str
    internal: str
    text: Callable[[Cell], str | None] = no_cell_value
    value: Callable[[Cell], Any] = no_cell_value
    fields: dict[str, Callable[[Cell], Any]] = field(default_factory=dict)
    read: Callable[[Any, Writing], Any] | None = None
    simple: Callable[[str, Writing], Any] = refuse_simple
    event: Callable[[Cell], Any] = plain_event
    cell_time: bool = False
    delivered: bool = True
    clear_by_simple: bool = True

    @property
    def writable(self) -> bool:
        return self.read is not None


def need(ok: Any) -> None:
    if not ok:
        raise BadValue()


def as_object(sent: Any, *keys: str) -> dict[str, Any] | None:
    """The object form with its obligatory keys; None for the empty object."""
    need(isinstance(sent, dict))
    if not sent:
        return None
    need(all(key in sent for key in keys))
    return sent


def as_id(sent: Any) -> int:
    if isinstance(sent, bool) or not isinstance(sent, (int, str)) or not str(sent).isdecimal():
        raise BadValue()
    return int(sent)


def as_ids(sent: Any) -> tuple[int, ...]:
    need(isinstance(sent, list))
    return tuple(dict.fromkeys(as_id(one) for one in sent))


def zone_of(user: User) -> ZoneInfo:
    return ZoneInfo(user.time_zone)
