"""Shows how the rows of queries come to SmartSuite, by the real commands, between a stand-in and a real database."""

from __future__ import annotations

import time
from typing import Any

from commands.demo_parts import show
from commands.demo_shop import EXAMPLE, Shop, open_shop
from mappings.query_syncs import FILE
from settings import load_settings
from terminal.console import show_table
from timing import duration

CUSTOMERS, ORDERS = "6451093119bcf22befaed901", "6451093119bcf22befaed902"
KEY, CREDIT, STATE = "scustomer1", "scustomer4", "scustomer3"
SHOWN = {KEY: "External id", "title": "Title", STATE: "State", CREDIT: "Credit"}

NEW_BALANCE = """update customers set balance = 480.25, updated_at = current_timestamp where id = 3"""
OTHER_BALANCE = """update customers set balance = 99.90, updated_at = current_timestamp where id = 5"""
GONE_ROW = """delete from orders where id = 40"""

LOGGED = """
select operation, entity_id as row, message
from sync_logs
where operation = 'conflict'
"""

GO_ON = """
To go on with your own tables:

    cp config/sync_mappings.example.yml config/sync_mappings.yml    # your queries, tables and fields
    python main.py init-db
    python main.py run --sync-name customers_sync --dry-run
    python main.py run --sync-name customers_sync

SMARTSUITE_TOKEN, SMARTSUITE_ACCOUNT_ID and MYSQL_* stand in .env: docs/smartsuite.md."""


def run_demo_of_queries() -> int:
    """Runs the demo; returns the exit code."""
    begun = time.monotonic()
    with open_shop(load_settings()) as shop:
        name, at = shop.source.name, shop.suite.url
        show(f"A stand-in for SmartSuite answers at {at}, {name} holds a small shop; both are thrown away.")
        shop.run("init-db")
        _write_mapping(shop)
        shop.run("run", "--sync-name", "customers_sync", "--dry-run", "--limit", "3")
        shop.run("run")
        _show_records(shop, "1", "2", "3")
        show("\nOnce more, with nothing changed:")
        shop.run("run")
        _show_change(shop)
        _show_conflict(shop)
        _show_removal(shop)
    show(f"\nThat took {duration(time.monotonic() - begun)}; the stand-in is stopped and the databases are gone.")
    show(GO_ON)
    return 0


def _write_mapping(shop: Shop) -> None:
    path = shop.home / FILE
    path.parent.mkdir()
    path.write_text(shop.source.mapping(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
    show(f"\n$ cp config/{EXAMPLE.name} {FILE}")
    if not shop.source.is_mysql:
        show("(MariaDB is not installed: the queries read the same tables of PostgreSQL, with `database: postgres`.)")


def _show_change(shop: Shop) -> None:
    show(f"\nAn application changes one balance:\n\nsql> {NEW_BALANCE};")
    shop.source.execute(NEW_BALANCE)
    shop.run("run")
    _show_records(shop, "3")


def _show_conflict(shop: Shop) -> None:
    """Changes one field on both sides: the run finds it before it writes."""
    (record,) = _records(shop, "5")
    show(
        f"\nA user gives {record['title']} a credit of 75 in SmartSuite, and meanwhile an application changes it, too:"
    )
    show(f"\nsql> {OTHER_BALANCE};")
    shop.suite.change(CUSTOMERS, record["id"], **{CREDIT: "75"})
    shop.source.execute(OTHER_BALANCE)
    shop.run("run")
    for logged in shop.rows(LOGGED):
        show(f"Told in sync_logs, row {logged['row']}: {logged['message']}.")
    _show_records(shop, "5")


def _show_removal(shop: Shop) -> None:
    """Deletes a row: a sweep finds that it is gone, and puts its record into the recycle bin."""
    show("\nAn application deletes an order. Once a day, or when asked, a run looks for rows that are gone:")
    show(f"\nsql> {GONE_ROW};")
    shop.source.execute(GONE_ROW)
    shop.run("run", "--sync-name", "orders_sync", "--sweep")
    left = len(shop.suite.records(ORDERS))
    show(
        f"SmartSuite shows {left} orders. The record is in its recycle bin, and comes out of it when the row comes back."
    )


def _records(shop: Shop, *keys: str) -> list[dict[str, Any]]:
    return [record for record in shop.suite.records(CUSTOMERS) if record.get(KEY) in keys]


def _show_records(shop: Shop, *keys: str) -> None:
    found = [[record.get(slug, "") for slug in SHOWN] for record in _records(shop, *keys)]
    show("\nSmartSuite shows:")
    show_table("", [*SHOWN.values()], found, ("Credit",))
