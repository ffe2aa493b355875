"""Reads a filter and finds the records that fit it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec import Struct

from sandbox.smartsuite.account.models import Field, Table
from sandbox.smartsuite.account.record import Record
from sandbox.smartsuite.account.world import World
from sandbox.smartsuite.errors import detail
from sandbox.smartsuite.fields.kind import Place
from sandbox.smartsuite.fields.kinds import kind_of
from sandbox.smartsuite.fields.numbers import DECIMAL, is_number
from sandbox.smartsuite.fields.showing import is_empty
from sandbox.smartsuite.fields.times import is_overdue, moment_at
from sandbox.smartsuite.listing.days import days_of, is_among
from sandbox.smartsuite.listing.operators import COMPARISONS, FILES, LISTS, NUMBERS, ONE_CHOICE, TEXTS

Fits: TypeAlias = Callable[[Record], bool]


class Condition(Struct, frozen=True):
    """Holds one condition as it was read."""

    field: Field
    comparison: str
    value: Any
    part: str = ""  # from_date or to_date, of a range

    @property
    def misfits(self) -> bool:
        return self.comparison not in COMPARISONS[kind_of(self.field).filters]


class Filter(Struct, frozen=True):
    operator: str
    conditions: list[Condition]


def read_filter(wanted: object, table: Table, world: World) -> Filter | None:
    """Reads the filter of a listing; None: everything fits. Raises Refusal."""
    if wanted is None or wanted == {}:
        return None
    if not isinstance(wanted, dict) or set(wanted) - {"operator", "fields"}:
        raise detail(400, "filter must have the keys operator and fields.")
    if wanted.get("operator") not in ("and", "or"):
        raise detail(400, "operator must be 'and' or 'or'.")
    given = wanted.get("fields")
    if not isinstance(given, list):
        raise detail(400, "fields must be a list.")
    most = world.switches.conditions_limit
    if most and len(given) > most:
        raise detail(400, f"A filter may have {most} conditions at most.")
    return Filter(wanted["operator"], [read_condition(entry, table) for entry in given])


def read_condition(entry: object, table: Table) -> Condition:
    if not isinstance(entry, dict) or not {"field", "comparison"} <= set(entry) <= {"field", "comparison", "value"}:
        raise detail(400, "A condition has the keys field, comparison and value.")
    slug, _, part = str(entry["field"]).partition(".")
    field = table.fields.get(slug)
    ranged = field is not None and field.type in ("daterangefield", "duedatefield")
    if field is None or field.hidden or part and (not ranged or part not in ("from_date", "to_date")):
        raise detail(400, f"Field '{str(entry['field'])[:60]}' does not exist.")
    return Condition(field, str(entry["comparison"]), entry.get("value"), part)


def matching(found: Filter | None, records: list[Record], table: Table, world: World) -> list[Record]:
    """Returns the records that a filter lets through."""
    if found is None:
        return records
    tests = [test_of(condition, table, world) for condition in found.conditions]
    if any(test is None for test in tests):  # found nothing in silence
        return []
    if found.operator == "and":
        return [record for record in records if all(test(record) for test in tests if test)]
    return [record for record in records if any(test(record) for test in tests if test)]


def candidates(found: Filter | None, table: Table, world: World) -> list[Record] | None:
    """Returns the records that a filter of exact texts may find, by the index; None: it has to look at all."""
    usable = found is not None and found.conditions and not world.lags() and not world.switches.is_folds_case
    if not usable or found is None:
        return None
    texts = ("recordtitlefield", "textfield", "textareafield")
    exact = [
        condition
        for condition in found.conditions
        if condition.comparison == "is" and condition.field.type in texts and isinstance(condition.value, str)
    ]
    if not exact or found.operator == "or" and len(exact) < len(found.conditions):
        return None
    if found.operator == "and":
        exact = exact[:1]
    records = table.records
    ids = [table.index.find(test.field.slug, test.value, records.values()) for test in exact]
    return [records[record_id] for record_id in set().union(*ids)]


def test_of(condition: Condition, table: Table, world: World) -> Fits | None:
    """Makes the test of a condition; None: it finds nothing. Raises Refusal."""
    field, comparison, kind = condition.field, condition.comparison, kind_of(condition.field)
    if condition.misfits:
        if world.switches.filter_misfit == "finds_nothing":
            return None
        raise detail(400, f"The '{comparison[:40]}' comparison is not allowed for {field.type}")
    if comparison in ("is_empty", "is_not_empty"):
        check_empty_value(condition, world)
        return lambda record: is_empty(kind.value_of(record, field.slug)) == (comparison == "is_empty")
    if comparison in ("is_overdue", "is_not_overdue"):
        return overdue_test(condition, table, world)
    compare = comparing(condition, world)
    if compare is None:
        return None

    def fits(record: Record) -> bool:
        value = kind.value_of(record, field.slug)
        if value is None:
            return compare(None)
        if condition.part:
            edge = getattr(value, condition.part)
            return compare(edge.at if edge else None)
        return compare(kind.key(value, Place(world, table, field, record)))

    return fits


def check_empty_value(condition: Condition, world: World) -> None:
    value = condition.value
    if value is None or value == "" and world.switches.filter_empty_text == "accepted":
        return
    raise detail(400, f"'{str(value)[:40]}' is not allowed for the '{condition.comparison}' comparison")


def overdue_test(condition: Condition, table: Table, world: World) -> Fits:
    wanted = condition.comparison == "is_overdue"

    def fits(record: Record) -> bool:
        span = record.values.get(condition.field.slug)
        overdue = span is not None and is_overdue(span, Place(world, table, condition.field, record))
        return overdue == wanted

    return fits


def comparing(condition: Condition, world: World) -> Callable[[Any], bool] | None:
    """Makes the comparison with what sorts of a value; None: it finds nothing."""
    name, value, group = condition.comparison, condition.value, kind_of(condition.field).filters
    match group:
        case "text":
            return text_compare(name, needed(value, str, condition), world)
        case "number" | "autonumber":
            number = number_of(value, condition)
            return lambda key: NUMBERS[name](key, number)
        case "choice":
            return choice_compare(condition, world)
        case "yesno":
            flag = needed(value, bool, condition)
            return lambda key: bool(key) == flag
        case "date" | "due":
            offset = timedelta(hours=world.switches.day_offset_hours)
            days = days_of(value, name, (moment_at(world.clock.now()) + offset).date())
            return lambda key: is_among(None if key is None else shifted(key, offset), name, days)
        case "file":
            text = needed(value, str, condition)
            return lambda key: FILES[name](key, text)
        case "linked" if name in ("contains", "not_contains"):
            if world.switches.linked_contains == "finds_nothing":
                return None
            wanted = needed(value, str, condition)
            return lambda key: (wanted in (key or ())) == (name == "contains")
    ids = ids_of(condition)
    return lambda key: LISTS[name](key, ids)


def shifted(moment: datetime, offset: timedelta) -> datetime:
    """Returns a moment by the clock of a zone; the ends of time stay."""
    try:
        return moment + offset
    except OverflowError:
        return moment


def text_compare(name: str, wanted: str, world: World) -> Callable[[Any], bool]:
    if not world.switches.is_folds_case:
        return lambda key: TEXTS[name](key, wanted)
    folded = wanted.strip().casefold()
    return lambda key: TEXTS[name](None if key is None else key.strip().casefold(), folded)


def choice_compare(condition: Condition, world: World) -> Callable[[Any], bool]:
    name, many = condition.comparison, condition.comparison in ("is_any_of", "is_none_of")
    value = ids_of(condition) if many else needed(condition.value, str, condition)
    if world.switches.filter_label == "accepted":
        ids = {choice["label"]: choice["value"] for choice in condition.field.choices}
        value = [ids.get(entry, entry) for entry in value] if many else ids.get(value, value)
    return lambda key: ONE_CHOICE[name](key, value)


def needed(value: Any, form: type, condition: Condition) -> Any:
    if not isinstance(value, form):
        raise not_allowed(condition)
    return value


def ids_of(condition: Condition) -> list[str]:
    ids: list[str] = needed(condition.value, list, condition)
    if not all(isinstance(entry, str) for entry in ids):
        raise not_allowed(condition)
    return ids


def number_of(value: object, condition: Condition) -> Decimal:
    if is_number(value) or isinstance(value, str) and DECIMAL.match(value):
        return Decimal(str(value))
    raise not_allowed(condition)


def not_allowed(condition: Condition) -> Exception:
    return detail(400, f"'{str(condition.value)[:40]}' is not allowed for the '{condition.comparison}' comparison")
