"""Makes what two-way sync needs once: triggers on the tables, sync id columns on the boards, and a full comparison."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from typing import Any

from msgspec import Struct, field

from databases.postgres.catalogue import column_types_of
from db_connector import Database, Transaction
from errors import RecordRefused, SettingsError
from mappings.declaration import Mapping
from models import Board, BoardColumn
from services.monday.account import NewColumn
from state import triggers
from state.aims import check_aim
from state.sync_id import remember_column, remembered_column
from state.values import delete, put, setup_key, table_key, value_of
from sync.cycle import TO_MONDAY
from sync.parts import Chosen, Parts

COLUMN_TYPE = "text"


class EntitySetup(Struct):
    """Says what one entity has, and lacks."""

    mapping: Mapping
    board: Board
    column: str | None = None
    """The id of the sync id column, if the board has it."""
    made: bool = False

    @property
    def lacks_column(self) -> bool:
        """Returns whether a column is to be made on the board."""
        return self.mapping.sync_id is not None and self.column is None

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        return {"entity": self.mapping.entity, "board_id": self.board.id, "sync_id": self.column, "made": self.made}


class Setup(Struct):
    """Says what was made."""

    tables: list[str] = field(default_factory=list)
    entities: list[EntitySetup] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        return {"tables": self.tables, "entities": [entity.as_json() for entity in self.entities]}


def set_up(parts: Parts, chosen: Chosen, may_touch: Callable[[Sequence[EntitySetup]], bool]) -> Setup:
    """Makes what is missing. `may_touch` is asked before a board is changed; if it raises, nothing has been done."""
    flowing = [(mapping, board_id) for mapping, board_id in chosen if mapping.direction in TO_MONDAY]
    if not flowing:
        raise SettingsError(
            "None of these entities flows to monday.com.", hint="Look at `direction` in their mappings."
        )
    with parts.db.transaction(read_only=True) as tx:
        for mapping, board_id in flowing:
            check_aim(tx, mapping, board_id)
    entities = [_look_at(parts, mapping, parts.monday.board(board_id)) for mapping, board_id in flowing]
    lacking = [entity for entity in entities if entity.lacks_column]
    allowed = bool(lacking) and may_touch(lacking)
    watching = _all_watching(parts, [mapping for mapping, _ in flowing])
    with parts.db.transaction() as tx:
        column_types_of(tx, {table.table for mapping, _ in flowing for table in triggers.watched(mapping)})
        tables = triggers.install(tx, watching)
    for entity in lacking if allowed else ():
        _make_column(parts, entity)
    for entity in entities:
        with parts.in_turn(entity.mapping.entity_type) as in_turn, in_turn.db.transaction() as tx:
            _remember(tx, entity)
    return Setup(tables, entities)


def renew_triggers(db: Database, mappings: Map[str, Mapping]) -> list[str]:
    """Makes the triggers of an earlier version anew, for entities that had been set up. Returns the tables."""
    with db.transaction() as tx:
        known = [mapping for mapping in mappings.values() if mapping.deployed or _is_set_up(tx, mapping)]
        watching = [mapping for mapping in known if triggers.installed(tx, mapping)]
        if all(triggers.installed(tx, mapping, triggers.VERSION) for mapping in watching):
            return []
        return triggers.install(tx, watching)


def _all_watching(parts: Parts, mappings: Sequence[Mapping]) -> list[Mapping]:
    """Adds the entities that were set up before: a table has one trigger for all entities that it feeds."""
    with parts.db.transaction(read_only=True) as tx:
        others = [mapping for mapping in parts.mappings.values() if mapping not in mappings]
        before = [mapping for mapping in others if _is_set_up(tx, mapping)]
    return [*mappings, *before]


def _is_set_up(tx: Transaction, mapping: Mapping) -> bool:
    return value_of(tx, setup_key(mapping.entity)) is not None


def _look_at(parts: Parts, mapping: Mapping, board: Board) -> EntitySetup:
    """Finds the sync id column: by its id, by what an earlier setup remembered, or by its title."""
    if mapping.sync_id is None:
        return EntitySetup(mapping, board)
    wanted, title = mapping.sync_id
    with parts.db.transaction(read_only=True) as tx:
        known = remembered_column(tx, mapping, board.id)
    texts = [column for column in board.columns if column.type == COLUMN_TYPE]
    by_id = [column for name in (wanted, known) for column in texts if column.id == name]
    by_title = [column for column in texts if column.title.strip().lower() == title.lower()]
    found = by_id or by_title
    return EntitySetup(mapping, board, found[0].id if found else None)


def _make_column(parts: Parts, entity: EntitySetup) -> None:
    assert entity.mapping.sync_id is not None
    wanted, title = entity.mapping.sync_id
    entity.column = _created(parts, entity.board.id, wanted, title).id
    entity.made = True


def _created(parts: Parts, board_id: str, wanted: str, title: str) -> BoardColumn:
    about = "Filled by the tool on items that it makes; it finds them again by it."
    try:
        return parts.monday.account.create_column(board_id, NewColumn(title, COLUMN_TYPE, wanted, about))
    except RecordRefused:
        # An own id can be used once in a board's life: monday.com chooses another.
        return parts.monday.account.create_column(board_id, NewColumn(title, COLUMN_TYPE, description=about))


def _remember(tx: Transaction, entity: EntitySetup) -> None:
    mapping, column = entity.mapping, entity.column
    if mapping.sync_id is not None and column is not None and column != mapping.sync_id[0]:
        remember_column(tx, mapping, entity.board.id, column)
    # Part of the push's fingerprint: whatever was written before the triggers were there is compared.
    put(tx, setup_key(mapping.entity), {"mark": str(uuid.uuid4())})
    # The table that the mapping names now is the right one.
    delete(tx, table_key(mapping.entity))
