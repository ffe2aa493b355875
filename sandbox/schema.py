"""The schema text as two executable schemas per API version: the true one, which validates, and its twin, which runs.

In the twin the cells of an item are a leaf: `cell_lists` runs the selection below `column_values` itself, because
graphql-core would take a second for a page of 500 items with 55 cells each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FloatValueNode,
    GraphQLError,
    GraphQLObjectType,
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

from sandbox.clock import parse_iso

TEXT = Path(__file__).with_name("schema.graphql")
CURRENT, MAINTENANCE = "2026-10", "2026-07"

# What older versions do not have yet. Everything not named here is in all of them.
SINCE: dict[str, dict[str, list[str]]] = {
    "2025-10": {"Column": ["settings", "revision", "capabilities"], "Board": ["hierarchy_type"]},
    "2026-01": {"Column": ["width"], "Account": ["is_during_trial", "is_trial_expired"]},
    "2026-07": {
        "Mutation": ["ingest_items", "backfill_items", "bulk_archive_items", "bulk_delete_items"],
        "Query": ["fetch_job_status", "job_status", "status"],  # the last is the argument of `users`
        "User": ["status"],
    },
}
Resolver = Callable[..., Any]


@lru_cache(maxsize=1)
def schema_text() -> str:
    return TEXT.read_text(encoding="utf-8")


def text_for(version: str, cells_as_leaf: bool) -> str:
    """The schema of a version. Plain text work: the file keeps one member per line, wrapped arguments aside."""
    text = schema_text()
    if cells_as_leaf:
        text = text.replace("): [ColumnValue!]!", "): CellList!") + "\nscalar CellList\n"
    gone = {(kind, name) for since, kinds in SINCE.items() if version < since
            for kind, names in kinds.items() for name in names}
    return without_members(text, gone) if gone else text


def without_members(text: str, gone: set[tuple[str, str]]) -> str:
    kept, kind = [], ""
    for line in text.splitlines():
        if line.startswith("type "):
            kind = line.split()[1]
        elif line == "}":
            kind = ""
        if (kind, line.strip().split("(")[0].split(":")[0]) not in gone:
            kept.append(line)
    return "\n".join(kept)


@lru_cache(maxsize=8)
def true_schema(version: str) -> GraphQLSchema:
    return with_scalars(build_ast_schema(parse(text_for(version, False), no_location=True)))


@lru_cache(maxsize=8)
def running_schema(version: str) -> GraphQLSchema:
    from sandbox.resolvers import RESOLVERS

    schema = with_scalars(build_ast_schema(parse(text_for(version, True), no_location=True)))
    for type_name, resolvers in RESOLVERS.items():
        fields = cast(GraphQLObjectType, schema.type_map[type_name]).fields
        for field_name, resolver in resolvers.items():
            if field_name in fields:
                fields[field_name].resolve = resolver
    return schema


def with_scalars(schema: GraphQLSchema) -> GraphQLSchema:
    def scalar(name: str) -> GraphQLScalarType:
        return cast(GraphQLScalarType, schema.type_map[name])

    for name in ("JSON", "Date", "ISO8601DateTime"):
        kind = scalar(name)
        setattr_all(kind, input_of_string(name))
    setattr_all(scalar("CompareValue"), compare_value)
    return schema


def setattr_all(kind: GraphQLScalarType, read: Callable[[Any], Any]) -> None:
    """graphql-core renamed these hooks in 3.3 and looks at the new names first."""
    def from_node(node: ValueNode, *_: Any) -> Any:
        return read(plain(node))

    for name in ("parse_value", "coerce_input_value"):
        setattr(kind, name, read)
    for name in ("parse_literal", "coerce_input_literal"):
        setattr(kind, name, from_node)


def input_of_string(name: str) -> Callable[[Any], Any]:
    """JSON travels as a string that holds JSON; an object in its place is refused."""
    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise GraphQLError(f"{name} cannot represent a non string value: {value!r}")
        if name == "ISO8601DateTime":
            try:
                parse_iso(value)
            except ValueError:
                raise GraphQLError(f"{name} cannot represent value: {value!r}") from None
        return value

    return read


def compare_value(value: Any) -> Any:
    """A string, an integer or a list of these."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, bool) or not isinstance(one, (str, int, float)):
            raise GraphQLError(f"CompareValue cannot represent value: {value!r}")
    return value


def plain(node: ValueNode) -> Any:
    if isinstance(node, ListValueNode):
        return [plain(one) for one in node.values]
    if isinstance(node, IntValueNode):
        return int(node.value)
    if isinstance(node, FloatValueNode):
        return float(node.value)
    if isinstance(node, (StringValueNode, BooleanValueNode)):
        return node.value
    return None


@lru_cache(maxsize=2_000)
def document_of(text: str, version: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    """A query text parsed and validated once. Raises GraphQLError when it does not parse."""
    document = parse(text)
    return document, tuple(validate(true_schema(version), document))
