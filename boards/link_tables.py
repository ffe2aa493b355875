"""Makes link tables: relations between boards as pairs of rows with foreign keys, once both boards are deployed.

Triggers fill a link table from the relation's column of ids, in the transaction that writes either table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Mapping as Map

from msgspec import Struct

from boards.names import FACTS, with_mark
from boards.proposal import related_boards
from boards.tables import run_all
from databases.postgres.catalogue import exists, place_of
from databases.postgres.names import quoted, shortened
from db_connector import Transaction
from mappings.declaration import ROOT, Mapping
from models import Board

OWN_LINKS = """
-- whether a table has a foreign key to each of the two tables, from the columns of a link table
select count(distinct a.attname) = 2
from pg_constraint as c
join pg_attribute as a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
where c.contype = 'f'
  and c.conrelid = to_regclass(%(link)s)
  and (a.attname, c.confrelid) in (
      (%(own)s, to_regclass(%(here)s)::oid),
      (%(linked)s, to_regclass(%(there)s)::oid)
  )
"""


def make_links(tx: Transaction, mapping: Mapping, board: Board, others: Map[str, Mapping], since: Mapping) -> list[str]:
    """Makes the link tables that a mapping lacks since `since`, it or another mapping, is deployed; returns their names."""
    made = []
    for column, target in relations(mapping, board, others):
        if since.entity in (mapping.entity, target.entity) and not is_linked(tx, mapping, column):
            link = LinkTable(
                here=place_of(tx, mapping.table),
                here_key=mapping.primary_key,
                column=column,
                there=place_of(tx, target.table),
                there_key=target.primary_key,
            )
            name = free_table(tx, link)
            run_all(tx, link.statements(name))
            made.append(name)
    return made


def free_table(tx: Transaction, link: LinkTable) -> str:
    """Returns a name for a link table that no other table has. A link table of an earlier deploy is used again."""
    own, linked = link.columns()
    names = {"own": own, "linked": linked, "here": quoted(*link.here), "there": quoted(*link.there)}
    number, name = 1, link.name
    while exists(tx, place := quoted(link.here[0], name)) and not tx.value(OWN_LINKS, {**names, "link": place}):
        number += 1
        name = with_mark(link.name, str(number), link.style, f"{link.name} {number}")
    return name


def relations(mapping: Mapping, board: Board, others: Map[str, Mapping]) -> Iterator[tuple[str, Mapping]]:
    """Yields the table columns of relations to a deployed board (`others`: board id → mapping), with its mapping.

    A relation to several boards has none: a foreign key points at one table.
    """
    for binding in mapping.bindings:
        about = board.column(binding.columns[0])
        if about is None or len(binding.fields) != 1:
            continue  # no relation goes to several fields
        place = mapping.places[binding.fields[0]]
        targets = [others[board_id] for board_id in related_boards(about) if board_id in others]
        if len(targets) == 1 and place.home == ROOT and mapping.item_key and targets[0].item_key:
            yield place.column, targets[0]


def is_linked(tx: Transaction, mapping: Mapping, column: str) -> bool:
    """Says whether a column feeds a link table."""
    fill = LinkNames(place_of(tx, mapping.table), column).function("fill")
    return tx.value("select to_regproc(%s)", (fill,)) is not None


def unlink(tx: Transaction, mapping: Mapping, column: str) -> None:
    """Drops the triggers that fill a link table from a column; the link table keeps its rows."""
    names = LinkNames(place_of(tx, mapping.table), column)
    for what in ("fill", "meet", "meet_key"):
        tx.execute(f"drop function if exists {names.function(what)}() cascade")


class LinkNames(Struct, frozen=True):
    """Names a link table and all that belongs to it, after the table (schema, name) and its column."""

    here: tuple[str, str]
    column: str

    @property
    def name(self) -> str:
        """Returns the name that the link table gets when no other table has it, without its schema."""
        return shortened(f"{self.here[1]}_{self.column}", f"{self.here[1]} {self.column}")

    def part(self, what: str) -> str:
        """Returns the name of an index or a trigger, in quotes."""
        return quoted(shortened(f"{self.name}_{what}", f"{self.name} {what}"))

    def function(self, what: str) -> str:
        """Returns the name of a trigger's function, with its schema and in quotes."""
        return f"{quoted(self.here[0])}.{self.part(what)}"


# The DDL. `here` is the table with the column of ids, `there` the table that they name; the names are quoted already.


TABLE = """
create table if not exists {link} (
    {own} bigint not null references {here} ({key}) on update cascade on delete cascade,
    {linked} bigint not null references {there} ({other}) on update cascade on delete cascade,
    primary key ({own}, {linked})
)
"""
INDEX_OF_LINKED = """
create index if not exists {name} on {link} ({linked})
"""
INDEX_OF_IDS = """
create index if not exists {name} on {here} using gin ({cells})
"""
FUNCTION = """
create or replace function {function}() returns trigger
language plpgsql
-- a user that may write the table need not be allowed to write the link table
security definer
set search_path = pg_catalog, pg_temp
as {tag}
begin
{body}
    return null;
end
{tag}
"""
FILL = """
    -- ids that a cell has lost
    if tg_op = 'UPDATE' then
        delete from {link} as l
        using changed as c
        where l.{own} = c.{key}
          and l.{linked} <> all(coalesce(c.{cells}, '{{}}'));
    end if;
    insert into {link} ({own}, {linked})
    select c.{key}, t.{other}
    from changed as c
    join {there} as t on t.{other} = any(c.{cells})
    on conflict do nothing;
"""
MEET = """
    -- new rows that cells named before
    insert into {link} ({own}, {linked})
    select h.{key}, c.{other}
    from changed as c
    join {here} as h on h.{cells} @> array[c.{other}]
    on conflict do nothing;
"""
MEET_KEY = """
    -- A key that the tool changes, or a negative one, becomes the item's id, and cells follow it.
    -- A key that a user changes names another item.
    update {here} as h
    set {cells} = array_replace(h.{cells}, old.{other}, new.{other})
    where (old.{other} < 0 or current_setting('monday_sync.origin', true) = 'tool')
      and old.{other} <> new.{other}
      and h.{cells} @> array[old.{other}];
    insert into {link} ({own}, {linked})
    select h.{key}, new.{other}
    from {here} as h
    where h.{cells} @> array[new.{other}]
    on conflict do nothing;
"""
ROWS_OF_BEFORE = """
insert into {link} ({own}, {linked})
select h.{key}, t.{other}
from {here} as h
join {there} as t on t.{other} = any(h.{cells})
on conflict do nothing
"""


class LinkTable(LinkNames, frozen=True):
    """Writes the DDL of a link table from `here` to `there`, each named by schema and table, with their keys."""

    here_key: str
    there: tuple[str, str]
    there_key: str

    @property
    def style(self) -> str:
        """Returns "exact" or "plain": how the columns of the table are named."""
        return "exact" if self.here_key == FACTS["item_id"] else "plain"

    def columns(self) -> tuple[str, str]:
        """Returns the two columns of the link table."""
        return ("Item ID", "Linked item ID") if self.style == "exact" else ("item_id", "linked_item_id")

    def statements(self, name: str) -> list[str]:
        """Returns the DDL of a link table of that name. Run again, it changes nothing."""
        own, linked = (quoted(column) for column in self.columns())
        names = {
            "link": quoted(self.here[0], name),
            "own": own,
            "linked": linked,
            "here": quoted(*self.here),
            "key": quoted(self.here_key),
            "cells": quoted(self.column),
            "there": quoted(*self.there),
            "other": quoted(self.there_key),
        }
        here, there = names["here"], names["there"]
        changed_rows = "referencing new table as changed for each statement"
        return [
            TABLE.format(**names),
            INDEX_OF_LINKED.format(name=self.part("back_idx"), **names),
            INDEX_OF_IDS.format(name=self.part("ids_idx"), **names),
            self._function("fill", FILL.format(**names)),
            self._function("meet", MEET.format(**names)),
            self._function("meet_key", MEET_KEY.format(**names)),
            *self._trigger("filled", f"insert on {here} {changed_rows}", here, "fill"),
            *self._trigger("changed", f"update on {here} {changed_rows}", here, "fill"),
            *self._trigger("met", f"insert on {there} {changed_rows}", there, "meet"),
            # A row that SQL inserted takes its item's id as its key once the item exists.
            *self._trigger("met_key", f"update of {names['other']} on {there} for each row", there, "meet_key"),
            ROWS_OF_BEFORE.format(**names),
        ]

    def _function(self, what: str, body: str) -> str:
        # a column's name may hold any text, also the end of a body, but not a hash of the body that it is in
        tag = f"$monday_sync_{hashlib.blake2b(body.encode(), digest_size=16).hexdigest()}$"
        return FUNCTION.format(function=self.function(what), tag=tag, body=body.strip("\n"))

    def _trigger(self, name: str, when: str, table: str, function: str) -> list[str]:
        return [
            f"drop trigger if exists {self.part(name)} on {table}",
            f"create trigger {self.part(name)} after {when} execute function {self.function(function)}()",
        ]
