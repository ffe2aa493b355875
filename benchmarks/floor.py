"""Does the least that a pull must do: downloads and parses the same pages, copies the same rows into the same tables.

`python -m benchmarks.floor FOLDER`, in one process. FOLDER holds `plan.json` (what to ask, which tables) and a file of
COPY text for each table, taken from a finished pull. It decides nothing, compares nothing and remembers nothing.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import psycopg2
import requests


def main(folder: Path) -> None:
    """Downloads, parses addresses, copies, and writes down the seconds in the address library."""
    plan = orjson.loads((folder / "plan.json").read_bytes())
    with requests.Session() as session:
        items = sum(_download(session, plan["url"], board) for board in plan["boards"])
    seconds = _parse(plan["addresses"])
    _copy(folder, plan["tables"])
    Path(os.environ["BENCHMARK_NOTES"]).write_bytes(orjson.dumps({"items": items, "address_seconds": seconds}))


def _download(session: requests.Session, url: str, board: dict[str, Any]) -> int:
    count, ask = 0, board["first"]
    while True:
        response = session.post(url, data=orjson.dumps(ask), headers={"Content-Type": "application/json"}, stream=True)
        data = orjson.loads(response.raw.read())["data"]
        page = data["next_items_page"] if "next_items_page" in data else data["boards"][0]["items_page"]
        count += len(page["items"])
        if page["cursor"] is None:
            return count
        ask = {"query": board["next"]["query"], "variables": board["next"]["variables"] | {"cursor": page["cursor"]}}


def _parse(addresses: list[str]) -> float:
    """Parses the addresses with the library, and returns its CPU seconds."""
    if not addresses:
        return 0.0
    import usaddress

    started = time.thread_time()
    for line in addresses:
        usaddress.parse(line)
    return time.thread_time() - started


def _copy(folder: Path, tables: list[str]) -> None:
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    with connection, connection.cursor() as cursor:
        for table in tables:
            # rows that schema.sql inserts, or a trigger on a table before; the copied rows contain them, too
            if table.startswith("sync_"):
                cursor.execute(f'delete from "{table}"')
            with open(folder / table, "rb") as rows:
                cursor.copy_expert(f'copy "{table}" from stdin', rows, 1 << 20)
    connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
