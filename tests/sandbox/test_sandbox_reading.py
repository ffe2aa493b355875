"""Checks pages, cursors, items by id, and cells as monday.com renders them."""

import json

import pytest

EVERYTHING, PROJECTS, SUBITEMS, USERS = 7810000303, 6727219152, 7810000304, 5764059860

PAGE = (
    "query($b:[ID!],$l:Int!,$c:String,$q:ItemsQuery){boards(ids:$b){items_page(limit:$l,cursor:$c,query_params:$q){"
    "cursor items{id name updated_at group{id}}}}}"
)
NEXT = "query($c:String!,$l:Int!){next_items_page(cursor:$c,limit:$l){cursor items{id}}}"


def page(client, board, limit, cursor=None, query=None):
    return client(PAGE, b=[board], l=limit, c=cursor, q=query)


def first(client, board, limit, query=None):
    return page(client, board, limit, query=query)["data"]["boards"][0]["items_page"]


def test_walking_the_cursor_gives_every_active_item_once(shared):
    found = first(shared, USERS, 25)
    ids = [i["id"] for i in found["items"]]
    while found["cursor"]:
        found = shared.data(NEXT, c=found["cursor"], l=25)["next_items_page"]
        ids += [i["id"] for i in found["items"]]
    assert len(ids) == len(set(ids)) == 60
    assert shared.data("{boards(ids:[5764059860]){items_count}}")["boards"][0]["items_count"] == 60


def test_limit_is_25_when_it_is_forgotten(shared):
    found = shared.data("{boards(ids:[5764059860]){items_page{items{id}}}}")
    assert len(found["boards"][0]["items_page"]["items"]) == 25


@pytest.mark.parametrize("limit", [0, 501])
def test_pages_have_1_to_500_items(shared, limit):
    assert page(shared, USERS, limit)["errors"][0]["extensions"]["code"] == "InvalidArgumentException"


def test_a_cursor_and_a_filter_exclude_each_other(shared):
    cursor = first(shared, USERS, 10)["cursor"]
    assert (
        page(shared, USERS, 10, cursor, {"rules": []})["errors"][0]["extensions"]["code"] == "InvalidArgumentException"
    )
    assert "errors" not in page(shared, USERS, 10, cursor)


def test_a_cursor_lives_an_hour_from_the_first_page(start):
    client = start("users:30")
    cursor = first(client, USERS, 10)["cursor"]
    client.admin("clock/advance", seconds=3500)
    cursor = client.data(NEXT, c=cursor, l=10)["next_items_page"]["cursor"]
    client.admin("clock/advance", seconds=200)
    error = client(NEXT, c=cursor, l=10)["errors"][0]
    assert error["extensions"]["code"] == "CursorException"
    assert error["message"].startswith("CursorExpiredError")


def test_values_are_read_when_the_page_is_asked_for(start):
    client = start("users:4")
    found = first(client, USERS, 2)
    last = client.items(USERS)[-1]["id"]
    client.admin("items/archive", item_id=last)
    ids = [i["id"] for i in client.data(NEXT, c=found["cursor"], l=2)["next_items_page"]["items"]]
    assert last not in ids


def test_items_by_id_default_to_25_and_refuse_more_than_100(shared):
    ids = [i["id"] for i in shared.items(USERS)]
    assert len(shared.data("query($i:[ID!]){items(ids:$i){id}}", i=ids)["items"]) == 25
    assert len(shared.data("query($i:[ID!]){items(ids:$i,limit:100){id}}", i=ids)["items"]) == 60
    assert (
        shared.code("query($i:[ID!]){items(ids:$i){id}}", i=[str(n) for n in range(101)]) == "InvalidArgumentException"
    )


def test_archived_and_deleted_items_are_returned_by_id_only(shared):
    gone = [i for i in shared.admin("boards/snapshot", board_id=USERS) if i["state"] != "active"]
    assert {i["state"] for i in gone} == {"archived", "deleted"}
    listed = {i["id"] for i in shared.items(USERS)}
    ids = [i["id"] for i in gone]
    assert not listed & set(ids)
    assert len(shared.data("query($i:[ID!]){items(ids:$i){id state}}", i=ids)["items"]) == len(gone)
    assert shared.data("query($i:[ID!]){items(ids:$i,exclude_nonactive:true){id}}", i=ids)["items"] == []


def test_a_board_that_cannot_be_seen_is_absent_without_error(start):
    client = start("users:2,empty:0")
    client.admin("faults/add", kind="hide_board", board_id=USERS)
    found = client("{boards(ids:[5764059860,7810000909]){id}}")
    assert "errors" not in found and [b["id"] for b in found["data"]["boards"]] == ["7810000909"]


def test_pages_are_ordered_within_groups(shared):
    groups = [i["group"]["id"] for i in first(shared, PROJECTS, 500)["items"]]
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index)
    assert len(set(groups)) == 4
    query = {"order_by": [{"column_id": "__last_updated__", "direction": "desc"}]}
    rows = first(shared, PROJECTS, 500, query)["items"]
    ordered = [i["group"]["id"] for i in rows]
    assert list(dict.fromkeys(ordered)) == list(dict.fromkeys(groups)) and len(set(zip(ordered, ordered[1:]))) == 7
    for group in set(groups):
        times = [i["updated_at"] for i in rows if i["group"]["id"] == group]
        assert times == sorted(times, reverse=True)


def test_listings_can_be_shuffled(start):
    client = start("users:40")
    steady = [i["id"] for i in client.items(USERS)]
    client.admin("switches", order="shuffle")
    shuffled = [i["id"] for i in client.items(USERS)]
    assert shuffled != steady and sorted(shuffled) == sorted(steady)


def test_every_column_type_has_a_cell_that_is_full_and_one_that_is_empty(shared):
    rows = shared.items(EVERYTHING, fields="id column_values{id type text value}")
    full = {c["type"]: c for c in rows[0]["column_values"]} | {
        c["type"]: c for r in rows for c in r["column_values"] if c["value"]
    }
    assert len(full) >= 40
    assert "auto_number" not in full and "name" not in full
    for kind in ("board_relation", "dependency", "subtasks", "mirror"):
        assert full[kind]["text"] is None and full[kind]["value"] is None
    assert full["numbers"]["value"] == json.dumps(full["numbers"]["text"])
    assert json.loads(full["checkbox"]["value"])["checked"] is True and full["checkbox"]["text"] == "v"
    assert full["email"]["text"] == "Ann - ann@example.com"
    assert full["hour"]["text"] == "02:30 PM"
    empty = {c["type"]: c for r in rows for c in r["column_values"] if c["value"] is None}
    assert empty["status"]["text"] is None and empty["numbers"]["text"] == ""


def test_text_of_a_time_is_local_and_its_value_utc(shared):
    fields = 'column_values(ids:["date"]){text value ...on DateValue{date time}}'
    cell = next(c for r in shared.items(EVERYTHING, fields=fields) for c in r["column_values"] if c["value"])
    assert json.loads(cell["value"])["time"] == "09:00:00"
    assert (cell["text"], cell["date"], cell["time"]) == ("2026-06-15 04:00", "2026-06-15", "04:00")


def test_typed_fields_fragments_and_aliases_work_together(shared):
    text = """query { boards(ids: [7810000303]) { items_page(limit: 500) { items { ...I } } } }
    fragment I on Item { cells: column_values { ...C column { title } } }
    fragment C on ColumnValue { id __typename ... on StatusValue { index label when: updated_at }
      ... on PeopleValue { persons_and_teams { id kind } } ... on TagsValue { tags { name } }
      ... on MirrorValue { display_value mirrored_items { linked_board_id linked_item { name } } }
      ... on BoardRelationValue { linked_items { name column_values(ids: ["text"]) { text } } }
      ... on FileValue { files { __typename ... on FileAssetValue { asset { id name uploaded_by { id } } } } }
      ... on CountryValue { country { code } } ... on FormulaValue { display_value } }"""
    rows = shared.data(text)["boards"][0]["items_page"]["items"]
    cells = {
        c["id"]: c
        for r in rows
        for c in r["cells"]
        if c.get("files") or c.get("linked_items") or c["id"] in ("status", "formula")
    }
    assert cells["file"]["files"][0]["asset"]["name"] == "plan.png"
    assert set(cells["connect"]["linked_items"][0]) == {"name", "column_values"}
    mirrors = [c for r in rows for c in r["cells"] if c["id"] == "mirror" and c["mirrored_items"]]
    assert mirrors and all(m["mirrored_items"][0]["linked_item"]["name"] for m in mirrors)


def test_skip_and_include_are_obeyed_below_cells(shared):
    text = "query($a:Boolean!){items(ids:[%s]){column_values{id text @include(if:$a) value @skip(if:$a)}}}"
    item = shared.items(USERS)[0]["id"]
    assert set(shared.data(text % item, a=True)["items"][0]["column_values"][0]) == {"id", "text"}


def test_subitems_live_on_their_own_board(shared):
    rows = shared.items(EVERYTHING, fields="id subitems{id board{id} parent_item{id}}")
    below = [s for r in rows for s in r["subitems"]]
    assert below and {s["board"]["id"] for s in below} == {str(SUBITEMS)}
    assert {s["id"] for s in below} == {i["id"] for i in shared.items(SUBITEMS)}
    kinds = shared.data("{boards(limit:50){id type}}")["boards"]
    assert {"id": str(SUBITEMS), "type": "sub_items_board"} in kinds


def test_natural_key_lookup_is_exact(shared):
    cell = next(c for r in shared.items(USERS, fields='column_values(ids:["text1"]){text}') for c in r["column_values"])
    text = (
        'query($v:[String]!){items_page_by_column_values(board_id:5764059860,limit:100,columns:[{column_id:"text1",'
        "column_values:$v}]){items{id}}}"
    )
    assert shared.data(text, v=[cell["text"]])["items_page_by_column_values"]["items"]
    assert not shared.data(text, v=[cell["text"][:-1]])["items_page_by_column_values"]["items"]
    assert shared.code(text.replace("text1", "tags"), v=["x"]) == "InvalidArgumentException"


def test_people_account_and_settings_can_be_read(shared):
    found = shared.data(
        "{me{id time_zone_identifier account{plan{tier}}} users{id status} teams{id users{id}} tags{id name}"
        " versions{value kind} platform_api{daily_limit{total}} account{first_day_of_the_week}}"
    )
    assert {u["status"] for u in found["users"]} == {"ACTIVE"}
    columns = shared.data("{boards(ids:[7810000303]){columns{id type settings settings_str}}}")["boards"][0]["columns"]
    status = next(c for c in columns if c["type"] == "status")
    assert [x["id"] for x in status["settings"]["labels"]] == [0, 1, 2, 3, 7]
    assert json.loads(status["settings_str"])["labels"]["1"] == "Done"


def test_the_same_seed_makes_the_same_boards(start):
    texts = []
    for seed in (7, 7, 8):
        client = start("users:10,projects:10", seed=seed)
        texts.append(
            client.raw(
                "{boards(ids:[5764059860,6727219152]){items_page(limit:500){items{id name updated_at"
                " column_values{id text value}}}}}"
            ).json()["data"]
        )
    assert texts[0] == texts[1] != texts[2]


def test_the_real_boards_have_the_messes_of_real_boards(start):
    client = start("users:100,projects:100")
    rows = client.admin("boards/snapshot", board_id=USERS, state="active")
    emails = [r["cells"]["email7"]["text"] or r["cells"]["email__1"]["text"] for r in rows]
    assert 0 < emails.count("") < 10
    assert 0 < len(emails) - len(set(emails)) < 15
    projects = client.admin("boards/snapshot", board_id=PROJECTS, state="active")
    customers = [r["cells"]["email4__1"]["text"].lower() for r in projects]
    assert len(set(customers)) < 90
    assert any(ord(ch) > 0xFFFF for r in projects for c in r["cells"].values() for ch in c["text"] or "")


def test_with_live_order_a_walk_can_miss_what_moved_up(start):
    client = start("users:10")
    client.admin("switches", order="live")
    page_one = first(client, USERS, 5)
    client.admin("items/archive", item_id=page_one["items"][0]["id"])
    rest = client.data(NEXT, c=page_one["cursor"], l=50)["next_items_page"]["items"]
    assert len(rest) == 4
