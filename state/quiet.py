"""Tells whether nothing is under way, waits or fails in a database: then only news can change how a subject is."""

from __future__ import annotations

from db_connector import Transaction

IS_QUIET = """
select not (
    exists (
        select from sync_runs
        where finished_at is null and kind is distinct from 'live' and started_at > now() - interval '7 days'
    )
    or exists (select from sync_inbox where done_at is null and next_try_at is distinct from 'infinity')
    or exists (select from sync_outbox)
    or exists (select from sync_mapping where next_try_at is not null)
    or exists (select from sync_skipped where next_try_at is not null)
    or exists (select from sync_intents)
    or exists (select from sync_alerts where state <> 'ok' or told <> 'ok')
    or (%(delivers)s and exists (select from sync_alert_deliveries where state in ('waiting', 'sending')))
)
"""


def is_quiet(tx: Transaction, delivers: bool) -> bool:
    """Returns whether nothing is under way, waits or fails; a message waits only for a process that delivers."""
    return bool(tx.value(IS_QUIET, {"delivers": delivers}))
