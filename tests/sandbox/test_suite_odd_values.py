"""Sends every type and every comparison odd values: each is answered with a refusal or taken, and never stumbled over."""

import json

import pytest

from sandbox.smartsuite.fields.kinds import KINDS
from sandbox.smartsuite.listing.operators import COMPARISONS
from tests.sandbox.suite import ALL_TYPES, SYSTEM_TYPES

GROUPS = {KINDS[name].filters: name for name in ALL_TYPES}
SLUG = "s1f0c2b3a4"
ODD = (
    *(None, "", " ", "x", "null", "-", "\x00", "é" * 300, "2026-05-09", "99999-01-01", "9" * 400),
    *(0, -1, 1.5, 1e-320, 10**400, 10**30, -(10**30), True, False),
    *([], {}, [[]], [{}], [None], [1], ["x"], [["x"]], {"a": []}),
    *({"value": []}, {"value": {}}, {"date": []}, {"date": "9999-12-31T23:59:59-12:00", "include_time": True}),
    *({"from_date": [], "to_date": {}}, {"data": []}, {"data": {"type": "doc", "content": [{"type": []}]}}),
    *([{"phone_country": [], "phone_number": "1"}], [{"phone_country": "US", "phone_number": []}]),
    *([{"value": []}], [{"address": []}], {"title": []}, {"items": 1}, {"items": [{"content": {"data": []}}]}),
    *({"predecessor": [{}], "successor": 1}, {"location_latitude": []}, {"date_mode": []}, {"date_mode": "today"}),
    *({"date_mode": "next_number_of_days", "date_mode_value": 10**12}, {"date_mode": "date_range"}),
)


@pytest.mark.parametrize("field_type", ALL_TYPES)
def test_no_value_makes_a_write_stumble(suite, field_type):
    choices = {"choices": ["A", "B"]} if field_type in ("statusfield", "tagsfield") or "select" in field_type else {}
    own = {"slug": SLUG, "label": "Field", "field_type": field_type, **choices}
    is_own = field_type not in SYSTEM_TYPES and field_type != "recordtitlefield"
    table = suite.table(*([own] if is_own else []))
    slug = SLUG if is_own else SYSTEM_TYPES.get(field_type, "title")
    suite.admin("switches", uncertain_types="accepted", number_json="accepted", date_text="accepted")
    record = table.made(title="x")
    for value in ODD:
        for answer in (table.create({slug: value}), table.update(record["id"], {slug: value})):
            assert answer.status_code in (200, 400), (value, answer.text)
        # what was taken can be read, sorted by and looked for
        assert table.list(sort=[{"field": slug, "direction": "asc"}]).status_code == 200, value


@pytest.mark.parametrize("field_type", GROUPS.values(), ids=GROUPS)
def test_no_value_makes_a_filter_stumble(suite, field_type):
    is_own = field_type not in SYSTEM_TYPES and field_type != "recordtitlefield"
    table = suite.table(*([{"slug": SLUG, "label": "Field", "field_type": field_type}] if is_own else []))
    slug = SLUG if is_own else SYSTEM_TYPES.get(field_type, "title")
    table.made()
    for comparison in COMPARISONS[KINDS[field_type].filters]:
        for value in ODD:
            fields = [{"field": slug, "comparison": comparison, "value": value}]
            answer = table.list(filter={"operator": "or", "fields": fields})
            assert answer.status_code in (200, 400), (comparison, value, answer.text)


@pytest.mark.parametrize(
    "body",
    [
        '{"title": "\\ud800"}',
        '{"title": NaN}',
        '{"title": Infinity}',
        '{"title": 1e999}',
        b'{"title": "\xff"}',
        "[" * 5000,
        '"x"',
        "null",
    ],
)
def test_a_body_that_is_hardly_json_is_400(suite, body):
    table = suite.table()
    answer = table.create(body)
    assert answer.status_code == 400, answer.text
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize(
    "body", [{"ids": 1}, {"ids": [[]]}, {"ids": [None]}, {"sort": [[]]}, {"sort": [1]}, {"filter": []}]
)
def test_a_listing_of_odd_parts_is_400_or_empty(suite, body):
    answer = suite.table().list(**body)
    assert answer.status_code in (200, 400), answer.text
    assert json.loads(answer.text)
