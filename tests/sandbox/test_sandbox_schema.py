"""Checks the schema: that it is answered whole, and that what differs from another schema is noticed."""

import os

import pytest
from graphql import (
    Undefined,
    build_schema,
    get_named_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
    is_union_type,
)

from sandbox.monday.graph.compare import differences, main
from sandbox.monday.graph.schema import TEXT as OWN
from sandbox.monday.graph.schema import schema_text, text_for, true_schema
from sandbox.monday.graph.versions import CURRENT, MAINTENANCE, SINCE, TYPES_SINCE, UNTIL, VERSIONS
from sandbox.monday.resolvers.table import RESOLVERS

SCHEMA = build_schema(schema_text())
BOTH = (MAINTENANCE, CURRENT)
OFFICIAL = os.environ.get("MONDAY_OFFICIAL_SCHEMA", str(OWN)).split(os.pathsep)
"""The official schemas, with the version in the name of each file; without any, the stand-in's own."""

ARGUMENTS = {
    "assets": "(ids:[1100000001])",
    "boards": "(limit:50)",
    "items": "(ids:[{items}],limit:50)",
    "users": "(limit:20)",
    "webhooks": "(board_id:7810000303)",
}
BY_JOB_OR_CURSOR = {"fetch_job_status", "job_status", "items_page_by_column_values", "next_items_page"}


def needs_arguments(field):
    """Says whether a field cannot be asked for without arguments."""
    return any(str(a.type).endswith("!") and a.default_value is Undefined for a in field.args.values())


def everything_below(schema, kind, depth):
    """Selects all members of a type, and of what is below it."""
    kind = get_named_type(kind)
    if is_leaf_type(kind):
        return ""
    parts = ["__typename"] if is_union_type(kind) else members(schema, kind, depth)
    for number, part in enumerate([] if is_object_type(kind) else schema.get_possible_types(kind)):
        own = members(schema, part, depth, f"m{number}_", set(kind.fields) if is_interface_type(kind) else set())
        parts.append(f"... on {part.name}{{__typename {' '.join(own)}}}")
    return f"{{{' '.join(parts)}}}" if parts else ""


def members(schema, kind, depth, prefix="", known=frozenset()):
    found = []
    for name, field in kind.fields.items():
        if name in known or needs_arguments(field):
            continue
        below = everything_below(schema, field.type, depth - 1) if depth else ""
        if below or is_leaf_type(get_named_type(field.type)):
            found.append(f"{prefix}{name}:{name}{below}" if prefix else f"{name}{below}")
    return found


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("name", sorted(set(SCHEMA.query_type.fields) - BY_JOB_OR_CURSOR))
def test_every_member_of_the_schema_can_be_asked_for(shared, name, version):
    schema = true_schema(version)
    arguments = ARGUMENTS.get(name, "").replace("{items}", ",".join(i["id"] for i in shared.items(7810000303)))
    below = everything_below(schema, schema.query_type.fields[name].type, 2)
    found = shared(f"{{{name}{arguments}{below} mine:{name}{arguments}{below}}}", {"API-Version": version})
    assert "errors" not in found and name in found["data"]
    if name not in {"complexity", "assets", "boards", "items"}:  # signed addresses are others each time
        assert found["data"]["mine"] == found["data"][name]


ITEMS = "items(ids:[{items}])"
UNUSUAL = [
    "{mine:@{id name}}",
    "{a:@{id} b:@{name}}",
    "{@{n:name id n:name}}",
    "{__typename @{id column_values{id text}}}",
    "{@{__typename id column_values{__typename id}}}",
    "{...R} fragment R on Query{mine:@{id}}",
    "{... on Query{@{id}}}",
    "{...{@{id column_values{id}}}}",
    "{a:@{...F} b:@{...F column_values{value}}} fragment F on Item{id column_values{id}}",
    '{@{id one:column_values(ids:["text"]){id} all:column_values{value}}}',
    "query($no:Boolean=false){@{id name @include(if:$no) column_values @skip(if:$no){id}}}",
    "{@{id subitems{id parent_item{id subitems{id}} board{id items_page{items{id}}}}}}",
    "{@{id board{id columns{id settings} items_page(limit:1){cursor items{id column_values{id}}}}}}",
    '{__type(name:"Item"){name} @{id}}',
]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("text", UNUSUAL)
def test_items_by_id_are_answered_whatever_is_selected(shared, text, version):
    ids = ",".join(item["id"] for item in shared.items(7810000303))
    answer = shared.raw(text.replace("@{", ITEMS.replace("{items}", ids) + "{"), {"API-Version": version})
    assert answer.status_code == 200 and "errors" not in answer.json()
    for name, rows in answer.json()["data"].items():
        assert len(rows) == (9 if name not in ("__typename", "__type") else len(rows)), name


def test_a_fragment_that_two_selections_share_leaves_each_its_own_members(shared):
    found = shared.data(
        "{a:@{...F} b:@{...F column_values{value}}} fragment F on Item{column_values{id}}".replace(
            "@", f"items(ids:[{shared.items(7810000303)[0]['id']}])"
        )
    )
    assert [set(found[name][0]["column_values"][0]) for name in "ab"] == [{"id"}, {"id", "value"}]


@pytest.mark.parametrize(
    "variables",
    [{"l": None, "p": None}, {"l": 25}, {}, {"l": "many"}, {"l": [1]}, {"l": {"a": 1}}, {"l": 1.5}],
    ids=str,
)
def test_arguments_that_are_null_take_their_default_and_strange_ones_are_refused(shared, variables):
    text = f"query($l:Int,$p:Int){{items(ids:[{shared.items(7810000303)[0]['id']}],limit:$l,page:$p){{id}}}}"
    answer = shared.raw(text, **variables)
    fine = isinstance(variables.get("l", 1), (int, type(None)))
    assert answer.status_code == 200 and ("errors" in answer.json()) is not fine
    if fine:
        assert len(answer.json()["data"]["items"]) == 1


OLD_OF_USER = sorted(UNTIL[CURRENT]["User"])


def test_fields_of_users_that_2026_10_took_away_are_served_before(shared):
    text = f"{{users{{id kind {' '.join(OLD_OF_USER)}}}}}"
    before = shared(text, {"API-Version": MAINTENANCE})["data"]["users"]
    assert all(user["is_admin"] is (user["kind"] == "admin") for user in before)
    after = shared(text, {"API-Version": CURRENT})
    assert "data" not in after and len(after["errors"]) == len(OLD_OF_USER) == 14


def test_every_resolver_belongs_to_a_member_of_the_schema():
    known = {(kind, name) for kind in RESOLVERS for name in SCHEMA.type_map[kind].fields}
    assert {(kind, name) for kind, fields in RESOLVERS.items() for name in fields} - known == set()


def test_every_mutation_has_a_resolver():
    assert set(SCHEMA.mutation_type.fields) == set(RESOLVERS["Mutation"])


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_version_lacks_exactly_what_came_later(version):
    types = true_schema(version).type_map
    for since, names in TYPES_SINCE.items():
        assert all((name in types) is (version >= since) for name in names)
    for until, kinds in UNTIL.items():
        assert all((name in types[kind].fields) is (version < until) for kind, names in kinds.items() for name in names)
    for since, kinds in SINCE.items():
        for kind, name in ((kind, name) for kind, names in kinds.items() for name in names):
            fields = types[kind].fields
            known = name in fields or any(name in field.args for field in fields.values())
            assert known is (version >= since), (kind, name)


def test_a_schema_that_allows_less_is_no_difference():
    less = schema_text().replace("  item_terminology: String\n", "", 1)
    assert differences(SCHEMA, SCHEMA) == differences(build_schema(less), SCHEMA) == []


@pytest.mark.parametrize(
    "before, after, found",
    [
        ("  items_count: Int\n", "  items_count: Int!\n", "Board.items_count: Int!"),
        ("limit: Int! = 25, query_params", "limit: Int! = 50, query_params", "Board.items_page(limit: Int! = 50)"),
        ("  after_at\n", "  after_at\n  beside\n", "PositionRelative.beside"),
        ("  item_terminology: String\n", "  item_terminology: String\n  mood: String\n", "Board.mood: String"),
        ("items(exclude_nonactive: Boolean", "items(mood: Boolean", "Query.items(mood: Boolean = None)"),
        ("edit_update(id: ID!, body", "edit_update(body", "Mutation.edit_update lacks id"),
        ("union JobStatus = ItemsJobStatus", "union JobStatus = ItemsJobStatus | Tag", "JobStatus | Tag"),
        ("type Tag {", "type Tag implements ColumnValue {", "Tag implements ColumnValue"),
        ("scalar Date\n", "enum Date {\n  A\n}\n", "type Date"),
    ],
)
def test_a_schema_that_differs_is_noticed(before, after, found):
    assert before in schema_text()
    other = build_schema(schema_text().replace(before, after, 1), assume_valid=True)
    assert found in differences(other, SCHEMA)


def test_the_comparison_is_a_program(tmp_path, capsys):
    official = tmp_path / "official.graphql"
    official.write_text(schema_text(), encoding="utf-8")
    assert (main(str(official)), capsys.readouterr().out) == (0, "")
    official.write_text(schema_text().replace("  item_terminology: String\n", "", 1), encoding="utf-8")
    assert (main(str(official)), capsys.readouterr().out) == (1, "Board.item_terminology: String\n")


@pytest.mark.parametrize("version", BOTH)
def test_each_version_is_compared_with_its_own_schema(tmp_path, capsys, version):
    official = tmp_path / f"official-{version}.graphql"
    official.write_text(text_for(version), encoding="utf-8")
    other = next(other for other in BOTH if other != version)
    assert main(str(official)) == 0
    assert main(str(official), other) == 1
    told = capsys.readouterr().out
    assert ("User.is_admin: Boolean" in told) is (version == CURRENT)
    assert ("Team.created_at: String" in told) is (version == MAINTENANCE)


@pytest.mark.parametrize("path", OFFICIAL)
def test_the_schema_of_a_version_is_a_part_of_the_official_one(path):
    assert main(path) == 0
