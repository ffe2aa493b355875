"""Every kind of board column: what its cell means in Python, how that is written back, compared, and kept as JSON.

This is the only module that knows the shapes of `text` and `value`. All of it is pure.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import orjson
import phonenumbers

from models import BoardColumn, Cell, Value

UTC = timezone.utc
LONG_TEXT_LENGTH = 2_000
ITEM_NAME_LENGTH = 255
DEFAULT_PHONE_REGION = "US"

JsonMember = dict[str, Any] | str | None
"""One member of the `column_values` of a mutation."""


class CellError(ValueError):
    """A cell, or a value meant for one, that cannot be understood. The text is the reason, for a log line."""


class UnknownTag(CellError):
    """A tag by a name that nothing at hand tells the id of."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One kind of cell, in both directions."""

    name: str
    pg_type: str
    read: Callable[[Cell, BoardColumn], Value]
    write: Callable[[Value, BoardColumn, Cell | None], JsonMember] | None = None
    """None: the API cannot write this kind."""
    selection: str = ""
    """The GraphQL fragment this kind needs beyond `id text value`."""
    compare: str = "text"
    computed: bool = False
    """monday.com derives it, so it is no data of its own."""


# --- Texts and JSON as monday.com sends them ------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """The text without what PostgreSQL cannot store: NUL is dropped, a lone surrogate becomes U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Through UTF-16 the two halves of a split pair find each other again; what stays alone is replaced.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _text(value: Any) -> str:
    """Whatever stands in a text's place as a clean text; "" for nothing."""
    if value is None:
        return ""
    return clean_text(value if type(value) is str else str(value))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _decoded(value: Any) -> Any:
    """`value` is JSON inside a JSON string; some clients hand it over decoded."""
    if type(value) is not str:
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        # orjson refuses the escape of a lone surrogate, which the standard library reads.
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise CellError(f"value is not JSON: {_shown(value)}") from None


def _object(cell: Cell) -> dict[str, Any]:
    """The decoded `value` of the kinds that keep an object there; {} for an empty cell."""
    value = cell.get("value")
    if not value:
        return {}
    if type(value) is str:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = _decoded(value)
    if type(value) is dict:
        return value
    if not value:
        return {}
    raise CellError(f"value is not an object: {_shown(value)}")


def changed_at(cell: Cell | None) -> datetime | None:
    """When the cell was last changed, if its kind keeps that."""
    try:
        told = _object(cell).get("changed_at") if cell else None
        when = datetime.fromisoformat(told.replace("Z", "+00:00")) if isinstance(told, str) else None
    except ValueError:  # CellError too
        return None
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


NO_ITEM_YET = "has no item yet"
"""What keeps a cell waiting that points at a record."""


def _whole(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise CellError(f"not a whole number: {_shown(value)}") from None
    if not -(2**63) <= number < 2**63 or (type(value) is not str and number != value):
        raise CellError(f"not a whole number: {_shown(value)}")
    return number


_NUMERIC = frozenset((str, int, float, Decimal))  # no bool, and no list, of which Decimal would make something


def _number(value: Any) -> Decimal:
    """An exact number that PostgreSQL can hold (131,072 digits before the point, 16,383 behind it)."""
    kind = type(value)
    try:
        number = Decimal(repr(value) if kind is float else value) if kind in _NUMERIC else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or (kind is str and "_" in value):
        raise CellError(f"not a number: {_shown(value)}")
    if not -16_383 <= number.adjusted() < 131_072 or (kind is str and len(value) > 16_383):
        raise CellError(f"number out of range: {_shown(value)}")
    return number


def _day(text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise CellError(f"not a date: {_shown(text)}") from None


def _clock(text: Any) -> time:
    try:
        return time.fromisoformat(text)
    except (TypeError, ValueError):
        raise CellError(f"not a time: {_shown(text)}") from None


def _moment(text: Any) -> datetime:
    """`2026-02-27T12:11:30Z` and `2026-02-27 12:11:30 UTC`."""
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC").replace("Z", "+00:00"))
        return _in_utc(moment)
    except (AttributeError, ValueError, OverflowError):
        raise CellError(f"not a time: {_shown(text)}") from None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# --- Labels of status and dropdown columns --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Labels:
    """Names by id, of every label; ids by name, of those that may still be chosen."""

    names: dict[Any, str]
    ids: dict[str, int]


# Settings are looked at for every cell but parsed once. Keeping them here keeps their `id()` theirs.
_LABELS: dict[int, tuple[Any, _Labels]] = {}
_LABELS_KEPT = 1_024


def _labels(column: BoardColumn) -> _Labels:
    settings = column.settings
    known = _LABELS.get(id(settings))
    if known is not None and known[0] is settings:
        return known[1]
    if len(_LABELS) >= _LABELS_KEPT:
        _LABELS.clear()
    labels = _parsed_labels(_decoded(settings))
    _LABELS[id(settings)] = (settings, labels)
    return labels


def _parsed_labels(settings: Any) -> _Labels:
    """Labels from `settings` (a list of objects) and from the older `settings_str` (a map, or nested once more)."""
    settings = settings if isinstance(settings, Mapping) else {}
    if "labels" not in settings and isinstance(settings.get("settings"), Mapping):
        settings = settings["settings"]
    retired = {str(label_id) for label_id in settings.get("deactivated_labels") or ()}
    names: dict[Any, str] = {}
    ids: dict[str, int] = {}
    for label_id, name, deactivated in _label_entries(settings.get("labels") or ()):
        names[label_id] = names[str(label_id)] = name
        if name.strip() and not deactivated and str(label_id) not in retired:
            ids.setdefault(name, label_id)
            ids.setdefault(name.strip(), label_id)
    return _Labels(names, ids)


def _label_entries(labels: Any) -> Iterable[tuple[int, str, bool]]:
    pairs = labels.items() if isinstance(labels, Mapping) else ((None, entry) for entry in labels)
    for key, entry in pairs:
        if not isinstance(entry, Mapping):
            entry = {"label": entry}
        label_id = entry.get("id", key)
        if str(label_id).isdecimal():
            name = entry.get("label", entry.get("name"))
            yield int(label_id), _text(name), bool(entry.get("is_deactivated"))


# --- Reading --------------------------------------------------------------------------------------------------------

Reader = Callable[[Cell, BoardColumn], Value]
_UNFORESEEN = (AttributeError, IndexError, KeyError, TypeError)


def _guarded(read: Reader) -> Reader:
    """A shape that the reader did not foresee costs one cell, not the run."""

    def read_or_tell(cell: Cell, column: BoardColumn) -> Value:
        try:
            return read(cell, column)
        except _UNFORESEEN:
            raise CellError(f"value is not understood: {_shown(cell.get('value'))}") from None

    return read_or_tell


def _read_text(cell: Cell, column: BoardColumn) -> Value:
    text = cell.get("text")
    if text:
        return text if text.isascii() and "\0" not in text else clean_text(text) or None
    value = cell.get("value") if text is None else None
    if not value:
        return None
    value = _decoded(value)
    return _text(value.get("text", value.get("value")) if type(value) is dict else value) or None


def _read_shown(cell: Cell, column: BoardColumn) -> Value:
    """Kinds that only have `display_value` (and `text` on some versions)."""
    text = cell.get("display_value") or cell.get("text")
    # A formula over mirrored columns is not computed; its display value is then the word null.
    return None if not text or text == "null" else clean_text(text) or None


@_guarded
def _read_button(cell: Cell, column: BoardColumn) -> Value:
    return _text(cell.get("label") or cell.get("text")) or None


def _read_number(cell: Cell, column: BoardColumn) -> Value:
    value = cell.get("value")
    if type(value) is str:
        value = value.strip('"')
        if value[:1] == "{":
            value = _object(cell)
    if type(value) is dict:
        value = value.get("value")
    if value is None or value == "" or value == "null":
        value = cell.get("text")
        if not value:
            return None
    return _number(value)


def _read_status(cell: Cell, column: BoardColumn) -> Value:
    text = cell.get("text")
    if text:
        return text if text.isascii() and "\0" not in text else clean_text(text) or None
    if not cell.get("value"):
        return None
    return _label_by_index(cell, column)


@_guarded
def _label_by_index(cell: Cell, column: BoardColumn) -> Value:
    # The blank grey label has an index and no text.
    return _labels(column).names.get(_object(cell).get("index")) or None


@_guarded
def _read_dropdown(cell: Cell, column: BoardColumn) -> Value:
    ids = _object(cell).get("ids")
    if not ids:
        return None
    text = cell.get("text")
    if text and len(ids) == 1:
        return [clean_text(text)]
    names = _labels(column).names
    labels = [names.get(label_id) for label_id in ids]
    if None not in labels:
        return labels
    return _listed(cell.get("values"), "label", text, ids)


@_guarded
def _read_tags(cell: Cell, column: BoardColumn) -> Value:
    ids = _object(cell).get("tag_ids")
    return _listed(cell.get("tags"), "name", cell.get("text"), ids) if ids else None


def _listed(entries: Any, key: str, text: Any, ids: list[Any]) -> list[str]:
    """Names from the typed field; else from `text`, if it falls apart into as many as there are ids; else the ids."""
    names = [_text(entry.get(key)) for entry in entries or () if entry]
    if len(names) != len(ids):
        names = _text(text).split(", ")
    return names if len(names) == len(ids) else [str(one) for one in ids]


def _read_date(cell: Cell, column: BoardColumn) -> Value:
    # Only `value` is in UTC: `text` and the typed fields are in the zone of the token's user.
    value = _object(cell)
    day = value.get("date")
    if not day:
        return None
    clock = value.get("time")
    return datetime.combine(_day(day), _clock(clock), UTC) if clock else _day(day)


def _period(start: Any, end: Any) -> Value:
    if not start and not end:
        return None
    first, last = str(start or end)[:10], str(end or start)[:10]
    _day(first), _day(last)
    return {"from": first, "to": last}


def _read_timeline(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    return _period(value.get("from"), value.get("to"))


@_guarded
def _read_week(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    week = value.get("week", value)
    return _period(week.get("startDate"), week.get("endDate")) if week else None


@_guarded
def _read_people(cell: Cell, column: BoardColumn) -> Value:
    people = _object(cell).get("personsAndTeams")
    return [_person(entry) for entry in people] if people else None


def _person(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        return {"id": _whole(entry), "kind": "person"}
    return {"id": _whole(entry.get("id")), "kind": _text(entry.get("kind")) or "person"}


@_guarded
def _read_person(cell: Cell, column: BoardColumn) -> Value:
    """The people and team kinds of before: one id, under a name of its own."""
    value = _object(cell)
    if value.get("personsAndTeams"):
        return _read_people(cell, column)
    kind = "team" if column.type == "team" else str(value.get("kind") or "person")
    found = value.get("id") or value.get("team_id") or value.get("person_id") or value.get("personId")
    return [{"id": _whole(found), "kind": kind}] if found else None


def _read_checkbox(cell: Cell, column: BoardColumn) -> Value:
    value = cell.get("value")
    if not value:
        return True if cell.get("text") else None
    checked = _object(cell).get("checked")
    return None if checked is None else checked is True or str(checked).lower() == "true"


def _read_email(cell: Cell, column: BoardColumn) -> Value:
    return _text(_object(cell).get("email")).strip() or None


def _read_phone(cell: Cell, column: BoardColumn) -> Value:
    return _text(_object(cell).get("phone")).strip() or None


def _read_link(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    url, text = _text(value.get("url")).strip(), _text(value.get("text"))
    return {"url": url, "text": text} if url or text else None


_LOCATION_PARTS = (
    ("lat", "lat"), ("lng", "lng"), ("address", "address"), ("street", "street"), ("street_number", "streetNumber"),
    ("city", "city"), ("country", "country"), ("place_id", "placeId"),
)  # fmt: skip


@_guarded
def _read_location(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    location = {}
    for ours, theirs in _LOCATION_PARTS:
        part = value.get(theirs)
        if type(part) is dict:
            part = part.get("long_name") or part.get("short_name")
        if part is not None and part != "":
            location[ours] = _text(part)
    return location or None


def _read_country(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    code = _text(value.get("countryCode"))
    return {"code": code, "name": _text(value.get("countryName"))} if code else None


def _read_rating(cell: Cell, column: BoardColumn) -> Value:
    rating = _object(cell).get("rating")
    return _whole(rating) or None if rating else None


@_guarded
def _read_hour(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    if value.get("hour") is None:
        return None
    try:
        return time(_whole(value["hour"]), _whole(value.get("minute") or 0))
    except ValueError as exc:
        raise CellError(f"not a time: {_shown(value)}") from exc


def _read_world_clock(cell: Cell, column: BoardColumn) -> Value:
    return _text(_object(cell).get("timezone")) or None


@_guarded
def _read_color(cell: Cell, column: BoardColumn) -> Value:
    color = _object(cell).get("color")
    if type(color) is not dict:
        return _text(color) or None
    if color.get("hex"):
        return _text(color["hex"])
    parts = color.get("rgb", color)
    if type(parts) is not dict or not {"r", "g", "b"} <= parts.keys():
        return None
    return "#" + "".join(f"{_whole(parts[name]) & 255:02X}" for name in "rgb")


@_guarded
def _read_files(cell: Cell, column: BoardColumn) -> Value:
    files = _object(cell).get("files")
    if not files:
        return None
    addresses = _file_addresses(cell.get("text"))
    in_order = addresses if len(addresses) == len(files) else [None] * len(files)
    pairs = zip(files, in_order, strict=True)
    return [_file(entry, addresses, spare) for entry, spare in pairs if type(entry) is dict]


def _file_addresses(text: Any) -> list[Any]:
    """`text` holds the lasting addresses, joined by commas that file names may contain too."""
    if not text:
        return []
    first, *others = clean_text(text).split(", http")
    return [None if "Signature=" in url else url for url in (first, *("http" + other for other in others))]


def _file(entry: Mapping[str, Any], addresses: list[Any], spare: str | None) -> dict[str, Any]:
    file_id = _text(entry.get("assetId") or entry.get("fileId") or entry.get("objectId"))
    url = _text(entry.get("linkToFile")) or next((one for one in addresses if one and f"/{file_id}/" in one), spare)
    return {"id": file_id or None, "name": _text(entry.get("name")) or None, "url": url or None}


def _reader_of_ids(typed: str) -> Reader:
    """Relations: their ids are in the typed field only; cells of before 2025-04 had them in `value`."""

    @_guarded
    def read(cell: Cell, column: BoardColumn) -> Value:
        ids = cell.get(typed)
        if ids is None and cell.get("value"):
            ids = [entry.get("linkedPulseId") for entry in _object(cell).get("linkedPulseIds") or () if entry]
        return [_whole(one) for one in ids] if ids else None

    return read


@_guarded
def _read_voters(cell: Cell, column: BoardColumn) -> Value:
    voters = _object(cell).get("voter_ids")
    return [_whole(one) for one in voters] if voters else None


@_guarded
def _read_duration(cell: Cell, column: BoardColumn) -> Value:
    """Seconds recorded so far; a timer that runs counts from its last stop."""
    seconds = cell.get("duration")
    if seconds is None:
        seconds = _object(cell).get("duration")
    if seconds is None and cell.get("text"):
        parts = [_whole(part) for part in cell["text"].split(":")]
        return sum(part * size for part, size in zip(reversed(parts), (1, 60, 3_600), strict=False))
    return None if seconds is None else _whole(seconds)


def _reader_of_moment(member: str) -> Reader:
    def read(cell: Cell, column: BoardColumn) -> Value:
        moment = _object(cell).get(member) or cell.get("text")
        return _moment(moment) if moment else None

    return read


@_guarded
def _read_item_id(cell: Cell, column: BoardColumn) -> Value:
    return _text(cell.get("text") or _object(cell).get("item_id")) or None


_VOLATILE = ("changed_at", "post_id", "update_id")


def _read_raw(cell: Cell, column: BoardColumn) -> Value:
    """A kind unknown to this version: its JSON, without the members that change when the content does not."""
    value = cell.get("value")
    if not value:
        return _text(cell.get("text")) or None
    try:
        value = loads_exact(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return _text(value)
    if type(value) is dict:
        value = {key: part for key, part in value.items() if key not in _VOLATILE}
    return to_json(value) or _text(cell.get("text")) or None


# --- Writing --------------------------------------------------------------------------------------------------------

Writer = Callable[[Value, BoardColumn, Cell | None], JsonMember]


def _clearing(write: Writer) -> Writer:
    """The writer with the one rule that all kinds share: null empties the cell."""

    def write_or_clear(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
        try:
            return None if is_empty(value) else write(value, column, cell)
        except _UNFORESEEN:
            raise CellError(f"no value for this kind of column: {_shown(value)}") from None

    return write_or_clear


def is_empty(value: Value) -> bool:
    """Nothing to say: None, "", an empty list or object."""
    return value is None or (not value and isinstance(value, (str, list, tuple, dict)))


def _as_text(value: Value) -> str:
    value = to_json(value)
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return clean_text(value if isinstance(value, str) else dumps(value).decode())


def _write_text(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return _as_text(value)


def _write_name(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    name = _as_text(value) if value is not None else ""
    if not name.strip():
        raise CellError("an item's name cannot be empty")
    if len(name) > ITEM_NAME_LENGTH:
        raise CellError(f"an item's name has at most {ITEM_NAME_LENGTH} characters, not {len(name)}")
    return name


def _write_long_text(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    text = _as_text(value)
    if len(text) > LONG_TEXT_LENGTH:
        raise CellError(f"a long text has at most {LONG_TEXT_LENGTH:,} characters, not {len(text):,}")
    return {"text": text}


def _write_number(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    if isinstance(value, str) and not value.strip():
        return None
    number = _number(value)
    return f"{number:f}" if number else "0"


def _write_status(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    label = _as_text(value)
    ids = _labels(column).ids
    found = ids.get(label, ids.get(label.strip()))
    if found is not None:
        return {"index": found}
    if label.strip().isdecimal():
        # monday.com would take the digits for the number of a label.
        raise CellError(f"no label {_shown(label)} in this column")
    return {"label": label.strip()} if label.strip() else None


def _write_dropdown(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    ids = _labels(column).ids
    if isinstance(value, str):
        value = [value] if value.strip() in ids else value.split(",")
    labels = [text for text in (_as_text(one).strip() for one in _several(value)) if text]
    if all(label in ids for label in labels):
        return {"ids": [ids[label] for label in labels]} if labels else None
    return {"labels": labels}


def _write_date(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    if isinstance(value, str):
        value = _day(value) if len(value) == 10 else _moment(value)
    if isinstance(value, datetime):
        try:
            moment = _in_utc(value)
        except OverflowError:
            raise CellError(f"not a date: {_shown(value)}") from None
        return {"date": moment.date().isoformat(), "time": moment.strftime("%H:%M:%S")}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    raise CellError(f"not a date: {_shown(value)}")


def _dates_of(value: Value) -> tuple[date, date]:
    if not isinstance(value, Mapping) or not value.get("from") or not value.get("to"):
        raise CellError(f"needs both from and to: {_shown(value)}")
    first, last = _day(str(value["from"])[:10]), _day(str(value["to"])[:10])
    if last < first:
        raise CellError(f"ends before it begins: {_shown(value)}")
    return first, last


def _write_timeline(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    first, last = _dates_of(value)
    return {"from": first.isoformat(), "to": last.isoformat()}


def _write_week(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    first, last = _dates_of(value)
    # Weeks start on the account's first weekday, which is Monday or Sunday.
    if last - first != timedelta(days=6) or first.weekday() not in (0, 6):
        raise CellError(f"not a week of seven days from Monday or Sunday: {_shown(value)}")
    return {"week": {"startDate": first.isoformat(), "endDate": last.isoformat()}}


def _several(value: Value) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _write_people(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"personsAndTeams": [_person(entry) for entry in _several(value)]}


def _write_checkbox(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"checked": "true"} if _is_set(value) else None


def _write_email(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    address = _as_text(value).strip()
    if not address:
        return None
    old = _object(cell) if cell else {}
    shown, before = _text(old.get("text")), _text(old.get("email"))
    keep = shown.strip() and not _same_email(shown, before)
    return {"email": address, "text": shown if keep else address}


def _write_link(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    link = value if isinstance(value, Mapping) else {"url": _as_text(value)}
    url, text = _text(link.get("url")).strip(), _text(link.get("text"))
    old = _read_link(cell, column) if cell else None
    old_url, old_text = (old["url"], old["text"]) if old else ("", "")
    if url != old_url and "://" not in url and not url.startswith(("mailto:", "tel:")):
        raise CellError(f"a link needs an address with a scheme, like https://: {_shown(url)}")
    text = text or old_text
    # A text that only repeated the old address follows the new one.
    return {"url": url, "text": url if not text.strip() or text.strip() == old_url else text}


def _write_phone(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    number = _as_text(value).strip()
    if not number:
        return None
    old = _text(_object(cell).get("countryShortName")).strip().upper() if cell else ""
    return {"phone": number, "countryShortName": phone_region(number, old)}


def phone_region(number: str, region: str = "") -> str:
    """The country (upper-case ISO-2) of a number: the one given if it still fits, else read off the number."""
    for candidate, default in ((number, region), (number, DEFAULT_PHONE_REGION), ("+" + number, None)):
        if default == "":
            continue
        try:
            parsed = phonenumbers.parse(candidate, default)
        except phonenumbers.NumberParseException:
            continue
        if default and default == region and phonenumbers.is_valid_number_for_region(parsed, region):
            return region
        found = phonenumbers.region_code_for_number(parsed) if phonenumbers.is_valid_number(parsed) else None
        if found and found not in ("001", "ZZ"):
            return found
    return _likely_region(number, region)


def _likely_region(number: str, region: str) -> str:
    """For a number that is assigned to nobody but has a possible length; monday.com has the last word on it."""
    try:
        parsed = phonenumbers.parse(number, region or DEFAULT_PHONE_REGION)
    except phonenumbers.NumberParseException:
        raise CellError(f"not a phone number: {_shown(number)}") from None
    likely = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    if not phonenumbers.is_possible_number(parsed) or likely in ("001", "ZZ"):
        raise CellError(f"no country has the phone number {_shown(number)}")
    return region if region and phonenumbers.country_code_for_region(region) == parsed.country_code else likely


def _write_location(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    place = value if isinstance(value, Mapping) else {"address": _as_text(value)}
    old = (_read_location(cell, column) if cell else None) or {}
    address = _text(place.get("address")).strip()
    if not place.get("lat") and address == old.get("address", "").strip():
        place = {**old, **{name: part for name, part in place.items() if part}}
    member = {}
    for name, limit in (("lat", 90), ("lng", 180)):
        if place.get(name) in (None, ""):
            raise CellError(f"a location needs lat and lng: {_shown(value)}")
        if abs(_number(place[name])) > limit:
            raise CellError(f"{name} is at most {limit}: {_shown(place[name])}")
        member[name] = str(place[name])
    return {**member, "address": _text(place.get("address"))}


def _write_country(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    country = value if isinstance(value, Mapping) else {"code": value}
    code, name = _text(country.get("code")).strip().upper(), _text(country.get("name"))
    old = (_read_country(cell, column) if cell else None) or {}
    if not name and code == old.get("code"):
        name = old["name"]
    if len(code) != 2 or not name:
        raise CellError(f"a country needs its code and its name: {_shown(value)}")
    return {"countryCode": code, "countryName": name}


def _write_rating(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    rating = _number(value)
    settings = _decoded(column.settings)
    # Without a limit in the settings monday.com decides; no column goes beyond 10.
    limit = _whole(settings.get("limit") or 10) if isinstance(settings, Mapping) else 10
    if not rating:
        return None
    if rating != int(rating) or not 1 <= rating <= limit:
        raise CellError(f"a rating here is a whole number from 1 to {limit}: {_shown(value)}")
    return {"rating": int(rating)}


def _write_hour(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    clock = value if isinstance(value, time) else _clock(value)
    return {"hour": clock.hour, "minute": clock.minute}


def _write_world_clock(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"timezone": _as_text(value).strip()}


def _write_color(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    digits = _as_text(value).strip().removeprefix("#")
    if len(digits) != 6 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise CellError(f"not a colour like #FF5733: {_shown(value)}")
    return {"color": {"hex": "#" + digits}}


def _write_tags(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Tags are written by id; a name is known from the account's list, if it was read, or if the cell has it already."""
    known = dict(column.settings.get("tags") or {})
    if cell:
        known |= dict(zip(_read_tags(cell, column) or (), _object(cell).get("tag_ids") or (), strict=True))
    ids = []
    for tag in _several(value):
        tag_id = known.get(tag, tag)
        if not str(tag_id).strip().isdecimal():
            raise UnknownTag(f"the account has no tag {_shown(tag)}; a new one is written by its id")
        ids.append(int(tag_id))
    return {"tag_ids": ids}


def _ids_of(value: Value) -> list[int]:
    return [_whole(one.get("id") if isinstance(one, Mapping) else one) for one in _several(value)]


def _item_ids(value: Value) -> list[int]:
    """Each once. A row that SQL has inserted has a key below zero until its item is made."""
    ids = list(dict.fromkeys(_ids_of(value)))
    if unmade := [one for one in ids if one < 0]:
        raise CellError(f"the record {unmade[0]} {NO_ITEM_YET}")
    return ids


def _write_relation(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"item_ids": _item_ids(value)}


def _write_dependency(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"item_ids": [str(one) for one in _item_ids(value)]}


# --- Comparing: what is the same in two shapes is no change ---------------------------------------------------------


def _same_text(a: Value, b: Value) -> bool:
    return (a.strip() if isinstance(a, str) else _as_text(a)) == (b.strip() if isinstance(b, str) else _as_text(b))


def _same_email(a: Value, b: Value) -> bool:
    return str(a).strip().casefold() == str(b).strip().casefold()


def _same_phone(a: Value, b: Value) -> bool:
    """monday.com keeps numbers with and without `+`, separators and country code."""
    short, long = sorted(("".join(filter(str.isalnum, str(one).lower())) for one in (a, b)), key=len)
    return short == long or (len(short) >= 10 and len(long) - len(short) <= 3 and long.endswith(short))


def _same_number(a: Value, b: Value) -> bool:
    return _number(a) == _number(b)


def _is_set(value: Value) -> bool:
    return value.strip().lower() in ("true", "t", "yes", "y", "1", "on", "v") if isinstance(value, str) else bool(value)


def _same_flag(a: Value, b: Value) -> bool:
    return _is_set(a) == _is_set(b)


def _instant(value: Value) -> datetime:
    if isinstance(value, str):
        value = _day(value) if len(value) == 10 else _moment(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return _in_utc(value).replace(microsecond=0)


def _same_moment(a: Value, b: Value) -> bool:
    """By instant, to the second that a cell can hold; a date is its first instant."""
    return _instant(a) == _instant(b)


def _same_day(a: Value, b: Value) -> bool:
    return _instant(a).date() == _instant(b).date()


def _same_minute(a: Value, b: Value) -> bool:
    first, second = (one if isinstance(one, time) else _clock(one) for one in (a, b))
    return (first.hour, first.minute) == (second.hour, second.minute)


# A cell of several holds each of them once, and in an order of its own.


def _same_labels(a: Value, b: Value) -> bool:
    first, second = ({str(one).strip() for one in _several(side)} for side in (a, b))
    return first == second


def _same_ids(a: Value, b: Value) -> bool:
    return set(_ids_of(a)) == set(_ids_of(b))


def _same_people(a: Value, b: Value) -> bool:
    first, second = ({(one["id"], one["kind"]) for one in map(_person, _several(side))} for side in (a, b))
    return first == second


def _same_link(a: Value, b: Value) -> bool:
    first, second = (one if isinstance(one, Mapping) else {"url": one} for one in (a, b))
    return _link_parts(first) == _link_parts(second)


def _link_parts(link: Mapping[str, Any]) -> tuple[str, str]:
    url = _text(link.get("url")).strip()
    return url, _text(link.get("text")).strip() or url


def _same_location(a: Value, b: Value) -> bool:
    """By address and coordinates: street, city and country are derived by monday.com when a person picks a place."""
    return all(
        _same_number(a[name], b[name]) if a.get(name) and b.get(name) else a.get(name) == b.get(name)
        for name in ("lat", "lng")
    ) and same("text", a.get("address"), b.get("address"))


def _same_country(a: Value, b: Value) -> bool:
    return _same_email(a.get("code"), b.get("code"))


def _same_files(a: Value, b: Value) -> bool:
    first, second = (sorted((str(one.get("id")), str(one.get("name"))) for one in _several(side)) for side in (a, b))
    return first == second


def _same_json(a: Value, b: Value) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return all(same("json", a.get(name), b.get(name)) for name in a.keys() | b.keys())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same("json", one, other) for one, other in zip(a, b, strict=True))
    a, b = to_json(a), to_json(b)
    return a.strip() == b.strip() if isinstance(a, str) and isinstance(b, str) else bool(a == b)


COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "text": _same_text, "email": _same_email, "phone": _same_phone, "number": _same_number, "whole": _same_number,
    "flag": _same_flag, "moment": _same_moment, "day": _same_day, "minute": _same_minute, "labels": _same_labels,
    "ids": _same_ids, "people": _same_people, "link": _same_link, "location": _same_location,
    "country": _same_country, "colour": _same_email, "files": _same_files, "json": _same_json,
}  # fmt: skip


_COMPARED_BY: dict[str, str] = {
    # A field declared as a date may have a time of day, until its table column is known to have none.
    "date": "moment",
    **dict.fromkeys(("varchar", "character varying", "char", "citext", "uuid"), "text"),
    **dict.fromkeys(("numeric", "decimal", "double precision", "real"), "number"),
    **dict.fromkeys(("integer", "int", "bigint", "smallint"), "whole"),
    **dict.fromkeys(("timestamptz", "timestamp with time zone", "timestamp"), "moment"),
    **dict.fromkeys(("time", "time without time zone"), "minute"),
    **{"boolean": "flag", "bool": "flag", "text[]": "labels", "bigint[]": "ids"},
    **{name: name for name in COMPARISONS},
}
"""The comparison of a type of PostgreSQL, or one named outright."""


def same(kind: str, a: Value, b: Value) -> bool:
    """Whether two values are the same by a comparison or for a type of PostgreSQL; None is every emptiness."""
    if a is b:
        return True
    name = comparison(kind)
    if name != "flag" and (is_empty(a) or is_empty(b)):
        return _is_blank(a) and _is_blank(b)
    if type(a) is type(b) and a == b:
        return True
    try:
        return COMPARISONS[name](a, b)
    except (CellError, AttributeError, TypeError, KeyError, OverflowError):
        return bool(a == b)  # One of them is no value of this kind.


def _is_blank(value: Value) -> bool:
    return is_empty(value) or (isinstance(value, str) and not value.strip())


def comparison(kind: str) -> str:
    """The name in COMPARISONS for a type of PostgreSQL; a comparison stands for itself."""
    return _COMPARED_BY.get(kind) or _COMPARED_BY.get(kind.partition("(")[0].strip().lower(), "json")


def rounding(pg_type: str) -> Callable[[Value], Value] | None:
    """What a table column of this type keeps of a number; None for a type that keeps every digit.

    PostgreSQL rounds `numeric` half away from zero, and keeps the nearest binary number in `real` and `double precision`.
    """
    name, _, digits = pg_type.partition("(")
    if name == "real":
        return lambda value: struct.unpack("f", struct.pack("f", float(_number(value))))[0]
    if name == "double precision":
        return lambda value: float(_number(value))
    if name == "numeric" and digits:
        step = Decimal(1).scaleb(-int(digits.rstrip(")").rpartition(",")[2]))
        return lambda value: _number(value).quantize(step, ROUND_HALF_UP, _LONG)
    return None


_LONG = Context(prec=2_000)


# --- JSON: canonical values in bases and in `metadata` --------------------------------------------------------------


def to_json(value: Value) -> Any:
    """The value in kinds of JSON, with Decimal for exact numbers, which `dumps` writes without a float on the way."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Decimal):
        return value if value.is_finite() else str(value)
    if isinstance(value, float):
        return to_json(Decimal(repr(value)))
    if isinstance(value, datetime):
        return _in_utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {clean_text(str(name)): to_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(part) for part in value]
    return str(value)


def _json_moment(value: Any) -> Value:
    return (_day(value) if len(value) == 10 else _moment(value)) if isinstance(value, str) else value


_FROM_JSON: dict[str, Callable[[Any], Value]] = {
    "number": _number,
    "whole": lambda value: int(number) if (number := _number(value)) == int(number) else number,
    "moment": _json_moment,
    "day": _json_moment,
    "minute": lambda value: _clock(value) if isinstance(value, str) else value,
}


def from_json(kind: str, value: Any) -> Value:
    """The canonical value again. What is no value of the kind, because somebody wrote it by hand, stays as it is."""
    if value is None or value == "":
        return None
    convert = _FROM_JSON.get(comparison(kind))
    if convert is None:
        return value
    try:
        return convert(value)
    except CellError:
        return value


def _plain(number: Decimal) -> str:
    """All the digits, unless that would be hundreds of zeros."""
    return f"{number:f}" if -400 < number.adjusted() < 400 else str(number)


def _json_rest(value: Any) -> Any:
    value = to_json(value)
    return orjson.Fragment(_plain(value)) if isinstance(value, Decimal) else value


def dumps(value: Any) -> bytes:
    """JSON of a canonical value, or of anything made of them, with every digit."""
    try:
        return orjson.dumps(value, default=_json_rest, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which orjson refuses.
        return orjson.dumps(_with_fragments(to_json(value)))


def _with_fragments(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_fragments(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_fragments(part) for part in value]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return orjson.Fragment(_plain(Decimal(value)))
    return value


def _whole_or_decimal(text: str) -> int | Decimal:
    # Python refuses to turn more than 4,300 digits into an int.
    return int(text) if len(text) < 4_000 else Decimal(text)


_EXACT = json.JSONDecoder(parse_float=Decimal, parse_int=_whole_or_decimal)


def loads_exact(text: str | bytes) -> Any:
    """JSON with every number as int or Decimal."""
    return _EXACT.decode(text if isinstance(text, str) else bytes(text).decode())


# --- The table ------------------------------------------------------------------------------------------------------


_KINDS = (
    ColumnType("text", "text", _read_text, _clearing(_write_text)),
    ColumnType("long_text", "text", _read_text, _clearing(_write_long_text)),
    ColumnType("name", "text", _read_text, _write_name),
    ColumnType("numbers", "numeric", _read_number, _clearing(_write_number), compare="number"),
    ColumnType("status", "text", _read_status, _clearing(_write_status)),
    ColumnType("dropdown", "text[]", _read_dropdown, _clearing(_write_dropdown), compare="labels"),
    ColumnType("date", "date", _read_date, _clearing(_write_date), compare="moment"),
    ColumnType("timeline", "jsonb", _read_timeline, _clearing(_write_timeline), compare="json"),
    ColumnType("week", "jsonb", _read_week, _clearing(_write_week), compare="json"),
    ColumnType("people", "jsonb", _read_people, _clearing(_write_people), compare="people"),
    ColumnType("checkbox", "boolean", _read_checkbox, _clearing(_write_checkbox), compare="flag"),
    ColumnType("email", "text", _read_email, _clearing(_write_email), compare="email"),
    ColumnType("phone", "text", _read_phone, _clearing(_write_phone), compare="phone"),
    ColumnType("link", "jsonb", _read_link, _clearing(_write_link), compare="link"),
    ColumnType("location", "jsonb", _read_location, _clearing(_write_location), compare="location"),
    ColumnType("country", "jsonb", _read_country, _clearing(_write_country), compare="country"),
    ColumnType("rating", "integer", _read_rating, _clearing(_write_rating), compare="whole"),
    ColumnType("hour", "time", _read_hour, _clearing(_write_hour), compare="minute"),
    ColumnType("world_clock", "text", _read_world_clock, _clearing(_write_world_clock)),
    ColumnType("color_picker", "text", _read_color, _clearing(_write_color), compare="colour"),
    ColumnType("tags", "text[]", _read_tags, _clearing(_write_tags), compare="labels"),
    ColumnType(
        "board_relation", "bigint[]", _reader_of_ids("linked_item_ids"), _clearing(_write_relation),
        "... on BoardRelationValue { linked_item_ids }", "ids",
    ),
    ColumnType(
        "dependency", "bigint[]", _reader_of_ids("linked_item_ids"), _clearing(_write_dependency),
        "... on DependencyValue { linked_item_ids }", "ids",
    ),
    ColumnType("file", "jsonb", _read_files, compare="files"),
    ColumnType("doc", "jsonb", _read_files, compare="files"),
    ColumnType("direct_doc", "jsonb", _read_files, compare="files"),
    ColumnType("time_tracking", "bigint", _read_duration, compare="whole"),
    ColumnType("vote", "bigint[]", _read_voters, compare="ids"),
    ColumnType("creation_log", "timestamptz", _reader_of_moment("created_at"), compare="moment"),
    ColumnType("item_id", "text", _read_item_id),
    ColumnType("integration", "text", _read_text),
    ColumnType("person", "jsonb", _read_person, compare="people"),
    ColumnType("team", "jsonb", _read_person, compare="people"),
    ColumnType("last_updated", "timestamptz", _reader_of_moment("updated_at"), compare="moment"),
    ColumnType("mirror", "text", _read_shown, None, "... on MirrorValue { display_value }", computed=True),
    ColumnType("formula", "text", _read_shown, None, "... on FormulaValue { display_value }", computed=True),
    ColumnType(
        "subtasks", "bigint[]", _reader_of_ids("subitems_ids"), None,
        "... on SubtasksValue { subitems_ids }", "ids", computed=True,
    ),
    ColumnType("button", "text", _read_button, None, "... on ButtonValue { label }", computed=True),
    ColumnType("progress", "text", _read_text, computed=True),
    ColumnType("auto_number", "text", _read_text, computed=True),
    ColumnType("group", "text", _read_text, computed=True),
    ColumnType("item_assignees", "jsonb", _read_people, compare="people", computed=True),
    ColumnType("unsupported", "jsonb", _read_raw, compare="json"),
)  # fmt: skip

COLUMN_TYPES: dict[str, ColumnType] = {kind.name: kind for kind in _KINDS}

NAMED_PEOPLE = "named_people"
"""For `as`: people with the names that the cell shows beside their ids."""


def _read_named_people(cell: Cell, column: BoardColumn) -> Value:
    people = _read_people(cell, column)
    shown = _text(cell.get("text"))
    # Names are in `text` alone, in the order of the ids; a comma in one of them makes the others uncertain.
    names = [shown] if people and len(people) == 1 else shown.split(", ")
    if not people or len(names) != len(people):
        return people
    return [{**one, "name": name} if name else one for one, name in zip(people, names, strict=True)]


READINGS: dict[str, Reader] = {NAMED_PEOPLE: _read_named_people}
"""Other ways to read a cell than its column's own, by what `as` calls them."""

def comparison_of(kind: str) -> str:
    """The name in COMPARISONS for what a column of this kind holds, or a way to read it, or a type of PostgreSQL."""
    if kind in COLUMN_TYPES:
        return COLUMN_TYPES[kind].compare
    return "people" if kind == NAMED_PEOPLE else comparison(kind)


def column_type(name: str) -> ColumnType:
    """How to treat a column of that kind. A kind of tomorrow is kept as the JSON it comes as, and never written."""
    return COLUMN_TYPES.get(name) or ColumnType(name, "jsonb", _read_raw, compare="json")


def cell_selection(types: Iterable[str]) -> str:
    """The GraphQL selection inside `column_values` that these kinds need, and no more."""
    return " ".join(["id text value", *sorted({column_type(name).selection for name in types} - {""})])
