"""Lists the versions of the API that are served, and what the older versions lack."""

from __future__ import annotations

import re

CURRENT, MAINTENANCE = "2026-10", "2026-07"
VERSIONS = {
    "2025-04": "old_previous_maintenance",
    "2025-07": "old_previous_maintenance",
    "2025-10": "old__maintenance",
    "2026-01": "old__maintenance",
    "2026-04": "previous_maintenance",
    MAINTENANCE: "maintenance",
    CURRENT: "current",
    "2027-01": "release_candidate",
}
VERSION_FORM = re.compile(r"\d{4}-\d{2}\Z")

# What older versions do not have yet. Everything not named here is in all of them.
SINCE: dict[str, dict[str, list[str]]] = {
    "2025-10": {"Column": ["settings", "revision", "capabilities"], "Board": ["hierarchy_type"]},
    "2026-01": {"Column": ["width"], "Account": ["is_during_trial", "is_trial_expired"]},
    "2026-07": {
        "Mutation": ["ingest_items", "backfill_items", "bulk_archive_items", "bulk_delete_items"],
        "Query": ["fetch_job_status", "job_status", "status"],  # the last is the argument of `users`
        "User": ["status"],
    },
    "2026-10": {
        "Team": ["created_at"],
        "DependencyValue": ["dependency_links"],
        "DailyLimit": ["addon"],
    },
}
TYPES_SINCE = {"2026-10": ["DependencyLink", "DailyLimitAddon"]}

# What newer versions do not have any more.
UNTIL: dict[str, dict[str, list[str]]] = {
    "2026-10": {
        "User": [
            *("photo_original", "photo_thumb", "photo_thumb_small", "photo_tiny", "photo_small"),
            *("is_guest", "is_admin", "is_view_only", "is_pending", "enabled", "is_verified", "join_date"),
            *("encrypt_api_token", "sign_up_product_kind"),
        ],
    },
}


def version_for(wanted: str | None) -> str | None:
    """Finds the version that answers a request; None when what was asked for is no version."""
    if not wanted or wanted in VERSIONS:
        return wanted or CURRENT
    # not of the form YYYY-MM
    if not VERSION_FORM.match(wanted):
        return None
    # no longer served, or not yet
    return MAINTENANCE if wanted < min(VERSIONS) else CURRENT


def missing_in(version: str) -> set[tuple[str, str]]:
    """Lists the types and members that a version does not have: not yet, or not any more."""
    later = [types for since, types in SINCE.items() if version < since]
    gone = [types for until, types in UNTIL.items() if version >= until]
    return {
        (type_name, member) for types in (*later, *gone) for type_name, members in types.items() for member in members
    }


def types_missing_in(version: str) -> set[str]:
    """Lists the types that a version does not have yet."""
    return {name for since, names in TYPES_SINCE.items() if version < since for name in names}
