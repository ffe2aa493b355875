"""One GraphQL request on its way through the resolvers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import FragmentDefinitionNode, GraphQLError

from sandbox.cell_lists import Selection
from sandbox.cells import Cell, cell_of, kind_of
from sandbox.errors import InternalError, item_missing
from sandbox.models import Column, Item, User
from sandbox.schema import running_schema, true_schema
from sandbox.world import World

if TYPE_CHECKING:
    from sandbox.faults import FaultHit
    from sandbox.service import Service

FORMULA_COLUMNS_PER_REQUEST = 5
MIRROR_VALUES_PER_REQUEST = 5_000


@dataclass
class Call:
    service: Service
    user: User
    version: str
    request_id: str
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    cost: dict[str, int] = field(default_factory=dict)
    faults: list[FaultHit] = field(default_factory=list)
    base_url: str = ""
    _selection: Selection | None = None
    _columns: dict[Any, list[Column]] = field(default_factory=dict)
    _displays: dict[str, int] = field(default_factory=dict)
    _formulas: set[str] = field(default_factory=set)

    @property
    def world(self) -> World:
        return self.service.world

    def has_fault(self, kind: str) -> FaultHit | None:
        return next((f for f in self.faults if f.kind == kind), None)

    def hidden_boards(self) -> set[int]:
        return {int(f.settings["board_id"]) for f in self.faults if f.kind == "hide_board"}

    def item(self, item_id: Any) -> Item:
        """An active item by its id, for writes."""
        if item_id is None:
            raise item_missing(None)
        found = self.world.items.get(number(item_id))
        if found is None or found.board_id in self.hidden_boards() or found.state == "deleted":
            raise item_missing(number(item_id))
        return found

    def columns_of(self, item: Item, ids: list[str] | None, types: list[str] | None) -> list[Column]:
        key = (item.board_id, tuple(ids) if ids is not None else None, tuple(types) if types is not None else None)
        if key not in self._columns:
            columns = self.world.boards[item.board_id].columns.values()
            numbered = self.world.switches.auto_number_delivered
            self._columns[key] = [
                c for c in columns
                if (kind_of(c.type).delivered or (numbered and c.type == "auto_number"))
                and (ids is None or c.id in ids) and (types is None or c.type in types)
            ]
        return self._columns[key]

    def cells(self, item: Item, ids: list[str] | None, types: list[str] | None) -> list[Cell]:
        return [cell_of(self.world, self.user, item, c) for c in self.columns_of(item, ids, types)]

    def selection(self, variables: Any) -> Selection:
        if self._selection is None:
            self._selection = Selection(
                running_schema(self.version), true_schema(self.version), self.fragments, variables, self)
        return self._selection

    def count_display(self, kind: str, cell: Cell, path: list[Any]) -> None:
        """Formula and mirror values are dear: few columns and few values per request, so many per minute."""
        if not self.service.meter.limited:
            return
        self._displays[kind] = self._displays.get(kind, 0) + 1
        if kind == "FormulaValue":
            self._formulas.add(cell.column.id)
            spent = (len(self._formulas) > FORMULA_COLUMNS_PER_REQUEST
                     or not self.service.meter.take_formula(self.world.clock.now()))
        else:
            spent = self._displays[kind] > MIRROR_VALUES_PER_REQUEST
        if spent:
            raise GraphQLError("Rate limit exceeded for the field", path=path, extensions={
                "code": "FIELD_MINUTE_RATE_LIMIT_EXCEEDED", "status_code": 429, "retry_in_seconds": 60})


def number(sent: Any) -> int:
    """An id; what is no number makes monday stumble."""
    if not str(sent).isdecimal():
        raise InternalError()
    return int(sent)


def numbers(sent: list[Any] | None) -> list[int] | None:
    return None if sent is None else [number(one) for one in sent]
