"""Cells of words and numbers: text, long text, numbers, e-mail, link, phone, location, country, rating, colour."""

from __future__ import annotations

import re
from typing import Any

from sandbox.cells.kind import Cell, Kind, Writing, as_object, need
from sandbox.errors import BadValue

LONG_TEXT_CHARACTERS = 2_000
NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)\Z")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//)?\S+")
HEX = re.compile(r"#[0-9A-Fa-f]{6}\Z")


def text_or_empty(cell: Cell) -> str:
    return cell.datum or ""


def read_text(sent: Any, writing: Writing) -> str | None:
    need(isinstance(sent, str))
    return sent or None


def text_event(cell: Cell) -> Any:
    return None if cell.datum is None else {"value": cell.datum}


def long_text_value(cell: Cell) -> Any:
    return None if cell.datum is None else {"text": cell.datum, "changed_at": cell.changed_at()}


def read_long_text(sent: Any, writing: Writing) -> str | None:
    text = (as_object(sent, "text") or {"text": ""})["text"]
    need(isinstance(text, str) and len(text) <= LONG_TEXT_CHARACTERS)
    return text or None


def simple_long_text(text: str, writing: Writing) -> str | None:
    return read_long_text({"text": text}, writing)


# numbers: the author's digits are kept, so "4.50" stays "4.50"

def number_event(cell: Cell) -> Any:
    if cell.datum is None:
        return None
    number = float(cell.datum)
    unit = cell.column.settings.get("unit")
    return {"value": int(number) if number.is_integer() else number, "unit": unit}


def read_numbers(sent: Any, writing: Writing) -> str | None:
    """`""` in the JSON form stores 0; only null clears."""
    need(isinstance(sent, (str, int, float)) and not isinstance(sent, bool))
    return simple_numbers(str(sent), writing) if sent != "" else "0"


def simple_numbers(text: str, writing: Writing) -> str | None:
    if text == "":
        return None
    need(NUMBER.match(text))
    return text


def unit_of(cell: Cell, key: str) -> Any:
    return (cell.column.settings.get("unit") or {}).get(key)


def number_as_float(cell: Cell) -> float | None:
    return None if cell.datum is None else float(cell.datum)


# e-mail and link: an address and what is shown for it

def email_text(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    address, label = cell.datum
    return address if label in ("", address) else f"{label} - {address}"


def email_value(cell: Cell) -> Any:
    return cell.datum and {"email": cell.datum[0], "text": cell.datum[1], "changed_at": cell.changed_at()}


def read_email(sent: Any, writing: Writing) -> Any:
    pair = as_object(sent, "email", "text")
    if pair is None or pair["email"] == "":
        return None
    need(isinstance(pair["email"], str) and EMAIL.match(pair["email"]) and isinstance(pair["text"], str))
    return pair["email"], pair["text"]


def simple_email(text: str, writing: Writing) -> Any:
    address, _, label = text.partition(" ")
    return read_email({"email": address, "text": label or address}, writing) if text else None


def link_text(cell: Cell) -> str:
    if cell.datum is None:
        return ""
    url, label = cell.datum
    return f"{label} - {url}" if label else url


def link_value(cell: Cell) -> Any:
    return cell.datum and {"url": cell.datum[0], "text": cell.datum[1], "changed_at": cell.changed_at()}


def read_link(sent: Any, writing: Writing) -> Any:
    pair = as_object(sent, "url", "text")
    if pair is None or pair["url"] == "":
        return None
    need(isinstance(pair["url"], str) and URL.match(pair["url"]) and isinstance(pair["text"], str))
    return pair["url"], pair["text"]


def simple_link(text: str, writing: Writing) -> Any:
    url, _, label = text.partition(" ")
    return read_link({"url": url, "text": label}, writing) if text else None


def phone_value(cell: Cell) -> Any:
    return cell.datum and {
        "phone": cell.datum[0], "countryShortName": cell.datum[1], "changed_at": cell.changed_at()}


def read_phone(sent: Any, writing: Writing) -> Any:
    pair = as_object(sent, "phone", "countryShortName")
    if pair is None or (pair["phone"] == "" and pair["countryShortName"] == ""):
        return None
    phone, country = pair["phone"], pair["countryShortName"]
    need(isinstance(phone, str) and isinstance(country, str) and re.fullmatch("[A-Z]{2}", country))
    need(valid_phone(phone, country))
    return ("+" if phone.strip().startswith("+") else "") + re.sub(r"\D", "", phone), country


def valid_phone(phone: str, country: str) -> bool:
    import phonenumbers  # slow to import, and most sandboxes never write a phone

    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number_for_region(number, country)


def simple_phone(text: str, writing: Writing) -> Any:
    if not text:
        return None
    phone, _, country = text.rpartition(" ")
    return read_phone({"phone": phone, "countryShortName": country}, writing)


def location_value(cell: Cell) -> Any:
    if cell.datum is None:
        return None
    lat, lng, address = cell.datum
    return {"lat": lat, "lng": lng, "address": address, "changed_at": cell.changed_at()}


def read_location(sent: Any, writing: Writing) -> Any:
    place = as_object(sent, "lat", "lng")
    if place is None:
        raise BadValue()
    try:
        lat, lng = float(place["lat"]), float(place["lng"])
    except (TypeError, ValueError):
        raise BadValue() from None
    need(-90 <= lat <= 90 and -180 <= lng <= 180 and isinstance(place.get("address", ""), str))
    return str(place["lat"]), str(place["lng"]), place.get("address", "")


def simple_location(text: str, writing: Writing) -> Any:
    parts = text.split(" ", 2)
    need(len(parts) >= 2)
    return read_location({"lat": parts[0], "lng": parts[1], "address": (parts + [""])[2]}, writing)


def country_value(cell: Cell) -> Any:
    return cell.datum and {
        "countryCode": cell.datum[0], "countryName": cell.datum[1], "changed_at": cell.changed_at()}


def read_country(sent: Any, writing: Writing) -> Any:
    pair = as_object(sent, "countryCode", "countryName")
    if pair is None:
        return None
    code, name = pair["countryCode"], pair["countryName"]
    need(isinstance(code, str) and re.fullmatch("[A-Z]{2}", code) and isinstance(name, str) and name)
    return code, name


def read_rating(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "rating")
    if wanted is None:
        return None
    try:
        stars = int(wanted["rating"])
    except (TypeError, ValueError):
        raise BadValue() from None
    need(1 <= stars <= int(writing.column.settings.get("limit", 5)))
    return stars


def read_color(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "color")
    if wanted is None:
        return None
    need(isinstance(wanted["color"], dict) and HEX.match(str(wanted["color"].get("hex"))))
    return wanted["color"]["hex"]


def part(index: int) -> Any:
    return lambda cell: None if cell.datum is None else cell.datum[index]


def datum(cell: Cell) -> Any:
    return cell.datum


TEXT_KINDS = [
    Kind("text", "TextValue", "text", text_or_empty, datum, {}, read_text, read_text, text_event),
    Kind("long_text", "LongTextValue", "long-text", text_or_empty, long_text_value, {}, read_long_text,
         simple_long_text, cell_time=True),
    Kind("numbers", "NumbersValue", "numeric", text_or_empty, datum,
         {"number": number_as_float, "symbol": lambda c: unit_of(c, "symbol"),
          "direction": lambda c: unit_of(c, "direction")},
         read_numbers, simple_numbers, number_event),
    Kind("email", "EmailValue", "email", email_text, email_value, {"email": part(0), "label": part(1)},
         read_email, simple_email, cell_time=True),
    Kind("link", "LinkValue", "link", link_text, link_value, {"url": part(0), "url_text": part(1)},
         read_link, simple_link, cell_time=True),
    Kind("phone", "PhoneValue", "phone", lambda c: c.datum[0] if c.datum else "", phone_value,
         {"phone": part(0), "country_short_name": part(1)}, read_phone, simple_phone, cell_time=True),
    Kind("location", "LocationValue", "location", lambda c: c.datum[2] if c.datum else "", location_value,
         {"lat": lambda c: float(c.datum[0]) if c.datum else None,
          "lng": lambda c: float(c.datum[1]) if c.datum else None, "address": part(2),
          **{name: (lambda c: None) for name in
             ("city", "city_short", "country", "country_short", "place_id", "street", "street_number")}},
         read_location, simple_location, cell_time=True, clear_by_simple=False),
    Kind("country", "CountryValue", "country", lambda c: c.datum[1] if c.datum else "", country_value,
         {"country": lambda c: c.datum and {"code": c.datum[0], "name": c.datum[1]}}, read_country, cell_time=True),
    Kind("rating", "RatingValue", "rating", lambda c: str(c.datum or ""),
         lambda c: c.datum and {"rating": c.datum, "changed_at": c.changed_at()}, {"rating": datum},
         read_rating, cell_time=True),
    Kind("color_picker", "ColorPickerValue", "color-picker", text_or_empty,
         lambda c: c.datum and {"color": {"hex": c.datum}, "changed_at": c.changed_at()}, {"color": datum},
         read_color, cell_time=True),
]
