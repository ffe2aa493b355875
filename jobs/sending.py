"""Has runs made by a worker, for a command that waits for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from errors import SettingsError
from jobs.requirements import check_cluster
from settings import Settings
from state.control import open_control
from state.due import RUN, Due, DueWork

log = logging.getLogger("monday_sync")


def ask(settings: Settings, entities: Sequence[str]) -> Sequence[str]:
    """Marks the runs of these entities of an account, or of all that it has, and sends messages. Returns the names."""
    if settings.account is None:
        raise SettingsError("--send is for an account.", hint="python main.py accounts list")
    check_cluster(settings)
    from jobs.celery import send

    db = open_control(settings, max_connections=1)
    try:
        due = DueWork(db)
        known = due.entities(settings.account)
        if missing := sorted(set(entities) - set(known)):
            raise SettingsError(
                f"The account {settings.account} has no {missing[0]}, or no worker has looked at it yet.",
                hint=f"It has: {', '.join(known) or 'nothing yet'}. Start a worker: python main.py worker",
            )
        work = [Due(settings.account, entity, RUN) for entity in entities or known]
        due.mark(work)
    finally:
        db.close()
    sent = [send(one, 0) for one in work]
    if not all(sent):
        log.warning("The broker cannot be reached; the work is sent when it is back.")
    return [one.entity for one in work]
