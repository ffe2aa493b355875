"""Checks each type of field: what may be written, what is refused, and what is read back."""

from typing import Any

import pytest
from msgspec import Struct, field

from sandbox.smartsuite.fields.kinds import KINDS
from tests.sandbox.suite import ALL_TYPES, SYSTEM_TYPES

SLUG = "s1f0c2b3a4"
CHOICES = [{"value": "aLq4Z", "label": "New"}, {"value": "7c1f7e0e-2f3e", "label": "Paid"}]
DOC = {"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "a < b"}]}]}
HTML = '<div class="rendered">\n <p>a &lt; b</p>\n</div>'
RENDERED = {"data": DOC, "html": HTML, "preview": "a < b"}
DAY = {"date": "2026-05-09T00:00:00Z", "include_time": False}
TIME = {"date": "2026-05-09T06:30:00Z", "include_time": True}
PHONE = {"phone_country": "US", "phone_number": "913 555 0100", "phone_extension": "", "phone_type": 2}
ADDRESS = {
    "location_address": "1 Example St",
    "location_address2": "",
    "location_city": "Dallas",
    "location_state": "TX",
    "location_zip": "75201",
    "location_country": "United States",
    "location_longitude": "-94.7",
    "location_latitude": "38.8",
}
NETWORKS = {"facebook_username": "a", "twitter_username": "", "instagram_username": "", "linkedin_username": ""}
SAME = object()


class Form(Struct, frozen=True):
    """Holds a value that is written, and what is read back: the same, when nothing else is said."""

    written: Any
    read: Any = SAME


class Case(Struct, frozen=True):
    """Holds what is known of a type."""

    accepted: list[Form]
    refused: list[Any]
    params: dict[str, Any] = field(default_factory=dict)


def same(*values):
    return [Form(value) for value in values]


TEXT = Case(same("abc", " a ", "naïve 日本", "x" * 5000), [1, True, ["a"], {"a": 1}])
NUMBER = Case(
    same("120", "19.95", "-0.5", "12345678901234567890123456789012345678", "0", "120.0"),
    ["1E+2", "1,000", "12 ", "", "NaN", "abc", 12, 1.5, True, [1], "+1", ".5"],
)
SCALE = Case(same(0, 59, 100), ["59", 101, -1, True, [1]])
EMAILS = Case(same(["a@example.org"], ["a@example.org", "b@example.org"]), ["a@example.org", [1], {"a": 1}])
CASES = {
    "recordtitlefield": TEXT,
    "textfield": Case([*TEXT.accepted, Form("a\nb")], TEXT.refused),
    "textareafield": Case([*TEXT.accepted, Form("a\nb")], TEXT.refused),
    "richtextareafield": Case(
        [Form({"data": DOC}, RENDERED), Form({"data": DOC, "html": "<p>no</p>", "preview": "no"}, RENDERED)],
        [1, [], {"data": "abc"}, {"data": {"type": "paragraph"}}, {"data": {"type": "doc", "content": ["a"]}}],
    ),
    "emailfield": EMAILS,
    "linkfield": Case(same(["https://example.org"]), ["https://example.org", [None]]),
    "phonefield": Case(
        [
            Form([PHONE], [{**PHONE, "sys_root": "19135550100", "sys_title": "+1 913 555 0100"}]),
            Form(
                ["+19135550100"],
                [
                    {
                        **PHONE,
                        "phone_number": "9135550100",
                        "sys_root": "19135550100",
                        "sys_title": "+1 9135550100",
                    }
                ],
            ),
        ],
        [
            "+19135550100",
            [{"number": "913 555 0100"}],
            [{**PHONE, "phone_type": 3}],
            [{**PHONE, "phone_country": "XX"}],
        ],
    ),
    "fullnamefield": Case(
        [
            Form(
                {"title": "1", "first_name": "Ann", "middle_name": "", "last_name": "Lee"},
                {
                    "title": "1",
                    "first_name": "Ann",
                    "middle_name": "",
                    "last_name": "Lee",
                    "sys_root": "Mr. Ann Lee",
                },
            )
        ],
        ["Ann Lee", {"first_name": 1}, {"title": "Dr.", "last_name": "Lee"}, {"name": "Ann"}],
    ),
    "addressfield": Case(
        [Form(ADDRESS, {**ADDRESS, "sys_root": "1 Example St, Dallas, TX, 75201, United States"})],
        ["1 Example St", {"city": "Dallas"}, {"location_city": 1}],
    ),
    "ipaddressfield": Case(
        same([{"country_code": "us", "address": "2001:db8::1"}]),
        ["192.0.2.1", [{"address": "300.1.1.1"}], [{"country_code": "us"}]],
    ),
    "colorpickerfield": Case(
        [Form([{"value": "#814C4C"}], [{"value": "#814C4C", "name": "#814C4C"}])],
        ["#814C4C", [{"value": "red"}], ["#814C4C"]],
    ),
    "socialnetworkfield": Case(same(NETWORKS), ["a", {"mastodon_username": "a"}, {"facebook_username": 1}]),
    "numberfield": NUMBER,
    "currencyfield": NUMBER,
    "percentfield": NUMBER,
    "numbersliderfield": Case(same(5, 10, 7.5), ["5", 4, 11, True], {"min_value": 5, "max_value": 10}),
    "percentcompletefield": SCALE,
    "ratingfield": Case(same(1, 3), ["1", 4, -1], {"scale": 3}),
    "durationfield": Case(
        [Form("94530.0"), Form("94530", "94530.0"), Form(60, "60.0"), Form(-1.5, "-1.5")],
        ["1:30", "", True, "1e3", [1]],
    ),
    "timefield": Case(same("21:15:00", "00:00:00"), ["24:00:00", "21:15", "9:15:00", "838:59:59", 3600]),
    "datefield": Case(
        [
            Form(DAY),
            Form(TIME),
            Form({**TIME, "include_time": False}, DAY),
            Form({**TIME, "date": "2026-05-09T08:30:00+02:00"}, TIME),
            Form({**TIME, "date": "2026-05-09T06:30:00.5Z"}, TIME),
            Form({**DAY, "date": "1900-01-01T00:00:00Z"}),
        ],
        ["2026-05-09", "2026-05-09T00:00:00Z", {"date": "2026-05-09T00:00:00Z"}, {"include_time": True}, 5]
        + [{**DAY, "date": "0000-00-00T00:00:00Z"}, {**DAY, "date": "2026-02-30"}, {**DAY, "date": "soon"}],
    ),
    "daterangefield": Case(
        [
            Form({"from_date": DAY, "to_date": DAY}),
            Form({"from_date": TIME, "to_date": None}, {"from_date": {**TIME, "include_time": False}, "to_date": None}),
            Form({"from_date": DAY["date"], "to_date": DAY["date"]}, {"from_date": DAY, "to_date": DAY}),
        ],
        ["2026-05-09", {"start": DAY}, {"from_date": {"date": DAY["date"]}}, {"to_date": "soon"}],
    ),
    "duedatefield": Case(
        [
            Form(
                {"from_date": None, "to_date": DAY},
                {
                    "from_date": None,
                    "to_date": DAY,
                    "is_overdue": True,
                    "status_is_completed": False,
                    "status_updated_on": None,
                },
            )
        ],
        ["2026-05-09", {"to_date": DAY, "is_overdue": True}],
    ),
    "yesnofield": Case(same(True), ["true", 1, 0, "yes"]),
    "singleselectfield": Case(same("aLq4Z"), ["New", "alq4z", "Foo", 1, ["aLq4Z"]]),
    "multipleselectfield": Case(
        [*same(["aLq4Z"], ["7c1f7e0e-2f3e", "aLq4Z"]), Form(["aLq4Z", "aLq4Z"], ["aLq4Z"])],
        ["aLq4Z", ["New"], ["aLq4Z", "Foo"]],
    ),
    "statusfield": Case([], ["New", {"value": "Foo"}, {"label": "New"}, 1, ["aLq4Z"]]),
    "tagsfield": Case(same(["aLq4Z"]), ["aLq4Z", ["645acfd07bb0b8858a01bf30"]]),
    "linkedrecordfield": Case([], ["6493681eba09b400816eb700", ["6493681eba09b400816eb700"], [1]]),
    "userfield": Case([], ["63a1f65723aaf6bcb564b100", ["63a1f65723aaf6bcb564b100"], ["a@example.org"]]),
    "dependencyfield": Case(
        same({"predecessor": [{"lag": 0, "type": "fs", "application": "a", "record": "r"}], "successor": []}),
        ["r", {"predecessor": ["r"]}, {"before": []}],
    ),
    "checklistfield": Case([], ["a", {"items": [{"content": "a"}]}, [{"completed": True}]]),
    "filefield": Case([], [["https://example.org/a.pdf"], "https://example.org/a.pdf"]),
    "timetrackingfield": Case([], [{"time_track_logs": []}]),
    "signaturefield": Case([], [{"text": "Ann"}]),
    "subitemsfield": Case([], [[{"a": 1}]]),
}
READ_ONLY = [name for name in ALL_TYPES if name not in CASES]


def with_field(suite, field_type, **params):
    """Makes a table with a field of a type, which is its title when the type is that of titles."""
    if field_type == "recordtitlefield":
        return suite.table(), "title"
    choices = {"choices": CHOICES} if "select" in field_type or field_type in ("statusfield", "tagsfield") else {}
    return suite.table({"slug": SLUG, "label": "Field", "field_type": field_type, "params": params, **choices}), SLUG


def test_every_type_is_known_and_has_a_case():
    assert set(KINDS) == set(ALL_TYPES)
    assert set(READ_ONLY) == {name for name in KINDS if not KINDS[name].writable}


@pytest.mark.parametrize("field_type", [name for name in CASES if CASES[name].accepted])
def test_what_may_be_written_is_answered_in_the_form_of_reading(suite, field_type):
    case = CASES[field_type]
    table, slug = with_field(suite, field_type, **case.params)
    for form in case.accepted:
        read = form.written if form.read is SAME else form.read
        made = table.create({slug: form.written})
        assert made.status_code == 200, (form.written, made.text)
        assert made.json()[slug] == read and type(made.json()[slug]) is type(read)
        assert table.get(made.json()["id"]).json()[slug] == read
        record = table.made()
        assert table.update(record["id"], {slug: form.written}).json()[slug] == read
        assert table.list(ids=[record["id"]]).json()["items"][0][slug] == read


@pytest.mark.parametrize("field_type", CASES)
def test_what_may_not_be_written_is_400_with_the_slug_and_changes_nothing(suite, field_type):
    case = CASES[field_type]
    table, slug = with_field(suite, field_type, **case.params)
    record = table.made()
    for value in case.refused:
        for answer in (table.create({slug: value}), table.update(record["id"], {slug: value})):
            if field_type == "filefield" and isinstance(value, list) and answer.request.method == "PATCH":
                continue
            assert answer.status_code == 400, (value, answer.text)
            assert list(answer.json()) == [slug] and isinstance(answer.json()[slug][0], str)
    if field_type != "filefield":
        assert table.titles() == [""] and table.get(record["id"]).json() == record


@pytest.mark.parametrize("field_type", READ_ONLY)
def test_what_the_service_fills_in_can_not_be_written(suite, field_type):
    fields = () if field_type in SYSTEM_TYPES else ({"slug": SLUG, "label": "Field", "field_type": field_type},)
    table = suite.table(*fields)
    slug = SYSTEM_TYPES.get(field_type, SLUG)
    assert table.create({slug: 1}).json() == {slug: ["This field is read-only."]}
    suite.admin("switches", read_only="dropped")
    assert table.create({slug: 1, "title": "x"}).json()["title"] == "x"


@pytest.mark.parametrize("field_type", [name for name in CASES if CASES[name].accepted])
def test_null_and_the_empty_form_of_a_type_clear_it(suite, field_type):
    case = CASES[field_type]
    table, slug = with_field(suite, field_type, **case.params)
    empty = KINDS[field_type].empty
    for value in [None] + ([] if empty is None else [empty]):
        record = table.made(**{slug: case.accepted[0].written})
        answer = table.update(record["id"], {slug: value})
        assert answer.status_code == 200 and answer.json().get(slug, "") == "", answer.text
    suite.admin("switches", clearing="null")
    if empty is not None:
        assert table.update(record["id"], {slug: empty}).status_code == 400
    suite.admin("switches", clearing="empty_form")
    if empty is not None:
        assert table.update(record["id"], {slug: None}).json() == {slug: ["This field may not be null."]}
        assert table.update(record["id"], {slug: empty}).status_code == 200


def test_a_status_takes_an_object_or_an_id_and_is_read_with_its_time(suite):
    table, slug = with_field(suite, "statusfield")
    record = table.made(**{slug: {"value": "aLq4Z"}})
    assert record[slug]["value"] == "aLq4Z" and record[slug]["updated_on"].endswith("Z")
    suite.admin("clock/advance", seconds=60)
    assert table.update(record["id"], {slug: "aLq4Z"}).json()[slug] == record[slug]
    later = table.update(record["id"], {slug: "7c1f7e0e-2f3e"}).json()[slug]
    assert later["value"] == "7c1f7e0e-2f3e" and later["updated_on"] > record[slug]["updated_on"]
    suite.admin("switches", status_text="refused")
    assert table.update(record["id"], {slug: "aLq4Z"}).status_code == 400


def test_a_link_names_records_of_the_other_table_and_shows_in_its_mirror(suite):
    parents = suite.table(name="Parents")
    link = {"linked_application": parents.id, "linked_field_slug": "smirror001", "entries_allowed": "multiple"}
    children = suite.table({"slug": SLUG, "label": "Parent", "field_type": "linkedrecordfield", "params": link})
    mirror = {"linked_application": children.id, "linked_field_slug": SLUG}
    suite.admin(
        "fields/add",
        table_id=parents.id,
        slug="smirror001",
        label="Children",
        field_type="linkedrecordfield",
        params=mirror,
    )
    parent, other = parents.made(title="p"), parents.made(title="q")
    child = children.made(title="c", **{SLUG: [parent["id"]]})
    assert child[SLUG] == [parent["id"]]
    assert parents.get(parent["id"]).json()["smirror001"] == [child["id"]]
    children.update(child["id"], {SLUG: [other["id"]]})
    assert "smirror001" not in parents.get(parent["id"]).json()
    assert parents.get(other["id"]).json()["smirror001"] == [child["id"]]
    assert children.create({SLUG: [child["id"]]}).status_code == 400
    suite.admin("fields/set", table_id=children.id, slug=SLUG, params={"entries_allowed": "single"})
    assert children.create({SLUG: [parent["id"], other["id"]]}).status_code == 400


def test_members_are_named_by_their_ids(suite):
    table, slug = with_field(suite, "userfield", entries_allowed="single")
    members = suite("POST", "members/list/", {}).json()["items"]
    assert members[0]["email"][0].endswith("@example.com") and members[0]["full_name"]["sys_root"]
    assert table.made(**{slug: [members[1]["id"]]})[slug] == [members[1]["id"]]
    suite.admin("switches", member_ids="refused")
    assert table.create({slug: [members[1]["id"]]}).status_code == 400


def test_tags_may_be_those_of_the_account(suite):
    table, slug = with_field(suite, "tagsfield")
    tag = suite.admin("tags/add", label="red")["id"]
    assert table.made(**{slug: [tag]})[slug] == [tag]


def test_a_checklist_takes_whole_items_and_forgets_plain_texts(suite):
    table, slug = with_field(suite, "checklistfield")
    items = [{"content": {"data": DOC}, "completed": True}, {"content": {"data": DOC}}]
    found = table.made(**{slug: {"items": items}})[slug]
    assert (found["total_items"], found["completed_items"]) == (2, 1)
    assert found["items"][0]["content"] == RENDERED and found["items"][0]["completed_at"]
    assert slug not in table.made(**{slug: ["a", "b"]})
    suite.admin("switches", checklist_text="refused")
    assert table.create({slug: ["a"]}).status_code == 400


def test_files_are_attached_by_an_update_that_names_urls(suite):
    table, slug = with_field(suite, "filefield")
    record = table.made(title="x")
    answer = table.update(record["id"], {"id": record["id"], slug: ["https://example.org/a.pdf"]})
    assert answer.json()[slug][0]["metadata"]["filename"] == "a.pdf"
    assert table.update(record["id"], {slug: ["a.pdf"]}).status_code == 400


@pytest.mark.parametrize(
    "field_type, value",
    [
        ("timetrackingfield", {"time_track_logs": []}),
        ("signaturefield", {"text": "Ann"}),
        ("subitemsfield", [{"a": 1}]),
    ],
)
def test_types_of_which_no_source_tells_how_to_write_are_kept_as_they_came_by_a_switch(suite, field_type, value):
    table, slug = with_field(suite, field_type)
    suite.admin("switches", uncertain_types="accepted")
    assert table.made(**{slug: value})[slug] == value


def test_results_of_formulas_are_put_in_place_by_the_admin(suite):
    table = suite.table({"slug": SLUG, "label": "Sum", "field_type": "formulafield"})
    record = table.made(title="x")
    suite.admin("records/raw", record_id=record["id"], values={SLUG: 12.5})
    assert table.get(record["id"]).json()[SLUG] == "12.5"
    suite.admin("switches", number_result="number")
    assert table.get(record["id"]).json()[SLUG] == 12.5


def test_an_automatic_title_is_made_by_its_template_and_can_not_be_written(suite):
    title = {"primary": True, "is_auto_generated": True, "template": "[[autonumber]] - [[s1f0c2b3a4]]"}
    table = suite.table(
        {"slug": "title", "label": "Title", "field_type": "recordtitlefield", "params": title},
        {"slug": SLUG, "label": "Name", "field_type": "textfield"},
    )
    assert table.create({"title": "x"}).status_code == 400
    record = table.made(**{SLUG: "Ann"})
    assert record["title"] == "1 - Ann"
    assert table.update(record["id"], {SLUG: "Bo"}).json()["title"] == "1 - Bo"


def test_a_type_that_is_not_known_is_shown_and_not_written(suite):
    table = suite.table({"slug": SLUG, "label": "New", "field_type": "hologramfield"})
    assert table.create({SLUG: 1}).json() == {SLUG: ["This field is read-only."]}


def test_a_text_has_no_more_letters_than_its_field_allows(suite):
    table, slug = with_field(suite, "textfield", max_length=3)
    assert table.create({slug: "abc"}).status_code == 200
    assert table.create({slug: "abcd"}).json() == {slug: ["Ensure this field has no more than 3 characters."]}
