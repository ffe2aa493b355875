"""Speaks to SmartSuite: keeps its pace, waits when it is blocked, repeats what can be repeated, and counts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from errors import (
    CarriedOutOrNot,
    PartlyRefused,
    SmartSuiteQuota,
    SmartSuiteRefused,
    SmartSuiteUnavailable,
    SuiteRecordGone,
    ValuesRefused,
)
from services.monday.pacing import ApiStats, Tally
from services.monday.waiting import Limits, Pauses, Silence
from services.smartsuite.answers import Item, records_of, refusal_of, refusals_of
from services.smartsuite.structure import Table, table_of
from services.smartsuite.wire import Reply, Wire
from timing import Clock, backoff

BULK = 25
"""Records that one call can create or change."""
PAGE = 1000
INTERVAL_S = 0.205
"""Seconds between the beginnings of two calls: SmartSuite counts five in a second of its clock."""
BLOCK_S = (30.0, 60.0, 120.0)
"""How long it waits after a refusal for speed, unless SmartSuite says how long; after the last it is no matter of speed."""
TRIES = 4
NOTED_TOGETHER, NOTED_AFTER_S = 25, 5.0
"""How many calls are noted for the month at once, and how long one waits for that at most: a kill loses no more."""

log = logging.getLogger("monday_sync.api")


class SmartSuite:
    """Speaks to SmartSuite for one key and one account. Each call is counted here, in `_sent`, and nowhere else."""

    note: Callable[[int], bool] = staticmethod(lambda calls: True)
    """Notes calls of the month; returns False when that cannot be done now."""

    def __init__(
        self, url: str, token: str, account_id: str, *, clock: Clock | None = None, limits: Limits | None = None
    ) -> None:
        self._wire = Wire(url, token, account_id)
        self._clock, self._limits = clock or Clock(), limits or Limits()
        self._tally = Tally()
        silence = Silence(self._clock, self._limits.give_up_after)
        self._silence = silence
        self.pauses = Pauses(self._clock, self._limits, silence, self._tally, lambda event, facts: None)
        self._next_at = float("-inf")
        self._unnoted, self._noted_at = 0, self._clock.monotonic()

    def __repr__(self) -> str:
        return f"SmartSuite(url={self._wire.url!r})"

    @property
    def stats(self) -> ApiStats:
        """Returns what all calls have cost so far."""
        return self._tally.snapshot(0.0)

    def close(self) -> None:
        """Closes the connection."""
        self.note_calls()
        self._wire.close()

    def note_calls(self) -> None:
        """Has the calls noted that are not noted yet."""
        if self._unnoted and self.note(self._unnoted):
            self._unnoted = 0
        self._noted_at = self._clock.monotonic()

    def wait(self, seconds: float, cause: str) -> None:
        """Pauses, by the client's clock, and counts it."""
        self.pauses.wait(seconds, cause)

    # Reading

    def table(self, table_id: str) -> Table:
        """Returns a table with its fields and choices."""
        what = f"the table {table_id}"
        try:
            body = self._repeated("GET", f"applications/{table_id}/", None, what).body
        except SuiteRecordGone as exc:
            raise SmartSuiteRefused(
                exc.message, hint="Check destination.table_id: it stands in the browser's address, before the view's."
            ) from exc
        return table_of(table_id, body)

    def pages(self, table_id: str) -> Iterator[tuple[int, list[Item]]]:
        """Yields all records of a table, a page at a time, each with how many SmartSuite says there are."""
        came = 0
        while True:
            body = self._listed(table_id, came, {"sort": [{"field": "autonumber", "direction": "asc"}], "filter": {}})
            items = records_of(body.get("items"))
            total = body.get("total") if isinstance(body.get("total"), int) else 0
            came += len(items)
            yield max(int(total or 0), came), items
            if not items or (len(items) < PAGE and came >= int(total or 0)):
                return

    def find(self, table_id: str, slug: str, comparison: str, values: Sequence[str]) -> list[Item]:
        """Returns the records whose field holds one of these values, at most 25; the caller compares again."""

        def ask(some: Sequence[str]) -> list[Item]:
            conditions = [{"field": slug, "comparison": comparison, "value": value} for value in some]
            body = self._listed(table_id, 0, {"sort": [], "filter": {"operator": "or", "fields": conditions}})
            return records_of(body.get("items"))

        return _in_parts(ask, values)

    def by_id(self, table_id: str, record_ids: Sequence[str]) -> list[Item]:
        """Returns those of the records that still exist, at most 25 at a time."""
        wanted = set(record_ids)

        def ask(some: Sequence[str]) -> list[Item]:
            body = self._listed(table_id, 0, {"sort": [], "filter": {}, "ids": list(some)})
            return [item for item in records_of(body.get("items")) if item.get("id") in wanted]

        return _in_parts(ask, record_ids)

    def members(self) -> list[Item]:
        """Returns the people of the workspace."""
        found: list[Item] = []
        while True:
            path = f"members/list/?offset={len(found)}&limit={PAGE}"
            body = self._repeated("POST", path, {"sort": [], "filter": {}}, "the members of the workspace").body
            items = records_of(body)
            found += items
            if len(items) < PAGE:
                return found

    def _listed(self, table_id: str, offset: int, body: Mapping[str, Any]) -> Mapping[str, Any]:
        path = f"applications/{table_id}/records/list/?offset={offset}&limit={PAGE}"
        found = self._repeated("POST", path, body, f"the records of the table {table_id}").body
        return found if isinstance(found, Mapping) else {"items": found if isinstance(found, list) else []}

    # Writing

    def create(self, table: Table, records: Sequence[Mapping[str, Any]]) -> list[Item]:
        """Creates records, in one call. Raises CarriedOutOrNot when it may have happened; it is never sent twice.

        Raises PartlyRefused when the answer says that only some were made.
        """
        alone = len(records) == 1
        path = f"applications/{table.id}/records/" if alone else f"applications/{table.id}/records/bulk/"
        body: object = records[0] if alone else {"items": list(records)}
        reply = self._answered("POST", path, body)
        if reply.is_good:
            found, refusals = records_of(made := reply.body), refusals_of(made)
            if refusals and not alone:
                raise PartlyRefused("; ".join(dict.fromkeys(refusals)), found)
            if found:
                return found
        if reply.is_good or reply.status == 0 or reply.status >= 500:
            raise CarriedOutOrNot(f"SmartSuite did not say whether it made the records ({_seen(reply)}).")
        raise refusal_of(reply, f"the table {table.name}", table.labels)

    def update(self, table: Table, records: Sequence[Mapping[str, Any]]) -> list[Item]:
        """Changes fields of records, in one call; each has its `id`.

        What did not change, and what was refused, may be absent in the answer.
        """
        if len(records) == 1:
            rest = {name: value for name, value in records[0].items() if name != "id"}
            path = f"applications/{table.id}/records/{records[0]['id']}/"
            return records_of(self._repeated("PATCH", path, rest, "the record", table.labels).body)
        path = f"applications/{table.id}/records/bulk/"
        return records_of(self._repeated("PATCH", path, {"items": list(records)}, "the records", table.labels).body)

    def remove(self, table: Table, record_ids: Sequence[str]) -> None:
        """Puts records into the recycle bin, at most 25; those that are gone already are passed over."""
        path, records = f"applications/{table.id}/records/", "the records"
        if len(record_ids) > 1:
            try:
                body = {"items": list(record_ids)}
                self._repeated("PATCH", f"{path}bulk_delete/?fields=id", body, records, table.labels)
                return
            except (SuiteRecordGone, ValuesRefused) as exc:  # one of them is gone, or this form is not known
                log.debug("%s", exc.message)
        for record_id in record_ids:
            try:
                self._repeated("DELETE", f"{path}{record_id}/", None, "the record", table.labels)
            except SuiteRecordGone as exc:
                log.debug("%s", exc.message)

    def restore(self, table: Table, record_id: str) -> None:
        """Takes a record out of the recycle bin. Raises SuiteRecordGone when it is not there any more."""
        self._repeated("POST", f"applications/{table.id}/records/{record_id}/restore/", {}, "the record", table.labels)

    # One call

    def _repeated(
        self, method: str, path: str, body: object, what: str, labels: Mapping[str, str] | None = None
    ) -> Reply:
        """Sends what may be carried out twice, until it is answered."""
        reading = method == "GET" or "/list/" in path
        for attempt in range(TRIES):
            reply = self._answered(method, path, body)
            if reply.is_good and (not reading or reply.body is not None):
                return reply
            if not reply.is_good and 0 < reply.status < 500:
                raise refusal_of(reply, what, labels or {})
            if attempt + 1 < TRIES:
                self._tally.retried("server" if reply.status else "network")
                self.wait(0.5 + backoff(attempt, 1.0, 20.0), f"SmartSuite did not answer ({_seen(reply)})")
        if reply.status == 500 and not reading:
            raise CarriedOutOrNot(f"SmartSuite reports an error of its own for {what}, each time.")
        raise SmartSuiteUnavailable(
            f"SmartSuite did not answer well {TRIES} times ({_seen(reply)}).",
            hint="Run again later; check SMARTSUITE_API_URL and the network. Nothing is lost.",
        )

    def _answered(self, method: str, path: str, body: object) -> Reply:
        """Sends once; again only after refusals for speed, and where no connection could be made."""
        unsent = 0
        for block in (*BLOCK_S, None):
            reply = self._sent(method, path, body)
            while reply.unsent and unsent + 1 < TRIES:
                unsent += 1
                self._tally.retried("network")
                self.wait(0.5 + backoff(unsent, 1.0, 20.0), "SmartSuite cannot be reached")
                reply = self._sent(method, path, body)
            if reply.unsent:
                raise SmartSuiteUnavailable(
                    "SmartSuite cannot be reached: no connection could be made.",
                    hint="Check SMARTSUITE_API_URL and the network, and run again. Nothing is lost.",
                )
            if reply.status != 429:
                return reply
            if block is None:
                break
            self._tally.retried("speed")
            self.pauses.wait(_asked(reply) or block, "SmartSuite takes no calls for a while (429)", asked=True)
        raise SmartSuiteQuota(
            "SmartSuite goes on refusing calls (429) after three waits.",
            hint="The month's calls may be used up: look at the plan's usage in SmartSuite. Or another program uses the"
            " same key: then run again later.",
        )

    def _sent(self, method: str, path: str, body: object) -> Reply:
        self.pauses.check(None)
        ahead = self._next_at - self._clock.monotonic()
        if ahead > 0:
            self._clock.sleep(ahead)
        self._next_at = self._clock.monotonic() + INTERVAL_S
        self._tally.add(calls=1)
        self._unnoted += 1
        if self._unnoted >= NOTED_TOGETHER or self._clock.monotonic() > self._noted_at + NOTED_AFTER_S:
            self.note_calls()
        reply = self._wire.send(method, path, body)
        self._tally.add(bytes_received=len(reply.content))
        log.debug("%s %s: %s", method, path, _seen(reply))
        return reply


def _in_parts(ask: Callable[[Sequence[str]], list[Item]], given: Sequence[str]) -> list[Item]:
    """Asks for all at once; where that is refused, for each half: how many SmartSuite takes is not documented."""
    try:
        return ask(given)
    except SuiteRecordGone:
        raise
    except ValuesRefused:
        if len(given) < 2:
            raise
        half = len(given) // 2
        return _in_parts(ask, given[:half]) + _in_parts(ask, given[half:])


def _seen(reply: Reply) -> str:
    return f"status {reply.status}" if reply.status else reply.why


def _asked(reply: Reply) -> float | None:
    """Returns how long SmartSuite asks to wait, when it says so in a number that can be believed."""
    text = reply.headers.get("Retry-After", "").strip()
    return min(float(text), 300.0) if text.isascii() and text.isdigit() and int(text) > 0 else None
