"""Reads and writes cells of ways to reach a person or a place: e-mail, link, phone, location, country."""

from __future__ import annotations

import re

from sandbox.common.json_text import JsonObject
from sandbox.monday.cells.kind import Cell, Field, Kind, Writing, as_object, need, no_value, part
from sandbox.monday.errors import BadValue

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//)?\S+")
PLACE_PARTS = ("city", "city_short", "country", "country_short", "place_id", "street", "street_number")


def part_or_empty(index: int, cell: Cell) -> str:
    return cell.datum[index] if cell.datum else ""


# e-mail and link: an address and what is shown for it


def email_text(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    address, label = cell.datum
    return address if label in ("", address) else f"{label} - {address}"


def email_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"email": cell.datum[0], "text": cell.datum[1], "changed_at": cell.changed_at()}


def read_email(sent: object, writing: Writing) -> tuple[str, str] | None:
    pair = as_object(sent, "email", "text")
    # an empty address clears the cell
    if pair is None or pair["email"] == "":
        return None
    need(isinstance(pair["email"], str) and EMAIL.match(pair["email"]) and isinstance(pair["text"], str))
    return pair["email"], pair["text"]


def simple_email(text: str, writing: Writing) -> tuple[str, str] | None:
    address, _, label = text.partition(" ")
    return read_email({"email": address, "text": label or address}, writing) if text else None


def link_text(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    url, label = cell.datum
    return f"{label} - {url}" if label else url


def link_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"url": cell.datum[0], "text": cell.datum[1], "changed_at": cell.changed_at()}


def read_link(sent: object, writing: Writing) -> tuple[str, str] | None:
    pair = as_object(sent, "url", "text")
    # an empty address clears the cell
    if pair is None or pair["url"] == "":
        return None
    need(isinstance(pair["url"], str) and URL.match(pair["url"]) and isinstance(pair["text"], str))
    return pair["url"], pair["text"]


def simple_link(text: str, writing: Writing) -> tuple[str, str] | None:
    url, _, label = text.partition(" ")
    return read_link({"url": url, "text": label}, writing) if text else None


def phone_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {
        "phone": cell.datum[0],
        "countryShortName": cell.datum[1],
        "changed_at": cell.changed_at(),
    }


def read_phone(sent: object, writing: Writing) -> tuple[str, str] | None:
    pair = as_object(sent, "phone", "countryShortName")
    if pair is None or (pair["phone"] == "" and pair["countryShortName"] == ""):
        return None
    phone, country = pair["phone"], pair["countryShortName"]
    need(isinstance(phone, str) and isinstance(country, str) and re.fullmatch("[A-Z]{2}", country))
    need(valid_phone(phone, country))
    # Only the digits and a leading plus are kept.
    return ("+" if phone.strip().startswith("+") else "") + re.sub(r"\D", "", phone), country


def valid_phone(phone: str, country: str) -> bool:
    import phonenumbers  # slow to import, and most sandboxes never write a phone

    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number_for_region(number, country)


def simple_phone(text: str, writing: Writing) -> tuple[str, str] | None:
    if not text:
        return None
    # the country is the last word
    phone, _, country = text.rpartition(" ")
    return read_phone({"phone": phone, "countryShortName": country}, writing)


def location_value(cell: Cell) -> JsonObject | None:
    if cell.datum is None:
        return None
    lat, lng, address = cell.datum
    return {"lat": lat, "lng": lng, "address": address, "changed_at": cell.changed_at()}


def coordinate(index: int) -> Field:
    return lambda cell: float(cell.datum[index]) if cell.datum else None


def read_location(sent: object, writing: Writing) -> tuple[str, str, str]:
    place = as_object(sent, "lat", "lng")
    if place is None:
        raise BadValue()
    try:
        lat, lng = float(place["lat"]), float(place["lng"])
    except (TypeError, ValueError):
        raise BadValue() from None
    need(-90 <= lat <= 90 and -180 <= lng <= 180 and isinstance(place.get("address", ""), str))
    return str(place["lat"]), str(place["lng"]), place.get("address", "")


def simple_location(text: str, writing: Writing) -> tuple[str, str, str]:
    parts = text.split(" ", 2)
    need(len(parts) >= 2)
    return read_location({"lat": parts[0], "lng": parts[1], "address": (parts + [""])[2]}, writing)


def country_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {
        "countryCode": cell.datum[0],
        "countryName": cell.datum[1],
        "changed_at": cell.changed_at(),
    }


def country(cell: Cell) -> JsonObject | None:
    return cell.datum and {"code": cell.datum[0], "name": cell.datum[1]}


def read_country(sent: object, writing: Writing) -> tuple[str, str] | None:
    pair = as_object(sent, "countryCode", "countryName")
    if pair is None:
        return None
    code, name = pair["countryCode"], pair["countryName"]
    need(isinstance(code, str) and re.fullmatch("[A-Z]{2}", code) and isinstance(name, str) and name)
    return code, name


CONTACT_KINDS = [
    Kind(
        type="email",
        graphql="EmailValue",
        internal="email",
        text=email_text,
        value=email_value,
        fields={"email": part(0), "label": part(1)},
        read=read_email,
        simple=simple_email,
    ),
    Kind(
        type="link",
        graphql="LinkValue",
        internal="link",
        text=link_text,
        value=link_value,
        fields={"url": part(0), "url_text": part(1)},
        read=read_link,
        simple=simple_link,
    ),
    Kind(
        type="phone",
        graphql="PhoneValue",
        internal="phone",
        text=lambda cell: part_or_empty(0, cell),
        value=phone_value,
        fields={"phone": part(0), "country_short_name": part(1)},
        read=read_phone,
        simple=simple_phone,
    ),
    Kind(
        type="location",
        graphql="LocationValue",
        internal="location",
        text=lambda cell: part_or_empty(2, cell),
        value=location_value,
        fields={
            "lat": coordinate(0),
            "lng": coordinate(1),
            "address": part(2),
            **dict.fromkeys(PLACE_PARTS, no_value),
        },
        read=read_location,
        simple=simple_location,
        clear_by_simple=False,
    ),
    Kind(
        type="country",
        graphql="CountryValue",
        internal="country",
        text=lambda cell: part_or_empty(1, cell),
        value=country_value,
        fields={"country": country},
        read=read_country,
    ),
]
