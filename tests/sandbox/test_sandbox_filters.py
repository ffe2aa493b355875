"""Checks `query_params`: what each rule finds, and what is refused."""

from types import SimpleNamespace

import pytest

from sandbox import Sandbox

PAGE = "query($b:[ID!],$q:ItemsQuery){boards(ids:$b){items_page(limit:500,query_params:$q){items{name updated_at}}}}"
COLUMNS = [
    {"id": "text", "title": "Text", "type": "text"},
    {"id": "num", "title": "Num", "type": "numbers"},
    {"id": "status", "title": "Status", "type": "status", "labels": ["A", "B", "C"]},
    {"id": "date", "title": "Date", "type": "date"},
    {"id": "email", "title": "Mail", "type": "email"},
    {"id": "people", "title": "People", "type": "people"},
    {"id": "check", "title": "Check", "type": "checkbox"},
    {"id": "tags", "title": "Tags", "type": "tags"},
    {"id": "rating", "title": "Rating", "type": "rating"},
    {"id": "span", "title": "Span", "type": "timeline"},
    {"id": "formula", "title": "F", "type": "formula"},
    {"id": "phone", "title": "Phone", "type": "phone"},
    {"id": "drop", "title": "D", "type": "dropdown", "labels": ["X", "Y"]},
]
NOW = 1_795_003_200  # 2026-11-18T12:00:00Z
ITEMS = [
    {
        "name": "one",
        "updated_at": "2026-11-18T05:00:00Z",
        "values": {
            "text": "Red roof",
            "num": "10",
            "status": {"index": 0},
            "date": "2026-11-18",
            "check": {"checked": "true"},
            "email": {"email": "a@example.com", "text": "Ann"},
            "tags": {"tag_ids": [295001]},
            "rating": {"rating": 3},
            "people": {"personsAndTeams": [{"id": 67214742, "kind": "person"}]},
            "drop": {"ids": [1]},
            "span": {"from": "2026-01-10", "to": "2026-01-20"},
            "phone": "+12025550169 US",
        },
    },
    {
        "name": "two",
        "updated_at": "2026-11-17T12:00:00Z",
        "values": {
            "text": "blue roof",
            "num": "2.50",
            "status": {"index": 1},
            "date": "2026-11-17",
            "drop": {"ids": [1, 2]},
            "people": {"personsAndTeams": [{"id": 901001, "kind": "team"}]},
            "span": {"from": "2026-02-01", "to": "2026-02-02"},
        },
    },
    {"name": "three", "updated_at": "2026-11-01T00:00:00Z", "values": {}},
]


@pytest.fixture(scope="module")
def client():
    with Sandbox(now=NOW) as sandbox:
        board = sandbox.admin("boards/create", name="Filters", columns=COLUMNS)["id"]
        sandbox.admin("items/load", board_id=board, items=ITEMS)
        yield SimpleNamespace(sandbox=sandbox, board=board, admin=sandbox.admin)
        sandbox.admin("switches", last_updated="exact")


def ask(client, **query):
    return client.sandbox.query(PAGE, b=[client.board], q=query)


def names(client, *rules, **query):
    found = ask(client, rules=list(rules), **query)
    assert "errors" not in found, found
    return [i["name"] for i in found["data"]["boards"][0]["items_page"]["items"]]


def rule(column, value, operator="any_of", attribute=None):
    made = {"column_id": column, "compare_value": value, "operator": operator}
    return made | ({"compare_attribute": attribute} if attribute else {})


@pytest.mark.parametrize(
    "wanted, found",
    [
        (rule("name", ["two"]), ["two"]),
        (rule("name", "T", "contains_text"), ["two", "three"]),
        (rule("name", "t", "starts_with"), ["two", "three"]),
        (rule("group", ["topics"]), ["one", "two", "three"]),
        (rule("group", ["topics"], "not_any_of"), []),
        (rule("status", [0]), ["one"]),
        (rule("status", [5]), ["three"]),
        (rule("status", [0], "not_any_of"), ["two", "three"]),
        (rule("status", [], "is_empty"), ["three"]),
        (rule("text", "ROOF", "contains_text"), ["one", "two"]),
        (rule("text", "roof", "not_contains_text"), ["three"]),
        (rule("text", [""]), ["three"]),
        (rule("text", "roof", "ends_with"), ["one", "two"]),
        (rule("num", [10]), ["one"]),
        (rule("num", ["2.5"]), ["two"]),
        (rule("num", ["$$$blank$$$"]), ["three"]),
        (rule("num", 3, "greater_than"), ["one"]),
        (rule("num", 10, "lower_than_or_equal"), ["one", "two"]),
        (rule("num", [2, 3], "between"), ["two"]),
        (rule("date", ["EXACT", "2026-11-18"]), ["one"]),
        (rule("date", ["TODAY"]), ["one"]),
        (rule("date", ["YESTERDAY"]), ["two"]),
        (rule("date", ["THIS_WEEK"]), ["one", "two"]),
        (rule("date", ["EXACT", "2026-11-17"], "greater_than"), ["one"]),
        (rule("date", ["2026-11-01", "2026-11-17"], "between"), ["two"]),
        (rule("date", ["$$$blank$$$"]), ["three"]),
        (rule("span", ["2026-01-15", "2026-01-30"], "between", "END_DATE"), ["one"]),
        (rule("span", ["2026-01-15", "2026-01-30"], "between", "START_DATE"), []),
        (rule("people", ["person-67214742"]), ["one"]),
        (rule("people", ["assigned_to_me"]), ["one"]),
        (rule("people", ["team-901001"]), ["two"]),
        (rule("people", ["person-0"]), ["three"]),
        (rule("email", ["Ann"]), ["one"]),
        (rule("email", ["a@example.com"]), []),
        (rule("phone", ["US"]), ["one"]),
        (rule("check", [], "is_not_empty"), ["one"]),
        (rule("check", [], "is_empty"), ["two", "three"]),
        (rule("tags", [295001]), ["one"]),
        (rule("tags", [-1]), ["two", "three"]),
        (rule("rating", 2, "greater_than"), ["one"]),
        (rule("rating", [0]), ["two", "three"]),
        (rule("drop", [2]), ["two"]),
    ],
)
def test_a_rule_finds_its_items(client, wanted, found):
    assert names(client, wanted) == found


def test_rules_join_by_and_or_or_and_nest(client):
    rules = [rule("status", [0]), rule("text", "roof", "contains_text")]
    assert names(client, *rules) == ["one"]
    assert names(client, *rules, operator="or") == ["one", "two"]
    assert names(client, groups=[{"operator": "or", "rules": [rule("status", [1]), rule("status", [5])]}]) == [
        "two",
        "three",
    ]


@pytest.mark.parametrize(
    "query, code",
    [
        ({"rules": [rule("nope", ["x"])]}, "InvalidColumnIdException"),
        ({"rules": [rule("formula", ["x"])]}, "InvalidArgumentException"),
        ({"rules": [rule("text", 3, "greater_than")]}, "InvalidArgumentException"),
        ({"rules": [rule("num", "x", "greater_than")]}, "InvalidArgumentException"),
        ({"rules": [rule("date", ["SOMEDAY"])]}, "InvalidArgumentException"),
        ({"rules": [rule("__last_updated__", ["TODAY"], "greater_than", "UPDATED_AT")]}, "InvalidArgumentException"),
        (
            {"rules": [rule("__last_updated__", ["EXACT", "2026-11-17T00:00:00Z"], "greater_than")]},
            "InvalidArgumentException",
        ),
        ({"ids": [str(n) for n in range(101)]}, "InvalidArgumentException"),
    ],
)
def test_what_monday_does_not_know_fails_the_query(client, query, code):
    assert ask(client, **query)["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize(
    "mode, moment, found",
    [
        ("exact", "2026-11-18T05:00:00Z", ["one"]),
        ("exact", "2026-11-18T05:00:01Z", []),
        ("exact", "2026-11-17T12:00:00Z", ["one", "two"]),
        ("days", "2026-11-18T05:00:01Z", ["one", "two"]),  # 05:00 UTC is still the 17th in the user's zone
        ("days", "2026-11-18T07:00:00Z", []),
        ("relative", "2026-11-17T00:00:00Z", None),
    ],
)
def test_last_updated_in_each_of_its_readings(client, mode, moment, found):
    client.admin("switches", last_updated=mode)
    since = rule("__last_updated__", ["EXACT", moment], "greater_than_or_equals", "UPDATED_AT")
    if found is None:
        assert ask(client, rules=[since])["errors"][0]["extensions"]["code"] == "InvalidArgumentException"
    else:
        assert names(client, since) == found
    assert names(client, rule("__last_updated__", ["THIS_WEEK"], attribute="UPDATED_AT")) == ["one", "two"]
    client.admin("switches", last_updated="exact")


def test_order_and_ids(client):
    order = [{"column_id": "__last_updated__", "direction": "asc"}]
    assert names(client, order_by=order) == ["three", "two", "one"]
    assert names(client, order_by=[{"column_id": "num", "direction": "desc"}])[:2] == ["one", "two"]
    assert names(client, ids=["1"]) == []


def test_a_filter_stays_with_its_cursor(client):
    text = "query($b:[ID!],$q:ItemsQuery){boards(ids:$b){items_page(limit:1,query_params:$q){cursor items{name}}}}"
    query = {"rules": [rule("text", "roof", "contains_text")]}
    page = client.sandbox.query(text, b=[client.board], q=query)["data"]["boards"][0]["items_page"]
    text = "query($c:String!){next_items_page(limit:5,cursor:$c){cursor items{name}}}"
    rest = client.sandbox.query(text, c=page["cursor"])["data"]["next_items_page"]
    assert rest == {"cursor": None, "items": [{"name": "two"}]}
