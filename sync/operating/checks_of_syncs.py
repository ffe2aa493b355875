"""Checks the syncs of queries: their file, the databases that they read, SmartSuite, each query and each table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial

from msgspec.structs import replace

from errors import EXIT_GUARD, SettingsError, SyncError
from mappings.query_syncs import FILE, HINT, QuerySync, read_syncs
from models import State
from rows.queries import opened
from services.smartsuite.client import SmartSuite
from services.smartsuite.structure import Table
from state.query_syncs import status_of_syncs
from state.runs import last_of_each, suite_refusals_lately
from sync.operating.check import PATIENCE_S, Check, Once, Seen, fault, note, ok, warning
from sync.operating.examined import Examined
from sync.queries import checking
from sync.queries.parts import suite_of
from sync.queries.quota import SETTING, calls_for, quota_of
from values.wording import counted, minute_text, plural

FILES, MYSQL, SUITE, SYNCS = "settings", "MySQL", "SmartSuite", "syncs"
CONNECT_S, COUNT_S, CALL_S = 15.0, 30.0, 20.0
"""How long a connection to MySQL, reading keys, and calls to SmartSuite may take."""
CLOCKS_APART_S = 5.0
MANY_CALLS = 80
"""A sync that reads SmartSuite's calls up to this share of the month, in percent, is told."""


class Syncs:
    """Gives each check what it needs of syncs, and asks for nothing twice."""

    def __init__(self, examined: Examined) -> None:
        self.examined, self.settings = examined, examined.settings
        self.found, self.mistakes = self._read()
        names = examined.sync_names
        # --entity names others
        wanted = () if examined.entities and not names else self.found.values()
        self.chosen = [sync for sync in wanted if (sync.name in names if names else sync.enabled)]
        self.suite: Once[SmartSuite] = Once(self._suite)
        self.tables = {sync.table_id: Once(partial(self._table, sync.table_id)) for sync in self.chosen}
        examined.closers.append(self._close)

    def _read(self) -> tuple[dict[str, QuerySync], list[str]]:
        try:
            return read_syncs(self.settings.home)
        except SettingsError as exc:
            return {}, [exc.message]

    def _suite(self) -> SmartSuite:
        settings = replace(self.settings, give_up_after=min(self.settings.give_up_after, PATIENCE_S))
        return suite_of(settings, self.examined.database)

    def _table(self, table_id: str) -> Table:
        return self.suite().table(table_id)

    def _close(self) -> None:
        if suite := self.suite.made():
            suite.close()


def checks(examined: Examined) -> list[Check]:
    """Returns the checks of a home that has syncs; none for any other."""
    if not (examined.home / FILE).exists():
        return []
    syncs = Syncs(examined)
    found = [Check("sync.file", FILES, lambda: _file(syncs))]
    if any(sync.database == "mysql" for sync in syncs.chosen):
        there = ("mysql.reach",)
        found += [
            Check("mysql.reach", MYSQL, lambda: _reach(syncs), patience_s=CONNECT_S),
            Check("mysql.rights", MYSQL, lambda: _rights(syncs), there, CONNECT_S),
            Check("mysql.clock", MYSQL, lambda: _clock(syncs), there, CONNECT_S),
        ]
    if syncs.chosen:
        found += [
            Check("smartsuite.key", SUITE, lambda: _key(syncs), patience_s=CALL_S),
            Check("smartsuite.calls", SUITE, lambda: _calls(syncs), ("pg.schema",)),
            Check("smartsuite.speed", SUITE, lambda: _speed(syncs), ("pg.schema",)),
        ]
    for sync in syncs.chosen:
        source = ("mysql.reach",) if sync.database == "mysql" else ("pg.reach",)
        query, table = f"query.{sync.name}", f"table.{sync.name}"
        found += [
            Check(query, SYNCS, partial(_query, syncs, sync, checking.of_query), source, CONNECT_S),
            Check(f"keys.{sync.name}", SYNCS, partial(_query, syncs, sync, checking.of_keys), (query,), COUNT_S),
            Check(table, SYNCS, partial(_table, syncs, sync), ("smartsuite.key",), CALL_S),
            Check(f"runs.{sync.name}", SYNCS, partial(_work, syncs, sync), ("pg.schema",)),
        ]
    return found


def _file(syncs: Syncs) -> Iterator[Seen]:
    for mistake in syncs.mistakes:
        yield fault(mistake, HINT, str(FILE))
    if not syncs.mistakes:
        off = len(syncs.found) - sum(sync.enabled for sync in syncs.found.values())
        yield ok(f"{plural(len(syncs.found), 'sync')}, {off} switched off")


def _of_mysql(syncs: Syncs) -> QuerySync:
    return next(sync for sync in syncs.chosen if sync.database == "mysql")


def _reach(syncs: Syncs) -> Iterator[Seen]:
    with opened(syncs.settings, None, _of_mysql(syncs)) as source:
        yield ok(f"{source.version}, read in transactions that only read")


def _rights(syncs: Syncs) -> Iterator[Seen]:
    with opened(syncs.settings, None, _of_mysql(syncs)) as source:
        if source.may_write():
            told = "The user of MySQL may change rows; the right to select is enough for syncs."
            yield note(told, "In mysql: create user reader identified by '...'; grant select on DATABASE.* to reader;")
        else:
            yield ok("the user may only read")


def _clock(syncs: Syncs) -> Iterator[Seen]:
    """Says how far the clock is off whose time is the mark of the next run: only a clock that is set back does harm."""
    with opened(syncs.settings, None, _of_mysql(syncs)) as source:
        apart = abs((source.server_time() - datetime.now(timezone.utc)).total_seconds())
    if apart > CLOCKS_APART_S:
        told = f"The clock of MySQL and the clock of this machine are {apart:,.0f} s apart."
        yield note(told, "Set both by NTP: when the clock of MySQL is set back, all rows are compared once.")
    else:
        yield ok(f"clock {apart:.0f} s apart")


def _key(syncs: Syncs) -> Iterator[Seen]:
    """Asks for one table: what is wrong with address, key or account is told by its answer."""
    sync = syncs.chosen[0]
    try:
        syncs.tables[sync.table_id]()
    except SyncError as exc:
        # this table is another check's
        if sync.table_id not in exc.message:
            raise
    yield ok(f"answers for the account {syncs.settings.smartsuite_account}")


def _calls(syncs: Syncs) -> Iterator[Seen]:
    """Holds the calls that are left this month against what a first run of each new sync needs."""
    names = {sync.name: sync.table_id for sync in syncs.chosen}
    with syncs.examined.database().transaction(read_only=True) as tx:
        quota, states = quota_of(tx, syncs.settings), status_of_syncs(tx, names)
    needed = sum(_first_run(syncs, state["sync"]) for state in states if not state["linked"])
    first = f"; the first runs need about {counted(needed)}" if needed else ""
    if quota.lacks(needed):
        remedy = f"Buy calls, begin with fewer rows, or wait for the next month; {SETTING} says what the plan allows."
        yield warning(f"{quota.words()}{first}.", remedy, SETTING)
    elif quota.allowed and quota.used * 100 > MANY_CALLS * quota.allowed:
        yield warning(f"{quota.words()}.", "Run the syncs less often, or ask for a larger plan.", SETTING)
    else:
        yield ok(quota.words() + first)


def _first_run(syncs: Syncs, name: str) -> int:
    """Returns how many calls the first run of a sync makes; 0 while its rows cannot be counted."""
    sync = syncs.found[name]
    try:
        database = syncs.examined.database() if sync.database == "postgres" else None
        with opened(syncs.settings, database, sync) as source:
            return calls_for(checking.count_rows(sync, source), 0, 1)
    except SyncError:
        return 0


def _speed(syncs: Syncs) -> Iterator[Seen]:
    with syncs.examined.database().transaction(read_only=True) as tx:
        refused = suite_refusals_lately(tx)
    if refused:
        told = (
            f"{plural(refused, 'call')} of the last day came too fast: SmartSuite takes five a second, of all programs."
        )
        yield note(told, "Give the sync a member of its own, with a key that no other program uses.")
    else:
        yield ok("no call of the last day was refused for its speed")


def _query(syncs: Syncs, sync: QuerySync, look: Callable[..., Iterator[Seen]]) -> Iterator[Seen]:
    database = syncs.examined.database() if sync.database == "postgres" else None
    with opened(syncs.settings, database, sync) as source:
        found = list(look(sync, source))
    yield from found
    if not any(seen.state in (State.FAULT, State.WARNING, State.NOTE) for seen in found):
        yield ok("reads, and has all columns")


def _table(syncs: Syncs, sync: QuerySync) -> Iterator[Seen]:
    table = syncs.tables[sync.table_id]()
    found = list(checking.of_table(sync, table, syncs.suite(), syncs.examined.database))
    yield from found
    if not found:
        yield ok(f"{table.name}: {plural(len(sync.fields), 'field')} to fill")


def _work(syncs: Syncs, sync: QuerySync) -> Iterator[Seen]:
    """Says how the last run of a sync ended, what was refused, and whether it is late."""
    with syncs.examined.database().transaction(read_only=True) as tx:
        (state,) = status_of_syncs(tx, {sync.name: sync.table_id})
        last = last_of_each(tx, [sync.name]).get(sync.name)
    again = f"python main.py run --sync-name {sync.name}"
    if last and last["outcome"] == "guarded":
        told = f"The last run ({minute_text(last['started_at'])}) was stopped by a guard: {last['message']}"
        yield fault(told, f"If the rows are to go: {again} --sweep --allow-mass-delete", sync.name, EXIT_GUARD)
    elif last and last["outcome"] in ("failed", "died"):
        told = f"The last run ({minute_text(last['started_at'])}) {last['outcome']}: {last['message'] or 'no word'}"
        yield warning(told, again, sync.name)
    if state["refused"]:
        remedy = f"python main.py retry list --sync-name {sync.name}"
        yield warning(f"{plural(state['refused'], 'row')} refused.", remedy, sync.name)
    due = state["next_run_at"]
    if due and due < f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}":
        yield note(f"A run was due at {due}.", "python main.py schedule --run-immediately", sync.name)
    if not (last and last["outcome"] in ("guarded", "failed", "died")) and not state["refused"]:
        when = f"last run {minute_text(last['started_at'])}" if last else "no run yet"
        yield ok(f"{when}, {plural(state['linked'], 'record')}")
