"""Puts staff items on a board of a sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from sandbox import Sandbox
from tests.kit.shipped import USERS


def days_ago(number: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def staff_item(number: int, email: str | None = None, ago: float = 30, **values: Any) -> dict[str, Any]:
    """Returns a staff item to load, updated so many days ago."""
    address = email or f"a{number}@example.com"
    cells = {"text25": f"N{number}", "email7": {"email": address, "text": address}, **values}
    return {"name": f"Staff {number}", "values": cells, "updated_at": days_ago(ago)}


def load_staff(sandbox: Sandbox, number: int, **more: Any) -> list[str]:
    """Loads so many staff items of last month, each updated a day after the other. Returns their ids."""
    items = [staff_item(place, ago=30 + place, **more) for place in reversed(range(number))]
    return list(sandbox.admin("items/load", board_id=USERS, items=items))
