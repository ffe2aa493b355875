"""Checks for `doctor` what reaches the tool between runs: webhooks, the way to them, and the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial

from mappings.declaration import Mapping
from realtime.probe import Probe
from realtime.subscriptions import Subscriptions
from services.monday.webhook_signatures import Access
from state.values import daemon_key, value_of, watermark
from sync.cycle import TO_POSTGRES
from sync.operating.check import Check, Seen, note, ok, unseen, warning
from sync.operating.examined import Examined
from timing import duration
from values.wording import minute_text, plural

WORK = "at work"
STALE = timedelta(minutes=5)
PROBE_S = 2.0


def checks(examined: Examined) -> list[Check]:
    """Returns the checks of webhooks, entity by entity, and of the daemon."""
    found = []
    for mapping, board_id in examined.with_boards():
        if mapping.direction in TO_POSTGRES and not mapping.subitems_of:
            slug, needs = f"webhooks.{mapping.entity}", (f"board.{mapping.entity}", "pg.schema")
            found.append(Check(slug, mapping.entity, partial(_webhooks, examined, mapping, board_id), needs))
    return [
        *found,
        Check("webhooks.path", WORK, partial(_path, examined), ("pg.schema",)),
        Check("work.daemon", WORK, partial(_daemon, examined), ("pg.schema",)),
    ]


def _webhooks(examined: Examined, mapping: Mapping, board_id: str) -> Iterator[Seen]:
    settings = examined.settings
    if not settings.webhook_base_url:
        yield ok("no webhooks wanted (WEBHOOK_BASE_URL is not set)")
        return
    gate = Access(settings.webhook_secret, [board_id])
    kept = Subscriptions(
        examined.database(), examined.client(), gate, settings.webhook_address, examined.mappings().values()
    )
    steps = kept.plan(mapping, board_id)
    there = [step.event for step in steps if step.action == "keep"]
    missing = [step.event for step in steps if step.action == "create"]
    strange = [step for step in steps if step.action == "foreign"]
    old = [step for step in steps if step.action == "delete"]
    if missing:
        told = f"{len(missing)} of {plural(len(missing) + len(there), 'webhook')} are missing: {', '.join(missing)}."
        yield warning(told, "python main.py webhooks repair", mapping.entity)
    else:
        yield ok(f"webhooks {len(there)} of {len(there)}")
    if old:
        told = f"{plural(len(old), 'webhook')} of the tool's lead to another address, or are not needed."
        yield warning(told, "python main.py webhooks repair", mapping.entity)
    if strange:
        told = f"{plural(len(strange), 'webhook')} of another program: {', '.join(step.id or '' for step in strange)}."
        yield note(told, "python main.py webhooks list", mapping.entity)


def _path(examined: Examined) -> Iterator[Seen]:
    """Sends an event to the public address, as monday.com would, and follows it to the worker."""
    settings = examined.settings
    boards = [board_id for mapping, board_id in examined.with_boards() if mapping.direction in TO_POSTGRES]
    if not settings.webhook_base_url or not boards:
        yield unseen("no webhooks are wanted (WEBHOOK_BASE_URL is not set)")
        return
    gate = Access(settings.webhook_secret, boards)
    passed = 0
    for stage in Probe(settings.webhook_address, gate, examined.database(), boards[0], PROBE_S).stages():
        if not stage.ok:
            told = f"An event of monday.com does not come through: it could not {stage.name}, {stage.told}."
            yield warning(told, stage.hint, "WEBHOOK_BASE_URL")
            return
        passed += 1
    yield ok(f"an event passes all {passed} stages")


def _daemon(examined: Examined) -> Iterator[Seen]:
    """Says when a daemon last took the events of each entity."""
    chosen = [mapping for mapping, _ in examined.with_boards() if mapping.direction in TO_POSTGRES]
    with examined.database().transaction(read_only=True) as tx:
        found = {mapping.entity: watermark(value_of(tx, daemon_key(mapping.entity))) for mapping in chosen}
    now = datetime.now(timezone.utc)
    seen = {entity: at for entity, at in found.items() if at is not None}
    stale = {entity: at for entity, at in seen.items() if now - at > STALE}
    for entity, at in stale.items():
        told = f"The daemon has not taken events of {entity} since {minute_text(at)}."
        yield warning(told, "python main.py webhook", entity)
    wanted = examined.settings.webhook_base_url
    if not seen and wanted:
        yield warning("No daemon has ever run, and WEBHOOK_BASE_URL is set.", "python main.py webhook")
    elif not seen:
        yield ok("no daemon has run")
    elif not stale:
        yield ok(f"the daemon lives ({duration((now - min(seen.values())).total_seconds())} ago)")
