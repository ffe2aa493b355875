"""Checks addresses as transforms: as a line with its parts, and as an object."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.named_transforms import make_transform
from values.addresses import shared_parser
from values.parsing import CellError

NINE = datetime(2026, 6, 15, 9, 0, tzinfo=timezone.utc)
LINE = "123 Main St, Springfield, IL 62701"
PARTS = ("123 Main St", "Springfield", "IL", "62701", None)
FIELDS = (LINE, *PARTS)
OBJECT = {"raw": LINE, "street": "123 Main St", "city": "Springfield", "state": "IL", "postal_code": "62701"}


def changed(fields: tuple[Any, ...], **parts: Any) -> tuple[Any, ...]:
    names = ("raw", "street", "city", "state", "zip", "country")[-len(fields) :]
    return tuple(parts.get(name, value) for name, value in zip(names, fields, strict=True))


# Addresses


def test_an_address_is_kept_as_written_and_taken_apart():
    transform = make_transform("address", columns=1, fields=6)
    assert transform.read((f" {LINE}\n",)) == (f" {LINE}\n", *PARTS)
    assert transform.read(("see notes",)) == ("see notes", None, None, None, None, None)
    assert transform.read((None,)) == (None,) * 6
    assert make_transform("address_parts", fields=5).read((LINE,)) == PARTS
    assert make_transform("address_parts", fields=5).read(("see notes",)) == ("see notes", None, None, None, None)


@pytest.mark.parametrize(
    "fields, cell, written",
    [
        (FIELDS, f" {LINE}", f" {LINE}"),
        (changed(FIELDS, raw=" " + LINE), LINE, LINE),
        (changed(FIELDS, raw="9 Elm St, Peoria, IL 61602"), LINE, "9 Elm St, Peoria, IL 61602"),
        (changed(FIELDS, raw="9 Elm St", city="Peoria"), LINE, "9 Elm St"),
        (changed(FIELDS, city="Peoria"), LINE, "123 Main St, Peoria, IL 62701"),
        (changed(FIELDS, zip="62701-1234"), LINE, "123 Main St, Springfield, IL 62701-1234"),
        (
            changed(FIELDS, street="123 Main St Apt 4", country="USA"),
            LINE,
            "123 Main St Apt 4, Springfield, IL 62701, USA",
        ),
        (changed(FIELDS, raw=None), LINE, None),
        ((None,) * 6, LINE, None),
        (changed(FIELDS, raw=None, city="Peoria"), LINE, "123 Main St, Peoria, IL 62701"),
    ],
)
def test_a_changed_part_rewrites_the_line_and_a_changed_line_wins(fields, cell, written):
    assert make_transform("address", fields=6).write(fields, FIELDS, (cell,)) == (written,)


def test_a_new_item_gets_the_line_or_the_formatted_parts():
    transform = make_transform("address", fields=6)
    nothing = (None,) * 6
    for agreed in (None, nothing):
        assert transform.write(FIELDS, agreed, (None,)) == (LINE,)
        assert transform.write((None, *PARTS), agreed, (None,)) == (LINE,)
        assert transform.write(nothing, agreed, (None,)) == (None,)
    assert make_transform("address_parts", fields=5).write(PARTS, None, (None,)) == (LINE,)


def test_what_the_board_changed_meanwhile_is_not_undone_by_a_part_that_stayed():
    transform = make_transform("address", fields=6)
    now = "9 Elm St, Peoria, IL 61602"
    wanted = changed(transform.read((now,)), country="USA")
    assert transform.write(wanted, FIELDS, (now,)) == (f"{now}, USA",)
    assert transform.write(transform.read((now,)), FIELDS, (now,)) == (now,)


def test_a_line_that_could_not_be_taken_apart_is_not_replaced_by_a_fragment():
    transform = make_transform("address", fields=6)
    berlin = "Unter den Linden 5, 10117 Berlin"
    before = transform.read((berlin,))
    with pytest.raises(CellError, match="as a whole"):
        transform.write(changed(before, city="Berlin"), before, (berlin,))
    whole = changed(before, street="Unter den Linden 5", city="Berlin")
    assert transform.write(whole, before, (berlin,)) == ("Unter den Linden 5, Berlin",)


def test_an_unchanged_address_is_not_parsed_again():
    line = "4711 Before Ave Springfield Illinois"
    parser = shared_parser()
    parsed = parser.parsed
    known = (f"{line} ", "x", "y", None, None, None)
    assert make_transform("address", fields=6).read((line,), known) == (line, "x", "y", None, None, None)
    parts = ("4711 Before Ave Springfield", "Illinois", None, None, None)
    assert make_transform("address_parts", fields=5).read(("4711 Before Ave Springfield, Illinois",), parts) == parts
    assert parser.parsed == parsed
    assert make_transform("address", fields=6).read((line,), (None,) * 6)[2] == "Springfield"
    assert parser.parsed == parsed + 1


def test_a_line_that_was_made_of_known_parts_is_those_parts_again():
    line, parts = "Hauptstr. 1, München, 80331, Germany", ("Hauptstr. 1", "München", None, "80331", "Germany")
    assert make_transform("address", fields=6).read((line,), ("another line before", *parts)) == (line, *parts)
    known = {"street": "Hauptstr. 1", "city": "München", "postal_code": "80331", "country": "Germany"}
    transform = make_transform("address_object", columns=4)
    assert transform.read((line, "München", None, None), (known,)) == ({"raw": line, **known},)
    assert "street" not in transform.read((line, "Berlin", None, None), (known,))[0]


# The address as an object


@pytest.mark.parametrize(
    "cells, found",
    [
        ((LINE,), OBJECT),
        ((LINE, None, "  ", ""), OBJECT),
        ((LINE, "Peoria", "Texas", "75001"), {**OBJECT, "city": "Peoria", "state": "TX", "postal_code": "75001"}),
        (("1 Elm St", "Peoria", "il", ""), {"raw": "1 Elm St", "street": "1 Elm St", "city": "Peoria", "state": "IL"}),
        (("see notes",), {"raw": "see notes"}),
        ((None, "Peoria", "Bavaria", None), {"city": "Peoria", "state": "Bavaria"}),
        ((None, None, " ", None), None),
        ((f"{LINE}, USA",), {**OBJECT, "raw": f"{LINE}, USA", "country": "USA"}),
    ],
)
def test_columns_of_parts_win_over_the_parsed_ones(cells, found):
    assert make_transform("address_object", columns=len(cells)).read(cells) == (found,)


CELLS = (LINE, "Springfield", "IL ", "62701")


@pytest.mark.parametrize(
    "wanted, cells, written",
    [
        (OBJECT, CELLS, CELLS),
        ({**OBJECT, "city": "Peoria"}, CELLS, (LINE, "Peoria", "IL ", "62701")),
        ({**OBJECT, "postal_code": "1", "state": "TX"}, CELLS, (LINE, "Springfield", "TX", "1")),
        ({**OBJECT, "street": "9 Elm St"}, CELLS, ("9 Elm St, Springfield, IL 62701", *CELLS[1:])),
        (
            {**OBJECT, "street": "9 Elm St", "city": "Peoria"},
            CELLS,
            ("9 Elm St, Peoria, IL 62701", "Peoria", "IL ", "62701"),
        ),
        ({**OBJECT, "country": "USA"}, CELLS, (f"{LINE}, USA", *CELLS[1:])),
        ({**OBJECT, "raw": "new line"}, CELLS, ("new line", *CELLS[1:])),
        ({**OBJECT, "raw": "new line", "street": "x", "city": "Peoria"}, CELLS, ("new line", "Peoria", *CELLS[2:])),
        ({**OBJECT, "city": "Peoria"}, (LINE,), ("123 Main St, Peoria, IL 62701",)),
        ({key: part for key, part in OBJECT.items() if key != "city"}, CELLS, (LINE, None, "IL ", "62701")),
        (None, CELLS, (None, None, None, None)),
        ({"city": "Springfield", "state": "IL", "postal_code": "62701"}, ("see notes", *CELLS[1:]), (None, *CELLS[1:])),
        ({**OBJECT, "raw": None}, CELLS, CELLS),
        (
            {"street": "1 A St", "city": "Springfield", "state": "IL", "postal_code": "62702"},
            CELLS,
            ("1 A St, Springfield, IL 62702", "Springfield", "IL ", "62702"),
        ),
        (
            {"street": "123 Main St", "city": "Springfield", "state": "IL", "postal_code": "62702"},
            CELLS,
            ("123 Main St, Springfield, IL 62702", "Springfield", "IL ", "62702"),
        ),
        (
            {"street": "123 Main St", "city": "Springfield", "state": "IL", "zip": "62702"},
            CELLS,
            ("123 Main St, Springfield, IL 62702", "Springfield", "IL ", "62702"),
        ),
        ({**OBJECT, "zip": "1"}, CELLS, CELLS),
        ({**OBJECT, "county": "Sangamon"}, CELLS, CELLS),
        ({**OBJECT, "raw": None, "street": "9 Elm St"}, CELLS, ("9 Elm St, Springfield, IL 62701", *CELLS[1:])),
    ],
)
def test_a_changed_part_goes_to_its_own_column_or_into_the_line(wanted, cells, written):
    transform = make_transform("address_object", columns=len(cells))
    assert transform.write((wanted,), transform.read(cells), cells) == written
    assert transform.write((wanted,), None, cells) == written


def test_an_address_given_as_a_text_is_the_line():
    assert make_transform("address_object", columns=2).write((LINE,), None, (None, None)) == (LINE, None)


def test_an_object_without_a_line_gets_one():
    parts = {name: part for name, part in OBJECT.items() if name != "raw"}
    written = make_transform("address_object", columns=4).write((parts,), None, (None,) * 4)
    assert written == (LINE, "Springfield", "IL", "62701")
    assert make_transform("address_object").write((parts,), None, (None,)) == (LINE,)


@pytest.mark.parametrize(
    "cells, before, found",
    [
        (CELLS, {**OBJECT, "county": "Sangamon"}, {**OBJECT, "county": "Sangamon", "state": "IL"}),
        (
            (LINE, "Peoria", "IL", "62701"),
            {**OBJECT, "county": None, "gate": {"code": 7}},
            {**OBJECT, "city": "Peoria", "county": None, "gate": {"code": 7}},
        ),
        ((None,) * 4, {**OBJECT, "county": "Sangamon"}, {"county": "Sangamon"}),
        ((None,) * 4, OBJECT, None),
    ],
)
def test_what_else_an_object_holds_stays_in_it(cells, before, found):
    assert make_transform("address_object", columns=4).read(cells, (before,)) == (found,)


def test_a_zip_is_the_postal_code_and_keeps_its_name():
    transform = make_transform("address_object", columns=4)
    parts = {"street": "1 A St", "city": "Austin", "state": "TX", "zip": "78701"}
    cells = transform.write((parts,), None, (None,) * 4)
    assert cells == ("1 A St, Austin, TX 78701", "Austin", "TX", "78701")
    before = transform.read(cells, (parts,))
    assert before == ({"raw": cells[0], **parts},)
    (now,) = transform.read((*cells[:3], "78702"), before)
    assert (now["zip"], "postal_code" in now) == ("78702", False)
    assert transform.read(cells)[0]["postal_code"] == "78701"


def test_a_zip_that_is_a_number_stays_one():
    transform = make_transform("address_object", columns=4)
    parts = {"street": "1 A St", "city": "Austin", "state": "TX", "zip": 78701}
    cells = ("1 A St, Austin, TX 78701", "Austin", "TX", "78701")
    assert transform.read(cells, (parts,)) == ({"raw": cells[0], **parts},)


def test_an_unchanged_address_object_is_not_parsed_again():
    cells = ("4712 Before Ave Springfield Illinois", "Springfield", "IL", "62701")
    transform = make_transform("address_object", columns=4)
    before = transform.read(cells)
    parser = shared_parser()
    parser._remembered.cache_clear()
    parsed = parser.parsed
    assert transform.read(cells, before) == before
    assert parser.parsed == parsed
    assert transform.read((*cells[:3], "62702"), before)[0]["postal_code"] == "62702"


PART = st.none() | st.sampled_from(["Peoria", "Springfield", "TX", "61602", "9 Elm St", " "])


LINES = st.sampled_from([LINE, "see notes", None, "12 Elm St"])


@given(cells=st.tuples(LINES, PART, PART, PART), name=st.sampled_from(list(OBJECT)), part=PART)
def test_an_address_that_was_not_changed_is_never_rewritten(cells, name, part):
    transform = make_transform("address_object", columns=4)
    (before,) = transform.read(cells)
    assert transform.write((before,), (before,), cells) == cells
    wanted = {**(before or {}), name: part}
    try:
        written = transform.write((wanted,), (before,), cells)
    except CellError:
        return
    own = {"city": 1, "state": 2, "postal_code": 3}.get(name)
    assert all(new == old for place, (new, old) in enumerate(zip(written, cells, strict=True)) if place not in (own, 0))
    if own:
        assert written[0] == cells[0]
