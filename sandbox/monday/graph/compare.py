"""Compares the schema with an official one: it may allow less, and nothing different.

`python -m sandbox.monday.graph.compare PATH [VERSION]` prints what differs, and ends with 1 when anything does. Without a
version it is the one in the name of the file, or else the current one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    print_ast,
)

from sandbox.monday.graph.schema import text_for
from sandbox.monday.graph.versions import CURRENT, VERSIONS

Argument = GraphQLArgument | GraphQLInputField


def differences(ours: GraphQLSchema, official: GraphQLSchema) -> list[str]:
    """Lists everything in a schema that the official one does not have alike."""
    wrong: list[str] = []
    for name, kind in ours.type_map.items():
        if not name.startswith("__"):
            wrong += differences_of_type(name, kind, official.type_map.get(name))
    return wrong


def differences_of_type(name: str, kind: GraphQLNamedType, other: GraphQLNamedType | None) -> list[str]:
    if isinstance(kind, GraphQLObjectType) and isinstance(other, GraphQLObjectType):
        return members(name, kind, other)
    if isinstance(kind, GraphQLInterfaceType) and isinstance(other, GraphQLInterfaceType):
        return members(name, kind, other)
    if isinstance(kind, GraphQLInputObjectType) and isinstance(other, GraphQLInputObjectType):
        return arguments(name, kind.fields, other.fields)
    if isinstance(kind, GraphQLEnumType) and isinstance(other, GraphQLEnumType):
        return [f"{name}.{value}" for value in kind.values if value not in other.values]
    if isinstance(kind, GraphQLUnionType) and isinstance(other, GraphQLUnionType):
        known = {part.name for part in other.types}
        return [f"{name} | {part.name}" for part in kind.types if part.name not in known]
    return [] if type(kind) is type(other) else [f"type {name}"]


def members(
    name: str,
    kind: GraphQLObjectType | GraphQLInterfaceType,
    other: GraphQLObjectType | GraphQLInterfaceType,
) -> list[str]:
    known = {interface.name for interface in other.interfaces}
    wrong = [f"{name} implements {part.name}" for part in kind.interfaces if part.name not in known]
    for field_name, field in kind.fields.items():
        theirs = other.fields.get(field_name)
        if theirs is None or str(theirs.type) != str(field.type):
            wrong.append(f"{name}.{field_name}: {field.type}")
        else:
            wrong += arguments(f"{name}.{field_name}", field.args, theirs.args)
    return wrong


def arguments(where: str, ours: Mapping[str, Argument], theirs: Mapping[str, Argument]) -> list[str]:
    wrong = [
        f"{where}({name}: {argument.type} = {default_of(argument)})"
        for name, argument in ours.items()
        if name not in theirs
        or str(theirs[name].type) != str(argument.type)
        or default_of(theirs[name]) != default_of(argument)
    ]
    # An argument that monday.com demands and ours does not know would let a document pass here that fails there.
    return wrong + [
        f"{where} lacks {name}"
        for name, argument in theirs.items()
        if str(argument.type).endswith("!") and default_of(argument) is None and name not in ours
    ]


def default_of(argument: Argument) -> str | None:
    node = argument.ast_node.default_value if argument.ast_node else None
    return print_ast(node) if node else None


def main(path: str, version: str = "") -> int:
    named = next((known for known in VERSIONS if known in Path(path).name), CURRENT)
    official = build_schema(Path(path).read_text(encoding="utf-8"), assume_valid=True)
    found = differences(build_schema(text_for(version or named)), official)
    for difference in found:
        print(difference)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
