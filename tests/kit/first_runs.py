"""Looks at what a first run left behind."""

from __future__ import annotations

from pathlib import Path

from db_connector import Database


def tables_of(url: str) -> int:
    db = Database(url)
    try:
        return int(db.execute_query("select count(*) as n from pg_tables where schemaname = 'public'")[0]["n"])  # type: ignore[index]
    finally:
        db.close()


def files_of(home: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in home.iterdir() if path.name.startswith(".env")}
