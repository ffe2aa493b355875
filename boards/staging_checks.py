"""Checks a staging table before it is made live: counts, keys, types, and some rows that are read back.

Every check raises ValidationFailed; then the live table is as it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from boards.staging_table import AS_IT_WAS, StagingTable, ValidationFailed
from databases.postgres.catalogue import column_types_of
from databases.postgres.names import compose, table_name
from db_connector import Transaction
from mappings.bound import bind
from models import Board, Record
from rows.store import RecordStore
from services.monday.cells.kinds import MONDAY_KINDS

BAD_KEYS = """
select count(*) filter (where {key} is null),
       count({key}) - count(distinct {key})
from {staging}
"""
UNIQUE_KEYS = """
create unique index on {staging} ({key})
"""
UNIQUE_LINKS = """
create unique index on {links} (monday_id)
"""


def check_count(tx: Transaction, staging: StagingTable, read: int, failed: int) -> None:
    """Checks that every item that was read, and did not fail, is staged."""
    staged = int(tx.value(compose("select count(*) from {rows}", rows=table_name(staging.rows))))
    if staged != read - failed:
        raise ValidationFailed(f"{read} items were read and {staged} rows are staged.", hint=AS_IT_WAS)


def check_keys(tx: Transaction, staging: StagingTable) -> None:
    """Checks that every row has a key, and no two rows the same, and makes the indexes that the next steps need."""
    names = staging.names()
    nulls, twice = tx.rows(compose(BAD_KEYS, **names))[0]
    if nulls or twice:
        raise ValidationFailed(f"{nulls} rows have no key and {twice} have the key of another row.", hint=AS_IT_WAS)
    tx.execute(compose(UNIQUE_KEYS, **names))
    tx.execute(compose(UNIQUE_LINKS, **names))


def check_types(tx: Transaction, staging: StagingTable) -> None:
    """Checks that the columns of the live table still have the types that they had when the staging table was made."""
    types = column_types_of(tx, [staging.mapping.table, staging.rows])
    live, staged = types[staging.mapping.table], types[staging.rows]
    if odd := [column for column in staging.columns if live.get(column) != staged.get(column)]:
        raise ValidationFailed(
            f"{staging.mapping.table} was altered meanwhile: {', '.join(odd)}.", hint=f"{AS_IT_WAS} Run it again."
        )


def check_sample(tx: Transaction, staging: StagingTable, board: Board, sample: Mapping[str, Record]) -> None:
    """Checks that some rows, read back, have the values of their items."""
    types = column_types_of(tx, [staging.rows])
    mapping = replace(staging.mapping, table=staging.rows, archived_column=None)
    bound = bind(mapping, board, MONDAY_KINDS, types)
    stored = RecordStore(bound, types).load(tx, list(sample))
    for item_id, record in sample.items():
        found = stored[item_id].record if item_id in stored else {}
        for name in bound.fields:
            if not bound.same(name, record.get(name), found.get(name)):
                raise ValidationFailed(
                    f"Item {item_id}: {name} was read as {record.get(name)!r} and staged as {found.get(name)!r}.",
                    hint=AS_IT_WAS,
                )
