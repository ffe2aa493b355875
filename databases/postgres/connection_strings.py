"""Composes connection strings."""

from __future__ import annotations

from psycopg2.extensions import make_dsn


def connection_string(given: str = "", **options: object) -> str:
    """Returns a connection string (a URL or `key=value` words) with these options changed, as `key=value` words."""
    return str(make_dsn(given, **options))
