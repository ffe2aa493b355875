"""Checks single records, listings, filters, sorting and the recycle bin of the stand-in for SmartSuite."""

import pytest

TEXT = {"slug": "stext00001", "label": "Text", "field_type": "textfield"}
NUMBER = {"slug": "snumber001", "label": "Number", "field_type": "numberfield"}
DAY = {"slug": "sdate00001", "label": "Day", "field_type": "datefield"}
STAGE = {"slug": "sstage0001", "label": "Stage", "field_type": "singleselectfield", "choices": ["New", "Paid", "Done"]}
STATUS = {"slug": "status", "label": "Status", "field_type": "statusfield", "choices": ["Backlog", "Complete"]}
MANY = {"slug": "smany00001", "label": "Many", "field_type": "multipleselectfield", "choices": ["A", "B", "C"]}
FLAG = {"slug": "sflag00001", "label": "Flag", "field_type": "yesnofield"}
DUE = {"slug": "due_date", "label": "Due", "field_type": "duedatefield"}
DOC = {"slug": "sdoc000001", "label": "Doc", "field_type": "richtextareafield"}
MAIL = {"slug": "smail00001", "label": "Mail", "field_type": "emailfield"}
FIELDS = (TEXT, NUMBER, DAY, STAGE, STATUS, MANY, FLAG, DUE, DOC, MAIL)


def day(text):
    return {"date": f"{text}T00:00:00Z", "include_time": False}


def exact(text):
    return {"date_mode": "exact_date", "date_mode_value": text}


@pytest.fixture
def table(suite):
    """Makes a table of three records: `a` and `b` with values, `c` empty."""
    suite.admin("clock/set", to="2026-06-15T12:00:00Z")
    table = suite.table(*FIELDS)
    table.made(
        title="a",
        stext00001="one",
        snumber001="9",
        sdate00001=day("2026-06-14"),
        sstage0001="paid",
        status="backlog",
        smany00001=["a", "b"],
        sflag00001=True,
        due_date={"to_date": day("2026-06-01")},
        smail00001=["ann@example.org"],
    )
    table.made(
        title="b",
        stext00001="One two",
        snumber001="10.0",
        sdate00001=day("2026-06-15"),
        sstage0001="new",
        status="complete",
        smany00001=["b"],
        due_date={"to_date": day("2026-06-02")},
    )
    table.made(title="c")
    return table


# single records


def test_a_create_without_a_required_field_is_422(suite):
    table = suite.table({**TEXT, "params": {"required": True}})
    answer = table.create({"title": "x"})
    assert (answer.status_code, answer.json()) == (422, {"stext00001": ["This field is required."]})
    assert table.create({"stext00001": None}).status_code == 422
    record = table.made(stext00001="x")
    assert table.update(record["id"], {"title": "y"}).status_code == 200
    assert table.update(record["id"], {"stext00001": None}).status_code == 422
    suite.admin("switches", required_cleared="accepted")
    assert table.update(record["id"], {"stext00001": None}).status_code == 200


def test_an_unknown_slug_is_refused_or_by_a_switch_passed_over(suite):
    table = suite.table()
    assert table.create({"title": "x", "snothere01": 1}).json() == {"snothere01": ["This field does not exist."]}
    suite.admin("switches", unknown_slug="dropped")
    assert "snothere01" not in table.made(title="x", snothere01=1)


def test_put_clears_what_is_left_out_and_patch_does_not(table):
    record = table.list(ids=None).json()["items"][0]
    patched = table.update(record["id"], {"title": "p"}).json()
    assert patched.keys() == record.keys()
    replaced = table.update(record["id"], {"title": "q"}, "PUT").json()
    assert replaced["title"] == "q" and not {"stext00001", "snumber001", "smany00001"} & replaced.keys()


def test_an_update_moves_last_updated_and_names_the_member(suite, table):
    record = table.list().json()["items"][0]
    suite.admin("clock/advance", seconds=60)
    changed = table.update(record["id"], {"title": "p"}).json()
    assert changed["first_created"] == record["first_created"]
    assert changed["last_updated"]["on"] > record["last_updated"]["on"]
    person = suite.admin("state")["members"][1]["id"]
    suite.admin("records/change", record_id=record["id"], values={"title": "by hand"})
    assert table.get(record["id"]).json()["last_updated"]["by"] == person != record["last_updated"]["by"]


def test_empty_fields_are_left_out_or_shown_as_the_switches_say(suite, table):
    found = table.list(filter={"operator": "and", "fields": [{"field": "title", "comparison": "is", "value": "c"}]})
    record = found.json()["items"][0]
    assert not {"stext00001", "sflag00001", "smany00001", "status"} & record.keys()
    suite.admin("switches", empty_fields="present")
    record = table.get(record["id"]).json()
    shown = {slug: record[slug] for slug in ("stext00001", "smany00001", "sdate00001", "sflag00001", "status")}
    assert shown == {
        "stext00001": "",
        "smany00001": [],
        "sdate00001": None,
        "sflag00001": False,
        "status": {"value": None},
    }
    assert record["due_date"] == {"from_date": None, "to_date": None}
    suite.admin("switches", empty_form="null_text")
    assert table.get(record["id"]).json()["sdate00001"] == "null"


def test_a_deleted_record_can_be_listed_with_all_restored_and_not_changed(suite, table):
    record = table.list(filter={"operator": "and", "fields": [{"field": "title", "comparison": "is", "value": "a"}]})
    record_id = record.json()["items"][0]["id"]
    table.delete(record_id)
    assert table.titles() == ["b", "c"]
    everything = table.list("?limit=10&offset=0&all=true").json()
    assert everything["total"] == 3
    assert [item["deleted_date"]["date"] is None for item in everything["items"] if item["id"] == record_id] == [False]
    for answer in (table.update(record_id, {"title": "x"}), table.delete(record_id), table.get(record_id)):
        assert answer.status_code == 404
    solution = suite("GET", table.path).json()["solution"]
    bin_of = suite("POST", "deleted-records/?preview=true", {"solution_id": solution}).json()
    assert [(row["id"], row["title"], row["application_id"]) for row in bin_of] == [(record_id, "a", table.id)]
    page = suite("POST", "deleted-records/paginated/", {"solution_id": solution, "page_size": 5}).json()
    assert (page["count"], page["next_cursor"]) == (1, None)
    assert suite("POST", f"{table.path}records/{record_id}/restore/", {}).json()["title"] == "a (Restored)"
    assert suite("POST", f"{table.path}records/{record_id}/restore/", {}).status_code == 404


def test_a_person_deletes_restores_and_empties_the_bin(suite, table):
    record_id = table.list().json()["items"][0]["id"]
    suite.admin("records/delete", record_id=record_id)
    assert table.get(record_id).status_code == 404
    suite.admin("records/restore", record_id=record_id)
    assert table.get(record_id).json()["title"].endswith(" (Restored)")
    suite.admin("records/delete", record_id=record_id)
    suite.admin("records/purge", record_id=record_id)
    assert table.list("?limit=10&all=true").json()["total"] == 2
    assert suite.admin("tables/snapshot", table_id=table.id, deleted=True) == []


@pytest.mark.parametrize("form, status", [("empty_204", 204), ("empty_200", 200), ("record", 200)])
def test_the_answer_of_a_delete_is_empty_or_the_record(suite, form, status):
    suite.admin("switches", delete_answer=form)
    table = suite.table()
    answer = table.delete(table.made(title="x")["id"])
    assert answer.status_code == status and (answer.text == "") is (form != "record")


def test_a_create_may_answer_201(suite):
    suite.admin("switches", create_status=201)
    assert suite.table().create({"title": "x"}).status_code == 201


# listings


def test_a_listing_counts_what_matches_and_answers_a_page(suite):
    table = suite.table()
    suite.admin("records/load", table_id=table.id, records=[{"title": f"{n:04d}"} for n in range(1, 1102)])
    page = table.list("?offset=1000&limit=1000", sort=[{"field": "autonumber", "direction": "asc"}]).json()
    assert (page["total"], page["offset"], page["limit"], len(page["items"])) == (1101, 1000, 1000, 101)
    assert page["items"][0]["title"] == "1001"
    assert table.list("?offset=5000&limit=10").json()["items"] == []
    for query in ("?limit=1001", "?limit=-1", "?offset=x"):
        assert table.list(query).status_code == 400
    assert len(table.list("").json()["items"]) == 100
    suite.admin("switches", default_page=0)
    assert len(table.list("").json()["items"]) == 1101


def test_the_total_counts_the_page_by_a_switch(suite, table):
    assert table.list("?limit=2").json()["total"] == 3
    suite.admin("switches", total="page")
    assert table.list("?limit=2").json()["total"] == 2


def test_days_of_filters_begin_in_another_zone_by_a_switch(suite, table):
    table.made(title="late", sdate00001={"date": "2026-06-15T23:30:00Z", "include_time": True})
    assert table.found("sdate00001", "is", exact("2026-06-15")) == ["b", "late"]
    suite.admin("switches", day_offset_hours=2)
    assert table.found("sdate00001", "is", exact("2026-06-15")) == ["b"]
    assert table.found("sdate00001", "is", exact("2026-06-16")) == ["late"]


def test_whether_a_due_date_is_over_may_be_null(suite, table):
    record = suite.admin("tables/snapshot", table_id=table.id)[0]
    assert record["due_date"]["is_overdue"] is True
    suite.admin("switches", overdue_shown=False)
    assert table.get(record["id"]).json()["due_date"]["is_overdue"] is None


def test_without_a_sort_the_order_is_another_each_time(suite):
    table = suite.table()
    suite.admin("records/load", table_id=table.id, records=[{"title": str(n)} for n in range(40)])
    seen = {tuple(item["title"] for item in table.list().json()["items"]) for _ in range(5)}
    assert len(seen) > 1
    suite.admin("switches", unsorted="as_made")
    assert [item["title"] for item in table.list().json()["items"]] == [str(n) for n in range(40)]


def test_records_are_listed_by_their_ids(suite, table):
    ids = [item["id"] for item in suite.admin("tables/snapshot", table_id=table.id)]
    assert table.titles(ids=[ids[2], ids[0], "6493681eba09b400816eb700"]) == ["a", "c"]
    suite.admin("switches", ids_limit=2)
    assert table.list(ids=ids).status_code == 400


@pytest.mark.parametrize(
    "field, direction, titles",
    [
        ("snumber001", "asc", "cab"),
        ("snumber001", "desc", "bac"),
        ("sstage0001", "asc", "cba"),
        ("sdate00001", "desc", "bac"),
        ("due_date", "desc", "bac"),
        ("first_created", "asc", "abc"),
        ("title", "desc", "cba"),
    ],
)
def test_every_type_sorts(table, field, direction, titles):
    assert "".join(table.titles(sort=[{"field": field, "direction": direction}])) == titles


def test_several_sorts_apply_in_order(table):
    table.made(title="d", snumber001="9")
    sort = [{"field": "snumber001", "direction": "asc"}, {"field": "title", "direction": "desc"}]
    assert table.titles(sort=sort) == ["c", "d", "a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        {"sort": {"field": "title", "direction": "asc"}},
        {"sort": [{"field": "title", "direction": "up"}]},
        {"sort": [{"field": "snothere01", "direction": "asc"}]},
        {"filter": {"fields": []}},
        {"filter": {"status": "x"}},
        {"filter": {"operator": "and", "fields": [{"field": "snothere01", "comparison": "is", "value": "x"}]}},
        {"filter": {"operator": "and", "fields": [{"field": "title", "comparison": "is"}]}},
        {"limit": 5},
        {"hydrated": True},
    ],
)
def test_what_is_no_sort_or_filter_is_400(table, body):
    assert table.list(**body).status_code == 400


def test_an_empty_sort_and_filter_are_allowed(table):
    assert table.list(sort=[], filter={}, hydrated=False).json()["total"] == 3


# filters


@pytest.mark.parametrize(
    "field, comparison, value, titles",
    [
        ("stext00001", "is", "one", "a"),
        ("stext00001", "is_not", "one", "bc"),
        ("stext00001", "contains", "two", "b"),
        ("stext00001", "not_contains", "two", "ac"),
        ("stext00001", "is_empty", None, "c"),
        ("stext00001", "is_not_empty", None, "ab"),
        ("smail00001", "contains", "ann@", "a"),
        ("snumber001", "is_equal_to", "10", "b"),
        ("snumber001", "is_equal_to", 9, "a"),
        ("snumber001", "is_greater_than", "9", "b"),
        ("snumber001", "is_equal_or_less_than", 9, "a"),
        ("snumber001", "is_empty", None, "c"),
        ("autonumber", "is_greater_than", 1, "bc"),
        ("sstage0001", "is", "paid", "a"),
        ("sstage0001", "is", "Paid", ""),
        ("sstage0001", "is_any_of", ["paid", "new"], "ab"),
        ("sstage0001", "is_none_of", ["paid"], "bc"),
        ("status", "is", "complete", "b"),
        ("smany00001", "has_any_of", ["a", "c"], "a"),
        ("smany00001", "has_all_of", ["a", "b"], "a"),
        ("smany00001", "is_exactly", ["b"], "b"),
        ("smany00001", "has_none_of", ["a"], "bc"),
        ("sflag00001", "is", True, "a"),
        ("sflag00001", "is", False, "bc"),
        ("sdate00001", "is", exact("2026-06-14"), "a"),
        ("sdate00001", "is", {"date_mode": "today"}, "b"),
        ("sdate00001", "is", {"date_mode": "past_number_of_days", "date_mode_value": 3}, "ab"),
        ("sdate00001", "is_before", exact("2026-06-15"), "a"),
        ("sdate00001", "is_on_or_after", exact("2026-06-15"), "b"),
        ("sdate00001", "is_on_or_before", {"date_mode": "yesterday"}, "a"),
        ("sdate00001", "is_empty", None, "c"),
        ("due_date", "is_overdue", None, "a"),
        ("due_date.to_date", "is_before", exact("2026-06-02"), "a"),
        ("last_updated", "is_on_or_after", exact("2026-06-15"), "abc"),
        ("sdoc000001", "is_empty", None, "abc"),
    ],
)
def test_a_filter_finds(table, field, comparison, value, titles):
    assert "".join(table.found(field, comparison, value)) == titles


def test_conditions_are_joined_by_and_or_or(suite, table):
    fields = [
        {"field": "stext00001", "comparison": "is", "value": "one"},
        {"field": "title", "comparison": "is", "value": "b"},
    ]
    assert table.titles(filter={"operator": "or", "fields": fields}) == ["a", "b"]
    assert table.titles(filter={"operator": "and", "fields": fields}) == []
    fields[1] = {"field": "snumber001", "comparison": "is_empty", "value": None}
    assert table.titles(filter={"operator": "or", "fields": fields}) == ["a", "c"]
    suite.admin("switches", conditions_limit=1)
    assert table.list(filter={"operator": "or", "fields": fields}).status_code == 400


def test_a_text_that_is_looked_up_is_found_after_every_kind_of_change(suite, table):
    assert table.found("stext00001", "is", "one") == ["a"]
    record = table.made(title="n", stext00001="17")
    assert table.found("stext00001", "is", "17") == ["n"]
    table.update(record["id"], {"stext00001": "18"})
    assert (table.found("stext00001", "is", "17"), table.found("stext00001", "is", "18")) == ([], ["n"])
    table.delete(record["id"])
    assert table.found("stext00001", "is", "18") == []
    suite.admin("records/restore", record_id=record["id"])
    suite.admin("records/raw", record_id=record["id"], values={"stext00001": "19"})
    assert table.found("stext00001", "is", "19") == ["n (Restored)"]
    suite.admin("switches", is_folds_case=True)
    assert table.found("stext00001", "is", " ONE ") == ["a"]


@pytest.mark.parametrize(
    "field, comparison, value",
    [
        ("stext00001", "is_equal_to", "x"),
        ("snumber001", "is", "9"),
        ("sdate00001", "is_after", exact("2026-06-14")),
        ("autonumber", "is_empty", None),
        ("sflag00001", "is_not", True),
        ("sdoc000001", "contains", "x"),
    ],
)
def test_a_comparison_that_does_not_fit_is_400_or_finds_nothing(suite, table, field, comparison, value):
    fields = [{"field": field, "comparison": comparison, "value": value}]
    assert table.list(filter={"operator": "and", "fields": fields}).status_code == 400
    suite.admin("switches", filter_misfit="finds_nothing")
    assert table.found(field, comparison, value) == []


def test_an_empty_text_is_not_allowed_for_the_empties(suite, table):
    fields = [{"field": "stext00001", "comparison": "is_not_empty", "value": ""}]
    answer = table.list(filter={"operator": "and", "fields": fields})
    assert answer.status_code == 400 and "'' is not allowed for the 'is_not_empty' comparison" in answer.text
    suite.admin("switches", filter_empty_text="accepted")
    assert table.found("stext00001", "is_not_empty", "") == ["a", "b"]


def test_a_date_mode_that_does_not_fit_is_400(table):
    for comparison, value in (("is_before", {"date_mode": "date_range"}), ("is", "2026-06-14"), ("is", exact("June"))):
        fields = [{"field": "sdate00001", "comparison": comparison, "value": value}]
        assert table.list(filter={"operator": "and", "fields": fields}).status_code == 400


def test_a_linked_record_is_found_by_has_any_of_and_not_by_contains(suite, table):
    target = suite.admin("tables/snapshot", table_id=table.id)[0]["id"]
    link = {"slug": "slink00001", "label": "Link", "field_type": "linkedrecordfield"}
    other = suite.table({**link, "params": {"linked_application": table.id}})
    other.made(title="x", slink00001=[target])
    assert other.found("slink00001", "has_any_of", [target]) == ["x"]
    assert other.found("slink00001", "contains", target) == []
    suite.admin("switches", linked_contains="works")
    assert other.found("slink00001", "contains", target) == ["x"]
