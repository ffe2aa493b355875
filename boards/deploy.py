"""Makes a table of a board, step by step, in an order in which a deploy that was killed can be repeated.

The table and its row in the registry come first, in one transaction; then the items, through a staging table; then the
mapping file. Until it is in its place no run knows the entity, so nothing half made is ever synced. Link tables and scripts
follow, and at the end the registry says that the board is deployed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from boards import registry, scripts
from boards import tables as boards_tables
from boards.decisions import decided_before, with_decisions
from boards.linked_boards import link_up
from boards.mapping_text import file_in, part_of, whole_text
from boards.names import LONGEST_TABLE, checked_entity, checked_table, entity_of
from boards.proposal import Proposal, propose, subitem_boards
from boards.staging import Staging
from boards.staging_table import check_names
from boards.types_of_tables import TypeMap, load_types
from databases.postgres import catalogue
from databases.postgres.names import shortened
from db_connector import Transaction
from errors import SettingsError
from mappings.declaration import Mapping as EntityMapping
from mappings.files import read_plain, write_text
from mappings.loader import load_mapping
from models import Board
from state import mapping_texts
from state.mapping_texts import stored_mappings
from sync.board import Opening, open_board, tell_unparsed
from sync.options import PullOptions, RunOptions
from sync.parts import Parts, board_of, mappings_of
from sync.report import EntityReport, RunReport
from sync.run import Direction, Run
from values.wording import plural

log = logging.getLogger("monday_sync")

ITEMS_PER_PAGE = 500
DEPLOY = "boards deploy"
"""What is said to have written a mapping's text."""

SAME_TABLE = "select to_regclass(%s) = to_regclass(%s)"
OTHERS_ON = """
select entity.name
from unnest(%s::text[], %s::text[]) as entity (name, used)
where to_regclass(entity.used) = to_regclass(%s)
order by entity.name
"""


class Wanted(Struct, frozen=True):
    """Holds what the command line asks of a deploy."""

    board_id: str
    name: str
    table: str = ""
    schema: str = ""
    names: str = "exact"
    subitems: bool = False
    match: str = ""
    batch_size: int = 1000
    max_workers: int = 1
    day: str = ""


class Deployed(Struct, frozen=True):
    """Describes one board that is deployed: its run, its files and its link tables."""

    proposal: Proposal
    mapping: EntityMapping
    report: EntityReport
    files: list[Path]
    links: list[str]


def path_of(parts: Parts, entity: str) -> Path:
    """Returns the path of a deployed board's mapping."""
    return file_in(parts.settings.home, entity)


# Proposals


def proposals(parts: Parts, wanted: Wanted, samples: bool = True) -> list[Proposal]:
    """Returns the board's proposal, and that of its subitems when they are wanted. Decisions of an earlier try are kept."""
    board = parts.monday.board(wanted.board_id)
    types = load_types(parts.settings.home)
    first = _proposal(parts, board, wanted, types, samples)
    if not wanted.subitems:
        return [first]
    below = subitem_boards(board)
    if not below:
        raise SettingsError(
            f"Board {board.name} ({board.id}) has no subitems yet.",
            hint="Leave out --subitems, or make a subitem on the board.",
        )
    name, table = (shortened(f"{name}_subitems", name, LONGEST_TABLE) for name in (first.entity, first.table))
    child = replace(wanted, board_id=below[0], name=name, table=table)
    return [first, _proposal(parts, parts.monday.board(below[0]), child, types, samples, parent=first)]


def _proposal(
    parts: Parts, board: Board, wanted: Wanted, types: TypeMap, samples: bool, parent: Proposal | None = None
) -> Proposal:
    name = checked_entity(wanted.name or entity_of(board.name, board.id))
    table = checked_table(wanted.table or name)
    made = propose(board, name, table, types, monday=parts.monday if samples else None, names=wanted.names)
    made = replace(made, day=wanted.day, schema=wanted.schema, parent=parent)
    return with_decisions(made, decided_before(parts, name, board.id))


# Deploying


def check(parts: Parts, proposal: Proposal) -> str:
    """Returns "deployed" for a board that is, "" for one that can be. Raises SettingsError when something is in the way."""
    found = _found(parts, proposal)
    _check_entity(proposal, found)
    _check_files(parts, proposal, found)
    if found.kept and found.entry is not None and found.entry.status == registry.DEPLOYED:
        return registry.DEPLOYED
    # table of this name, of another origin
    if found.table_exists and found.entry is None and found.mapping is None and proposal.makes_table:
        raise SettingsError(
            f"There is a table {proposal.table_name} already, and it was not made for this board.",
            hint="Choose another --table, or map it as it is: --existing-table",
        )
    return ""


class _Found(Struct, frozen=True):
    """Holds what exists under the names of a proposal. `kept`: the mapping and its table; `moved`: another table."""

    entry: registry.Entry | None
    mapping: EntityMapping | None
    table_exists: bool
    kept: bool
    moved: bool
    others: list[str]


def _found(parts: Parts, proposal: Proposal) -> _Found:
    taken = parts.mappings.get(proposal.entity)
    with parts.db.transaction(read_only=True) as tx:
        entry = next(iter(registry.known(tx, proposal.entity)), None)
        there = catalogue.exists(tx, proposal.table_name)
        moved = entry is not None and not _same_table(tx, entry.table_name, proposal.table_name)
        kept = taken is not None and there and _same_table(tx, taken.table, proposal.table_name)
        others = _others_on(tx, parts, proposal)
        if proposal.makes_table:
            check_names(tx, proposal.entity, proposal.table_name)
    return _Found(entry, taken, there, kept, moved, others)


def _check_entity(proposal: Proposal, found: _Found) -> None:
    entry, mapping = found.entry, found.mapping
    # deployed, from another board or table
    if entry is not None and (entry.board_id != proposal.board.id or found.moved):
        raise SettingsError(
            f"{proposal.entity} is board {entry.board_id} in table {entry.table_name}.", hint="Choose another --name."
        )
    # mapping written by hand, or of another board
    if mapping is not None and (mapping.deployed is None or mapping.board_id != proposal.board.id):
        raise SettingsError(
            f"There is an entity {proposal.entity} already: {mapping.path}.", hint="Choose another --name."
        )


def _check_files(parts: Parts, proposal: Proposal, found: _Found) -> None:
    # table of another entity
    if found.others:
        raise SettingsError(
            f"{proposal.table_name} is the table of {', '.join(found.others)}.",
            hint="A table belongs to one board. Choose another table, or take away the other mapping first.",
        )
    # mapping edited, and its table gone
    path = path_of(parts, proposal.entity)
    if not found.kept and _is_edited(path, proposal):
        raise SettingsError(
            f"{path} is there already, and is not what this deploy would write.",
            hint="Move it away to have a new one made, or choose another --name.",
        )


def _same_table(tx: Transaction, name: str, other: str) -> bool:
    """Says whether two names are of the same table, or are the same name."""
    return name == other or bool(tx.value(SAME_TABLE, (name, other)))


def _others_on(tx: Transaction, parts: Parts, proposal: Proposal) -> list[str]:
    """Returns the other entities whose table this is, by their mappings or by the registry."""
    tables = {entry.name: entry.table_name for entry in registry.known(tx)}
    tables |= {name: mapping.table for name, mapping in parts.mappings.items() if board_of(parts.settings, mapping)}
    tables.pop(proposal.entity, None)
    return [row[0] for row in tx.rows(OTHERS_ON, (list(tables), list(tables.values()), proposal.table_name))]


def _is_edited(path: Path, proposal: Proposal) -> bool:
    """Says whether there is a mapping file that differs from the one to be written by more than its date."""
    if not path.exists():
        return False  # nothing to lose
    tree = read_plain(path)
    day = str(tree.get("deployed", "")) if isinstance(tree, dict) else ""
    return path.read_text(encoding="utf-8") != replace(proposal, day=day).text()


@contextmanager
def alone(parts: Parts, made: Sequence[Proposal]) -> Iterator[None]:
    """Waits until no other process deploys under these names, and loads the mappings that were deployed meanwhile."""
    told: set[str] = set()
    with ExitStack() as locks:
        for name in sorted(proposal.entity for proposal in made):
            locks.enter_context(parts.db.held_lock(f"deploy:{name}", partial(_tell, name, told)))
        parts.mappings.update(mappings_of(parts.settings, stored=stored_mappings(parts.db)))
        yield


def _tell(name: str, told: set[str], holder: str) -> None:
    if name not in told:
        log.info("Waiting: another process is deploying %s (%s).", name, holder)
    told.add(name)


def deploy(parts: Parts, made: Sequence[Proposal], wanted: Wanted, pull: Direction) -> tuple[list[Deployed], RunReport]:
    """Makes the tables, loads them, writes the mappings and the scripts; `main.py runs` shows what was done.

    A table of the user's own is loaded by `pull`.
    """
    done: list[Deployed] = []
    mappings = [_prepare(parts, proposal) for proposal in made]
    with_work = {mapping.entity: proposal for mapping, proposal in zip(mappings, made, strict=True)}

    def load(
        parts: Parts, mapping: EntityMapping, board_id: str, options: RunOptions, run_id: str | None
    ) -> EntityReport:
        proposal = with_work[mapping.entity]
        if mapping.own_table:
            opening = Opening(options.pull, run_id=run_id, board=proposal.board)
            report = load_board(parts, mapping, opening, wanted.batch_size)
        else:
            # a table of the user's own
            report = pull(parts, mapping, board_id, options, run_id)
            _note_loaded(parts, report)
        done.append(_finish(parts, proposal, mapping, report))
        return report

    run = Run(parts, "monday_to_pg", load, RunOptions(_options(wanted), max_workers=1, kind="deploy"))
    report = run.of([(mapping, str(mapping.board_id)) for mapping in mappings])
    return done, report


def _options(wanted: Wanted) -> PullOptions:
    return PullOptions(batch_size=min(wanted.batch_size, ITEMS_PER_PAGE), max_workers=wanted.max_workers)


def _prepare(parts: Parts, proposal: Proposal) -> EntityMapping:
    """Makes the table, its row in the registry, and the mapping's text. A mapping that has its table is kept.

    No run reads the text yet: the file is beside its place, and the database's is not live.
    """
    part, path = part_of(parts.settings.home, proposal.entity), path_of(parts, proposal.entity)
    mapping = parts.mappings.get(proposal.entity)
    with parts.db.transaction(read_only=True) as tx:
        keep = catalogue.exists(tx, proposal.table_name)
    if mapping is None or not keep:
        write_text(part, proposal.text())
        mapping = load_mapping(part)
    with parts.db.transaction() as tx:
        if mapping.path == str(part):
            mapping_texts.write(tx, proposal.entity, proposal.text(), DEPLOY, live=False)
        registry.enter(tx, proposal, path, registry.LOADING)
        boards_tables.run_all(tx, boards_tables.create_statements(proposal))
        for name, kind in proposal.table_columns() if proposal.makes_table else ():
            boards_tables.add_column(tx, proposal.table_name, name, kind)  # new on the board since a killed deploy
    return mapping


def load_board(parts: Parts, mapping: EntityMapping, opening: Opening, batch_size: int) -> EntityReport:
    """Reads a board into a staging table and makes it live. The run keeps other processes from working on the entity."""
    sync = open_board(parts, mapping, str(mapping.board_id), opening)
    parts.begun[mapping.entity] = sync.report
    sync.begin()
    staging = Staging(sync, batch_size)
    if opening.options.dry_run:
        # the staging table is that of a reload
        with parts.in_turn(mapping.entity_type):
            return staging.run(opening.options.allow_mass_delete)
    report = staging.run(opening.options.allow_mass_delete)
    tell_unparsed(sync)
    _note_loaded(parts, report)
    return report


def _note_loaded(parts: Parts, report: EntityReport) -> None:
    with parts.db.transaction() as tx:
        registry.note_loaded(tx, report.entity, report.stored)


def _finish(parts: Parts, proposal: Proposal, mapping: EntityMapping, report: EntityReport) -> Deployed:
    path, part = path_of(parts, proposal.entity), part_of(parts.settings.home, proposal.entity)
    # from here on, runs read the mapping
    if Path(mapping.path) == part:
        part.replace(path)
        mapping = load_mapping(path)
    parts.mappings[mapping.entity] = mapping
    links = link_up(parts, mapping, proposal.board) if mapping.own_table else []
    files = [*([path] if path.exists() else []), *scripts.write(parts.settings.home, mapping, proposal.board.name)]
    with parts.db.transaction() as tx:
        mapping_texts.write(tx, mapping.entity, whole_text(mapping), DEPLOY)
        registry.note_deployed(tx, mapping.entity)
    _tell_loaded(mapping, report)
    return Deployed(proposal, mapping, report, files, links)


def _tell_loaded(mapping: EntityMapping, report: EntityReport) -> None:
    stored, read = report.stored, plural(report.read, "item")
    if stored < report.read - report.skipped:
        log.warning("Deployed %s: only %d of %s in %s.", mapping.entity, stored, read, mapping.table)
    elif report.errors:
        without = plural(report.errors, "item")
        log.warning("Deployed %s: %s in %s, %s without a value.", mapping.entity, read, mapping.table, without)
    else:
        log.info("Deployed %s: %s in %s.", mapping.entity, plural(stored, "item"), mapping.table)


# Reloading


def reload(parts: Parts, mapping: EntityMapping, options: RunOptions, batch_size: int, pull: Direction) -> RunReport:
    """Reads a deployed board anew and makes it live in one transaction. A user's own table is compared by `pull`."""

    def load(
        parts: Parts, mapping: EntityMapping, board_id: str, options: RunOptions, run_id: str | None
    ) -> EntityReport:
        return load_board(parts, mapping, Opening(options.pull, run_id=run_id), batch_size)

    run = Run(parts, "monday_to_pg", load if mapping.own_table else pull, replace(options, kind="reload"))
    return run.of([(mapping, str(mapping.board_id))])


def deployed_mapping(parts: Parts, name: str) -> EntityMapping:
    """Returns the mapping of a deployed board. Raises SettingsError for a name that no deployed board has."""
    with parts.db.transaction(read_only=True) as tx:
        entry = registry.one_of(tx, name)
    mapping = parts.mappings.get(name)
    if mapping is None:
        raise SettingsError(
            f"The mapping of {name} is not there: {entry.mapping_path}.",
            hint="Put it back, or deploy the board again: python main.py boards deploy --help",
        )
    return mapping
