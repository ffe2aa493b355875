"""Holds what the pages of entities and of syncs say in the same way."""

from __future__ import annotations

PAUSE_HOURS = ("1", "8", "24")
FAILED = ("failed", "died")


def need(sentence: str, to: str, button: str) -> dict[str, str]:
    """Returns what waits for a user, with the page where it is dealt with."""
    return {"sentence": sentence, "to": to, "button": button}
