"""Checks every way in which monday.com says no, and what it calls for."""

from __future__ import annotations

import json

import pytest

from errors import (
    BoardNotVisible,
    CursorExpired,
    DailyLimitReached,
    ItemGone,
    MondayRefused,
    MondayUnavailable,
    QueryRejected,
    QueryTooHeavy,
    RecordRefused,
    WrongAddress,
)
from services.monday.failure_shapes import failures_in
from services.monday.failures import BY_CODE, HINTS_BY_CAUSE, Remedy, gravest, sentence


def modern(code, message="Something", status=200, http=200, path=None, **extensions):
    """Returns a body as of 2025-01; with a path there is data beside it."""
    entry = {"message": message, "extensions": {"status_code": status, **extensions}}
    if code:
        entry["extensions"]["code"] = code
    if path:
        entry["path"] = path
    return http, {"data": {path[0]: None} if path else None, "errors": [entry]}


def old(code, message, status=200, http=200, **data):
    return http, {"error_code": code, "error_message": message, "error_data": data, "status_code": status}


WAIT, SHRINK, AGAIN, RECORD = Remedy.WAIT, Remedy.SHRINK, Remedy.AGAIN, Remedy.RECORD
REFUSED, REJECTED = Remedy.REFUSED, Remedy.REJECTED
OLD_COMPLEXITY = (
    "Complexity budget exhausted, query cost 30001 budget remaining 19986 out of 1000000 reset in 3 seconds"
)

TABLE = [
    (modern("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=60), WAIT, "complexity", 60),
    (modern("COMPLEXITY_BUDGET_EXHAUSTED", status=429, http=429, retry_in_seconds=7), WAIT, "complexity", 7),
    (modern("complexityBudgetExhausted", retry_in_seconds="12"), WAIT, "complexity", 12),
    (modern(None, "Complexity budget exhausted"), WAIT, "complexity", None),
    (old("ComplexityException", OLD_COMPLEXITY, 429), WAIT, "complexity", 4),
    ((200, {"errors": [OLD_COMPLEXITY]}), WAIT, "complexity", 4),
    (modern("COMPLEXITY_BUDGET_EXHAUSTED", complexity=6182, complexity_budget_limit=5000000), WAIT, "complexity", None),
    (
        modern("COMPLEXITY_BUDGET_EXHAUSTED", complexity=2**21, complexity_budget_limit=10**6),
        SHRINK,
        "complexity",
        None,
    ),
    (
        old("ComplexityException", "Complexity budget exhausted, query cost 3000001 out of 1000000 reset in 3 seconds"),
        SHRINK,
        "complexity",
        4,
    ),
    (modern("maxComplexityExceeded", "Query has complexity of 7200000, which …"), SHRINK, "complexity", None),
    (
        modern(None, "Query has complexity of 7200000, which exceeds max complexity of 5000000"),
        SHRINK,
        "complexity",
        None,
    ),
    (modern("RATE_LIMIT_EXCEEDED", "Minute limit rate exceeded", 429, 429, retry_in_seconds=28), WAIT, "minute", 28),
    (modern("RateLimitExceeded", http=429), WAIT, "minute", None),
    (modern(None, "Rate Limit Exceeded", http=429), WAIT, "minute", None),
    (modern(None, "Minute limit rate exceeded"), WAIT, "minute", None),
    ((429, None), WAIT, "minute", None),
    (modern("RATE_LIMIT_EXCEEDED", http=429, retryAfterMs=2500), WAIT, "minute", 2.5),
    (modern("maxConcurrencyExceeded", http=429, retry_in_seconds=5), WAIT, "concurrency", 5),
    (modern("MAX_CONCURRENCY_EXCEEDED"), WAIT, "concurrency", None),
    (modern(None, "Concurrency limit exceeded", http=429), WAIT, "concurrency", None),
    (modern("IP_RATE_LIMIT_EXCEEDED", "Rate limit exceeded for IP", 429, 429, retry_in_seconds=10), WAIT, "ip", 10),
    (modern(None, "Rate limit exceeded for IP"), WAIT, "ip", None),
    (modern("DAILY_LIMIT_EXCEEDED", http=429, retry_in_seconds=34011), Remedy.DAILY, "daily", 34011),
    (modern(None, "Daily limit exceeded"), Remedy.DAILY, "daily", None),
    (
        modern("FIELD_LIMIT_EXCEEDED", status=429, path=["items", 0, "subitems"], retry_in_seconds=15),
        WAIT,
        "field",
        15,
    ),
    (
        old("FIELD_LIMIT_EXCEEDED", "Concurrency limit exceeded for the field", 429, retry_in_seconds=15),
        WAIT,
        "field",
        15,
    ),
    (modern("FIELD_MINUTE_RATE_LIMIT_EXCEEDED", status=429, retry_in_seconds=30), SHRINK, "field", 30),
    (modern(None, "Call limit exceeded for CreateBoard", 429, 429), WAIT, "minute", None),
    (modern("API_TEMPORARILY_BLOCKED"), WAIT, "blocked", None),
    (modern(None, "Resource is currently locked, please try again later", 423), WAIT, "locked", None),
    ((423, None), WAIT, "locked", None),
    (modern("INTERNAL_SERVER_ERROR", "Internal server error", 500), AGAIN, "server", None),
    (
        (500, {"status_code": 500, "error_message": "Internal server error", "error_code": "INTERNAL_SERVER_ERROR"}),
        AGAIN,
        "server",
        None,
    ),
    (
        (
            200,
            {
                "data": None,
                "errors": [{"message": "Oops", "path": [], "extensions": {"error_code": "INTERNAL_SERVER_ERROR"}}],
            },
        ),
        AGAIN,
        "server",
        None,
    ),
    ((500, None), AGAIN, "server", None),
    ((502, None), AGAIN, "gateway", None),
    ((503, None), AGAIN, "gateway", None),
    ((504, None), AGAIN, "timeout", None),
    ((520, None), AGAIN, "gateway", None),
    ((200, None), AGAIN, "gateway", None),
    ((200, {}), AGAIN, "gateway", None),
    ((200, {"data": None}), AGAIN, "gateway", None),
    ((200, [1]), AGAIN, "gateway", None),
    ((200, {"data": {"me": None}, "errors": [None]}), RECORD, "record", None),
    (modern("IDEMPOTENCY_CONFLICT", "A request with this …", http=409), WAIT, "conflict", None),
    (modern("CursorException", "CursorExpiredError: The cursor provided …"), Remedy.RESTART, "cursor", None),
    (old("CursorException", "CursorExpiredError: The cursor provided …"), Remedy.RESTART, "cursor", None),
    (
        modern(None, "CursorExpiredError: The cursor provided for pagination has expired."),
        Remedy.RESTART,
        "cursor",
        None,
    ),
    (modern("ColumnValueException", path=["a0"]), RECORD, "record", None),
    (modern("CorrectedValueException", path=["a0"]), RECORD, "record", None),
    (old("InvalidColumnIdException", "This column ID doesn't exist for the board"), RECORD, "record", None),
    (modern("InvalidBoardIdException", path=["create_item"]), Remedy.BOARD, "board", None),
    (modern("InvalidItemIdException", "Item not found", path=["a0"]), Remedy.GONE, "item", None),
    (modern(None, "Item not found", path=["a0"]), Remedy.GONE, "item", None),
    (modern("InvalidUserIdException", path=["a0"]), RECORD, "record", None),
    (modern("InvalidArgumentException", path=["a0"]), RECORD, "record", None),
    (modern("InvalidArgumentException", "Board not found", path=["create_webhook"]), Remedy.BOARD, "board", None),
    (modern("InvalidInputError", status=400, path=["a0"]), RECORD, "record", None),
    (modern("INVALID_ARGUMENT", status=400), RECORD, "record", None),
    (modern("InvalidVersionException"), REJECTED, "query", None),
    (modern("ItemNameTooLongException", path=["a0"]), RECORD, "record", None),
    (modern("ItemsLimitationException", path=["a0"]), RECORD, "record", None),
    (modern("CreateBoardException"), RECORD, "record", None),
    (modern("ResourceNotFoundException", "Group not found", 404, path=["a0"]), RECORD, "record", None),
    (modern("ResourceNotFoundException", "Group not found", 404, 404), RECORD, "record", None),
    (modern("DeleteLastGroupException", status=409, http=409), RECORD, "record", None),
    (modern("RecordInvalidException", status=422, http=422), RECORD, "record", None),
    (
        modern("USER_UNAUTHORIZED", "User unauthorized to perform action", 403, path=["archive_board"]),
        REFUSED,
        "rights",
        None,
    ),
    (modern("UserUnauthorizedException", status=403, http=403), REFUSED, "rights", None),
    (modern("USER_ACCESS_DENIED", status=403, http=403), REFUSED, "rights", None),
    (modern("missingRequiredPermissions"), REFUSED, "scopes", None),
    (modern("UNAUTHORIZED_FIELD_OR_TYPE"), REFUSED, "rights", None),
    (modern("NOT_AUTHENTICATED", "Not authenticated", http=401), REFUSED, "key", None),
    ((401, {"errors": ["Not Authenticated"]}), REFUSED, "key", None),
    ((401, {"error": "Unauthorized"}), REFUSED, "rights", None),
    ((200, {"errors": ["Unauthorized"]}), REFUSED, "rights", None),
    (modern(None, "Your ip is restricted", http=401), REFUSED, "address list", None),
    ((401, None), REFUSED, "key", None),
    ((403, None), REFUSED, "rights", None),
    ((404, None), REFUSED, "address", None),
    ((302, None), REFUSED, "address", None),
    ((400, {"errors": ["Bad request"]}), REJECTED, "query", None),
    (modern("JsonParseException", http=400), REJECTED, "query", None),
    (modern(None, 'Parse error on "}" (RCURLY) at [1, 2]'), REJECTED, "query", None),
    (modern("GRAPHQL_PARSE_FAILED", http=400), REJECTED, "query", None),
    (modern("GRAPHQL_VALIDATION_FAILED"), REJECTED, "query", None),
    (modern("undefinedField", "Field 'x' doesn't exist on type 'Board'"), REJECTED, "query", None),
    ((200, {"errors": [{"message": 'Cannot query field "x" on type "Board".'}]}), REJECTED, "query", None),
    (
        (200, {"errors": [{"message": 'Enum "BoardKind" cannot represent non-enum value: "x".'}]}),
        REJECTED,
        "query",
        None,
    ),
    (modern("maxDepthExceeded"), REJECTED, "query", None),
    (modern("ASSET_UNAVAILABLE", "Photo unavailable.", path=["items", 0, "assets"]), RECORD, "record", None),
    (modern("SomethingNobodyKnows", status=429), WAIT, "minute", None),
    (modern("SomethingNobodyKnows", status=503), AGAIN, "gateway", None),
    (modern("SomethingNobodyKnows", path=["a0"], status=400), RECORD, "record", None),
    ((413, None), SHRINK, "size", None),
    ((407, None), REFUSED, "proxy", None),
    # the words of a message that has a code of its own do not count
    (
        modern("SomethingNobodyKnows", "The label 'Daily limit' is unauthorized: timed out", path=["a0"]),
        RECORD,
        "record",
        None,
    ),
    (modern("ColumnValueException", "The label 'board not found' does not exist", path=["a0"]), RECORD, "record", None),
    (modern("DATA_VALIDATIONS_ERROR", "data_validation_error", 422, 422, ["a0"]), RECORD, "rule", None),
    (modern("OAUTH21_TOKEN_REQUIRED", "Unauthorized", 401, 401), REFUSED, "oauth", None),
]


@pytest.mark.parametrize("answer, remedy, cause, wait", TABLE, ids=lambda value: str(value)[:60])
def test_every_failure_is_told_apart(answer, remedy, cause, wait):
    http_status, body = answer
    failure = gravest(failures_in(http_status, {}, body))
    assert (failure.remedy, failure.cause, failure.retry_in_seconds) == (remedy, cause, wait)


CODES = {
    (WAIT, "complexity", ""): "COMPLEXITY_BUDGET_EXHAUSTED ComplexityException",
    (SHRINK, "complexity", "fewer columns"): "maxComplexityExceeded",
    (WAIT, "minute", ""): "RATE_LIMIT_EXCEEDED minuteLimitRateExceeded CALL_LIMIT_EXCEEDED",
    (WAIT, "concurrency", ""): "MAX_CONCURRENCY_EXCEEDED concurrencyLimitExceeded",
    (WAIT, "ip", ""): "IP_RATE_LIMIT_EXCEEDED",
    (Remedy.DAILY, "daily", "00:00 UTC"): "DAILY_LIMIT_EXCEEDED",
    (WAIT, "field", ""): "FIELD_LIMIT_EXCEEDED",
    (SHRINK, "field", "fewer columns"): "FIELD_MINUTE_RATE_LIMIT_EXCEEDED",
    (WAIT, "blocked", ""): "API_TEMPORARILY_BLOCKED",
    (WAIT, "locked", ""): "ResourceLocked",
    (WAIT, "conflict", ""): "IDEMPOTENCY_CONFLICT",
    (AGAIN, "server", ""): "INTERNAL_SERVER_ERROR",
    (AGAIN, "network", ""): "NETWORK",
    (WAIT, "network", ""): "UNREACHABLE",
    (AGAIN, "timeout", ""): "TIMEOUT",
    (AGAIN, "gateway", ""): "NOT_JSON PAGE",
    (REFUSED, "address", "MONDAY_API_URL"): "INVALID_ADDRESS WRONG_ADDRESS",
    (Remedy.RESTART, "cursor", ""): "CursorException CursorExpiredError",
    (Remedy.BOARD, "board", "Share the board"): "InvalidBoardIdException",
    (Remedy.GONE, "item", ""): "InvalidItemIdException",
    (RECORD, "rule", "The board has a rule"): "DATA_VALIDATIONS_ERROR",
    (
        RECORD,
        "record",
        "",
    ): "ColumnValueException CorrectedValueException InvalidColumnIdException InvalidUserIdException"
    " InvalidArgumentException InvalidInputError INVALID_ARGUMENT ItemNameTooLongException ItemsLimitationException"
    " CreateBoardException ResourceNotFoundException DeleteLastGroupException RecordInvalidException ASSET_UNAVAILABLE",
    (REFUSED, "key", "MONDAY_API_KEY"): "NOT_AUTHENTICATED USER_NOT_AUTHENTICATED",
    (REFUSED, "oauth", "OAuth 2.1"): "OAUTH21_TOKEN_REQUIRED",
    (REFUSED, "scopes", "scopes"): "missingRequiredPermissions",
    (RECORD, "plan", "plan"): "FORBIDDEN_EXCEPTION",
    (REFUSED, "rights", "rights of its user"): "UserUnauthorizedException USER_UNAUTHORIZED USER_ACCESS_DENIED"
    " UNAUTHORIZED_FIELD_OR_TYPE Unauthorized",
    (
        REJECTED,
        "query",
        "MONDAY_API_VERSION",
    ): "InvalidVersionException BadRequest JsonParseException GRAPHQL_PARSE_FAILED"
    " PARSING_ERROR INVALID_GRAPHQL_REQUEST GRAPHQL_VALIDATION_FAILED undefinedField undefinedType argumentNotAccepted"
    " argumentLiteralsIncompatible missingRequiredArguments variableMismatch maxDepthExceeded",
}


@pytest.mark.parametrize("told, codes", CODES.items(), ids=str)
def test_every_code_is_told_by_itself_whatever_its_message_says(told, codes):
    remedy, cause, hint = told
    for code in codes.split():
        failure = failures_in(*(200, {}), modern(code, "Item not found: 'unauthorized', rate limit, parse error")[1])[0]
        assert (failure.remedy, failure.cause) == (remedy, cause), code
        assert hint in failure.exception().hint if hint else not failure.exception().hint, code


def test_every_row_of_the_codes_has_a_case():
    cases = {"".join(filter(str.isalnum, code.lower())) for codes in CODES.values() for code in codes.split()}
    assert set(BY_CODE) - {"complexitybudgetexhausted"} == cases - {"complexitybudgetexhausted"}
    assert {cause for _, cause, _ in CODES} | {"address list", "proxy"} >= set(HINTS_BY_CAUSE)


@pytest.mark.parametrize(
    "status, kind, code, cause",
    [
        (404, "text/html", "WRONG_ADDRESS", "address"),
        (200, "text/html; charset=utf-8", "PAGE", "gateway"),
        (403, "Text/HTML", "WRONG_ADDRESS", "address"),
        (401, "text/html", "WRONG_ADDRESS", "address"),
        (400, "text/html", "WRONG_ADDRESS", "address"),
        (301, "text/html", "WRONG_ADDRESS", "address"),
        (404, "text/plain", "", "address"),
        (401, "text/plain", "", "key"),
        (429, "text/html", "", "minute"),
        (502, "text/html", "", "gateway"),
        (504, "text/html", "", "timeout"),
    ],
)
def test_a_page_of_html_is_no_answer_of_the_api(status, kind, code, cause):
    failure = failures_in(status, {"content-type": kind}, None)[0]
    assert (failure.code, failure.cause) == (code, cause)


def test_a_broken_rule_of_the_board_is_told_with_its_columns():
    rules = [
        {"itemId": None, "columnIds": ["numeric_1"], "message": "'Amount' must be at least [5]"},
        {"itemId": None, "columnIds": ["a", "b"], "message": "Too late."},
        {"itemId": None, "columnIds": None, "message": None},
        "strange",
    ]
    _, body = modern("DATA_VALIDATIONS_ERROR", "data_validation_error", 422, path=["a0"], error_data=rules)
    for told in (rules, json.dumps(rules)):
        body["errors"][0]["extensions"]["error_data"] = told
        error = failures_in(422, {}, body)[0].exception()
        assert isinstance(error, RecordRefused)
        assert error.message.startswith(
            "monday.com: 'Amount' must be at least [5] [numeric_1]; Too late [a, b]; a rule of the board"
        )
        assert "DATA_VALIDATIONS_ERROR" in error.message


def test_an_answer_with_data_and_no_errors_is_no_failure():
    assert failures_in(200, {}, {"data": {"me": None}}) == ()
    assert failures_in(200, {}, {"data": {}, "errors": []}) == ()


def test_the_header_is_believed_before_the_body_about_the_wait():
    _, body = modern("RATE_LIMIT_EXCEEDED", retry_in_seconds=28)
    assert failures_in(429, {"retry-after": "3"}, body)[0].retry_in_seconds == 3


@pytest.mark.parametrize(
    "header, seconds",
    [("17", 17), ("0.5", 0.5), ("Fri, 20 Nov 2026 10:01:30 GMT", 90), ("soon", None), ("-4", None), ("", None)],
)
def test_a_wait_in_the_header_is_a_number_or_a_date(header, seconds):
    headers = {"Retry-After": header, "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}
    assert failures_in(503, headers, None)[0].retry_in_seconds == seconds


def test_every_fact_of_an_error_survives_its_translation():
    http_status, body = modern(
        "InvalidItemIdException", "Item not found", path=["a0"], error_data={"item_id": 123}, service="monolith"
    )
    body["extensions"] = {"request_id": "8bd36e36"}
    error = failures_in(http_status, {}, body)[0].exception()
    assert isinstance(error, ItemGone)
    assert (error.code, error.path, error.error_data) == ("InvalidItemIdException", ("a0",), {"item_id": 123})
    assert (error.trace.http_status, error.trace.request_id) == (200, "8bd36e36")
    assert str(error) == "monday.com: Item not found (InvalidItemIdException) at a0. [request 8bd36e36]"


def test_the_request_id_is_also_taken_from_the_header():
    assert failures_in(502, {"X-Request-Id": "abc"}, None)[0].request_id == "abc"


def test_a_limit_decides_over_a_refused_record_in_the_same_answer():
    body = modern("ColumnValueException", path=["a0"])[1]
    body["errors"] += modern("DAILY_LIMIT_EXCEEDED")[1]["errors"]
    assert gravest(failures_in(200, {}, body)).remedy is Remedy.DAILY


@pytest.mark.parametrize(
    "body",
    [
        {"errors": "broken"},
        {"errors": {"message": "alone"}},
        {"errors": [{"message": None, "extensions": None, "path": "x"}]},
        {"errors": [[]]},
        {"errors": [{"extensions": {"code": 17, "status_code": "x", "error_data": '{"a":1}'}}]},
        {"error_code": None, "error_message": "only words"},
    ],
)
def test_no_shape_of_errors_is_too_strange(body):
    for failure in failures_in(200, {}, body):
        assert sentence(failure) and failure.exception()


@pytest.mark.parametrize(
    "code, error",
    [
        ("DAILY_LIMIT_EXCEEDED", DailyLimitReached),
        ("undefinedField", QueryRejected),
        ("CursorException", CursorExpired),
        ("maxComplexityExceeded", QueryTooHeavy),
        ("RATE_LIMIT_EXCEEDED", MondayUnavailable),
        ("INTERNAL_SERVER_ERROR", MondayUnavailable),
        ("NOT_AUTHENTICATED", MondayRefused),
        ("WRONG_ADDRESS", WrongAddress),
        ("InvalidBoardIdException", BoardNotVisible),
        ("InvalidItemIdException", ItemGone),
        ("ColumnValueException", RecordRefused),
    ],
)
def test_each_remedy_has_its_error(code, error):
    assert type(failures_in(*(200, {}), modern(code)[1])[0].exception()) is error
