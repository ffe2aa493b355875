"""Builds the schema of a version from its text: the true one, against which documents are checked.

For a second schema, which is executed, the cells of an item are a leaf: `selection` runs what is selected below
`column_values`, because graphql-core would take a second for a page of 500 items with 55 cells each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias, cast

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FloatValueNode,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    StringValueNode,
    ValueNode,
    build_ast_schema,
    parse,
    validate,
)

from sandbox.common.clock import parse_iso
from sandbox.monday.graph.versions import missing_in, types_missing_in

TEXT = Path(__file__).with_name("schema.graphql")
CELLS, CELLS_AS_LEAF = "): [ColumnValue!]!", "): CellList!"

Read: TypeAlias = Callable[[object], object]


@lru_cache(maxsize=1)
def schema_text() -> str:
    return TEXT.read_text(encoding="utf-8")


@lru_cache(maxsize=8)
def true_schema(version: str) -> GraphQLSchema:
    return built(text_for(version))


def schema_with_cells_as_leaf(version: str) -> GraphQLSchema:
    return built(text_for(version).replace(CELLS, CELLS_AS_LEAF) + "\nscalar CellList\n")


@lru_cache(maxsize=2_000)
def document_of(text: str, version: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    """Parses and checks a document, once. Raises GraphQLError when it does not parse."""
    document = parse(text)
    return document, tuple(validate(true_schema(version), document))


def text_for(version: str) -> str:
    """Leaves out what a version lacks. The text keeps one member per line, wrapped arguments aside."""
    gone, gone_types = missing_in(version), types_missing_in(version)
    kept, type_name = [], ""
    for line in schema_text().splitlines():
        if line.startswith("type "):
            type_name = line.split()[1]
        if type_name in gone_types:
            type_name = "" if line == "}" else type_name
            continue
        if line == "}":
            type_name = ""
        if (type_name, line.strip().split("(")[0].split(":")[0]) not in gone:
            kept.append(line)
    return "\n".join(kept)


def built(text: str) -> GraphQLSchema:
    schema = build_ast_schema(parse(text, no_location=True))
    for name in ("JSON", "Date", "ISO8601DateTime"):
        set_reader(schema, name, string_reader(name))
    set_reader(schema, "CompareValue", compare_value)
    return schema


def set_reader(schema: GraphQLSchema, name: str, read: Read) -> None:
    """Sets how a scalar is read from variables and literals. graphql-core looks at its newer names first."""

    def from_node(node: ValueNode, *_: object) -> object:
        return read(plain(node))

    scalar = cast(GraphQLScalarType, schema.type_map[name])
    for hook in ("parse_value", "coerce_input_value"):
        setattr(scalar, hook, read)
    for hook in ("parse_literal", "coerce_input_literal"):
        setattr(scalar, hook, from_node)


def string_reader(name: str) -> Read:
    """Makes the reader of a scalar that travels as a string; JSON is a string too, and an object is refused."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            raise GraphQLError(f"{name} cannot represent a non string value: {value!r}")
        if name == "ISO8601DateTime":
            try:
                parse_iso(value)
            except ValueError:
                raise GraphQLError(f"{name} cannot represent value: {value!r}") from None
        return value

    return read


def compare_value(value: object) -> object:
    """Reads a string, a number or a list of these."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, bool) or not isinstance(part, (str, int, float)):
            raise GraphQLError(f"CompareValue cannot represent value: {value!r}")
    return value


def plain(node: ValueNode) -> object:
    if isinstance(node, ListValueNode):
        return [plain(part) for part in node.values]
    if isinstance(node, IntValueNode):
        return int(node.value)
    if isinstance(node, FloatValueNode):
        return float(node.value)
    if isinstance(node, (StringValueNode, BooleanValueNode)):
        return node.value
    return None
