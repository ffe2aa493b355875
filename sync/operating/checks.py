"""Lists all checks, in the order in which they are looked at."""

from __future__ import annotations

from collections.abc import Sequence

from errors import SettingsError
from sync.operating import (
    checks_of_alerts,
    checks_of_boards,
    checks_of_monday,
    checks_of_postgres,
    checks_of_settings,
    checks_of_syncs,
    checks_of_work,
)
from sync.operating.check import Check
from sync.operating.examined import Checks, Examined

WITHOUT_MAPPINGS: tuple[Checks, ...] = (
    checks_of_settings.checks,
    checks_of_postgres.checks,
    checks_of_monday.checks,
    checks_of_syncs.checks,
    checks_of_alerts.checks,
)
BY_ENTITY: tuple[Checks, ...] = (checks_of_boards.checks, checks_of_work.checks)


def all_checks(examined: Examined, more: Sequence[Checks] = (), offline: bool = False) -> list[Check]:
    """Returns all checks, those of one group together. `more` are the checks of rooms above.

    With mappings that are wrong there are only those that need none. Raises SettingsError for an unknown entity.
    """
    if offline:
        return checks_of_settings.checks(examined)
    found = [check for make in WITHOUT_MAPPINGS for check in make(examined)]
    try:
        examined.chosen()
    except SettingsError:
        if examined.entities:
            raise
        return found
    found += [check for make in (*BY_ENTITY, *more) for check in make(examined)]
    groups = list(dict.fromkeys(check.group for check in found))
    return sorted(found, key=lambda check: groups.index(check.group))
