"""Compares mappings with the boards and the tables that they name, and finds what does not fit before a run would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from typing import TYPE_CHECKING

from msgspec import Struct

from databases.postgres.catalogue import column_types_of, exists
from databases.postgres.own_ways import ways_of
from databases.postgres.sight import hidden_in_words, hiding, no_tables, related_in_words, remedy_for_hidden, sight_of
from db_connector import Database, Transaction, connect
from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_USAGE, BoardNotVisible, SchemaMissing, SettingsError
from mappings.bound import BoundMapping, bind
from mappings.declaration import ROOT, Mapping
from mappings.loader import choose
from mappings.stored import own_file_in_words
from models import Finding, State
from rows.unserved import unserved
from services.monday.cells.kinds import MONDAY_KINDS
from settings import Settings
from state.aims import check_aim
from state.mapping_texts import stored_as_far_as_there
from state.sight import why_never_sure
from sync.parts import board_of, mappings_of

if TYPE_CHECKING:
    from models import Board

ANYTHING = ("jsonb", "json")
TEXTS = ("text", "character varying", "character", "citext")
SINGLE = ("text", "email", "phone", "colour", "number", "whole", "day", "moment", "minute", "flag")
FITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(TEXTS, SINGLE),
    **dict.fromkeys(("numeric", "double precision", "real"), ("number", "whole")),
    **dict.fromkeys(("integer", "bigint", "smallint"), ("whole",)),
    **dict.fromkeys(("date", "timestamp with time zone"), ("day", "moment")),
    **{"time without time zone": ("minute",), "boolean": ("flag",), "text[]": ("labels",), "bigint[]": ("ids",)},
}
"""Which kinds of value (named as comparisons are) a table column of a type can hold."""


class Validated(Struct, frozen=True):
    """Says what was looked at, and what was found."""

    entities: tuple[str, ...]
    against: tuple[str, ...]
    findings: tuple[Finding, ...]
    unreachable: bool = False
    """Something did not answer, and could not be looked at."""

    @property
    def exit_code(self) -> int:
        """Returns 1 when something did not answer, 2 when something grave was found, else 0."""
        if self.unreachable:
            return EXIT_FAILED
        grave = any(finding.state is State.FAULT for finding in self.findings)
        return EXIT_USAGE if grave else EXIT_IN_STEP


def together(results: Sequence[Validated]) -> Validated:
    """Returns several results as one."""
    return Validated(
        tuple(name for result in results for name in result.entities),
        tuple(dict.fromkeys(seen for result in results for seen in result.against)),
        tuple(finding for result in results for finding in result.findings),
        any(result.unreachable for result in results),
    )


def wrong(entity: str, message: str) -> Finding:
    """Says what keeps a run from doing its work."""
    return Finding(f"mapping.{entity}", State.FAULT, message, entity)


def noted(entity: str, message: str) -> Finding:
    """Says what a run does without."""
    return Finding(f"mapping.{entity}", State.NOTE, message, entity)


def validated(settings: Settings, entities: Iterable[str], offline: bool) -> Validated:
    """Checks the files; unless offline, the tables, and the boards when there is a key. Raises MappingError."""
    if offline:
        chosen = choose(mappings_of(settings), entities)
        return Validated(tuple(mapping.entity for mapping in chosen), ("files",), ())
    mappings_of(settings)  # what is wrong with a file needs no database
    findings: list[Finding] = []
    boards: dict[str, Board] = {}
    against = ["files", "tables"]
    db = connect(settings)
    try:
        chosen = choose(mappings_of(settings, stored=stored_as_far_as_there(db)), entities)
        if settings.api_key:
            against.append("boards")
            boards = _boards(settings, chosen, findings)
        for mapping in chosen:
            findings += _of_its_file(mapping)
            findings += against_tables(db, mapping, boards.get(mapping.entity))
            findings += _against_links(db, mapping, board_of(settings, mapping))
    finally:
        db.close()
    return Validated(tuple(mapping.entity for mapping in chosen), tuple(against), tuple(findings))


def _of_its_file(mapping: Mapping) -> Iterator[Finding]:
    """Finds a file that wins over what the database holds."""
    if said := own_file_in_words(mapping):
        yield noted(mapping.entity, said)


def _boards(settings: Settings, chosen: Sequence[Mapping], findings: list[Finding]) -> dict[str, Board]:
    from monday_api import Limits, Monday

    boards = {}
    key, limits = settings.require_key(), Limits(give_up_after=settings.give_up_after)
    with Monday(token=key, url=settings.api_url, version=settings.api_version, limits=limits) as monday:
        for mapping in chosen:
            board_id = board_of(settings, mapping)
            if board_id is None:
                continue
            try:
                boards[mapping.entity] = monday.board(board_id)
            except BoardNotVisible as exc:
                findings.append(wrong(mapping.entity, exc.message))
            else:
                findings += against_board(mapping, boards[mapping.entity])
    return boards


def against_board(mapping: Mapping, board: Board) -> Iterator[Finding]:
    """Finds columns that the mapping names and the board does not have."""
    for column in bind(mapping, board, MONDAY_KINDS).missing:
        yield noted(mapping.entity, f"board {board.name} ({board.id}) has no column {column}")


def against_tables(db: Database, mapping: Mapping, board: Board | None) -> Iterator[Finding]:
    """Finds what the tables lack of a mapping, and what they hide; of another type only where the board is known."""
    names = [mapping.table, *(related.table for related in mapping.related.values())]
    types: dict[str, Map[str, str]] = {}
    with db.transaction(read_only=True) as tx:
        for name in dict.fromkeys(names):
            try:
                types.update(column_types_of(tx, [name]))
            except SchemaMissing:
                yield wrong(mapping.entity, f"there is no table {name}")
        yield from _unseen(tx, mapping, list(types))
        yield from _unserved(tx, mapping, types)
    yield from _places(mapping, types, board)
    yield from _pointers(mapping, types)


def _against_links(db: Database, mapping: Mapping, board_id: str | None) -> Iterator[Finding]:
    """Finds what the mapping points at now, and its links were not made for."""
    try:
        with db.transaction(read_only=True) as tx:
            if board_id is not None and exists(tx, "sync_mapping"):
                check_aim(tx, mapping, board_id)
    except SettingsError as exc:
        yield wrong(mapping.entity, f"{exc.message} {exc.hint}")


def _unseen(tx: Transaction, mapping: Mapping, tables: Sequence[str]) -> Iterator[Finding]:
    """Finds what hides rows, so that their absence says nothing."""
    for name in hiding(tx, tables):
        role = tx.value("select quote_ident(current_user)")
        yield wrong(mapping.entity, f"{hidden_in_words(name, role)} {remedy_for_hidden(name, role)}")
    for name, kind in no_tables(tx, [related.table for related in mapping.related.values()]):
        yield wrong(mapping.entity, related_in_words(name, kind))
    sight = sight_of(tx, mapping.table)
    unsure = why_never_sure(mapping, sight) if sight else None
    if unsure is not None and mapping.on_row_removed != "ignore":
        yield noted(mapping.entity, f"{unsure.reason} Removed rows are not judged. {unsure.hint}")


def _unserved(tx: Transaction, mapping: Mapping, types: Map[str, Map[str, str]]) -> Iterator[Finding]:
    key_type = types.get(mapping.table, {}).get(mapping.primary_key, "uuid")
    for found in unserved(mapping, ways_of(tx, types), key_type):
        yield (wrong if found.grave else noted)(mapping.entity, f"{found.message} {found.hint}")


def _places(mapping: Mapping, types: Map[str, Map[str, str]], board: Board | None) -> Iterator[Finding]:
    bound = bind(mapping, board, MONDAY_KINDS, types) if board else None
    for name, place in mapping.places.items():
        table = _table(mapping, place.home)
        if table not in types:
            continue
        found = types[table].get(place.column)
        if found is None:  # no such column
            yield wrong(mapping.entity, f"table {table} has no column {place.column} (field {name})")
        elif place.key is not None and found not in ANYTHING:  # a key of no jsonb
            yield wrong(mapping.entity, f"{table}.{place.column} is {found}, and field {name} needs jsonb")
        elif place.key is None and bound and name in bound.kinds and not _fits(bound, name, found):  # another type
            yield wrong(mapping.entity, f"{table}.{place.column} is {found}, and field {name} is {bound.kinds[name]}")
    if mapping.rest and mapping.table in types and types[mapping.table].get(mapping.rest) != "jsonb":
        yield wrong(mapping.entity, f"{mapping.table}.{mapping.rest} must be jsonb (rest)")


def _fits(bound: BoundMapping, name: str, found: str) -> bool:
    plain = found.partition("(")[0] + found.partition(")")[2]
    if plain in ANYTHING or plain not in FITS or bound.owner[name].link_to:
        return True
    return bound.kinds[name] in FITS[plain]


def _pointers(mapping: Mapping, types: Map[str, Map[str, str]]) -> Iterator[Finding]:
    """Finds columns that are lacking of those by which rows belong together."""
    wanted: set[tuple[str, str | None]] = {(mapping.table, column) for column in (mapping.primary_key, *mapping.only)}
    for related in mapping.related.values():
        wanted.add((_table(mapping, related.parent), related.via) if related.via else (related.table, related.child))
        parts = (part.column for key in related.keys for part in key)
        wanted |= {(related.table, column) for column in (*related.refs, *parts)}
    for table, column in sorted((table, column) for table, column in wanted if column):
        if table in types and column not in types[table]:
            yield wrong(mapping.entity, f"table {table} has no column {column}")


def _table(mapping: Mapping, home: str) -> str:
    return mapping.table if home == ROOT else mapping.related[home].table
