"""Checks the bulk calls of the stand-in for SmartSuite, in every reading of what is uncertain."""

import pytest

NUMBER = {"slug": "snumber001", "label": "Number", "field_type": "numberfield"}
NEEDED = {"slug": "sneeded001", "label": "Needed", "field_type": "textfield", "params": {"required": True}}


@pytest.fixture
def table(suite):
    return suite.table(NUMBER)


def test_up_to_25_records_are_made_and_answered_as_an_array(table):
    answer = table.bulk([{"title": str(n), "snumber001": str(n)} for n in range(25)])
    assert answer.status_code == 200
    rows = answer.json()
    assert [row["title"] for row in rows] == [str(n) for n in range(25)]
    assert len({row["id"] for row in rows}) == 25 and rows[3]["snumber001"] == "3"


@pytest.mark.parametrize("count", [0, 26])
def test_no_item_and_more_than_25_are_422(table, count):
    assert table.bulk([{"title": "x"}] * count).status_code == 422
    assert table.titles() == []


def test_a_bulk_body_has_items(suite, table):
    path = f"{table.path}records/bulk/"
    assert suite("POST", path, {}).json() == {"items": ["This field is required."]}
    assert suite("POST", path, [{"title": "x"}]).status_code == 400
    assert suite("POST", path, {"items": ["x"]}).status_code == 400


def test_bulk_create_does_not_check_required_fields(suite):
    table = suite.table(NEEDED)
    assert table.create({"title": "x"}).status_code == 422
    assert table.bulk([{"title": "x"}]).status_code == 200


def test_many_are_changed_by_their_ids(table):
    ids = [row["id"] for row in table.bulk([{"title": "a", "snumber001": "1"}, {"title": "b"}]).json()]
    rows = table.bulk([{"id": ids[1], "title": "B"}, {"id": ids[0], "title": "A"}], "PATCH").json()
    assert [(row["id"], row["title"]) for row in rows] == [(ids[1], "B"), (ids[0], "A")]
    assert rows[1]["snumber001"] == "1"
    rows = table.bulk([{"id": ids[0], "title": "P"}], "PUT").json()
    assert rows[0]["title"] == "P" and "snumber001" not in rows[0]


def test_an_item_without_its_id_or_of_a_deleted_record_is_refused(table):
    record = table.made(title="x")
    assert table.bulk([{"title": "y"}], "PATCH").json() == {"items": [{"id": ["This field is required."]}]}
    table.delete(record["id"])
    assert table.bulk([{"id": record["id"], "title": "y"}], "PATCH").json() == {"items": [{"id": ["Not found."]}]}


@pytest.mark.parametrize("form", ["array", "items", "successful_items"])
def test_the_answer_has_one_of_three_forms(suite, table, form):
    suite.admin("switches", bulk_answer=form)
    for answer in (table.bulk([{"title": "a"}]), table.bulk([{"id": table.made()["id"], "title": "a"}], "PATCH")):
        body = answer.json()
        rows = body if form == "array" else body[form]
        assert [row["title"] for row in rows] == ["a"]
        assert form != "successful_items" or body["failed_items"] == []


def test_the_answer_may_be_reversed_and_lack_what_did_not_change(suite, table):
    ids = [row["id"] for row in table.bulk([{"title": "a"}, {"title": "b"}, {"title": "c"}]).json()]
    suite.admin("switches", bulk_order="reversed", bulk_unchanged="left_out")
    items = [{"id": record_id, "title": title} for record_id, title in zip(ids, "aBC")]
    assert [row["title"] for row in table.bulk(items, "PATCH").json()] == ["C", "B"]


# one item that is not valid

ITEMS = [{"title": "a"}, {"title": "b", "snumber001": "x"}, {"title": "c"}]
MESSAGES = {"snumber001": ["A valid number is required."]}


def test_one_invalid_item_refuses_all(table):
    answer = table.bulk(ITEMS)
    assert (answer.status_code, answer.json()) == (400, {"items": [{}, MESSAGES, {}]})
    assert table.titles() == []


@pytest.mark.parametrize("shape, body", [("list", [{}, MESSAGES, {}]), ("by_index", {"1": MESSAGES})])
def test_messages_are_nested_by_item_in_other_shapes(suite, table, shape, body):
    suite.admin("switches", bulk_errors=shape, invalid_status=422)
    answer = table.bulk(ITEMS)
    assert (answer.status_code, answer.json()) == (422, body)


def test_the_rest_may_be_written_and_the_invalid_item_be_missing(suite, table):
    suite.admin("switches", bulk_invalid="rest_written")
    answer = table.bulk(ITEMS)
    assert answer.status_code == 200 and [row["title"] for row in answer.json()] == ["a", "c"]
    suite.admin("switches", bulk_answer="successful_items")
    failed = table.bulk(ITEMS).json()["failed_items"]
    assert failed == [{"index": 1, "reason": "snumber001: A valid number is required."}]
    assert table.titles() == ["a", "c", "a", "c"]


def test_the_rest_may_be_written_although_the_call_is_refused(suite, table):
    suite.admin("switches", bulk_invalid="rest_written_and_refused")
    assert table.bulk(ITEMS).status_code == 400
    assert table.titles() == ["a", "c"]
    ids = [row["id"] for row in suite.admin("tables/snapshot", table_id=table.id)]
    items = [{"id": ids[0], "title": "A"}, {"id": ids[1], "snumber001": "x"}]
    assert table.bulk(items, "PATCH").status_code == 400
    assert table.titles() == ["A", "c"]


def test_doubles_of_a_unique_field_are_refused_by_a_switch_within_a_call_too(suite):
    unique = {"slug": "sunique001", "label": "Key", "field_type": "textfield", "params": {"unique": True}}
    table = suite.table(unique)
    assert table.bulk([{"sunique001": "1"}, {"sunique001": "1"}]).status_code == 200
    suite.admin("switches", unique="refused")
    message = {"sunique001": ["This field must be unique."]}
    assert table.create({"sunique001": "1"}).json() == message
    assert table.bulk([{"sunique001": "2"}, {"sunique001": "2"}]).json() == {"items": [{}, message]}
    record = table.made(sunique001="3")
    assert table.update(record["id"], {"sunique001": "3"}).status_code == 200


# deleting


@pytest.mark.parametrize(
    "method, path", [("PATCH", "bulk_delete/"), ("PATCH", "bulk_delete/?fields=id"), ("DELETE", "bulk/")]
)
def test_many_are_deleted_in_one_of_two_ways(suite, table, method, path):
    ids = [row["id"] for row in table.bulk([{"title": "a"}, {"title": "b"}]).json()]
    items = [{"id": ids[0]}] if method == "DELETE" else [ids[0]]
    answer = suite(method, f"{table.path}records/{path}", {"items": items})
    assert [row["id"] for row in answer.json()] == [ids[0]]
    assert table.titles() == ["b"]
    assert table.titles("?limit=10&all=true") == ["a", "b"]


def test_more_than_25_are_not_deleted(suite, table):
    answer = suite("PATCH", f"{table.path}records/bulk_delete/", {"items": ["x"] * 26})
    assert answer.status_code == 422


def test_a_table_that_is_full_takes_no_more(suite, table):
    suite.admin("tables/set", table_id=table.id, records_limit=2)
    assert table.bulk([{"title": "a"}] * 3).status_code == 400
    assert table.bulk([{"title": "a"}] * 2).status_code == 200
    assert table.create({"title": "b"}).status_code == 400
