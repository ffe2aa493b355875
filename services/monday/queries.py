"""Holds the GraphQL texts, constants with variables; only selections written by the tool itself are put into a text."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from msgspec import Struct, field

Decode = Callable[[bytes], object]
"""Makes of the bytes of an answer what it says; None where they are no JSON."""

COMPLEXITY = "complexity { before query after reset_in_x_seconds }"

ME = """
query Me {
  me { id name account { id slug plan { tier } } }
}
"""

# Reading the account is a right of its own, and without it nothing of `me` comes.
ME_ALONE = "query Me { me { id name } }"

KIND_OF_KEY = "query KindOfKey { me { id kind } }"

WHOSE = "query Whose { me { id name kind account { slug } } version { value } }"
WHOSE_BEFORE_2026_07 = (
    "query Whose { me { id name is_admin is_guest is_view_only account { slug } } version { value } }"
)
ACCESS = "query Access($ids: [ID!], $limit: Int!) { boards(ids: $ids, limit: $limit, state: all) { id access_level } }"

BOARDS = """
query Boards($ids: [ID!], $limit: Int!) {
  boards(ids: $ids, limit: $limit, state: all) {
    id name state updated_at items_count items_limit
    columns { id title type archived settings }
    groups { id title archived deleted }
  }
  COMPLEXITY
}
"""

# Before 2026-04 only classic boards are returned unless all kinds are named.
BOARDS_BEFORE_2026_04 = BOARDS.replace("state: all", "state: all, hierarchy_types: [classic, multi_level]")

BOARD_LIST = """
query BoardList($limit: Int!, $page: Int!) {
  boards(limit: $limit, page: $page) {
    id name type state board_kind items_count updated_at workspace { id name }
  }
  COMPLEXITY
}
"""

BOARD_MARKS = """
query BoardMarks($ids: [ID!], $limit: Int!) {
  boards(ids: $ids, limit: $limit) { id updated_at items_count }
}
"""

# ITEM stands for what is asked of an item, see `item_fields`.
ITEMS_PAGE = """
query ItemsPage($board: [ID!], $limit: Int!, $filter: ItemsQueryCOLUMNS_DECLARED) {
  boards(ids: $board) { id items_page(limit: $limit, query_params: $filter) { cursor items { ITEM } } }
  COMPLEXITY
}
"""

GROUP_PAGE = """
query GroupPage($board: [ID!], $group: [String], $limit: Int!, $filter: ItemsQueryCOLUMNS_DECLARED) {
  boards(ids: $board) {
    id
    groups(ids: $group) { id items_page(limit: $limit, query_params: $filter) { cursor items { ITEM } } }
  }
  COMPLEXITY
}
"""

NEXT_ITEMS_PAGE = """
query NextItemsPage($cursor: String!, $limit: Int!COLUMNS_DECLARED) {
  next_items_page(cursor: $cursor, limit: $limit) { cursor items { ITEM } }
  COMPLEXITY
}
"""

ITEMS = """
query Items($ids: [ID!], $limit: Int!COLUMNS_DECLARED) {
  items(ids: $ids, limit: $limit) { board { id } ITEM }
  COMPLEXITY
}
"""

ITEM_MAKERS = (
    "query ItemMakers($ids: [ID!], $limit: Int!) { items(ids: $ids, limit: $limit) { id creator_id } COMPLEXITY }"
)

ITEMS_BY_COLUMN_VALUES = """
query ItemsByColumnValues(
  $board: ID!, $limit: Int!, $match: [ItemsPageByColumnValuesQuery!], $cursor: StringCOLUMNS_DECLARED
) {
  items_page_by_column_values(board_id: $board, limit: $limit, columns: $match, cursor: $cursor) {
    cursor items { ITEM }
  }
  COMPLEXITY
}
"""

USERS = """
query Users($limit: Int!, $page: Int!) {
  users(limit: $limit, page: $page, status: [ACTIVE, PENDING, INACTIVE]) { id name email kind status is_deleted }
}
"""

# The status of users and its filter came with 2026-07; naming them earlier fails the whole query.
USERS_BEFORE_2026_07 = """
query Users($limit: Int!, $page: Int!) {
  users(limit: $limit, page: $page) { id name email }
}
"""

TEAMS = "query Teams { teams { id name users { id } } }"
TAGS = "query Tags { tags { id name color } }"
WEBHOOKS = "query Webhooks($board: ID!) { webhooks(board_id: $board) { id event board_id config } }"

PLATFORM_BUDGET = """
query PlatformBudget {
  platform_api { daily_limit { base total } daily_analytics { by_day { day usage } } }
}
"""

ACTIVITY_LOGS = """
query ActivityLogs(
  $board: [ID!], $from: ISO8601DateTime, $to: ISO8601DateTime, $users: [ID!], $limit: Int!, $page: Int!
) {
  boards(ids: $board) {
    id
    activity_logs(from: $from, to: $to, user_ids: $users, limit: $limit, page: $page) {
      id event entity data user_id created_at
    }
  }
}
"""

CREATE_COLUMN = """
mutation CreateColumn(
  $board: ID!, $title: String!, $type: ColumnType!, $id: String, $description: String, $defaults: JSON
) {
  create_column(
    board_id: $board, title: $title, column_type: $type, id: $id, description: $description, defaults: $defaults
  ) { id title type settings }
}
"""

CREATE_WEBHOOK = """
mutation CreateWebhook($board: ID!, $url: String!, $event: WebhookEventType!, $config: JSON) {
  create_webhook(board_id: $board, url: $url, event: $event, config: $config) { id event board_id config }
}
"""

DELETE_WEBHOOK = "mutation DeleteWebhook($id: ID!) { delete_webhook(id: $id) { id board_id } }"

INGEST_ITEMS = """
mutation IngestItems($board: ID!, $group: ID!, $match: OnMatchInput) {
  ingest_items(board_id: $board, group_id: $group, on_match: $match) { job_id upload_url }
}
"""

FETCH_JOB_STATUS = """
query FetchJobStatus($job: ID!) {
  fetch_job_status(job_id: $job) {
    ... on ItemsJobStatus {
      status progress_percentage fully_imported report_created report_url failure_reason failure_message
      counts { submitted invalid skipped created updated failed }
    }
  }
}
"""


class Request(Struct, frozen=True):
    """Describes one document to send. `units` is how many items it is about, for what it will cost."""

    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    units: int = 1
    smallest: int = 0
    """Above so many units a failing server is asked for less instead of for the same; 0: there is no less."""
    cancelled: threading.Event | None = None
    decode: Decode | None = None
    """Decodes the answer, where that is not done as for all others."""

    @property
    def writes(self) -> bool:
        """Says whether it changes something."""
        return is_mutation(self.query)

    @property
    def kind(self) -> str:
        """Names the complexity budget it draws on."""
        return "write" if self.writes else "read"

    @property
    def shape(self) -> tuple[str, int]:
        """Returns what its cost per item depends on: the text, and how many columns it asks for."""
        return self.query, len(self.variables.get("columns") or ())

    @property
    def name(self) -> str:
        """Returns the operation's name, for log lines."""
        return operation_name(self.query)


_OPERATION = re.compile(r"^\s*(?:#[^\n]*\n\s*)*(query|mutation)?\s*([A-Za-z_]\w*)?")


@lru_cache(maxsize=256)
def is_mutation(query: str) -> bool:
    """Says whether a document is a mutation."""
    found = _OPERATION.match(query)
    return bool(found and found[1] == "mutation")


@lru_cache(maxsize=256)
def operation_name(query: str) -> str:
    """Returns the name of a document's operation, or its kind."""
    found = _OPERATION.match(query)
    return (found and (found[2] or found[1])) or "query"


@lru_cache(maxsize=64)
def item_fields(selection: str, cells: bool, listed: bool = True) -> str:
    """Returns what is asked of an item that is read; an empty selection leaves no more than a sweep needs.

    Without `listed`, the cells of all columns are asked.
    """
    if not selection and not cells:
        return "id state updated_at group { id }"
    which = "(ids: $columns)" if listed else ""
    return _ITEM + (f" column_values{which} {{ {selection} }}" if cells else "")


_ITEM = "id name state created_at updated_at group { id } parent_item { id }"


@lru_cache(maxsize=256)
def with_item(text: str, selection: str, cells: bool, listed: bool = True) -> str:
    """Puts a selection into the text of a page. An empty list of columns could mean all: then no cells are asked."""
    declared = ", $columns: [String!]" if cells and listed else ""
    text = text.replace("COLUMNS_DECLARED", declared).replace("ITEM }", item_fields(selection, cells, listed) + " }")
    return text.replace("COMPLEXITY", COMPLEXITY)


@lru_cache(maxsize=64)
def plain(text: str) -> str:
    """Returns a text without items, ready to send."""
    return text.replace("COMPLEXITY", COMPLEXITY)


class ManyMutation(Struct, frozen=True):
    """Repeats a mutation for each row, under the aliases a0, a1 …; `_N` in it is the number of the row."""

    name: str
    common: str
    row: str
    field: str

    def text(self, rows: int, selection: str = "", cells: bool = False) -> str:
        """Returns the document for so many rows."""
        return _many(self, rows, selection, cells)


@lru_cache(maxsize=256)
def _many(mutation: ManyMutation, rows: int, selection: str, cells: bool) -> str:
    numbers = range(rows)
    declared = [mutation.common] if mutation.common else []
    declared += ["$columns: [String!]"] if cells else []
    declared += [mutation.row.replace("_N", str(number)) for number in numbers]
    values = f" column_values(ids: $columns) {{ {selection} }}" if cells else ""
    fields = "\n".join(f"  a{n}: {mutation.field.replace('_N', str(n))} {{ {_ITEM}{values} }}" for n in numbers)
    return f"mutation {mutation.name}({', '.join(declared)}) {{\n{fields}\n  {COMPLEXITY}\n}}"


CHANGE_ITEMS = ManyMutation(
    "ChangeItems",
    "$board: ID!, $labels: Boolean",
    "$item_N: ID!, $values_N: JSON!",
    "change_multiple_column_values(board_id: $board, item_id: $item_N, column_values: $values_N,"
    " create_labels_if_missing: $labels)",
)

CREATE_ITEMS = ManyMutation(
    "CreateItems",
    "$board: ID!, $labels: Boolean",
    "$name_N: String!, $group_N: String, $values_N: JSON",
    "create_item(board_id: $board, item_name: $name_N, group_id: $group_N, column_values: $values_N,"
    " create_labels_if_missing: $labels)",
)

CREATE_SUBITEMS = ManyMutation(
    "CreateSubitems",
    "$labels: Boolean",
    "$parent_N: ID!, $name_N: String!, $values_N: JSON",
    "create_subitem(parent_item_id: $parent_N, item_name: $name_N, column_values: $values_N,"
    " create_labels_if_missing: $labels)",
)

ARCHIVE_ITEMS = ManyMutation("ArchiveItems", "", "$item_N: ID!", "archive_item(item_id: $item_N)")
DELETE_ITEMS = ManyMutation("DeleteItems", "", "$item_N: ID!", "delete_item(item_id: $item_N)")


def dump(value: object) -> bytes:
    """Writes JSON, also of texts with lone surrogates and of numbers too large for 64 bits."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True).encode()
