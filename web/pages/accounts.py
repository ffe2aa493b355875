"""Shows the accounts of an installation, and pauses one. Nothing of one account stands under another's name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, g, request, url_for

from errors import SchemaMissing, SettingsError, SyncError
from state.accounts import Account, Accounts
from state.due import SET_ASIDE, DueWork
from values.wording import utc_or_none
from web.accounts import glances, state_of_account
from web.answers import done, note_act, shown, site
from web.site import Site

pages = Blueprint("accounts", __name__)

PAGE = 25
NO_ACCOUNTS = "No account is kept here."
ADD = "python main.py accounts add NAME --key-file FILE"


@pages.get("/accounts")
def accounts() -> Response:
    """Lists the accounts by name: what is due, what failed, and a glance into the database of each."""
    after = request.args.get("after", "")
    kept = [account for account in _accounts().all() if account.name > after] if site().has_accounts else []
    due = {str(row["account"]): row for row in DueWork(site().control).overview()} if kept else {}
    seen = glances(kept[:PAGE], site().settings.accounts)
    rows = [_row(account, due.get(account.name, {}), seen[account.name]) for account in kept[:PAGE]]
    more = kept[PAGE - 1].name if len(kept) > PAGE else None
    return shown("accounts.html", {"accounts": rows, "next": more, "add": ADD})


def _accounts() -> Accounts:
    if not site().has_accounts:
        raise SettingsError(NO_ACCOUNTS, hint=ADD)
    return Accounts(site().control)


def _row(account: Account, due: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    starts = due.get("starts_without_end") or 0
    cases = (
        (account.paused_at is not None, "paused"),
        (bool(seen.get("problem") or due.get("message")), "failed"),
        (starts >= SET_ASIDE, "set aside"),
        (bool(seen.get("dead_runs") or seen.get("set_aside") or seen.get("conflicts")), "needs you"),
        (bool(due.get("due")), "waiting"),
    )
    return {
        "account": account.name,
        "state": next((word for true, word in cases if true), "in step"),
        "paused": {"at": utc_or_none(account.paused_at), "by": account.paused_by, "why": account.paused_why},
        "entities": due.get("entities", 0),
        "due": due.get("due", 0),
        # whole minutes, so that a page on which nothing happens stays the same
        "oldest_min": int(float(due.get("oldest_s") or 0) // 60),
        "starts_without_end": starts,
        "message": due.get("message"),
        **{key: seen.get(key) for key in ("set_aside", "conflicts", "dead_runs", "problem")},
        "last_success": utc_or_none(seen.get("last_success")),
    }


@pages.get("/accounts/<name>")
def account(name: str) -> Response:
    """Shows one account: what is due of it, and the state of its entities, from its own database."""
    found = _accounts().get(name)
    entities: list[dict[str, Any]] = []
    problem = ""
    try:
        entities = state_of_account(found, site().settings.accounts)
    except SyncError as exc:
        problem = f"{exc.message} {exc.hint}".strip()
    due = next(row for row in DueWork(site().control).overview() if row["account"] == name)
    seen = glances([found], site().settings.accounts)[name]
    return shown("account.html", {"row": _row(found, due, seen), "entities": entities, "problem": problem})


@pages.post("/accounts/<name>/pause")
def pause(name: str) -> Response:
    """Begins no work for an account; its events are taken, and wait."""
    _accounts().pause(name, _who(), request.form.get("why", "").strip()[:200] or None)
    _note(f"paused the account {name}")
    return done(f"{name} is paused. What comes for it waits.", url_for("accounts.account", name=name))


@pages.post("/accounts/<name>/resume")
def resume(name: str) -> Response:
    """Has an account worked for again, at once."""
    _accounts().resume(name)
    _note(f"resumed the account {name}")
    return done(f"{name} is worked for again.", url_for("accounts.account", name=name))


def _who() -> str:
    return f"{g.user or g.role} (dashboard, {request.remote_addr})"


def _note(message: str) -> None:
    # a database that keeps accounts alone has no log
    with suppress(SchemaMissing):
        note_act(message)


def shows_accounts(of: Site) -> bool:
    """Tells whether pages lead to the accounts: an account's own dashboard shows no other."""
    return bool(of.settings.control_database_url) and not of.settings.account
