"""Checks what stands in the metadata of staff: a key for each column that has no place of its own."""

from __future__ import annotations

from decimal import Decimal

import pytest

from models import BoardColumn
from tests.kit.pulls import PullBench
from tests.kit.rows import change, column, dump, row

LABELS = {"labels": [{"id": 1, "label": "Done"}, {"id": 2, "label": "Stuck"}]}


KINDS = [
    ("numbers", "1.10", Decimal("1.10")),
    ("numbers", "12345678901234567890.123456789", Decimal("12345678901234567890.123456789")),
    ("numbers", "0", 0),
    ("numbers", "-3", -3),
    ("date", "2026-02-03", "2026-02-03"),
    ("date", "2026-02-03 13:30:00", "2026-02-03T13:30:00Z"),
    ("date", "0001-01-01", "0001-01-01"),
    ("checkbox", True, True),
    ("checkbox", False, False),
    ("status", "Done", "Done"),
    ("dropdown", ["One"], ["One"]),
    ("dropdown", ["One", "Two"], ["One", "Two"]),
    ("people", [(4, "person"), (9, "team")], [{"id": 4, "kind": "person"}, {"id": 9, "kind": "team"}]),
    ("link", ("https://example.com/x", "Text"), {"url": "https://example.com/x", "text": "Text"}),
    ("email", " a@example.com ", "a@example.com"),
    ("phone", "+12025550169", "+12025550169"),
    ("text", "  as written ", "  as written "),
    ("long_text", "one\ntwo 🧱", "one\ntwo 🧱"),
    (
        "file",
        [(5, "a.png")],
        [{"id": "5", "name": "a.png", "url": "https://files.example.com/resources/5/a.png"}],
    ),
]
SETTINGS = {"dropdown": {"labels": [{"id": 1, "label": "One"}, {"id": 2, "label": "Two"}]}, "status": LABELS}


@pytest.mark.parametrize(("kind", "cell", "value"), KINDS)
def test_every_other_column_stands_in_metadata_under_its_title(db, kind, cell, value):
    staff = PullBench(db, "users", BoardColumn("extra", "An Extra", kind, SETTINGS.get(kind, {})))
    staff.take(staff.item(1, email="a@example.com", extra=cell))
    found = row(db, "users")["metadata"]["An Extra"]
    assert found == value
    assert str(found) == str(value) or kind != "numbers"
    before = dump(db)
    assert staff.take(staff.item(1, email="a@example.com", extra=cell)).changes == 0
    assert dump(db) == before


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in KINDS}))
def test_an_empty_cell_has_no_key_and_an_emptied_one_loses_it(db, kind):
    staff = PullBench(db, "users", BoardColumn("extra", "Extra", kind, SETTINGS.get(kind, {})))
    cell = next(cell for name, cell, value in KINDS if name == kind)
    staff.take(staff.item(1, email="a@example.com"), staff.item(2, email="b@example.com", extra=cell))
    staff.take(staff.item(2, email="b@example.com", at="2026-01-02"))
    assert column(db, "users", "metadata") == [{}, {}]


def test_digits_of_a_number_are_kept_to_the_last(db):
    staff = PullBench(db, "users", BoardColumn("extra", "Extra", "numbers"))
    staff.take(staff.item(1, email="a@example.com", extra="0.1000000000000000055511151231257827"))
    (found,) = db.execute_query("select metadata ->> 'Extra' as text from users")
    assert found["text"] == "0.1000000000000000055511151231257827"


@pytest.mark.parametrize(
    "kind", ["mirror", "formula", "subtasks", "button", "auto_number", "progress", "item_assignees"]
)
def test_computed_columns_are_left_out_of_metadata(db, kind):
    staff = PullBench(db, "users", BoardColumn("computed", "Computed", kind))
    cell = {"text": "x", "value": '"x"', "display_value": "x", "label": "x"}
    staff.take(staff.item(1, email="a@example.com", computed=cell))
    assert row(db, "users")["metadata"] == {}


def test_the_sync_id_column_is_left_out_of_metadata(db):
    staff = PullBench(db, "users", BoardColumn("sync_id", "Sync ID", "text"))
    staff.take(staff.item(1, email="a@example.com", sync_id="4711"))
    assert row(db, "users")["metadata"] == {}


def test_mapped_metadata_has_its_own_names(staff, db):
    staff.take(
        staff.item(
            1,
            email="a@example.com",
            wra="w@example.com",
            shirt="XL",
            phone=" +12025550169 ",
            ids=[(5, "id.pdf")],
            onboarding=[(6, "w4.pdf")],
            address="12 Main St, Springfield, IL 62704",
            city="Chatham",
        )
    )
    assert row(db, "users")["metadata"] == {
        "wra_email": "w@example.com",
        "shirt_size": "XL",
        "phone": "+12025550169",
        "identification_files": [{"id": "5", "name": "id.pdf", "url": "https://files.example.com/resources/5/id.pdf"}],
        "onboarding_files": [{"id": "6", "name": "w4.pdf", "url": "https://files.example.com/resources/6/w4.pdf"}],
        "address": {
            "raw": "12 Main St, Springfield, IL 62704",
            "street": "12 Main St",
            "city": "Chatham",
            "state": "IL",
            "postal_code": "62704",
        },
    }


@pytest.mark.parametrize("address", ["see notes", "PO Box 12 Testville", "-"])
def test_an_address_always_has_its_raw_text(staff, db, address):
    staff.take(staff.item(1, email="a@example.com", address=address))
    assert row(db, "users")["metadata"]["address"]["raw"] == address


def test_two_columns_of_one_title_have_a_key_each(db):
    staff = PullBench(db, "users", BoardColumn("a1", "Extra", "text"), BoardColumn("b2", "Extra", "text"))
    staff.take(staff.item(1, email="a@example.com", a1="first", b2="second"))
    assert row(db, "users")["metadata"] == {"Extra": "first", "Extra (b2)": "second"}


def test_a_title_that_looks_like_another_columns_key_does_not_take_it(db):
    more = [
        BoardColumn("c3", "Extra (b2)", "text"),
        BoardColumn("a1", "Extra", "text"),
        BoardColumn("b2", "Extra", "text"),
    ]
    staff = PullBench(db, "users", *more)
    staff.take(staff.item(1, email="a@example.com", a1="first", b2="second", c3="third"))
    assert sorted(row(db, "users")["metadata"].values()) == ["first", "second", "third"]


def test_a_title_like_a_mapped_key_does_not_take_it(db):
    staff = PullBench(db, "users", BoardColumn("x", "phone", "text"), BoardColumn("y", "", "text"))
    staff.take(staff.item(1, email="a@example.com", phone="+12025550169", x="landline", y="untitled"))
    assert row(db, "users")["metadata"] == {"phone": "+12025550169", "phone (x)": "landline", "y": "untitled"}


def test_keys_that_a_person_added_to_metadata_stay(staff, db):
    staff.take(staff.item(1, email="a@example.com", shirt="XL"))
    change(db, "update users set metadata = metadata || '{\"mine\": [1]}'")
    staff.take(staff.item(1, email="a@example.com", shirt="S", at="2026-01-02"))
    assert row(db, "users")["metadata"] == {"shirt_size": "S", "mine": [1]}
