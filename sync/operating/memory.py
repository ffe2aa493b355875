"""Checks what the tool remembers of an entity against itself and against the table, without a call to monday.com."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from databases.postgres.names import compose, identifier, joined, table_name
from db_connector import Composable, Transaction
from mappings.declaration import Mapping
from models import Finding, State
from rows.tables import is_archived

Check = tuple[str, State, str, str, str]
"""Slug, state, statement that counts, sentence with `{n}`, remedy with `{entity}`."""

CHECKS: tuple[Check, ...] = (
    (
        "links.row_gone",
        State.WARNING,
        """
        select count(*) from sync_mapping as l
        where l.entity_type = %(type)s and l.archived_at is null and l.monday_id is not null and l.entity_id is not null
          and not exists (select from {table} as t where t.{key}::text = l.entity_id)
        """,
        "{n} links have no row: the rows were removed",
        "python main.py run --entity {entity}",
    ),
    (
        "links.half",
        State.WARNING,
        """
        select count(*) from sync_mapping
        where entity_type = %(type)s and archived_at is null and intent_key is null
          and (entity_id is null or monday_id is null and sync_status = 'synced')
        """,
        "{n} links lack their item or their row",
        "python main.py run --entity {entity}",
    ),
    (
        "links.double",
        State.FAULT,
        """
        select (select count(*) from (select monday_id from sync_mapping
                                      where entity_type = %(type)s and monday_id is not null
                                      group by monday_id having count(*) > 1) as items)
             + (select count(*) from (select entity_id from sync_mapping
                                      where entity_type = %(type)s and entity_id is not null
                                      group by entity_id having count(*) > 1) as rows)
        """,
        "{n} items or rows have two links",
        "python main.py init-db",
    ),
    (
        "links.base",
        State.WARNING,
        """
        select count(*) from sync_mapping
        where entity_type = %(type)s and archived_at is null and base is null and monday_hash is not null
          and monday_id is not null and entity_id is not null
        """,
        "{n} links do not know what both sides agreed on",
        "python main.py bidirectional --full --entity {entity}",
    ),
    (
        "links.status",
        State.WARNING,
        """
        select count(*) from sync_mapping
        where entity_type = %(type)s and archived_at is null
          and (sync_status = 'synced' and attempts > 0 or sync_status = 'set_aside' and next_try_at > now())
        """,
        "{n} links have a status that contradicts their tries",
        "python main.py retry now --entity {entity}",
    ),
    (
        "links.intents",
        State.WARNING,
        """
        select count(*) from sync_mapping
        where entity_type = %(type)s and intent_key is not null and intent_at < now() - interval '1 day'
        """,
        "{n} items have been in creation for more than a day",
        "python main.py pg-to-monday --entity {entity}",
    ),
    (
        "links.conflicts",
        State.WARNING,
        """
        select count(*) from sync_conflicts as c
        where c.entity_type = %(type)s and c.status = 'open'
          and not exists (select from {table} as t where t.{key}::text = c.entity_id)
        """,
        "{n} conflicts wait for records that are gone",
        "python main.py conflicts list --entity {entity}",
    ),
    (
        "links.skipped",
        State.NOTE,
        """
        select count(*) from sync_skipped as s
        join sync_mapping as l using (monday_id, entity_type)
        where s.entity_type = %(type)s and l.archived_at is null
        """,
        "{n} items are left out and have a row of an earlier time",
        "python main.py status",
    ),
    (
        "links.unlinked",
        State.NOTE,
        """
        select count(*) from {table} as t
        where not ({archived}){only}
          and not exists (select from sync_mapping as l
                          where l.entity_type = %(type)s and l.entity_id = t.{key}::text)
        """,
        "{n} rows have no link yet",
        "python main.py pg-to-monday --entity {entity}",
    ),
)


def check_memory(tx: Transaction, mapping: Mapping) -> Iterator[Finding]:
    """Yields a finding for each check of one entity: ok, or how many records it is about."""
    only = [
        compose(f" and t.{{column}} = %(only_{n})s", column=identifier(name)) for n, name in enumerate(mapping.only)
    ]
    names: dict[str, Composable] = {
        "table": table_name(mapping.table),
        "key": identifier(mapping.primary_key),
        "archived": is_archived(mapping, "t"),
        "only": joined("", only),
    }
    params = {"type": mapping.entity_type, **{f"only_{n}": value for n, value in enumerate(mapping.only.values())}}
    for slug, state, statement, sentence, remedy in CHECKS:
        count = int(tx.value(compose(statement, **names), params))
        if count:
            yield Finding(slug, state, sentence.format(n=count), mapping.entity, remedy.format(entity=mapping.entity))
        else:
            yield Finding(slug, State.OK, "nothing", mapping.entity)


def strays(tx: Transaction, mappings: Sequence[Mapping]) -> Iterator[Finding]:
    """Yields a finding for changes of rows that belong to no entity."""
    types = [mapping.entity_type for mapping in mappings]
    count = int(tx.value("select count(*) from sync_outbox where entity_type <> all(%s)", (types,)))
    if count:
        yield Finding(
            "links.outbox",
            State.NOTE,
            f"{count} changes wait for entities that no mapping declares",
            "sync_outbox",
            "Put the mapping back into its folder, or delete these rows of sync_outbox.",
        )
