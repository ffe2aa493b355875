"""Takes US addresses apart into street, city, state, ZIP and country, and puts them together again.

An address that cannot be taken apart with confidence is left whole; the caller keeps the text in any case.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from time import thread_time

from msgspec import Struct

LONGEST = 300
"""Characters. No address is longer, and the parser's time grows with the text."""

REMEMBERED = 2_048

_STATE_NAMES = """
alabama AL, alaska AK, arizona AZ, arkansas AR, california CA, colorado CO, connecticut CT, delaware DE,
district of columbia DC, florida FL, georgia GA, hawaii HI, idaho ID, illinois IL, indiana IN, iowa IA, kansas KS,
kentucky KY, louisiana LA, maine ME, maryland MD, massachusetts MA, michigan MI, minnesota MN, mississippi MS,
missouri MO, montana MT, nebraska NE, nevada NV, new hampshire NH, new jersey NJ, new mexico NM, new york NY,
north carolina NC, north dakota ND, ohio OH, oklahoma OK, oregon OR, pennsylvania PA, rhode island RI,
south carolina SC, south dakota SD, tennessee TN, texas TX, utah UT, vermont VT, virginia VA, washington WA,
west virginia WV, wisconsin WI, wyoming WY, american samoa AS, guam GU, northern mariana islands MP, puerto rico PR,
virgin islands VI, armed forces americas AA, armed forces europe AE, armed forces pacific AP
"""
STATES: dict[str, str] = {}
for _entry in _STATE_NAMES.split(","):
    _name, _, _code = _entry.strip().rpartition(" ")
    STATES |= {_name: _code, _code.lower(): _code}

_COUNTRIES = ("united states of america", "united states", "u.s.a.", "u.s.a", "usa", "u.s.", "us")
_NOT_A_CITY = frozenset(
    "apt apartment bldg building dept fl floor lot no rm room ste suite spc space trlr unit # "
    "n s e w ne nw se sw north south east west".split()
)
_NUMBERS = frozenset(("AddressNumber", "USPSBoxType", "USPSBoxGroupType"))
_PLACES = {"PlaceName": 1, "StateName": 2, "ZipCode": 3, "ZipPlus4": 3}


class Address(Struct, frozen=True):
    """Holds the parts of an address; all None when it could not be taken apart."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None

    def __bool__(self) -> bool:
        return bool(self.street or self.city or self.state or self.zip or self.country)


UNKNOWN = Address()


def format_address(address: Address) -> str | None:
    """Writes `street, city, state zip, country`, without what is missing. None when all is."""
    region = " ".join(filter(None, (address.state, address.zip)))
    return ", ".join(filter(None, (address.street, address.city, region, address.country))) or None


def state_code(text: str | None) -> str | None:
    """Returns the two letters of a US state or territory, written in full or short; None for anything else."""
    return STATES.get(" ".join((text or "").replace(".", "").lower().split()))


def _is_zip(text: str) -> bool:
    digits, dash, more = text.partition("-")
    return (
        text.isascii()
        and digits.isdecimal()
        and len(digits) == 5
        and (not dash or (more.isdecimal() and len(more) == 4))
    )


# The library has one tagger, which keeps the text it works on: only one thread at a time may use it.
_ONE_AT_A_TIME = threading.Lock()


def _unlock() -> None:
    """Makes a new lock in a copy of the process: there, the thread that may hold the old one is not."""
    global _ONE_AT_A_TIME
    _ONE_AT_A_TIME = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class AddressParser:
    """Takes addresses apart, each text once, and counts the seconds that the library for it has worked."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.parsed = 0
        self.seconds = 0.0
        self._remembered = lru_cache(maxsize=remembered)(self._taken_apart)

    def parse(self, text: str | None) -> Address:
        """Returns the parts of an address that a user wrote."""
        if not text or len(text) > LONGEST:
            return UNKNOWN
        return self._remembered(text)

    @staticmethod
    def load() -> None:
        """Loads the library, which takes 25 ms, before the first address comes."""
        import values.address_words  # noqa: F401

    def _taken_apart(self, text: str) -> Address:
        line = " ".join(_one_line(text).split()).strip(" ,;")
        line, country = _without_country(line)
        found = _by_commas(line) or (self._by_library(line) if line else UNKNOWN)
        if found and country:
            return Address(found.street, found.city, found.state, found.zip, country)
        return found

    def _by_library(self, line: str) -> Address:
        with _ONE_AT_A_TIME:
            # Imported when the first address comes: it loads a model of a megabyte.
            from values.address_words import labelled

            started = thread_time()
            try:
                tokens = labelled(line)
            except (ValueError, RuntimeError):
                return UNKNOWN
            finally:
                self.seconds += thread_time() - started
                self.parsed += 1
        return _from_tokens(line, tokens)


@lru_cache(maxsize=1)
def shared_parser() -> AddressParser:
    """Returns the parser that all callers without their own share, so that an address on two boards is parsed once."""
    return AddressParser()


def _one_line(text: str) -> str:
    """Joins the lines, which are parts of the address; other control characters are blanks."""
    lines = ", ".join(line.strip(" ,;") for line in text.splitlines() if line.strip(" ,;"))
    return lines if lines.isprintable() else "".join(letter if letter.isprintable() else " " for letter in lines)


def _without_country(line: str) -> tuple[str, str | None]:
    lowered = line.lower()
    for country in _COUNTRIES if lowered.endswith(_COUNTRIES) else ():
        before = line[: -len(country)]
        if lowered.endswith(country) and before.endswith((" ", ",")):
            return before.rstrip(" ,"), line[-len(country) :]
    return line, None


def _by_commas(line: str) -> Address:
    """Reads `street, city, state zip`: the form that `format_address` writes needs no guessing."""
    parts = [part.strip() for part in line.split(",") if part.strip()]
    if len(parts) < 3 or ";" in line:
        return UNKNOWN
    state_text, blank, code = parts[-1].rpartition(" ")
    if _is_zip(parts[-1]):
        state_text, code = parts[-2], parts.pop()
    elif not (blank and _is_zip(code)):
        state_text, code = parts[-1], ""
    state, street, city = state_code(state_text), ", ".join(parts[:-2]), parts[-2]
    plausible = any(map(str.isdecimal, street)) and city.split()[0].lower().rstrip(".") not in _NOT_A_CITY
    if not state or not street or not plausible or any(map(str.isdecimal, city)) or _holds_another(street):
        return UNKNOWN
    return Address(street, city, state, code or None)


def _holds_another(street: str) -> bool:
    """Says whether a second address stands in what should be the street."""
    words = street.replace(",", " ").split()
    return any(_is_zip(word) and state_code(before) for before, word in zip(words, words[1:], strict=False))


def _from_tokens(line: str, tokens: list[tuple[str, str]]) -> Address:
    """Takes all before the city as the street. Parts out of order are two addresses, a foreign address, or none."""
    spans: list[list[int]] = [[], [], [], []]
    labels, last, at = [], 0, 0
    for token, label in tokens:
        place = _PLACES.get(label, 0)
        # The country was cut off before, so one that is still there is not the United States.
        if place < last or label in ("CountryName", "NotAddress"):
            return UNKNOWN
        at = max(line.find(token, at), at)
        spans[place] += [at, at + len(token)]
        labels.append(label)
        last = place
    street, city, state, code = (line[span[0] : span[-1]].strip(" ,;") or None if span else None for span in spans)
    if city and not state and len(city.replace(".", "")) == 2:
        city, state = None, city
    return _checked(Address(street, city, state_code(state), code), state, labels)


def _checked(found: Address, state: str | None, labels: list[str]) -> Address:
    if (state and not found.state) or (found.zip and not _is_zip(found.zip)):
        return UNKNOWN
    if not (found.state or found.zip) and (not labels or labels[0] not in _NUMBERS):
        return UNKNOWN
    return found
