"""Boards and items made in memory, and a pull of them over a real database: items go in, rows come out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from databases.postgres.catalogue import column_types_of
from databases.postgres.names import compose, identifier
from db_connector import Database
from mappings.bound import bind
from mappings.declaration import Mapping as EntityMapping
from mappings.loader import load_mappings
from mappings.read_items import ItemReader
from models import Board, BoardColumn, Cell, Item
from monday_api import Monday
from rows.store import RecordStore
from sandbox import Sandbox
from services.monday.cells.kinds import MONDAY_KINDS
from state.entity import EntityState
from sync.cycle import Options
from sync.engine import Engine
from sync.report import EntityReport
from sync_monday_to_pg import Progress, Pull, PullOptions

PROJECT = Path(__file__).resolve().parent.parent
MAPPINGS = load_mappings([PROJECT / "mappings"])

USERS, PROJECTS = "5764059860", "6727219152"

STAFF_COLUMNS = {
    "first": "text25", "last": "text1", "email": "email7", "wra": "email__1", "team": "status_13", "ids": "files3",
    "onboarding": "files_1", "shirt": "text6", "phone": "phone", "address": "text", "city": "text2", "state": "text5",
    "zip": "text57",
}  # fmt: skip
PROJECT_COLUMNS = {
    "stage": "text95__1", "link": "link__1", "job": "text01__1", "description": "text40__1", "cam": "text_7__1",
    "price": "numbers0", "paid": "qb_total_payments__1", "customer": "text65__1", "email": "email4__1",
    "phone": "phone_1__1", "address": "dup__of_job_address0__1", "note": "text43__1", "team": "job_division___1__1",
    "partner": "partner_name__1", "partner_email": "partner_email__1", "partner_phone": "partner_phone____1",
    "pm": "text19__1", "pm_email": "email6__1", "pm_phone": "phone_13__1",
    "estimator": "job_est_1_name__1", "estimator_email": "email0__1", "estimator_phone": "phone_10__1",
    "superintendent": "dup__of_text6__1", "superintendent_email": "dup__of_email__1",
    "superintendent_phone": "dup__of_phone_1__1",
    "rep_first": "text22__1", "rep_last": "text49__1", "rep_email": "email5__1", "rep_phone": "sales_rep_phone____1",
    "law": "jp_pa_law_name__1", "law_phone": "jp_pa_law_phone__1", "law_email": "jp_pa_law_email__1",
    "claim": "claim_number__1", "policy": "dup__of_text0__1", "insurer": "text31__1", "insurer_phone": "phone_132__1",
    "insurer_email": "email05__1", "adjuster_phone": "phone_17__1", "adjuster_email": "email57__1",
    "loss": "date_19__1", "measurements": "files9__1", "codes": "files66__1",
}  # fmt: skip
NAMES = {"users": STAFF_COLUMNS, "projects": PROJECT_COLUMNS}
TYPES = {
    **dict.fromkeys(("numbers0", "qb_total_payments__1"), "numbers"),
    **dict.fromkeys(("email7", "email__1", "email4__1", "partner_email__1", "email6__1", "email0__1"), "email"),
    **dict.fromkeys(("dup__of_email__1", "email5__1", "jp_pa_law_email__1", "email05__1", "email57__1"), "email"),
    **dict.fromkeys(("phone", "phone_1__1", "partner_phone____1", "phone_13__1", "phone_10__1"), "phone"),
    **dict.fromkeys(("dup__of_phone_1__1", "sales_rep_phone____1", "jp_pa_law_phone__1", "phone_132__1"), "phone"),
    **dict.fromkeys(("phone_17__1",), "phone"),
    **dict.fromkeys(("files3", "files_1", "files9__1", "files66__1"), "file"),
    **{"status_13": "status", "link__1": "link", "date_19__1": "date"},
}

FULL: dict[str, Any] = {
    "stage": "Waiting", "link": "https://jobs.example.com/1", "job": "JP-1", "description": "New roof",
    "cam": "https://cam.example.com/1", "price": "12.50", "paid": "3.10", "customer": "Ann Lee",
    "email": "ann@example.com", "phone": "+12025550169", "address": "12 Main St, Springfield, IL 62704",
    "note": "Has a dog", "team": "Red Hammers", "partner": "Bob Part", "partner_email": "bob@example.com",
    "partner_phone": "+12025550101", "pm": "Pam Plan", "pm_email": "pam@example.com", "pm_phone": "+12025550102",
    "estimator": "Ed Stim", "estimator_email": "ed@example.com", "estimator_phone": "+12025550103",
    "superintendent": "Sue Per", "superintendent_email": "sue@example.com", "superintendent_phone": "+12025550104",
    "rep_first": "Sal", "rep_last": "Rep", "rep_email": "sal@example.com", "rep_phone": "+12025550105",
    "law": "Law LLP", "law_phone": "+12025550106", "law_email": "law@example.com", "claim": "C-1", "policy": "P-1",
    "insurer": "Acme Mutual", "insurer_phone": "+12025550107", "insurer_email": "acme@example.com",
    "adjuster_phone": "+12025550108", "adjuster_email": "adj@example.com", "loss": "2025-05-05",
    "measurements": [(7, "plan.pdf")], "codes": [(8, "codes.pdf")],
}  # fmt: skip
"""A project item with every mapped cell filled."""

EXTRAS = (
    BoardColumn("num9", "Score", "numbers"),
    BoardColumn("date9", "Due", "date"),
    BoardColumn("status9", "Priority", "status", {"labels": [{"id": 1, "label": "High"}, {"id": 2, "label": "Low"}]}),
)


# Boards, cells and items


def board_for(mapping: EntityMapping, *more: BoardColumn, without: Iterable[str] = ()) -> Board:
    """A board with every column that the mapping names, and some that it does not."""
    named = dict.fromkeys(column for one in mapping.bindings for column in one.columns if column != "name")
    titles = {column: name.replace("_", " ").upper() for name, column in NAMES.get(mapping.entity, {}).items()}
    columns = [BoardColumn(one, titles.get(one, one), TYPES.get(one, "text")) for one in named if one not in without]
    return Board(mapping.board_id or "1", mapping.title, (BoardColumn("name", "Name", "name"), *columns, *more))


def cell_of(column: BoardColumn, value: Any) -> Cell:
    """A cell as monday.com would send it; a dict is taken as it is."""
    if isinstance(value, Mapping):
        return {"id": column.id, "text": "", "value": None, **value}
    if value is None:
        return {"id": column.id, "text": "", "value": None}
    text, content = _SHAPES.get(column.type, _plain)(value)
    return {"id": column.id, "text": text, "value": json.dumps(content)}


def _plain(value: Any) -> tuple[str, Any]:
    return str(value), str(value)


def _date(value: str) -> tuple[str, Any]:
    day, _, clock = value.partition(" ")
    return value, {"date": day, "time": clock or None, "changed_at": "2026-01-01T00:00:00Z"}


def _link(value: Any) -> tuple[str, Any]:
    url, text = value if isinstance(value, tuple) else (value, value)
    return f"{text} - {url}", {"url": url, "text": text}


def _files(value: Sequence[tuple[int, str]]) -> tuple[str, Any]:
    urls = [f"https://files.example.com/resources/{number}/{name}" for number, name in value]
    return ", ".join(urls), {
        "files": [{"assetId": number, "name": name, "fileType": "ASSET"} for number, name in value]
    }


_SHAPES: dict[str, Any] = {
    "email": lambda value: (value, {"email": value, "text": value, "changed_at": "2026-01-01T00:00:00Z"}),
    "phone": lambda value: (value, {"phone": value, "countryShortName": "US"}),
    "link": _link,
    "date": _date,
    "status": lambda value: (value, {"index": 1, "post_id": None}),
    "dropdown": lambda value: (", ".join(value), {"ids": list(range(1, len(value) + 1))}),
    "checkbox": lambda value: ("v" if value else "", {"checked": bool(value)}),
    "people": lambda value: ("", {"personsAndTeams": [{"id": one, "kind": kind} for one, kind in value]}),
    "file": _files,
}


def item_of(board: Board, item_id: int, name: str | None = None, at: str = "2026-01-01", **cells: Any) -> Item:
    """An item with these cells, by the names above or by column id; all others are empty."""
    names = NAMES["users"] if board.id == USERS else NAMES["projects"] if board.id == PROJECTS else {}
    given = {names.get(one, one): value for one, value in cells.items()}
    known = {column.id for column in board.columns}
    assert given.keys() <= known, given.keys() - known
    filled = {column.id: cell_of(column, given.get(column.id)) for column in board.columns if column.id != "name"}
    moment = at if "T" in at else f"{at}T00:00:00Z"
    title = f"Item {item_id}" if name is None else name
    return Item(str(item_id), title, "active", moment, moment, "topics", board.id, None, filled)


# Pulls


class Bench:
    """One entity's pull over a test database, with items made by hand."""

    def __init__(
        self,
        db: Database,
        entity: str = "projects",
        *more: BoardColumn,
        without: Iterable[str] = (),
        mapping: EntityMapping | None = None,
        board: Board | None = None,
    ) -> None:
        self.db = db
        self.mapping = mapping or MAPPINGS[entity]
        self.board = board or board_for(self.mapping, *more, without=without)
        self.mappings = {**MAPPINGS, self.mapping.entity: self.mapping}

    def item(self, item_id: int, name: str | None = None, at: str = "2026-01-01", **cells: Any) -> Item:
        return item_of(self.board, item_id, name, at, **cells)

    def engine(self, **options: Any) -> Engine:
        """A run about to begin."""
        with self.db.transaction(read_only=True) as tx:
            tables = [self.mapping.table, *(one.table for one in self.mapping.related.values())]
            types = column_types_of(tx, tables)
            now = tx.value("select now()")
        bound = bind(self.mapping, self.board, MONDAY_KINDS, types)
        store = RecordStore(bound, types, self.mappings)
        state = EntityState(self.mapping.entity_type, self.board.id)
        return Engine(self.db, ItemReader(bound), store, state, Options(run_started=now, **options))

    def take(self, *items: Item, **options: Any) -> EntityReport:
        """A run that reads one page."""
        return self.take_pages(items, **options)

    def take_pages(self, *pages: Sequence[Item], **options: Any) -> EntityReport:
        """A run that reads several pages."""
        engine = self.engine(**options)
        for page in pages:
            engine.take(list(page))
        return engine.report

    def with_column(self, column_id: str, **changed: Any) -> Bench:
        """The same with a column of the board changed."""
        columns = tuple(replace(one, **changed) if one.id == column_id else one for one in self.board.columns)
        return Bench(self.db, mapping=self.mapping, board=replace(self.board, columns=columns))


class Journey:
    """Pulls from a sandbox over a real socket."""

    def __init__(self, db: Database, sandbox: Sandbox) -> None:
        self.db = db
        self.sandbox = sandbox
        self.monday = Monday(token=sandbox.token, url=sandbox.graphql_url)
        self.mappings = dict(MAPPINGS)

    def pull(self, entity: str = "users", progress: Progress | None = None, **options: Any) -> EntityReport:
        mapping, options_of = self.mappings[entity], PullOptions(**options)
        pull = Pull(
            self.db, self.monday, mapping, str(mapping.board_id),
            mappings=self.mappings, options=options_of, progress=progress,
        )  # fmt: skip
        return pull.run()

    def calls(self) -> int:
        return int(self.monday.stats.calls)


# Looking at the database


def rows(db: Database, table: str, **where: Any) -> list[dict[str, Any]]:
    """The rows of a table, oldest first."""
    conditions = " and ".join(["true", *(f"{{{name}}} = %({name})s" for name in where)])
    statement = compose(
        f"select * from {{table}} where {conditions} order by created_at, id",
        table=identifier(table), **{name: identifier(name) for name in where},
    )  # fmt: skip
    found = db.execute_query(statement, where)
    assert isinstance(found, list)
    return found


def row(db: Database, table: str, **where: Any) -> dict[str, Any]:
    """The only such row."""
    (found,) = rows(db, table, **where)
    return found


def column(db: Database, table: str, name: str, **where: Any) -> list[Any]:
    """One column of those rows."""
    return [one[name] for one in rows(db, table, **where)]


def change(db: Database, statement: str, *params: Any) -> int:
    """What a person does with SQL; how many rows it touched."""
    touched = db.execute_query(statement, params, fetch=False)
    assert isinstance(touched, int)
    return touched


def project(db: Database, item_id: int) -> dict[str, Any]:
    """A project's row with the rows around it, by the name of the relation."""
    found = row(db, "projects", monday_id=str(item_id))
    tables = {
        "customer": "customers", "property": "properties", "team": "sales_teams", "policy": "policies",
        "claim": "insurance_claims", "storm": "storms", "pa_law": "pa_law", "partner": "users",
        "project_manager": "users", "estimator": "users", "superintendent": "users", "sales_rep": "users",
    }  # fmt: skip
    around = {name: _only(rows(db, table, id=found[f"{name}_id"])) for name, table in tables.items()}
    policy = around["policy"]
    insurer = _only(rows(db, "insurances", id=policy["insurance_id"])) if policy else None
    return {**found, **around, "insurance": insurer, "note": _only(rows(db, "notes", project_id=found["id"]))}


def _only(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    assert len(found) < 2
    return found[0] if found else None


def link(db: Database, item_id: int, entity_type: str = "project") -> dict[str, Any]:
    return row(db, "sync_mapping", monday_id=str(item_id), entity_type=entity_type)


def logs(db: Database, status: str = "warning") -> list[tuple[str, str]]:
    """(item, message) of the entries with that status."""
    return [(one["monday_id"], one["message"]) for one in rows(db, "sync_logs", status=status)]


COMPANY = (
    "users", "sales_teams", "customers", "properties", "projects", "notes", "pa_law", "insurances", "policies",
    "insurance_claims", "storms", "contacts", "organizations",
)  # fmt: skip
MEMORY = ("sync_mapping", "sync_skipped", "sync_logs", "sync_state", "sync_conflicts", "sync_listing")


def dump(db: Database, *tables: str) -> dict[str, list[str]]:
    """Every row with its place and the transaction that wrote it, so that no write stays unseen."""
    found = {}
    for table in tables or (*COMPANY, *MEMORY):
        statement = compose(
            "select t.ctid::text || ' ' || t.xmin::text || ' ' || t::text as line from {table} as t order by 1",
            table=identifier(table),
        )
        lines = db.execute_query(statement)
        assert isinstance(lines, list)
        found[table] = [line["line"] for line in lines]
    return found
