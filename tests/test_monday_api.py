"""The client at the edges of HTTP: what it sends, when it tries again, when it stops, what it does not believe."""

from __future__ import annotations

import gzip
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
import responses

from errors import (
    BoardNotVisible,
    CursorExpired,
    DailyLimitReached,
    Incomplete,
    ItemGone,
    MondayError,
    MondayRefused,
    MondayUnavailable,
    OutcomeUnknown,
    QueryRejected,
    QueryTooHeavy,
    RecordRefused,
    SettingsError,
)
from models import Columns, Item
from monday_api import Limits, Monday, NewColumn, ReadOptions
from services.monday import queries
from timing import Clock

URL = "http://monday.test/v2"
TOKEN = "made-up-token-of-no-account"
PROJECT = Path(__file__).resolve().parent.parent
SCHEMA = Path(
    os.environ.get("MONDAY_OFFICIAL_SCHEMA") or PROJECT / ".." / "shared" / "reference" / "monday-schema.graphql"
)
START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
A, AB = Columns(("a",)), Columns(("a", "b"))


class MovingClock(Clock):
    """Sleeping moves it; nothing waits."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept.append(seconds)


class Script:
    """Answers in order, the last one again and again; keeps what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked: list[requests.PreparedRequest] = []
        self.took = 0.0
        self.clock = MovingClock()

    def __call__(self, request):
        self.asked.append(request)
        self.clock.at += self.took
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(json.loads(request.body))
        if isinstance(answer, Exception):
            raise answer
        status, headers, body = answer
        return status, headers, body if isinstance(body, (str, bytes)) else json.dumps(body)

    @property
    def bodies(self):
        return [json.loads(request.body) for request in self.asked]

    @property
    def variables(self):
        return [body["variables"] for body in self.bodies]


def client_of(url, clock, token=TOKEN, on_event=None, **limits):
    """A client with the middle of every random pause, unless its limits say something else."""
    return Monday(token=token, url=url, clock=clock, limits=Limits(**{"random": lambda: 0.5, **limits}), on_event=on_event)


@pytest.fixture
def monday():
    """A client whose answers are scripted, on a clock that moves by itself, with the middle of every random pause."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        made = []

        def make(*answers, **options):
            script = Script(*answers)
            mock.reset()
            mock.add_callback(responses.POST, URL, script)
            made.append(client_of(URL, script.clock, **options))
            return made[-1], script

        yield make
        for client in made:
            client.close()


def ok(data, **headers):
    return 200, {"Api-Version": "2026-07", **headers}, {"data": data, "extensions": {"request_id": "r-1"}}


def failed(code, message="Something", http=200, path=None, data=None, headers=None, **extensions):
    entry = {"message": message, "extensions": {"code": code, **extensions}}
    if path:
        entry["path"] = path
    return http, headers or {}, {"data": data, "errors": [entry]}


def row(number, *columns, **changes):
    cells = [{"id": column, "text": f"{column} of {number}", "value": None} for column in columns]
    item = {
        "id": str(number),
        "name": f"Item {number}",
        "state": "active",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "group": {"id": "topics"},
        "parent_item": None,
    }
    return {**item, **({"column_values": cells} if columns else {}), **changes}


def first(*rows, cursor=None):
    return ok({"boards": [{"id": "7", "items_page": {"cursor": cursor, "items": list(rows)}}]})


def following(*rows, cursor=None):
    return ok({"next_items_page": {"cursor": cursor, "items": list(rows)}})


ME = ok({"me": {"id": "1", "name": "Ann", "account": {"id": "2", "slug": "acme", "plan": {"tier": "pro"}}}})
GATEWAY = (502, {}, "<html>Bad gateway</html>")
BUSY = failed("RATE_LIMIT_EXCEEDED", http=429, retry_in_seconds=28)
HALF = (200, {}, '{"data":{"me":{"id":"1","na')
CUT = requests.exceptions.ConnectionError("Connection reset by peer")
CHANGE = "mutation Change { a0: archive_item(item_id: 1) { id } a1: archive_item(item_id: 2) { id } }"


# -- what is sent --------------------------------------------------------------------------------------------------


def test_each_call_carries_the_raw_token_and_the_pinned_version(monday):
    client, script = monday(ME)
    client.account.me()
    sent = script.asked[0].headers
    assert (sent["Authorization"], sent["API-Version"], sent["Content-Type"]) == (TOKEN, "2026-07", "application/json")
    assert "gzip" in sent["Accept-Encoding"]
    assert "Idempotency-Key" not in sent


def test_values_travel_as_variables_and_never_in_the_text(monday):
    client, script = monday(first(row(1, "a")))
    list(client.pages(7, A, ReadOptions(query_params={"rules": []})))
    assert script.variables[0] == {"board": ["7"], "columns": ["a"], "limit": 500, "filter": {"rules": []}}
    assert '"7"' not in script.bodies[0]["query"]


def test_every_mutation_carries_a_key_of_its_own(monday):
    client, script = monday(ok({"a0": {"id": "1"}, "a1": {"id": "2"}}))
    client.run(CHANGE)
    client.mutate(CHANGE, {})
    client.run("  # a comment first\n" + CHANGE)
    keys = [request.headers["Idempotency-Key"] for request in script.asked]
    assert len(set(keys)) == 3 and all(keys)


def test_a_text_with_half_a_surrogate_pair_can_be_sent_and_read(monday):
    client, script = monday((200, {}, '{"data":{"me":{"id":"1","name":"broken \\ud83d end","account":null}}}'))
    assert client.account.me().name == "broken \ud83d end"
    client.run(CHANGE, {"text": "half \ud83d"})
    assert script.variables[1]["text"] == "half \ud83d"


def test_the_token_is_in_no_log_line_error_or_repr(monday, caplog):
    caplog.set_level(logging.DEBUG)
    client, script = monday(failed("NOT_AUTHENTICATED", f"Bad key {TOKEN}", http=401))
    with pytest.raises(MondayRefused) as refused:
        client.account.me()
    shown = [refused.value.__cause__, client, client._caller.line.wire]
    seen = [str(refused.value), repr(refused.value), *map(repr, shown)]
    assert TOKEN not in " ".join(seen + [record.getMessage() for record in caplog.records])
    assert "***" in str(refused.value)


@pytest.mark.parametrize("token", ["", "   ", "two\nlines", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(token):
    with pytest.raises(SettingsError) as refused:
        Monday(token=token, url=URL)
    assert token.strip() == "" or token not in str(refused.value)


def test_another_version_that_answers_is_warned_about_once(monday, caplog):
    events = []
    client, _ = monday(ok(ME[2]["data"], **{"Api-Version": "2026-10"}), on_event=lambda *event: events.append(event))
    client.account.me()
    client.account.me()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["monday.com answers with API version 2026-10; the tool is written for 2026-07."]
    assert [facts for name, facts in events if name == "version"] == [{"pinned": "2026-07", "answered": "2026-10"}]


@pytest.mark.skipif(not SCHEMA.exists(), reason="the official schema is not here")
def test_every_query_text_is_valid_in_the_official_schema():
    from graphql import build_schema, parse, validate

    schema = build_schema(SCHEMA.read_text())
    selection = "id type text value ... on StatusValue { index label } ... on MirrorValue { display_value }"
    texts = []
    for name, value in vars(queries).items():
        if isinstance(value, queries.ManyMutation):
            texts += [value.text(1), value.text(25, selection, True)]
        elif name.isupper() and isinstance(value, str) and value.lstrip().startswith(("query", "mutation")):
            cells = [(selection, True), ("", False), (selection, False)] if "ITEM }" in value else [("", False)]
            texts += [queries.with_item(value, *cell) for cell in cells]
    assert len(texts) > 25
    for text in texts:
        assert validate(schema, parse(text)) == [], text


# -- trying again --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble, least, most, cause",
    [
        (BUSY, 28, 30, "minute"),
        (failed("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=60), 60, 62, "complexity"),
        ((429, {"Retry-After": "5"}, ""), 5, 6, "minute"),
        (failed("RATE_LIMIT_EXCEEDED", http=429, retryAfterMs=1500), 1.5, 2, "minute"),
        (
            (200, {}, {"errors": ["Complexity budget exhausted, cost 3 out of 9 reset in 3 seconds"]}),
            4,
            5,
            "complexity",
        ),
        (failed("maxConcurrencyExceeded", http=429, retry_in_seconds=5), 5, 6, "concurrency"),
        (failed("IP_RATE_LIMIT_EXCEEDED", http=429, retry_in_seconds=10), 10, 11, "ip"),
        (failed("FIELD_LIMIT_EXCEEDED", path=["me", "x"], data={"me": {}}, retry_in_seconds=15), 15, 16, "field"),
        (failed("", "Resource is currently locked, please try again later", http=423), 0.1, 10, "locked"),
        (failed("API_TEMPORARILY_BLOCKED"), 0.1, 60, "blocked"),
        ((429, {"Retry-After": "86400"}, ""), 90, 92, "minute"),
        (GATEWAY, 0.1, 60, "gateway"),
        ((503, {"Retry-After": "7"}, "down"), 7, 8, "gateway"),
        ((504, {}, ""), 0.1, 60, "timeout"),
        ((520, {}, "<html>"), 0.1, 60, "gateway"),
        ((500, {}, {"error_code": "INTERNAL_SERVER_ERROR", "status_code": 500}), 0.1, 60, "server"),
        (HALF, 0.1, 60, "gateway"),
        ((200, {}, ""), 0.1, 60, "gateway"),
        ((200, {}, "<html>maintenance</html>"), 0.1, 60, "gateway"),
        ((200, {}, {"data": None}), 0.1, 60, "gateway"),
        (CUT, 0.1, 60, "network"),
        (requests.exceptions.ReadTimeout("Read timed out."), 0.1, 60, "timeout"),
        (requests.exceptions.ConnectTimeout("timed out"), 0.1, 60, "network"),
        (requests.exceptions.ChunkedEncodingError("IncompleteRead"), 0.1, 60, "network"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_passes_by_itself_is_waited_for_and_tried_again(monday, trouble, least, most, cause):
    client, script = monday(trouble, ME)
    assert client.account.me().name == "Ann"
    assert len(script.asked) == 2
    assert least <= script.clock.at <= most
    assert client.stats.retries == {cause: 1}
    assert list(client.stats.waited_s) == [cause]


@pytest.mark.parametrize(
    "answer, error, exit_code",
    [
        ((401, {}, {"errors": ["Not Authenticated"]}), MondayRefused, 2),
        ((401, {}, "<html>"), MondayRefused, 2),
        ((403, {}, ""), MondayRefused, 2),
        ((302, {"Location": "http://monday.test/login"}, ""), MondayRefused, 2),
        ((404, {}, "not here"), MondayRefused, 2),
        (failed("USER_ACCESS_DENIED", http=403), MondayRefused, 2),
        (failed("missingRequiredPermissions"), MondayRefused, 2),
        (failed("undefinedField", "Field 'x' doesn't exist on type 'Board'"), QueryRejected, 1),
        (failed("InvalidVersionException"), QueryRejected, 1),
        (failed("maxDepthExceeded"), QueryRejected, 1),
        (failed("maxComplexityExceeded"), QueryTooHeavy, 1),
        (failed("CursorException", "CursorExpiredError: …"), CursorExpired, 1),
        (failed("InvalidArgumentException", data={"boards": None}), RecordRefused, 1),
        (failed("DAILY_LIMIT_EXCEEDED", http=429), DailyLimitReached, 3),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_cannot_succeed_is_asked_only_once(monday, answer, error, exit_code):
    client, script = monday(answer)
    with pytest.raises(error) as raised:
        client.run("query { boards { id } }")
    assert len(script.asked) == 1
    assert script.clock.at == 0
    assert raised.value.exit_code == exit_code


def test_data_beside_an_error_is_not_believed_by_run(monday):
    client, _ = monday(failed("USER_UNAUTHORIZED", path=["boards", 0, "columns"], data={"boards": [{"columns": None}]}))
    with pytest.raises(MondayRefused) as refused:
        client.run("query { boards { columns { id } } }")
    assert "boards.0.columns" in str(refused.value)


def test_a_service_that_is_down_is_given_up_after_the_time_that_was_set(monday):
    client, script = monday(GATEWAY, give_up_after=300.0)
    with pytest.raises(MondayUnavailable) as raised:
        client.account.me()
    assert 300 <= script.clock.at <= 301
    assert "no good answer for 5 min" in str(raised.value)
    assert max(script.clock.slept) <= 60


def test_a_service_that_comes_back_in_time_is_not_given_up(monday):
    client, script = monday(lambda _: ME if script.clock.at > 200 else GATEWAY)
    assert client.account.me().id == "1"


def test_a_daemon_never_gives_up(monday):
    client, script = monday(lambda _: ME if script.clock.at > 5000 else CUT, give_up_after=None)
    assert client.account.me().id == "1"


def test_an_internal_error_is_bounded_for_a_daemon_too(monday):
    client, script = monday(failed("INTERNAL_SERVER_ERROR"), give_up_after=None, max_attempts=6)
    with pytest.raises(MondayUnavailable):
        client.account.me()
    assert len(script.asked) == 6


def test_waits_that_were_asked_for_do_not_count_as_silence(monday):
    client, _ = monday(
        *[failed("RATE_LIMIT_EXCEEDED", http=429, retry_in_seconds=60)] * 4, GATEWAY, ME, give_up_after=30
    )
    assert client.account.me().id == "1"
    assert client.stats.waited_s["minute"] >= 240


def test_limits_without_end_are_given_up_too(monday):
    client, script = monday(BUSY)
    with pytest.raises(MondayUnavailable):
        client.account.me()
    assert 900 <= script.clock.at <= 1100


def test_after_the_daily_limit_nothing_more_is_sent_that_day(monday):
    client, script = monday(failed("DAILY_LIMIT_EXCEEDED", http=429, retry_in_seconds=34011), ME)
    for _ in range(2):
        with pytest.raises(DailyLimitReached) as stopped:
            client.account.me()
        assert "2026-11-20 21:26 UTC" in str(stopped.value)
    assert len(script.asked) == 1
    script.clock.at += 12 * 3600
    assert client.account.me().id == "1"


def test_the_daily_share_is_kept(monday):
    client, script = monday(ME, daily_share=3, daily_used=1)
    client.account.me()
    client.account.me()
    with pytest.raises(DailyLimitReached):
        client.account.me()
    assert (len(script.asked), client.stats.daily_used) == (2, 3.0)


def test_every_wait_is_said_with_its_reason(monday, caplog):
    caplog.set_level(logging.INFO, "monday_sync.api")
    events = []
    client, _ = monday(
        failed("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=30),
        ME,
        random=lambda: 0.0,
        on_event=lambda *event: events.append(event),
    )
    client.account.me()
    assert "Waiting 30 s: monday.com's complexity budget is spent." in caplog.messages
    wait = {"seconds": 30.0, "cause": "complexity", "reason": "monday.com's complexity budget is spent"}
    assert ("wait", wait) in events


def test_a_call_waits_beforehand_when_the_minute_is_used_up(monday):
    spent = ok(ME[2]["data"], RateLimit='"minuteRate";r=0;t=20')
    client, script = monday(spent, ME)
    client.account.me()
    client.account.me()
    assert script.clock.at >= 20
    assert client.stats.retries == {}


def test_a_page_waits_beforehand_when_the_budget_cannot_hold_it(monday):
    told = {"before": 1_000_000, "query": 600_000, "after": 400_000, "reset_in_x_seconds": 33}

    def page(body):
        later = "cursor" in body["variables"]
        answer = following(row(2, "a")) if later else first(row(1, "a"), cursor="c")
        answer[2]["data"]["complexity"] = told
        return answer

    client, script = monday(page)
    list(client.pages(7, A))
    list(client.pages(7, A))
    assert script.clock.at >= 33
    assert client.stats.complexity == 4 * 600_000
    assert client.stats.retries == {}


# -- mutations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [GATEWAY, CUT, HALF, BUSY, failed("IDEMPOTENCY_CONFLICT", http=409)])
def test_a_mutation_is_repeated_with_the_same_body_and_key(monday, trouble):
    client, script = monday(trouble, trouble, ok({"a0": {"id": "1"}, "a1": {"id": "2"}}))
    client.mutate(CHANGE, {"x": 1}, "key-1")
    assert len({request.body for request in script.asked}) == 1
    assert [request.headers["Idempotency-Key"] for request in script.asked] == ["key-1"] * 3


def test_a_mutation_without_any_answer_has_an_unknown_outcome(monday):
    client, script = monday(CUT)
    with pytest.raises(OutcomeUnknown):
        client.mutate(CHANGE, {}, "key-1")


def test_a_mutation_that_was_never_sent_is_not_of_unknown_outcome(monday):
    client, _ = monday(requests.exceptions.ConnectTimeout("timed out"))
    with pytest.raises(MondayUnavailable):
        client.mutate(CHANGE, {}, "key-1")


def test_a_mutation_is_not_repeated_when_its_answer_may_be_forgotten(monday):
    client, script = monday(CUT, give_up_after=None)
    with pytest.raises(OutcomeUnknown):
        client.mutate(CHANGE, {}, "key-1")
    assert 25 * 60 <= script.clock.at < 30 * 60


def test_a_refusal_after_a_lost_answer_leaves_the_outcome_unknown(monday):
    client, _ = monday(CUT, (401, {}, ""))
    with pytest.raises(OutcomeUnknown):
        client.mutate(CHANGE, {}, "key-1")


def test_each_alias_succeeds_or_fails_for_itself(monday):
    client, _ = monday(
        failed("InvalidItemIdException", "Item not found", path=["a1"], data={"a0": {"id": "1"}, "a1": None})
    )
    answer = client.mutate(CHANGE, {})
    assert answer.data == {"a0": {"id": "1"}}
    assert isinstance(answer.errors["a1"], ItemGone)


def test_an_error_below_an_alias_means_that_the_mutation_itself_went_through(monday):
    path = ["a0", "column_values", 0, "display_value"]
    client, _ = monday(failed("FIELD_MINUTE_RATE_LIMIT_EXCEEDED", path=path, data={"a0": None, "a1": {"id": "2"}}))
    assert isinstance(client.mutate(CHANGE, {}).errors["a0"], OutcomeUnknown)


def test_an_alias_that_is_null_without_an_error_is_not_taken_for_done(monday):
    client, _ = monday(ok({"a0": {"id": "1"}, "a1": None}))
    answer = client.mutate(CHANGE, {})
    assert (answer.data, type(answer.errors["a1"])) == ({"a0": {"id": "1"}}, OutcomeUnknown)


def test_a_replayed_answer_is_known_as_one(monday):
    client, _ = monday(ok({"a0": {"id": "1"}}, **{"Idempotency-Replayed": "true"}))
    assert client.mutate(CHANGE, {}).replayed
    assert client.stats.replayed == 1


REPLAYED = {"Idempotency-Replayed": "true"}


def test_a_refusal_that_is_kept_under_its_key_is_left_behind_with_it(monday):
    locked = failed("", "Resource is currently locked, please try again later")
    done = ok({"a0": {"id": "1"}, "a1": {"id": "2"}})
    client, script = monday(locked, (200, REPLAYED, locked[2]), done)
    assert not client.mutate(CHANGE, {}, "key-1").errors
    assert [request.headers["Idempotency-Key"] for request in script.asked] == ["key-1", "key-1", "key-1+1"]


def test_an_internal_error_that_is_kept_under_its_key_is_not_asked_for_again(monday):
    broken = failed("INTERNAL_SERVER_ERROR")
    client, script = monday(broken, (200, REPLAYED, broken[2]))
    with pytest.raises(OutcomeUnknown):
        client.mutate(CHANGE, {}, "key-1")
    assert len(script.asked) == 2


def answering(*refused, code="ColumnValueException"):
    """Answers a document of many rows; the items named are refused."""

    def answer(body):
        variables = body["variables"]
        data, errors = {}, []
        for name, value in variables.items():
            alias = f"a{name.removeprefix('item')}"
            if name.startswith("item") and value in refused:
                data[alias] = None
                errors.append({"message": "No", "path": [alias], "extensions": {"code": code}})
            elif name.startswith("item"):
                data[alias] = row(int(value), *variables.get("columns", ()))
        return 200, {}, {"data": data, **({"errors": errors} if errors else {})}

    return answer


def test_changes_travel_in_documents_of_40_and_answer_row_by_row(monday):
    client, script = monday(answering("3", "43"))
    outcomes = client.writing.change_items(7, [(str(n), {"a": "x"}) for n in range(45)], key="k")
    assert [isinstance(outcome, RecordRefused) for outcome in outcomes] == [n in (3, 43) for n in range(45)]
    assert [outcome.id for outcome in outcomes if isinstance(outcome, Item)] == [
        str(n) for n in range(45) if n not in (3, 43)
    ]
    assert [request.headers["Idempotency-Key"] for request in script.asked] == ["k", "k-1"]
    assert script.variables[0]["values0"] == '{"a":"x"}'
    assert outcomes[0].cells["a"]["text"] == "a of 0"


def test_an_answer_about_another_item_says_nothing_of_the_one_that_was_written(monday):
    def answer(body):
        return ok({"a0": row(1, "a"), "a1": row(1, "a")})

    client, _ = monday(answer)
    first, second = client.writing.change_items(7, [("1", {"a": "x"}), ("2", {"a": "x"})])
    assert isinstance(first, Item) and isinstance(second, OutcomeUnknown)
    assert "item 2" in second.message


def test_large_changes_travel_in_smaller_documents(monday):
    client, script = monday(answering())
    client.writing.change_items(7, [(str(n), {"a": "é" * 100_000}) for n in range(6)])
    assert len(script.asked) == 2
    assert all(len(request.body) < 1_000_000 for request in script.asked)


def test_the_row_that_spoils_a_whole_document_is_found(monday):
    def answer(body):
        return failed("INTERNAL_SERVER_ERROR") if "13" in body["variables"].values() else answering()(body)

    client, _ = monday(answer)
    outcomes = client.writing.change_items(7, [(str(n), {"a": "x"}) for n in range(25)])
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, MondayError)] == [13]


def test_a_document_that_is_too_heavy_is_cut_in_halves(monday):
    def answer(body):
        many = sum(name.startswith("item") for name in body["variables"]) > 10
        return failed("maxComplexityExceeded") if many else answering()(body)

    client, script = monday(answer)
    outcomes = client.writing.archive_items(7, range(1, 26))
    assert all(isinstance(outcome, Item) for outcome in outcomes)
    assert len({request.headers["Idempotency-Key"] for request in script.asked}) == len(script.asked)


def test_rows_refused_for_a_limit_are_sent_again_under_another_key(monday):
    client, script = monday(answering("2", code="RATE_LIMIT_EXCEEDED"), answering())
    outcomes = client.writing.change_items(7, [("1", {"a": 1}), ("2", {"a": 1})], key="k")
    assert [outcome.id for outcome in outcomes] == ["1", "2"]
    assert script.variables[1]["item0"] == "2"
    assert [request.headers["Idempotency-Key"] for request in script.asked] == ["k", "k.1"]


def test_what_was_done_before_a_limit_is_not_forgotten(monday):
    client, _ = monday(answering(), failed("DAILY_LIMIT_EXCEEDED", http=429))
    outcomes = client.writing.change_items(7, [(str(n), {"a": 1}) for n in range(1, 51)])
    assert all(isinstance(outcome, Item) for outcome in outcomes[:40])
    assert all(isinstance(outcome, DailyLimitReached) for outcome in outcomes[40:])


def test_a_document_that_fails_before_anything_was_sent_is_an_error(monday):
    client, _ = monday((401, {}, ""))
    with pytest.raises(MondayRefused):
        client.writing.change_items(7, [("1", {"a": 1})])


def test_creations_of_unknown_fate_are_never_sent_again_under_another_key(monday):
    client, script = monday(failed("INTERNAL_SERVER_ERROR"))
    outcomes = client.writing.create_items(7, [("One", None, {}), ("Two", "topics", {"a": 1})], key="k")
    assert all(isinstance(outcome, OutcomeUnknown) for outcome in outcomes)
    assert {request.headers["Idempotency-Key"] for request in script.asked} == {"k"}


def test_an_item_is_created_in_its_group_or_in_none_in_particular(monday):
    client, script = monday(ok({"a0": row(1), "a1": row(2, group={"id": "topics"})}))
    made = client.writing.create_items(7, [("One", None, {}), ("Two", "topics", {})])
    assert [item.id for item in made] == ["1", "2"]
    assert "group0" not in script.variables[0] and script.variables[0]["group1"] == "topics"


def test_an_alias_without_data_and_without_an_error_is_unknown(monday):
    client, _ = monday(ok({"a0": row(1), "a1": None}))
    made = client.writing.create_items(7, [("One", None, {}), ("Two", None, {})])
    assert isinstance(made[0], Item) and isinstance(made[1], OutcomeUnknown)


# -- pages ---------------------------------------------------------------------------------------------------------


def test_only_a_missing_cursor_ends_a_listing(monday):
    client, script = monday(
        first(row(1, "a"), cursor="c1"), following(cursor="c2"), following(row(2, "a"), row(3, "a"))
    )
    pages = list(client.pages(7, Columns(("a",), "id text")))
    assert [[item.id for item in page.items] for page in pages] == [["1"], [], ["2", "3"]]
    assert [variables.get("cursor") for variables in script.variables] == [None, "c1", "c2"]
    assert "filter" not in script.variables[1] and script.variables[1]["columns"] == ["a"]


def test_an_item_keeps_the_cells_that_came(monday):
    client, _ = monday(first(row(1, "a", "b", parent_item={"id": "9"})))
    item = next(client.pages(7, AB)).items[0]
    assert item.cells["b"] == {"id": "b", "text": "b of 1", "value": None}
    assert (item.group_id, item.parent_id, item.board_id) == ("topics", "9", "7")


def test_a_listing_asks_for_no_cells(monday):
    client, script = monday(first({"id": "1", "state": "active", "updated_at": "2026-01-01T00:00:00Z", "group": None}))
    item = next(client.listing(7)).items[0]
    assert (item.id, item.cells) == ("1", {})
    assert "column_values" not in script.bodies[0]["query"] and script.variables[0]["limit"] == 500


def test_a_board_that_is_not_there_is_named(monday):
    client, _ = monday(ok({"boards": []}))
    with pytest.raises(BoardNotVisible, match="Board 7 is not visible to this token"):
        list(client.pages(7))


def test_an_expired_cursor_asks_for_a_new_start(monday):
    client, _ = monday(first(row(1), cursor="c"), failed("CursorException", "CursorExpiredError: …"))
    pages = client.pages(7)
    next(pages)
    with pytest.raises(CursorExpired):
        next(pages)


def test_a_listing_is_resumed_where_it_was_within_the_hour_only(monday):
    client, script = monday(following(row(5)))
    assert [page.items[0].id for page in client.pages(7, options=ReadOptions(cursor="c", started=START))] == ["5"]
    script.clock.at += 3600
    with pytest.raises(CursorExpired):
        list(client.pages(7, options=ReadOptions(cursor="c", started=START)))
    assert len(script.asked) == 1


def test_a_listing_that_does_not_advance_is_an_error(monday):
    client, _ = monday(first(row(1), cursor="c"), following(row(2), cursor="c"))
    with pytest.raises(Incomplete):
        list(client.pages(7))


@pytest.mark.parametrize(
    "trouble",
    [
        requests.exceptions.ReadTimeout("Read timed out."),
        (504, {}, ""),
        failed("maxComplexityExceeded"),
        failed(
            "FIELD_MINUTE_RATE_LIMIT_EXCEEDED", retry_in_seconds=30, path=["next_items_page", "items", 0, "x"], data={}
        ),
        (200, {}, {"errors": ["Complexity budget exhausted, query cost 3000001 out of 1000000 reset in 3 seconds"]}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_page_that_is_too_much_is_halved_and_grows_back(monday, trouble):
    pages = [following(row(n), cursor=f"c{n}") for n in range(3, 9)]
    client, script = monday(
        first(row(1), cursor="c1"), trouble, following(row(2), cursor="c2"), *pages, following(row(9))
    )
    list(client.pages(7))
    limits = [variables["limit"] for variables in script.variables]
    assert limits[:3] == [500, 500, 250]
    assert limits[-1] == 500


def test_a_page_that_a_full_budget_does_not_hold_is_halved(monday):
    spent = failed("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=60)
    client, script = monday(spent, spent, first(row(1)))
    list(client.pages(7))
    assert [variables["limit"] for variables in script.variables] == [500, 500, 250]


def test_a_first_page_that_is_too_much_even_for_one_item_is_an_error(monday):
    client, script = monday(failed("maxComplexityExceeded"))
    with pytest.raises(QueryTooHeavy):
        list(client.pages(7))
    assert [variables["limit"] for variables in script.variables] == [500, 250, 100, 50, 25, 10, 5, 1]


def test_a_cursor_that_ignores_smaller_pages_leads_to_a_new_start(monday):
    client, script = monday(first(row(1), cursor="c"), failed("maxComplexityExceeded"))
    with pytest.raises(CursorExpired):
        list(client.pages(7))
    script.answers = [first(row(1))]
    list(client.pages(7))
    assert script.variables[-1]["limit"] == 1


def test_an_outage_does_not_cut_pages_to_nothing(monday):
    client, script = monday(lambda _: first(row(1)) if script.clock.at > 250 else GATEWAY)
    list(client.pages(7))
    assert script.variables[-1]["limit"] == 25


BAD_PAGES = {
    "no list of items": ok({"boards": [{"id": "7", "items_page": {"cursor": None}}]}),
    "no page": ok({"boards": [{"id": "7", "items_page": None}]}),
    "null item": first(row(1, "a", "b"), None),
    "item without an id": first(row(1, "a", "b"), row(2, "a", "b", id=None)),
    "item twice": first(row(1, "a", "b"), row(1, "a", "b")),
    "cells missing": first(row(1, "a", "b"), row(2, "a")),
    "no cells": first(row(1, "a", "b"), row(2)),
    "a cell twice": first(row(1, "a", "b"), row(2, "a", "b", "b")),
    "a cell nobody asked for": first(row(1, "a", "b"), row(2, "a", "b", "c")),
    "cells null": first(row(1, "a", "b"), row(2, column_values=None)),
    "no group": first(row(1, "a", "b"), {key: value for key, value in row(2, "a", "b").items() if key != "group"}),
}


@pytest.mark.parametrize("page", BAD_PAGES.values(), ids=BAD_PAGES)
@pytest.mark.parametrize("expected", [None, ["a", "b"]], ids=["by neighbours", "as expected"])
def test_a_page_that_is_not_whole_is_asked_again(monday, page, expected):
    client, script = monday(page, first(row(1, "a", "b"), row(2, "a", "b")))
    pages = list(client.pages(7, AB, ReadOptions(expected=expected)))
    assert [item.id for item in pages[0].items] == ["1", "2"]
    assert client.stats.retries == {"malformed": 1}


@pytest.mark.parametrize("page", BAD_PAGES.values(), ids=BAD_PAGES)
def test_a_page_that_stays_broken_is_never_handed_on_as_whole(monday, page):
    client, script = monday(page)
    with pytest.raises(MondayError):
        list(client.pages(7, AB))
    assert len(script.asked) == 2


def test_items_that_stay_broken_can_be_taken_one_by_one(monday):
    client, _ = monday(first(row(1, "a", "b"), row(2, "a"), None))
    bad = {}
    pages = list(client.pages(7, AB, ReadOptions(expected=["a", "b"], on_malformed=bad.__setitem__)))
    assert [item.id for item in pages[0].items] == ["1"]
    assert bad == {"2": "the cells of b are missing", "": "it is empty"}


def test_a_kind_of_column_that_is_never_delivered_is_missed_by_nobody(monday):
    client, _ = monday(first(row(1, "a"), row(2, "a")))
    assert len(next(client.pages(7, Columns(("a", "number")))).items) == 2
    assert len(next(client.pages(7, Columns(("a", "number")), ReadOptions(expected=["a"]))).items) == 2


def test_a_null_item_beside_its_error_is_asked_again_and_then_reported(monday):
    path = ["boards", 0, "items_page", "items", 1]
    data = first(row(1, "a"), None)[2]["data"]
    client, _ = monday(failed("SomethingOdd", "Item is hidden", path=path, data=data))
    with pytest.raises(MondayError, match="Item is hidden"):
        list(client.pages(7, A))
    bad = {}
    pages = list(client.pages(7, A, ReadOptions(on_malformed=bad.__setitem__)))
    assert ([item.id for item in pages[0].items], list(bad)) == (["1"], [""])


def test_one_item_with_an_internal_error_does_not_hold_up_the_board(monday):
    path = ["boards", 0, "items_page", "items", 1, "column_values"]
    data = first(row(1, "a"), row(2, "a"))[2]["data"]
    client, script = monday(failed("INTERNAL_SERVER_ERROR", path=path, data=data))
    bad = {}
    pages = list(client.pages(7, A, ReadOptions(on_malformed=bad.__setitem__)))
    assert ([item.id for item in pages[0].items], list(bad)) == (["1"], ["2"])
    assert script.clock.at < 120


def test_rights_that_are_missing_for_a_page_are_an_error(monday):
    data = {"boards": [{"id": "7", "items_page": None}]}
    client, _ = monday(failed("USER_UNAUTHORIZED", path=["boards", 0, "items_page"], data=data))
    with pytest.raises(MondayRefused, match="boards.0.items_page"):
        list(client.pages(7))


# -- one page ahead ------------------------------------------------------------------------------------------------


def fetchers():
    return [thread for thread in threading.enumerate() if thread.name == "monday-next-page"]


def test_the_next_page_is_fetched_ahead_and_no_more_than_one(monday):
    client, script = monday(first(row(1), cursor="c1"), *[following(row(n), cursor=f"c{n}") for n in range(2, 9)])
    pages = client.pages(7, options=ReadOptions(prefetch=True))
    next(pages)
    for _ in range(200):
        if len(script.asked) == 2:
            break
        threading.Event().wait(0.01)
    threading.Event().wait(0.05)
    assert len(script.asked) == 2
    pages.close()
    assert not fetchers()
    assert len(script.asked) == 2


def test_pages_fetched_ahead_are_the_same_pages(monday):
    answers = [first(row(1), cursor="c1"), following(row(2), cursor="c2"), following(row(3))]
    client, _ = monday(*answers)
    assert [page.items[0].id for page in client.pages(7, options=ReadOptions(prefetch=True))] == ["1", "2", "3"]
    assert not fetchers()


def test_an_error_met_ahead_is_raised_when_its_page_is_due(monday):
    client, _ = monday(first(row(1), cursor="c1"), failed("CursorException", "CursorExpiredError"))
    pages = client.pages(7, options=ReadOptions(prefetch=True))
    assert next(pages).items[0].id == "1"
    with pytest.raises(CursorExpired):
        next(pages)
    assert not fetchers()


def test_a_consumer_that_raises_ends_the_fetching(monday):
    client, script = monday(first(row(1), cursor="c1"), following(row(2), cursor="c2"))
    with pytest.raises(ZeroDivisionError):
        for _ in client.pages(7, options=ReadOptions(prefetch=True)):
            1 / 0  # noqa: B018
    assert not fetchers()


# -- boards and the rest -------------------------------------------------------------------------------------------


def board(board_id="7", **changes):
    columns = [
        {"id": "name", "title": "Name", "type": "name", "archived": False, "settings": "{}"},
        {"id": "status", "title": "Status", "type": "status", "archived": False, "settings": {"labels": [{"id": 1}]}},
        {"id": "num", "title": "N", "type": "numbers", "archived": False, "settings": '{"unit":{"symbol":"$"}}'},
        {"id": "odd", "title": "O", "type": "text", "archived": False, "settings": "null"},
        {"id": "gone", "title": "G", "type": "text", "archived": True, "settings": None},
    ]
    groups = [{"id": "topics", "title": "Topics", "archived": False, "deleted": False}]
    fields = {"items_count": 3, "items_limit": 10000, "updated_at": "2026-01-01T00:00:00Z"}
    return {
        "id": board_id,
        "name": "Projects",
        "state": "active",
        "columns": columns,
        "groups": groups,
        **fields,
        **changes,
    }


def test_a_board_comes_with_its_columns_settings_and_groups(monday):
    client, _ = monday(ok({"boards": [board()]}))
    found = client.board(7)
    assert [column.id for column in found.columns] == ["name", "status", "num", "odd"]
    assert found.column("status").settings == {"labels": [{"id": 1}]}
    assert found.column("num").settings == {"unit": {"symbol": "$"}}
    assert found.column("odd").settings == {}
    assert (found.groups, found.items_count, found.items_limit) == ((("topics", "Topics"),), 3, 10000)


def test_boards_come_in_the_order_asked_for_and_missing_ones_are_named(monday):
    client, _ = monday(ok({"boards": [board("8"), board("7")]}))
    assert [found.id for found in client.account.boards([7, "8", 7])] == ["7", "8", "7"]
    with pytest.raises(BoardNotVisible, match="Boards 5, 6 are not visible"):
        client.account.boards([5, 7, 6])


def test_columns_that_may_not_be_read_are_not_taken_for_none(monday):
    client, _ = monday(ok({"boards": [board(columns=None)]}))
    with pytest.raises(MondayRefused, match="columns of board 7"):
        client.board(7)


def test_the_plan_may_be_hidden_from_the_token(monday):
    data = {"me": {"id": "1", "name": "Ann", "account": {"id": "2", "slug": "acme", "plan": None}}}
    client, _ = monday(failed("UNAUTHORIZED_FIELD_OR_TYPE", path=["me", "account", "plan"], data=data))
    assert (client.account.me().account_slug, client.account.me().plan_tier) == ("acme", "")


def test_the_whole_account_may_be_hidden_from_the_token(monday):
    hidden = failed("UNAUTHORIZED_FIELD_OR_TYPE", path=["me", "account"], data={"me": None})
    client, _ = monday(hidden, ok({"me": {"id": "1", "name": "Ann"}}))
    assert (client.account.me().name, client.account.me().account_slug) == ("Ann", "")


def test_what_a_wide_page_costs_says_nothing_about_a_sweep(monday):
    def page(body):
        answer = first(row(1, *body["variables"].get("columns", ())))
        cost = 900_000 if "columns" in body["variables"] else 1_000
        answer[2]["data"]["complexity"] = {"before": 0, "query": cost, "after": 500_000, "reset_in_x_seconds": 50}
        return answer

    client, script = monday(page)
    list(client.pages(7, A))
    list(client.listing(7))
    assert script.clock.at == 0
    list(client.pages(7, A))
    assert script.clock.at >= 50


def test_items_are_read_by_the_hundred_and_absent_ones_are_absent(monday):
    def answer(body):
        asked = [row(int(n), "a", board={"id": "7"}) for n in body["variables"]["ids"] if n != "13"]
        return ok({"items": asked[::-1]})

    client, script = monday(answer)
    found = [item for batch in client.items([*range(1, 151), 1], A) for item in batch]
    assert sorted(int(item.id) for item in found) == [n for n in range(1, 151) if n != 13]
    assert [len(variables["ids"]) for variables in script.variables] == [100, 50]
    assert script.variables[0]["limit"] == 100
    assert found[0].board_id == "7"


def test_archived_items_come_with_their_state_and_need_no_cells(monday):
    client, _ = monday(ok({"items": [row(1, "a"), row(2, state="deleted", column_values=[], updated_at=None)]}))
    assert [item.state for item in next(client.items([1, 2], A))] == ["active", "deleted"]


@pytest.mark.parametrize("told", ["yesterday", "2026-02-30T00:00:00Z", 17, ""])
def test_a_moment_that_cannot_be_read_is_none(monday, told):
    client, _ = monday(ok({"items": [row(1, "a", updated_at=told, created_at=told)]}))
    (item,) = next(client.items([1], A))
    assert (item.updated_at, item.created_at) == (None, None)


def test_an_id_that_comes_as_a_number_is_one(monday):
    client, _ = monday(ok({"items": [{**row(1, "a"), "id": 1}]}))
    assert [item.id for item in next(client.items([1], A))] == ["1"]


def test_an_id_that_is_no_number_is_refused_before_it_is_sent(monday):
    client, script = monday(ME)
    with pytest.raises(ValueError):
        client.items(["7; drop"])
    assert not script.asked


def test_a_call_for_items_that_is_too_much_is_cut_smaller_and_loses_none(monday):
    def answer(body):
        ids = body["variables"]["ids"]
        return failed("maxComplexityExceeded") if len(ids) > 30 else ok({"items": [row(int(n)) for n in ids]})

    client, _ = monday(answer)
    assert sorted(int(item.id) for batch in client.items(range(1, 121)) for item in batch) == list(range(1, 121))


def test_finding_by_text_follows_the_cursor_without_repeating_the_filter(monday):
    def page(*rows, cursor=None):
        return ok({"items_page_by_column_values": {"cursor": cursor, "items": list(rows)}})

    client, script = monday(page(row(1, "a"), cursor="c"), page(row(2, "a")))
    assert [item.id for item in client.find_by_text(7, "key", ["x", "y"], A)] == ["1", "2"]
    assert script.variables[0]["match"] == [{"column_id": "key", "column_values": ["x", "y"]}]
    assert "match" not in script.variables[1] and script.variables[1]["cursor"] == "c"


def test_users_are_read_to_the_last_page(monday):
    def answer(body):
        numbers = range(1000) if body["variables"]["page"] == 1 else range(1000, 1003)
        return ok({"users": [{"id": str(n), "name": f"U{n}"} for n in numbers]})

    client, _ = monday(answer)
    assert len(client.account.users()) == 1003


def test_an_import_uploads_without_the_token_and_waits_for_its_end(monday):
    state = {"status": "PROCESSING", "counts": None}

    def answer(body):
        if "ingest_items" in body["query"]:
            return ok({"ingest_items": {"job_id": "j", "upload_url": "http://upload.test/x?sig=1"}})
        told, state["status"] = dict(state), "COMPLETED"
        return ok({"fetch_job_status": told})

    client, script = monday(answer)
    uploads = []
    with responses.RequestsMock() as mock:
        mock.add_callback(responses.POST, URL, script)
        mock.add_callback(
            responses.PUT, "http://upload.test/x", lambda request: uploads.append(request) or (200, {}, "")
        )
        job = client.imports.start(7, "topics", "name")
        client.imports.upload(job, ["name", "text"], [["A", 'say "x"'], ["B", "<NULL>"]])
        assert client.imports.wait_for(job).status == "COMPLETED"
    assert "Authorization" not in uploads[0].headers and uploads[0].headers["Content-Type"] == "text/csv"
    assert uploads[0].body == b'name,text\r\nA,"say ""x"""\r\nB,<NULL>\r\n'
    assert script.clock.at == 10


def test_an_import_that_is_rejected_says_why(monday):
    told = {"status": "REJECTED", "failure_reason": "BOARD_CAPACITY_EXCEEDED", "failure_message": None}
    client, _ = monday(ok({"fetch_job_status": told}))
    with pytest.raises(RecordRefused, match="BOARD_CAPACITY_EXCEEDED"):
        client.imports.status("j")


# -- changed since -------------------------------------------------------------------------------------------------


class Updates:
    """A board whose filter by update time understands instants by the second or by the day, words, or nothing."""

    def __init__(self, precision, times, hours_ahead=0):
        self.precision = precision
        self.times = {str(n): time for n, time in enumerate(times, 1)}
        self.ahead = timedelta(hours=hours_ahead)

    def __call__(self, body):
        query, variables = body["query"], body["variables"]
        if "items(ids" in query:
            return ok({"items": [self.row(n, variables) for n in variables["ids"]]})
        wanted = variables.get("filter", {})
        rules = wanted.get("rules", [])
        exact = any("EXACT" in rule["compare_value"] for rule in rules)
        if rules and (self.precision == "refuses" or (exact and self.precision == "words")):
            return failed("InvalidArgumentException", data={"boards": [None]})
        found = [n for n in self.times if all(self.matches(n, rule) for rule in rules)]
        found = [n for n in found if n in wanted.get("ids", found)]
        if wanted.get("order_by", [{}])[0].get("direction") == "desc":
            found = sorted(found, key=lambda n: self.times[n] or START, reverse=True)
        return first(*[self.row(n, variables) for n in found[: variables["limit"]]])

    def row(self, number, variables):
        time = self.times[number]
        return row(int(number), *variables.get("columns", ()), updated_at=time and f"{time:%Y-%m-%dT%H:%M:%SZ}")

    def matches(self, number, rule):
        time, value = self.times[number] or START, rule["compare_value"]
        if value[0] != "EXACT":
            return time >= START - {2: timedelta(days=1), 4: timedelta(days=7), 6: timedelta(days=28)}[len(value)]
        bound = datetime.fromisoformat(value[1].replace("Z", "+00:00"))
        if self.precision == "finds nothing":
            return False
        return (time + self.ahead).date() >= bound.date() if self.precision == "days" else time >= bound


def ago(**time):
    return START - timedelta(**time)


@pytest.mark.parametrize(
    "precision, learnt, calls",
    [("seconds", "seconds", 2), ("days", "days", 2), ("words", "words", 2), ("refuses", "nothing", 4)],
)
@pytest.mark.parametrize("hours_ahead", [-12, 0, 14])
def test_what_changed_is_found_whatever_the_filter_understands(monday, precision, learnt, calls, hours_ahead):
    times = [ago(days=40), ago(hours=13), ago(minutes=61), ago(minutes=59), ago(seconds=30)]
    client, script = monday(Updates(precision, times, hours_ahead))
    pages = list(client.changed_since(7, ago(hours=1), A))
    assert sorted(item.id for page in pages for item in page.items) == ["4", "5"]
    assert all(item.cells for page in pages for item in page.items)
    assert pages[-1].cursor is None
    assert client.update_filter.precision == learnt
    assert len(script.asked) <= calls + 3 * (precision == "days")


@pytest.mark.parametrize("times", [[None], [None, ago(minutes=30)], [ago(days=3), None]])
def test_an_item_without_an_update_time_is_looked_at_and_teaches_nothing_about_the_filter(monday, times):
    client, _ = monday(Updates("seconds", times))
    wanted = [str(n) for n, time in enumerate(times, 1) if time is None or time > ago(hours=1)]
    found = [item.id for page in client.changed_since(7, ago(hours=1)) for item in page.items]
    assert sorted(found) == wanted


def test_a_filter_that_finds_nothing_is_found_out(monday):
    client, _ = monday(Updates("finds nothing", [ago(minutes=30), ago(days=3)]))
    pages = list(client.changed_since(7, ago(hours=1)))
    assert [item.id for page in pages for item in page.items] == ["1"]


@pytest.mark.parametrize("precision", ["seconds", "days", "finds nothing", "words", "refuses"])
def test_a_board_without_changes_yields_none_whatever_the_filter_understands(monday, precision):
    client, script = monday(Updates(precision, [ago(days=3), ago(hours=5)]))
    assert [item for page in client.changed_since(7, ago(hours=1)) for item in page.items] == []
    before = len(script.asked)
    list(client.changed_since(7, ago(hours=1)))
    assert len(script.asked) - before == 1


def test_what_the_filter_understands_is_found_out_only_once(monday):
    client, script = monday(Updates("seconds", [ago(minutes=5)]))
    for _ in range(3):
        list(client.changed_since(7, ago(hours=1)))
    assert len(script.asked) == 2 + 1 + 1


def test_an_empty_board_has_no_changes_and_teaches_nothing(monday):
    client, _ = monday(Updates("seconds", []))
    assert [item for page in client.changed_since(7, ago(hours=1)) for item in page.items] == []
    assert client.update_filter.precision == "unknown"


def test_a_filter_by_the_day_is_known_as_one_from_a_single_item(monday):
    client, _ = monday(Updates("days", [ago(seconds=30)]))
    list(client.changed_since(7, ago(hours=1)))
    assert client.update_filter.precision == "days"


def test_words_reach_back_only_so_far(monday):
    client, script = monday(Updates("words", [ago(days=60), ago(days=33), ago(days=2)]))
    for days, ids in ((3, ["3"]), (20, ["3"]), (40, ["2", "3"])):
        found = [item.id for page in client.changed_since(7, ago(days=days)) for item in page.items]
        assert sorted(found) == ids
    assert "items(ids" in script.bodies[-1]["query"]


# -- over a real socket --------------------------------------------------------------------------------------------


class RawServer:
    """Answers each connection's requests with the bytes it was given, and closes when told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.connections = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v2"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.answers:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as stream:
                while self.answers and self.answer_one(connection, stream):
                    pass

    def answer_one(self, connection, stream):
        length = 0
        while (line := stream.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        stream.read(length)
        if not line:
            return False
        answer = self.answers.pop(0)
        connection.sendall(answer)
        return answer.startswith(b"HTTP") and b"CUT" not in answer


def http(body, extra="", length=None, status="200 OK"):
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length or len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body


@pytest.fixture
def raw():
    servers = []

    def serve(*answers, **options):
        servers.append(RawServer(*answers))
        client = Monday(token=TOKEN, url=servers[-1].url, clock=MovingClock(), limits=Limits(**options))
        return client, servers[-1]

    yield serve
    for server in servers:
        server.socket.close()


ANN = json.dumps(ME[2]).encode()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"not http at all",
        http(ANN[:30] + b"CUT", length=len(ANN)),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"dat\r\nCUT',
        http(b"\x1f\x8bCUT no gzip", "Content-Encoding: gzip\r\n"),
    ],
    ids=["closed", "no http", "half a body", "half a chunk", "broken gzip"],
)
def test_a_connection_that_breaks_is_made_again(raw, broken):
    client, server = raw(broken, http(ANN))
    with client:
        assert client.account.me().name == "Ann"
    assert server.connections == 2


def test_one_connection_serves_many_calls(raw):
    client, server = raw(*[http(ANN)] * 5)
    with client:
        for _ in range(5):
            client.account.me()
    assert server.connections == 1


def test_bodies_may_be_packed(raw):
    client, _ = raw(http(gzip.compress(ANN), "Content-Encoding: gzip\r\n"))
    with client:
        assert client.account.me().name == "Ann"


def test_a_server_that_does_not_answer_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v2"
        limits = Limits(give_up_after=1, timeout=(0.2, 0.2))
        with Monday(token=TOKEN, url=url, clock=MovingClock(), limits=limits) as client:
            with pytest.raises(MondayUnavailable):
                client.account.me()


# -- whole journeys ------------------------------------------------------------------------------------------------


class SharedClock(Clock):
    """Sleeping moves it and the sandbox, so that waits are obeyed and nobody waits."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.slept = 0.0

    def now(self):
        return datetime.fromtimestamp(self.sandbox.admin("clock")["now"], timezone.utc)

    def monotonic(self):
        return super().monotonic() + self.slept

    def sleep(self, seconds):
        if seconds > 0:
            self.slept += seconds
            self.sandbox.admin("clock/advance", seconds=seconds)


@pytest.fixture
def journey():
    sandbox_module = pytest.importorskip("sandbox")
    open_ones = []

    def start(limits="off", items=620, **options):
        sandbox = sandbox_module.Sandbox(boards=f"projects:{items}", limits=limits)
        client = Monday(token=sandbox.token, url=sandbox.graphql_url, clock=SharedClock(sandbox), limits=Limits(**options))
        open_ones.append((client, sandbox))
        return client, sandbox, client.board(next(client.account.board_list())["id"])

    yield start
    for client, sandbox in open_ones:
        client.close()
        sandbox.close()


SELECTION = "id text value ... on MirrorValue { display_value }"


def columns_of(found):
    return [column.id for column in found.columns if column.id != "name"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "random_5xx", "percent": 40},
        {"kind": "cut", "count": 2},
        {"kind": "reset", "count": 3},
        {"kind": "lost_answer", "count": 2},
        {"kind": "partial", "count": 2},
        {"kind": "drop_cell"},
        {"kind": "fail_above", "above": 120},
        {"kind": "html_502", "count": 4},
        {"kind": "json_500", "count": 4},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_board_is_read_whole_through_any_trouble(journey, fault):
    client, sandbox, found = journey()
    columns = columns_of(found)
    sandbox.admin("faults/add", **fault)
    pages = client.pages(found.id, Columns(tuple(columns), SELECTION), ReadOptions(expected=columns, prefetch=True))
    items = [item for page in pages for item in page.items]
    assert len({item.id for item in items}) == len(items) == found.items_count == 620
    assert all(len(item.cells) == len(columns) for item in items)


def test_budgets_are_kept_without_a_single_refused_call(journey):
    client, sandbox, found = journey(limits="standard", items=3)
    columns = columns_of(found)
    for _ in range(90):
        list(client.pages(found.id, Columns(tuple(columns), SELECTION)))
    counted = sandbox.admin("counters")
    assert counted["requests"] == counted["http_200"] == client.stats.calls
    assert counted["complexity"] > 10_000_000
    assert client.stats.waited_s["complexity"] > 30
    assert client.stats.retries == {}


@pytest.mark.parametrize(
    "fault", [{"kind": "lost_answer", "count": 2}, {"kind": "reset", "count": 3}, {"kind": "html_503", "count": 2}]
)
def test_nothing_is_created_twice_when_answers_are_lost(journey, fault):
    client, sandbox, found = journey(items=3)
    sandbox.admin("faults/add", **fault, match={"field": "create_item"})
    made = client.writing.create_items(found.id, [(f"New {n}", None, {}) for n in range(30)])
    assert all(isinstance(item, Item) for item in made)
    assert client.stats.retries
    assert client.board(found.id).items_count == 33


def test_what_was_written_comes_back_as_changed(journey):
    client, sandbox, found = journey(items=40)
    before = client._caller.line.clock.now()
    sandbox.admin("clock/advance", seconds=5)
    text = next(column.id for column in found.columns if column.type == "text")
    ids = [item.id for page in client.listing(found.id) for item in page.items]
    outcomes = client.writing.change_items(found.id, [(ids[3], {text: "new"}), ("99", {text: "x"})])
    assert outcomes[0].cells[text]["text"] == "new"
    assert isinstance(outcomes[1], ItemGone)
    changed = [item for page in client.changed_since(found.id, before, Columns((text,))) for item in page.items]
    assert [(item.id, item.cells[text]["text"]) for item in changed] == [(ids[3], "new")]
    assert [item.id for item in client.find_by_text(found.id, text, ["new"])] == [ids[3]]
    client.writing.archive_items(found.id, [ids[3]])
    client.writing.delete_items(found.id, [ids[4]])
    states = {item.id: item.state for items in client.items([ids[3], ids[4], "99"]) for item in items}
    assert states == {ids[3]: "archived", ids[4]: "deleted"}


def test_everything_around_the_items_can_be_asked_for(journey):
    client, _, found = journey(limits="pro", items=3)
    assert client.account.me().plan_tier == "pro"
    assert client.account.users() and client.account.teams() and client.account.tags()
    assert client.account.webhooks(found.id) == []
    assert client.account.platform_budget().total
    assert client.account.board_marks([found.id])[found.id][1] == 3
    assert client.account.create_column(found.id, NewColumn("Sync id", "text", "sync_id")).id == "sync_id"
    group, text = found.groups[0][0], next(column.id for column in found.columns if column.type == "text")
    started = client.imports.start(found.id, group, "name")
    client.imports.upload(started, ["name", text], [["A", "1"], ["B", "2"]])
    job = client.imports.wait_for(started)
    assert job.counts["created"] == 2
    logs = client.account.activity_logs(found.id, START.replace(year=2020))
    assert any(entry["event"] == "create_column" for entry in logs)


def test_importing_the_client_is_cheap_and_brings_no_requests():
    code = "import sys, monday_api; print('requests' in sys.modules, 'urllib3' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
