"""Validates the syncs of a home: the file, then each query and each table, as far as they can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from db_connector import Database, connect
from errors import EXIT_FAILED, DatabaseError, MappingError, SettingsError, SyncError
from mappings.query_syncs import FILE, HINT, QuerySync, read_syncs
from models import Finding, State
from rows.queries import opened
from settings import Settings
from sync.operating.check import Once, Seen, failed
from sync.queries import checking
from sync.queries.parts import suite_of
from sync.validation import Validated

SERVERS = {"mysql": "MySQL", "postgres": "PostgreSQL"}


def validated_syncs(settings: Settings, names: Sequence[str], offline: bool) -> Validated:
    """Checks the file of syncs; unless offline, the queries and the tables. Raises SettingsError for an unknown name."""
    chosen, seen = _of_file(settings, names)
    if not offline:
        with _database(settings) as database:
            seen += _of_sources(settings, chosen, database)
            seen += _of_tables(settings, chosen, database)
    against = ("files",) if offline else ("files", "queries", "SmartSuite")
    findings = tuple(
        Finding(f"sync.{found.affects}", found.state, found.sentence, found.affects, found.remedy)
        for found in dict.fromkeys(seen)
    )
    unreachable = any(found.state is State.FAULT and found.exit_code == EXIT_FAILED for found in seen)
    return Validated(tuple(sync.name for sync in chosen), against, findings, unreachable)


def _of_file(settings: Settings, names: Sequence[str]) -> tuple[list[QuerySync], list[Seen]]:
    """Returns the syncs that can be looked at, and what is wrong with the file."""
    try:
        syncs, mistakes = read_syncs(settings.home)
    except MappingError as exc:
        return [], [failed(exc, str(FILE))]
    seen = [checking.fault(mistake, HINT, str(FILE)) for mistake in mistakes]
    unknown = [name for name in names if name not in syncs]
    # one that is wrong may be the one that is asked for
    if unknown and not mistakes:
        known = ", ".join(syncs) or f"none; {settings.home / FILE} does not exist or is empty"
        raise SettingsError(f"There is no sync {unknown[0]!r}. There is: {known}.", hint=HINT)
    return [sync for sync in syncs.values() if (sync.name in names if names else sync.enabled)], seen


def _of_sources(settings: Settings, syncs: Sequence[QuerySync], database: Once[Database]) -> list[Seen]:
    seen: list[Seen] = []
    away: set[str] = set()
    for sync in syncs:
        if sync.database in away:
            continue
        try:
            # the database of the tool is asked only where a query reads it
            with opened(settings, database() if sync.database == "postgres" else None, sync) as source:
                seen += checking.of_query(sync, source)
        except SyncError as exc:
            # no other query can be read there either
            away.add(sync.database)
            seen.append(failed(exc, SERVERS[sync.database]))
    return seen


@contextmanager
def _database(settings: Settings) -> Iterator[Once[Database]]:
    database = Once(lambda: connect(settings, max_connections=1))
    try:
        yield database
    finally:
        if made := database.made():
            made.close()


def _of_tables(settings: Settings, syncs: Sequence[QuerySync], database: Once[Database]) -> list[Seen]:
    if not syncs:
        return []
    try:
        suite = suite_of(settings, database)
    except SettingsError as exc:
        return [failed(exc, "SmartSuite")]
    seen: list[Seen] = []
    with closing(suite):
        for sync in syncs:
            try:
                seen += checking.of_table(sync, suite.table(sync.table_id), suite, database)
            except DatabaseError as exc:
                # the records that a value names are not known
                seen.append(failed(exc, SERVERS["postgres"]))
            except SyncError as exc:
                # this table is not there; any other error is that of all tables
                if sync.table_id in exc.message:
                    seen.append(checking.wrong(sync, "table_id", exc.message, exc.hint))
                    continue
                seen.append(failed(exc, "SmartSuite"))
                break
    return seen
