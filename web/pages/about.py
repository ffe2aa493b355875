"""Shows what the tool runs by: versions, which settings are set and where, how large its tables are."""

from __future__ import annotations

import platform

from flask import Blueprint, Response

from settings import NAMES, read_settings
from state.runs import calls_today
from state.schema import SCHEMA
from web.answers import shown, site

pages = Blueprint("about", __name__)

SIZES = """
select relname as name, greatest(reltuples, 0)::bigint as rows, pg_total_relation_size(oid) as bytes
from pg_class
where relname like 'sync\\_%%' and relkind = 'r' and relnamespace = current_schema()::regnamespace
order by 3 desc
"""


@pages.get("/about")
def about() -> Response:
    """Shows versions, settings without their values, sizes, and the calls of today."""
    reading = read_settings()
    with site().reading() as tx:
        server = tx.value("select current_setting('server_version')")
        sizes = tx.dicts(SIZES, {})
        today = calls_today(tx)
    data = {
        "versions": {"Python": platform.python_version(), "PostgreSQL": server, "tables": SCHEMA},
        "api_version": site().settings.api_version,
        "database": site().db.target,
        "settings": [{"name": name, "where": reading.origins.get(name)} for name in NAMES],
        "mistakes": list(reading.mistakes),
        "home": str(site().settings.home),
        "calls_today": today,
        "daily_calls": site().settings.daily_calls,
        "keep_logs_days": site().settings.keep_logs_days,
        "sizes": sizes,
    }
    return shown("about.html", data)
