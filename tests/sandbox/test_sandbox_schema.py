"""The sandbox's schema text against the official one: fewer things allowed, different things not."""

import os
from pathlib import Path

import pytest
from graphql import (
    GraphQLSchema,
    build_schema,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_scalar_type,
    is_union_type,
    print_ast,
)

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL = Path(os.environ.get("MONDAY_OFFICIAL_SCHEMA", ROOT / ".." / "shared" / "reference" / "monday-schema.graphql"))
OURS = ROOT / "sandbox" / "schema.graphql"


def default_of(argument) -> str | None:
    node = argument.ast_node.default_value if argument.ast_node else None
    return print_ast(node) if node else None


def differences(ours: GraphQLSchema, official: GraphQLSchema) -> list[str]:
    """Everything in our schema that the official one does not have alike."""
    wrong: list[str] = []
    for name, kind in ours.type_map.items():
        if name.startswith("__"):
            continue
        theirs = official.type_map.get(name)
        if theirs is None or type(theirs) is not type(kind):
            wrong.append(f"type {name}")
        elif is_object_type(kind) or is_interface_type(kind):
            wrong += members(name, kind, theirs)
            wrong += [f"{name} implements {i.name}" for i in kind.interfaces
                      if i.name not in {j.name for j in theirs.interfaces}]
        elif is_input_object_type(kind):
            wrong += arguments(name, kind.fields, theirs.fields)
        elif is_enum_type(kind):
            wrong += [f"{name}.{value}" for value in kind.values if value not in theirs.values]
        elif is_union_type(kind):
            wrong += [f"{name} | {t.name}" for t in kind.types if t.name not in {u.name for u in theirs.types}]
        else:
            assert is_scalar_type(kind)
    return wrong


def members(name: str, kind, theirs) -> list[str]:
    wrong: list[str] = []
    for field_name, field in kind.fields.items():
        other = theirs.fields.get(field_name)
        if other is None or str(other.type) != str(field.type):
            wrong.append(f"{name}.{field_name}: {field.type}")
            continue
        wrong += arguments(f"{name}.{field_name}", field.args, other.args)
    return wrong


def arguments(where: str, ours, theirs) -> list[str]:
    wrong = [
        f"{where}({name}: {arg.type} = {default_of(arg)})"
        for name, arg in ours.items()
        if name not in theirs
        or str(theirs[name].type) != str(arg.type)
        or default_of(theirs[name]) != default_of(arg)
    ]
    # An argument that monday demands and we do not know would let a document pass here that fails there.
    wrong += [
        f"{where} lacks {name}"
        for name, arg in theirs.items()
        if str(arg.type).endswith("!") and default_of(arg) is None and name not in ours
    ]
    return wrong


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official schema is not here")
def test_the_schema_is_a_true_subset_of_the_official_one():
    ours = build_schema(OURS.read_text(encoding="utf-8"))
    official = build_schema(OFFICIAL.read_text(encoding="utf-8"), assume_valid=True)
    assert differences(ours, official) == []


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official schema is not here")
@pytest.mark.parametrize("before, after", [
    ("  items_count: Int\n", "  items_count: Int!\n"),
    ("limit: Int! = 25, query_params", "limit: Int! = 50, query_params"),
    ("  after_at\n", "  after_at\n  beside\n"),
    ("  item_terminology: String\n", "  item_terminology: String\n  mood: String\n"),
])
def test_a_schema_that_differs_is_noticed(before, after):
    text = OURS.read_text(encoding="utf-8")
    assert before in text
    official = build_schema(OFFICIAL.read_text(encoding="utf-8"), assume_valid=True)
    assert differences(build_schema(text.replace(before, after, 1)), official)
