"""Makes the link tables between deployed boards: of the relations of a board, and of those that point at it."""

from __future__ import annotations

from msgspec import Struct

from boards import link_tables
from boards.proposal import RELATION
from databases.postgres import catalogue
from db_connector import Transaction
from mappings.declaration import Mapping as EntityMapping
from mappings.loader import read_again
from models import Board
from sync.parts import Parts


def link_up(parts: Parts, mapping: EntityMapping, board: Board) -> list[str]:
    """Makes link tables for this board's relations, and for those of other boards that point at it; returns their names."""
    made: list[str] = []
    linked = LinkedBoards.of(parts, board)
    for entity in linked.boards:
        with parts.db.transaction() as tx:
            made += linked.make(tx, entity, mapping)
    return sorted(made)


class LinkedBoards(Struct, frozen=True):
    """Holds the deployed boards that have relations, and all deployed mappings, both by name."""

    boards: dict[str, Board]
    mappings: dict[str, EntityMapping]

    @classmethod
    def of(cls, parts: Parts, board: Board) -> LinkedBoards:
        """Returns them, when `board` is read already."""
        mappings = {name: other for name, other in parts.mappings.items() if other.own_table}
        boards: dict[str, Board] = {}
        for name, other in mappings.items():
            its_board = board if other.board_id == board.id else _board_with_relations(parts, other)
            if its_board is not None:
                boards[name] = its_board
        return cls(boards, mappings)

    def make(self, tx: Transaction, entity: str, mapping: EntityMapping) -> list[str]:
        """Makes the link tables of one of these boards that it lacks since `mapping` is as it is; returns their names."""
        mappings = {str(other.board_id): other for other in (self.mappings | {mapping.entity: mapping}).values()}
        other = mapping if entity == mapping.entity else self.mappings[entity]
        # A user may have dropped the table and left the mapping.
        there = catalogue.exists(tx, other.table)
        return link_tables.make_links(tx, other, self.boards[entity], mappings, since=mapping) if there else []


def _board_with_relations(parts: Parts, mapping: EntityMapping) -> Board | None:
    entries = read_again(mapping).tree["fields"]
    relations = any(entry.get("type") == RELATION and "rejected" not in entry for entry in entries)
    return parts.monday.board(str(mapping.board_id)) if relations else None
