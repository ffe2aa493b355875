"""Answers the calls of the account: workspaces, members, teams, solutions."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Answer
from sandbox.smartsuite.account.models import Member, Solution
from sandbox.smartsuite.calls.call import Call, answered
from sandbox.smartsuite.errors import detail, not_found

LARGEST_PAGE = 1_000


def accounts(call: Call) -> Answer:
    return answered(
        [{"id": 1, "slug": call.world.account_id, "name": "Sandbox", "plan": "professional", "metrics": {}}]
    )


def current_member(call: Call) -> Answer:
    return answered(shown_member(call.member))


def list_members(call: Call) -> Answer:
    return paged(call, [shown_member(member) for member in call.world.members.values()])


def list_teams(call: Call) -> Answer:
    return paged(call, [])


def paged(call: Call, rows: list[JsonObject]) -> Answer:
    offset, limit = call.whole_number("offset", 0), call.whole_number("limit", LARGEST_PAGE)
    page = rows[offset : offset + limit]
    return answered({"items": page, "total": len(rows), "offset": offset, "limit": limit, "time": 0.0})


def list_solutions(call: Call) -> Answer:
    seen = [solution for solution in call.world.solutions.values() if not solution.hidden]
    return answered([shown_solution(solution, call) for solution in seen])


def get_solution(call: Call) -> Answer:
    solution = call.world.solutions.get(call.named["solution"])
    if solution is None:
        raise not_found()
    if solution.hidden:
        raise detail(403, "You do not have permission to perform this action.")
    return answered(shown_solution(solution, call))


def shown_solution(solution: Solution, call: Call) -> JsonObject:
    tables = [table for table in call.world.tables.values() if table.solution == solution.id]
    return {
        "id": solution.id,
        "name": solution.name,
        "slug": solution.slug,
        "hidden": solution.hidden,
        "status": "in_development",
        "records_count": sum(len(table.active()) for table in tables),
        "members_count": len(call.world.members),
        "applications_count": len(tables),
        "automation_count": 0,
        "permissions": {"level": "all_members", "members": [], "teams": [], "owners": []},
        "delete_date": None,
        "deleted_by": None,
    }


def shown_member(member: Member) -> JsonObject:
    name = {"first_name": member.first_name, "last_name": member.last_name, "sys_root": member.name}
    return {
        "id": member.id,
        "full_name": name,
        "email": [member.email],
        "timezone": "UTC",
        "role": member.role,
        "status": {"value": "1"},
        "teams": [],
        "deleted_date": {"date": None, "include_time": False},
    }
