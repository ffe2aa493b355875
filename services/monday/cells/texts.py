"""Reads and writes cells of texts, numbers, e-mails, phones, links and colours."""

from __future__ import annotations

from collections.abc import Mapping

from models import BoardColumn, Cell, Value
from services.monday.cells.shape import JsonMember, Reader, decoded, guarded, object_of
from values.canonical import as_text, loads_exact, to_json
from values.comparing import same_email
from values.parsing import NUMBER_LENGTH, CellError, clean_text, exact_number, excerpt, text_of, whole_number

LONG_TEXT_LENGTH = 2_000
ITEM_NAME_LENGTH = 255
DEFAULT_PHONE_REGION = "US"

# --- Texts and names ------------------------------------------------------------------------------------------------


def read_text(cell: Cell, column: BoardColumn) -> Value:
    """Reads a text; kinds without `text` keep it in `value`."""
    text = cell.get("text")
    if text:
        return text if text.isascii() and "\0" not in text else clean_text(text) or None
    value = cell.get("value") if text is None else None
    if not value:
        return None
    value = decoded(value)
    return text_of(value.get("text", value.get("value")) if type(value) is dict else value) or None


def reader_of_text(member: str) -> Reader:
    """Makes a reader of the text that stands in this member of `value`, without outer blanks."""

    def read(cell: Cell, column: BoardColumn) -> Value:
        text = object_of(cell).get(member)
        if type(text) is str and text.isascii() and "\0" not in text:
            return text.strip() or None
        return text_of(text).strip() or None

    return read


def read_shown(cell: Cell, column: BoardColumn) -> Value:
    """Reads kinds that only have `display_value` (and `text` on some versions)."""
    text = cell.get("display_value") or cell.get("text")
    # A formula over mirrored columns is not computed; its display value is then the word null.
    return None if not text or text == "null" else clean_text(text) or None


@guarded
def read_button(cell: Cell, column: BoardColumn) -> Value:
    """Reads the label of a button."""
    return text_of(cell.get("label") or cell.get("text")) or None


@guarded
def read_item_id(cell: Cell, column: BoardColumn) -> Value:
    """Reads the id of the item, as text."""
    return text_of(cell.get("text") or object_of(cell).get("item_id")) or None


def write_text(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes any value as a text."""
    return as_text(value)


def write_name(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes the name of an item, which cannot be empty."""
    name = as_text(value) if value is not None else ""
    if not name.strip():
        raise CellError("an item's name cannot be empty")
    if len(name) > ITEM_NAME_LENGTH:
        raise CellError(f"an item's name has at most {ITEM_NAME_LENGTH} characters, not {len(name)}")
    return name


def write_long_text(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a text of bounded length."""
    text = as_text(value)
    if len(text) > LONG_TEXT_LENGTH:
        raise CellError(f"a long text has at most {LONG_TEXT_LENGTH:,} characters, not {len(text):,}")
    return {"text": text}


# --- Numbers and ratings --------------------------------------------------------------------------------------------


def read_number(cell: Cell, column: BoardColumn) -> Value:
    """Reads a number exactly as it was written."""
    value = cell.get("value")
    if type(value) is str:
        value = value.strip('"')
        if value[:1] == "{":
            value = object_of(cell)
    if type(value) is dict:
        value = value.get("value")
    if value is None or value == "" or value == "null":
        value = cell.get("text")
        if not value:
            return None
    return exact_number(value)


def read_rating(cell: Cell, column: BoardColumn) -> Value:
    """Reads the number of stars; none of them is empty."""
    rating = object_of(cell).get("rating")
    return whole_number(rating) or None if rating else None


def write_number(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes all the digits of a number."""
    if isinstance(value, str) and not value.strip():
        return None
    number = exact_number(value)
    digits = f"{number:f}" if number else "0"
    if len(digits) > NUMBER_LENGTH:
        raise CellError(f"a number in a cell has at most {NUMBER_LENGTH:,} digits, not {len(digits):,}")
    return digits


def write_rating(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes stars, from 1 to the limit of the column."""
    rating = exact_number(value)
    settings = decoded(column.settings)
    # Without a limit in the settings monday.com decides; no column goes beyond 10.
    limit = whole_number(settings.get("limit") or 10) if isinstance(settings, Mapping) else 10
    if not rating:
        return None
    if rating != int(rating) or not 1 <= rating <= limit:
        raise CellError(f"a rating here is a whole number from 1 to {limit}: {excerpt(value)}")
    return {"rating": int(rating)}


# --- E-mails and links ----------------------------------------------------------------------------------------------


read_email = reader_of_text("email")


def read_link(cell: Cell, column: BoardColumn) -> Value:
    """Reads address and text."""
    value = object_of(cell)
    url, text = text_of(value.get("url")).strip(), text_of(value.get("text"))
    return {"url": url, "text": text} if url or text else None


def write_email(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes the address, and keeps a text that a user gave it."""
    address = as_text(value).strip()
    if not address:
        return None
    old = object_of(cell) if cell else {}
    shown, before = text_of(old.get("text")), text_of(old.get("email"))
    keep = shown.strip() and not same_email(shown, before)
    return {"email": address, "text": shown if keep else address}


def write_link(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes address and text; a missing text is the one that the cell has."""
    link = value if isinstance(value, Mapping) else {"url": as_text(value)}
    url, text = text_of(link.get("url")).strip(), text_of(link.get("text"))
    old = read_link(cell, column) if cell else None
    old_url, old_text = (old["url"], old["text"]) if old else ("", "")
    if url != old_url and "://" not in url and not url.startswith(("mailto:", "tel:")):
        raise CellError(f"a link needs an address with a scheme, like https://: {excerpt(url)}")
    text = text or old_text
    # A text that only repeated the old address follows the new one.
    return {"url": url, "text": url if not text.strip() or text.strip() == old_url else text}


# --- Phones ---------------------------------------------------------------------------------------------------------


read_phone = reader_of_text("phone")


def write_phone(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a number with its country, which monday.com demands."""
    number = as_text(value).strip()
    if not number:
        return None
    old = text_of(object_of(cell).get("countryShortName")).strip().upper() if cell else ""
    return {"phone": number, "countryShortName": phone_region(number, old)}


def phone_region(number: str, region: str = "") -> str:
    """Finds the country (upper-case ISO-2) of a number: the given country if it still fits, else that of the number."""
    import phonenumbers  # slow to import, and only a phone that is written needs it

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
    """Guesses for a number that is not assigned but has a possible length; monday.com decides whether it is taken."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region or DEFAULT_PHONE_REGION)
    except phonenumbers.NumberParseException:
        raise CellError(f"not a phone number: {excerpt(number)}") from None
    likely = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    if not phonenumbers.is_possible_number(parsed) or likely in ("001", "ZZ"):
        raise CellError(f"no country has the phone number {excerpt(number)}")
    return region if region and phonenumbers.country_code_for_region(region) == parsed.country_code else likely


# --- Colours --------------------------------------------------------------------------------------------------------


@guarded
def read_color(cell: Cell, column: BoardColumn) -> Value:
    """Reads a colour as `#RRGGBB`."""
    color = object_of(cell).get("color")
    if type(color) is not dict:
        return text_of(color) or None
    if color.get("hex"):
        return text_of(color["hex"])
    parts = color.get("rgb", color)
    if type(parts) is not dict or not {"r", "g", "b"} <= parts.keys():
        return None
    return "#" + "".join(f"{whole_number(parts[name]) & 255:02X}" for name in "rgb")


def write_color(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a colour like `#FF5733`."""
    digits = as_text(value).strip().removeprefix("#")
    if len(digits) != 6 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise CellError(f"not a colour like #FF5733: {excerpt(value)}")
    return {"color": {"hex": "#" + digits}}


# --- Kinds unknown to this version ----------------------------------------------------------------------------------

_VOLATILE = ("changed_at", "post_id", "update_id")


def read_raw(cell: Cell, column: BoardColumn) -> Value:
    """Reads a kind unknown to this version: its JSON, without the members that change when the content does not."""
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
