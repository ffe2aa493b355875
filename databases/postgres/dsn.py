"""Reads the address of a database (DATABASE_URL) without ever repeating what may be a password."""

from __future__ import annotations

import re
from typing import Any

import psycopg2
from psycopg2 import extensions

from errors import SettingsError


def parsed(dsn: str) -> dict[str, Any]:
    """Returns the options to connect with. Raises SettingsError for what is no address."""
    try:
        options = extensions.parse_dsn(dsn)
        [int(port or 0) for port in str(options.get("port", "")).split(",")]
        return options
    except (psycopg2.Error, ValueError) as exc:
        # Without its cause, which quotes the connection string.
        if option := _unknown_option(dsn, str(exc)):
            hint = f"Take {option} out of what stands behind the ? of the address, or correct it."
            raise SettingsError(
                f"DATABASE_URL has an option that PostgreSQL does not know: {option}.", hint=hint
            ) from None
        hint = "It looks like postgresql://user:password@host:5432/database, with %40 for a @ in the password."
        raise SettingsError("DATABASE_URL is no PostgreSQL address.", hint=hint) from None


def _unknown_option(dsn: str, said: str) -> str:
    """Returns the option that libpq does not know, if it cannot be a piece of a password with a bare / ? & or @ in it."""
    found = re.search(r'invalid URI query parameter: "(\w+)"', said)
    whole = (
        re.fullmatch(r"[a-z]+://[^/?@]*(@[^/?@]*)?(/[^?@]*)?\?[^?@]*", dsn) and "password" not in dsn.partition("?")[2]
    )
    return found[1] if found and whole else ""
