"""Reads the failures out of an answer of monday.com, whichever of its layers wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from services.monday.failures import BY_STATUS, RETRYABLE, Failure, whole

Json = Mapping[str, Any]
"""A JSON object of an answer."""

_RESET_IN = re.compile(r"reset in (\d+(?:\.\d+)?) seconds?", re.IGNORECASE)


def failures_in(http_status: int, headers: Mapping[str, str], body: object) -> tuple[Failure, ...]:
    """Returns all failures of one answer; `body` is the decoded JSON, or None when it was none."""
    top = body if isinstance(body, dict) else {}
    entries = top.get("errors")
    if isinstance(entries, (str, dict)):
        entries = [entries]
    found = [entry for entry in entries or () if entry is not None] if isinstance(entries, list) else []
    old_style = any(top.get(key) for key in ("error_code", "error_message", "error"))
    if not found and old_style:
        found = [{}]  # what is wrong stands at the top
    if not found and isinstance(entries, list) and entries:
        found = ["An error without a description"]
    waited = _header_wait({name.lower(): value for name, value in headers.items()})
    request_id = _request_id(top, headers)
    failures = tuple(_failure(http_status, entry, top if old_style else {}, waited, request_id) for entry in found)
    if failures:
        return failures
    return (
        (_page(http_status, request_id, waited),)
        if _is_page(headers, body)
        else _without_errors(http_status, body, waited, request_id)
    )


def _is_page(headers: Mapping[str, str], body: object) -> bool:
    """Tells whether a page for people came instead of an answer."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return body is None and kind.lower().startswith("text/html")


def _page(http_status: int, request_id: str, waited: float | None) -> Failure:
    """Describes a page: of a gateway that is in trouble, or of an address where the API is not."""
    in_trouble = http_status >= 500 or http_status in BY_STATUS and BY_STATUS[http_status][0] in RETRYABLE
    fine = 200 <= http_status < 300
    code = "" if in_trouble else "PAGE" if fine else "WRONG_ADDRESS"
    message = f"HTTP {http_status}" + (" and a page of HTML, which is no answer of the API" if code else "")
    return Failure(
        http_status, code, message, retry_in_seconds=waited, request_id=request_id, status=http_status * in_trouble
    )


def _without_errors(http_status: int, body: object, waited: float | None, request_id: str) -> tuple[Failure, ...]:
    """Finds what is wrong without an entry: a cut connection leaves half a document."""
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
    broken = next((rules for holder in (extensions, entry, top) if (rules := _rules(holder.get("error_data")))), ())
    return Failure(
        http_status=http_status,
        code=next((str(code) for code in codes if code), ""),
        message=message,
        path=tuple(path) if isinstance(path, (list, tuple)) else (),
        retry_in_seconds=_asked_wait((extensions, data, entry, top), message) if waited is None else waited,
        error_data=data | _numbers(extensions),
        rules=broken,
        request_id=request_id,
        status=whole(
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


def _rules(told: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Reads a list of broken rules: each has a message and the columns that it is about."""
    if isinstance(told, str) and told.startswith("["):
        try:
            told = json.loads(told)
        except ValueError:
            return ()
    entries = [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    return tuple(
        (str(entry.get("message") or "a rule of the board").rstrip("."), _texts(entry.get("columnIds")))
        for entry in entries
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(part) for part in value) if isinstance(value, list) else ()


def _mapping(value: object) -> dict[str, Any]:
    """Returns an object, which may come as a text; {} for anything else."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
