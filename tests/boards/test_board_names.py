"""Checks the names of tables and columns made from boards."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.names import RESERVED, checked_entity, column_names, entity_of, field_name, snake_case, sql_name
from databases.postgres.names import shortened
from errors import SettingsError
from mappings.loader import column_of

TITLES = [
    ("Done (100%)", "Done (100%)", "done_100"),
    ('"quoted"', '"quoted"', "quoted"),
    ("select", "select", "select_"),
    ("Größe", "Größe", "große"),
    ("Étage n°3", "Étage n°3", "etage_n_3"),
    ("🧱", "🧱", "c1"),
    ("🧱 Roof", "🧱 Roof", "roof"),
    ("", "c1", "c1"),
    ("   ", "c1", "c1"),
    ("100 days", "100 days", "_100_days"),
    ("dueDate", "dueDate", "due_date"),
    ("Name", "Name (c1)", "name_c1"),
    ("Item ID", "Item ID (c1)", "item_id_c1"),
    ("ctid", "ctid (c1)", "ctid_c1"),
    ("a.b", "a.b", "a_b"),
    ("задача", "задача", "задача"),
]


@pytest.mark.parametrize("title, exact, plain", TITLES)
def test_a_title_becomes_a_name(title: str, exact: str, plain: str) -> None:
    assert column_names({"c1": title}) == {"c1": exact}
    assert column_names({"c1": title}, "plain") == {"c1": plain}


def test_the_second_of_two_columns_of_one_name_carries_its_id() -> None:
    assert column_names({"b2": "Status", "a1": "Status"}) == {"b2": "Status (b2)", "a1": "Status"}


def test_titles_that_differ_in_case_are_twins_under_plain_names_only() -> None:
    titles = {"a": "Status", "b": "status"}
    assert column_names(titles) == {"a": "Status", "b": "status"}
    assert column_names(titles, "plain") == {"a": "status", "b": "status_b"}


@pytest.mark.parametrize("style", ["exact", "plain"])
def test_a_long_title_is_cut_where_postgresql_would_cut_it_and_stays_unique(style: str) -> None:
    names = column_names({"a": "x" * 70, "b": "x" * 70, "c": "é" * 40, "d": "x" * 71}, style)
    assert len(set(names.values())) == 4
    assert all(len(name.encode()) <= 63 for name in names.values())


@given(
    st.dictionaries(st.text("abcdefgh_0123", min_size=1, max_size=8), st.text(max_size=80), max_size=20), st.integers()
)
def test_names_are_unique_and_the_same_whatever_the_order_of_the_columns(titles: dict[str, str], seed: int) -> None:
    shuffled = list(titles.items())
    random.Random(seed).shuffle(shuffled)
    for style in ("exact", "plain"):
        names = column_names(titles, style)
        assert names == column_names(dict(shuffled), style)
        assert len(set(names.values())) == len(names)
        assert all(name and "\0" not in name and len(name.encode()) <= 63 for name in names.values())


def test_no_plain_name_needs_quotes_but_that_of_the_group() -> None:
    names = column_names({word: word for word in RESERVED}, "plain")
    assert not RESERVED & set(names.values())


@pytest.mark.parametrize(
    "names, text",
    [
        (("planning",), "planning"),
        (("orders", "planning"), "orders.planning"),
        (("Q1.2",), '"Q1.2"'),
        (("", "Plan"), '"Plan"'),
        (('say "hi"',), '"say ""hi"""'),
        (("select",), '"select"'),
    ],
)
def test_a_table_is_written_as_a_mapping_takes_it(names: tuple[str, ...], text: str) -> None:
    assert sql_name(*names) == text


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_a_column_of_any_name_is_found_again_from_its_field(name: str) -> None:
    assert column_of(field_name(name)) == name


def test_snake_case_joins_words() -> None:
    assert snake_case("  Due  Date / (Final) ") == "due_date_final"


@pytest.mark.parametrize(
    "title, name",
    [
        ("Planning", "planning"),
        ("2026 Plan", "board_7"),
        ("План", "board_7"),
        ("日本", "board_7"),
        ("Straße", "board_7"),
        ("Types", "board_7"),
        ("", "board_7"),
        ("Q1: Plan", "q1_plan"),
    ],
)
def test_a_board_has_a_name_for_the_command_line_whatever_its_title(title: str, name: str) -> None:
    assert entity_of(title, "7") == name == checked_entity(name)


def test_no_entity_takes_the_file_that_says_which_column_becomes_which_type() -> None:
    with pytest.raises(SettingsError):
        checked_entity("types")


def test_a_name_is_cut_by_bytes_to_what_has_room() -> None:
    cut = shortened("é" * 30 + "_subitems", "é" * 30, 40)
    assert len(cut.encode()) <= 40 and cut != shortened("é" * 31 + "_subitems", "é" * 31, 40)
