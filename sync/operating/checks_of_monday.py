"""Checks monday.com: the address, the key and whose it is, the version that answers, clock, speed and budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from urllib.parse import urlsplit

from errors import MondayError, MondayRefused, MondayUnavailable, SyncError
from mappings.query_syncs import FILE
from services.monday.failures import API_URL
from state.runs import calls_today
from sync.operating.check import Check, Seen, failed, fault, note, ok, unseen, warning
from sync.operating.examined import Examined
from values.wording import counted

GROUP = "monday.com"
NOT_THE_API = ("WRONG_ADDRESS", "INVALID_ADDRESS", "PAGE", "NOT_JSON")
CLOCKS_APART_S = 5.0
SLOW_S = 2.0
ITEMS_PER_CALL = 400
"""How many items a call reads on the average of a whole run."""
KINDS = {
    "guest": "A guest sees only boards that are shared with the guest, and may not make columns.",
    "view_only": "A viewer may change nothing on a board.",
}


def checks(examined: Examined) -> list[Check]:
    """Returns the checks of monday.com; all but the last two look at one answer."""
    there = ("monday.key",)
    return [
        Check("monday.reach", GROUP, lambda: _reach(examined)),
        Check("monday.key", GROUP, lambda: _key(examined), ("monday.reach",)),
        Check("monday.version", GROUP, lambda: _version(examined), there),
        Check("monday.clock", GROUP, lambda: _clock(examined), there),
        Check("monday.latency", GROUP, lambda: _latency(examined), there),
        Check("monday.budget", GROUP, lambda: _budget(examined), there),
    ]


def _reach(examined: Examined) -> Iterator[Seen]:
    """Tells a wrong address from a wrong key: both are answered by a refusal."""
    url = examined.settings.api_url
    remedy = f"Set MONDAY_API_URL to {API_URL}, or take it out; the sandbox prints its own."
    if examined.reading.is_wrong("MONDAY_API_URL"):
        yield fault("MONDAY_API_URL is no address.", remedy, "MONDAY_API_URL")
        return
    if not examined.settings.api_key:
        yield ok("not asked without a key")
        return
    try:
        examined.whose()
    except MondayError as exc:
        if _no_api(exc, url):
            yield fault(f"What answers at {url} is not the API: {exc.message}", remedy, "MONDAY_API_URL")
            return
        if isinstance(exc, MondayUnavailable):
            yield failed(exc, "MONDAY_API_URL")
            return
    yield ok(f"answers at {urlsplit(url).netloc}")


def _no_api(exc: MondayError, url: str) -> bool:
    if exc.code in NOT_THE_API or exc.trace.http_status == 404:
        return True
    # a refusal at another path need not be about the key
    return isinstance(exc, MondayRefused) and not urlsplit(url).path.endswith("/v2")


def _key(examined: Examined) -> Iterator[Seen]:
    if not examined.settings.api_key and (examined.home / FILE).exists():
        yield unseen("MONDAY_API_KEY is not set, which syncs of queries do not need")
        return
    whose = examined.whose()
    who = f"key of {whose.name or 'a user without a name'} ({whose.kind})" + f" on {whose.account}" * bool(
        whose.account
    )
    if whose.kind.startswith("external_agent"):
        told = f"{who}: an agent may neither archive items nor make webhooks."
        yield warning(told, "Set MONDAY_API_KEY to a personal token.", "MONDAY_API_KEY")
    elif whose.kind in KINDS:
        yield warning(f"{who}. {KINDS[whose.kind]}", "Set MONDAY_API_KEY to the token of a member.", "MONDAY_API_KEY")
    else:
        yield ok(who)


def _version(examined: Examined) -> Iterator[Seen]:
    asked, answered = examined.settings.api_version, examined.whose().version
    if answered and answered != asked:
        told = f"Version {asked} is asked for, and monday.com answers in {answered}."
        yield warning(told, f"Set MONDAY_API_VERSION to {answered}, or take it out.", "MONDAY_API_VERSION")
    else:
        yield ok(f"version {asked} as asked")


def _clock(examined: Examined) -> Iterator[Seen]:
    apart = abs((examined.client().server_time() - datetime.now(timezone.utc)).total_seconds())
    if apart > CLOCKS_APART_S:
        told = f"The clock of monday.com and the clock of this machine are {apart:,.0f} s apart."
        yield warning(told, "Set the clock of this machine by NTP, for example: timedatectl set-ntp true")
    else:
        yield ok(f"clock {max(0.0, apart - 1):.0f} s apart")


def _latency(examined: Examined) -> Iterator[Seen]:
    """Asks once more: the first call also opened the connection."""
    began = time.monotonic()
    examined.budget()
    took = time.monotonic() - began
    told = f"{took * 1000:.0f} ms"
    yield note(f"slow: {told} a call", "Look at the network, or at a proxy in between.") if took > SLOW_S else ok(told)


def _budget(examined: Examined) -> Iterator[Seen]:
    """Holds the calls that are left today against what one run of everything costs."""
    budget, share = examined.budget(), examined.settings.daily_calls
    total, used = budget.total or budget.base, budget.used_today
    left = [] if total is None or used is None else [max(0, int(total - used))]
    if share is not None:
        left.append(max(0, int(share - _used(examined))))
    if not left:
        yield ok("monday.com does not tell how many calls are left today")
        return
    cost, of = _cost(examined), share or total or 0
    told = f"{counted(min(left))} of {counted(of)} calls left today"
    if min(left) < cost:
        remedy = "Wait until 00:00 UTC, or raise MONDAY_DAILY_CALLS if the plan has more."
        yield warning(f"{told}, and one run of everything costs about {counted(cost)}.", remedy, "MONDAY_DAILY_CALLS")
    else:
        yield ok(told)


def _used(examined: Examined) -> float:
    try:
        with examined.database().transaction(read_only=True) as tx:
            return calls_today(tx)
    except SyncError:
        return 0.0


def _cost(examined: Examined) -> int:
    boards = [board for board in examined.boards().values() if not isinstance(board, Exception)]
    return sum(2 + (board.items_count or 0) // ITEMS_PER_CALL for board in boards) + 2
