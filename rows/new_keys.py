"""Makes the keys of new root rows, as their table would make them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from databases.postgres.names import compose
from databases.postgres.own_ways import TableWays, expression
from db_connector import Transaction
from errors import RowRejected
from rows.homes import Homes

NEXT_KEYS = """
select nextval(pg_get_serial_sequence(%s, %s))::text
from generate_series(1, %s)
"""
DEFAULT_KEYS = """
select ({default})::{kind}::text
from generate_series(1, %s)
"""
RANDOM = ("gen_random_uuid()", "uuid_generate_v4()")
"""Defaults that make what the tool makes itself, without a statement."""


def new_keys(tx: Transaction, homes: Homes, ways: TableWays, count: int) -> Iterator[str] | None:
    """Returns keys for new rows; None when any UUID will do, empty texts when they are known once the rows are written."""
    mapping, kind = homes.mapping, homes.key_type
    key = ways.column(mapping.primary_key)
    if mapping.item_key:
        return iter(())
    makes = key.identity or (key.default is not None and key.default not in RANDOM)
    numbers = kind.startswith(("smallint", "integer", "bigint", "numeric"))
    # a trigger makes them, or may alter them
    if not ways.rules and (ways.sets_before_insert(mapping.primary_key) or (ways.before_insert and makes)):
        return repeat("")
    if key.identity:
        return iter([row[0] for row in tx.rows(NEXT_KEYS, (mapping.table, mapping.primary_key, count))])
    if makes:
        statement = compose(DEFAULT_KEYS, default=expression(str(key.default)), kind=compose(kind))
        return iter([row[0] for row in tx.rows(statement, (count,))])
    if numbers and ways.may_make(mapping.primary_key):
        return repeat("")
    if numbers:
        raise RowRejected(f"Nothing makes the key of a new row: {mapping.table}.{mapping.primary_key} has no default.")
    return None
