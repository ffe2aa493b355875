"""Runs what is selected below `column_values`, by the rules of the schema, compiled once per cell type and request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.values import get_argument_values, get_directive_values
from graphql.pyutils import Path
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective
from msgspec import Struct, field

from sandbox.common.json_text import JsonObject
from sandbox.monday.cells.kind import Cell

Steps: TypeAlias = list[str | int]
"""The way from the root of the answer to a member."""
Variables: TypeAlias = Any
"""The variables of a document, in graphql-core's own form."""
Source: TypeAlias = Any
"""What a member is read from: a cell, a record of the account, or a dictionary."""
Getter: TypeAlias = Callable[[Source, Steps], object]
Plan: TypeAlias = list[tuple[str, Getter]]

COUNTED = {("FormulaValue", "display_value"), ("MirrorValue", "display_value"), ("MirrorValue", "mirrored_items")}


class Schemas(Struct, frozen=True):
    """Holds both schemas of a version: the true one, and the one whose fields have resolvers."""

    true: GraphQLSchema
    running: GraphQLSchema


class DisplayCounter(Protocol):
    """Counts the values that monday.com limits."""

    def count_display(self, type_name: str, cell: Cell, path: Steps) -> None: ...


class FieldInfo(Struct, frozen=True):
    """Tells a resolver of an object below a cell what GraphQLResolveInfo tells it elsewhere."""

    context: DisplayCounter
    field_nodes: Sequence[FieldNode]
    variable_values: Variables
    path: Path | None = None


class Selection(Struct):
    """Holds the selections of one document, with what is needed to run them."""

    schemas: Schemas
    fragments: dict[str, FragmentDefinitionNode]
    variables: Variables
    context: DisplayCounter
    _plans: dict[tuple[tuple[int, ...], str], Plan] = field(default_factory=dict)

    def cells(self, nodes: Sequence[FieldNode], cells: Iterable[Cell], path: Steps) -> list[JsonObject]:
        plans: dict[str, Plan] = {}
        rows = []
        for number, cell in enumerate(cells):
            name = cell.kind.graphql
            plan = plans.get(name)
            if plan is None:
                plan = plans[name] = self._plan(nodes, name)
            here = [*path, number]
            rows.append({key: read(cell, here) for key, read in plan})
        return rows

    # from selections to getters

    def _plan(self, nodes: Sequence[FieldNode], type_name: str) -> Plan:
        key = (tuple(map(id, nodes)), type_name)
        if key not in self._plans:
            fields: dict[str, list[FieldNode]] = {}
            for node in nodes:
                self._collect(node.selection_set, type_name, fields)
            self._plans[key] = [(name, self._getter(type_name, same)) for name, same in fields.items()]
        return self._plans[key]

    def _collect(self, selections: SelectionSetNode | None, type_name: str, into: dict[str, list[FieldNode]]) -> None:
        for node in selections.selections if selections else ():
            # left out by @skip or @include
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                into.setdefault(key_of(node), []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._fits(node.type_condition.name.value, type_name):
                    self._collect(node.selection_set, type_name, into)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                if self._fits(fragment.type_condition.name.value, type_name):
                    self._collect(fragment.selection_set, type_name, into)

    def _included(self, node: SelectionNode) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and condition(skip)) and not (include and not condition(include))

    def _fits(self, wanted_name: str, type_name: str) -> bool:
        """Says whether a fragment on a type or interface applies to an object of a type."""
        if wanted_name == type_name:
            return True
        schema = self.schemas.true
        wanted, actual = schema.type_map[wanted_name], schema.type_map[type_name]
        return is_abstract_type(wanted) and schema.is_sub_type(wanted, cast(GraphQLObjectType, actual))

    def _getter(self, type_name: str, nodes: list[FieldNode]) -> Getter:
        name = nodes[0].name.value
        if name == "__typename":
            return lambda source, path: type_name
        member = self._member(self.schemas.true, type_name, name)
        read = self._reader(type_name, name, nodes)
        if (type_name, name) in COUNTED:
            read = self._counted(type_name, read)
        # Cells of an item below a cell come from their own resolver, run already.
        is_done = is_leaf_type(get_named_type(member.type)) or name == "column_values"
        return read if is_done else self._composite(member.type, nodes, read)

    def _reader(self, type_name: str, name: str, nodes: list[FieldNode]) -> Getter:
        """Finds how a member is read: by any cell, by the kind of the cell, or by the resolver of another object."""
        if type_name.endswith("Value") and name in CELL_FIELDS:
            return CELL_FIELDS[name]
        kind = cast(GraphQLObjectType, self.schemas.true.type_map[type_name])
        if "ColumnValue" in {interface.name for interface in kind.interfaces}:
            return lambda cell, path: cell.kind.fields[name](cell) if name in cell.kind.fields else cell.updated_at()
        return self._resolver(type_name, name, nodes)

    def _resolver(self, type_name: str, name: str, nodes: list[FieldNode]) -> Getter:
        """Takes the resolver of the running schema, or the member of that name."""
        member = self._member(self.schemas.running, type_name, name)
        args = get_argument_values(member, nodes[0], self.variables)
        info = FieldInfo(self.context, nodes, self.variables)
        resolve = cast(Callable[..., object] | None, member.resolve)
        if resolve is not None:
            return lambda source, path: resolve(source, info, **args)
        return lambda source, path: source.get(name) if isinstance(source, dict) else getattr(source, name, None)

    def _member(self, schema: GraphQLSchema, type_name: str, name: str) -> GraphQLField:
        return cast(GraphQLObjectType, schema.type_map[type_name]).fields[name]

    def _counted(self, type_name: str, read: Getter) -> Getter:
        def getter(source: Source, path: Steps) -> object:
            self.context.count_display(type_name, source, path)
            return read(source, path)

        return getter

    def _composite(self, kind: GraphQLOutputType, nodes: list[FieldNode], read: Getter) -> Getter:
        key = key_of(nodes[0])
        return lambda source, path: self._complete(kind, nodes, read(source, path), [*path, key])

    # from values to the answer

    def _complete(self, kind: GraphQLOutputType, nodes: list[FieldNode], value: Source, path: Steps) -> object:
        # must not be null
        if isinstance(kind, GraphQLNonNull):
            done = self._complete(kind.of_type, nodes, value, path)
            if done is None:
                raise GraphQLError("Cannot return null for non-nullable field.", path=path)
            return done
        if value is None:
            return None
        if isinstance(kind, GraphQLList):
            return [self._complete(kind.of_type, nodes, part, [*path, n]) for n, part in enumerate(value)]
        # an object: its own members
        name = value["__typename"] if is_abstract_type(kind) else get_named_type(kind).name
        return {key: read(value, path) for key, read in self._plan(nodes, name)}


def key_of(node: FieldNode) -> str:
    return node.alias.value if node.alias else node.name.value


def condition(values: JsonObject) -> bool:
    """Reads the argument of @skip or @include, whose name has an underscore in some versions of graphql-core."""
    return bool(values["if_" if "if_" in values else "if"])


CELL_FIELDS: dict[str, Getter] = {
    "id": lambda cell, path: cell.column.id,
    "type": lambda cell, path: cell.column.type,
    "text": lambda cell, path: cell.kind.text(cell),
    "value": lambda cell, path: cell.value(),
    "is_leaf": lambda cell, path: True,
    "column": lambda cell, path: cell.column,
}
