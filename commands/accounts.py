"""Declares `accounts`: adds, shows, pauses and removes the accounts of an installation; and enters one for a command."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from terminal.commands import Example, Several, json_option, prepared
from values.wording import minute_text, utc_or_none

if TYPE_CHECKING:
    from settings import Settings
    from state.accounts import Account, Accounts

SETTING_OF = {
    "api_key": "MONDAY_API_KEY_FILE",
    "database_url": "DATABASE_URL_FILE",
    "webhook_secret": "MONDAY_WEBHOOK_SECRET_FILE",
}
"""The settings that have an option of their own."""

name_argument = click.argument("name", metavar="NAME")
settings_option = click.option(
    "--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting of the account. Can be repeated."
)


def enter_account(name: str) -> None:
    """Makes this process, and those it starts, work for one account. Raises SettingsError when there is none."""
    from settings import environment_of_account, load_settings
    from state.accounts import Accounts
    from state.control import open_control

    settings = load_settings()
    db = open_control(settings, max_connections=1)
    try:
        account = Accounts(db).get(name)
    finally:
        db.close()
    entered = environment_of_account(name, account.settings, settings.accounts, os.environ)
    (settings.accounts / name).mkdir(parents=True, exist_ok=True)
    os.environ.clear()
    os.environ.update(entered)


@click.group("accounts", cls=Several)
def accounts() -> None:
    """Keep many monday.com accounts: each has its own key, database, boards and state."""


@accounts.command("add", cls=Example, example="accounts add acme --key-file acme.key --database-url-file acme.url")
@name_argument
@click.option("--key-file", "api_key", type=click.Path(), help="The file that holds the account's MONDAY_API_KEY.")
@click.option("--database-url-file", "database_url", type=click.Path(), help="The file that holds its DATABASE_URL.")
@click.option("--webhook-secret-file", "webhook_secret", type=click.Path(), help="The file of its webhook secret.")
@settings_option
def add(name: str, pairs: Sequence[str], **files: str | None) -> None:
    """Add an account. Secrets stay in their files: only the paths are kept."""
    paths = {SETTING_OF[key]: os.path.abspath(path) for key, path in files.items() if path}
    with _accounts() as (kept, _):
        kept.add(name, {**_pairs(pairs), **paths})
    click.echo(
        f"Added {name}. Next: python main.py --account {name} init-db, then: python main.py accounts check {name}"
    )


@accounts.command("set", cls=Example, example="accounts set acme MONDAY_BOARD_ID_USERS=1234567890")
@name_argument
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE...")
def set_settings(name: str, pairs: Sequence[str]) -> None:
    """Change settings of an account; NAME= takes one away."""
    with _accounts() as (kept, _):
        kept.change(name, {key: value or None for key, value in _pairs(pairs).items()})
    click.echo(f"{name}: changed.")


@accounts.command("list", cls=Example, example="accounts list --json")
@json_option
def list_accounts(as_json: bool) -> None:
    """List all accounts."""
    from terminal.console import say, show_table

    with _accounts() as (kept, _):
        found = kept.all()
    if as_json:
        return click.echo(json.dumps({"accounts": [_as_json(account) for account in found]}, indent=2))
    if not found:
        return click.echo("There is no account yet. Add one: python main.py accounts add NAME --key-file FILE")
    show_table("", ["account", "boards", "state"], [[a.name, str(len(_boards(a))), _state(a)] for a in found])
    say("One of them: python main.py accounts show NAME")


@accounts.command("show", cls=Example, example="accounts show acme")
@name_argument
@json_option
def show(name: str, as_json: bool) -> None:
    """Show the settings of an account; of secrets, the path."""
    with _accounts() as (kept, settings):
        account = kept.get(name)
        home = settings.accounts / name
    if as_json:
        return click.echo(json.dumps({**_as_json(account), "home": str(home)}, indent=2))
    click.echo(f"{name}: {_state(account)}\nhome: {home}")
    for key, value in sorted(account.settings.items()):
        click.echo(f"{key}={value}")


@accounts.command("pause", cls=Example, example='accounts pause acme --why "moves to another plan"')
@name_argument
@click.option("--why", help="The reason, which `fleet` shows.")
def pause(name: str, why: str | None) -> None:
    """Begin no work for an account. Its events are still taken, and wait."""
    with _accounts() as (kept, _):
        kept.pause(name, getpass.getuser(), why)
    click.echo(f"{name} is paused. Its events and changes wait. Go on: python main.py accounts resume {name}")


@accounts.command("resume", cls=Example, example="accounts resume acme")
@name_argument
def resume(name: str) -> None:
    """Work for an account again; what waited is dealt with first."""
    with _accounts() as (kept, _):
        kept.resume(name)
    click.echo(f"{name} is worked for again.")


@accounts.command("remove", cls=Example, example="accounts remove acme --yes")
@name_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Forget an account. Its database, its files and monday.com keep everything."""
    if not yes:
        click.confirm(f"Forget the account {name}? Its database is not touched.", abort=True)
    with _accounts() as (kept, _):
        kept.remove(name)
    click.echo(f"{name} is removed.")


@accounts.command("check", cls=Example, example="accounts check acme")
@name_argument
@click.pass_context
def check(context: click.Context, name: str) -> None:
    """Look whether an account works: the checks of `doctor`, with its settings."""
    from commands.doctor import doctor

    enter_account(name)
    context.invoke(doctor)


@contextmanager
def _accounts() -> Iterator[tuple[Accounts, Settings]]:
    """Yields the accounts, and the settings of the installation."""
    settings = prepared(quiet=True)
    from state.accounts import Accounts
    from state.control import open_control

    db = open_control(settings, max_connections=1)
    try:
        yield Accounts(db), settings
    finally:
        db.close()


def _pairs(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError("A setting is given as NAME=VALUE.")
        path = key.strip().endswith("_FILE") and value.strip()
        found[key.strip()] = os.path.abspath(value.strip()) if path else value.strip()
    return found


def _boards(account: Account) -> list[str]:
    return [key for key in account.settings if key.startswith("MONDAY_BOARD_ID_")]


def _state(account: Account) -> str:
    if account.paused_at is None:
        return "works"
    why = f": {account.paused_why}" if account.paused_why else ""
    return f"paused since {minute_text(account.paused_at)} by {account.paused_by}{why}"


def _as_json(account: Account) -> dict[str, Any]:
    return {
        "account": account.name,
        "settings": dict(account.settings),
        "paused_at": utc_or_none(account.paused_at),
        "paused_by": account.paused_by,
        "paused_why": account.paused_why,
        "heard_at": utc_or_none(account.heard_at),
        "created_at": utc_or_none(account.created_at),
    }
