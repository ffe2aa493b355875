"""The pull: finds out what changed on a board, and hands it to the engine a page at a time.

A first run, a changed mapping and `--full` read everything; other runs read what was updated since the last one. Items
that are gone are found by a sweep of ids: daily, on request, and whenever the board's own count does not add up.

    python sync_monday_to_pg.py --entity users --limit 10
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice

from board_sync import BoardSync, Progress, PullOptions, too_many
from db_connector import compose, identifier, table_name
from errors import CursorExpired, GuardStop, Incomplete
from models import Item, Page
from report import EntityReport
from sync_state import LogEntry, put, take_turn, watermark

__all__ = ["Progress", "Pull", "PullOptions", "sync_sales_staff"]

log = logging.getLogger("monday_sync")

OVERLAP = timedelta(minutes=5)
"""How far before the newest known update time a run looks again: filtered reads of monday.com lag by seconds."""
SWEEP_EVERY = timedelta(hours=24)
LISTING_TRIES = 3


class Pull(BoardSync):
    """Brings one board's items into PostgreSQL."""

    swept: int | None = None
    _pass = ""

    def run(self) -> EntityReport:
        """Do it. Raises GuardStop before anything is written when too much would be removed."""
        started = time.monotonic()
        self._check_columns()
        if self.options.source is not None:
            self._take(self.options.source)
        elif self.options.limit is not None:
            self._take_first(self.options.limit)
        elif self._compares_everything():
            self._full()
        else:
            self._incremental()
        self.report.seconds = time.monotonic() - started
        return self.report

    # What there is to compare

    def _check_columns(self) -> None:
        if self.bound.missing:
            columns = ", ".join(self.bound.missing)
            log.warning("%s: the board has no column %s; what they fed stays as it is.", self.mapping.entity, columns)
        if not self.options.dry_run:
            self._rename_keys()

    def _rename_keys(self) -> None:
        """A column that was renamed on the board takes its key in `metadata` along."""
        before: dict[str, str] = self.remembered.get("titles") or {}
        moved = [
            (before[column.id], self.bound.title(column.id))
            for column in self.bound.rest_columns
            if before.get(column.id, self.bound.title(column.id)) != self.bound.title(column.id)
        ]
        if not moved:
            return
        with self.db.transaction() as tx:
            take_turn(tx)
            statement = compose(
                "update {table} as t set {rest} = (t.{rest} - %(old)s) || coalesce((select jsonb_object_agg(r.new,"
                " t.{rest} -> r.old) from unnest(%(old)s, %(new)s) as r (old, new) where t.{rest} ? r.old), '{{}}')"
                " where t.{rest} ?| %(old)s",
                table=table_name(self.mapping.table), rest=identifier(str(self.mapping.rest)),
            )  # fmt: skip
            tx.execute(statement, {"old": [old for old, _ in moved], "new": [new for _, new in moved]})
            renames = [LogEntry("rename", "success", f"column {old!r} is called {new!r} now") for old, new in moved]
            self.state.log(tx, renames)
            self.remembered["titles"] = {**before, **self.titles()}
            put(tx, self.pulled, self.remembered)
        log.info("%s: %d columns were renamed on the board.", self.mapping.entity, len(moved))

    def _compares_everything(self) -> bool:
        known = self.remembered.get("watermark") and self.remembered.get("fingerprint") == self.fingerprint()
        return self.options.full or not known

    # Ways of reading

    def _pages(self) -> Iterator[Page]:
        return self.monday.pages(
            self.board.id, self.bound.column_ids, self.bound.selection,
            limit=self.options.batch_size, on_malformed=self._malformed, prefetch=True,
        )  # fmt: skip

    def _malformed(self, item_id: str, reason: str) -> None:
        self.report.read += 1
        self.report.errors += 1
        self.report.complete = False
        log.error("%s %s: did not come whole: %s", self.mapping.entity_type, item_id or "(without id)", reason)
        if not self.options.dry_run:
            with self.db.transaction() as tx:
                self.state.log(tx, [LogEntry("pull", "error", f"did not come whole: {reason}", item_id or None)])

    def _take(self, pages: Iterable[list[Item]], force: bool = False) -> None:
        total = self.board.items_count
        for items in pages:
            self.deliver(self.engine.take(items, force))
            self.newest = max([self.newest, *(item.updated_at or "" for item in items)])
            self.progress(self.mapping.entity, self.report.read, total)

    def _take_first(self, limit: int) -> None:
        pages = self.monday.pages(
            self.board.id, self.bound.column_ids, self.bound.selection,
            limit=min(limit, self.options.batch_size), on_malformed=self._malformed,
        )  # fmt: skip
        items = list(islice((item for page in pages for item in page.items), limit))
        for start in range(0, len(items), self.options.batch_size):
            self._take([items[start : start + self.options.batch_size]])

    def _full(self) -> None:
        """Read every item. With links to lose, ids come first, so that the guard can stop it before anything is written."""
        gone = self._sweep() if self.active() else []
        for attempt in range(LISTING_TRIES):
            try:
                self._take(page.items for page in self._pages())
                break
            except CursorExpired:
                if attempt == LISTING_TRIES - 1:
                    raise
                log.warning("%s: the listing outlived its cursor and starts again.", self.mapping.entity)
        self._archive(gone)
        self._retake_free_keys()
        self._prove()
        self._finish()

    def _incremental(self) -> None:
        """Read what was updated since the newest update known, and sweep when it is time to or the count is off."""
        gone = self._sweep() if self._must_sweep_first() else None
        since = watermark(self.remembered["watermark"])
        assert since is not None
        pages = self.monday.changed_since(
            self.board.id, since - OVERLAP, self.bound.column_ids, self.bound.selection,
            on_malformed=self._malformed, prefetch=True,
        )  # fmt: skip
        self._take(page.items for page in pages)
        self._take_unsettled()
        if gone is None and not self._adds_up():
            gone = self._sweep()
        self._take_stale()
        self._archive(gone or [])
        self._retake_free_keys()
        self._prove()
        self._finish()

    def _must_sweep_first(self) -> bool:
        if self.options.sweep:
            return True
        swept = watermark(self.remembered.get("swept_at"))
        if swept is None or datetime.now(timezone.utc) - swept > SWEEP_EVERY:
            return True
        count, active = self.board.items_count, self.active()
        return count is not None and too_many(active - count, active)

    def _known(self) -> int:
        with self.db.transaction(read_only=True) as tx:
            return self.state.count_active(tx) + self.state.count_skipped(tx)

    def _adds_up(self) -> bool:
        """Whether the board has as many items as are known, give or take what its count was off by at the last sweep."""
        count = self.board.items_count
        return count is not None and count + int(self.remembered.get("count_offset", 0)) == self._known()

    # Items that are gone

    def _sweep(self) -> list[str]:
        """List every id of the board; the linked items that are gone. Raises GuardStop, or Incomplete."""
        self._pass = str(uuid.uuid4())
        for page in self.monday.listing(self.board.id):
            with self.db.transaction() as tx:
                self.state.note_listed(tx, self._pass, page.items)
        with self.db.transaction() as tx:
            self.swept = self.state.count_listed(tx, self._pass)
            absent = self.state.absent(tx, self._pass)
            active = self.state.count_active(tx)
        self._check_guard(len(absent), active)
        return self._confirmed_gone(absent)

    def _check_guard(self, absent: int, active: int) -> None:
        """Promise: a run that would remove much stops before it removes any; an empty listing always does."""
        if self.options.allow_mass_delete or not absent:
            return
        if self.swept == 0 or too_many(absent, active):
            raise GuardStop(
                f"{absent} of {active} {self.mapping.entity} are missing on board {self.board.name} ({self.board.id});"
                " nothing of this entity was changed.",
                hint="If they really are gone, run again with --allow-mass-delete.",
            )

    def _confirmed_gone(self, absent: list[str]) -> list[str]:
        """Of the items a listing lacks, those that monday.com says are gone; one it still has makes the listing a lie."""
        here: list[str] = []
        for items in self.monday.items(absent, (), ""):
            here += [item.id for item in items if item.state == "active" and item.board_id in (None, self.board.id)]
        if here:
            raise Incomplete(
                f"The listing of board {self.board.name} ({self.board.id}) left out {len(here)} items that exist,"
                f" such as {here[0]}; nothing was removed.",
                hint="Run again; monday.com's listings catch up after a while.",
            )
        return absent

    def _archive(self, gone: list[str]) -> None:
        """The rows of items that are gone are archived, deleted or left, as the mapping says."""
        if not gone:
            return
        for start in range(0, len(gone), self.options.batch_size):
            self.engine.remove(gone[start : start + self.options.batch_size])

    def _take_stale(self) -> None:
        """Read again what a sweep has seen and an update filter has not: copied, restored, changed without a trace."""
        if self.swept is None:
            return
        with self.db.transaction(read_only=True) as tx:
            stale = self.state.stale(tx, self._pass)
        self._take_by_id(stale)

    def _take_unsettled(self) -> None:
        """Look again at items that show something PostgreSQL does not have: a rule or a setting may have changed."""
        with self.db.transaction(read_only=True) as tx:
            unsettled = self.state.unsettled(tx)
        self._take_by_id(unsettled, force=True)

    def _take_by_id(self, ids: list[str], force: bool = False) -> None:
        if ids:
            chunks = self.monday.items(ids, self.bound.column_ids, self.bound.selection, on_malformed=self._malformed)
            self._take(([item for item in chunk if self._is_here(item)] for chunk in chunks), force)

    def _is_here(self, item: Item) -> bool:
        return item.state == "active" and item.board_id in (None, self.board.id)

    def _retake_free_keys(self) -> None:
        """Items left out because another had their key come in once that key is free."""
        with self.db.transaction(read_only=True) as tx:
            waiting = self.engine.waiting_for_a_free_key(tx)
        self._take_by_id(waiting)

    # Proof

    def _prove(self) -> None:
        """Compare what is stored with what the board says it has; what cannot be shown to be whole is said."""
        if self.options.dry_run:
            return
        known = self._known() + self.report.errors
        claimed = self.swept if self.swept is not None else self._claimed()
        if claimed is None or known == claimed or self.report.errors:
            return
        if self.swept is None:
            # The count is a rumour; ids are a fact.
            self._archive(self._sweep())
            self._take_stale()
            known, claimed = self._known(), self.swept
        if known != claimed:
            self.report.complete = False
            self.report.message = f"the board lists {claimed} items, {known} are accounted for"
            log.error("%s: %s.", self.mapping.entity, self.report.message)

    def _claimed(self) -> int | None:
        count = self.board.items_count
        return None if count is None else count + int(self.remembered.get("count_offset", 0))

    def _finish(self) -> None:
        """Remember how far this came, so that the next run starts there."""
        if self.options.dry_run:
            return
        if self.report.complete and not self.report.errors:
            self.remembered["watermark"] = self.newest or "1970-01-01T00:00:00Z"
            self.remembered["fingerprint"] = self.fingerprint()
        self.remembered["titles"] = self.titles()
        with self.db.transaction() as tx:
            if self.swept is not None:
                self.remembered["swept_at"] = datetime.now(timezone.utc).isoformat()
                self.remembered["count_offset"] = self.swept - (self.board.items_count or self.swept)
                self.state.forget_listing(tx, self._pass)
            put(tx, self.pulled, self.remembered)


def sync_sales_staff(limit: int | None = None) -> EntityReport:
    """Pull the staff board, by the settings of the environment: for use from a shell."""
    from sync_run import run_once

    return run_once("monday_to_pg", ["users"], PullOptions(limit=limit)).entities[0]


if __name__ == "__main__":
    from main import script

    script("monday-to-pg")
