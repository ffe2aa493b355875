"""Keeps accounts open between the tasks of a process: settings, mappings, connections, and the boards being worked on."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from db_connector import Database, connect
from errors import SettingsError
from jobs.program import program
from mappings.declaration import Mapping
from mappings.query_syncs import QuerySync, choose_syncs
from settings import Settings
from state.accounts import Account, settings_of
from state.budgets import AccountBudget
from state.mapping_texts import stored_as_far_as_there
from state.schema import check_schema
from sync.choosing import choose_boards
from sync.live import Live
from sync.parts import Chosen, Client, Parts, make_client, mappings_of
from terminal.logs import mask_also
from timing import Stop

MOST_ACCOUNTS = 100
IDLE_S = 60.0
"""Connections of an account that was not worked for so long are closed."""
FRESH_FOR_S = 300.0
GIVE_UP_AFTER_S = 30.0
CONNECTIONS = 8


class OpenAccount(Struct):
    """Holds what work for an account needs, between its tasks."""

    version: int
    settings: Settings
    parts: Parts
    chosen: Chosen
    syncs: list[QuerySync]
    live: dict[str, Live] = field(default_factory=dict)
    opened_at: float = field(default_factory=time.monotonic)
    used_at: float = 0.0

    @property
    def is_old(self) -> bool:
        """Returns whether boards may have been deployed, or mappings changed, since it was opened."""
        return time.monotonic() - self.opened_at > FRESH_FOR_S

    def pair(self, entity: str) -> tuple[Mapping, str] | None:
        """Returns the mapping of an entity with its board; None when the account does not keep it any more."""
        return next(((mapping, board) for mapping, board in self.chosen if mapping.entity == entity), None)


class OpenAccounts:
    """Opens accounts when they are first worked for, and keeps those that were used lately."""

    def __init__(self, settings: Settings, control: Database) -> None:
        self._settings, self._control = settings, control
        self._open: OrderedDict[str, OpenAccount] = OrderedDict()

    def is_open(self, account: Account) -> bool:
        """Returns whether an account need not be opened: its settings are as they were, and it was opened lately."""
        found = self._open.get(account.name)
        return found is not None and found.version == account.version and not found.is_old

    def get(self, account: Account) -> OpenAccount:
        """Returns what work for an account needs; opened anew when its settings have changed, and after a while."""
        if not self.is_open(account):
            self.close(account.name)
            self._open[account.name] = self._opened(account)
        found = self._open[account.name]
        found.used_at = time.monotonic()
        self._open.move_to_end(account.name)
        for name, other in list(self._open.items()):
            if len(self._open) > MOST_ACCOUNTS or time.monotonic() - other.used_at > IDLE_S:
                self.close(name)
        return found

    def close(self, name: str) -> None:
        """Closes an account, if it is open."""
        opened = self._open.pop(name, None)
        if opened is not None:
            opened.parts.close()

    def close_all(self) -> None:
        """Closes all accounts."""
        for name in list(self._open):
            self.close(name)

    def _opened(self, account: Account) -> OpenAccount:
        settings = settings_at_home(account, self._settings)
        settings = replace(settings, give_up_after=min(settings.give_up_after, GIVE_UP_AFTER_S))
        db, stop = connect(settings, max_connections=CONNECTIONS), Stop()
        try:
            mappings = mappings_of(settings, stored=stored_as_far_as_there(db))
            syncs = choose_syncs(settings.home)
            chosen = boards_of(settings, mappings, syncs)
            if chosen:
                settings.require_key()
            check_schema(db)
        except BaseException:
            db.close()
            raise
        shared = AccountBudget(self._control, account.name, settings.daily_calls)
        client = Client(partial(make_client, settings, db, stop, shared))
        parts = Parts(settings, db, mappings, client, program().follow, stop=stop)
        return OpenAccount(account.version, settings, parts, chosen, syncs)


def boards_of(settings: Settings, mappings: dict[str, Mapping], syncs: Sequence[QuerySync]) -> Chosen:
    """Returns the mappings of an account with their boards; none for an account that has syncs of queries alone."""
    try:
        return choose_boards(settings, mappings, "bidirectional", [])
    except SettingsError:
        if syncs:
            return ()
        raise


def settings_at_home(account: Account, installation: Settings) -> Settings:
    """Returns the settings of an account, and has its home made: what is read of mappings is kept there."""
    settings = settings_of(account, installation.accounts, os.environ)
    mask_also(settings)
    with suppress(OSError):  # a folder that cannot be written costs time, no more
        settings.home.mkdir(parents=True, exist_ok=True)
    return settings
