"""Checks mutations: what is stored, what is refused, and that a refused mutation changes nothing."""

import json

import pytest

EVERYTHING, SUBITEMS, USERS = 7810000303, 7810000304, 5764059860
MANY = (
    "mutation($b:ID!,$i:ID,$v:JSON!,$c:Boolean){change_multiple_column_values(board_id:$b,item_id:$i,"
    "column_values:$v,create_labels_if_missing:$c){id name updated_at}}"
)
ONE = (
    "mutation($i:ID,$c:String!,$v:JSON!){change_column_value(board_id:7810000303,item_id:$i,column_id:$c,value:$v){id}}"
)
SIMPLE = (
    "mutation($i:ID,$c:String!,$v:String){change_simple_column_value(board_id:7810000303,item_id:$i,column_id:$c,"
    "value:$v){id}}"
)
CREATE = (
    "mutation($n:String!,$v:JSON,$g:String){create_item(board_id:7810000303,item_name:$n,column_values:$v,group_id:$g)"
    "{id name group{id}}}"
)


@pytest.fixture
def item(everything):
    return everything.items(EVERYTHING)[0]["id"]


def many(client, item, values, board=EVERYTHING, create=None):
    return client(MANY, b=str(board), i=item, v=json.dumps(values), c=create)


def code_of(answer):
    return answer["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    "column, sent, text, value",
    [
        ("text", "Hello", "Hello", "Hello"),
        ("text", "", "", None),
        ("long_text", {"text": "a\nb"}, "a\nb", {"text": "a\nb"}),
        ("long_text", "plain", "plain", {"text": "plain"}),
        ("numbers", "4.50", "4.50", "4.50"),
        ("numbers", 7, "7", "7"),
        ("numbers", "", "0", "0"),
        ("numbers", None, "", None),
        ("status", {"label": "Done"}, "Done", {"index": 1, "post_id": None}),
        ("status", {"index": 2}, "Stuck", {"index": 2, "post_id": None}),
        ("status", "Done", "Done", {"index": 1, "post_id": None}),
        ("status", "1", "Done", {"index": 1, "post_id": None}),
        ("status", {}, None, None),
        ("dropdown", {"labels": ["Design"]}, "Design", {"ids": [2]}),
        ("dropdown", {"ids": [1, 3]}, "Marketing, Sales, EMEA", {"ids": [1, 3]}),
        ("date", {"date": "2026-02-03"}, "2026-02-03", {"date": "2026-02-03", "time": None, "icon": None}),
        ("date", "2026-02-03 09:00:00", "2026-02-03 03:00", {"date": "2026-02-03", "time": "09:00:00", "icon": None}),
        (
            "timeline",
            {"from": "2026-01-01", "to": "2026-01-02"},
            "2026-01-01 - 2026-01-02",
            {"from": "2026-01-01", "to": "2026-01-02"},
        ),
        ("checkbox", {"checked": "true"}, "v", {"checked": True}),
        ("checkbox", None, "", None),
        (
            "email",
            {"email": "a@example.com", "text": "A"},
            "A - a@example.com",
            {"email": "a@example.com", "text": "A"},
        ),
        ("email", "a@example.com", "a@example.com", {"email": "a@example.com", "text": "a@example.com"}),
        (
            "phone",
            {"phone": "+12025550169", "countryShortName": "US"},
            "+12025550169",
            {"phone": "+12025550169", "countryShortName": "US"},
        ),
        (
            "link",
            {"url": "https://example.com", "text": ""},
            "https://example.com",
            {"url": "https://example.com", "text": ""},
        ),
        ("location", {"lat": "1.5", "lng": "2", "address": "X"}, "X", {"lat": "1.5", "lng": "2", "address": "X"}),
        (
            "country",
            {"countryCode": "DE", "countryName": "Germany"},
            "Germany",
            {"countryCode": "DE", "countryName": "Germany"},
        ),
        ("rating", {"rating": 4}, "4", {"rating": 4}),
        ("hour", {"hour": 0, "minute": 5}, "12:05 AM", {"hour": 0, "minute": 5}),
        (
            "week",
            {"week": {"startDate": "2026-03-16", "endDate": "2026-03-22"}},
            "2026-03-16 - 2026-03-22",
            {"week": {"startDate": "2026-03-16", "endDate": "2026-03-22"}},
        ),
        ("world_clock", {"timezone": "Asia/Tokyo"}, "Asia/Tokyo", {"timezone": "Asia/Tokyo"}),
        ("tags", {"tag_ids": [295001]}, "hail", {"tag_ids": [295001]}),
        ("color_picker", {"color": {"hex": "#00ff00"}}, "#00ff00", {"color": {"hex": "#00ff00"}}),
        ("people", {"personsAndTeams": []}, "", None),
    ],
)
def test_what_is_written_is_read_as_monday_renders_it(everything, item, column, sent, text, value):
    assert "errors" not in many(everything, item, {column: sent})
    cell = everything.cell(item, column)
    stored = json.loads(cell["value"]) if cell["value"] else None
    if isinstance(stored, dict):
        stored.pop("changed_at", None)
    assert (cell["text"], stored) == (text, value)


@pytest.mark.parametrize(
    "column, sent",
    [
        ("numbers", "1,5"),
        ("numbers", "abc"),
        ("numbers", True),
        ("status", {"label": "Nope"}),
        ("status", {"index": 77}),
        ("status", {"label": "done"}),
        ("status", {"label": "Old"}),
        ("status", "99"),
        ("dropdown", {"labels": ["nope"]}),
        ("dropdown", {"ids": [1], "labels": ["Design"]}),
        ("dropdown", {"ids": [4]}),
        ("date", {"date": "15.06.2026"}),
        ("date", {"date": "2026-02-30"}),
        ("date", {"date": "2026-02-03", "time": "09:00"}),
        ("timeline", {"from": "2026-01-01"}),
        ("people", {"personsAndTeams": [{"id": 1, "kind": "person"}]}),
        ("people", {"personsAndTeams": ["Ann"]}),
        ("checkbox", {"checked": True}),
        ("email", {"email": "a@example.com"}),
        ("email", {"email": "x", "text": "y"}),
        ("phone", {"phone": "+12025550169"}),
        ("phone", {"phone": "123", "countryShortName": "US"}),
        ("phone", {"phone": "+12025550169", "countryShortName": "us"}),
        ("phone", {"phone": "+442071838750", "countryShortName": "US"}),
        ("link", {"url": "example.com", "text": "x"}),
        ("link", {"url": "https://example.com"}),
        ("location", {"lat": "91", "lng": "0"}),
        ("location", {"address": "Giza"}),
        ("country", {"countryCode": "US"}),
        ("rating", {"rating": 6}),
        ("rating", {"rating": 0}),
        ("hour", {"hour": 24, "minute": 0}),
        ("hour", {"hour": "9"}),
        ("week", {"week": {"startDate": "2026-03-15", "endDate": "2026-03-21"}}),
        ("week", {"week": {"startDate": "2026-03-16", "endDate": "2026-03-23"}}),
        ("world_clock", {"timezone": "Mars/One"}),
        ("tags", {"tag_ids": [5]}),
        ("connect", {"item_ids": [123]}),
        ("connect", {"linkedPulseIds": [1]}),
        ("color_picker", {"color": {"hex": "red"}}),
        ("long_text", {"text": "x" * 2001}),
        ("text", {"text": "x"}),
        ("formula", "1"),
        ("mirror", "1"),
        ("creation_log", {}),
        ("last_updated", "x"),
        ("subitems", {"item_ids": []}),
        ("button", "x"),
        ("item_id", "1"),
        ("time_tracking", {}),
        ("auto_number", "1"),
        ("progress", "1"),
        ("file", {"clear_all": True}),
        ("person", {"id": 1}),
    ],
)
def test_wrong_values_are_refused_and_nothing_is_applied(everything, item, column, sent):
    before = everything.admin("boards/snapshot", board_id=EVERYTHING)
    answer = many(everything, item, {"text": "changed", column: sent} if column != "text" else {"text": sent})
    assert code_of(answer) == "ColumnValueException"
    assert answer["data"] == {"change_multiple_column_values": None}
    assert answer["errors"][0]["extensions"]["error_data"]["column_type"]
    assert everything.admin("boards/snapshot", board_id=EVERYTHING) == before


@pytest.mark.parametrize(
    "column, text",
    [
        ("timeline", "2026-01-01"),
        ("week", "x"),
        ("hour", "9"),
        ("country", "US"),
        ("tags", "hail"),
        ("connect", "1"),
        ("checkbox", "true"),
        ("rating", "4"),
        ("formula", "1"),
    ],
)
def test_types_without_a_simple_form_correct_the_caller(everything, item, column, text):
    assert everything.code(SIMPLE, i=item, c=column, v=text) == "CorrectedValueException"


@pytest.mark.parametrize(
    "column, text, shown",
    [
        ("status", "Done", "Done"),
        ("status", "", None),
        ("numbers", "", ""),
        ("numbers", "3.10", "3.10"),
        ("date", "2026-01-02", "2026-01-02"),
        ("phone", "+12025550169 US", "+12025550169"),
        ("email", "a@example.com Ann", "Ann - a@example.com"),
        ("link", "https://example.com X", "X - https://example.com"),
        ("dropdown", "2", "Design"),
        ("text", None, ""),
    ],
)
def test_simple_forms(everything, item, column, text, shown):
    assert "errors" not in everything(SIMPLE, i=item, c=column, v=text)
    assert everything.cell(item, column)["text"] == shown


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "not json"])
def test_column_values_must_hold_a_json_object(everything, item, text):
    assert code_of(everything(MANY, b=str(EVERYTHING), i=item, v=text)) == "ColumnValueException"


def test_an_object_instead_of_a_string_is_refused(everything, item):
    answer = everything(MANY, b=str(EVERYTHING), i=item, v={"text": "x"})
    assert "errors" in answer and "data" not in answer
    inline = 'mutation{change_column_value(board_id:7810000303,item_id:%s,column_id:"status",value:{index:1}){id}}'
    assert "errors" in everything(inline % item)


def test_one_unknown_column_fails_the_whole_call(everything, item):
    assert code_of(many(everything, item, {"text": "new", "nope": "x"})) == "InvalidColumnIdException"
    assert everything.cell(item, "text")["text"] != "new"


def test_a_name_is_changed_by_its_pseudo_column_and_never_emptied(everything, item):
    assert many(everything, item, {"name": "Renamed"})["data"]["change_multiple_column_values"]["name"] == "Renamed"
    assert many(everything, item, {"name": ""})["data"]["change_multiple_column_values"]["name"] == "Renamed"
    assert code_of(many(everything, item, {"name": "x" * 256})) == "ItemNameTooLongException"
    assert everything.code(SIMPLE, i=item, c="name", v="") == "ColumnValueException"


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_names_have_1_to_255_characters(everything, name):
    assert everything.code(CREATE, n=name) == "ItemNameTooLongException"


def test_a_new_item_has_its_values_and_the_top_group(everything):
    made = everything.data(CREATE, n="New", v=json.dumps({"text": "hi", "numbers": "2"}))["create_item"]
    assert made["group"]["id"] == "topics"
    assert everything.cell(made["id"], "text")["text"] == "hi"
    assert everything.code(CREATE, n="x", g="nowhere") == "ResourceNotFoundException"


def test_labels_are_made_when_asked_up_to_40_of_30_characters(everything, item):
    assert "errors" not in many(everything, item, {"status": {"label": "Fresh"}}, create=True)
    assert everything.cell(item, "status")["text"] == "Fresh"
    assert code_of(many(everything, item, {"status": {"label": "x" * 31}}, create=True)) == "ColumnValueException"
    for n in range(34):
        assert "errors" not in many(everything, item, {"status": {"label": f"L-{n}"}}, create=True)
    assert code_of(many(everything, item, {"status": {"label": "one more"}}, create=True)) == "ColumnValueException"


def test_a_refused_call_makes_no_labels(everything, item):
    many(everything, item, {"status": {"label": "Ghost"}, "numbers": "x"}, create=True)
    assert code_of(many(everything, item, {"status": {"label": "Ghost"}})) == "ColumnValueException"


def test_relations_refuse_archived_items_and_foreign_boards(everything, item):
    other = everything.items(EVERYTHING)[1]["id"]
    stranger = everything.items(USERS)[0]["id"]
    assert "errors" not in many(everything, item, {"connect": {"item_ids": [other]}})
    assert everything.cell(item, "connect", "...on BoardRelationValue{linked_item_ids}")["linked_item_ids"] == [other]
    assert code_of(many(everything, item, {"connect": {"item_ids": [stranger]}})) == "ColumnValueException"
    everything.admin("items/archive", item_id=other)
    assert code_of(many(everything, item, {"connect": {"item_ids": [other]}})) == "ColumnValueException"


def test_files_are_cleared_by_change_column_value_only(everything, item):
    assert "errors" not in everything(ONE, i=item, c="file", v='{"clear_all": true}')
    assert everything.cell(item, "file")["value"] is None


def test_a_subitem_is_written_with_its_own_boards_id(everything):
    sub = everything.items(SUBITEMS)[0]["id"]
    assert code_of(many(everything, sub, {"text": "x"})) == "InvalidItemIdException"
    assert "errors" not in many(everything, sub, {"text": "x"}, board=SUBITEMS)


def test_the_first_subitem_makes_the_hidden_board(start):
    client = start("users:3")
    parent = client.items(USERS)[0]["id"]
    made = client.data(
        'mutation($p:ID!){create_subitem(parent_item_id:$p,item_name:"s"){id board{id type} parent_item{id}}}', p=parent
    )["create_subitem"]
    assert made["board"]["type"] == "sub_items_board" and made["parent_item"]["id"] == parent
    columns = client.data("{boards(ids:[5764059860]){columns(types:[subtasks]){settings}}}")["boards"][0]["columns"]
    assert [str(n) for n in columns[0]["settings"]["boardIds"]] == [made["board"]["id"]]
    assert client.data("query($i:[ID!]){items(ids:$i){subitems{id}}}", i=[parent])["items"][0]["subitems"] == [
        {"id": made["id"]}
    ]


def test_aliases_run_in_order_and_fail_one_by_one(everything, item):
    found = everything(
        'mutation($i:ID){a:change_simple_column_value(board_id:7810000303,item_id:$i,column_id:"text",'
        'value:"1"){id} b:change_simple_column_value(board_id:7810000303,item_id:$i,column_id:"no",'
        'value:"2"){id} c:change_simple_column_value(board_id:7810000303,item_id:$i,column_id:'
        '"numbers",value:"3"){id}}',
        i=item,
    )
    assert found["data"]["a"] and found["data"]["b"] is None and found["data"]["c"]
    assert [e["path"] for e in found["errors"]] == [["b"]]


def test_the_same_value_moves_nothing_and_a_new_one_does(everything, item):
    everything.admin("clock/advance", seconds=10)
    many(everything, item, {"text": "v1"})
    text = "query($i:[ID!]){items(ids:$i){updated_at}}"
    before = everything.data(text, i=[item])
    everything.admin("clock/advance", seconds=10)
    many(everything, item, {"text": "v1"})
    assert everything.data(text, i=[item]) == before
    everything.admin("switches", same_value_is_news=True)
    many(everything, item, {"text": "v1"})
    assert everything.data(text, i=[item]) != before


def test_archive_delete_and_restore(everything, item):
    act = "mutation($i:ID){%s_item(item_id:$i){id state}}"
    assert everything.data(act % "archive", i=item)["archive_item"]["state"] == "archived"
    assert code_of(many(everything, item, {"text": "x"})) == "InvalidItemIdException"
    assert everything.data(act % "archive", i=item)
    everything.admin("items/restore", item_id=item)
    assert item in {i["id"] for i in everything.items(EVERYTHING)}
    assert everything.data(act % "delete", i=item)["delete_item"]["state"] == "deleted"
    assert everything.code(act % "delete", i=item) == "InvalidItemIdException"
    everything.admin("items/purge", item_id=item)
    assert everything.data("query($i:[ID!]){items(ids:$i){id}}", i=[item])["items"] == []


def test_moving_between_groups_and_boards(everything, item):
    moved = everything.data('mutation($i:ID){move_item_to_group(item_id:$i,group_id:"second"){group{id}}}', i=item)
    assert moved["move_item_to_group"]["group"]["id"] == "second"
    text = (
        "mutation($i:ID!,$m:[ColumnMappingInput!]){move_item_to_board(item_id:$i,board_id:5764059860,group_id:"
        '"topics",columns_mapping:$m){id board{id}}}'
    )
    assert everything.code(text, i=item, m=[{"source": "text", "target": "text6"}]) == "InvalidArgumentException"
    assert everything.data(text, i=item)["move_item_to_board"] == {"id": item, "board": {"id": str(USERS)}}


def test_a_full_board_takes_no_more(everything):
    everything.admin("boards/set", board_id=EVERYTHING, items_limit=6)
    assert everything.code(CREATE, n="x") == "ItemsLimitationException"


def test_activity_logs_tell_it_newest_first_in_17_digits(everything, item):
    many(everything, item, {"text": "logged"})
    everything.admin("items/delete", item_id=item, user="67214768")
    rows = everything.data("{boards(ids:[7810000303]){activity_logs{event entity data user_id created_at}}}")
    rows = rows["boards"][0]["activity_logs"]
    assert [r["event"] for r in rows] == ["delete_pulse", "update_column_value"]
    assert rows[0]["user_id"] == "67214768" and len(rows[0]["created_at"]) == 17
    assert json.loads(rows[1]["data"])["value"] == {"value": "logged"}


def test_an_update_can_be_posted_edited_and_deleted(everything, item):
    made = everything.data('mutation($i:ID){create_update(item_id:$i,body:"<p>Hi</p>"){id text_body}}', i=item)
    assert made["create_update"]["text_body"] == "Hi"
    everything.data('mutation($u:ID!){edit_update(id:$u,body:"B"){body}}', u=made["create_update"]["id"])
    everything.data("mutation($u:ID!){delete_update(id:$u){id}}", u=made["create_update"]["id"])
    assert everything.data("query($i:[ID!]){items(ids:$i){updates{id}}}", i=[item])["items"][0]["updates"] == []


def test_a_protected_board_refuses_writes(everything, item):
    everything.admin("boards/set", board_id=EVERYTHING, protected=True)
    assert code_of(many(everything, item, {"text": "x"})) == "USER_UNAUTHORIZED"
