"""Remembers how each subject is, its silence, and its messages: the tables whose names begin with `sync_alert`."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from db_connector import Transaction

OK, LATE, FAILING = "ok", "late", "failing"
ALL = "all"
"""The subject of a silence that covers every subject."""
LOST_AFTER_S = 120
"""Seconds after which the process that claimed a message has died, or the channel will not answer it any more."""
GIVE_UP_DAYS = 3
"""Days after which a message that no channel takes is given up."""
ADOPT_WITHIN_DAYS = 1
"""Days that a message waits for a process that knows a channel."""


class Alert(Struct, frozen=True):
    """Holds how one subject is by one rule."""

    subject: str
    rule: str
    state: str = OK
    since: datetime | None = None
    """When it began to be as it is."""
    seen: int = 0
    """How many times in a row it was found bad."""
    sentence: str = ""
    passing: bool = False
    command: str = ""
    told: str = OK
    told_at: datetime | None = None
    recovered_at: datetime | None = None
    flaps: int = 0
    """How often it has recovered lately."""


class Message(Struct, frozen=True):
    """Holds a message about a subject."""

    subject: str
    rule: str
    kind: str
    title: str
    body: str


class Claimed(Struct, frozen=True):
    """Holds a message that this process alone may send."""

    id: int
    channel: str
    title: str
    body: str


# Subjects

LOCK = "select pg_advisory_xact_lock(hashtextextended('monday-sync:alerts', 0))"

KNOWN = """
select subject, rule, state, since, seen, sentence, passing, command, told, told_at, recovered_at, flaps
from sync_alerts
order by subject, rule
"""

KEEP = """
insert into sync_alerts as a (
    subject, rule, state, since, seen, sentence, passing, command, told, told_at, recovered_at, flaps
)
values (
    %(subject)s, %(rule)s, %(state)s, %(since)s, %(seen)s, %(sentence)s, %(passing)s, %(command)s, %(told)s, %(told_at)s,
    %(recovered_at)s, %(flaps)s
)
on conflict (subject, rule) do update
set state = excluded.state, since = excluded.since, seen = excluded.seen, sentence = excluded.sentence,
    passing = excluded.passing, command = excluded.command, told = excluded.told, told_at = excluded.told_at,
    recovered_at = excluded.recovered_at, flaps = excluded.flaps, checked_at = now()
"""


def hold(tx: Transaction, wait_s: float) -> datetime:
    """Keeps other processes from judging until the end of the transaction. Returns the time of PostgreSQL."""
    tx.execute(f"set local lock_timeout = '{wait_s * 1000:.0f}ms'")
    tx.execute(LOCK)
    # the time of the transaction is that of its beginning, before it waited
    now: datetime = tx.value("select clock_timestamp()")
    return now


def known(tx: Transaction) -> list[Alert]:
    """Returns how all subjects were when they were last judged."""
    return [Alert(**row) for row in tx.dicts(KNOWN)]


def keep(tx: Transaction, alert: Alert) -> None:
    """Remembers how a subject is."""
    tx.execute(KEEP, asdict(alert))


def forget_rules(tx: Transaction, rules: Sequence[str]) -> None:
    """Forgets what was judged by rules that are switched off."""
    tx.execute("delete from sync_alerts where rule = any(%s)", (list(rules),))


def count_failing(tx: Transaction) -> int:
    """Counts the subjects of which something fails."""
    return int(tx.value("select count(distinct subject) from sync_alerts where state = 'failing'"))


# Silences


def silence(tx: Transaction, subject: str, seconds: float) -> datetime | None:
    """Sends no message about a subject for so long; with 0 seconds, ends its silence. Returns until when."""
    if seconds <= 0:
        tx.execute("delete from sync_alert_silences where subject = %s", (subject,))
        return None
    until: datetime = tx.value(
        """
        insert into sync_alert_silences (subject, until)
        values (%s, now() + make_interval(secs => %s))
        on conflict (subject) do update
        set until = excluded.until
        returning until
        """,
        (subject, seconds),
    )
    return until


def silences(tx: Transaction) -> dict[str, datetime]:
    """Returns until when each subject is silent, and drops what is over."""
    return dict(tx.rows("select subject, until from sync_alert_silences where until > clock_timestamp()"))


# Messages

ADD = """
insert into sync_alert_deliveries (subject, rule, kind, title, body)
values (%(subject)s, %(rule)s, %(kind)s, %(title)s, %(body)s)
"""

IS_DUE = """
select exists (
    select from sync_alert_deliveries
    where (state = 'waiting' and next_try_at <= now())
       or (state = 'sending' and claimed_at < now() - make_interval(secs => %(lost_after)s))
)
"""

ADOPT = """
with for_all as (
    delete from sync_alert_deliveries
    where channel is null and created_at > now() - make_interval(days => %(days)s)
    returning subject, rule, kind, title, body, created_at, id
)
insert into sync_alert_deliveries (subject, rule, kind, title, body, created_at, channel)
select m.subject, m.rule, m.kind, m.title, m.body, m.created_at, c.name
from for_all as m
cross join unnest(%(channels)s::text[]) as c (name)
-- what is wrong with a channel is told by the others
where c.name <> m.subject
order by m.id, c.name
"""

LOSE = """
update sync_alert_deliveries
set state = 'unknown', answered_at = now(),
    answer = 'the process that sent it ended before there was an answer: it may have been taken, and is not sent again'
where state = 'sending' and claimed_at < now() - make_interval(secs => %(lost_after)s)
"""

GIVE_UP = """
update sync_alert_deliveries
set state = 'given up', answer = coalesce(answer, 'no process knows this channel')
where state = 'waiting' and created_at < now() - make_interval(days => %(days)s)
"""

CLAIM = """
update sync_alert_deliveries
set state = 'sending', attempts = attempts + 1, claimed_at = now(), claimed_by = %(by)s
where id = (
    select d.id
    from sync_alert_deliveries as d
    where d.state = 'waiting' and d.channel = any(%(channels)s) and d.next_try_at <= now()
      -- messages about one subject come in order
      and not exists (
          select from sync_alert_deliveries as earlier
          where earlier.channel = d.channel and earlier.subject = d.subject and earlier.rule = d.rule
            and earlier.id < d.id and earlier.state in ('waiting', 'sending')
      )
    order by d.id
    limit 1
    for update skip locked
)
returning id, channel, title, body
"""

NOTE = """
update sync_alert_deliveries
set state = %(state)s, answer = %(answer)s, answered_at = now(),
    -- growing pauses: half a minute, and at most an hour
    next_try_at = now() + make_interval(secs => least(30 * 2 ^ least(attempts - 1, 10), 3600))
where id = %(id)s and claimed_by = %(by)s and state in ('sending', 'unknown')
"""

CHANNELS = """
select channel,
       max(answered_at) as answered_at,
       (array_agg(state order by answered_at desc nulls last, id desc))[1] as state,
       (array_agg(answer order by answered_at desc nulls last, id desc))[1] as answer,
       count(*) filter (where state in ('waiting', 'sending')) as waiting,
       coalesce(max(attempts) filter (where state = 'waiting'), 0) as failures,
       min(created_at) filter (where state = 'waiting' and attempts > 0) as failing_since,
       count(*) filter (where state = 'unknown') as unknown,
       max(answered_at) filter (where state = 'delivered') as delivered_at
from sync_alert_deliveries
where channel is not null and created_at > now() - interval '7 days'
group by channel
order by channel
"""

LAST = """
select id, subject, rule, kind, title, body, channel, state, attempts, next_try_at, answer, answered_at, created_at
from sync_alert_deliveries
order by id desc
limit %s
"""


def this_process() -> str:
    """Returns the name by which this process claims."""
    return f"{socket.gethostname()}:{os.getpid()}"


def add(tx: Transaction, message: Message) -> None:
    """Keeps a message, to be delivered to all channels."""
    tx.execute(ADD, asdict(message))


def has_waiting(tx: Transaction, alert: Alert) -> bool:
    """Returns whether a message about it has not been delivered yet."""
    return bool(
        tx.value(
            """
            select exists (
                select from sync_alert_deliveries
                where subject = %s and rule = %s and state in ('waiting', 'sending')
            )
            """,
            (alert.subject, alert.rule),
        )
    )


def is_due(tx: Transaction) -> bool:
    """Returns whether there is a message to be sent, or one that was lost with its process."""
    return bool(tx.value(IS_DUE, {"lost_after": LOST_AFTER_S}))


def prepare(tx: Transaction, channels: Sequence[str]) -> None:
    """Makes a row of each channel of new messages, and closes what was lost or has waited for too long."""
    tx.execute(LOSE, {"lost_after": LOST_AFTER_S})
    tx.execute(GIVE_UP, {"days": GIVE_UP_DAYS})
    if channels:
        tx.execute(ADOPT, {"channels": list(channels), "days": ADOPT_WITHIN_DAYS})


def claim(tx: Transaction, channels: Sequence[str]) -> Claimed | None:
    """Takes the next message that is due for one of these channels; no other process can take it too."""
    row = tx.row(CLAIM, {"channels": list(channels), "by": this_process()})
    return Claimed(*row) if row else None


def note(tx: Transaction, message: Claimed, state: str, answer: str) -> None:
    """Keeps the answer to a message. In the state `waiting` it is sent again, after a pause."""
    tx.execute(NOTE, {"id": message.id, "by": this_process(), "state": state, "answer": answer})


def add_test(tx: Transaction, channel: str, title: str, state: str, answer: str) -> None:
    """Keeps how a channel took a test. When it did, the messages that wait for it are due."""
    tx.execute(
        """
        insert into sync_alert_deliveries (subject, rule, kind, title, body, channel, state, attempts, answer, answered_at)
        values ('test', 'test', 'test', %(title)s, '', %(channel)s, %(state)s, 1, %(answer)s, clock_timestamp())
        """,
        {"channel": channel, "title": title, "state": state, "answer": answer},
    )
    if state == "delivered":
        tx.execute(
            "update sync_alert_deliveries set next_try_at = now() where state = 'waiting' and channel = %s", (channel,)
        )


def channels(tx: Transaction) -> list[dict[str, Any]]:
    """Returns how each channel has answered lately."""
    return tx.dicts(CHANNELS)


def last(tx: Transaction, limit: int) -> list[dict[str, Any]]:
    """Returns the last messages, newest first."""
    return tx.dicts(LAST, (limit,))
