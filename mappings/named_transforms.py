"""Makes a transform by its name, and checks its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from importlib import import_module
from types import ModuleType
from typing import Any

from msgspec import Struct

from mappings.address_transforms import AddressFields, AddressObject
from mappings.transforms import (
    Adapted,
    Constant,
    Copy,
    FirstFilled,
    Join,
    Made,
    Split,
    Transform,
    ValueMap,
    Values,
    trimmed,
    word_of,
)
from models import Value
from values.parsing import CellError

MANY = 1_000
"""More columns or fields than any mapping has."""


class Named(Struct, frozen=True):
    """States how a transform is made of its options, and which numbers of columns and fields it can tie."""

    make: Callable[..., Transform]
    columns: tuple[int, int] = (1, 1)
    fields: tuple[int, int] = (1, 1)
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


# Functions of `Adapted`. Their names are a part of a mapping's fingerprint, so they stay.


def _exact(value: Value) -> Value:
    """Returns the number in a text such as `$1,200.50`. Raises CellError for a text that is no number."""
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
    """Returns the day of a moment or text, in UTC. Raises CellError for a text that is no date."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc).date()
    if isinstance(value, date) or not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        raise CellError(f"not a date: {value[:40]!r}") from None


def _url(value: Value) -> Value:
    """Returns the address of a link."""
    return (value.get("url") or None) if isinstance(value, Mapping) else trimmed(value) or None


def _link_to(url: Value, cell: Value) -> Value:
    """Returns a link with this address; it keeps the text of the present cell, unless that is only its address."""
    text = cell.get("text") if isinstance(cell, Mapping) else None
    return {"url": trimmed(url), "text": text if text and text != _url(cell) else ""}


# The making of each


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
    """Makes a value map. Of several words for a meaning the first is written."""
    meanings: dict[str, Value] = {}
    words: dict[str, str] = {}
    for word, meaning in _pairs(map):
        if word_of(word) in meanings:
            raise ValueError(f"option 'map': the word {word!r} stands there twice")
        meanings[word_of(word)] = meaning
        words.setdefault(word_of(meaning), word)
    return ValueMap(meanings, words, default, ("text", "text") if fields == 2 else ("text",))


def _pairs(map: Any) -> list[tuple[str, Value]]:
    """Returns the words with their meanings; `map` is meaning → words, or word → meaning."""
    if not isinstance(map, Mapping) or not map:
        raise ValueError("option 'map' must name a meaning for each word, or words for each meaning")
    pairs: list[tuple[str, Value]] = []
    for key, value in map.items():
        if isinstance(value, Mapping):
            raise ValueError(f"option 'map': {key!r} must be a word or a list of words")
        pairs += [(str(word), key) for word in value] if isinstance(value, list) else [(str(key), value)]
    return pairs


TRANSFORMS: dict[str, Named] = {
    "copy": Named(lambda columns, fields: Copy((None,) * fields), (1, MANY), (1, MANY)),
    "value_map": Named(_make_value_map, (1, 1), (1, 2), ("map", "default"), ("map",)),
    "join": Named(_make_join, (2, MANY), (1, 1), ("separator",)),
    "split": Named(_make_split, (1, 1), (2, MANY), ("separator",)),
    "first_filled": Named(lambda columns, fields: FirstFilled(), (2, MANY)),
    "address": Named(lambda columns, fields: AddressFields(), (1, 1), (6, 6)),
    "address_parts": Named(lambda columns, fields: AddressFields(raw=False), (1, 1), (5, 5)),
    "address_object": Named(lambda columns, fields: AddressObject(), (1, 4)),
    "phone": Named(_make_adapted(lambda value: trimmed(value) or None, "phone")),
    "email": Named(_make_adapted(lambda value: trimmed(value) or None, "email")),
    "number": Named(_make_adapted(_exact, "number")),
    "date": Named(_make_adapted(_date, "day", lambda field, cell: _date(field))),
    "lower": Named(_make_adapted(lambda value: trimmed(value).lower() or None, "text")),
    "upper": Named(_make_adapted(lambda value: trimmed(value).upper() or None, "text")),
    "constant": Named(lambda columns, fields, value: Constant(value), (0, MANY), (1, 1), ("value",), ("value",)),
    "link_url": Named(_make_adapted(_url, "text", _link_to)),
}


def make_transform(
    name: str, options: Mapping[str, Any] | None = None, *, columns: int | None = None, fields: int | None = None
) -> Transform:
    """Makes the transform of that name for so many columns and fields; `module:function` finds one of the user's own.

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
        wanted = str(least) if least == most else f"{least} to {most}" if most < MANY else f"at least {least}"
        raise ValueError(f"it needs {wanted} {noun}{'' if wanted == '1' else 's'}, not {number}")


def _check_options(options: Mapping[str, Any], known: Named) -> None:
    for option in options:
        if option not in known.options:
            raise ValueError(f"unknown option {option!r}; it knows {', '.join(known.options) or 'none'}")
    for option in known.required:
        if option not in options:
            raise ValueError(f"option {option!r} is missing")


class Own(Struct, frozen=True):
    """Wraps a transform of the user's own, which need not know about `kinds`."""

    made: Any
    kinds: tuple[str | None, ...]

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return tuple(self.made.read(cells, before))

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        return tuple(self.made.write(fields, agreed, cells))


def _own_transform(name: str, options: dict[str, Any], fields: int) -> Transform:
    """Finds an object with read and write, or a function that makes one; `module:` is the module itself."""
    module_name, _, attribute = name.partition(":")
    found = _imported(module_name, name)
    if attribute and not hasattr(found, attribute):
        raise ValueError(f"module {module_name!r} has no {attribute!r}")
    made: Any = getattr(found, attribute) if attribute else found
    if callable(made) and not _can_both(made):
        try:
            made = made(**options)
        except Exception as exc:
            raise ValueError(f"{name!r} could not be made: {type(exc).__name__}: {exc}") from exc
    if not _can_both(made):
        raise ValueError(f"{name!r} gives nothing with both a read and a write function")
    kinds = tuple(getattr(made, "kinds", ()) or (None,) * fields)
    return Own(made, kinds)


def _imported(module_name: str, name: str) -> ModuleType:
    try:
        return import_module(module_name)
    except ModuleNotFoundError as exc:
        raise ValueError(f"no module {exc.name!r} is found for {name!r}") from exc
    except Exception as exc:
        raise ValueError(f"module {module_name!r} cannot be imported: {type(exc).__name__}: {exc}") from exc


def _can_both(made: Any) -> bool:
    return all(callable(getattr(made, name, None)) for name in ("read", "write")) and not isinstance(made, type)
