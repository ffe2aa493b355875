"""Resolves the account: people, teams, tags, workspaces, versions, complexity, daily calls."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sandbox.common.clock import iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Tag, Team, User, Workspace
from sandbox.monday.account.world import Account
from sandbox.monday.graph.call import Id, Info, numbers
from sandbox.monday.graph.versions import VERSIONS
from sandbox.monday.resolvers.fields import Fields
from sandbox.monday.resolvers.paging import paged

USERS_PER_PAGE = 1_000


def users(
    root: None,
    info: Info,
    ids: list[Id] | None = None,
    name: str | None = None,
    emails: list[str] | None = None,
    status: list[str] | None = None,
    limit: int | None = 200,
    page: int | None = 1,
    kind: str | None = None,
    non_active: bool = False,
    newest_first: bool = False,
) -> list[User]:
    states = ["INACTIVE"] if non_active else status or ["ACTIVE", "PENDING"]
    wanted, addresses = numbers(ids), {email.casefold() for email in emails or ()}
    rows = [
        user
        for user in info.context.world.users.values()
        if user.status in states
        and (wanted is None or user.id in wanted)
        and (not name or name.casefold() in user.name.casefold())
        and (emails is None or user.email.casefold() in addresses)
        and not (kind == "guests" and user.kind != "guest")
        and not (kind == "non_guests" and user.kind == "guest")
    ]
    rows.sort(key=lambda user: user.id, reverse=newest_first)
    return paged(rows, 200 if limit is None else limit, page or 1, USERS_PER_PAGE)


def workspaces(
    root: None, info: Info, ids: list[Id] | None = None, limit: int | None = 25, page: int | None = 1, **_: object
) -> list[Workspace]:
    wanted = numbers(ids)
    rows = [space for space in info.context.world.workspaces.values() if wanted is None or space.id in wanted]
    return paged(rows, limit or 25, page or 1, 100)


def teams(root: None, info: Info, ids: list[Id] | None = None) -> list[Team]:
    wanted = numbers(ids)
    return [team for team in info.context.world.teams.values() if wanted is None or team.id in wanted]


def tags(root: None, info: Info, ids: list[Id] | None = None) -> list[Tag]:
    wanted = numbers(ids)
    return [tag for tag in info.context.world.tags.values() if wanted is None or tag.id in wanted]


def version_row(value: str) -> dict[str, str]:
    kind = VERSIONS[value]
    return {"value": value, "kind": kind, "display_name": f"{value} ({kind.replace('_', ' ').strip()})"}


def teams_of(user: User, info: Info, ids: list[Id] | None = None) -> list[Team]:
    return [team for team in teams(None, info, ids) if user.id in team.user_ids]


def members_of(team: Team, info: Info, ids: list[Id] | None = None, **_: object) -> list[User]:
    wanted = numbers(ids)
    found = (info.context.world.users.get(number) for number in team.user_ids)
    return [user for user in found if user is not None and (wanted is None or user.id in wanted)]


def owners_of(team: Team, info: Info, ids: list[Id] | None = None) -> list[User]:
    return members_of(team, info, ids)[:1]


def hours_from_utc(user: User, info: Info) -> float:
    moment = datetime.fromtimestamp(info.context.world.clock.now(), ZoneInfo(user.time_zone))
    offset = moment.utcoffset()
    return offset.total_seconds() / 3600 if offset else 0.0


def plan_of(account: Account, info: Info) -> JsonObject:
    return {"max_users": 25, "period": "yearly", "tier": account.tier, "version": 4}


def active_members(account: Account, info: Info) -> int:
    return sum(user.status == "ACTIVE" for user in info.context.world.users.values())


def user_url(user: User, info: Info) -> str:
    return f"{info.context.world.account.url}/users/{user.id}"


def platform_api(root: None, info: Info) -> JsonObject:
    call = info.context
    meter, now = call.service.meter, call.world.clock.now()
    by_day = [{"day": day, "usage": int(count)} for day, count in meter.days.items()]
    by_user = [{"user": call.user, "usage": int(sum(meter.days.values()))}]
    return {
        "daily_limit": {"base": meter.plan.calls_per_day, "total": meter.plan.calls_per_day, "addon": None},
        "daily_analytics": {"last_updated": iso(now), "by_day": by_day, "by_user": by_user},
    }


NULL_OF_USER = (
    *("photo_original", "photo_thumb", "photo_thumb_small", "photo_tiny", "photo_small"),
    *("encrypt_api_token", "sign_up_product_kind"),
)

ACCOUNT_FIELDS: Fields = {
    "Query": {
        "account": lambda root, info: info.context.world.account,
        "me": lambda root, info: info.context.user,
        "users": users,
        "teams": teams,
        "tags": tags,
        "workspaces": workspaces,
        "version": lambda root, info: version_row(info.context.version),
        "versions": lambda root, info: [version_row(value) for value in VERSIONS],
        "complexity": lambda root, info: info.context.cost,
        "platform_api": platform_api,
    },
    "Mutation": {"complexity": lambda root, info: info.context.cost},
    "Account": {
        "id": lambda account, info: str(account.id),
        "plan": plan_of,
        "active_members_count": active_members,
        "created_at": lambda account, info: "2024-01-01",
        "is_during_trial": lambda account, info: False,
        "is_trial_expired": lambda account, info: False,
        "logo": lambda account, info: None,
        "show_timeline_weekends": lambda account, info: True,
    },
    "User": {
        "id": lambda user, info: str(user.id),
        "account": lambda user, info: info.context.world.account,
        "account_id": lambda user, info: str(info.context.world.account.id),
        "birthday": lambda user, info: None,
        "country_code": lambda user, info: "US",
        "created_at": lambda user, info: iso(user.created_at),
        "current_language": lambda user, info: "en",
        "is_deleted": lambda user, info: user.status == "INACTIVE",
        "is_email_confirmed": lambda user, info: True,
        "last_activity": lambda user, info: None,
        "mobile_phone": lambda user, info: user.phone,
        "photo_url": lambda user, info: None,
        "teams": teams_of,
        "time_zone_identifier": lambda user, info: user.time_zone,
        "utc_hours_diff": hours_from_utc,
        "url": user_url,
        # The fields that 2026-10 took away.
        "enabled": lambda user, info: user.status != "INACTIVE",
        "is_admin": lambda user, info: user.kind == "admin",
        "is_guest": lambda user, info: user.kind == "guest",
        "is_pending": lambda user, info: user.status == "PENDING",
        "is_verified": lambda user, info: True,
        "is_view_only": lambda user, info: user.kind == "view_only",
        "join_date": lambda user, info: iso(user.created_at)[:10],
        **{name: lambda user, info: None for name in NULL_OF_USER},
    },
    "Team": {
        "id": lambda team, info: str(team.id),
        "created_at": lambda team, info: iso(team.created_at),
        "is_guest": lambda team, info: False,
        "owners": owners_of,
        "picture_url": lambda team, info: None,
        "users": members_of,
    },
    "Tag": {"id": lambda tag, info: str(tag.id)},
    "Workspace": {
        "id": lambda space, info: str(space.id),
        "created_at": lambda space, info: iso(space.created_at),
        "description": lambda space, info: None,
        "is_default_workspace": lambda space, info: space.is_default,
        "state": lambda space, info: "active",
    },
}
