"""Plays people who edit, make and remove things on both sides at random moments."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

from tests.kit.live import LiveWorld
from tests.kit.shipped import CONTACTS


class People:
    """Edits, makes and removes things on both sides, until told to stop."""

    def __init__(self, here: LiveWorld, seed: int) -> None:
        self.here = here
        self.dice = random.Random(seed)
        self.made: list[str] = []
        self.last: dict[str, str] = {}
        """What was last said: item → notes, by the board; row → role_title, by SQL."""
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.problem: Exception | None = None

    def __enter__(self) -> People:
        self.items = sorted(self.here.pairs().items())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()

    def _work(self) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            try:
                self._act(number)
            except Exception as exc:
                self.problem = exc
                return
            time.sleep(self.dice.uniform(0, 0.04))

    def _act(self, number: int) -> None:
        item, row = self.dice.choice(self.items)
        what = self.dice.randrange(4)
        if what == 0:
            self.here.sandbox.admin("items/change", item_id=item, values={"notes": f"board {number}"})
            self.last[f"notes {item}"] = f"board {number}"
        elif what == 1:
            self.here.change("update contacts set role_title = %s where id = %s", f"row {number}", row)
            self.last[f"role {item}"] = f"row {number}"
        elif what == 2:
            self.here.sandbox.admin("items/create", board_id=CONTACTS, name=f"Board {number}")
            self.made.append(f"Board {number}")
        else:
            self.here.change("insert into contacts (name) values (%s)", f"Row {number}")
            self.made.append(f"Row {number}")

    def check(self) -> None:
        """Raises AssertionError when something of what was made or said last is lost, or is there twice."""
        here, board = self.here, Counter(item["name"] for item in self.here.snapshot().values())
        rows = Counter(row["name"] for row in here.sql("select name from contacts where archived_at is null"))
        assert board == rows
        assert {name: board[name] for name in self.made} == dict.fromkeys(self.made, 1)
        for item, shown in here.snapshot().items():
            assert shown["notes"] == self.last.get(f"notes {item}", shown["notes"])
            assert shown["role_title"] == self.last.get(f"role {item}", shown["role_title"])
