"""Checks the schema: that it is answered whole, and that what differs from another schema is noticed."""

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
from sandbox.monday.graph.schema import schema_text, true_schema
from sandbox.monday.graph.versions import SINCE, VERSIONS
from sandbox.monday.resolvers.table import RESOLVERS

SCHEMA = build_schema(schema_text())
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


def everything_below(kind, depth):
    """Selects all members of a type, and of what is below it."""
    kind = get_named_type(kind)
    if is_leaf_type(kind):
        return ""
    parts = ["__typename"] if is_union_type(kind) else members(kind, depth)
    for number, part in enumerate([] if is_object_type(kind) else SCHEMA.get_possible_types(kind)):
        own = members(part, depth, f"m{number}_", set(kind.fields) if is_interface_type(kind) else set())
        parts.append(f"... on {part.name}{{__typename {' '.join(own)}}}")
    return f"{{{' '.join(parts)}}}" if parts else ""


def members(kind, depth, prefix="", known=frozenset()):
    found = []
    for name, field in kind.fields.items():
        if name in known or needs_arguments(field):
            continue
        below = everything_below(field.type, depth - 1) if depth else ""
        if below or is_leaf_type(get_named_type(field.type)):
            found.append(f"{prefix}{name}:{name}{below}" if prefix else f"{name}{below}")
    return found


@pytest.mark.parametrize("name", sorted(set(SCHEMA.query_type.fields) - BY_JOB_OR_CURSOR))
def test_every_member_of_the_schema_can_be_asked_for(shared, name):
    arguments = ARGUMENTS.get(name, "").replace("{items}", ",".join(i["id"] for i in shared.items(7810000303)))
    found = shared.data(f"{{{name}{arguments}{everything_below(SCHEMA.query_type.fields[name].type, 2)}}}")
    assert name in found


def test_every_resolver_belongs_to_a_member_of_the_schema():
    known = {(kind, name) for kind in RESOLVERS for name in SCHEMA.type_map[kind].fields}
    assert {(kind, name) for kind, fields in RESOLVERS.items() for name in fields} - known == set()


def test_every_mutation_has_a_resolver():
    assert set(SCHEMA.mutation_type.fields) == set(RESOLVERS["Mutation"])


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_version_lacks_exactly_what_came_later(version):
    types = true_schema(version).type_map
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
