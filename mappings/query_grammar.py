"""States what may stand in `config/sync_mappings.yml`: a table for the check on load, and for the docs."""

from __future__ import annotations

from mappings.grammar import Key

DATABASES = ("mysql", "postgres")
WINNERS = ("mysql", "smartsuite", "manual")
ROW_REMOVED = ("archive", "delete", "ignore")
RECORD_REMOVED = ("hold", "recreate")

SOURCE: dict[str, Key] = {
    "query": Key(
        "sqlname",
        "One select. `:last_sync_time` stands for the time from which changes are read.",
        required=True,
    ),
    "primary_key": Key("sqlname", "The column of the query that tells its rows apart.", required=True),
    "updated_at_field": Key("sqlname", "The column that says when a row changed. For people; the query decides."),
    "database": Key("choice", "Where the query runs: MYSQL_*, or the database of DATABASE_URL.", choices=DATABASES),
}

DESTINATION: dict[str, Key] = {
    "table_id": Key("sqlname", "The id of the table: 24 digits and letters in the browser's address.", required=True),
    "external_id_field": Key("sqlname", "The field that holds the row's key: a text or number field.", required=True),
    "field_mappings": Key("values", "`column of the query: field`, by its slug or its label.", required=True),
    "on_conflict": Key(
        "choice",
        "Which value counts where a field was changed in SmartSuite and in the source: the source's (`mysql`, usual),"
        " SmartSuite's (`smartsuite`), or neither until you decide (`manual`). `conflicts` lists both values.",
        choices=WINNERS,
    ),
    "on_row_removed": Key(
        "choice",
        "What becomes of a record whose row the query has no more: `archive` puts it into the recycle bin, and takes it"
        " out again when the row comes back (usual); `delete` puts it there and forgets it; `ignore` leaves it.",
        choices=ROW_REMOVED,
    ),
    "on_record_removed": Key(
        "choice",
        "What becomes of a row whose record was deleted in SmartSuite: `hold` tells it (usual), `recreate` makes it anew.",
        choices=RECORD_REMOVED,
    ),
}

SYNC: dict[str, Key] = {
    "name": Key("sqlname", "How the sync is called: run --sync-name NAME.", required=True),
    "enabled": Key("flag", "Whether `run` without a name runs it. Usually true."),
    "description": Key("text", "For people."),
    "source": Key("table", "Where rows come from.", required=True, inside=SOURCE),
    "destination": Key("table", "Where they go.", required=True, inside=DESTINATION),
    "transformations": Key("values", "By column of the query: `type`, and the options of that type."),
}

SYNCS_FILE: dict[str, Key] = {
    "syncs": Key("list", "The syncs.", required=True, inside=SYNC),
}
