"""Every kind of board column: what its cell means in Python, how that is written back, compared, and kept as JSON.

This is the only module that knows the shapes of `text` and `value`. All of it is pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
import phonenumbers

from models import BoardColumn, Cell, Value
from values.canonical import is_empty, loads_exact, to_json
from values.comparing import as_list, as_text, comparison, ids_of, is_set, person_of, same_email
from values.parsing import (
    UTC,
    CellError,
    clean_text,
    clock_time,
    day_of,
    exact_number,
    excerpt,
    in_utc,
    moment_of,
    text_of,
    whole_number,
)

LONG_TEXT_LENGTH = 2_000
ITEM_NAME_LENGTH = 255
DEFAULT_PHONE_REGION = "US"

JsonMember = dict[str, Any] | str | None
"""One member of the `column_values` of a mutation."""


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
            raise CellError(f"value is not JSON: {excerpt(value)}") from None


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
    raise CellError(f"value is not an object: {excerpt(value)}")


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
            yield int(label_id), text_of(name), bool(entry.get("is_deactivated"))


# --- Reading --------------------------------------------------------------------------------------------------------

Reader = Callable[[Cell, BoardColumn], Value]
_UNFORESEEN = (AttributeError, IndexError, KeyError, TypeError)


def _guarded(read: Reader) -> Reader:
    """A shape that the reader did not foresee costs one cell, not the run."""

    def read_or_tell(cell: Cell, column: BoardColumn) -> Value:
        try:
            return read(cell, column)
        except _UNFORESEEN:
            raise CellError(f"value is not understood: {excerpt(cell.get('value'))}") from None

    return read_or_tell


def _read_text(cell: Cell, column: BoardColumn) -> Value:
    text = cell.get("text")
    if text:
        return text if text.isascii() and "\0" not in text else clean_text(text) or None
    value = cell.get("value") if text is None else None
    if not value:
        return None
    value = _decoded(value)
    return text_of(value.get("text", value.get("value")) if type(value) is dict else value) or None


def _read_shown(cell: Cell, column: BoardColumn) -> Value:
    """Kinds that only have `display_value` (and `text` on some versions)."""
    text = cell.get("display_value") or cell.get("text")
    # A formula over mirrored columns is not computed; its display value is then the word null.
    return None if not text or text == "null" else clean_text(text) or None


@_guarded
def _read_button(cell: Cell, column: BoardColumn) -> Value:
    return text_of(cell.get("label") or cell.get("text")) or None


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
    return exact_number(value)


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
    names = [text_of(entry.get(key)) for entry in entries or () if entry]
    if len(names) != len(ids):
        names = text_of(text).split(", ")
    return names if len(names) == len(ids) else [str(one) for one in ids]


def _read_date(cell: Cell, column: BoardColumn) -> Value:
    # Only `value` is in UTC: `text` and the typed fields are in the zone of the token's user.
    value = _object(cell)
    day = value.get("date")
    if not day:
        return None
    clock = value.get("time")
    return datetime.combine(day_of(day), clock_time(clock), UTC) if clock else day_of(day)


def _period(start: Any, end: Any) -> Value:
    if not start and not end:
        return None
    first, last = str(start or end)[:10], str(end or start)[:10]
    day_of(first), day_of(last)
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
    return [person_of(entry) for entry in people] if people else None


@_guarded
def _read_person(cell: Cell, column: BoardColumn) -> Value:
    """The people and team kinds of before: one id, under a name of its own."""
    value = _object(cell)
    if value.get("personsAndTeams"):
        return _read_people(cell, column)
    kind = "team" if column.type == "team" else str(value.get("kind") or "person")
    found = value.get("id") or value.get("team_id") or value.get("person_id") or value.get("personId")
    return [{"id": whole_number(found), "kind": kind}] if found else None


def _read_checkbox(cell: Cell, column: BoardColumn) -> Value:
    value = cell.get("value")
    if not value:
        return True if cell.get("text") else None
    checked = _object(cell).get("checked")
    return None if checked is None else checked is True or str(checked).lower() == "true"


def _read_email(cell: Cell, column: BoardColumn) -> Value:
    return text_of(_object(cell).get("email")).strip() or None


def _read_phone(cell: Cell, column: BoardColumn) -> Value:
    return text_of(_object(cell).get("phone")).strip() or None


def _read_link(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    url, text = text_of(value.get("url")).strip(), text_of(value.get("text"))
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
            location[ours] = text_of(part)
    return location or None


def _read_country(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    code = text_of(value.get("countryCode"))
    return {"code": code, "name": text_of(value.get("countryName"))} if code else None


def _read_rating(cell: Cell, column: BoardColumn) -> Value:
    rating = _object(cell).get("rating")
    return whole_number(rating) or None if rating else None


@_guarded
def _read_hour(cell: Cell, column: BoardColumn) -> Value:
    value = _object(cell)
    if value.get("hour") is None:
        return None
    try:
        return time(whole_number(value["hour"]), whole_number(value.get("minute") or 0))
    except ValueError as exc:
        raise CellError(f"not a time: {excerpt(value)}") from exc


def _read_world_clock(cell: Cell, column: BoardColumn) -> Value:
    return text_of(_object(cell).get("timezone")) or None


@_guarded
def _read_color(cell: Cell, column: BoardColumn) -> Value:
    color = _object(cell).get("color")
    if type(color) is not dict:
        return text_of(color) or None
    if color.get("hex"):
        return text_of(color["hex"])
    parts = color.get("rgb", color)
    if type(parts) is not dict or not {"r", "g", "b"} <= parts.keys():
        return None
    return "#" + "".join(f"{whole_number(parts[name]) & 255:02X}" for name in "rgb")


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
    file_id = text_of(entry.get("assetId") or entry.get("fileId") or entry.get("objectId"))
    url = text_of(entry.get("linkToFile")) or next((one for one in addresses if one and f"/{file_id}/" in one), spare)
    return {"id": file_id or None, "name": text_of(entry.get("name")) or None, "url": url or None}


def _reader_of_ids(typed: str) -> Reader:
    """Relations: their ids are in the typed field only; cells of before 2025-04 had them in `value`."""

    @_guarded
    def read(cell: Cell, column: BoardColumn) -> Value:
        ids = cell.get(typed)
        if ids is None and cell.get("value"):
            ids = [entry.get("linkedPulseId") for entry in _object(cell).get("linkedPulseIds") or () if entry]
        return [whole_number(one) for one in ids] if ids else None

    return read


@_guarded
def _read_voters(cell: Cell, column: BoardColumn) -> Value:
    voters = _object(cell).get("voter_ids")
    return [whole_number(one) for one in voters] if voters else None


@_guarded
def _read_duration(cell: Cell, column: BoardColumn) -> Value:
    """Seconds recorded so far; a timer that runs counts from its last stop."""
    seconds = cell.get("duration")
    if seconds is None:
        seconds = _object(cell).get("duration")
    if seconds is None and cell.get("text"):
        parts = [whole_number(part) for part in cell["text"].split(":")]
        return sum(part * size for part, size in zip(reversed(parts), (1, 60, 3_600), strict=False))
    return None if seconds is None else whole_number(seconds)


def _reader_of_moment(member: str) -> Reader:
    def read(cell: Cell, column: BoardColumn) -> Value:
        moment = _object(cell).get(member) or cell.get("text")
        return moment_of(moment) if moment else None

    return read


@_guarded
def _read_item_id(cell: Cell, column: BoardColumn) -> Value:
    return text_of(cell.get("text") or _object(cell).get("item_id")) or None


_VOLATILE = ("changed_at", "post_id", "update_id")


def _read_raw(cell: Cell, column: BoardColumn) -> Value:
    """A kind unknown to this version: its JSON, without the members that change when the content does not."""
    value = cell.get("value")
    if not value:
        return text_of(cell.get("text")) or None
    try:
        value = loads_exact(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return text_of(value)
    if type(value) is dict:
        value = {key: part for key, part in value.items() if key not in _VOLATILE}
    return to_json(value) or text_of(cell.get("text")) or None


# --- Writing --------------------------------------------------------------------------------------------------------

Writer = Callable[[Value, BoardColumn, Cell | None], JsonMember]


def _clearing(write: Writer) -> Writer:
    """The writer with the one rule that all kinds share: null empties the cell."""

    def write_or_clear(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
        try:
            return None if is_empty(value) else write(value, column, cell)
        except _UNFORESEEN:
            raise CellError(f"no value for this kind of column: {excerpt(value)}") from None

    return write_or_clear


def _write_text(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return as_text(value)


def _write_name(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    name = as_text(value) if value is not None else ""
    if not name.strip():
        raise CellError("an item's name cannot be empty")
    if len(name) > ITEM_NAME_LENGTH:
        raise CellError(f"an item's name has at most {ITEM_NAME_LENGTH} characters, not {len(name)}")
    return name


def _write_long_text(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    text = as_text(value)
    if len(text) > LONG_TEXT_LENGTH:
        raise CellError(f"a long text has at most {LONG_TEXT_LENGTH:,} characters, not {len(text):,}")
    return {"text": text}


def _write_number(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    if isinstance(value, str) and not value.strip():
        return None
    number = exact_number(value)
    return f"{number:f}" if number else "0"


def _write_status(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    label = as_text(value)
    ids = _labels(column).ids
    found = ids.get(label, ids.get(label.strip()))
    if found is not None:
        return {"index": found}
    if label.strip().isdecimal():
        # monday.com would take the digits for the number of a label.
        raise CellError(f"no label {excerpt(label)} in this column")
    return {"label": label.strip()} if label.strip() else None


def _write_dropdown(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    ids = _labels(column).ids
    if isinstance(value, str):
        value = [value] if value.strip() in ids else value.split(",")
    labels = [text for text in (as_text(one).strip() for one in as_list(value)) if text]
    if all(label in ids for label in labels):
        return {"ids": [ids[label] for label in labels]} if labels else None
    return {"labels": labels}


def _write_date(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    if isinstance(value, str):
        value = day_of(value) if len(value) == 10 else moment_of(value)
    if isinstance(value, datetime):
        try:
            moment = in_utc(value)
        except OverflowError:
            raise CellError(f"not a date: {excerpt(value)}") from None
        return {"date": moment.date().isoformat(), "time": moment.strftime("%H:%M:%S")}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    raise CellError(f"not a date: {excerpt(value)}")


def _dates_of(value: Value) -> tuple[date, date]:
    if not isinstance(value, Mapping) or not value.get("from") or not value.get("to"):
        raise CellError(f"needs both from and to: {excerpt(value)}")
    first, last = day_of(str(value["from"])[:10]), day_of(str(value["to"])[:10])
    if last < first:
        raise CellError(f"ends before it begins: {excerpt(value)}")
    return first, last


def _write_timeline(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    first, last = _dates_of(value)
    return {"from": first.isoformat(), "to": last.isoformat()}


def _write_week(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    first, last = _dates_of(value)
    # Weeks start on the account's first weekday, which is Monday or Sunday.
    if last - first != timedelta(days=6) or first.weekday() not in (0, 6):
        raise CellError(f"not a week of seven days from Monday or Sunday: {excerpt(value)}")
    return {"week": {"startDate": first.isoformat(), "endDate": last.isoformat()}}


def _write_people(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"personsAndTeams": [person_of(entry) for entry in as_list(value)]}


def _write_checkbox(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"checked": "true"} if is_set(value) else None


def _write_email(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    address = as_text(value).strip()
    if not address:
        return None
    old = _object(cell) if cell else {}
    shown, before = text_of(old.get("text")), text_of(old.get("email"))
    keep = shown.strip() and not same_email(shown, before)
    return {"email": address, "text": shown if keep else address}


def _write_link(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    link = value if isinstance(value, Mapping) else {"url": as_text(value)}
    url, text = text_of(link.get("url")).strip(), text_of(link.get("text"))
    old = _read_link(cell, column) if cell else None
    old_url, old_text = (old["url"], old["text"]) if old else ("", "")
    if url != old_url and "://" not in url and not url.startswith(("mailto:", "tel:")):
        raise CellError(f"a link needs an address with a scheme, like https://: {excerpt(url)}")
    text = text or old_text
    # A text that only repeated the old address follows the new one.
    return {"url": url, "text": url if not text.strip() or text.strip() == old_url else text}


def _write_phone(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    number = as_text(value).strip()
    if not number:
        return None
    old = text_of(_object(cell).get("countryShortName")).strip().upper() if cell else ""
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
        raise CellError(f"not a phone number: {excerpt(number)}") from None
    likely = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    if not phonenumbers.is_possible_number(parsed) or likely in ("001", "ZZ"):
        raise CellError(f"no country has the phone number {excerpt(number)}")
    return region if region and phonenumbers.country_code_for_region(region) == parsed.country_code else likely


def _write_location(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    place = value if isinstance(value, Mapping) else {"address": as_text(value)}
    old = (_read_location(cell, column) if cell else None) or {}
    address = text_of(place.get("address")).strip()
    if not place.get("lat") and address == old.get("address", "").strip():
        place = {**old, **{name: part for name, part in place.items() if part}}
    member = {}
    for name, limit in (("lat", 90), ("lng", 180)):
        if place.get(name) in (None, ""):
            raise CellError(f"a location needs lat and lng: {excerpt(value)}")
        if abs(exact_number(place[name])) > limit:
            raise CellError(f"{name} is at most {limit}: {excerpt(place[name])}")
        member[name] = str(place[name])
    return {**member, "address": text_of(place.get("address"))}


def _write_country(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    country = value if isinstance(value, Mapping) else {"code": value}
    code, name = text_of(country.get("code")).strip().upper(), text_of(country.get("name"))
    old = (_read_country(cell, column) if cell else None) or {}
    if not name and code == old.get("code"):
        name = old["name"]
    if len(code) != 2 or not name:
        raise CellError(f"a country needs its code and its name: {excerpt(value)}")
    return {"countryCode": code, "countryName": name}


def _write_rating(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    rating = exact_number(value)
    settings = _decoded(column.settings)
    # Without a limit in the settings monday.com decides; no column goes beyond 10.
    limit = whole_number(settings.get("limit") or 10) if isinstance(settings, Mapping) else 10
    if not rating:
        return None
    if rating != int(rating) or not 1 <= rating <= limit:
        raise CellError(f"a rating here is a whole number from 1 to {limit}: {excerpt(value)}")
    return {"rating": int(rating)}


def _write_hour(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    clock = value if isinstance(value, time) else clock_time(value)
    return {"hour": clock.hour, "minute": clock.minute}


def _write_world_clock(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"timezone": as_text(value).strip()}


def _write_color(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    digits = as_text(value).strip().removeprefix("#")
    if len(digits) != 6 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise CellError(f"not a colour like #FF5733: {excerpt(value)}")
    return {"color": {"hex": "#" + digits}}


def _write_tags(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Tags are written by id; a name is known from the account's list, if it was read, or if the cell has it already."""
    known = dict(column.settings.get("tags") or {})
    if cell:
        known |= dict(zip(_read_tags(cell, column) or (), _object(cell).get("tag_ids") or (), strict=True))
    ids = []
    for tag in as_list(value):
        tag_id = known.get(tag, tag)
        if not str(tag_id).strip().isdecimal():
            raise UnknownTag(f"the account has no tag {excerpt(tag)}; a new one is written by its id")
        ids.append(int(tag_id))
    return {"tag_ids": ids}


def _item_ids(value: Value) -> list[int]:
    """Each once. A row that SQL has inserted has a key below zero until its item is made."""
    ids = list(dict.fromkeys(ids_of(value)))
    if unmade := [one for one in ids if one < 0]:
        raise CellError(f"the record {unmade[0]} {NO_ITEM_YET}")
    return ids


def _write_relation(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"item_ids": _item_ids(value)}


def _write_dependency(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"item_ids": [str(one) for one in _item_ids(value)]}


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
    shown = text_of(cell.get("text"))
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
