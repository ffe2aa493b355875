"""Says how the stand-in behaves where the sources disagree; the first choice of each is the strict or documented one."""

from __future__ import annotations

from msgspec import Struct

CHOICES: dict[str, tuple[object, ...]] = {
    "wrong_token_status": (401, 403),
    "invalid_status": (400, 422),
    "message_form": ("list", "text"),
    "create_status": (200, 201),
    "delete_answer": ("empty_204", "empty_200", "record"),
    "empty_fields": ("left_out", "present"),
    "empty_form": ("typed", "null", "null_text"),
    "fraction": ("seconds", "milliseconds", "microseconds"),
    "unsorted": ("shuffled", "as_made"),
    "default_page": (100, 0),
    "total": ("matching", "page"),
    "tables_list": ("array", "results"),
    "range_form": ("both", "objects", "strings"),
    "date_text": ("refused", "accepted"),
    "zoneless_time": ("utc", "refused"),
    "select_label": ("refused", "accepted"),
    "select_object": ("ignored", "refused"),
    "status_text": ("accepted", "refused"),
    "checklist_text": ("ignored", "refused"),
    "smartdoc_text": ("ignored", "accepted", "refused"),
    "smartdoc_html": ("accepted", "ignored"),
    "member_ids": ("accepted", "refused"),
    "number_json": ("refused", "accepted"),
    "duration_form": ("both", "text", "number"),
    "number_result": ("text", "number"),
    "precision": ("kept", "rounded"),
    "line_breaks": ("kept", "refused", "spaces"),
    "uncertain_types": ("refused", "accepted"),
    "unique": ("not_checked", "refused"),
    "required_cleared": ("refused", "accepted"),
    "unknown_slug": ("refused", "dropped"),
    "read_only": ("refused", "dropped"),
    "clearing": ("both", "null", "empty_form"),
    "bulk_answer": ("array", "items", "successful_items"),
    "bulk_order": ("same", "reversed"),
    "bulk_unchanged": ("kept", "left_out"),
    "bulk_invalid": ("all_refused", "rest_written", "rest_written_and_refused"),
    "bulk_errors": ("items", "list", "by_index"),
    "filter_misfit": ("refused", "finds_nothing"),
    "filter_empty_text": ("refused", "accepted"),
    "filter_label": ("finds_nothing", "accepted"),
    "linked_contains": ("finds_nothing", "works"),
    "throttle_body": ("json", "text", "html", "empty"),
    "quota_refusal": ("same", "told"),
    "quota_status": (429, 403),
    "quota_end_percent": (125, 200),
}
"""What each switch may be set to. A switch that is not here takes a number, true or false."""


class Switches(Struct):
    wrong_token_status: int = 401
    invalid_status: int = 400  # of a value that is not valid
    message_form: str = "list"  # {slug: [text]}, or {slug: text}
    create_status: int = 200
    delete_answer: str = "empty_204"
    empty_fields: str = "left_out"
    empty_form: str = "typed"  # what `present` shows: "" [] null by type, or null, or the text "null"
    fraction: str = "seconds"  # of dates in answers
    unsorted: str = "shuffled"  # order of a listing without a sort
    default_page: int = 100  # page size when no limit is sent; 0: everything
    total: str = "matching"  # what `total` of a listing counts
    tables_list: str = "array"  # what GET /applications/ answers when a limit is sent
    range_form: str = "both"  # which form of from_date and to_date a write may have
    range_time_shown: bool = False  # does include_time of a range come back as it was set
    overdue_shown: bool = True  # false: is_overdue is null
    date_text: str = "refused"  # a plain ISO text for a date
    zoneless_time: str = "utc"
    select_label: str = "refused"  # the label of a choice in place of its id
    select_object: str = "ignored"
    status_text: str = "accepted"
    checklist_text: str = "ignored"
    smartdoc_text: str = "ignored"
    smartdoc_html: str = "accepted"  # `html` with an empty `data`
    member_ids: str = "accepted"
    number_json: str = "refused"  # a JSON number for a number, currency or percent field
    duration_form: str = "both"
    number_result: str = "text"  # the number of a formula, rollup or lookup
    precision: str = "kept"
    line_breaks: str = "kept"  # in a title or one-line text
    text_limit: int = 0  # most characters of any text; 0: no limit
    uncertain_types: str = "refused"  # time tracking, signature, sub-items
    unique: str = "not_checked"
    required_cleared: str = "refused"  # in an update
    unknown_slug: str = "refused"
    read_only: str = "refused"
    defaults_applied: bool = False  # does a create fill in default_value
    clearing: str = "both"  # which of null and the type's empty form clears a field
    bulk_answer: str = "array"
    bulk_order: str = "same"
    bulk_unchanged: str = "kept"  # are records that did not change part of the answer of a bulk update
    bulk_invalid: str = "all_refused"
    bulk_errors: str = "items"
    filter_misfit: str = "refused"  # a comparison that does not fit the type
    filter_empty_text: str = "refused"  # "" as the value of is_empty
    filter_label: str = "finds_nothing"
    linked_contains: str = "finds_nothing"
    is_folds_case: bool = False  # does `is` on text pass over case and blanks at the ends
    day_offset_hours: float = 0.0  # how far from UTC the days of filters begin
    conditions_limit: int = 0  # most conditions of a filter; 0: no limit
    ids_limit: int = 0  # most `ids` of a listing; 0: no limit
    retry_after: int | str = 0  # seconds, or a text, in the Retry-After of a 429; 0: no such header
    throttle_body: str = "json"
    block_prolonged: bool = False  # does a call during the block make it longer
    quota_refusal: str = "same"
    quota_status: int = 429
    quota_end_percent: int = 125
    parallel_limit: int = 0  # most calls at once; 0: no limit
    body_limit: int = 0  # most bytes of a body; 0: no limit
    lag_seconds: float = 0.0  # listings are behind by this much
    lag_single: bool = False  # are single records behind too
    structure_lag_seconds: float = 0.0  # changed fields are seen after so long
    latency_ms: float = 0.0
