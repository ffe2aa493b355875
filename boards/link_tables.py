"""Link tables: relations between boards as pairs of rows with foreign keys, once both boards are deployed.

Triggers fill a link table from the relation's column of ids, in the transaction that writes either table.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass

from boards.names import FACTS
from boards.proposal import related_boards
from boards.tables import run_all
from databases.postgres.catalogue import exists, place_of
from databases.postgres.names import quoted, shortened
from db_connector import Transaction
from mappings.declaration import ROOT, Mapping
from models import Board

BY_TOOL = "current_setting('monday_sync.origin', true) = 'tool'"
"""A key that the tool changes becomes its item's id; one that a person changes is another item."""
OWN_LINKS = """
select count(distinct a.attname) = 2
from pg_constraint as c join pg_attribute as a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
where c.contype = 'f' and c.conrelid = to_regclass(%(link)s)
    and (a.attname, c.confrelid) in ((%(own)s, to_regclass(%(here)s)::oid), (%(linked)s, to_regclass(%(there)s)::oid))
"""


def make_links(tx: Transaction, mapping: Mapping, board: Board, others: Map[str, Mapping], since: Mapping) -> list[str]:
    """Make the link tables that a mapping lacks `since` another one, or itself, is deployed; their names."""
    made = []
    for column, target in relations(mapping, board, others):
        if since.entity in (mapping.entity, target.entity) and not is_linked(tx, mapping, column):
            link = LinkTable(
                here=place_of(tx, mapping.table), here_key=mapping.primary_key, column=column,
                there=place_of(tx, target.table), there_key=target.primary_key,
            )  # fmt: skip
            name = free_table(tx, link)
            run_all(tx, link.statements(name))
            made.append(name)
    return made


def free_table(tx: Transaction, link: LinkTable) -> str:
    """The name of a link table: its own, unless that is a table of something else. One of before is taken up again."""
    own, linked = link.columns()
    names = {"own": own, "linked": linked, "here": quoted(*link.here), "there": quoted(*link.there)}
    number, name = 1, link.name
    while exists(tx, place := quoted(link.here[0], name)) and not tx.value(OWN_LINKS, {**names, "link": place}):
        number += 1
        numbered = f"{link.name} ({number})" if link.here_key == FACTS["item_id"] else f"{link.name}_{number}"
        name = shortened(numbered, f"{link.name} {number}")
    return name


def relations(mapping: Mapping, board: Board, others: Map[str, Mapping]) -> Iterator[tuple[str, Mapping]]:
    """The table columns of relations whose other board is deployed (`others`: board id → mapping), and that mapping.

    A relation to several boards has none: a foreign key points at one table.
    """
    for binding in mapping.bindings:
        about = board.column(binding.columns[0])
        if about is None or len(binding.fields) != 1:
            continue
        place = mapping.places[binding.fields[0]]
        targets = [others[one] for one in related_boards(about) if one in others]
        if len(targets) == 1 and place.home == ROOT and mapping.item_key and targets[0].item_key:
            yield place.column, targets[0]


def is_linked(tx: Transaction, mapping: Mapping, column: str) -> bool:
    """Whether a column feeds a link table."""
    fill = LinkNames(place_of(tx, mapping.table), column).function("fill")
    return tx.value("select to_regproc(%s)", (fill,)) is not None


def unlink(tx: Transaction, mapping: Mapping, column: str) -> None:
    """A column that becomes another one feeds its link table no more; what the table holds stays."""
    names = LinkNames(place_of(tx, mapping.table), column)
    for what in ("fill", "meet", "meet_key"):
        tx.execute(f"drop function if exists {names.function(what)}() cascade")


@dataclass(frozen=True)
class LinkNames:
    """What a link table and all that belongs to it are called: after the table (schema, name) and its column."""

    here: tuple[str, str]
    column: str

    @property
    def name(self) -> str:
        """Of the link table, without its schema, while nothing else is called so."""
        return shortened(f"{self.here[1]}_{self.column}", f"{self.here[1]} {self.column}")

    def part(self, what: str) -> str:
        """Of an index or a trigger."""
        return quoted(shortened(f"{self.name}_{what}", f"{self.name} {what}"))

    def function(self, what: str) -> str:
        """Of a trigger's function."""
        return f"{quoted(self.here[0])}.{self.part(what)}"


@dataclass(frozen=True)
class LinkTable(LinkNames):
    """The DDL of a link table from `here` to `there`, each named by schema and table, with their keys."""

    here_key: str
    there: tuple[str, str]
    there_key: str

    def statements(self, name: str) -> list[str]:
        """All of it, for a link table of that name. Run again, it changes nothing."""
        link, here, there = quoted(self.here[0], name), quoted(*self.here), quoted(*self.there)
        own, linked = (quoted(column) for column in self.columns())
        key, other, cells = quoted(self.here_key), quoted(self.there_key), quoted(self.column)
        into = f"insert into {link} ({own}, {linked})"
        fill = f"{into} select h.{key}, t.{other} from {{rows}} as h join {there} as t on t.{other} = any(h.{cells})"
        clear = (
            f"delete from {link} as l using changed as c where l.{own} = c.{key}"
            f" and l.{linked} <> all(coalesce(c.{cells}, '{{}}'))"
        )
        met = f"{into} select h.{key}, c.{other} from changed as c join {here} as h on h.{cells} @> array[c.{other}]"
        met_key = f"{into} select h.{key}, new.{other} from {here} as h where h.{cells} @> array[new.{other}]"
        renamed = (
            f"update {here} as h set {cells} = array_replace(h.{cells}, old.{other}, new.{other})"
            f" where (old.{other} < 0 or {BY_TOOL}) and old.{other} <> new.{other} and h.{cells} @> array[old.{other}]"
        )
        skip = "on conflict do nothing"
        cascade = "on update cascade on delete cascade"
        rows = "referencing new table as changed for each statement"
        return [
            f"create table if not exists {link} (\n"
            f"    {own} bigint not null references {here} ({key}) {cascade},\n"
            f"    {linked} bigint not null references {there} ({other}) {cascade},\n"
            f"    primary key ({own}, {linked})\n)",
            f"create index if not exists {self.part('back_idx')} on {link} ({linked})",
            f"create index if not exists {self.part('ids_idx')} on {here} using gin ({cells})",
            self._function("fill", f"if tg_op = 'UPDATE' then {clear}; end if; {fill.format(rows='changed')} {skip};"),
            self._function("meet", f"{met} {skip};"),
            self._function("meet_key", f"{renamed}; {met_key} {skip};"),
            *self._trigger("filled", f"insert on {here} {rows}", here, "fill"),
            *self._trigger("changed", f"update on {here} {rows}", here, "fill"),
            *self._trigger("met", f"insert on {there} {rows}", there, "meet"),
            # A row that SQL inserted takes its item's id as its key once the item exists.
            *self._trigger("met_key", f"update of {other} on {there} for each row", there, "meet_key"),
            f"{fill.format(rows=here)} {skip}",
        ]

    def columns(self) -> tuple[str, str]:
        """Of the link table."""
        return ("Item ID", "Linked item ID") if self.here_key == FACTS["item_id"] else ("item_id", "linked_item_id")

    def _function(self, what: str, body: str) -> str:
        """Whoever may write the table need not be allowed to write the link table."""
        tag = f"$monday_sync_{secrets.token_hex(4)}$"  # a column may be called anything, also like the end of the body
        return (
            f"create or replace function {self.function(what)}() returns trigger language plpgsql security definer"
            f" set search_path = pg_catalog, pg_temp as {tag}\n"
            f"begin\n    {body}\n    return null;\nend {tag}"
        )

    def _trigger(self, name: str, when: str, table: str, function: str) -> list[str]:
        return [
            f"drop trigger if exists {self.part(name)} on {table}",
            f"create trigger {self.part(name)} after {when} execute function {self.function(function)}()",
        ]
