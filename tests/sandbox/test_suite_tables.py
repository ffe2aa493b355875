"""Checks tables, their structure, and the switches of values of the stand-in for SmartSuite."""

import pytest

AMOUNT = {"slug": "samount001", "label": "Amount", "field_type": "currencyfield", "params": {"precision": 2}}
STAGE = {"slug": "sstage0001", "label": "Stage", "field_type": "singleselectfield", "choices": ["New", "Paid"]}
DAY = {"slug": "sdate00001", "label": "Day", "field_type": "datefield"}
RANGE = {"slug": "srange0001", "label": "Range", "field_type": "daterangefield"}
DOC = {"slug": "sdoc000001", "label": "Doc", "field_type": "richtextareafield"}
LONG = {"slug": "slong00001", "label": "Long", "field_type": "durationfield"}
EMPTY_PLACE = {"prev_sibling_slug": ""}
NOON = {"date": "2026-05-09T12:00:00Z", "include_time": True}


@pytest.fixture
def table(suite):
    return suite.table(AMOUNT, STAGE, DAY, RANGE, DOC, LONG)


def field_of(suite, table, slug):
    structure = suite("GET", table.path).json()["structure"]
    return next((field for field in structure if field["slug"] == slug), None)


def test_a_table_shows_its_structure(suite, table):
    found = suite("GET", table.path).json()
    assert found["id"] == table.id and found["primary_field"] == "title" and len(found["solution"]) == 24
    assert {"title", "first_created", "last_updated", "autonumber"} <= {field["slug"] for field in found["structure"]}
    stage = field_of(suite, table, "sstage0001")
    assert stage["field_type"] == "singleselectfield" and stage["label"] == "Stage"
    assert [(choice["value"], choice["label"]) for choice in stage["params"]["choices"]] == [
        ("new", "New"),
        ("paid", "Paid"),
    ]
    assert {"value_color", "value_order"} <= stage["params"]["choices"][0].keys()


def test_the_members_of_an_answer_are_narrowed_by_repeated_fields(suite, table):
    assert suite("GET", f"{table.path}?fields=id&fields=name").json() == {"id": table.id, "name": "Things"}
    solution = suite("GET", "solutions/").json()[0]["id"]
    assert suite("GET", f"applications/?solution={solution}&fields=id").json() == [{"id": table.id}]
    assert suite("GET", "applications/?solution=other&fields=id").json() == []
    assert suite("GET", f"solutions/{solution}/").json()["applications_count"] == 1


def test_tables_come_in_results_by_a_switch_when_a_limit_is_sent(suite, table):
    assert isinstance(suite("GET", "applications/?limit=5").json(), list)
    suite.admin("switches", tables_list="results")
    assert isinstance(suite("GET", "applications/").json(), list)
    answer = suite("GET", "applications/?limit=5&offset=0").json()
    assert answer["count"] == 1 and answer["results"][0]["id"] == table.id


def test_a_table_is_made_with_a_title_when_its_structure_is_empty(suite):
    solution = suite("GET", "solutions/").json()[0]["id"]
    made = suite("POST", "applications/", {"name": "New", "solution": solution, "structure": []}).json()
    assert made["primary_field"] == "title" and suite("GET", f"applications/{made['id']}/").json() == made
    assert suite("POST", "applications/", {"name": "New"}).status_code == 400


def test_a_field_is_added_with_an_empty_answer(suite, table):
    entry = {"slug": "snew000001", "label": "New", "field_type": "textfield", "params": {}, "is_new": True}
    path = f"{table.path}add_field/"
    assert suite("POST", path, {"field": {**entry}, "field_position": {"prev_sibling_slug": None}}).status_code == 400
    without = {name: value for name, value in entry.items() if name != "params"}
    answer = suite("POST", path, {"field": without, "field_position": EMPTY_PLACE})
    assert (answer.status_code, answer.json()) == (400, {"params": ["This field is required."]})
    answer = suite("POST", path, {"field": entry, "field_position": EMPTY_PLACE})
    assert (answer.status_code, answer.content) == (200, b"")
    assert table.made(snew000001="x")["snew000001"] == "x"
    assert suite("POST", path, {"field": entry, "field_position": EMPTY_PLACE}).status_code == 400


def test_bulk_add_fields_does_not_take_every_type(suite, table):
    other = f"{table.path}bulk_add_fields/"
    path, entry = f"{table.path}bulk-add-fields/", {"slug": "snew000001", "label": "New", "params": {}}
    assert suite("POST", path, {"fields": [{**entry, "field_type": "checklistfield"}]}).status_code == 400
    assert suite("POST", path, {"fields": [{**entry, "field_type": "numberfield"}]}).status_code == 200
    assert field_of(suite, table, "snew000001")["field_type"] == "numberfield"
    assert suite("POST", other, {"fields": [{**entry, "slug": "s2", "field_type": "textfield"}]}).status_code == 200


def test_change_field_replaces_the_choices_as_a_whole(suite, table):
    record = table.made(sstage0001="paid")
    choices = [{"value": "new", "label": "New"}]
    body = {"slug": "sstage0001", "label": "Stage", "field_type": "singleselectfield", "params": {"choices": choices}}
    assert suite("PUT", f"{table.path}change_field/", body).status_code == 200
    assert table.get(record["id"]).json()["sstage0001"] == "paid"
    assert table.create({"sstage0001": "paid"}).status_code == 400
    assert suite("POST", f"{table.path}delete_field/", {"slug": "sstage0001"}).status_code == 200
    assert field_of(suite, table, "sstage0001") is None
    assert suite("POST", f"{table.path}delete_field/", {"slug": "title"}).status_code == 400


def test_a_changed_structure_is_seen_late_by_a_switch(suite, table):
    suite.admin("switches", structure_lag_seconds=10)
    suite.admin("fields/add", table_id=table.id, slug="snew000001", label="New", field_type="textfield")
    assert field_of(suite, table, "snew000001") is None
    suite.admin("clock/advance", seconds=11)
    assert field_of(suite, table, "snew000001")["label"] == "New"


def test_the_admin_edits_fields_and_choices_as_people_do(suite, table):
    suite.admin("fields/set", table_id=table.id, slug="samount001", label="Sum", params={"required": True})
    assert field_of(suite, table, "samount001")["label"] == "Sum"
    assert table.create({}).status_code == 422
    suite.admin("fields/set", table_id=table.id, slug="samount001", hidden=True, params={"required": False})
    assert field_of(suite, table, "samount001") is None and table.create({"samount001": "1"}).status_code == 400
    suite.admin("choices/add", table_id=table.id, slug="sstage0001", choice={"value": "Zx9", "label": "Late"})
    assert table.made(sstage0001="Zx9")["sstage0001"] == "Zx9"
    suite.admin("choices/rename", table_id=table.id, slug="sstage0001", value="Zx9", label="Later")
    assert field_of(suite, table, "sstage0001")["params"]["choices"][2]["label"] == "Later"
    suite.admin("choices/remove", table_id=table.id, slug="sstage0001", value="Zx9")
    assert table.create({"sstage0001": "Zx9"}).status_code == 400
    suite.admin("fields/delete", table_id=table.id, slug="sstage0001")
    assert table.create({"sstage0001": "new"}).json() == {"sstage0001": ["This field does not exist."]}


# switches of values


@pytest.mark.parametrize(
    "switches, values, read",
    [
        ({"number_json": "accepted"}, {"samount001": 19.5}, "19.5"),
        ({"number_json": "accepted"}, {"samount001": 120}, "120"),
        ({"precision": "rounded"}, {"samount001": "19.999"}, "20.00"),
        ({"precision": "kept"}, {"samount001": "19.999"}, "19.999"),
        ({"select_label": "accepted"}, {"sstage0001": "Paid"}, "paid"),
        ({"date_text": "accepted"}, {"sdate00001": NOON["date"]}, NOON),
        ({"zoneless_time": "utc"}, {"sdate00001": {**NOON, "date": "2026-05-09T12:00:00"}}, NOON),
        ({"fraction": "milliseconds"}, {"sdate00001": NOON}, {**NOON, "date": "2026-05-09T12:00:00.000Z"}),
        ({"fraction": "microseconds"}, {"sdate00001": NOON}, {**NOON, "date": "2026-05-09T12:00:00.000000Z"}),
        ({"line_breaks": "spaces"}, {"title": "a\r\nb"}, "a b"),
        ({"range_time_shown": True}, {"srange0001": {"to_date": NOON}}, {"from_date": None, "to_date": NOON}),
    ],
)
def test_a_switch_gives_another_reading(suite, table, switches, values, read):
    suite.admin("switches", **switches)
    assert list(values)[0] and table.made(**values)[list(values)[0]] == read


@pytest.mark.parametrize(
    "switches, values",
    [
        ({"range_form": "objects"}, {"srange0001": {"from_date": NOON["date"], "to_date": NOON["date"]}}),
        ({"range_form": "strings"}, {"srange0001": {"from_date": NOON, "to_date": NOON}}),
        ({"zoneless_time": "refused"}, {"sdate00001": {**NOON, "date": "2026-05-09T12:00:00"}}),
        ({"line_breaks": "refused"}, {"title": "a\nb"}),
        ({"text_limit": 10}, {"title": "x" * 11}),
        ({"select_object": "refused"}, {"sstage0001": {"value": "new"}}),
        ({"smartdoc_text": "refused"}, {"sdoc000001": "abc"}),
        ({"duration_form": "text"}, {"slong00001": 60}),
        ({"duration_form": "number"}, {"slong00001": "60"}),
    ],
)
def test_a_switch_refuses(suite, table, switches, values):
    suite.admin("switches", **switches)
    assert table.create(values).status_code == 400
    suite.admin("switches", invalid_status=422)
    assert table.create(values).status_code == 422


def test_a_new_choice_is_not_added_although_its_field_allows_it(suite, table):
    suite.admin("fields/set", table_id=table.id, slug="sstage0001", params={"new_choices_allowed": True})
    assert table.create({"sstage0001": "Foo"}).status_code == 400
    assert len(field_of(suite, table, "sstage0001")["params"]["choices"]) == 2


def test_a_message_is_a_text_instead_of_a_list_by_a_switch(suite, table):
    suite.admin("switches", message_form="text")
    assert table.create({"samount001": "x"}).json() == {"samount001": "A valid number is required."}
    assert table.bulk([{"samount001": "x"}]).json() == {"items": [{"samount001": "A valid number is required."}]}


def test_what_is_passed_over_in_silence(suite, table):
    record = table.made(title="x", sstage0001={"value": "new"}, sdoc000001="abc")
    assert not {"sstage0001", "sdoc000001"} & record.keys()
    suite.admin("switches", smartdoc_text="accepted")
    assert table.made(sdoc000001="abc")["sdoc000001"]["preview"] == "abc"


def test_html_without_a_document_is_taken_or_passed_over(suite, table):
    html = {"data": {}, "html": "<p>abc</p>"}
    assert "<p>abc</p>" in table.made(sdoc000001=html)["sdoc000001"]["html"]
    suite.admin("switches", smartdoc_html="ignored")
    assert "sdoc000001" not in table.made(sdoc000001=html)


def test_defaults_are_applied_by_a_switch(suite, table):
    suite.admin("fields/set", table_id=table.id, slug="samount001", params={"default_value": "5"})
    assert "samount001" not in table.made(title="x")
    suite.admin("switches", defaults_applied=True)
    assert table.made(title="x")["samount001"] == "5" and table.made(samount001="6")["samount001"] == "6"


def test_a_choice_is_found_by_its_label_by_a_switch(suite, table):
    table.made(title="x", sstage0001="paid")
    assert table.found("sstage0001", "is", "Paid") == []
    suite.admin("switches", filter_label="accepted")
    assert table.found("sstage0001", "is", "Paid") == ["x"] and table.found("sstage0001", "is_any_of", ["Paid"]) == [
        "x"
    ]
