"""Estimates what a query costs, from its text and variables, before it runs.

An object costs 10 and a leaf 1, each times the limits of the lists above it; writes have a price of their own. That is
monday.com's documented shape with the recorded figures: `complexity` alone 10, with `boards(ids:[1]) { id }` 21."""

from __future__ import annotations

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.utilities import value_from_ast_untyped

from sandbox.common.json_text import JsonObject

OBJECT, LEAF = 10, 1
CREATE, WRITE = 10_000, 1_000
PAGES = {"items_page", "next_items_page", "items_page_by_column_values"}
LIMITED = {"boards", "items", "users", "updates", "workspaces", "activity_logs"}
DEFAULT_LIMIT = {"users": 200}
USUAL_LENGTH = {
    "column_values": 20,
    "columns": 20,
    "groups": 10,
    "teams": 10,
    "tags": 10,
    "subitems": 10,
    "linked_items": 5,
    "assets": 5,
    "replies": 5,
}


def estimate(
    operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode], variables: JsonObject
) -> int:
    cost = Cost(fragments, variables)
    total = cost.of(operation.selection_set, 1, 1)
    if operation.operation.value == "mutation":
        names = (node.name.value for node in operation.selection_set.selections if isinstance(node, FieldNode))
        total += sum(price_of(name) for name in names if name != "complexity")
    return total


def price_of(mutation: str) -> int:
    return CREATE if mutation.startswith(("create", "duplicate")) else WRITE


def limit_of(args: JsonObject, usual: int) -> int:
    """Reads a limit; one that is no number is refused later, when the variables are checked."""
    limit = args.get("limit")
    return limit if isinstance(limit, int) and limit else usual


class Cost:
    """Adds up one document."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode], variables: JsonObject) -> None:
        self.fragments, self.variables = fragments, variables

    def of(self, selections: SelectionSetNode | None, factor: int, page: int) -> int:
        """Adds up selections; `page` is the limit of an enclosing items page, whose rows count where `items` is selected."""
        total = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                total += self.field(node, factor, page)
            elif isinstance(node, FragmentSpreadNode):
                total += self.of(self.fragments[node.name.value].selection_set, factor, page)
            elif isinstance(node, InlineFragmentNode):
                total += self.of(node.selection_set, factor, page)
        return total

    def field(self, node: FieldNode, factor: int, page: int) -> int:
        name = node.name.value
        if node.selection_set is None:
            return LEAF * factor
        if name == "complexity":
            return OBJECT
        args = {arg.name.value: value_from_ast_untyped(arg.value, self.variables) for arg in node.arguments or ()}
        if name in PAGES:
            return OBJECT * factor + self.of(node.selection_set, factor, limit_of(args, 25))
        return OBJECT * factor + self.of(node.selection_set, factor * self.rows(name, args, page), 1)

    def rows(self, name: str, args: JsonObject, page: int) -> int:
        # the rows of an enclosing page
        if name == "items" and page > 1:
            return page
        ids = args.get("ids")
        known = len(ids) if isinstance(ids, list) else 1 if ids else None
        # as many rows as the limit lets through
        if name in LIMITED:
            limit = limit_of(args, DEFAULT_LIMIT.get(name, 25))
            return max(1, limit if known is None else min(limit, known))
        return known or USUAL_LENGTH.get(name, 1)
