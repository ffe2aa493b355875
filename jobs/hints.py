"""Sends messages about what is due, where none is on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from state.due import Due, DueWork

Send = Callable[[Due, int], bool]
"""Sends a message about work that was begun so many times without an end. False: the broker cannot be reached."""


def send_all(due: DueWork, send: Send, work: Iterable[Due]) -> bool:
    """Sends messages about work that is noted as sent. What could not be sent is noted: the tick sends it."""
    unsent = [one for one in work if not send(one, 0)]
    if unsent:
        due.not_sent(unsent)
    return not unsent
