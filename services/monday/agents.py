"""Tells what the key of an agent may not do, once monday.com has refused it."""

from __future__ import annotations

from errors import MondayError, MondayRefused
from services.monday.calls import Caller
from services.monday.queries import KIND_OF_KEY, Request

KINDS_SINCE = "2026-07"


def explained(caller: Caller, refusal: MondayError, what: str) -> MondayError:
    """Returns the refusal, or, where the key is that of an agent, which never may do this, an error that says so."""
    if not isinstance(refusal, MondayRefused) or not is_agent(caller):
        return refusal
    return MondayRefused(
        f"MONDAY_API_KEY is the key of an agent, and an agent may not {what}.",
        hint="Use a personal token. For items alone, `on_row_removed: delete` in the mapping does without archiving.",
        code=refusal.code,
        trace=refusal.trace,
        path=refusal.path,
    )


def is_agent(caller: Caller) -> bool:
    """Asks whether the key is that of an agent; False where monday.com does not say."""
    if caller.line.version < KINDS_SINCE:
        return False
    me = (caller.call(Request(KIND_OF_KEY)).data or {}).get("me") or {}
    return str(me.get("kind") or "").startswith("external_agent")
