"""Carries out which side a user lets win where a row of a query and its record have changed one field both."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from errors import CarriedOutOrNot, SettingsError, SuiteRecordGone, ValuesRefused
from mappings.query_syncs import QuerySync
from services.smartsuite.client import BULK
from services.smartsuite.shown import shows
from services.smartsuite.structure import Field
from state.disputes import SUPERSEDED, newest_of
from state.held import decided
from state.records import Known, Records
from sync.queries.edited import OF_SMARTSUITE, OF_SOURCE, by_id
from sync.queries.forms import forms_of
from sync.queries.parts import SuiteParts
from sync.queries.target import Cells, Target, target_of
from sync.queries.write import unwritten
from values.slices import batched

log = logging.getLogger("monday_sync")

SIDES = (OF_SOURCE, OF_SMARTSUITE)
EDITED = "SmartSuite shows another value since; --force overwrites it"
NEWER = "the row has another value since; the next run tells it, or --force goes by the older one"
GONE = "its record or its row is gone"

NAMES = {
    "entity": "sync",
    "entity_id": "key",
    "monday_id": "record_id",
    "monday_value": "smartsuite_value",
    "postgres_value": "source_value",
    "monday_changed_at": "smartsuite_changed_at",
    "postgres_changed_at": "source_changed_at",
}
"""What the parts of a conflict are called where it is one of a sync."""


def shape_of(conflict: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a conflict of a sync in the documented shape."""
    return {NAMES.get(name, name): value for name, value in conflict.items() if name != "entity_type"}


class Settled(Struct, frozen=True):
    """Tells what became of a conflict that was to be settled."""

    conflict: dict[str, Any]
    winner: str
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        told = shape_of(self.conflict)
        shown = {name: told[name] for name in ("id", "sync", "key", "record_id", "field")}
        return {**shown, "winner": self.winner, "resolved": not self.problem, "problem": self.problem}


def settle(
    parts: SuiteParts,
    syncs: Mapping[str, QuerySync],
    found: Sequence[dict[str, Any]],
    winner: str,
    force: bool = False,
    dry_run: bool = False,
) -> list[Settled]:
    """Lets one side win in each of these conflicts; returns what became of each, in their order.

    What was edited since is overwritten only with `force`. With `dry_run` it returns what would become of each, and
    writes nothing.
    """
    with parts.db.transaction(read_only=True) as tx:
        newest = newest_of(tx, found)
    problems = {conflict["id"]: SUPERSEDED for conflict in found if conflict["id"] not in newest}
    by_sync: dict[str, list[dict[str, Any]]] = {}
    for conflict in found:
        if conflict["id"] in newest:
            by_sync.setdefault(conflict["entity"], []).append(conflict)
    if unknown := [name for name in by_sync if name not in syncs]:
        raise SettingsError(f"There is no sync {unknown[0]!r} any more.", hint="config/sync_mappings.yml")
    for name, conflicts in by_sync.items():
        sync = syncs[name]
        with parts.in_turn(sync.turn) as mine:
            target = target_of(sync, parts.smartsuite.table(sync.table_id))
            settling = Settling(replace(parts, db=mine.db), sync, target, winner, force, dry_run)
            for some in batched(conflicts, BULK):
                problems |= settling.problems(some)
    return [Settled(conflict, winner, problems.get(conflict["id"], "")) for conflict in found]


class Place(Struct, frozen=True):
    """Holds a conflict, the field that it is about, and what is remembered of its row, which has a record."""

    conflict: Mapping[str, Any]
    field: Field
    known: Known

    @property
    def id(self) -> str:
        """Returns the id of the conflict."""
        return str(self.conflict["id"])

    @property
    def record_id(self) -> str:
        """Returns the id of the record."""
        return self.known.record_id or ""

    @property
    def of_source(self) -> Any:
        """Returns the source's value, as it is written."""
        return self.conflict["postgres_value"]


class Settling(Struct, frozen=True):
    """Settles conflicts of one sync, at most 25 at a time."""

    parts: SuiteParts
    sync: QuerySync
    target: Target
    winner: str
    force: bool
    dry_run: bool

    def problems(self, conflicts: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Lets the winner win; returns by id why that could not be."""
        records = Records(self.sync.name, self.sync.table_id)
        with self.parts.db.transaction(read_only=True) as tx:
            known = records.known(tx, [conflict["entity_id"] for conflict in conflicts])
        found: dict[str, str] = {}
        places: list[Place] = []
        for conflict in conflicts:
            place = self._place_of(conflict, known.get(conflict["entity_id"]))
            if isinstance(place, Place):
                places.append(place)
            else:
                found[conflict["id"]] = place
        # the source is never written: where its value counts, SmartSuite gets it
        if self.winner == OF_SOURCE:
            found |= self._objections(places)
            if not self.dry_run:
                found |= self._refused([place for place in places if place.id not in found])
        if not self.dry_run:
            self._note(records, [place for place in places if place.id not in found])
        return found

    def _place_of(self, conflict: Mapping[str, Any], known: Known | None) -> Place | str:
        field = self.target.fields.get(conflict["field"])
        if known is None or known.base is None or known.record_id is None or known.removed or field is None:
            return GONE
        if (
            conflict["status"] == "resolved"
            and known.base.get(field.slug) != conflict["postgres_value"]
            and not self.force
        ):
            return NEWER
        return Place(conflict, field, known)

    def _objections(self, places: Sequence[Place]) -> dict[str, str]:
        """Looks at the records; returns by id why a value is not written over what one shows."""
        if not places:
            return {}
        wanted = list(dict.fromkeys(place.record_id for place in places))
        shown = by_id(self.parts.smartsuite.by_id(self.target.table.id, wanted))
        found = {}
        for place in places:
            if place.record_id not in shown:
                found[place.id] = GONE
            elif not self.force and not self._shows_a_side(place, shown[place.record_id].get(place.field.slug)):
                found[place.id] = EDITED
        return found

    def _shows_a_side(self, place: Place, there: Any) -> bool:
        sides = (place.conflict["monday_value"], place.of_source)
        return any(shows(place.field, there, value) for value in sides)

    def _refused(self, places: Sequence[Place]) -> dict[str, str]:
        """Writes the source's values; returns by id why one could not be written."""
        if len(places) > 1:
            cells: dict[str, Cells] = {}
            for place in places:
                cells.setdefault(place.record_id, {})[place.field.slug] = place.of_source
            suite, table = self.parts.smartsuite, self.target.table
            sent = [{"id": name, **made} for name, made in cells.items()]
            try:
                left = unwritten(suite, table, sent, suite.update(table, sent))
                places = [place for place in places if place.record_id in left]
            except (ValuesRefused, CarriedOutOrNot) as exc:  # each alone tells which
                log.debug("%s", exc.message)
        return {place.id: problem for place in places if (problem := self._alone(place))}

    def _alone(self, place: Place) -> str:
        problem = ""
        for cell in forms_of(place.field, place.of_source):
            try:
                self.parts.smartsuite.update(self.target.table, [{"id": place.record_id, place.field.slug: cell}])
                return ""
            except SuiteRecordGone:
                return GONE
            except (ValuesRefused, CarriedOutOrNot) as exc:
                problem = exc.message
        return problem

    def _note(self, records: Records, places: Sequence[Place]) -> None:
        # a later change of the source's value is news again
        bases: dict[str, Cells] = {}
        for place in places:
            base = bases.setdefault(place.conflict["entity_id"], dict(place.known.base or {}))
            base[place.field.slug] = place.of_source
        with self.parts.db.transaction() as tx:
            for key, base in bases.items():
                records.based(tx, key, base)
            for place in places:
                decided(tx, place.id, self.winner)
