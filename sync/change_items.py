"""Changes and removes the items of root rows: reads them as they are now, lets the cycle decide, and sends the rest."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct

from databases.postgres.names import identifier, table_name
from db_connector import Transaction
from errors import GuardStop
from models import LogEntry, Page, Removal
from rows.tables import is_archived
from services.monday.prefetch import ahead
from services.monday.writes import CHANGES_PER_DOCUMENT
from state.sight import why_unsure
from sync.board import BoardSync, too_many
from sync.report import EntityReport
from sync.task import NO_HINTS, Batch, Hints
from values.wording import plural

log = logging.getLogger("monday_sync")

CHANGES_AT_ONCE = 2 * CHANGES_PER_DOCUMENT
"""As many as one call reads: the next are read while these are written, and none lies long between the two."""
NOT_HERE = "the row was edited, and its item is not on the board: restore the item, or archive the row"


def change_items(sync: BoardSync, item_ids: Sequence[str], hints: Hints = NO_HINTS) -> None:
    """Reads the items as they are now, so that what both sides changed is settled by rule, and sends the rest."""
    batch = Batch(EntityReport(sync.mapping.entity, sync.board.id))
    missing = set(item_ids)
    # The next hundred is read while the last ones are being written.
    for page in ahead(lambda cancelled: _pages_of(sync, item_ids)):
        here = [item for item in page.items if item.is_on(sync.board.id)]
        missing -= {item.id for item in here}
        taken = sync.engine.take(here, force=True, hints=hints)
        batch.outgoing += taken.outgoing
        batch.removals += taken.removals
        if len(batch.outgoing) >= CHANGES_AT_ONCE:
            sync.deliver(batch, hints)
            batch.outgoing, batch.removals = [], []
        sync.progress(sync.mapping.entity, sync.report.read, None)
    sync.deliver(batch, hints)
    _keep_back(sync, missing)


def _pages_of(sync: BoardSync, item_ids: Sequence[str]) -> Iterator[Page]:
    for items in sync.destination.items(item_ids, sync.bound.wanted):
        yield Page(items, "more")


def _keep_back(sync: BoardSync, item_ids: Collection[str]) -> None:
    """Lets changes wait whose items are not on the board now: with growing pauses, for the item or for a pull."""
    if not item_ids or sync.options.dry_run:
        return
    with sync.db.transaction() as tx:
        links = sync.state.links.find(tx, [(item_id, "") for item_id in item_ids]).links
        roots = {str(link.entity_id): item_id for item_id, link in links.items() if not link.archived}
        for root_id in roots:
            sync.report.set_aside += sync.state.waiting.refuse_change(tx, root_id, NOT_HERE)
        show_status(sync, tx, roots, "error")
        entries = [LogEntry("push", "error", NOT_HERE, item_id, root_id) for root_id, item_id in roots.items()]
        sync.state.log.append(tx, entries)
    sync.report.errors += len(roots)
    for root_id, item_id in roots.items():
        log.error("%s %s (item %s): %s", sync.mapping.entity_type, root_id, item_id, NOT_HERE)


def show_status(sync: BoardSync, tx: Transaction, root_ids: Iterable[str], status: str) -> None:
    """Shows an application on its own rows what their links say, where they have a column for it."""
    if sync.mapping.record_settings:
        sync.engine.store.set_status(tx, dict.fromkeys(root_ids, status))


# Rows that are gone


class RowsGone(Struct, frozen=True):
    """Holds the items whose rows are gone or archived, and why others are not judged."""

    removals: Sequence[Removal] = ()
    unjudged: str = ""


def guarded_removals(sync: BoardSync) -> RowsGone:
    """Returns the items whose rows are gone or archived. Raises GuardStop when they are too many.

    A row that is not found is gone only when the table shows every row.
    """
    table, key = table_name(sync.mapping.table), identifier(sync.mapping.primary_key)
    with sync.db.transaction(read_only=True) as tx:
        gone = sync.state.links.rows_gone(tx, table, key)
        unsure = why_unsure(tx, sync.mapping) if gone else None
        missing, gone = len(gone), [] if unsure else gone
        gone += sync.state.links.rows_archived(tx, table, key, is_archived(sync.mapping, "t"))
        active = sync.state.links.count_active(tx)
    if sync.mapping.on_row_removed == "ignore" or not sync.engine.options.write_monday:
        return RowsGone()
    unjudged = f"{plural(missing, 'row')} not found, and no item is removed: {unsure.reason}" if unsure else ""
    if unsure:
        log.error("%s: %s %s", sync.mapping.entity, unjudged, unsure.hint)
    if too_many(len(gone), active) and not sync.options.allow_mass_delete:
        raise GuardStop(
            f"{len(gone)} of {active} {sync.mapping.entity} are gone in PostgreSQL; nothing of this entity was"
            " changed.",
            hint="If their items are to be removed, run again with --allow-mass-delete.",
        )
    may_go = [Removal(item_id, root_id) for item_id, root_id in gone if sync.options.removable(item_id)]
    return RowsGone(may_go, unjudged)


def remove_items_of(sync: BoardSync, removals: Sequence[Removal], hints: Hints = NO_HINTS) -> None:
    """Removes the items of rows that are gone, unless an item was edited since: then the edit stays."""
    by_item = {removal.item_id: removal for removal in removals}
    for items in sync.destination.items(list(by_item), sync.bound.wanted):
        sync.may_go_on()
        here = [item for item in items if item.is_on(sync.board.id)]
        batch = sync.engine.take(here, force=True, hints=hints)
        sync.deliver(batch, hints)
        if sync.options.dry_run:
            sync.engine.plans += [f"archive item {removal.item_id}" for removal in batch.removals]
            sync.report.archived += len(batch.removals)
            sync.report.to_monday.archived += len(batch.removals)
        for item in here:
            by_item.pop(item.id, None)
    if by_item and not sync.options.dry_run:  # neither side has them any more
        with sync.db.transaction() as tx:
            sync.state.links.archive(tx, list(by_item))
