"""Looks at rows, links and logs in the database, and changes rows as users do."""

from __future__ import annotations

from typing import Any

from databases.postgres.names import compose, identifier
from db_connector import Database

COMPANY = (
    "users",
    "sales_teams",
    "customers",
    "properties",
    "projects",
    "notes",
    "pa_law",
    "insurances",
    "policies",
    "insurance_claims",
    "storms",
    "contacts",
    "organizations",
)
MEMORY = ("sync_mapping", "sync_skipped", "sync_logs", "sync_state", "sync_conflicts", "sync_listing")


def rows(db: Database, table: str, **where: Any) -> list[dict[str, Any]]:
    """Returns the rows of a table, oldest first."""
    conditions = " and ".join(["true", *(f"{{{name}}} = %({name})s" for name in where)])
    statement = compose(
        f"select * from {{table}} where {conditions} order by created_at, id",
        table=identifier(table),
        **{name: identifier(name) for name in where},
    )
    found = db.execute_query(statement, where)
    assert isinstance(found, list)
    return found


def row(db: Database, table: str, **where: Any) -> dict[str, Any]:
    """Returns the only such row."""
    (found,) = rows(db, table, **where)
    return found


def column(db: Database, table: str, name: str, **where: Any) -> list[Any]:
    """Returns a column of such rows."""
    return [found[name] for found in rows(db, table, **where)]


def change(db: Database, statement: str, *params: Any) -> int:
    """Changes rows as a user does with SQL. Returns how many it touched."""
    touched = db.execute_query(statement, params, fetch=False)
    assert isinstance(touched, int)
    return touched


def project(db: Database, item_id: int) -> dict[str, Any]:
    """Returns a project's row with the rows around it, by the name of the relation."""
    found = row(db, "projects", monday_id=str(item_id))
    tables = {
        "customer": "customers",
        "property": "properties",
        "team": "sales_teams",
        "policy": "policies",
        "claim": "insurance_claims",
        "storm": "storms",
        "pa_law": "pa_law",
        "partner": "users",
        "project_manager": "users",
        "estimator": "users",
        "superintendent": "users",
        "sales_rep": "users",
    }
    around = {name: _only(rows(db, table, id=found[f"{name}_id"])) for name, table in tables.items()}
    policy = around["policy"]
    insurer = _only(rows(db, "insurances", id=policy["insurance_id"])) if policy else None
    return {**found, **around, "insurance": insurer, "note": _only(rows(db, "notes", project_id=found["id"]))}


def part(found: dict[str, Any], name: str, *columns: str) -> tuple[Any, ...]:
    """Returns some columns of a row around a project."""
    return tuple(found[name][column] for column in columns)


def _only(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    assert len(found) < 2
    return found[0] if found else None


def link(db: Database, item_id: int, entity_type: str = "project") -> dict[str, Any]:
    return row(db, "sync_mapping", monday_id=str(item_id), entity_type=entity_type)


def logs(db: Database, status: str = "warning") -> list[tuple[str, str]]:
    """Returns (item, message) of the entries with that status."""
    return [(entry["monday_id"], entry["message"]) for entry in rows(db, "sync_logs", status=status)]


def dump(db: Database, *tables: str) -> dict[str, list[str]]:
    """Returns every row with its place and the transaction that wrote it, so that no write stays unseen."""
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
