"""Tells the failing answers of monday.com apart: one shape for all of them, and what each of them calls for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

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
)


class Remedy(Enum):
    """Lists what a failure calls for; the earlier remedy decides when an answer carries several failures."""

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
    Remedy.REJECTED: "Check MONDAY_API_VERSION: the query is written for version 2026-07.",
    Remedy.REFUSED: "Check MONDAY_API_KEY, its scopes, and the rights of its user on the board.",
    Remedy.BOARD: "Share the board with the token's owner, or correct its id.",
    Remedy.SHRINK: "Ask for fewer columns, or for fewer items at a time.",
}

# Codes are compared without case and punctuation: RATE_LIMIT_EXCEEDED and RateLimitExceeded are one.
_BY_CODE: Mapping[str, tuple[Remedy, str]] = {
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
    "timeout": (Remedy.AGAIN, "timeout"),
    "notjson": (Remedy.AGAIN, "gateway"),
    "cursorexception": (Remedy.RESTART, "cursor"),
    "cursorexpirederror": (Remedy.RESTART, "cursor"),
    "invalidboardidexception": (Remedy.BOARD, "board"),
    "invaliditemidexception": (Remedy.GONE, "item"),
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
        (
            "userunauthorizedexception userunauthorized useraccessdenied missingrequiredpermissions"
            " unauthorizedfieldortype notauthenticated usernotauthenticated unauthorized"
        ).split(),
        (Remedy.REFUSED, "rights"),
    ),
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
_BY_MESSAGE: tuple[tuple[re.Pattern[str], Remedy, str], ...] = tuple(
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
        (r"not authenticated|unauthorized|ip is restricted|access denied", Remedy.REFUSED, "rights"),
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

_BY_STATUS: Mapping[int, tuple[Remedy, str]] = {
    408: (Remedy.AGAIN, "timeout"),
    409: (Remedy.WAIT, "conflict"),
    413: (Remedy.SHRINK, "size"),
    423: (Remedy.WAIT, "locked"),
    429: (Remedy.WAIT, "minute"),
    500: (Remedy.AGAIN, "server"),
    504: (Remedy.AGAIN, "timeout"),
    524: (Remedy.AGAIN, "timeout"),
    400: (Remedy.REJECTED, "query"),
    401: (Remedy.REFUSED, "rights"),
    403: (Remedy.REFUSED, "rights"),
}

Json = Mapping[str, Any]
"""A JSON object of an answer."""

_RESET_IN = re.compile(r"reset in (\d+(?:\.\d+)?) seconds?", re.IGNORECASE)
_COST = re.compile(r"query cost (\d+).*?out of (\d+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Failure:
    """Describes one failure in one shape, whichever layer of monday.com it came from."""

    http_status: int
    code: str
    message: str
    path: tuple[Any, ...] = ()
    retry_in_seconds: float | None = None
    error_data: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""
    status: int = 0
    """The logical status; monday.com reports most failures with HTTP 200 and this one inside."""

    @property
    def remedy(self) -> Remedy:
        """Returns what it calls for."""
        return _judge(self)[0]

    @property
    def cause(self) -> str:
        """Returns one word for statistics and log lines."""
        return _judge(self)[1]

    def exception(self, message: str = "", remedy: Remedy | None = None) -> MondayError:
        """Makes the error of the tool's family that says the same; `remedy` when more is known than the answer tells."""
        remedy = remedy or self.remedy
        return EXCEPTIONS[remedy](
            message or sentence(self),
            hint=HINTS.get(remedy, ""),
            code=self.code,
            http_status=self.http_status,
            path=self.path,
            error_data=dict(self.error_data),
            request_id=self.request_id,
        )


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """Holds what came back: `data`, and the failures that stand beside it or instead of it."""

    data: Mapping[str, Any] | None
    failures: tuple[Failure, ...] = ()
    replayed: bool = False


def _judge(failure: Failure) -> tuple[Remedy, str]:
    """Judges by the code first, then by the words, then by the numbers."""
    known = _BY_CODE.get(_plain(failure.code))
    if known and not (known[1] == "record" and "board not found" in failure.message.lower()):
        return _heavier_than_any_budget(failure) or known
    for pattern, remedy, cause in _BY_MESSAGE:
        if pattern.search(failure.message):
            return _heavier_than_any_budget(failure) or (remedy, cause)
    if known:
        return Remedy.BOARD, "board"
    return _by_status(failure)


def _by_status(failure: Failure) -> tuple[Remedy, str]:
    for status in (failure.status, failure.http_status):
        if failure.path and status in (400, 404):
            break
        if status in _BY_STATUS:
            return _BY_STATUS[status]
        if status >= 500:
            return Remedy.AGAIN, "gateway"
    if failure.http_status in range(300, 500) and not failure.path and not failure.code:
        return Remedy.REFUSED, "address"
    return Remedy.RECORD, "record"


def _heavier_than_any_budget(failure: Failure) -> tuple[Remedy, str] | None:
    """Finds a query that costs more than a full budget holds: waiting does not help it."""
    found = _COST.search(failure.message)
    data = failure.error_data
    cost = _whole(found[1] if found else data.get("complexity"))
    limit = _whole(found[2] if found else data.get("complexity_budget_limit"))
    return (Remedy.SHRINK, "complexity") if cost > limit > 0 else None


def _plain(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.lower())


def sentence(failure: Failure) -> str:
    """Says the failure to a person: what monday.com said, where, and the id to quote to its support."""
    text = failure.message.strip() or failure.code or f"HTTP {failure.http_status}"
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
        http_status=failure.http_status,
        path=failure.path,
        error_data=dict(failure.error_data),
        request_id=failure.request_id,
    )


def gravest(failures: Iterable[Failure]) -> Failure:
    """Returns the failure that decides what happens to the whole answer."""
    order = list(Remedy)
    return min(failures, key=lambda failure: order.index(failure.remedy))


def failures_in(http_status: int, headers: Mapping[str, str], body: object) -> tuple[Failure, ...]:
    """Returns all failures of one answer; `body` is the decoded JSON, or None when it was none."""
    top = body if isinstance(body, dict) else {}
    entries = top.get("errors")
    if isinstance(entries, (str, dict)):
        entries = [entries]
    found = [entry for entry in entries or () if entry is not None] if isinstance(entries, list) else []
    old_style = any(top.get(key) for key in ("error_code", "error_message", "error"))
    if not found and old_style:
        found = [{}]
    if not found and isinstance(entries, list) and entries:
        found = ["An error without a description"]
    waited = _header_wait({name.lower(): value for name, value in headers.items()})
    request_id = _request_id(top, headers)
    failures = tuple(_failure(http_status, entry, top if old_style else {}, waited, request_id) for entry in found)
    return failures or _failure_without_errors(http_status, body, waited, request_id)


def _failure_without_errors(
    http_status: int, body: object, waited: float | None, request_id: str
) -> tuple[Failure, ...]:
    """Finds what is wrong without an entry: gateways answer in HTML, and a cut connection leaves half a document."""
    fine = 200 <= http_status < 300
    if fine and isinstance(body, dict) and isinstance(body.get("data"), dict):
        return ()
    if fine:
        what = "The answer was not JSON, or was cut short" if not isinstance(body, dict) else "The answer was empty"
        return (Failure(http_status, "NOT_JSON", what, retry_in_seconds=waited, request_id=request_id),)
    message = f"HTTP {http_status}"
    return (Failure(http_status, "", message, retry_in_seconds=waited, request_id=request_id, status=http_status),)


def _failure(http_status: int, found: object, top: Json, waited: float | None, request_id: str) -> Failure:
    entry: Json = found if isinstance(found, dict) else {"message": str(found)}
    extensions = _mapping(entry.get("extensions"))
    data = next((told for holder in (extensions, entry, top) if (told := _mapping(holder.get("error_data")))), {})
    message = str(entry.get("message") or top.get("error_message") or top.get("error") or "")
    codes = (
        extensions.get("code"),
        extensions.get("error_code"),
        entry.get("code"),
        entry.get("error_code"),
        top.get("error_code"),
        data.get("error_code"),
    )
    path = entry.get("path")
    return Failure(
        http_status=http_status,
        code=next((str(code) for code in codes if code), ""),
        message=message,
        path=tuple(path) if isinstance(path, (list, tuple)) else (),
        retry_in_seconds=_asked_wait((extensions, data, entry, top), message) if waited is None else waited,
        error_data=data | _numbers(extensions),
        request_id=request_id,
        status=_whole(
            extensions.get("status_code") or entry.get("status_code") or top.get("status_code") or http_status
        ),
    )


def _asked_wait(holders: Sequence[Json], message: str) -> float | None:
    """Returns the wait that monday.com asks for, in whichever of its places it stands; `extensions` is the first."""
    extensions = holders[0]
    for holder in holders:
        seconds = _seconds(holder.get("retry_in_seconds"))
        if seconds is not None:
            return seconds
    milliseconds = _seconds(extensions.get("retryAfterMs"))
    if milliseconds is not None:
        return milliseconds / 1000
    found = _RESET_IN.search(message)
    return float(found[1]) + 1 if found else _seconds(extensions.get("reset_in_x_seconds"))


def _header_wait(headers: Mapping[str, str]) -> float | None:
    """Reads `Retry-After`: seconds, or, from proxies, a date; the answer's own `Date` says what time it is."""
    text = headers.get("retry-after", "")
    seconds = _seconds(text)
    if seconds is not None or not text:
        return seconds
    try:
        until = parsedate_to_datetime(text)
        since = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(timezone.utc)
        return max(0.0, (until - since).total_seconds())
    except (TypeError, ValueError):
        return None


def _request_id(top: Json, headers: Mapping[str, str]) -> str:
    inside = _mapping(top.get("extensions")).get("request_id")
    return str(inside or next((value for name, value in headers.items() if name.lower() == "x-request-id"), ""))


def _numbers(extensions: Json) -> dict[str, Any]:
    """Returns the budget as answers of 2025-01 have it: beside the code, not in `error_data`."""
    return {key: extensions[key] for key in ("complexity", "complexity_budget_limit") if key in extensions}


def _seconds(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _mapping(value: object) -> dict[str, Any]:
    """Returns an object, which may come as a text; {} for anything else."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
