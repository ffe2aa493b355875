"""Asks the questions of `init`: by its flags, by what is set already, or in the terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import click
from msgspec import Struct, field
from msgspec.structs import replace

from commands.init_checks import (
    Fit,
    best_of,
    boards_of,
    client_of,
    database_in_words,
    fit_of,
    fitting,
    other_key_helps,
    whose,
)
from config.hiding import Hiding
from errors import DatabaseError, SettingsError, SyncError
from mappings.declaration import Mapping as BoardMapping
from models import Board
from monday_api import Monday
from settings import Settings, checked, settings_error
from sync.parts import board_of
from terminal.console import say, show_table
from terminal.leaving import show_error

TRIES = 3
NONE = "-"
EMBEDDED = "embedded"
SHOWN_BOARDS = 30

log = logging.getLogger("monday_sync")

T = TypeVar("T")


class Flags(Struct, frozen=True):
    """Holds what the command line answers."""

    key_file: Path | None = None
    key_stdin: bool = False
    database_url_file: Path | None = None
    embedded: bool = False
    boards: Mapping[str, str] = field(default_factory=dict)
    no_boards: bool = False
    webhook_url: str | None = None
    yes: bool = False


class Asked(Hiding, Struct, frozen=True):
    """Holds the settings as the answers so far make them, and what is to be written."""

    HIDDEN: ClassVar = frozenset({"values"})

    settings: Settings
    flags: Flags
    terminal: bool
    """Whether there is a terminal to ask in."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Name of a setting → the new value; empty to take it back."""

    @property
    def asks(self) -> bool:
        """Returns whether what has a default is asked."""
        return self.terminal and not self.flags.yes

    def without_wrong(self, mistakes: Sequence[str]) -> Asked:
        """Returns the same without the values that are wrong and asked for. Raises SettingsError with all other mistakes."""
        asked, others = self, list(mistakes)
        for name, value in self.settings.environment.items():
            try:
                checked(name, value)
            except SettingsError as exc:
                log.warning("%s", exc.message)
                others.remove(exc.message)
                asked = asked.with_value(name, "")
        if others:
            raise settings_error(others, self.settings.home)
        return asked

    def with_value(self, name: str, value: str, **fields: str | None) -> Asked:
        """Returns the same with an answer more."""
        environment = {**self.settings.environment, name: value}
        settings = replace(self.settings, environment=environment, **fields)  # type: ignore[arg-type]
        return replace(self, settings=settings, values={**self.values, name: value})


def check_flags(asked: Asked) -> None:
    """Raises SettingsError with all flags that are missing, where there is no terminal to ask in."""
    flags, missing = asked.flags, []
    if asked.terminal:
        return
    if not (flags.key_file or flags.key_stdin or (flags.yes and asked.settings.api_key)):
        missing.append("--key-file FILE or --key-stdin")
    if not (flags.database_url_file or flags.embedded or flags.yes):
        missing.append("--database-url-file FILE or --embedded")
    if not (flags.boards or flags.no_boards or flags.yes):
        missing.append("--board ENTITY=ID or --no-boards")
    if missing:
        more = "" if flags.yes else " --yes takes what is set already, and the boards that fit."
        raise SettingsError(
            f"There is no terminal to ask in. Missing: {'; '.join(missing)}. Nothing was changed.",
            hint=f"Give them, or run it in a terminal.{more}",
        )


def until_it_holds(asks: bool, attempt: Callable[[], T], again: Callable[[SyncError], bool]) -> T:
    """Asks and tests, and asks again when the test fails; without a terminal the first failure is raised."""
    for left in reversed(range(TRIES if asks else 1)):
        try:
            return attempt()
        except SyncError as exc:
            if not left or not again(exc):
                raise
            show_error(exc)
    raise AssertionError("there is no attempt after the last")


# The key


def ask_key(asked: Asked) -> Asked:
    """Asks for the key, and monday.com whose it is."""
    flags, old = asked.flags, asked.settings.api_key
    given = _read(flags.key_file) if flags.key_file else sys.stdin.read() if flags.key_stdin else None
    keeps = old is not None and not asked.asks

    def attempt() -> Asked:
        key = (
            given
            if given is not None
            else old
            if keeps
            else _secret("MONDAY_API_KEY", _is_set("MONDAY_API_KEY") if old else "")
        )
        new = asked
        # Enter keeps what is set
        if key and key != old:
            key = checked("MONDAY_API_KEY", key)
            new = asked.with_value("MONDAY_API_KEY", key, api_key=key)
        say(str(whose(new.settings)))
        return new

    if given is None and not keeps:
        say("The key is under your picture on monday.com > Developers > API token.")
    return until_it_holds(given is None and not keeps, attempt, other_key_helps)


# The database


def ask_database(asked: Asked) -> Asked:
    """Asks for the database, and looks at it."""
    flags, old = asked.flags, asked.settings.database_url
    given = _read(flags.database_url_file) if flags.database_url_file else EMBEDDED if flags.embedded else None
    shown = f"{_is_set('DATABASE_URL')}; {EMBEDDED!r} for a PostgreSQL of the tool's own" if old else EMBEDDED

    def attempt() -> Asked:
        url = given if given is not None else _secret("DATABASE_URL", shown) if asked.asks else ""
        new = asked
        # a PostgreSQL of the tool's own
        if url == EMBEDDED and asked.settings.environment.get("DATABASE_URL"):
            new = asked.with_value("DATABASE_URL", "", database_url=None)
        elif url not in ("", EMBEDDED, old):
            url = checked("DATABASE_URL", url)
            new = asked.with_value("DATABASE_URL", url, database_url=url)
        say(database_in_words(new.settings))
        return new

    if given is None and asked.asks:
        say("The database, as postgresql://user:password@host:5432/database.")
    return until_it_holds(given is None and asked.asks, attempt, _other_database_helps)


def _other_database_helps(exc: SyncError) -> bool:
    return isinstance(exc, (DatabaseError, SettingsError))


# The boards


def ask_boards(asked: Asked, mappings: Sequence[BoardMapping]) -> tuple[Asked, list[BoardMapping]]:
    """Lists the boards, and asks for that of each mapping. Returns the mappings that have a board too."""
    if asked.flags.no_boards:
        return asked, []
    if unknown := sorted(set(asked.flags.boards) - {mapping.entity for mapping in mappings}):
        known = ", ".join(mapping.entity for mapping in mappings)
        raise SettingsError(f"--board names an unknown entity: {', '.join(unknown)}.", hint=f"Known: {known}.")
    with client_of(asked.settings) as monday:
        usual = [board_of(asked.settings, mapping) for mapping in mappings]
        boards, more = boards_of(monday, [*filter(None, usual), *asked.flags.boards.values()])
        _show_boards(boards, more, mappings)
        chosen = []
        # those that a board fits come first
        for mapping in sorted(mappings, key=lambda mapping: best_of(mapping, boards, None) is None):
            asked, board = _ask_board(asked, monday, mapping, boards)
            if board is not None:
                chosen.append(mapping)
    return asked, chosen


def _show_boards(boards: Sequence[Board], more: int, mappings: Sequence[BoardMapping]) -> None:
    found = [(board, [*fitting(mappings, board)]) for board in boards]
    first = sorted(found, key=lambda pair: not pair[1])[:SHOWN_BOARDS]
    rows = [(board.id, board.name, board.items_count, "; ".join(map(str, fits)) or None) for board, fits in first]
    show_table("", ("board", "name", "items", "fits"), rows, ("items",))
    if left := len(found) - len(first) + more:
        say(f"... and {left:,} more. The number of a board is in its address.")


def _ask_board(
    asked: Asked, monday: Monday, mapping: BoardMapping, boards: Sequence[Board]
) -> tuple[Asked, Board | None]:
    """Asks for the board of one mapping. None: it has none that the key sees."""
    setting = str(mapping.board_setting)
    given, written = asked.flags.boards.get(mapping.entity), asked.settings.environment.get(setting, "")
    default = _usual_board(asked, mapping, boards)
    asks = given is None and asked.asks

    def attempt() -> tuple[Asked, Board | None]:
        answer = given if given is not None else _text(f"Board of {mapping.entity}", default) if asks else default
        # no board, also where one is set so far
        if answer == NONE:
            return (asked.with_value(setting, "") if written and default != NONE else asked), None
        answer = checked(setting, answer)
        board = next((board for board in boards if board.id == answer), None) or monday.board(answer)
        _check_fit(fit_of(mapping, board))
        return (asked if answer == board_of(asked.settings, mapping) else asked.with_value(setting, answer)), board

    return until_it_holds(asks, attempt, lambda exc: True)


def _usual_board(asked: Asked, mapping: BoardMapping, boards: Sequence[Board]) -> str:
    """Returns the board to take unless another is named: that which is set, else that which fits."""
    written = asked.settings.environment.get(str(mapping.board_setting), "")
    usual = board_of(asked.settings, mapping)
    # where some boards are named and none is asked for, the others stay as they are
    if asked.flags.boards and not asked.asks:
        return next((board.id for board in boards if board.id == usual), NONE)
    best = best_of(mapping, boards, usual)
    return written or (best.board.id if best else NONE)


def _check_fit(fit: Fit) -> None:
    """Raises SettingsError for a board that has none of the columns."""
    if not fit.has:
        raise SettingsError(
            f"Board {fit.board.name} ({fit.board.id}) has none of the {fit.of} columns of {fit.entity}.",
            hint=f"A table of its own has it with: python main.py boards deploy --board-id {fit.board.id}",
        )
    if fit.has < fit.of:
        say(f"{fit.board.name} has {fit.has} of the {fit.of} columns of {fit.entity}; the others stay empty.")


# Webhooks


def ask_webhooks(asked: Asked) -> Asked:
    """Asks for the address under which monday.com reaches this machine. It may stay empty."""
    old, given = asked.settings.webhook_base_url, asked.flags.webhook_url

    def attempt() -> Asked:
        url = given if given is not None else _text("Public address for webhooks, if any", old or NONE)
        if url == (old or NONE):
            return asked
        url = "" if url == NONE else checked("WEBHOOK_BASE_URL", url)
        return asked.with_value("WEBHOOK_BASE_URL", url, webhook_base_url=url or None)

    asks = given is None and asked.asks
    return until_it_holds(asks, attempt, lambda exc: True) if asks or given is not None else asked


# The terminal


def _read(path: Path) -> str:
    """Returns what a file holds. Raises SettingsError."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no UTF-8 text"
        raise SettingsError(f"{path} cannot be read ({reason}).") from exc
    if not text:
        raise SettingsError(f"{path} is empty.")
    return text


def _is_set(name: str) -> str:
    return "is set in the environment" if in_environment(name) else "is set"


def in_environment(name: str) -> str | None:
    """Returns the variable that gives a setting its value, and so hides that of `.env`."""
    return next((variable for variable in (name, f"{name}_FILE") if os.environ.get(variable, "").strip()), None)


def _secret(name: str, default: str) -> str:
    """Asks for what the terminal must not show. An empty answer takes the default."""
    sys.stdout.flush()
    shown = f"{name} (not shown) [{default}]" if default else f"{name} (not shown)"
    taken = "" if default else None
    return click.prompt(shown, default=taken, show_default=False, hide_input=True, err=True, type=str).strip()


def _text(question: str, default: str) -> str:
    sys.stdout.flush()
    return str(click.prompt(question, default=default, err=True)).strip()


def confirmed(asked: Asked, question: str) -> bool:
    """Asks whether to go on; without a terminal, or with --yes, the flags say so."""
    sys.stdout.flush()
    return not asked.asks or click.confirm(question, default=True, err=True)
