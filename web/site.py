"""Holds what the pages are made from: settings, a database for reading, mappings, and what the program above hands in."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from db_connector import Database, Transaction, connect
from errors import MappingError, SettingsError, SyncError
from mappings.declaration import Mapping
from mappings.files import lines_of_columns
from mappings.loader import read_again
from mappings.query_syncs import FILE as SYNCS
from mappings.query_syncs import QuerySync, load_syncs
from mappings.stored import Stored
from settings import PROJECT, Settings
from state.mapping_texts import stored_as_far_as_there
from state.schema import check_schema
from sync.parts import Chosen, Parts, board_of, mappings_of, open_parts
from sync.queries.parts import SuiteParts, open_suite_parts
from sync.run import Program
from web.starting import Starter

log = logging.getLogger("monday_sync")

CONNECTIONS = 8
LOOK_EVERY_S = 60.0
"""How often the mappings in the database are looked at: they change rarely, and every page needs them."""
PATIENCE_S = 2.0
"""How long a question to the database may take before the page says so."""


WAIT_S = 20.0
"""How long an act waits for monday.com or SmartSuite, or for a run that works on the same entity."""


class Site:
    """Gives the pages what they are made from. It keeps no state that is not in the database or in a file."""

    def __init__(self, program: Program, settings: Settings) -> None:
        self.program, self.settings = program, settings
        self.db: Database = connect(
            settings, max_connections=CONNECTIONS, statement_timeout_s=PATIENCE_S, lock_timeout_s=1.0, wait_s=PATIENCE_S
        )
        self.starter = Starter(settings)
        self._control: Database | None = None
        self._guard = threading.Lock()
        self._stamp: object = None
        self._mappings: dict[str, Mapping] = {}
        self._rows: list[Stored] = []
        self._next_look = 0.0
        self._lines: dict[str, tuple[Mapping, dict[str, int]]] = {}
        self._syncs: tuple[object, dict[str, QuerySync], str] = (None, {}, "")
        self._checked = False

    @property
    def mappings(self) -> dict[str, Mapping]:
        """Returns the mappings; files and rows of the database that have changed are read again."""
        stored = self._stored()
        stamp = stamp_of_files(self.settings.home), [(row.entity, row.version) for row in stored]
        with self._guard:
            if stamp != self._stamp:
                self._mappings, self._stamp = mappings_of(self.settings, stored=stored), stamp
            return self._mappings

    def _stored(self) -> list[Stored]:
        """Returns what the database holds of mappings; what it held within the last minute, or while it cannot be asked."""
        if time.monotonic() < self._next_look:
            return self._rows
        self._next_look = time.monotonic() + LOOK_EVERY_S
        try:
            self._rows = stored_as_far_as_there(self.db)
        except SyncError as exc:
            log.debug("The mappings in the database could not be read: %s", exc)
        return self._rows

    @property
    def control(self) -> Database:
        """Returns the database that keeps the accounts, where there are many."""
        if not self.settings.control_database_url:
            return self.db
        with self._guard:
            if self._control is None:
                address = replace(self.settings, database_url=self.settings.control_database_url)
                self._control = connect(address, max_connections=2, statement_timeout_s=PATIENCE_S, wait_s=PATIENCE_S)
            return self._control

    @property
    def has_accounts(self) -> bool:
        """Returns whether accounts are kept here. The dashboard of one account knows of no other."""
        if self.settings.account:
            return False
        with self.control.transaction(read_only=True) as tx:
            return bool(tx.value("select to_regclass('sync_due') is not null"))

    @property
    def syncs(self) -> dict[str, QuerySync]:
        """Returns the syncs of queries; none while their file has mistakes."""
        return self._read_syncs()[0]

    @property
    def mistakes_of_syncs(self) -> str:
        """Returns what is wrong in the file of the syncs; "" when nothing is."""
        return self._read_syncs()[1]

    def _read_syncs(self) -> tuple[dict[str, QuerySync], str]:
        stamp = stamp_of_files(self.settings.home)
        with self._guard:
            if stamp != self._syncs[0]:
                try:
                    self._syncs = stamp, load_syncs(self.settings.home), ""
                except MappingError as exc:
                    self._syncs = stamp, {}, exc.message
            return self._syncs[1:]

    @property
    def tables_of_syncs(self) -> dict[str, str]:
        """Returns the table that each sync fills."""
        return {name: sync.table_id for name, sync in self.syncs.items()}

    @property
    def names(self) -> list[str]:
        """Returns the entities that have a board, and the syncs."""
        return [*(mapping.entity for mapping, _ in self.chosen()), *self.syncs]

    def subject(self, name: str) -> Mapping | QuerySync:
        """Returns an entity or a sync by its name. Raises SettingsError when there is none."""
        found = self.syncs.get(name)
        return self.mapping(name) if found is None else found

    def subject_names(self) -> dict[str, str]:
        """Returns the names by what rows of the tool call the same."""
        subjects: list[Mapping | QuerySync] = [*self.syncs.values(), *self.mappings.values()]
        return {subject.entity_type: subject.entity for subject in subjects}

    def chosen(self) -> Chosen:
        """Returns the mappings that have a board, each with its id."""
        pairs = [(mapping, board_of(self.settings, mapping)) for mapping in self.mappings.values()]
        return [(mapping, board_id) for mapping, board_id in pairs if board_id is not None]

    def mapping(self, entity: str) -> Mapping:
        """Returns a mapping by its name. Raises SettingsError when there is none."""
        found = self.mappings.get(entity)
        if found is None:
            raise SettingsError(f"Unknown entity: {entity}.", hint=f"Known: {', '.join(self.mappings)}.")
        return found

    def lines_of(self, mapping: Mapping) -> dict[str, int]:
        """Returns on which line of its text a mapping binds each board column. A text is taken apart once."""
        known = self._lines.get(mapping.entity)
        if known is None or known[0] is not mapping:
            known = self._lines[mapping.entity] = mapping, lines_of_columns(read_again(mapping).tree)
        return known[1]

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Opens a transaction that only reads and sees one state. Raises SchemaMissing for tables of another version."""
        if not self._checked:
            check_schema(self.db)
            self._checked = True
        with self.db.transaction(read_only=True, snapshot=True) as tx:
            yield tx

    @property
    def settings_of_acts(self) -> Settings:
        """Returns the settings with the patience of a user before a page."""
        return replace(self.settings, give_up_after=min(self.settings.give_up_after, WAIT_S))

    @contextmanager
    def working(self) -> Iterator[Parts]:
        """Opens the parts of an act, as the commands do, with the patience of a user before a page."""
        with open_parts(self.settings_of_acts, self.program.follow, mappings=self.mappings) as parts:
            yield parts

    @contextmanager
    def working_on_syncs(self) -> Iterator[SuiteParts]:
        """Opens the same for an act on syncs of queries. Raises SettingsError without a key of SmartSuite."""
        with open_suite_parts(self.settings_of_acts) as parts:
            yield parts

    def close(self) -> None:
        """Closes the connections."""
        self.starter.close()
        if self._control is not None:
            self._control.close()
        self.db.close()


def stamp_of_files(home: Path) -> tuple[tuple[str, int, int], ...]:
    """Returns what changes when a mapping file does, or that of the syncs."""
    folders = (PROJECT / "mappings", home / "mappings")
    return tuple(sorted([*_stamps(folders, "*.yaml"), *_stamps([(home / SYNCS).parent], SYNCS.name)]))


def _stamps(folders: Iterable[Path], names: str) -> Iterator[tuple[str, int, int]]:
    for folder in folders:
        for path in folder.glob(names) if folder.is_dir() else ():
            about = path.stat()
            yield str(path), about.st_mtime_ns, about.st_size
