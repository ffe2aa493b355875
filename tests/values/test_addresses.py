"""Addresses as people write them: what they are taken apart into, what is left whole, and that it takes no time."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.shipped import PROJECT
from values.addresses import LONGEST, STATES, UNKNOWN, Address, AddressParser, format_address, state_code

PARSER = AddressParser()


@pytest.mark.parametrize(
    "text, parts",
    [
        ("123 Main St, Springfield, IL 62701", ("123 Main St", "Springfield", "IL", "62701")),
        ("123 Main St Springfield IL 62701", ("123 Main St", "Springfield", "IL", "62701")),
        ("  123   Main St ,Springfield,IL  62701 ", ("123 Main St", "Springfield", "IL", "62701")),
        ("123 main st, springfield, il 62701", ("123 main st", "springfield", "IL", "62701")),
        ("123 Main St., Springfield , IL. 62701", ("123 Main St.", "Springfield", "IL", "62701")),
        ("123 Main St, Springfield, Illinois 62701", ("123 Main St", "Springfield", "IL", "62701")),
        ("123 Main St, Springfield, ILLINOIS, 62701", ("123 Main St", "Springfield", "IL", "62701")),
        ("123 Main St, Springfield, IL, 62701-1234", ("123 Main St", "Springfield", "IL", "62701-1234")),
        ("123 Main St, Springfield, IL", ("123 Main St", "Springfield", "IL", None)),
        ("742 Evergreen Terrace Springfield Illinois", ("742 Evergreen Terrace", "Springfield", "IL", None)),
        ("742 Evergreen Terrace, Springfield", ("742 Evergreen Terrace", "Springfield", None, None)),
        ("742 Evergreen Terrace", ("742 Evergreen Terrace", None, None, None)),
        ("123 Main St Springfield 62701", ("123 Main St", "Springfield", None, "62701")),
        ("Springfield, IL 62701", (None, "Springfield", "IL", "62701")),
        ("Dallas TX", (None, "Dallas", "TX", None)),
        ("62701", (None, None, None, "62701")),
        ("123 Main St, Apt 4B, Springfield, IL 62701", ("123 Main St, Apt 4B", "Springfield", "IL", "62701")),
        ("123 Main St Apt 4B, Springfield, IL 62701", ("123 Main St Apt 4B", "Springfield", "IL", "62701")),
        ("123 main st #5 springfield il 62701", ("123 main st #5", "springfield", "IL", "62701")),
        ("123 Main St Unit 5 Salt Lake City UT 84101", ("123 Main St Unit 5", "Salt Lake City", "UT", "84101")),
        ("55 W 5th St Suite 200, New York, NY, 10001", ("55 W 5th St Suite 200", "New York", "NY", "10001")),
        ("123 Main St, Suite B, TX 75001", ("123 Main St, Suite B", None, "TX", "75001")),
        ("123 Main St, NW, DC 20001", ("123 Main St, NW", None, "DC", "20001")),
        ("1600 Pennsylvania Ave NW, Washington, DC 20500", ("1600 Pennsylvania Ave NW", "Washington", "DC", "20500")),
        ("1600 Pennsylvania Ave NW Washington D.C. 20500", ("1600 Pennsylvania Ave NW", "Washington", "DC", "20500")),
        ("PO Box 123, Dallas, TX 75201", ("PO Box 123", "Dallas", "TX", "75201")),
        ("P.O. Box 88 Dallas TX 75201-0088", ("P.O. Box 88", "Dallas", "TX", "75201-0088")),
        ("RR 2 Box 45, Waco, TX 76701", ("RR 2 Box 45", "Waco", "TX", "76701")),
        ("HC 1 Box 22, Marfa TX 79843", ("HC 1 Box 22", "Marfa", "TX", "79843")),
        ("PSC 1234 Box 5678, APO, AE 09204", ("PSC 1234 Box 5678", "APO", "AE", "09204")),
        ("4500 County Road 12, Aspen CO", ("4500 County Road 12", "Aspen", "CO", None)),
        ("9800 FM 1960 Bypass Rd W, Humble, TX 77338", ("9800 FM 1960 Bypass Rd W", "Humble", "TX", "77338")),
        ("12 St. Louis Ave, St. Louis, Missouri 63101", ("12 St. Louis Ave", "St. Louis", "MO", "63101")),
        ("500 Fort Worth Ave Fort Worth TX 76102", ("500 Fort Worth Ave", "Fort Worth", "TX", "76102")),
        ("2500 Kansas City St, Kansas City, MO 64108", ("2500 Kansas City St", "Kansas City", "MO", "64108")),
        ("8 Camino Real West Palm Beach, FL, 33401", ("8 Camino Real", "West Palm Beach", "FL", "33401")),
        ("1 Elm St #5, Winston-Salem, North Carolina 27101", ("1 Elm St #5", "Winston-Salem", "NC", "27101")),
        ("77 Avenida de la Paz, San Juan, PR 00907", ("77 Avenida de la Paz", "San Juan", "PR", "00907")),
        ("N6W23001 Bluemound Rd, Waukesha, WI 53188", ("N6W23001 Bluemound Rd", "Waukesha", "WI", "53188")),
        ("123 1/2 Elm St, Denver, co 80202", ("123 1/2 Elm St", "Denver", "CO", "80202")),
        ("One Microsoft Way, Redmond, WA 98052", ("One Microsoft Way", "Redmond", "WA", "98052")),
        ("Corner of 5th and Main, Austin TX", ("Corner of 5th and Main", "Austin", "TX", None)),
        ("Acme Tower, 55 W 5th St, New York, NY 10001", ("Acme Tower, 55 W 5th St", "New York", "NY", "10001")),
        ("123 Main St\nSpringfield, IL 62701", ("123 Main St", "Springfield", "IL", "62701")),
        ("123 Main St\r\nApt 4,\r\nSpringfield, IL\r\n62701", ("123 Main St, Apt 4", "Springfield", "IL", "62701")),
        ("123\tMain St\x07, Springfield, IL 62701", ("123 Main St", "Springfield", "IL", "62701")),
        ("123 Main St 🏠, Springfield, IL 62701", ("123 Main St 🏠", "Springfield", "IL", "62701")),
    ],
)
def test_an_address_of_the_united_states_is_taken_apart(text, parts):
    assert PARSER.parse(text) == Address(*parts)


@pytest.mark.parametrize("country", ["USA", "usa", "U.S.A.", "US", "United States", "United States of America"])
@pytest.mark.parametrize("line", ["123 Main St, Springfield, IL 62701", "123 Main St Springfield IL 62701"])
def test_a_country_is_kept_as_it_was_written(line, country):
    for between in (", ", " ", "\n"):
        found = PARSER.parse(f"{line}{between}{country}")
        assert found == Address("123 Main St", "Springfield", "IL", "62701", country)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        "-",
        ", ,",
        "n/a",
        "TBD",
        "see notes",
        "asdf qwer",
        "123",
        "🏠🏠🏠",
        "\x00\x01",
        "USA",
        "call John 555-123-4567",
        "https://maps.google.com/?q=1",
        "10 Downing Street, London SW1A 2AA, UK",
        "Unter den Linden 5, 10117 Berlin, Germany",
        "Unter den Linden 5, 10117 Berlin",
        "3/5 Rue de Rivoli, 75001 Paris",
        "100 Queen St W, Toronto, ON M5V 2T6, Canada",
        "123 Main St, Springfield, XX 62701",
        "123 Main St, Springfield, IL 6270",
        "123 Main St, Springfield, IL, 62701-12",
        "123 Main St, Springfield, IL 62701; 5 Oak St, Peoria, IL 61602",
        "123 Main St, Springfield, IL 62701 / 5 Oak St, Peoria, IL 61602",
        "123 Main St, Springfield, IL 62701\n5 Oak St, Peoria, IL 61602",
    ],
)
def test_what_is_none_or_is_foreign_or_is_two_stays_whole(text):
    assert PARSER.parse(text) == UNKNOWN
    assert not PARSER.parse(text)


PLAIN = st.text(st.sampled_from("abcdefgh "), min_size=1).map(str.strip).filter(bool)
ZIPS = st.none() | st.from_regex(r"[0-9]{5}(-[0-9]{4})?", fullmatch=True).filter(str.isascii)


@given(
    number=st.integers(1, 99999),
    street=PLAIN,
    city=PLAIN.map(lambda text: " ".join(("New", *text.split()))),
    state=st.sampled_from(sorted(set(STATES.values()))),
    code=ZIPS,
    country=st.sampled_from([None, "USA"]),
)
def test_a_formatted_address_is_read_back_as_it_was(number, street, city, state, code, country):
    address = Address(f"{number} {' '.join(street.split())} St", city, state, code, country)
    line = format_address(address)
    before = PARSER.parsed
    assert PARSER.parse(line) == address
    assert PARSER.parsed == before, "the form that the tool writes needs no guessing"


@pytest.mark.parametrize(
    "address, line",
    [
        (Address("1 A St", "B", "TX", "75001", "USA"), "1 A St, B, TX 75001, USA"),
        (Address("1 A St", "B", "TX"), "1 A St, B, TX"),
        (Address("1 A St", "B", None, "75001"), "1 A St, B, 75001"),
        (Address("1 A St"), "1 A St"),
        (Address(), None),
    ],
)
def test_parts_become_one_line(address, line):
    assert format_address(address) == line


@pytest.mark.parametrize(
    "text, code",
    [("tx", "TX"), ("Texas", "TX"), (" new  york ", "NY"), ("D.C.", "DC"), ("Bavaria", None), (None, None)],
)
def test_states_have_two_letters(text, code):
    assert state_code(text) == code


def test_the_library_is_loaded_when_the_first_address_needs_it():
    script = """
import sys
from values.addresses import shared_parser
import mappings.named_transforms
shared_parser().parse("123 Main St, Springfield, IL 62701")
assert "usaddress" not in sys.modules
shared_parser().parse("123 Main St Springfield IL 62701")
assert "usaddress" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)


def test_an_address_is_parsed_once_and_the_librarys_time_is_counted():
    parser = AddressParser(remembered=2)
    for _ in range(3):
        parser.parse("742 Evergreen Terrace Springfield Illinois")
    assert parser.parsed == 1
    assert parser.seconds > 0
    for number in range(3):
        parser.parse(f"74{number} Evergreen Terrace Springfield Illinois")
    parser.parse("742 Evergreen Terrace Springfield Illinois")
    assert parser.parsed == 5 - 1, "the third of them was 742 again"


@pytest.mark.parametrize(
    "text",
    [
        "123 Main St, Springfield, IL 62701 " * 60_000,
        "x" * 2_000_000,
        ", " * 1_000_000,
        "a, " * 90,
        "#" * LONGEST,
        "1 " * 149,
        "\ud800 Main St, Springfield",
        "(" * LONGEST,
        "🏠 " * 150,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_an_absurd_text_is_taken_apart_or_left_at_once(text):
    started = perf_counter()
    PARSER.parse(text)
    assert perf_counter() - started < 0.5


WORDS = st.lists(st.sampled_from("1 22 75001 TX Main St , ; # & Box PO \n USA".split(" "))).map(" ".join)


@given(st.text(max_size=LONGEST + 5) | WORDS)
def test_no_text_breaks_the_parser(text):
    found = PARSER.parse(text)
    assert not found.state or found.state in STATES.values()
