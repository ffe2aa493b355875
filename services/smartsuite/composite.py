"""Makes of a value what a field of SmartSuite takes that has parts: addresses, names, ranges, lists of things.

The parts come as an object of JSON, as text or as a value of the database; a plain text fills what it can stand for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import orjson

from models import Value
from services.smartsuite.simple import digits, document, moment, plain_text, texts
from services.smartsuite.structure import Field
from values.canonical import is_empty
from values.parsing import CellError

ADDRESS = ("address", "address2", "city", "state", "zip", "country")
PLACE = ("longitude", "latitude")
NAMES = ("title", "first_name", "middle_name", "last_name")
TITLES = {"Mr.": "1", "Mrs.": "2"}
NETWORKS = ("facebook", "twitter", "instagram", "linkedin")
RANGE = ("from_date", "to_date")
DEPENDENCY = ("predecessor", "successor")
DONE, OPEN = "[x]", "[ ]"
"""How a line of a checklist begins that is done, or not."""


def json_of(value: Value) -> Any:
    """Returns what a value holds: an object or a list as it is, or as its JSON says; else the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except ValueError:
            return value
    return value


def parts_of(value: Value, names: Iterable[str], prefix: str = "", suffix: str = "") -> dict[str, Any] | None:
    """Returns the parts of an object, named with or without what SmartSuite adds to their names; None for another value."""
    found, known = json_of(value), list(names)
    if not isinstance(found, Mapping):
        return None
    short = {str(name).removeprefix(prefix).removesuffix(suffix): part for name, part in found.items()}
    if unknown := sorted(short.keys() - set(known) - {"sys_root"}):
        raise CellError(f"no part is called {unknown[0][:40]!r}; there are {', '.join(known)}")
    return {name: short[name] for name in known if not is_empty(short.get(name))}


def _needed(found: Any, what: str) -> Any:
    if found is None:
        raise CellError(f"it takes an object of JSON with {what}")
    return found


def address(field: Field, value: Value) -> dict[str, str]:
    """Writes an address; a text is its first line."""
    parts = parts_of(value, (*ADDRESS, *PLACE), "location_")
    if parts is None:
        parts = {"address": " ".join(plain_text(value).splitlines())}
    written = {f"location_{name}": plain_text(parts.get(name, "")) for name in ADDRESS}
    return written | {f"location_{name}": digits(field, parts[name]) for name in PLACE if name in parts}


def full_name(field: Field, value: Value) -> dict[str, str]:
    """Writes a name; the last word of a text is the last name."""
    parts = parts_of(value, NAMES)
    if parts is None:
        first, _, last = " ".join(plain_text(value).split()).rpartition(" ")
        parts = {"first_name": first, "last_name": last}
    names = {name: plain_text(parts.get(name, "")) for name in NAMES}
    labels = TITLES | {label: name for name, label in field.choices.items()}
    return {**names, "title": labels.get(names["title"], names["title"])}


def ip_addresses(field: Field, value: Value) -> list[dict[str, str]]:
    """Writes IP addresses: texts, or objects with `address` and `country_code`."""
    found = json_of(value)
    listed = found if isinstance(found, (list, tuple)) else plain_text(found).split(",") if found is value else [found]
    written = []
    for part in listed:
        parts = parts_of(part, ("address", "country_code")) or {"address": plain_text(part).strip()}
        written.append(
            {"country_code": str(parts.get("country_code", "")), "address": _ip(str(parts.get("address", "")))}
        )
    return written


def _ip(text: str) -> str:
    """Returns an address without the mask that PostgreSQL writes behind one of a single host."""
    try:
        if ipaddress.ip_interface(text).network.num_addresses == 1:
            return str(ipaddress.ip_interface(text).ip)
    except ValueError:
        pass
    raise CellError(f"{text[:40]!r} is no IP address")


def social_network(field: Field, value: Value) -> dict[str, str]:
    """Writes the names of somebody in social networks."""
    parts = _needed(parts_of(value, NETWORKS, suffix="_username"), ", ".join(NETWORKS))
    return {f"{name}_username": plain_text(parts.get(name, "")) for name in NETWORKS}


def checklist(field: Field, value: Value) -> dict[str, Any]:
    """Writes a checklist: a line for each item, `[x]` before those that are done; or a list of texts or objects."""
    found = json_of(value)
    if isinstance(found, Mapping):
        found = found.get("items") or []
    lines = found if isinstance(found, (list, tuple)) else plain_text(value).splitlines()
    return {"items": [_checked(field, line) for line in lines if not is_empty(line)]}


def _checked(field: Field, line: Any) -> dict[str, Any]:
    if isinstance(line, Mapping):
        text, done = str(line.get("text") or line.get("content") or ""), bool(line.get("completed"))
    else:
        text = plain_text(line).strip()
        done = text.lower().startswith(DONE)
        text = text[len(DONE) :].strip() if text.lower().startswith((DONE, OPEN)) else text
    rest = {"assignee": None, "due_date": None, "completed_at": None}
    return {"content": document(field, text), "completed": done, **rest}


def date_range(field: Field, value: Value) -> dict[str, Any]:
    """Writes two days or moments: an object with `from_date` and `to_date`, a list of two, or a text `FROM/TO`."""
    found = json_of(value)
    if isinstance(found, Mapping):
        short = {f"{str(name).removesuffix('_date')}_date": part for name, part in found.items()}
        ends = [short.get(name) for name in RANGE]
    elif isinstance(found, (list, tuple)) and len(found) == 2:
        ends = list(found)
    elif isinstance(value, (date, datetime)):
        ends = [value, value]
    else:
        begin, slash, end = plain_text(value).partition("/")
        ends = [begin.strip(), end.strip() if slash else begin.strip()]
    return {name: None if is_empty(end) else moment(field, end) for name, end in zip(RANGE, ends, strict=True)}


def due_date(field: Field, value: Value) -> dict[str, Any]:
    """Writes the day on which something is due, or a range of which it is the end."""
    found = json_of(value)
    if found is not value or isinstance(value, Mapping) or (isinstance(value, str) and "/" in value):
        return date_range(field, value)
    return {"from_date": None, "to_date": moment(field, value)}


def as_texts(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a range in the other form that SmartSuite may take: texts in the place of objects."""
    return {name: part["date"] if isinstance(part, Mapping) else part for name, part in cell.items()}


def dependency(field: Field, value: Value) -> dict[str, Any]:
    """Writes what a record depends on, each with `type`, `lag`, `application` and `record`."""
    parts = _needed(parts_of(value, DEPENDENCY), " and ".join(DEPENDENCY))
    return {name: list(parts.get(name, [])) for name in DEPENDENCY}


def files(field: Field, value: Value) -> list[str]:
    """Writes the addresses from which SmartSuite fetches files."""
    found = json_of(value)
    listed = texts(field, found if isinstance(found, (list, tuple)) else plain_text(value).split())
    for wrong in (text for text in listed if not text.startswith(("http://", "https://"))):
        raise CellError(f"{wrong[:60]!r} is no address of a file; it begins with https://")
    return listed


def time_tracking(field: Field, value: Value) -> dict[str, Any]:
    """Writes a log of times as SmartSuite shows it: `time_track_logs`."""
    found = json_of(value)
    logs = found.get("time_track_logs") if isinstance(found, Mapping) else found
    return {"time_track_logs": list(_needed(logs if isinstance(logs, (list, tuple)) else None, "time_track_logs"))}


def signature(field: Field, value: Value) -> dict[str, Any]:
    """Writes a signature: a text, or an image as a `data:` address."""
    text = plain_text(value)
    is_image = text.startswith("data:image/")
    return {"text": None if is_image else text, "image_base64": text if is_image else None}


def sub_items(field: Field, value: Value) -> list[dict[str, Any]]:
    """Writes rows within a record: a list of objects, their parts by slug or label."""
    found = json_of(value)
    if not isinstance(found, (list, tuple)) or not all(isinstance(row, Mapping) for row in found):
        raise CellError("it takes a list of objects as JSON")
    slugs = {label: slug for slug, label in field.nested.items()}
    return [{slugs.get(str(name), str(name)): part for name, part in row.items()} for row in found]
