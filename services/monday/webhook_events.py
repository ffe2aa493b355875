"""Reads from a webhook event what to do: read an item again, or compare a whole board. The event's values are not used.

Events come late, doubled, out of order and in shapes that are not documented, so little is asked of them: an item id
means "read that item", no item id means "sweep that board". Pure: no clock, no network, no database.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct

ITEM_IDS = ("pulseId", "itemId", "subitem")
"""The first of these that an event has is the id of its item: no kind of event has them all."""
BOARD_IDS = ("boardId", "sourceBoardId", "destBoardId")
PARENT_BOARD_IDS = ("parentItemBoardId", "parentBoardId")
PARENTS_OF_MOVED = (("sourceBoardId", "sourcePulseId"), ("destBoardId", "destPulseId"))
NEW_COLUMN = "create_column"
PROBE = "monday_sync_test"
"""The event of `webhooks test`: it asks for nothing, and comes out at the other end."""
KEPT = frozenset(
    (
        *("type", "triggerTime", "subscriptionId", "isRetry", "userId", "originalTriggerUuid", "triggerUuid"),
        *("columnId", *ITEM_IDS, *BOARD_IDS, "parentItemId", *PARENT_BOARD_IDS),
        *(owner for _, owner in PARENTS_OF_MOVED),
    )
)
"""The members of an event that are kept."""
TIMES = ("triggerTime", "changedAt", "createdAt")
UNDATED = "undated/"
"""The beginning of the trigger id of an event that tells neither its trigger nor its time: the same again may be news."""
LONGEST, TOO_LARGE = 200, 2**63


class Hint(Struct, frozen=True):
    """Names an item to read again or, without an item, a board to compare."""

    board_id: str
    item_id: str | None


class Event(Struct, frozen=True):
    """Holds one delivery, with all that is kept of it."""

    trigger_id: str
    kind: str
    hints: tuple[Hint, ...]
    body: Mapping[str, Any]

    def on(self, boards: frozenset[str]) -> tuple[Hint, ...]:
        """Returns the hints about some boards."""
        return tuple(hint for hint in self.hints if hint.board_id in boards)


def event_from(raw: object) -> Event | None:
    """Returns the event in a delivery's JSON; None when there is none, or when it cannot be told from other events."""
    event = raw.get("event") if isinstance(raw, dict) else None
    if not isinstance(event, dict):
        return None
    try:
        trigger_id = _trigger_id(event)
    except orjson.JSONEncodeError:  # what can be read a thousand levels deep is written down to 254
        return None
    kept = {name: _plain(value) for name, value in event.items() if name in KEPT}
    return Event(trigger_id, _text(event.get("type")) or "unknown", _hints(event), kept)


def _hints(event: Mapping[str, Any]) -> tuple[Hint, ...]:
    """Returns the hints of an event: a subitem stands for its parent; a subitem that moved, for both parents."""
    item = _item_id(event)
    hints = [Hint(board, item) for name in BOARD_IDS if (board := number(event.get(name)))]
    parent = number(event.get("parentItemId"))
    hints += [Hint(board, parent) for name in PARENT_BOARD_IDS if (board := number(event.get(name)))]
    for board_name, owner in PARENTS_OF_MOVED:
        at, of = number(event.get(board_name)), number(event.get(owner))
        if at and of:
            hints = [hint for hint in hints if hint != Hint(at, item)]
            hints.append(Hint(at, of))
    return tuple(dict.fromkeys(hints)) if len(hints) > 1 else tuple(hints)


def _item_id(event: Mapping[str, Any]) -> str | None:
    return next((found for name in ITEM_IDS if (found := number(event.get(name)))), None)


def number(value: object) -> str | None:
    """Returns an id as text: the same id comes as a number here and as a text there."""
    if type(value) is int:
        return str(value) if 0 < value < TOO_LARGE else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    plain = text.isascii() and text.isdecimal() and len(text) < 20
    return str(int(text)) if plain and 0 < int(text) < TOO_LARGE else None


def _trigger_id(event: Mapping[str, Any]) -> str:
    """Returns an id that is unique for what happened, and the same for each delivery of it.

    An event without a trigger gets an id from its content.
    """
    # One trigger of an automation may change many items, so the item and the column are a part of it.
    if given := _text(event.get("triggerUuid")):
        subscription, column = number(event.get("subscriptionId")), _text(event.get("columnId"))
        return "/".join((subscription or "", given.replace("#", ""), _item_id(event) or "", column or ""))
    content = orjson.dumps({**event, "isRetry": None}, option=orjson.OPT_SORT_KEYS)
    known = hashlib.blake2b(content, digest_size=16).hexdigest()
    return f"content/{known}" if any(event.get(name) for name in TIMES) else f"{UNDATED}{known}"


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    if not (value.isascii() and value.isprintable()):
        value = re.sub(r"[^ -~]", "", value)
    return value[:LONGEST] or None


def _plain(value: object) -> bool | int | str | None:
    """Returns what can be kept of a member that should be a number, a short text or null."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (list, dict)):
        return None
    return value if isinstance(value, int) and abs(value) < TOO_LARGE else _text(str(value))
