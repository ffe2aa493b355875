"""All kinds of cells, by the API's name of the column type."""

from __future__ import annotations

from sandbox.cells.choices import CHOICE_KINDS
from sandbox.cells.computed import COMPUTED_KINDS
from sandbox.cells.kind import Cell, Kind, Writing, encode
from sandbox.cells.relations import RELATION_KINDS
from sandbox.cells.texts import TEXT_KINDS
from sandbox.cells.times import TIME_KINDS
from sandbox.models import Column, Item, User
from sandbox.world import World

KINDS: dict[str, Kind] = {
    kind.type: kind for kind in TEXT_KINDS + CHOICE_KINDS + TIME_KINDS + RELATION_KINDS + COMPUTED_KINDS
}


def kind_of(column_type: str) -> Kind:
    return KINDS.get(column_type, KINDS["unsupported"])


def cell_of(world: World, user: User, item: Item, column: Column) -> Cell:
    return Cell(world, user, item, column, kind_of(column.type))


__all__ = ["KINDS", "Cell", "Kind", "Writing", "cell_of", "encode", "kind_of"]
