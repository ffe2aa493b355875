"""Plans new names of table columns together: a name that another column gives up in the same change is free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from msgspec import Struct

from boards.names import free_name


class Rename(Struct, frozen=True):
    """Holds a board column with its title now, and the name that its table column has."""

    column: str
    title: str
    old: str


class Move(Struct, frozen=True):
    """Holds a table column's old and new name, and whose it is."""

    column: str
    old: str
    new: str


def planned(renames: Iterable[Rename], taken: Set[str], style: str) -> list[Move]:
    """Returns the moves to make, in an order that is the same for the same board. `taken` may name the old names."""
    asked = sorted(renames, key=lambda rename: (len(rename.column), rename.column))
    used = set(taken) - {rename.old for rename in asked}
    moves: list[Move] = []
    for rename in asked:
        new = free_name(rename.title, rename.column, style, used)
        used.add(new)
        moves.append(Move(rename.column, rename.old, new))
    return moves


def entangled(moves: Sequence[Move]) -> tuple[list[Move], list[Move]]:
    """Returns the moves that need a name which another gives up, or give up one; and those that go by themselves."""
    moving = [move for move in moves if move.new != move.old]
    old, new = {move.old for move in moving}, {move.new for move in moving}
    together = [move for move in moving if move.new in old or move.old in new]
    return together, [move for move in moves if move not in together]
