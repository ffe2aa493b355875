"""Resolvers of the account: people, teams, tags, workspaces, versions, complexity, daily calls, jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.call import numbers
from sandbox.clock import iso
from sandbox.errors import bad_argument
from sandbox.models import Team, User
from sandbox.reading_items import call_of, paged
from sandbox.schema import CURRENT, MAINTENANCE

USERS_PER_PAGE = 1_000
VERSIONS = (
    ("2025-04", "old_previous_maintenance"), ("2025-07", "old_previous_maintenance"),
    ("2025-10", "old__maintenance"), ("2026-01", "old__maintenance"), ("2026-04", "previous_maintenance"),
    (MAINTENANCE, "maintenance"), (CURRENT, "current"), ("2027-01", "release_candidate"),
)


def users(_: Any, info: Any, ids: list[Any] | None = None, name: str | None = None, emails: list[str] | None = None,
          status: list[str] | None = None, limit: int | None = 200, page: int | None = 1, kind: str | None = None,
          non_active: bool = False, newest_first: bool = False, **__: Any) -> list[User]:
    states = ["INACTIVE"] if non_active else status or ["ACTIVE", "PENDING"]
    wanted, addresses = numbers(ids), {e.casefold() for e in emails or ()}
    rows = [
        u for u in call_of(info).world.users.values()
        if u.status in states and (wanted is None or u.id in wanted)
        and (not name or name.casefold() in u.name.casefold()) and (emails is None or u.email.casefold() in addresses)
        and not (kind == "guests" and u.kind != "guest" or kind == "non_guests" and u.kind == "guest")
    ]
    rows.sort(key=lambda u: u.id, reverse=newest_first)
    return paged(rows, 200 if limit is None else limit, page or 1, USERS_PER_PAGE)


def workspaces(_: Any, info: Any, ids: list[Any] | None = None, limit: int | None = 25, page: int | None = 1,
               **__: Any) -> list[Any]:
    wanted = numbers(ids)
    rows = [w for w in call_of(info).world.workspaces.values() if wanted is None or w.id in wanted]
    return paged(rows, limit or 25, page or 1, 100)


def by_ids(holder: str) -> Any:
    def rows(_: Any, info: Any, ids: list[Any] | None = None) -> list[Any]:
        wanted = numbers(ids)
        return [x for x in getattr(call_of(info).world, holder).values() if wanted is None or x.id in wanted]

    return rows


def version_row(value: str) -> dict[str, str]:
    kind = dict(VERSIONS)[value]
    return {"value": value, "kind": kind, "display_name": f"{value} ({kind.replace('_', ' ').strip()})"}


def teams_of(user: User, info: Any, ids: list[Any] | None = None) -> list[Team]:
    wanted = numbers(ids)
    return [t for t in call_of(info).world.teams.values()
            if user.id in t.user_ids and (wanted is None or t.id in wanted)]


def members_of(team: Team, info: Any, ids: list[Any] | None = None, **_: Any) -> list[User]:
    wanted = numbers(ids)
    found = (call_of(info).world.users.get(n) for n in team.user_ids)
    return [u for u in found if u is not None and (wanted is None or u.id in wanted)]


def hours_from_utc(user: User, info: Any) -> float:
    moment = datetime.fromtimestamp(call_of(info).world.clock.now(), ZoneInfo(user.time_zone))
    offset = moment.utcoffset()
    return offset.total_seconds() / 3600 if offset else 0.0


def platform_api(_: Any, info: Any) -> dict[str, Any]:
    call = call_of(info)
    meter, now = call.service.meter, call.world.clock.now()
    by_day = [{"day": day, "usage": int(count)} for day, count in meter.days.items()]
    return {
        "daily_limit": {"base": meter.plan.calls_per_day, "total": meter.plan.calls_per_day},
        "daily_analytics": {"last_updated": iso(now), "by_day": by_day,
                            "by_user": [{"user": call.user, "usage": int(sum(meter.days.values()))}]},
    }


def fetch_job_status(_: Any, info: Any, job_id: str) -> dict[str, Any]:
    job = call_of(info).service.imports.status(job_id)
    if job is None:
        raise bad_argument("Job not found", job_id=job_id)
    return job


def job_status(_: Any, info: Any, job_id: str) -> dict[str, Any]:
    job = call_of(info).service.imports.bulk_jobs.get(job_id)
    if job is None:
        raise bad_argument("Job not found", job_id=job_id)
    return job


ACCOUNT_FIELDS: dict[str, dict[str, Any]] = {
    "Query": {
        "account": lambda _, i: call_of(i).world.account, "me": lambda _, i: call_of(i).user, "users": users,
        "teams": by_ids("teams"), "tags": by_ids("tags"), "workspaces": workspaces,
        "version": lambda _, i: version_row(call_of(i).version),
        "versions": lambda _, i: [version_row(value) for value, _kind in VERSIONS],
        "complexity": lambda _, i: call_of(i).cost, "platform_api": platform_api,
        "fetch_job_status": fetch_job_status, "job_status": job_status,
    },
    "Mutation": {"complexity": lambda _, i: call_of(i).cost},
    "Account": {
        "id": lambda a, i: str(a.id), "plan": lambda a, i: {"max_users": 25, "period": "yearly", "tier": a.tier,
                                                           "version": 4},
        "active_members_count": lambda a, i: sum(u.status == "ACTIVE" for u in call_of(i).world.users.values()),
        "created_at": lambda a, i: "2024-01-01", "is_during_trial": lambda a, i: False,
        "is_trial_expired": lambda a, i: False, "logo": lambda a, i: None,
        "show_timeline_weekends": lambda a, i: True,
    },
    "User": {
        "id": lambda u, i: str(u.id), "account": lambda u, i: call_of(i).world.account,
        "account_id": lambda u, i: str(call_of(i).world.account.id), "birthday": lambda u, i: None,
        "country_code": lambda u, i: "US", "created_at": lambda u, i: iso(u.created_at),
        "current_language": lambda u, i: "en", "is_deleted": lambda u, i: u.status == "INACTIVE",
        "is_email_confirmed": lambda u, i: True, "last_activity": lambda u, i: None,
        "mobile_phone": lambda u, i: u.phone, "photo_url": lambda u, i: None, "teams": teams_of,
        "time_zone_identifier": lambda u, i: u.time_zone, "utc_hours_diff": hours_from_utc,
        "url": lambda u, i: f"https://{call_of(i).world.account.slug}.monday.com/users/{u.id}",
    },
    "Team": {
        "id": lambda t, i: str(t.id), "created_at": lambda t, i: iso(t.created_at), "is_guest": lambda t, i: False,
        "owners": lambda t, i, ids=None: members_of(t, i, ids)[:1], "picture_url": lambda t, i: None,
        "users": members_of,
    },
    "Tag": {"id": lambda t, i: str(t.id)},
    "Workspace": {
        "id": lambda w, i: str(w.id), "created_at": lambda w, i: iso(w.created_at), "description": lambda w, i: None,
        "is_default_workspace": lambda w, i: w.is_default, "state": lambda w, i: "active",
    },
}
