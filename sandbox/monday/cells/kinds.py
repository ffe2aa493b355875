"""Lists all kinds of cells, by the API's name of the column type."""

from __future__ import annotations

from msgspec import Struct

from sandbox.monday.account.models import Column, Item, User
from sandbox.monday.account.world import World
from sandbox.monday.cells.choices import CHOICE_KINDS
from sandbox.monday.cells.computed import COMPUTED_KINDS, mirror_kind
from sandbox.monday.cells.contacts import CONTACT_KINDS
from sandbox.monday.cells.files import FILE_KINDS
from sandbox.monday.cells.kind import Cell, Kind
from sandbox.monday.cells.relations import RELATION_KINDS
from sandbox.monday.cells.texts import TEXT_KINDS
from sandbox.monday.cells.times import TIME_KINDS


def kind_of(column_type: str) -> Kind:
    return KINDS.get(column_type, KINDS["unsupported"])


def cell_of(world: World, user: User, item: Item, column: Column) -> Cell:
    return Cell(world, user, item, column, kind_of(column.type))


KINDS: dict[str, Kind] = {
    kind.type: kind
    for kind in (
        *TEXT_KINDS,
        *CONTACT_KINDS,
        *CHOICE_KINDS,
        *TIME_KINDS,
        *RELATION_KINDS,
        *FILE_KINDS,
        *COMPUTED_KINDS,
        mirror_kind(cell_of),
    )
}


class Viewer(Struct, frozen=True):
    """Reads cells as one user sees them."""

    world: World
    user: User

    def cell(self, item: Item, column: Column) -> Cell:
        return cell_of(self.world, self.user, item, column)
