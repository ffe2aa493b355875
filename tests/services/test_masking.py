"""Checks that the token shows in nothing that is told of a failure, and that what items hold stays as it is."""

from __future__ import annotations

import json
import logging
import traceback

import pytest

from errors import DailyLimitReached, MondayError, MondayUnavailable, RecordRefused
from models import Columns
from monday_api import ReadOptions
from tests.kit.scripted import CHANGE, TOKEN, failed, first_page, item_json, next_page, ok

AWKWARD = 'quo"te\\of-no-account'
"""A token that JSON writes otherwise than it is."""


def shown(error: BaseException) -> str:
    """Returns all that a log, a report or a debugger could show of an error and of what caused it."""
    return " ".join(
        ["".join(traceback.format_exception(error)), repr(error), str(error), repr(vars(error)), repr(error.__cause__)]
    )


def answers(token: str) -> dict[str, object]:
    """Returns an answer for each place in which a text can tell what is wrong."""
    said = f"The key {token} is bad"
    return {
        "message": failed("NOT_AUTHENTICATED", said, http=401),
        "code": failed(f"BAD_{token}", "Something"),
        "path": failed("InvalidColumnIdException", "Something", path=["a0", f"to-{token}"]),
        "error data": failed("InvalidColumnIdException", "Something", error_data={token: [said, {"key": said}]}),
        "error data as text": failed("InvalidColumnIdException", "x", error_data=json.dumps({"key": said})),
        "rules": failed("DATA_VALIDATIONS_ERROR", "x", error_data=[{"message": said, "columnIds": [token]}]),
        "old style": (200, {}, {"error_message": said, "error_code": "SomethingException", "error_data": {"k": said}}),
        "bare text": (200, {}, {"errors": [said]}),
        "beside data": (
            200,
            {},
            {"data": {"a0": {"id": "1"}, "a1": None}, "errors": [{"message": said, "path": ["a1"]}]},
        ),
        "request id": (200, {}, {"errors": [{"message": "x"}], "extensions": {"request_id": token}}),
        "request id in a header": (403, {"X-Request-Id": token}, {"errors": [{"message": "x"}]}),
        "long": failed("InvalidColumnIdException", said + " " * 200_000 + said),
        "outcome unknown": failed("INTERNAL_SERVER_ERROR", said, http=500),
        "limits": failed("DAILY_LIMIT_EXCEEDED", said, http=429, retry_in_seconds=9999),
    }


@pytest.mark.parametrize("token", [TOKEN, AWKWARD])
@pytest.mark.parametrize("place", answers(TOKEN))
def test_no_error_log_or_repr_shows_the_token(monday, caplog, place, token):
    caplog.set_level(logging.DEBUG)
    told: list[object] = []
    client, _ = monday(answers(token)[place], token=token, on_event=lambda *event: told.append(event), give_up_after=30)
    with pytest.raises(MondayError) as refused:
        client.run(CHANGE)
    written = [record.getMessage() for record in caplog.records]
    seen = " ".join([shown(refused.value), repr(told), *written, repr(client), repr(client._caller.line.wire)])
    assert token not in seen and json.dumps(token)[1:-1] not in seen and repr(token)[1:-1] not in seen
    assert "***" in seen or isinstance(refused.value, (MondayUnavailable, DailyLimitReached))


def test_a_failed_mutation_among_others_does_not_show_the_token(monday):
    client, _ = monday(answers(TOKEN)["beside data"])
    refused = client.mutate(CHANGE, {}).errors["a1"]
    assert TOKEN not in shown(refused) and "***" in str(refused)


def test_an_item_that_did_not_come_is_reported_without_the_token(monday):
    data = {"boards": [{"id": "7", "items_page": {"cursor": None, "items": [None]}}]}
    path = ["boards", 0, "items_page", "items", 0]
    client, _ = monday(failed("InvalidArgumentException", f"Not with {TOKEN}", path=path, data=data))
    reasons: list[str] = []
    list(client.pages(7, Columns(("a",)), ReadOptions(on_malformed=lambda item, reason: reasons.append(reason))))
    assert len(reasons) == 1 and "***" in reasons[0] and TOKEN not in reasons[0]


def test_an_import_that_failed_does_not_show_the_token(monday):
    found = {"status": "FAILED", "failure_reason": TOKEN, "failure_message": f"Not with {TOKEN}"}
    client, _ = monday(ok({"fetch_job_status": found}))
    with pytest.raises(RecordRefused) as refused:
        client.imports.status("j")
    assert TOKEN not in shown(refused.value) and "***" in str(refused.value)


def test_a_version_that_answers_does_not_show_the_token(monday, caplog):
    told: list[object] = []
    client, _ = monday(ok({"a0": None}, **{"Api-Version": TOKEN}), on_event=lambda *event: told.append(event))
    client.run(CHANGE)
    assert TOKEN not in repr(told) + caplog.text and "***" in caplog.text


@pytest.mark.parametrize("token", [TOKEN, "T", "item", "a"])
def test_what_items_hold_is_not_touched_also_where_it_is_the_token(monday, token):
    held = {"id": "a", "text": f"before {token} after", "value": json.dumps({"text": token})}
    client, script = monday(
        first_page(item_json(1, name=token, column_values=[held]), cursor=f"cursor-{token}-1"),
        next_page(item_json(2, "a")),
        token=token,
    )
    pages = list(client.pages(7, Columns(("a",))))
    item = pages[0].items[0]
    assert (item.name, item.cells["a"]["text"]) == (token, f"before {token} after")
    assert script.variables[1]["cursor"] == f"cursor-{token}-1"


@pytest.mark.parametrize("token", ["T", "e", "rate", "limit"])
def test_a_failure_is_judged_by_what_was_said_whatever_the_token(monday, token):
    answered = ok({"a0": None})
    client, script = monday(
        failed("", "Rate limit exceeded", http=200),
        failed("INTERNAL_SERVER_ERROR", "Internal server error"),
        failed("ComplexityException", "Complexity budget exhausted, reset in 5 seconds"),
        answered,
        token=token,
    )
    client.run("query Me { me { id } }")
    assert len(script.asked) == 4 and client.stats.retries == {"minute": 1, "server": 1, "complexity": 1}
