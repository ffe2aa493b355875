"""Named transforms: how the values of some board columns make the values of some fields, and back.

Going back, a column whose own part did not change keeps exactly the value it has, so that it is not written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Any, ClassVar, Protocol

from models import Value
from values.addresses import PARSER, Address, format_address, state_code
from values.canonical import is_empty
from values.comparing import same
from values.parsing import CellError

Values = Sequence[Value]
Made = tuple[Value, ...]


class Transform(Protocol):
    """A transform and its inverse, over canonical values."""

    @property
    def kinds(self) -> tuple[str | None, ...]:
        """For each field what `column_types.comparison` is asked for; None: the kind of its column."""

    def read(self, cells: Values, before: Values | None = None) -> Made:
        """The fields, one value each. `before` holds what they last showed, to spare work on what did not change."""

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        """The columns, one value each, that make the fields show `fields`; `cells` are their present values."""


def _alike(a: Value, b: Value) -> bool:
    return same("json", a, b)


def _trimmed(value: Value) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def _changed(fields: Values, agreed: Values | None, present: Values) -> list[bool]:
    """Which fields ask for something new: neither what they last showed nor what the board shows by now."""
    from_present = [not _alike(new, now) for new, now in zip(fields, present, strict=True)]
    if agreed is None:
        return from_present
    both = [new and not _alike(field, was) for new, field, was in zip(from_present, fields, agreed, strict=True)]
    return both if any(both) else from_present


def _kept(parts: Values, cells: Values) -> Made:
    """The parts, but each column's present value where it says the same."""
    return tuple(cell if _alike(part, cell) else part for part, cell in zip(parts, cells, strict=True))


@dataclass(frozen=True, slots=True)
class Copy:
    """Each column is a field."""

    kinds: tuple[str | None, ...] = (None,)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return tuple(cells)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        return _kept(fields, cells)


@dataclass(frozen=True, slots=True)
class Adapted:
    """One column, one field, through a function and its inverse (`back` also sees the present cell)."""

    there: Callable[[Value], Value]
    kinds: tuple[str | None, ...] = (None,)
    back: Callable[[Value, Value], Value] = lambda field, cell: field

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return (None if is_empty(cells[0]) else self.there(cells[0]),)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if self._shows(fields[0], cells[0]):
            return (cells[0],)
        return (None if is_empty(fields[0]) else self.back(fields[0], cells[0]),)

    def _shows(self, field: Value, cell: Value) -> bool:
        try:
            return same(self.kinds[0] or "json", field, self.read((cell,))[0])
        except CellError:
            return False  # The cell holds something this transform cannot read, and may be overwritten.


def _exact(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    text = value.strip().lstrip("$€£").replace(",", "").strip()
    try:
        number = Decimal(text) if text else None
    except InvalidOperation:
        raise CellError(f"not a number: {value[:40]!r}") from None
    if number is not None and not number.is_finite():
        raise CellError(f"not a number: {value[:40]!r}")
    return number


def _date(value: Value) -> Value:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc).date()
    if isinstance(value, date) or not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        raise CellError(f"not a date: {value[:40]!r}") from None


def _url(value: Value) -> Value:
    return (value.get("url") or None) if isinstance(value, Mapping) else _trimmed(value) or None


def _link_to(url: Value, cell: Value) -> Value:
    text = cell.get("text") if isinstance(cell, Mapping) else None
    return {"url": _trimmed(url), "text": text if text and text != _url(cell) else ""}


@dataclass(frozen=True, slots=True)
class Constant:
    """The field always shows the same; nothing is ever written."""

    value: Value
    kinds: tuple[str | None, ...] = ("json",)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return (self.value,)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        return tuple(cells)


@dataclass(frozen=True, slots=True)
class Join:
    """Several columns are one text. Going back it is split at the last separator."""

    separator: str
    columns: int
    kinds: tuple[str | None, ...] = ("text",)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return (self.separator.join(filter(None, map(_trimmed, cells))) or None,)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if _alike(fields[0], self.read(cells)[0]):
            return tuple(cells)
        return _kept(self.parts(_trimmed(fields[0]), _trimmed(cells[-1])), cells)

    def parts(self, text: str, last: str = "") -> list[str | None]:
        """The text in as many parts as there are columns; `last` stays whole if the text still ends with it."""
        ending = self.separator + last
        if last and text.endswith(ending):
            return [*self._split(text[: -len(ending)], self.columns - 1), last]
        return self._split(text, self.columns)

    def _split(self, text: str, most: int) -> list[str | None]:
        blank = not self.separator.strip()
        pieces = text.rsplit(None if blank else self.separator, most - 1)
        found: list[str | None] = [piece.strip() or None for piece in pieces]
        return [*found, *[None] * (most - len(found))]


@dataclass(frozen=True, slots=True)
class Split:
    """One column is several texts, split at the last separator. Going back they are joined."""

    joined: Join

    @property
    def kinds(self) -> tuple[str | None, ...]:
        """All of them are texts."""
        return ("text",) * self.joined.columns

    def read(self, cells: Values, before: Values | None = None) -> Made:
        if before is not None and before[0] and _alike(self.joined.read(before)[0], cells[0]):
            return tuple(before)
        return tuple(self.joined.parts(_trimmed(cells[0])))

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if _alike(fields, self.read(cells, agreed)):
            return tuple(cells)
        return _kept(self.joined.read(fields), cells)


@dataclass(frozen=True, slots=True)
class FirstFilled:
    """The first column that holds something. Going back, only the first column is ever written."""

    kinds: tuple[str | None, ...] = (None,)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return (next((cell for cell in cells if _trimmed(cell)), None),)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if _alike(fields[0], self.read(cells)[0]):
            return tuple(cells)
        return (fields[0], *cells[1:])


def _word(value: Value) -> str:
    return _trimmed(value).casefold()


@dataclass(frozen=True, slots=True)
class ValueMap:
    """A text and what it means: the fields are the text as shown and its meaning, or the meaning alone."""

    meanings: Mapping[str, Value]
    words: Mapping[str, str]
    default: Value
    kinds: tuple[str | None, ...]

    def read(self, cells: Values, before: Values | None = None) -> Made:
        meaning = self._meaning(cells[0])
        return (cells[0], meaning) if len(self.kinds) == 2 else (meaning,)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        cell, meaning = cells[0], fields[-1]
        if len(self.kinds) == 2 and _new(fields[0], None if agreed is None else agreed[0], cell):
            return (fields[0],)
        was = None if agreed is None else agreed[-1]
        if _word(meaning) == _word(was) or (not is_empty(cell) and _word(self._meaning(cell)) == _word(meaning)):
            return (cell,)
        return (self._word_for(meaning),)

    def _meaning(self, text: Value) -> Value:
        return self.meanings.get(_word(text), self.default)

    def _word_for(self, meaning: Value) -> Value:
        if is_empty(meaning):
            return None
        if _word(meaning) not in self.words:
            raise CellError(f"no word of the value map means {_trimmed(meaning)[:40]!r}")
        return self.words[_word(meaning)]


def _new(field: Value, was: Value, present: Value) -> bool:
    return not _alike(field, was) and not _alike(field, present)


PARTS = ("street", "city", "state", "zip", "country")


def _address_of(parts: Values) -> Address:
    return Address(*(_trimmed(part) or None for part in parts))


def _line(address: Address, written: Value, known: bool) -> str | None:
    """The changed address in one line; a line that could not be taken apart is not replaced by a fragment."""
    if _trimmed(written) and not known and not address.street:
        raise CellError("this address could not be taken apart; change it as a whole, or give its street too")
    return format_address(address)


@dataclass(frozen=True, slots=True)
class AddressFields:
    """One column is raw (optional), street, city, state, zip and country. An unchanged address keeps its cell."""

    raw: bool = True

    @property
    def kinds(self) -> tuple[str | None, ...]:
        """All of them are texts."""
        return ("text",) * (len(PARTS) + self.raw)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        text = cells[0]
        if not _trimmed(text):
            return (None,) * len(self.kinds)
        known = tuple(before[self.raw :]) if before is not None else ()
        if before is not None and any(known):
            lines = [format_address(_address_of(known)), *before[: self.raw]]
            if any(line and _alike(line, text) for line in lines):
                return (text, *known) if self.raw else known
        return self._apart(text)

    def _apart(self, text: Value) -> Made:
        found = PARSER.parse(_trimmed(text))
        if not self.raw and not found:
            found = Address(street=_trimmed(text))  # Without a field for the whole, the street holds it.
        parts = (found.street, found.city, found.state, found.zip, found.country)
        return (text, *parts) if self.raw else parts

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        present = self.read(cells, agreed)
        changed = _changed(fields, agreed, present)
        parts_changed = any(changed[self.raw :])
        if self.raw and changed[0] and (_trimmed(fields[0]) or not parts_changed):
            return (fields[0],)
        if not parts_changed:
            return tuple(cells)
        return (_line(_address_of(fields[self.raw :]), cells[0], any(present[self.raw :])),)


OBJECT_PARTS = ("street", "city", "state", "postal_code", "country")
OWN_COLUMNS = ("city", "state", "postal_code")


def _code_name(written: Mapping[str, Any]) -> str:
    """Where somebody's object keeps the postal code: many say `zip`."""
    return "zip" if "zip" in written and not _trimmed(written.get("postal_code")) else "postal_code"


@dataclass(frozen=True, slots=True)
class AddressObject:
    """The columns address, city, state and zip (all but the first may be left out) are one object.

    What else somebody wrote into the object stays there: no cell shows it, so no cell can take it away.
    """

    kinds: tuple[str | None, ...] = ("json",)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        was = before[0] if before is not None and isinstance(before[0], Mapping) else {}
        code = _code_name(was)
        found = {code if name == "postal_code" else name: part for name, part in self._shown(cells, was).items()}
        others = {name: value for name, value in was.items() if name not in ("raw", *OBJECT_PARTS, code)}
        return ({**found, **others} or None,)

    def _shown(self, cells: Values, before: Mapping[str, Any]) -> dict[str, Any]:
        """What the cells say of the address."""
        own, was = self._own(cells), self._object(before)
        if not any(map(_trimmed, cells)):
            return {}
        if len(was) > 1 and self._still(cells[0], own, was):
            made = {"raw": cells[0], **{part: was.get(part) for part in OBJECT_PARTS}}
        else:
            found = PARSER.parse(_trimmed(cells[0]))
            parts = (found.street, found.city, found.state, found.zip, found.country)
            made = {"raw": cells[0], **dict(zip(OBJECT_PARTS, parts, strict=True)), **own}
        return {name: part for name, part in made.items() if _trimmed(part)}

    def _own(self, cells: Values) -> dict[str, str]:
        """What the columns of the parts say."""
        own = {part: _trimmed(cell) for part, cell in zip(OWN_COLUMNS, cells[1:], strict=False) if _trimmed(cell)}
        if "state" in own:
            own["state"] = state_code(own["state"]) or own["state"]
        return own

    def _still(self, raw: Value, own: Mapping[str, str], was: Mapping[str, Any]) -> bool:
        return self._unchanged(raw, own, was) or self._made_of(raw, own, was)

    def _unchanged(self, raw: Value, own: Mapping[str, str], was: Mapping[str, Any]) -> bool:
        """With every part in a column of its own, only the street and the country came out of the line."""
        parts_same = all(_alike(own.get(part), _trimmed(was.get(part))) for part in OWN_COLUMNS)
        return len(own) == len(OWN_COLUMNS) and parts_same and _alike(raw, was.get("raw"))

    def _made_of(self, raw: Value, own: Mapping[str, str], was: Mapping[str, Any]) -> bool:
        """The line was put together from these parts, whether or not it can be taken apart again."""
        line = format_address(Address(*(_trimmed(was.get(part)) or None for part in OBJECT_PARTS)))
        parts_same = all(_alike(told, _trimmed(was.get(part))) for part, told in own.items())
        return bool(line) and _alike(line, raw) and parts_same

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        names = ("raw", *OBJECT_PARTS)
        wanted, present = self._object(fields[0]), self._object(self.read(cells, agreed)[0])
        was = None if agreed is None else [self._object(agreed[0]).get(name) for name in names]
        new = _changed([wanted.get(name) for name in names], was, [present.get(name) for name in names])
        changed = {name for name, is_new in zip(names, new, strict=True) if is_new}
        if not wanted:
            return _kept((None,) * len(cells), cells)
        made = list(cells)
        for place, part in enumerate(OWN_COLUMNS[: len(cells) - 1], start=1):
            if part in changed:
                made[place] = wanted.get(part)
                changed.discard(part)
        made[0] = self._first(wanted, present, changed, cells[0])
        return tuple(made)

    def _object(self, value: Value) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            return {"raw": value} if _trimmed(value) else {}
        code = _code_name(value)
        return {**value, "postal_code": value[code]} if code in value else value

    def _first(self, wanted: Mapping[str, Any], present: Mapping[str, Any], changed: set[str], cell: Value) -> Value:
        """The line that was asked for; without one, the line of the parts: only there can a street be shown."""
        emptied = changed == {"raw"} and not _trimmed(wanted.get("street"))
        if "raw" in changed and (_trimmed(wanted.get("raw")) or emptied):
            return wanted.get("raw")
        if not changed:
            return cell
        known = any(present.get(part) for part in ("street", "city", "state", "postal_code"))
        return _line(_address_of([wanted.get(part) for part in OBJECT_PARTS]), cell, known)


# --- Making them by name --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """A transform by name: how it is made of its options, and which numbers of columns and fields it can tie."""

    make: Callable[..., Transform]
    columns: tuple[int, int] = (1, 1)
    fields: tuple[int, int] = (1, 1)
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    MANY: ClassVar[int] = 1_000


def _make_adapted(there: Callable[[Value], Value], kind: str | None, back: Any = None) -> Callable[..., Transform]:
    made = Adapted(there, (kind,), back) if back else Adapted(there, (kind,))
    return lambda columns, fields: made


def _make_join(columns: int, fields: int, separator: str = " ") -> Transform:
    return Join(_text_option("separator", separator), columns)


def _make_split(columns: int, fields: int, separator: str = " ") -> Transform:
    return Split(Join(_text_option("separator", separator), fields))


def _text_option(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"option {name!r} must be a text that is not empty")
    return value


def _make_value_map(columns: int, fields: int, map: Any, default: Value = None) -> Transform:
    """`map` is meaning → words, or word → meaning; of several words for a meaning the first is written."""
    if not isinstance(map, Mapping) or not map:
        raise ValueError("option 'map' must name a meaning for each word, or words for each meaning")
    pairs: list[tuple[str, Value]] = []
    for key, value in map.items():
        if isinstance(value, Mapping):
            raise ValueError(f"option 'map': {key!r} must be a word or a list of words")
        pairs += [(str(word), key) for word in value] if isinstance(value, list) else [(str(key), value)]
    meanings: dict[str, Value] = {}
    words: dict[str, str] = {}
    for word, meaning in pairs:
        if _word(word) in meanings:
            raise ValueError(f"option 'map': the word {word!r} stands there twice")
        meanings[_word(word)] = meaning
        words.setdefault(_word(meaning), word)
    return ValueMap(meanings, words, default, ("text", "text") if fields == 2 else ("text",))


TRANSFORMS: dict[str, Named] = {
    "copy": Named(lambda columns, fields: Copy((None,) * fields), (1, Named.MANY), (1, Named.MANY)),
    "value_map": Named(_make_value_map, (1, 1), (1, 2), ("map", "default"), ("map",)),
    "join": Named(_make_join, (2, Named.MANY), (1, 1), ("separator",)),
    "split": Named(_make_split, (1, 1), (2, Named.MANY), ("separator",)),
    "first_filled": Named(lambda columns, fields: FirstFilled(), (2, Named.MANY)),
    "address": Named(lambda columns, fields: AddressFields(), (1, 1), (6, 6)),
    "address_parts": Named(lambda columns, fields: AddressFields(raw=False), (1, 1), (5, 5)),
    "address_object": Named(lambda columns, fields: AddressObject(), (1, 4)),
    "phone": Named(_make_adapted(lambda value: _trimmed(value) or None, "phone")),
    "email": Named(_make_adapted(lambda value: _trimmed(value) or None, "email")),
    "number": Named(_make_adapted(_exact, "number")),
    "date": Named(_make_adapted(_date, "day", lambda field, cell: _date(field))),
    "lower": Named(_make_adapted(lambda value: _trimmed(value).lower() or None, "text")),
    "upper": Named(_make_adapted(lambda value: _trimmed(value).upper() or None, "text")),
    "constant": Named(lambda columns, fields, value: Constant(value), (0, Named.MANY), (1, 1), ("value",), ("value",)),
    "link_url": Named(_make_adapted(_url, "text", _link_to)),
}


def make_transform(
    name: str, options: Mapping[str, Any] | None = None, *, columns: int | None = None, fields: int | None = None
) -> Transform:
    """The transform of that name for so many columns and fields; `module:function` finds one of the user's own.

    Raises ValueError, naming the option or the number that does not fit.
    """
    options = dict(options or {})
    if ":" in name:
        return _own_transform(name, options, 1 if fields is None else fields)
    known = TRANSFORMS.get(name)
    if known is None:
        raise ValueError(f"there is no transform {name!r}; there are {', '.join(TRANSFORMS)}, and module:function")
    columns = max(known.columns[0], 1) if columns is None else columns
    fields = known.fields[0] if fields is None else fields
    _check_number("column", columns, known.columns)
    _check_number("field", fields, known.fields)
    _check_options(options, known)
    if name == "copy" and columns != fields:
        raise ValueError(f"it needs as many fields as columns, not {fields} for {columns}")
    return known.make(columns=columns, fields=fields, **options)


def _check_number(noun: str, number: int, limits: tuple[int, int]) -> None:
    least, most = limits
    if not least <= number <= most:
        wanted = str(least) if least == most else f"{least} to {most}" if most < Named.MANY else f"at least {least}"
        raise ValueError(f"it needs {wanted} {noun}{'' if wanted == '1' else 's'}, not {number}")


def _check_options(options: Mapping[str, Any], known: Named) -> None:
    for option in options:
        if option not in known.options:
            raise ValueError(f"unknown option {option!r}; it knows {', '.join(known.options) or 'none'}")
    for option in known.required:
        if option not in options:
            raise ValueError(f"option {option!r} is missing")


@dataclass(frozen=True, slots=True)
class Own:
    """A transform of the user's own, which need not know about `kinds`."""

    made: Any
    kinds: tuple[str | None, ...]

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return tuple(self.made.read(cells, before))

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        return tuple(self.made.write(fields, agreed, cells))


def _own_transform(name: str, options: dict[str, Any], fields: int) -> Transform:
    """`module:name` is an object with read and write, or a function that makes one; `module:` is the module itself."""
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as exc:
        raise ValueError(f"no module {exc.name!r} is found for {name!r}") from exc
    except Exception as exc:
        raise ValueError(f"module {module_name!r} cannot be imported: {type(exc).__name__}: {exc}") from exc
    if attribute and not hasattr(found, attribute):
        raise ValueError(f"module {module_name!r} has no {attribute!r}")
    made = getattr(found, attribute) if attribute else found
    if callable(made) and not _can_both(made):
        try:
            made = made(**options)
        except Exception as exc:
            raise ValueError(f"{name!r} could not be made: {type(exc).__name__}: {exc}") from exc
    if not _can_both(made):
        raise ValueError(f"{name!r} gives nothing with both a read and a write function")
    kinds = tuple(getattr(made, "kinds", ()) or (None,) * fields)
    return Own(made, kinds)


def _can_both(made: Any) -> bool:
    return all(callable(getattr(made, name, None)) for name in ("read", "write")) and not isinstance(made, type)
