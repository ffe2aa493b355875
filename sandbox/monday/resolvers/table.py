"""Joins all resolvers with the schema."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import cast

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, Undefined

from sandbox.monday.graph.call import Info
from sandbox.monday.graph.schema import schema_with_cells_as_leaf, true_schema
from sandbox.monday.graph.selection import Schemas
from sandbox.monday.resolvers.account import ACCOUNT_FIELDS
from sandbox.monday.resolvers.activity_logs import LOG_FIELDS
from sandbox.monday.resolvers.board_writes import BOARD_WRITES
from sandbox.monday.resolvers.boards import BOARD_FIELDS
from sandbox.monday.resolvers.column_writes import COLUMN_WRITES
from sandbox.monday.resolvers.fields import Fields, Resolver
from sandbox.monday.resolvers.item_writes import ITEM_WRITES
from sandbox.monday.resolvers.items import ITEM_FIELDS
from sandbox.monday.resolvers.jobs import JOB_FIELDS
from sandbox.monday.resolvers.pages import PAGE_FIELDS
from sandbox.monday.resolvers.updates import UPDATE_FIELDS
from sandbox.monday.resolvers.webhooks import WEBHOOK_FIELDS


def joined(*parts: Fields) -> Fields:
    found: Fields = {}
    for part in parts:
        for type_name, fields in part.items():
            found.setdefault(type_name, {}).update(fields)
    return found


RESOLVERS = joined(
    ACCOUNT_FIELDS,
    BOARD_FIELDS,
    LOG_FIELDS,
    ITEM_FIELDS,
    PAGE_FIELDS,
    UPDATE_FIELDS,
    WEBHOOK_FIELDS,
    JOB_FIELDS,
    BOARD_WRITES,
    COLUMN_WRITES,
    ITEM_WRITES,
)


@lru_cache(maxsize=8)
def running_schema(version: str) -> GraphQLSchema:
    """Makes the schema that is executed: its fields have their resolvers, and the cells of an item are a leaf."""
    schema = schema_with_cells_as_leaf(version)
    for type_name, resolvers in RESOLVERS.items():
        fields = cast(GraphQLObjectType, schema.type_map[type_name]).fields
        for field_name, resolver in resolvers.items():
            if field_name in fields:  # older versions lack some
                fields[field_name].resolve = with_defaults(fields[field_name], resolver)
    return schema


def with_defaults(field: GraphQLField, resolver: Resolver) -> Resolver:
    """Takes the default of an argument for which null was sent."""
    usual = {name: arg.default_value for name, arg in field.args.items() if arg.default_value is not Undefined}
    own = inspect.signature(resolver).parameters
    usual |= {
        name: own[name].default for name in field.args if name in own and own[name].default is not own[name].empty
    }
    if not usual:
        return resolver

    def resolve(source: object, info: Info, **args: object) -> object:
        nulls = {name: value for name, value in usual.items() if args.get(name, value) is None}
        return resolver(source, info, **{**args, **nulls})

    return resolve


def schemas_of(version: str) -> Schemas:
    return Schemas(true_schema(version), running_schema(version))
