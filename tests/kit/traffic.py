"""Edits both sides of several accounts for a while, and sends the events of it to all doors."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.kit.fleet import Fleet
from tests.kit.live import LiveWorld
from tests.kit.waiting import until

SENDERS = 8
SQL_EVERY = 4
"""Of so many edits one is made by SQL."""


def edit(here: LiveWorld, number: int) -> str:
    """Changes an item on the board, or a row, and returns the item."""
    pairs = sorted(here.pairs().items(), key=lambda pair: int(pair[0]))
    item, row = pairs[number % len(pairs)]
    if number % SQL_EVERY:
        here.sandbox.admin("items/change", item_id=item, values={"notes": f"said {number}"})
    else:
        here.change("update contacts set role_title = %s where id = %s", f"by SQL {number}", row)
    return item


def edits_and_events(fleet: Fleet, doors: Sequence[str], count: int, seconds: float) -> Counter[int]:
    """Makes so many edits, evenly over some time, and returns how the doors answered their events."""
    begun, names = time.monotonic(), list(fleet.worlds)
    prefix = str(time.time_ns())

    def one(number: int) -> int:
        time.sleep(max(0.0, begun + number * seconds / count - time.monotonic()))
        name, door = names[number % len(names)], doors[number // len(names) % len(doors)]
        item = edit(fleet.worlds[name], number)
        return fleet.event(door, name, item, triggerUuid=f"{prefix}-{number}", wait_s=60).status_code

    with ThreadPoolExecutor(SENDERS) as senders:
        return Counter(senders.map(one, range(count)))


def are_equal(fleet: Fleet) -> bool:
    """Returns whether nothing waits in any account, and both sides of each show the same."""
    return all(here.waiting() == (0, 0) and not here.differences() for here in fleet.worlds.values())


def until_equal(fleet: Fleet, seconds: float, what: str) -> float:
    """Waits until all accounts are equal, and returns for how many seconds. A failure tells what is not."""
    begun = time.monotonic()
    try:
        until(lambda: are_equal(fleet), seconds, what)
    except AssertionError as exc:
        found = {name: (here.waiting(), here.differences()) for name, here in fleet.worlds.items()}
        with fleet.control() as control:
            due = control.execute_query("select *, now() from sync_due")
        raise AssertionError(f"{exc}: {found}, {due}") from None
    return time.monotonic() - begun
