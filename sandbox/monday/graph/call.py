"""Carries one GraphQL request through the resolvers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from graphql import FieldNode, FragmentDefinitionNode, GraphQLError
from graphql.pyutils import Path
from msgspec import Struct, field

from sandbox.common.faults import FaultHit
from sandbox.monday.account.models import DELETED, Column, Item, User
from sandbox.monday.account.world import World
from sandbox.monday.cells.kind import Cell
from sandbox.monday.cells.kinds import cell_of, kind_of
from sandbox.monday.errors import InternalError, item_missing
from sandbox.monday.graph.selection import Schemas, Selection, Steps, Variables
from sandbox.monday.service import Service

FORMULA_COLUMNS_PER_REQUEST = 5
MIRROR_VALUES_PER_REQUEST = 5_000

Id: TypeAlias = str | int
ColumnsKey: TypeAlias = tuple[int, tuple[str, ...] | None, tuple[str, ...] | None]


class Call(Struct):
    """Holds the user, the document and the faults of a request, and counts what it may show."""

    service: Service
    user: User
    version: str
    request_id: str
    base_url: str
    schemas: Schemas
    fragments: dict[str, FragmentDefinitionNode]
    cost: dict[str, int]
    faults: list[FaultHit]
    _selection: Selection | None = None
    _columns: dict[ColumnsKey, list[Column]] = field(default_factory=dict)
    _mirror_values: int = 0
    _formulas: set[str] = field(default_factory=set)

    @property
    def world(self) -> World:
        return self.service.world

    def has_fault(self, kind: str) -> FaultHit | None:
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def hidden_boards(self) -> set[int]:
        return {int(fault.settings["board_id"]) for fault in self.faults if fault.kind == "hide_board"}

    def item(self, item_id: Id | None) -> Item:
        """Finds an item for a write; a deleted one is not found."""
        if item_id is None:
            raise item_missing(None)
        found = self.world.items.get(number(item_id))
        if found is None or found.board_id in self.hidden_boards() or found.state == DELETED:
            raise item_missing(number(item_id))
        return found

    def cells(self, item: Item, ids: list[str] | None, types: list[str] | None) -> list[Cell]:
        return [cell_of(self.world, self.user, item, column) for column in self._columns_of(item, ids, types)]

    def _columns_of(self, item: Item, ids: list[str] | None, types: list[str] | None) -> list[Column]:
        """Lists the columns of an item's board that are delivered and asked for; once per board and request."""
        key = (item.board_id, tuple(ids) if ids is not None else None, tuple(types) if types is not None else None)
        if key not in self._columns:
            numbered = self.world.switches.auto_number_delivered
            self._columns[key] = [
                column
                for column in self.world.boards[item.board_id].columns.values()
                if (kind_of(column.type).delivered or (numbered and column.type == "auto_number"))
                and (ids is None or column.id in ids)
                and (types is None or column.type in types)
            ]
        return self._columns[key]

    def selection(self, variables: Variables) -> Selection:
        if self._selection is None:
            self._selection = Selection(self.schemas, self.fragments, variables, self)
        return self._selection

    def count_display(self, type_name: str, cell: Cell, path: Steps) -> None:
        """Counts formula and mirror values: few columns and values per request, and so many formulas per minute."""
        # limits are off
        if not self.service.meter.limited:
            return
        if type_name == "FormulaValue":
            self._formulas.add(cell.column.id)
            spent = len(self._formulas) > FORMULA_COLUMNS_PER_REQUEST or not self.service.meter.take_formula(
                self.world.clock.now()
            )
        else:
            self._mirror_values += 1
            spent = self._mirror_values > MIRROR_VALUES_PER_REQUEST
        if spent:
            code = {"code": "FIELD_MINUTE_RATE_LIMIT_EXCEEDED", "status_code": 429, "retry_in_seconds": 60}
            raise GraphQLError("Rate limit exceeded for the field", path=path, extensions=code)


class Info(Protocol):
    """Holds what a resolver needs besides its arguments: GraphQLResolveInfo, or FieldInfo below a cell."""

    @property
    def context(self) -> Call: ...

    @property
    def field_nodes(self) -> Sequence[FieldNode]: ...

    @property
    def variable_values(self) -> Variables: ...

    @property
    def path(self) -> Path | None: ...


def number(sent: object) -> int:
    """Reads an id; what is no number makes monday.com fail."""
    if not str(sent).isdecimal():
        raise InternalError()
    return int(str(sent))


def numbers(sent: Sequence[Id] | None) -> list[int] | None:
    return None if sent is None else [number(id) for id in sent]
