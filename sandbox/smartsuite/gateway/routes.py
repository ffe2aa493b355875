"""Names each call with its method and its path below `/api/v1/`."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from sandbox.common.wire import Answer
from sandbox.smartsuite.calls import account, bulk, records, recycle_bin, tables
from sandbox.smartsuite.calls.call import Call
from sandbox.smartsuite.errors import detail, not_found

Action = Callable[[Call], Answer]
TABLE, RECORDS = "applications/{table}/", "applications/{table}/records/"


class Route(Struct, frozen=True):
    method: str
    path: str
    name: str
    action: Action

    def named(self, path: str) -> dict[str, str] | None:
        """Returns the parts of a path that vary; None when it is another path."""
        wanted, parts = self.path.split("/"), path.split("/")
        if len(wanted) != len(parts):
            return None
        found = {}
        for pattern, part in zip(wanted, parts):
            if pattern.startswith("{") and part:
                found[pattern[1:-1]] = part
            elif pattern != part:
                return None
        return found


ROUTES = (
    Route("GET", "accounts/", "accounts", account.accounts),
    Route("GET", "current-member/", "current_member", account.current_member),
    Route("POST", "members/list/", "members/list", account.list_members),
    Route("POST", "teams/list/", "teams/list", account.list_teams),
    Route("GET", "solutions/", "solutions/list", account.list_solutions),
    Route("GET", "solutions/{solution}/", "solutions/get", account.get_solution),
    Route("GET", "applications/", "tables/list", tables.list_tables),
    Route("POST", "applications/", "tables/create", tables.create_table),
    Route("GET", TABLE, "tables/get", tables.get_table),
    Route("PATCH", TABLE, "tables/rename", tables.rename_table),
    Route("POST", f"{TABLE}add_field/", "fields/add", tables.add_field),
    Route("POST", f"{TABLE}bulk-add-fields/", "fields/add_many", tables.add_fields),
    Route("POST", f"{TABLE}bulk_add_fields/", "fields/add_many", tables.add_fields),
    Route("PUT", f"{TABLE}change_field/", "fields/change", tables.change_field),
    Route("POST", f"{TABLE}delete_field/", "fields/delete", tables.delete_field),
    # the words before the ids
    Route("POST", f"{RECORDS}list/", "records/list", records.list_records),
    Route("POST", f"{RECORDS}bulk/", "bulk/create", bulk.create_many),
    Route("PATCH", f"{RECORDS}bulk/", "bulk/update", bulk.update_many),
    Route("PUT", f"{RECORDS}bulk/", "bulk/replace", bulk.replace_many),
    Route("DELETE", f"{RECORDS}bulk/", "bulk/delete", bulk.delete_many),
    Route("PATCH", f"{RECORDS}bulk_delete/", "bulk/delete", bulk.delete_many),
    Route("POST", RECORDS, "records/create", records.create_record),
    Route("GET", f"{RECORDS}{{record}}/", "records/get", records.get_record),
    Route("PATCH", f"{RECORDS}{{record}}/", "records/update", records.update_record),
    Route("PUT", f"{RECORDS}{{record}}/", "records/replace", records.replace_record),
    Route("DELETE", f"{RECORDS}{{record}}/", "records/delete", records.delete_record),
    Route("POST", f"{RECORDS}{{record}}/restore/", "records/restore", records.restore_record),
    Route("POST", "deleted-records/", "deleted/list", recycle_bin.list_deleted),
    Route("POST", "deleted-records/paginated/", "deleted/pages", recycle_bin.page_of_deleted),
)
READING = {"records/list", "members/list", "teams/list", "deleted/list", "deleted/pages"}
"""Calls that are sent by POST and change nothing."""


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Finds the route of a path below the base. Raises Refusal."""
    known = False
    for route in ROUTES:
        named = route.named(path)
        if named is not None:
            if route.method == method:
                return route, named
            known = True
    if known:
        raise detail(405, f'Method "{method}" not allowed.')
    raise not_found()


def is_known(path: str) -> bool:
    return any(route.named(path) is not None for route in ROUTES)


def reads(route: Route) -> bool:
    return route.method == "GET" or route.name in READING
