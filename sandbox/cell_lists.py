"""Runs the selection below `column_values` by the rules of the schema, once compiled per cell type and request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import get_argument_values, get_directive_values
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective

from sandbox.cells import Cell

Getter = Callable[[Any, list[Any]], Any]


class Selection:
    """The selections of one place in a document, with what is needed to run them."""

    def __init__(self, schema: GraphQLSchema, true: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode],
                 variables: Any, context: Any) -> None:
        self.schema, self.true, self.fragments, self.variables, self.context = (
            schema, true, fragments, variables, context)
        self._plans: dict[tuple[int, str], list[tuple[str, Getter]]] = {}

    def plan(self, nodes: list[FieldNode], type_name: str) -> list[tuple[str, Getter]]:
        key = (id(nodes[0]), type_name)
        if key not in self._plans:
            fields: dict[str, list[FieldNode]] = {}
            for node in nodes:
                self.collect(node.selection_set, type_name, fields)
            self._plans[key] = [(name, self.getter(type_name, same)) for name, same in fields.items()]
        return self._plans[key]

    def collect(self, selections: SelectionSetNode | None, type_name: str, into: dict[str, list[FieldNode]]) -> None:
        for node in selections.selections if selections else ():
            if not self.included(node):
                continue
            if isinstance(node, FieldNode):
                into.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self.fits(node.type_condition.name.value, type_name):
                    self.collect(node.selection_set, type_name, into)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                if self.fits(fragment.type_condition.name.value, type_name):
                    self.collect(fragment.selection_set, type_name, into)

    def included(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if_" if "if_" in skip else "if"]) and not (
            include and not include["if_" if "if_" in include else "if"])

    def fits(self, condition: str, type_name: str) -> bool:
        if condition == type_name:
            return True
        wanted, actual = self.true.type_map[condition], self.true.type_map[type_name]
        return is_abstract_type(wanted) and self.true.is_sub_type(wanted, actual)  # type: ignore[arg-type]

    def getter(self, type_name: str, nodes: list[FieldNode]) -> Getter:
        name = nodes[0].name.value
        if name == "__typename":
            return lambda source, path: type_name
        kind = self.true.type_map[type_name]
        assert isinstance(kind, GraphQLObjectType)
        field = kind.fields[name]
        if type_name.endswith("Value") and name in CELL_FIELDS:
            read: Getter = CELL_FIELDS[name]
        elif "ColumnValue" in {i.name for i in kind.interfaces}:
            def read(source: Any, path: list[Any]) -> Any:
                return source.kind.fields[name](source) if name in source.kind.fields else source.updated_at()
        else:
            read = self.resolver_getter(type_name, name, nodes)
        if type_name == "FormulaValue" and name == "display_value" or type_name == "MirrorValue" and name in (
                "display_value", "mirrored_items"):
            read = self.counted(type_name, read)
        # Cells of an item below a cell come from their own resolver, run already.
        is_done = is_leaf_type(get_named_type(field.type)) or name == "column_values"
        return read if is_done else self.composite(field.type, nodes, read)

    def counted(self, type_name: str, read: Getter) -> Getter:
        def getter(source: Any, path: list[Any]) -> Any:
            self.context.count_display(type_name, source, path)
            return read(source, path)

        return getter

    def resolver_getter(self, type_name: str, name: str, nodes: list[FieldNode]) -> Getter:
        """An ordinary object below a cell: its resolver from the running schema, or the member of that name."""
        field = self.schema.type_map[type_name].fields[name]  # type: ignore[attr-defined]
        args = get_argument_values(field, nodes[0], self.variables)
        info = SimpleNamespace(context=self.context, field_nodes=nodes, schema=self.schema, path=None,
                               variable_values=self.variables)

        def getter(source: Any, path: list[Any]) -> Any:
            if field.resolve is not None:
                return field.resolve(source, info, **args)
            return source.get(name) if isinstance(source, dict) else getattr(source, name)

        return getter

    def composite(self, type_: Any, nodes: list[FieldNode], read: Getter) -> Getter:
        key = nodes[0].alias.value if nodes[0].alias else nodes[0].name.value

        def getter(source: Any, path: list[Any]) -> Any:
            here = [*path, key]
            return self.complete(type_, nodes, read(source, path), here)

        return getter

    def complete(self, type_: Any, nodes: list[FieldNode], value: Any, path: list[Any]) -> Any:
        if is_non_null_type(type_):
            done = self.complete(type_.of_type, nodes, value, path)
            if done is None:
                raise GraphQLError("Cannot return null for non-nullable field.", path=path)
            return done
        if value is None:
            return None
        if is_list_type(type_):
            return [self.complete(type_.of_type, nodes, one, [*path, n]) for n, one in enumerate(value)]
        name = value["__typename"] if is_abstract_type(type_) else type_.name
        return self.run(nodes, name, value, path)

    def run(self, nodes: list[FieldNode], type_name: str, source: Any, path: list[Any]) -> dict[str, Any]:
        return {key: read(source, path) for key, read in self.plan(nodes, type_name)}

    def cells(self, nodes: list[FieldNode], cells: Iterable[Cell], path: list[Any]) -> list[dict[str, Any]]:
        plans: dict[str, list[tuple[str, Getter]]] = {}
        rows = []
        for number, cell in enumerate(cells):
            name = cell.kind.graphql
            plan = plans.get(name)
            if plan is None:
                plan = plans[name] = self.plan(nodes, name)
            here = [*path, number]
            rows.append({key: read(cell, here) for key, read in plan})
        return rows


CELL_FIELDS: dict[str, Getter] = {
    "id": lambda cell, path: cell.column.id,
    "type": lambda cell, path: cell.column.type,
    "text": lambda cell, path: cell.kind.text(cell),
    "value": lambda cell, path: cell.value(),
    "is_leaf": lambda cell, path: True,
    "column": lambda cell, path: cell.column,
}
