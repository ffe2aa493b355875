"""Finds out which fields of an item keep it from its row, so that the others come in: each costs itself only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Map

from databases.postgres.failures import left_empty
from errors import RowRejected
from mappings.bound import BoundMapping
from mappings.declaration import ROOT
from values.wording import shortened

Fields = frozenset[str]
Attempt = Callable[[Fields], RowRejected | None]
"""Tries to write an item without these fields, leaves nothing, and returns why PostgreSQL refuses it, if it does."""


def groups_of(bound: BoundMapping) -> list[Fields]:
    """Returns the fields that can be left out, in groups that go together.

    The fields of a related row stay together: with half of them, another row would be found or filled. Without its own
    natural key a row would not be found again.
    """
    by_home: dict[str, set[str]] = {}
    alone: list[Fields] = []
    keys = {part.column for part in bound.mapping.key}
    for name, place in bound.places.items():
        if place.home != ROOT:
            by_home.setdefault(place.home, set()).add(name)
        elif place.column not in keys or place.key is not None:
            alone.append(frozenset((name,)))
    return [*alone, *map(frozenset, by_home.values())]


def with_their_groups(bound: BoundMapping, reasons: Map[str, str]) -> dict[str, str] | None:
    """Returns the reasons for all fields that go together with these; None when one of them cannot be left out."""
    found: dict[str, str] = {}
    for group in groups_of(bound) if reasons else ():
        if named := [name for name in group if name in reasons]:
            found.update(dict.fromkeys(group, reasons[named[0]]))
    return found if reasons.keys() <= found.keys() else None


def refused_fields(attempt: Attempt, groups: Sequence[Fields], bound: BoundMapping) -> dict[str, str]:
    """Returns the fields that PostgreSQL refuses, with its words; none when it refuses the item without them, too."""
    groups = list(groups)
    while (refusal := attempt(_all_of(groups))) is not None:
        # a field that a new row cannot be without
        needed = [group for group in groups if left_empty(refusal) in _columns(bound, group)]
        if not needed:
            return {}
        groups.remove(needed[0])
    every = _all_of(groups)
    reasons: dict[str, str] = {}
    taken: set[str] = set()

    def add(some: Sequence[Fields]) -> None:
        fields = _all_of(some)
        refusal = attempt(every - taken - fields)
        # all of these are taken
        if refusal is None:
            taken.update(fields)
        # the refused field itself
        elif len(some) == 1:
            reasons.update(dict.fromkeys(fields, str(refusal)))
        # the refused field is among these
        else:
            middle = len(some) // 2
            add(some[:middle])
            add(some[middle:])

    if groups:
        add(groups)
    return reasons


def in_words(reasons: Map[str, str]) -> str:
    """Returns the fields with their reasons; fields with one reason stand together."""
    names: dict[str, list[str]] = {}
    for name, reason in sorted(reasons.items()):
        names.setdefault(reason, []).append(name)
    # PostgreSQL quotes the refused value, however long it is
    return "; ".join(f"{', '.join(fields)}: {shortened(reason)}" for reason, fields in names.items())


def _columns(bound: BoundMapping, fields: Fields) -> set[str]:
    return {place.column for name in fields if (place := bound.places[name]).home == ROOT}


def _all_of(groups: Iterable[Fields]) -> Fields:
    return frozenset().union(*groups)
