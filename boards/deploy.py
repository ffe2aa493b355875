"""A board becomes a table: what is made, in which order, so that a deploy killed anywhere can be repeated.

The table and its row in the registry come first, in one transaction; then the items, through a staging table; then the
mapping file. Until it is in its place no run knows the entity, so nothing half made is ever synced. Link tables and scripts
follow, and at the end the registry says that the board is deployed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from boards import link_tables, registry, scripts
from boards import tables as boards_tables
from boards.names import LONGEST_TABLE, checked_entity, checked_table, entity_of
from boards.proposal import RELATION, Proposal, propose, subitem_boards
from boards.staging import Staging, check_names
from boards.types_of_tables import TypeMap, load_types
from databases.postgres import catalogue
from databases.postgres.names import shortened
from db_connector import Transaction
from errors import SettingsError
from mappings.declaration import Mapping as EntityMapping
from mappings.files import read_plain, write_text
from mappings.loader import load_mapping
from models import Board
from sync.board import Opening, open_board
from sync.options import PullOptions, RunOptions
from sync.parts import Parts, board_of, mappings_of
from sync.report import EntityReport, RunReport
from sync.run import Direction, Run
from values.wording import plural

log = logging.getLogger("monday_sync")

ITEMS_PER_PAGE = 500

SAME_TABLE = "select to_regclass(%s) = to_regclass(%s)"
OTHERS_ON = """
select one.name
from unnest(%s::text[], %s::text[]) as one (name, used)
where to_regclass(one.used) = to_regclass(%s)
order by one.name
"""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks of a deploy."""

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


@dataclass
class Deployed:
    """What became of one board."""

    proposal: Proposal
    mapping: EntityMapping
    report: EntityReport
    files: list[Path]
    links: list[str]


def folder(parts: Parts) -> Path:
    """Where mappings of the user's own are."""
    return parts.settings.home / "mappings"


def path_of(parts: Parts, entity: str) -> Path:
    """The mapping file of a deployed board."""
    return folder(parts) / f"{entity}.yaml"


# Proposals


def proposals(parts: Parts, wanted: Wanted, samples: bool = True) -> list[Proposal]:
    """The board's proposal, and that of its subitems when they are wanted. Decisions of an earlier try are kept."""
    board = parts.monday.board(wanted.board_id)
    types = load_types(parts.settings.home)
    first = _proposal(parts, board, wanted, types, samples)
    if not wanted.subitems:
        return [first]
    below = subitem_boards(board)
    if not below:
        raise SettingsError(
            f"Board {board.name} ({board.id}) has no subitems yet.", hint="Leave out --subitems, or make one on the board."
        )
    name, table = (shortened(f"{one}_subitems", one, LONGEST_TABLE) for one in (first.entity, first.table))
    child = replace(wanted, board_id=below[0], name=name, table=table)
    return [first, _proposal(parts, parts.monday.board(below[0]), child, types, samples, parent=first)]


def _proposal(
    parts: Parts, board: Board, wanted: Wanted, types: TypeMap, samples: bool, parent: Proposal | None = None
) -> Proposal:
    name = checked_entity(wanted.name or entity_of(board.name, board.id))
    table = checked_table(wanted.table or name)
    made = propose(
        board, name, table, types, monday=parts.monday if samples else None, day=wanted.day, names=wanted.names,
        schema=wanted.schema, parent=parent,
    )  # fmt: skip
    return with_decisions(made, _decided_before(parts, name, board.id))


def _decided_before(parts: Parts, entity: str, board_id: str) -> dict[str, tuple[str, str]]:
    """What was decided about columns in a deploy that did not come to its end: column → decision, date."""
    found: dict[str, tuple[str, str]] = {}
    for path in (path_of(parts, entity), part_of(parts, entity)):
        tree = read_plain(path) or {}
        if str((tree.get("board") or {}).get("id")) != board_id:
            continue
        for entry in tree.get("fields") or ():
            for decision in ("accepted", "rejected"):
                if decision in entry:
                    found[str(entry.get("column"))] = (decision, str(entry[decision]))
    return found


def with_decisions(proposal: Proposal, decisions: Mapping[str, tuple[str, str]]) -> Proposal:
    """The proposal with what has been decided: column → decision, date."""
    columns = tuple(
        one.decide(*decisions[one.about.id]) if one.about.id in decisions else one for one in proposal.columns
    )
    return replace(proposal, columns=columns)


def part_of(parts: Parts, entity: str) -> Path:
    """The mapping of a deploy that is under way; no run reads it."""
    return folder(parts) / f"{entity}.deploying"


# Deploying


def check(parts: Parts, proposal: Proposal) -> str:
    """"" when it can be deployed, "deployed" when it is already. Raises SettingsError when something is in the way."""
    taken = parts.mappings.get(proposal.entity)
    with parts.db.transaction(read_only=True) as tx:
        entry = next(iter(registry.known(tx, proposal.entity)), None)
        there = catalogue.exists(tx, proposal.table_name)
        moved = entry is not None and not _same_table(tx, entry["table_name"], proposal.table_name)
        kept = taken is not None and there and _same_table(tx, taken.table, proposal.table_name)
        others = _others_on(tx, parts, proposal)
        if proposal.makes_table:
            check_names(tx, proposal.entity, proposal.table_name)
    if entry is not None and (entry["board_id"] != proposal.board.id or moved):
        raise SettingsError(
            f"{proposal.entity} is board {entry['board_id']} in table {entry['table_name']}.", hint="Choose another --name."
        )
    if taken is not None and (taken.deployed is None or taken.board_id != proposal.board.id):
        raise SettingsError(
            f"There is an entity {proposal.entity} already: {taken.path}.", hint="Choose another --name."
        )
    if others:
        raise SettingsError(
            f"{proposal.table_name} is the table of {', '.join(others)}.",
            hint="A table belongs to one board. Choose another table, or take away the other mapping first.",
        )
    if not kept and _is_edited(path_of(parts, proposal.entity), proposal):
        raise SettingsError(
            f"{path_of(parts, proposal.entity)} is there already, and is not what this deploy would write.",
            hint="Move it away to have a new one made, or choose another --name.",
        )
    if kept and entry is not None and entry["status"] == registry.DEPLOYED:
        return registry.DEPLOYED
    if there and entry is None and taken is None and proposal.makes_table:
        raise SettingsError(
            f"There is a table {proposal.table_name} already, and it was not made for this board.",
            hint="Choose another --table, or map it as it is: --existing-table",
        )
    return ""


def _same_table(tx: Transaction, one: str, other: str) -> bool:
    """Whether two names are one table, or one name of a table that is not there."""
    return one == other or bool(tx.value(SAME_TABLE, (one, other)))


def _others_on(tx: Transaction, parts: Parts, proposal: Proposal) -> list[str]:
    """The other entities whose table this is, by their mappings or by the registry."""
    tables = {one["name"]: one["table_name"] for one in registry.known(tx)}
    tables |= {name: one.table for name, one in parts.mappings.items() if board_of(parts.settings, one)}
    tables.pop(proposal.entity, None)
    return [row[0] for row in tx.rows(OTHERS_ON, (list(tables), list(tables.values()), proposal.table_name))]


def _is_edited(path: Path, proposal: Proposal) -> bool:
    """Whether there is a mapping file that says anything else than the one that would be written, but for its date."""
    if not path.exists():
        return False
    tree = read_plain(path)
    day = str(tree.get("deployed", "")) if isinstance(tree, dict) else ""
    return path.read_text(encoding="utf-8") != replace(proposal, day=day).text()


@contextmanager
def alone(parts: Parts, made: Sequence[Proposal]) -> Iterator[None]:
    """Wait until nobody else deploys under these names, and take note of what was deployed meanwhile."""
    with ExitStack() as locks:
        for name in sorted(one.entity for one in made):
            locks.enter_context(parts.db.held_lock(f"deploy:{name}", on_wait=partial(_tell, name)))
        parts.mappings.update(mappings_of(parts.settings))
        yield


def _tell(name: str) -> None:
    log.info("Waiting: another process is deploying %s.", name)


def deploy(
    parts: Parts, made: Sequence[Proposal], wanted: Wanted, pull: Direction
) -> tuple[list[Deployed], RunReport]:
    """Make the tables, load them, write the mappings and the scripts; an account of it is in `runs`.

    A table of the user's own is loaded by `pull`.
    """
    options = RunOptions(_options(wanted), kind="deploy")
    done: list[Deployed] = []
    mappings = [_prepare(parts, proposal) for proposal in made]
    with_work = {mapping.entity: proposal for mapping, proposal in zip(mappings, made, strict=True)}

    def load(parts: Parts, mapping: EntityMapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
        if mapping.own_table:
            loading = Loading(options, run_id, with_work[mapping.entity].board, wanted.batch_size)
            report = load_board(parts, mapping, loading)
        else:
            report = pull(parts, mapping, board_id, options, run_id)
            _note_loaded(parts, report)
        done.append(_finish(parts, with_work[mapping.entity], mapping, report))
        return report

    run = Run(parts, "monday_to_pg", load, options)
    report = run.of([(mapping, str(mapping.board_id)) for mapping in mappings])
    return done, report


def _options(wanted: Wanted) -> PullOptions:
    return PullOptions(batch_size=min(wanted.batch_size, ITEMS_PER_PAGE), max_workers=wanted.max_workers)


def _prepare(parts: Parts, proposal: Proposal) -> EntityMapping:
    """The table, its row in the registry, and the mapping beside its place. One that is there, with its table, is kept."""
    part, path = part_of(parts, proposal.entity), path_of(parts, proposal.entity)
    with parts.db.transaction(read_only=True) as tx:
        keep = path.exists() and catalogue.exists(tx, proposal.table_name)
    if not keep:
        write_text(part, proposal.text())
    mapping = load_mapping(path if keep else part)
    with parts.db.transaction() as tx:
        registry.enter(tx, proposal, path, registry.LOADING)
        boards_tables.run_all(tx, boards_tables.create_statements(proposal))
        for name, kind in proposal.table_columns() if proposal.makes_table else ():
            boards_tables.add_column(tx, proposal.table_name, name, kind)  # the board's since a try that was killed
    return mapping


@dataclass(frozen=True)
class Loading:
    """How a board is read into a staging table."""

    options: RunOptions
    run_id: str | None
    board: Board | None
    batch_size: int


def load_board(parts: Parts, mapping: EntityMapping, how: Loading) -> EntityReport:
    """Read a board into a staging table and make it live. The run sees to it that nobody else works on the entity."""
    opening = Opening(how.options.pull, run_id=how.run_id, board=how.board)
    sync = open_board(parts, mapping, str(mapping.board_id), opening)
    parts.begun[mapping.entity] = sync.report
    sync.begin()
    report = Staging(sync, how.batch_size).run(how.options.pull.allow_mass_delete)
    _note_loaded(parts, report)
    return report


def _note_loaded(parts: Parts, report: EntityReport) -> None:
    with parts.db.transaction() as tx:
        registry.note_loaded(tx, report.entity, report.read - report.errors)


def _finish(parts: Parts, proposal: Proposal, mapping: EntityMapping, report: EntityReport) -> Deployed:
    path, part = path_of(parts, proposal.entity), part_of(parts, proposal.entity)
    if Path(mapping.path) == part:
        part.replace(path)
    mapping = load_mapping(path)
    parts.mappings[mapping.entity] = mapping
    links = link_up(parts, mapping, proposal.board) if mapping.own_table else []
    files = [path, *scripts.write(parts.settings.home, mapping, proposal.board.name)]
    with parts.db.transaction() as tx:
        registry.note_deployed(tx, mapping.entity)
    log.info("Deployed %s: %s in %s.", mapping.entity, plural(report.read, "item"), mapping.table)
    return Deployed(proposal, mapping, report, files, links)


def link_up(parts: Parts, mapping: EntityMapping, board: Board) -> list[str]:
    """Make link tables for the relations of this board, and of boards deployed before that point at it; their names."""
    deployed = {str(one.board_id): one for one in parts.mappings.values() if one.own_table}
    made: list[str] = []
    for other in deployed.values():
        its_board = board if other.board_id == board.id else _board_with_relations(parts, other)
        if its_board is None:
            continue
        with parts.db.transaction() as tx:
            # The table of a mapping may be gone, when somebody has dropped it and left the mapping.
            if catalogue.exists(tx, other.table):
                made += link_tables.make_links(tx, other, its_board, deployed, since=mapping)
    return sorted(made)


def _board_with_relations(parts: Parts, mapping: EntityMapping) -> Board | None:
    tree = read_plain(Path(mapping.path)) or {}
    relations = [one for one in tree.get("fields") or () if one.get("type") == RELATION and "rejected" not in one]
    return parts.monday.board(str(mapping.board_id)) if relations else None


# Reloading


def reload(
    parts: Parts, mapping: EntityMapping, options: RunOptions, batch_size: int, pull: Direction
) -> RunReport:
    """Read a deployed board anew and make it live in one transaction. A user's own table is compared by `pull`."""

    def load(parts: Parts, mapping: EntityMapping, board_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
        return load_board(parts, mapping, Loading(options, run_id, None, batch_size))

    run = Run(parts, "monday_to_pg", load if mapping.own_table else pull, replace(options, kind="reload"))
    return run.of([(mapping, str(mapping.board_id))])


def deployed_mapping(parts: Parts, name: str) -> EntityMapping:
    """The mapping of a deployed board. Raises SettingsError for a name that is none."""
    with parts.db.transaction(read_only=True) as tx:
        entry = registry.one_of(tx, name)
    mapping = parts.mappings.get(name)
    if mapping is None:
        raise SettingsError(
            f"The mapping of {name} is not there: {entry['mapping_path']}.",
            hint="Put it back, or deploy the board again: python main.py boards deploy --help",
        )
    return mapping
