"""Reads a GraphQL document and its variables from the body of a request, or refuses the request."""

from __future__ import annotations

import json
from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_operation_ast,
)
from graphql.utilities import value_from_ast_untyped
from msgspec import Struct

from sandbox.common.json_text import JsonObject, encode
from sandbox.common.wire import Refusal
from sandbox.monday.errors import refusal
from sandbox.monday.gateway.answers import places, quoted
from sandbox.monday.graph.schema import document_of
from sandbox.monday.limits.complexity import estimate

TEXT_KEPT = 2_000


class Query(Struct, frozen=True):
    """Holds the operation that is carried out, with the document around it."""

    text: str
    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    variables: JsonObject

    @property
    def whole(self) -> str:
        """Writes the text and, as JSON, the variables."""
        return f"{self.text} {encode(self.variables)}"

    @property
    def kind(self) -> str:
        return self.operation.operation.value

    @property
    def is_mutation(self) -> bool:
        return self.kind == "mutation"

    @property
    def name(self) -> str | None:
        return self.operation.name.value if self.operation.name else None

    @property
    def fields(self) -> list[FieldNode]:
        return list(self._fields_of(self.operation.selection_set))

    def _fields_of(self, selections: SelectionSetNode) -> Iterator[FieldNode]:
        """Yields the root fields, those in fragments too."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._fields_of(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                yield from self._fields_of(self.fragments[node.name.value].selection_set)

    @property
    def introspects(self) -> bool:
        """Tells whether it asks about the schema, and for nothing else."""
        return all(name.startswith("__") for name in self.field_names)

    @property
    def field_names(self) -> list[str]:
        return [node.name.value for node in self.fields]

    def variables_with_defaults(self) -> JsonObject:
        defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in self.operation.variable_definitions or ()
            if definition.default_value
        }
        return {**defaults, **self.variables}

    def arguments(self) -> list[JsonObject]:
        """Lists the arguments of each root field."""
        variables = self.variables_with_defaults()
        return [
            {arg.name.value: value_from_ast_untyped(arg.value, variables) for arg in node.arguments or ()}
            for node in self.fields
        ]

    def cost(self) -> int:
        return estimate(self.operation, self.fragments, self.variables_with_defaults())


def read_query(sent: bytes, version: str, entry: JsonObject) -> Query:
    """Reads a request, and notes in the log entry as much as could be read."""
    body = read_body(sent)
    variables = body.get("variables") or {}
    entry["query"] = body["query"][:TEXT_KEPT]
    entry["variables_bytes"] = len(encode(variables)) if variables else 0
    try:
        document, problems = document_of(body["query"], version)
    except GraphQLError as exc:
        raise not_parsed(exc) from None
    # the document does not fit the schema
    if problems:
        errors = [{"message": quoted(problem.message), "locations": places(problem)} for problem in problems]
        raise Refusal(200, {"errors": errors})
    operation = chosen_operation(document, body.get("operationName"))
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    query = Query(body["query"], document, operation, fragments, variables)
    entry.update(operation=query.kind, fields=query.field_names, name=query.name)
    return query


def read_body(sent: bytes) -> JsonObject:
    try:
        body = json.loads(sent)
    except ValueError:
        raise refusal(400, "Bad request", "JsonParseException", status_code=400) from None
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise refusal(400, "Bad request", status_code=400)
    variables = body.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise refusal(400, "Bad request: variables must be an object", status_code=400)
    return body


def not_parsed(exc: GraphQLError) -> Refusal:
    code = {"code": "GRAPHQL_PARSE_FAILED"}
    error = {"message": f"Parse error on {exc.message}", "locations": places(exc), "extensions": code}
    return Refusal(200, {"errors": [error]})


def chosen_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operation = get_operation_ast(document, name)
    if operation is not None:
        return operation
    message = "Must provide operation name if query contains multiple operations."
    raise Refusal(200, {"errors": [{"message": f'Unknown operation named "{name}".' if name else message}]})
