"""Keeps the accounts of an installation: `sync_accounts`. Secrets are kept as the paths of files, never as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct

from config.checks import account_name
from config.hiding import Hiding
from db_connector import Database, json_text
from errors import SettingsError
from settings import BOARD, FLEET, NAMES, SECRETS, Settings, environment_of_account, load_settings

ADD = """
insert into sync_accounts (name, settings, version)
-- another one than an account of this name that was removed has had: processes know accounts by name and version
values (%s, %s, (random() * 2000000000)::integer)
on conflict do nothing
"""
COLUMNS = "name, settings, version, paused_at, paused_by, paused_why, heard_at, created_at"


class Account(Hiding, Struct, frozen=True):
    """Holds one account."""

    HIDDEN: ClassVar = frozenset({"settings"})

    name: str
    settings: Mapping[str, str]
    version: int
    paused_at: datetime | None
    paused_by: str | None
    paused_why: str | None
    heard_at: datetime | None
    created_at: datetime


class Accounts:
    """Reads and changes the accounts of a control database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[Account]:
        """Returns all accounts by name."""
        with self._db.transaction(read_only=True) as tx:
            return [Account(*row) for row in tx.rows(f"select {COLUMNS} from sync_accounts order by name")]

    def find(self, name: str) -> Account | None:
        """Returns the account of that name, or None."""
        with self._db.transaction(read_only=True) as tx:
            row = tx.row(f"select {COLUMNS} from sync_accounts where name = %s", (name,))
        return Account(*row) if row else None

    def get(self, name: str) -> Account:
        """Returns the account of that name. Raises SettingsError when there is none."""
        found = self.find(name)
        if found is None:
            raise SettingsError(f"There is no account {name!r}.", hint="python main.py accounts list")
        return found

    def add(self, name: str, settings: Mapping[str, str]) -> None:
        """Adds an account, and has it looked at soon. Raises SettingsError for a name in use and for wrong settings."""
        checked = checked_settings(name, settings)
        with self._db.transaction() as tx:
            new = tx.execute(ADD, (name, json_text(checked)))
            if not new:
                raise SettingsError(
                    f"There is an account {name!r} already.", hint=f"python main.py accounts set {name} NAME=VALUE"
                )
            tx.execute("insert into sync_due (account, task) values (%s, 'look')", (name,))

    def change(self, name: str, settings: Mapping[str, str | None]) -> None:
        """Changes some settings; None takes one away. Whoever works for the account takes them over with its next task."""
        old = self.get(name)
        new = {key: value for key, value in {**old.settings, **settings}.items() if value is not None}
        self._change(name, "settings = %s, version = version + 1", json_text(checked_settings(name, new)))
        self._wake(name)

    def pause(self, name: str, who: str, why: str | None) -> None:
        """Has no work begun for the account; what comes meanwhile waits."""
        self._change(
            name,
            "paused_at = coalesce(paused_at, now()), paused_by = %s, paused_why = coalesce(%s, paused_why)",
            who,
            why,
        )

    def resume(self, name: str) -> None:
        """Has work begun again, at once."""
        self._change(name, "paused_at = null, paused_by = null, paused_why = null")
        self._wake(name)

    def remove(self, name: str) -> None:
        """Forgets the account. Its own database keeps everything."""
        self.get(name)
        with self._db.transaction() as tx:
            tx.execute("delete from sync_accounts where name = %s", (name,))

    def _wake(self, name: str) -> None:
        with self._db.transaction() as tx:
            tx.execute("update sync_due set sent_at = null, due_at = least(due_at, now()) where account = %s", (name,))

    def _change(self, name: str, assignments: str, *values: Any) -> None:
        with self._db.transaction() as tx:
            changed = tx.execute(f"update sync_accounts set {assignments} where name = %s", (*values, name))
        if not changed:
            self.get(name)  # says that there is none


def settings_of(account: Account, folder: Path, environ: Mapping[str, str]) -> Settings:
    """Returns the settings by which work for an account is done. Raises SettingsError when one is wrong or missing.

    `folder` holds the homes of all accounts; of `environ` only what belongs to the whole installation gets in.
    """
    settings = load_settings(environment_of_account(account.name, account.settings, folder, environ))
    if not settings.database_url:
        raise SettingsError(
            f"The account {account.name} has no DATABASE_URL.",
            hint=f"python main.py accounts set {account.name} DATABASE_URL_FILE=PATH",
        )
    return settings


def checked_settings(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Returns settings that an account may have. Raises SettingsError, which never repeats a value."""
    try:
        account_name(name)
    except ValueError as exc:
        raise SettingsError(str(exc)) from exc
    for key in settings:
        plain = key.removesuffix("_FILE")
        if plain in FLEET or plain in ("MONDAY_SYNC_HOME", "MONDAY_SYNC_ACCOUNT"):
            raise SettingsError(f"{plain} is a setting of the whole installation, not of an account.")
        if plain not in NAMES and not key.startswith(BOARD):
            raise SettingsError(f"There is no setting {key}.", hint=".env.example explains each.")
        if plain in SECRETS and key == plain:
            raise SettingsError(
                f"{plain} is a secret: an account keeps the path of a file that holds it.", hint=f"{plain}_FILE=PATH"
            )
    return dict(settings)
