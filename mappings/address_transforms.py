"""Transforms addresses: one line on the board, parts in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct, field

from config.hiding import Hiding
from mappings.transforms import Made, Values, alike, changed_fields, kept_cells, trimmed
from models import Value
from values.addresses import Address, AddressParser, format_address, shared_parser, state_code
from values.parsing import CellError

PARTS = ("street", "city", "state", "zip", "country")
OBJECT_PARTS = ("street", "city", "state", "postal_code", "country")
OWN_COLUMNS = ("city", "state", "postal_code")


def _address_of(parts: Values) -> Address:
    return Address(*(trimmed(part) or None for part in parts))


def _line(address: Address, written: Value, known: bool) -> str | None:
    """Returns the changed address as a line. Raises CellError before a fragment replaces a line that is not understood."""
    if trimmed(written) and not known and not address.street:
        raise CellError("this address could not be taken apart; change it as a whole, or give its street too")
    return format_address(address)


class AddressFields(Hiding, Struct, frozen=True):
    """Takes a column apart into raw (optional), street, city, state, zip and country. Unchanged, it keeps its cell."""

    HIDDEN: ClassVar = frozenset({"parser"})

    raw: bool = True
    parser: AddressParser = field(default_factory=shared_parser)

    @property
    def kinds(self) -> tuple[str | None, ...]:
        """Returns `text` for each field."""
        return ("text",) * (len(PARTS) + self.raw)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        text = cells[0]
        if not trimmed(text):
            return (None,) * len(self.kinds)
        known = tuple(before[self.raw :]) if before is not None else ()
        if before is not None and any(known):
            lines = [format_address(_address_of(known)), *before[: self.raw]]
            # the line still says what the parts say
            if any(line and alike(line, text) for line in lines):
                return (text, *known) if self.raw else known
        return self._parts(text)

    def _parts(self, text: Value) -> Made:
        found = self.parser.parse(trimmed(text))
        if not self.raw and not found:
            found = Address(street=trimmed(text))  # without a field for the whole, the street holds it
        parts = (found.street, found.city, found.state, found.zip, found.country)
        return (text, *parts) if self.raw else parts

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        present = self.read(cells, agreed)
        changed = changed_fields(fields, agreed, present)
        parts_changed = any(changed[self.raw :])
        # the whole was changed, and not only emptied
        if self.raw and changed[0] and (trimmed(fields[0]) or not parts_changed):
            return (fields[0],)
        if not parts_changed:
            return tuple(cells)
        return (_line(_address_of(fields[self.raw :]), cells[0], any(present[self.raw :])),)


def _code_name(written: Mapping[str, Any]) -> str:
    """Returns where an object written by a user keeps the postal code: many say `zip`."""
    return "zip" if "zip" in written and not trimmed(written.get("postal_code")) else "postal_code"


class AddressObject(Hiding, Struct, frozen=True):
    """Makes an object of the columns address, city, state and zip; all but the first may be left out.

    What else a user wrote into the object stays there: no cell shows it, so no cell can remove it.
    """

    HIDDEN: ClassVar = frozenset({"parser"})

    kinds: tuple[str | None, ...] = ("json",)
    parser: AddressParser = field(default_factory=shared_parser)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        was = before[0] if before is not None and isinstance(before[0], Mapping) else {}
        # nothing of it is a user's
        if not was:
            return (self._shown(cells, was) or None,)
        code = _code_name(was)
        found = {code if name == "postal_code" else name: part for name, part in self._shown(cells, was).items()}
        others = {name: value for name, value in was.items() if name not in ("raw", *OBJECT_PARTS, code)}
        return ({**found, **others} or None,)

    def _shown(self, cells: Values, before: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the parts that the cells show."""
        own, was = self._own(cells), self._object(before)
        if not any(map(trimmed, cells)):
            return {}
        # the parts of before still fit
        if len(was) > 1 and self._still(cells[0], own, was):
            made = {"raw": cells[0], **{part: was.get(part) for part in OBJECT_PARTS}}
        else:
            found = self.parser.parse(trimmed(cells[0]))
            parts = (found.street, found.city, found.state, found.zip, found.country)
            made = {"raw": cells[0], **dict(zip(OBJECT_PARTS, parts, strict=True)), **own}
        return {name: part for name, part in made.items() if part is not None and trimmed(part)}

    def _own(self, cells: Values) -> dict[str, str]:
        """Returns the parts that have a column of their own."""
        if len(cells) == 1:
            return {}
        own = {part: trimmed(cell) for part, cell in zip(OWN_COLUMNS, cells[1:], strict=False) if trimmed(cell)}
        if "state" in own:
            own["state"] = state_code(own["state"]) or own["state"]
        return own

    def _still(self, raw: Value, own: Mapping[str, str], was: Mapping[str, Any]) -> bool:
        return self._unchanged(raw, own, was) or self._made_of(raw, own, was)

    def _unchanged(self, raw: Value, own: Mapping[str, str], was: Mapping[str, Any]) -> bool:
        """Says whether line and columns are as they were; then only street and country came out of the line."""
        parts_same = all(alike(own.get(part), trimmed(was.get(part))) for part in OWN_COLUMNS)
        return len(own) == len(OWN_COLUMNS) and parts_same and alike(raw, was.get("raw"))

    def _made_of(self, raw: Value, own: Mapping[str, str], was: Mapping[str, Any]) -> bool:
        """Says whether the line was put together from these parts, whether or not it can be taken apart again."""
        line = format_address(Address(*(trimmed(was.get(part)) or None for part in OBJECT_PARTS)))
        parts_same = all(alike(text, trimmed(was.get(part))) for part, text in own.items())
        return bool(line) and alike(line, raw) and parts_same

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        names = ("raw", *OBJECT_PARTS)
        wanted, present = self._object(fields[0]), self._object(self.read(cells, agreed)[0])
        was = None if agreed is None else [self._object(agreed[0]).get(name) for name in names]
        new = changed_fields([wanted.get(name) for name in names], was, [present.get(name) for name in names])
        changed = {name for name, is_new in zip(names, new, strict=True) if is_new}
        if not wanted:
            return kept_cells((None,) * len(cells), cells)
        made = list(cells)
        # A part with a column of its own goes there, and not into the line.
        for place, part in enumerate(OWN_COLUMNS[: len(cells) - 1], start=1):
            if part in changed:
                made[place] = wanted.get(part)
                changed.discard(part)
        made[0] = self._first(wanted, present, changed, cells[0])
        return tuple(made)

    def _object(self, value: Value) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            return {"raw": value} if trimmed(value) else {}
        code = _code_name(value)
        return {**value, "postal_code": value[code]} if code in value else value

    def _first(self, wanted: Mapping[str, Any], present: Mapping[str, Any], changed: set[str], cell: Value) -> Value:
        """Returns what the first column is to show: a line, for only there can a street be shown."""
        emptied = changed == {"raw"} and not trimmed(wanted.get("street"))
        # the line itself was changed
        if "raw" in changed and (trimmed(wanted.get("raw")) or emptied):
            return wanted.get("raw")
        if not changed:
            return cell
        # its parts were changed
        known = any(present.get(part) for part in ("street", "city", "state", "postal_code"))
        return _line(_address_of([wanted.get(part) for part in OBJECT_PARTS]), cell, known)
