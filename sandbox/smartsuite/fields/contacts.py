"""Fields of people and places: phone, full name, address, IP address, social network, colour."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import phonenumbers

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.record import Stored
from sandbox.smartsuite.errors import Invalid
from sandbox.smartsuite.fields.kind import Kind, Place, a_text, an_object, entries, known_keys

PHONE_TYPES = (1, 2, 4, 5, 6, 8)
TITLES = {"1": "Mr.", "2": "Mrs."}
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}\Z")
ADDRESS_TEXTS = tuple(
    f"location_{part}" for part in ("address", "address2", "city", "state", "zip", "country", "longitude", "latitude")
)
NETWORKS = tuple(f"{name}_username" for name in ("facebook", "twitter", "instagram", "linkedin"))


class PhoneKind(Kind):
    """Keeps numbers with their country; `sys_root` and `sys_title` are made here."""

    filters, empty = "text", []

    def stored(self, value: Any, place: Place) -> Stored:
        return [phone_of(entry) for entry in entries(value, place)]

    def shown(self, value: Stored, place: Place) -> Any:
        return [{**entry, **digits_of(entry)} for entry in value]

    def key(self, value: Stored, place: Place) -> Any:
        return ", ".join(digits_of(entry)["sys_title"] for entry in value)


def phone_of(value: object) -> JsonObject:
    # the whole number as one text
    if isinstance(value, str):
        try:
            number = phonenumbers.parse(value, None)
        except phonenumbers.NumberParseException:
            raise Invalid(f"{value[:30]!r} is not a valid phone number.") from None
        country = phonenumbers.region_code_for_number(number) or ""
        return phone(country, str(number.national_number), "", 2)
    wanted = ("phone_country", "phone_number", "phone_extension", "phone_type")
    found = known_keys(an_object(value), wanted, ("sys_root", "sys_title"))
    if "phone_country" not in found or not isinstance(found.get("phone_number"), str):
        raise Invalid("phone_country and phone_number are required.")
    kind = found.get("phone_type", 2)
    if kind not in PHONE_TYPES or isinstance(kind, bool):
        raise Invalid(f"{kind!r} is not a valid phone type.")
    country = found["phone_country"]
    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        raise Invalid(f"{str(country)[:20]!r} is not a valid country.")
    return phone(country, found["phone_number"], a_text(found.get("phone_extension") or ""), kind)


def phone(country: str, number: str, extension: str, kind: int) -> JsonObject:
    return {"phone_country": country, "phone_number": number, "phone_extension": extension, "phone_type": kind}


def digits_of(entry: JsonObject) -> JsonObject:
    code = phonenumbers.country_code_for_region(entry["phone_country"]) if entry["phone_country"] else 0
    number = entry["phone_number"]
    title = f"+{code} {number}" if code and not number.startswith("+") else number
    return {"sys_root": "".join(digit for digit in title if digit.isdigit()), "sys_title": title}


class FullNameKind(Kind):
    def stored(self, value: Any, place: Place) -> Stored:
        names = ("title", "first_name", "middle_name", "last_name")
        found = known_keys(an_object(value), names, ("sys_root",))
        kept = {name: a_text(found.get(name) or "") for name in names}
        if kept["title"] and kept["title"] not in titles_of(place):
            raise Invalid(f'"{kept["title"][:60]}" is not a valid choice.')
        return kept if any(kept.values()) else None

    def shown(self, value: Stored, place: Place) -> Any:
        title = titles_of(place).get(value["title"], "")
        parts = (title, value["first_name"], value["middle_name"], value["last_name"])
        return {**value, "sys_root": " ".join(part for part in parts if part)}


def titles_of(place: Place) -> dict[str, str]:
    return TITLES | {choice["value"]: choice["label"] for choice in place.field.choices}


class AddressKind(Kind):
    filters = "text"

    def stored(self, value: Any, place: Place) -> Stored:
        found = known_keys(an_object(value), ADDRESS_TEXTS, ("sys_root",))
        kept = {name: address_part(name, found.get(name)) for name in ADDRESS_TEXTS}
        return kept if any(kept.values()) else None

    def shown(self, value: Stored, place: Place) -> Any:
        return {**value, "sys_root": self.key(value, place)}

    def key(self, value: Stored, place: Place) -> Any:
        return ", ".join(value[name] for name in ADDRESS_TEXTS[:6] if value[name])


def address_part(name: str, value: object) -> str:
    """Keeps coordinates as text, whether they came as text or as number."""
    if name in ADDRESS_TEXTS[6:] and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return a_text(value or "")


class IpAddressKind(Kind):
    empty: Any = []

    def stored(self, value: Any, place: Place) -> Stored:
        return [ip_address(entry) for entry in entries(value, place)]


def ip_address(value: object) -> JsonObject:
    found = known_keys(an_object(value), ("country_code", "address"))
    try:
        ipaddress.ip_address(a_text(found.get("address")))
    except ValueError:
        raise Invalid("Enter a valid IPv4 or IPv6 address.") from None
    return {"country_code": a_text(found.get("country_code") or ""), "address": found["address"]}


class ColourKind(Kind):
    """Keeps colours; the name, which the service finds itself, is the value here."""

    empty: Any = []

    def stored(self, value: Any, place: Place) -> Stored:
        return [colour(entry) for entry in entries(value, place)]

    def shown(self, value: Stored, place: Place) -> Any:
        return [{"value": entry, "name": entry} for entry in value]


def colour(value: object) -> str:
    found = a_text(known_keys(an_object(value), ("value",), ("name",)).get("value"))
    if not COLOUR.match(found):
        raise Invalid(f"{found[:20]!r} is not a valid color.")
    return found


class SocialNetworkKind(Kind):
    def stored(self, value: Any, place: Place) -> Stored:
        found = known_keys(an_object(value), NETWORKS, ("sys_root",))
        kept = {name: a_text(found.get(name) or "") for name in NETWORKS}
        return kept if any(kept.values()) else None
