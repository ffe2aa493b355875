"""Loads a board as a user of a general loader would: `python -m benchmarks.general_loader URL BOARD`.

A resource of dlt that reads pages of 500 items and yields a flat row for each, merged into one table by the item's id. It
knows no kinds of column: it keeps the text of each cell and its `value`, without which the ids of people and labels, times
and links are lost.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import dlt
import orjson
import requests

from benchmarks.boards import PAGE
from services.monday.queries import ITEMS_PAGE, NEXT_ITEMS_PAGE, with_item


def rows(url: str, board_id: str) -> Iterator[list[dict[str, Any]]]:
    """Yields the rows of each page: id, name, update time, and text and value of every column."""
    ask: dict[str, Any] = {
        "query": with_item(ITEMS_PAGE, "id text value", True, False),
        "variables": {"limit": PAGE, "board": [board_id]},
    }
    with requests.Session() as session:
        session.headers["Content-Type"] = "application/json"
        while True:
            data = orjson.loads(session.post(url, data=orjson.dumps(ask)).content)["data"]
            page = data["next_items_page"] if "next_items_page" in data else data["boards"][0]["items_page"]
            yield [_row(item) for item in page["items"]]
            if page["cursor"] is None:
                return
            ask = {
                "query": with_item(NEXT_ITEMS_PAGE, "id text value", True, False),
                "variables": {"limit": PAGE, "cursor": page["cursor"]},
            }


def _row(item: dict[str, Any]) -> dict[str, Any]:
    row = {"id": int(item["id"]), "name": item["name"], "updated_at": item["updated_at"]}
    for cell in item["column_values"]:
        row[cell["id"]], row[f"{cell['id']}_value"] = cell["text"] or None, cell["value"]
    return row


def main(url: str, board_id: str) -> None:
    """Runs the pipeline in a folder of its own, and says how many rows it loaded."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "board",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(os.environ["DATABASE_URL"]),
            dataset_name="loaded",
        )
        pipeline.run(
            dlt.resource(rows(url, board_id), name="items", write_disposition="merge", primary_key="id")
        ).raise_on_failed_jobs()
        counts = pipeline.last_trace.last_normalize_info.row_counts
        print(counts["items"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
