"""Classifies the failing answers of monday.com: one shape for all of them, and what to do after each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct, field

from errors import (
    BoardNotVisible,
    CursorExpired,
    DailyLimitReached,
    ItemGone,
    MondayError,
    MondayRefused,
    MondayUnavailable,
    OutcomeUnknown,
    QueryRejected,
    QueryTooHeavy,
    RecordRefused,
    Trace,
    WrongAddress,
)

API_URL = "https://api.monday.com/v2"
WRITTEN_FOR = "2026-10"
"""The version of the API that the tool's documents are written for."""


class Remedy(Enum):
    """Lists what can be done after a failure; the earlier remedy decides when an answer has several failures."""

    DAILY = "stop until the next day"
    REJECTED = "mend the query"
    RESTART = "start the listing again"
    SHRINK = "ask for less at a time"
    WAIT = "it did not run: the same again after a pause"
    AGAIN = "it may have run: the same again, a bounded number of times"
    REFUSED = "mend the key or its rights"
    BOARD = "the board is not visible"
    GONE = "the item is gone"
    RECORD = "give up on this record"


RETRYABLE = frozenset({Remedy.SHRINK, Remedy.WAIT, Remedy.AGAIN})

EXCEPTIONS: Mapping[Remedy, type[MondayError]] = {
    Remedy.DAILY: DailyLimitReached,
    Remedy.REJECTED: QueryRejected,
    Remedy.RESTART: CursorExpired,
    Remedy.SHRINK: QueryTooHeavy,
    Remedy.WAIT: MondayUnavailable,
    Remedy.AGAIN: MondayUnavailable,
    Remedy.REFUSED: MondayRefused,
    Remedy.BOARD: BoardNotVisible,
    Remedy.GONE: ItemGone,
    Remedy.RECORD: RecordRefused,
}

HINTS: Mapping[Remedy, str] = {
    Remedy.DAILY: "The plan's daily calls start anew at 00:00 UTC; MONDAY_DAILY_CALLS keeps a share for others.",
    Remedy.REJECTED: f"Check MONDAY_API_VERSION: the query is written for version {WRITTEN_FOR}.",
    Remedy.REFUSED: "Check MONDAY_API_KEY, its scopes, and the rights of its user on the board.",
    Remedy.BOARD: "Share the board with the token's owner, or correct its id.",
    Remedy.SHRINK: "Ask for fewer columns, or for fewer items at a time.",
}

HINTS_BY_CAUSE: Mapping[str, str] = {
    "key": "Check MONDAY_API_KEY: the key is wrong, or was made anew meanwhile.",
    "scopes": "Give the app of MONDAY_API_KEY the scopes that it lacks, or use a personal token.",
    "oauth": "This version of the API takes no key of OAuth 2.0: set MONDAY_API_KEY to a personal token or to one of "
    f"OAuth 2.1, or MONDAY_API_VERSION to {WRITTEN_FOR}.",
    "address list": "The account admits only some IP addresses: let an admin of it add the address of this machine.",
    "plan": "The plan of the account does not include this.",
    "address": f"Check MONDAY_API_URL: that of monday.com is {API_URL}; the sandbox prints its own.",
    "proxy": "The proxy in between wants a name and a password: put them into HTTPS_PROXY.",
    "rule": "The board has a rule for these columns: correct the value, or change the rule on the board.",
}
"""Says more than the remedy tells."""

# Codes are compared without case and punctuation: RATE_LIMIT_EXCEEDED and RateLimitExceeded are one.
BY_CODE: Mapping[str, tuple[Remedy, str]] = {
    "complexitybudgetexhausted": (Remedy.WAIT, "complexity"),
    "complexityexception": (Remedy.WAIT, "complexity"),
    "maxcomplexityexceeded": (Remedy.SHRINK, "complexity"),
    "ratelimitexceeded": (Remedy.WAIT, "minute"),
    "minutelimitrateexceeded": (Remedy.WAIT, "minute"),
    "calllimitexceeded": (Remedy.WAIT, "minute"),
    "maxconcurrencyexceeded": (Remedy.WAIT, "concurrency"),
    "concurrencylimitexceeded": (Remedy.WAIT, "concurrency"),
    "ipratelimitexceeded": (Remedy.WAIT, "ip"),
    "dailylimitexceeded": (Remedy.DAILY, "daily"),
    "fieldlimitexceeded": (Remedy.WAIT, "field"),
    "fieldminuteratelimitexceeded": (Remedy.SHRINK, "field"),
    "apitemporarilyblocked": (Remedy.WAIT, "blocked"),
    "resourcelocked": (Remedy.WAIT, "locked"),
    "idempotencyconflict": (Remedy.WAIT, "conflict"),
    "internalservererror": (Remedy.AGAIN, "server"),
    "network": (Remedy.AGAIN, "network"),
    "unreachable": (Remedy.WAIT, "network"),
    "invalidaddress": (Remedy.REFUSED, "address"),
    "wrongaddress": (Remedy.REFUSED, "address"),
    "timeout": (Remedy.AGAIN, "timeout"),
    "notjson": (Remedy.AGAIN, "gateway"),
    "page": (Remedy.AGAIN, "gateway"),
    "cursorexception": (Remedy.RESTART, "cursor"),
    "cursorexpirederror": (Remedy.RESTART, "cursor"),
    "invalidboardidexception": (Remedy.BOARD, "board"),
    "invaliditemidexception": (Remedy.GONE, "item"),
    "datavalidationserror": (Remedy.RECORD, "rule"),
    "oauth21tokenrequired": (Remedy.REFUSED, "oauth"),
    "missingrequiredpermissions": (Remedy.REFUSED, "scopes"),
    "forbiddenexception": (Remedy.RECORD, "plan"),
    **dict.fromkeys(
        (
            "columnvalueexception correctedvalueexception invalidcolumnidexception invaliduseridexception"
            " invalidargumentexception invalidinputerror invalidargument itemnametoolongexception"
            " itemslimitationexception createboardexception resourcenotfoundexception deletelastgroupexception"
            " recordinvalidexception assetunavailable"
        ).split(),
        (Remedy.RECORD, "record"),
    ),
    **dict.fromkeys(
        ("userunauthorizedexception userunauthorized useraccessdenied unauthorizedfieldortype unauthorized").split(),
        (Remedy.REFUSED, "rights"),
    ),
    **dict.fromkeys(("notauthenticated", "usernotauthenticated"), (Remedy.REFUSED, "key")),
    **dict.fromkeys(
        (
            "invalidversionexception badrequest jsonparseexception graphqlparsefailed parsingerror"
            " invalidgraphqlrequest graphqlvalidationfailed undefinedfield undefinedtype argumentnotaccepted"
            " argumentliteralsincompatible missingrequiredarguments variablemismatch maxdepthexceeded"
        ).split(),
        (Remedy.REJECTED, "query"),
    ),
}

# Some layers send no code at all; then the words decide, the first that fit.
BY_MESSAGE: tuple[tuple[re.Pattern[str], Remedy, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), remedy, cause)
    for pattern, remedy, cause in (
        (r"daily (call )?limit", Remedy.DAILY, "daily"),
        (r"complexity budget exhausted", Remedy.WAIT, "complexity"),
        (r"max(imum)? complexity|query has complexity", Remedy.SHRINK, "complexity"),
        (r"concurrency limit exceeded for the field", Remedy.WAIT, "field"),
        (r"concurrency", Remedy.WAIT, "concurrency"),
        (r"rate limit exceeded for ip", Remedy.WAIT, "ip"),
        (r"minute limit|rate limit|call limit exceeded|too many requests", Remedy.WAIT, "minute"),
        (r"currently locked", Remedy.WAIT, "locked"),
        (r"temporarily blocked", Remedy.WAIT, "blocked"),
        (r"idempotency key is currently", Remedy.WAIT, "conflict"),
        (r"cursorexpired|cursor .*expired", Remedy.RESTART, "cursor"),
        (r"internal server error", Remedy.AGAIN, "server"),
        (r"timed? ?out", Remedy.AGAIN, "timeout"),
        (r"^(your )?ip is restricted", Remedy.REFUSED, "address list"),
        (r"^(user )?not authenticated", Remedy.REFUSED, "key"),
        (r"^((user )?unauthorized|access denied)", Remedy.REFUSED, "rights"),
        (
            r"parse error|syntax error|cannot query field|doesn't exist on type|unknown (argument|type|fragment)"
            r"|cannot represent|variable \"?\$|has an invalid value|must have a selection|expected (type|value)"
            r"|is required, but it was not provided|bad request|not defined by type",
            Remedy.REJECTED,
            "query",
        ),
        (r"board does not exist", Remedy.BOARD, "board"),
        (r"item not found", Remedy.GONE, "item"),
    )
)

BY_STATUS: Mapping[int, tuple[Remedy, str]] = {
    408: (Remedy.AGAIN, "timeout"),
    409: (Remedy.WAIT, "conflict"),
    413: (Remedy.SHRINK, "size"),
    423: (Remedy.WAIT, "locked"),
    429: (Remedy.WAIT, "minute"),
    500: (Remedy.AGAIN, "server"),
    504: (Remedy.AGAIN, "timeout"),
    524: (Remedy.AGAIN, "timeout"),
    400: (Remedy.REJECTED, "query"),
    401: (Remedy.REFUSED, "key"),
    407: (Remedy.REFUSED, "proxy"),
    403: (Remedy.REFUSED, "rights"),
}

_BOARD_NOT_FOUND = re.compile(r"board not found\.?", re.IGNORECASE)
_COST = re.compile(r"query cost (\d+).*?out of (\d+)", re.IGNORECASE | re.DOTALL)


class Failure(Struct, frozen=True):
    """Describes one failure in one shape, whichever layer of monday.com it came from."""

    http_status: int
    code: str
    message: str
    path: tuple[Any, ...] = ()
    retry_in_seconds: float | None = None
    error_data: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What the board's own rules say: a sentence, and the columns that it is about."""
    request_id: str = ""
    status: int = 0
    """The logical status; monday.com reports most failures with HTTP 200 and this one inside."""
    judged: tuple[Remedy, str] | None = None
    """What it calls for and one word for it, when that was found before its texts were masked."""

    @property
    def remedy(self) -> Remedy:
        """Returns what it calls for."""
        return (self.judged or _judge(self))[0]

    @property
    def cause(self) -> str:
        """Returns one word for statistics and log lines."""
        return (self.judged or _judge(self))[1]

    def exception(self, message: str = "", remedy: Remedy | None = None) -> MondayError:
        """Makes the tool's error for this failure; `remedy` when more is known than the answer tells."""
        remedy = remedy or self.remedy
        elsewhere = remedy is Remedy.REFUSED and self.cause == "address"
        return (WrongAddress if elsewhere else EXCEPTIONS[remedy])(
            message or sentence(self),
            hint=self._hint(remedy),
            code=self.code,
            trace=Trace(self.http_status, self.request_id),
            path=self.path,
            error_data=dict(self.error_data),
        )

    def _hint(self, remedy: Remedy) -> str:
        own = HINTS_BY_CAUSE.get(self.cause, "") if remedy is self.remedy else ""
        return own or HINTS.get(remedy, "")


class ApiAnswer(Struct, frozen=True):
    """Holds what came back: `data`, and the failures that stand beside it or instead of it."""

    data: Mapping[str, Any] | None
    failures: tuple[Failure, ...] = ()
    replayed: bool = False


def _judge(failure: Failure) -> tuple[Remedy, str]:
    """Judges by the code first, then by the words, then by the numbers."""
    known = BY_CODE.get(_plain(failure.code))
    if known and known[1] == "record" and _BOARD_NOT_FOUND.fullmatch(failure.message):
        return Remedy.BOARD, "board"  # the record is refused because its board is not there
    if known:
        return _heavier_than_any_budget(failure) or known
    # the words of a message with a code may be a user's own: only without a code do they tell
    for pattern, remedy, cause in () if failure.code else BY_MESSAGE:
        if pattern.search(failure.message):
            return _heavier_than_any_budget(failure) or (remedy, cause)
    return _by_status(failure)


def _by_status(failure: Failure) -> tuple[Remedy, str]:
    for status in (failure.status, failure.http_status):
        if failure.path and status in (400, 404):
            break  # it is about one field of the answer, not about the request
        if status in BY_STATUS:
            return BY_STATUS[status]
        if status >= 500:
            return Remedy.AGAIN, "gateway"  # some layer before monday.com
    if failure.http_status in range(300, 500) and not failure.path and not failure.code:
        return Remedy.REFUSED, "address"  # whatever answers there, it is not the API
    return Remedy.RECORD, "record"


def _heavier_than_any_budget(failure: Failure) -> tuple[Remedy, str] | None:
    """Finds a query that costs more than a full budget holds: waiting does not help it."""
    found = _COST.search(failure.message)
    data = failure.error_data
    cost = whole(found[1] if found else data.get("complexity"))
    limit = whole(found[2] if found else data.get("complexity_budget_limit"))
    return (Remedy.SHRINK, "complexity") if cost > limit > 0 else None


def _plain(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.lower())


def sentence(failure: Failure) -> str:
    """Describes the failure to a user: what monday.com said, where, and the id to quote to its support."""
    text = failure.message.strip() or failure.code or f"HTTP {failure.http_status}"
    if failure.rules:
        text = "; ".join(said + (f" [{', '.join(columns)}]" if columns else "") for said, columns in failure.rules)
    where = f" at {'.'.join(map(str, failure.path))}" if failure.path else ""
    code = f" ({failure.code})" if failure.code and failure.code not in text else ""
    request = f" [request {failure.request_id}]" if failure.request_id else ""
    return f"monday.com: {text.rstrip('.')}{code}{where}.{request}"


def unknown(failure: Failure, message: str = "") -> OutcomeUnknown:
    """Makes the error for a change that may have been applied."""
    return OutcomeUnknown(
        message or f"It is not known whether a change was applied. {sentence(failure)}",
        hint="Read the item again before repeating the change.",
        code=failure.code,
        trace=Trace(failure.http_status, failure.request_id),
        path=failure.path,
        error_data=dict(failure.error_data),
    )


def gravest(failures: Iterable[Failure]) -> Failure:
    """Returns the failure that decides what happens to the whole answer."""
    order = list(Remedy)
    return min(failures, key=lambda failure: order.index(failure.remedy))


def whole(value: Any) -> int:
    """Returns a whole number; 0 for anything else."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
