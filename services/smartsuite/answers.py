"""Reads SmartSuite's answers: records of a bulk call in any of its forms, and the words of a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors import SmartSuiteError, SmartSuiteRefused, SuiteRecordGone, ValuesRefused
from services.smartsuite.wire import Reply
from values.wording import shortened

Item = dict[str, Any]


def records_of(body: object) -> list[Item]:
    """Returns the records in the answer of a bulk call: an array, `items`, or `successful_items`."""
    if isinstance(body, Mapping):
        for name in ("successful_items", "items", "records", "results"):
            if isinstance(body.get(name), list):
                return records_of(body[name])
        return [dict(body)] if isinstance(body.get("id"), str) else []
    return [item for item in body if isinstance(item, dict)] if isinstance(body, list) else []


def refusals_of(body: object) -> list[str]:
    """Returns why records of a bulk call that was carried out were left out, where the answer says so."""
    failed = body.get("failed_items") if isinstance(body, Mapping) else None
    listed = failed if isinstance(failed, list) else []
    return [str(part.get("reason") or part) if isinstance(part, Mapping) else str(part) for part in listed]


def words_of(body: object, labels: Mapping[str, str]) -> str:
    """Words what an error says: labels in the place of slugs, nested lists in one line."""
    if isinstance(body, Mapping):
        if set(body) & {"detail", "message", "error", "err"} and not set(body) & set(labels):
            said = next(body[name] for name in ("detail", "message", "error", "err") if name in body)
            return str(said).strip().rstrip(".")
        found = [(str(name), words_of(part, labels)) for name, part in body.items()]
        return "; ".join(f"{labels.get(name, name)}: {words}" for name, words in found if words)
    if isinstance(body, list):
        return "; ".join(filter(None, (words_of(part, labels) for part in body)))
    return "" if body is None else str(body).strip().rstrip(".")


def refusal_of(reply: Reply, what: str, labels: Mapping[str, str]) -> SmartSuiteError:
    """Returns the error for an answer that will be the same next time."""
    body = reply.body
    text = reply.content.decode("utf-8", "replace") if body is None and b"<" not in reply.content[:200] else ""
    said = shortened(words_of(body, labels) or text.strip().rstrip(".") or "no reason is given")
    if reply.status == 401 or (reply.status == 403 and "credential" in said.lower()) or "account id" in said.lower():
        return SmartSuiteRefused(
            f"SmartSuite refuses the key or the account ({reply.status}): {said}.",
            hint="Check SMARTSUITE_TOKEN and SMARTSUITE_ACCOUNT_ID, the word after app.smartsuite.com/ in the address.",
        )
    if reply.status == 403:
        return SmartSuiteRefused(f"SmartSuite does not allow {what}: {said}.", hint="Give the key's member the right.")
    if reply.status == 404:
        return SuiteRecordGone(f"SmartSuite does not find {what}: {said}.")
    if 300 <= reply.status < 400:
        return SmartSuiteRefused(
            f"SmartSuite at this address sends {what} elsewhere ({reply.status}).", hint="Check SMARTSUITE_API_URL."
        )
    return ValuesRefused(said)
