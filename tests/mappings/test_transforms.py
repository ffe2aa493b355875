"""Checks named transforms, there and back: what the fields show, and which columns a change of them writes."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.named_transforms import TRANSFORMS, make_transform
from values.parsing import CellError

STAGES = {
    "map": {
        "pending": ["New", "Hold", "Waiting"],
        "active": ["In Progress", "Working"],
        "completed": ["Completed", "Done", "Approved"],
        "cancelled": ["Cancelled", "Rejected"],
    },
    "default": "pending",
}
NINE = datetime(2026, 6, 15, 9, 0, tzinfo=timezone.utc)
LINE = "123 Main St, Springfield, IL 62701"
PARTS = ("123 Main St", "Springfield", "IL", "62701", None)
FIELDS = (LINE, *PARTS)
OBJECT = {"raw": LINE, "street": "123 Main St", "city": "Springfield", "state": "IL", "postal_code": "62701"}


def changed(fields: tuple[Any, ...], **parts: Any) -> tuple[Any, ...]:
    names = ("raw", "street", "city", "state", "zip", "country")[-len(fields) :]
    return tuple(parts.get(name, value) for name, value in zip(names, fields, strict=True))


# The value map


@pytest.mark.parametrize(
    "stage, status",
    [
        ("New", "pending"),
        ("hold", "pending"),
        (" WAITING ", "pending"),
        ("In Progress", "active"),
        ("working", "active"),
        ("Done", "completed"),
        ("approved", "completed"),
        ("Completed", "completed"),
        ("Cancelled", "cancelled"),
        ("Rejected", "cancelled"),
        ("Something else", "pending"),
        (None, "pending"),
    ],
)
def test_a_stage_means_a_status_and_is_kept_as_written(stage, status):
    assert make_transform("value_map", STAGES, fields=2).read((stage,)) == (stage, status)
    assert make_transform("value_map", STAGES, fields=1).read((stage,)) == (status,)


@pytest.mark.parametrize(
    "fields, agreed, cell, written",
    [
        (("Waiting", "pending"), ("Waiting", "pending"), "Waiting", "Waiting"),
        (("Waiting", "active"), ("Waiting", "pending"), "Waiting", "In Progress"),
        (("Waiting", "completed"), ("Waiting", "pending"), "Waiting", "Completed"),
        (("Waiting", "cancelled"), ("Waiting", "pending"), "Waiting", "Cancelled"),
        (("Done", "pending"), ("Done", "completed"), "Done", "New"),
        (("Done", "pending"), ("Waiting", "pending"), "Waiting", "Done"),
        (("Done", "cancelled"), ("Waiting", "pending"), "Waiting", "Done"),
        ((None, "pending"), ("Done", "completed"), "Done", None),
        (("Odd one", "pending"), ("Odd one", "pending"), "Odd one", "Odd one"),
        (("Waiting", " Pending"), ("Waiting", "pending"), "Waiting", "Waiting"),
        (("Waiting", "pending"), ("Done", "completed"), "Waiting", "Waiting"),
        ((None, "active"), (None, None), None, "In Progress"),
        ((None, "pending"), (None, None), None, "New"),
        ((None, "pending"), None, None, "New"),
        (("Hold", "pending"), None, None, "Hold"),
    ],
)
def test_stage_wins_over_status_and_an_unchanged_one_rewrites_nothing(fields, agreed, cell, written):
    assert make_transform("value_map", STAGES, fields=2).write(fields, agreed, (cell,)) == (written,)


def test_a_status_alone_writes_the_first_word_unless_the_cell_means_it_already():
    transform = make_transform("value_map", STAGES, fields=1)
    assert transform.write(("active",), ("pending",), ("Waiting",)) == ("In Progress",)
    assert transform.write(("active",), ("pending",), ("Working",)) == ("Working",)
    assert transform.write((None,), ("pending",), ("Waiting",)) == (None,)
    with pytest.raises(CellError, match="unheard of"):
        transform.write(("unheard of",), ("pending",), ("Waiting",))


def test_a_map_of_words_is_as_good_as_a_map_of_meanings():
    transform = make_transform("value_map", {"map": {"Yes": "true", "Yeah": "true", "No": "false"}}, fields=1)
    assert transform.read(("yeah",)) == ("true",)
    assert transform.read(("maybe",)) == (None,)
    assert transform.write(("true",), ("false",), ("No",)) == ("Yes",)


@given(st.sampled_from(["New", "Hold", "Done", "Working", "Rejected", "Odd", None]), st.data())
def test_a_status_that_was_set_is_the_status_that_is_read(stage, data):
    transform = make_transform("value_map", STAGES, fields=2)
    before = transform.read((stage,))
    status = data.draw(st.sampled_from(["pending", "active", "completed", "cancelled"]))
    after = transform.write((before[0], status), before, (stage,))
    assert transform.read(after)[1] == status
    assert (after == (stage,)) == (status == before[1])


# Joining and splitting


@pytest.mark.parametrize(
    "cells, joined",
    [
        (("Ann", "Lee"), "Ann Lee"),
        ((" Ann ", " Lee"), "Ann Lee"),
        (("Ann", None), "Ann"),
        ((None, "Lee"), "Lee"),
        ((None, None), None),
        (("  ", ""), None),
        (("Ann Marie", "van Lee"), "Ann Marie van Lee"),
    ],
)
def test_names_are_joined_from_trimmed_parts(cells, joined):
    assert make_transform("join", columns=2).read(cells) == (joined,)


@pytest.mark.parametrize(
    "name, agreed, cells, written",
    [
        ("Ann Lee", "Ann Lee", (" Ann ", "Lee "), (" Ann ", "Lee ")),
        ("Eve Lee", "Ann Lee", (" Ann ", "Lee "), ("Eve", "Lee ")),
        ("Ann Roe", "Ann Lee", (" Ann ", "Lee "), (" Ann ", "Roe")),
        ("Ann Marie Lee", "Ann Lee", ("Ann", "Lee"), ("Ann Marie", "Lee")),
        ("John Q Public", "Ann Lee", ("Ann", "Lee"), ("John Q", "Public")),
        ("Eva van der Berg", "Ann van der Berg", ("Ann", "van der Berg"), ("Eva", "van der Berg")),
        ("Cher", "Ann Lee", ("Ann", "Lee"), ("Cher", None)),
        (None, "Ann Lee", ("Ann", "Lee"), (None, None)),
        ("  Ann   Roe ", "Ann Lee", ("Ann", "Lee"), ("Ann", "Roe")),
        ("Ann Lee", None, (None, None), ("Ann", "Lee")),
        ("Lee", "Ann Lee", ("Ann", "Lee"), ("Lee", None)),
    ],
)
def test_a_name_is_split_back_at_the_last_blank(name, agreed, cells, written):
    assert make_transform("join", columns=2).write((name,), (agreed,), cells) == written


def test_three_columns_and_another_separator():
    transform = make_transform("join", {"separator": " / "}, columns=3)
    assert transform.read(("a", None, "c")) == ("a / c",)
    assert transform.write(("x / y / z",), None, ("a", "y", "c")) == ("x", "y", "z")
    assert transform.write(("x",), None, ("a", "b", "c")) == ("x", None, None)
    assert transform.write(("x / c",), None, ("a", "b", "c")) == ("x", None, "c")


def test_split_is_the_mirror_of_join():
    transform = make_transform("split", fields=2)
    assert transform.read(("Ann Marie Lee",)) == ("Ann Marie", "Lee")
    assert transform.read(("Cher",)) == ("Cher", None)
    assert transform.read((None,)) == (None, None)
    assert transform.read(("Ann van Lee",), ("Ann", "van Lee")) == ("Ann", "van Lee")
    assert transform.write(("Ann", "Roe"), ("Ann", "Lee"), ("Ann Lee ",)) == ("Ann Roe",)
    assert transform.write(("Ann", "Lee"), ("Ann", "Lee"), ("Ann Lee ",)) == ("Ann Lee ",)


NAMES = st.none() | st.text(st.sampled_from("ab "), max_size=6)


@given(NAMES, NAMES, NAMES.filter(lambda text: bool(text and text.strip())))
def test_a_name_that_was_set_is_the_name_that_is_read(first, last, name):
    transform = make_transform("join", columns=2)
    written = transform.write((name,), transform.read((first, last)), (first, last))
    assert "".join((transform.read(written)[0] or "").split()) == "".join(name.split())
    assert transform.write(transform.read((first, last)), None, (first, last)) == (first, last)


# The first filled


@pytest.mark.parametrize(
    "cells, value",
    [(("a@x", "b@x"), "a@x"), ((None, "b@x"), "b@x"), (("  ", "b@x"), "b@x"), ((None, None), None)],
)
def test_an_empty_column_falls_back_to_the_next(cells, value):
    assert make_transform("first_filled", columns=2).read(cells) == (value,)


@pytest.mark.parametrize(
    "value, cells, written",
    [
        ("b@x", (None, "b@x"), (None, "b@x")),
        ("c@x", (None, "b@x"), ("c@x", "b@x")),
        ("c@x", ("a@x", "b@x"), ("c@x", "b@x")),
        (None, ("a@x", "b@x"), (None, "b@x")),
        ("c@x", (None, None), ("c@x", None)),
    ],
)
def test_the_fallback_is_never_written(value, cells, written):
    assert make_transform("first_filled", columns=2).write((value,), None, cells) == written


# One to one


@pytest.mark.parametrize(
    "name, cell, value",
    [
        ("copy", " a ", " a "),
        ("copy", None, None),
        ("phone", " 555 ", "555"),
        ("email", " A@b.c ", "A@b.c"),
        ("email", "  ", None),
        ("number", "$1,234.50", Decimal("1234.50")),
        ("number", Decimal("2"), Decimal("2")),
        ("number", " ", None),
        ("date", NINE, date(2026, 6, 15)),
        ("date", date(2026, 6, 15), date(2026, 6, 15)),
        ("date", "2026-06-15", date(2026, 6, 15)),
        ("date", None, None),
        ("lower", " Ab ", "ab"),
        ("upper", "ab", "AB"),
        ("link_url", {"url": "https://x", "text": "X"}, "https://x"),
        ("link_url", {"url": "", "text": "X"}, None),
    ],
)
def test_a_cell_becomes_a_field(name, cell, value):
    assert make_transform(name, columns=1, fields=1).read((cell,)) == (value,)


@pytest.mark.parametrize(
    "name, field, cell, written",
    [
        ("copy", "b", "a", "b"),
        ("copy", "a", " a ", " a "),
        ("phone", "555", " 555 ", " 555 "),
        ("phone", "556", "555", "556"),
        ("email", "a@B.c", " A@b.c ", " A@b.c "),
        ("email", None, "a@b.c", None),
        ("number", Decimal("1234.5"), "$1,234.50", "$1,234.50"),
        ("number", Decimal("7"), "$1", Decimal("7")),
        ("number", Decimal("7"), "about seven", Decimal("7")),
        ("date", date(2026, 6, 15), NINE, NINE),
        ("date", date(2026, 6, 16), NINE, date(2026, 6, 16)),
        ("date", None, NINE, None),
        ("date", date(2026, 6, 16), None, date(2026, 6, 16)),
        ("lower", "ab", "Ab", "Ab"),
        ("upper", "CD", "ab", "CD"),
        ("link_url", "https://x", {"url": "https://x", "text": "X"}, {"url": "https://x", "text": "X"}),
        ("link_url", "https://y", {"url": "https://x", "text": "X"}, {"url": "https://y", "text": "X"}),
        ("link_url", "https://y", {"url": "https://x", "text": "https://x"}, {"url": "https://y", "text": ""}),
        ("link_url", "https://y", None, {"url": "https://y", "text": ""}),
        ("link_url", None, {"url": "https://x"}, None),
    ],
)
def test_a_field_becomes_a_cell_and_an_unchanged_one_keeps_it(name, field, cell, written):
    assert make_transform(name).write((field,), None, (cell,)) == (written,)


@pytest.mark.parametrize("name, cell", [("number", "about seven"), ("number", "NaN"), ("date", "soon")])
def test_a_text_that_is_no_such_value_is_an_error_of_its_cell(name, cell):
    with pytest.raises(CellError):
        make_transform(name).read((cell,))


def test_a_constant_is_never_written():
    transform = make_transform("constant", {"value": "Sales Staff"}, columns=1)
    assert transform.read(("anything",)) == ("Sales Staff",)
    assert transform.write(("Other",), ("Sales Staff",), ("anything",)) == ("anything",)


def test_the_date_of_a_moment_is_its_day_in_utc():
    late = datetime.fromisoformat("2026-06-15T23:30:00-05:00")
    assert make_transform("date").read((late,)) == (date(2026, 6, 16),)


ANY = st.none() | st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=3), max_size=2)


@given(name=st.sampled_from(sorted(set(TRANSFORMS) - {"constant"})), data=st.data())
def test_odd_values_break_no_more_than_their_cell_and_unchanged_fields_change_nothing(name, data):
    known = TRANSFORMS[name]
    transform = make_transform(name, STAGES if name == "value_map" else None)
    cells = data.draw(st.tuples(*[ANY] * max(known.columns[0], 1)))
    try:
        fields = transform.read(cells)
        assert transform.write(fields, fields, cells) == cells
        transform.write(data.draw(st.tuples(*[ANY] * known.fields[0])), fields, cells)
    except CellError:
        pass
