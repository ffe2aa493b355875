"""Has runs made by a worker, for a command that waits for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from errors import SettingsError
from jobs.hints import send_all
from jobs.requirements import check_cluster
from settings import Settings
from state.control import open_control
from state.due import LOOK, RUN, Due, DueWork

log = logging.getLogger("monday_sync")


FIRST_LOOK_S, LOOK_EVERY_S = 30.0, 0.5
"""How long a worker may take to find out what a new account has, and how often that is asked."""


def ask(settings: Settings, entities: Sequence[str]) -> Sequence[str]:
    """Marks the runs of these entities of an account, or of all that it has, and sends messages. Returns the names."""
    if settings.account is None:
        raise SettingsError("--send is for an account.", hint="python main.py accounts list")
    check_cluster(settings)
    from jobs.celery import send

    db = open_control(settings, max_connections=1)
    try:
        due = DueWork(db)
        known = due.entities(settings.account) or _looked_at(due, settings.account)
        if missing := sorted(set(entities) - set(known)):
            raise SettingsError(
                f"The account {settings.account} has no {missing[0]}, or no worker has looked at it yet.",
                hint=f"It has: {', '.join(known) or 'nothing yet'}. Start a worker: python main.py worker",
            )
        work = [Due(settings.account, entity, RUN) for entity in entities or known]
        due.mark(work)
        if not send_all(due, send, work):
            log.warning("The broker cannot be reached; the work is sent when it is back.")
    finally:
        db.close()
    return [one.entity for one in work]


def _looked_at(due: DueWork, account: str) -> list[str]:
    """Has a worker look at an account that is new, and returns its entities; none when no worker does so in time."""
    from jobs.celery import send

    look = Due(account, "", LOOK)
    due.mark([look])
    send(look, 0)
    begun = time.monotonic()
    while not (found := due.entities(account)) and time.monotonic() - begun < FIRST_LOOK_S:
        time.sleep(LOOK_EVERY_S)
    return found
