"""Checks budgets, repeats with an Idempotency-Key, locks on boards."""

import threading

import pytest

USERS = 5764059860
CREATE = 'mutation{create_item(board_id:5764059860,item_name:"x"){id}}'


def count(client):
    return len([i for i in client.admin("boards/snapshot", board_id=USERS) if i["state"] == "active"])


def test_complexity_is_counted_as_recorded(start):
    client = start("users:2", limits="standard")
    assert client.data("{complexity{query after}}")["complexity"] == {"query": 10, "after": 9999990}
    found = client.data("{complexity{before query after reset_in_x_seconds} boards(ids:[1]){id}}")["complexity"]
    assert (found["before"], found["query"], found["after"]) == (9999990, 21, 9999969)
    assert 1 <= found["reset_in_x_seconds"] <= 60


def test_limits_multiply_the_cost(start):
    client = start("users:2")
    text = "query($l:Int!){complexity{query} boards(ids:[5764059860]){items_page(limit:$l){items{id}}}}"
    costs = [client.data(text, l=n)["complexity"]["query"] for n in (10, 20)]
    assert costs[1] - costs[0] == 10


def test_a_query_above_five_million_is_refused_as_too_heavy(start):
    text = "{boards(limit:500){items_page(limit:500){items{id column_values{id text value}}}}}"
    assert start("users:2").code(text) == "maxComplexityExceeded"


def test_a_spent_budget_names_its_wait_and_comes_back(start):
    client = start("users:2", limits="standard")
    text = "{boards(limit:100){items_page(limit:500){items{id column_values{id text value}}}}}"
    while True:
        answer = client.raw(text)
        if "errors" in answer.json():
            break
    error = answer.json()["errors"][0]
    assert answer.status_code == 200
    assert error["message"] == "Complexity budget exhausted"
    assert set(error["extensions"]) == {"code", "retry_in_seconds"}
    assert answer.headers["Retry-After"] == str(error["extensions"]["retry_in_seconds"])
    client.admin("clock/advance", seconds=61)
    assert "errors" not in client(text)


def test_headers_tell_what_is_left(start):
    answer = start("users:2", limits="standard").raw("{me{id}}")
    assert '"minuteRate";q=1000;w=60' in answer.headers["RateLimit-Policy"]
    assert '"minuteRate";r=999' in answer.headers["RateLimit"]
    assert "RateLimit" not in start("users:2").raw("{me{id}}").headers


def test_the_minute_limit_is_429_with_a_wait(start):
    client = start("users:2", limits="standard")
    client.sandbox.service.meter.calls.extend([client.sandbox.service.clock.now()] * 1000)
    answer = client.raw("{me{id}}")
    assert answer.status_code == 429 and answer.json()["errors"][0]["message"] == "Minute limit rate exceeded"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    client.admin("clock/advance", seconds=61)
    assert client.raw("{me{id}}").status_code == 200


def test_daily_calls_end_at_the_plan_and_return_at_midnight_utc(start):
    client = start("users:2", limits="standard", now=1_795_000_000)
    client.data("{me{id}}")
    days = client.sandbox.service.meter.days
    day = next(iter(days))
    days[day] = 999
    assert client.raw("{me{id}}").status_code == 200
    answer = client.raw("{me{id}}")
    assert answer.json()["errors"][0]["extensions"]["code"] == "DAILY_LIMIT_EXCEEDED"
    assert days[day] == pytest.approx(1000.1)
    client.admin("clock/advance", seconds=int(answer.headers["Retry-After"]))
    assert client.raw("{me{id}}").status_code == 200


def in_threads(work, number=2):
    found = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_two_writers_of_one_board_get_423(start):
    client = start("users:2")
    client.admin("latency", ms=200)
    answers = in_threads(lambda: client.raw(CREATE))
    assert sorted(a.status_code for a in answers) == [200, 423]
    assert count(client) == 3


def test_two_boards_are_written_side_by_side(start):
    client = start("users:2,empty:0")
    client.admin("latency", ms=100)
    texts = [CREATE, CREATE.replace("5764059860", "7810000909")]
    answers = in_threads(lambda: client.raw(texts.pop()))
    assert [a.status_code for a in answers] == [200, 200]


def test_too_many_calls_at_once_are_refused(start):
    client = start("users:2", limits="standard")
    client.sandbox.service.meter.running = 40
    answer = client.raw("{me{id}}")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "maxConcurrencyExceeded")


def test_a_repeat_with_the_same_key_is_answered_from_memory_for_30_minutes(start):
    client = start("users:2")
    first = client.raw(CREATE, {"Idempotency-Key": "k"})
    again = client.raw(CREATE, {"Idempotency-Key": "k"})
    assert again.headers["Idempotency-Replayed"] == "true" and again.text == first.text
    assert "Idempotency-Replayed" not in first.headers
    client.admin("clock/advance", seconds=1801)
    assert client.raw(CREATE, {"Idempotency-Key": "k"}).json()["data"] != first.json()["data"]
    assert count(client) == 4


def test_the_same_key_while_the_first_runs_is_a_conflict(start):
    client = start("users:2,empty:0")
    client.admin("latency", ms=200)
    answers = in_threads(lambda: client.raw(CREATE, {"Idempotency-Key": "k"}))
    conflict = next(a for a in answers if a.status_code == 409)
    assert (
        conflict.headers["Retry-After"] and conflict.json()["errors"][0]["extensions"]["code"] == "IDEMPOTENCY_CONFLICT"
    )
    assert count(client) == 3


def test_the_same_key_with_another_body_is_refused(start):
    client = start("users:2")
    client.raw(CREATE, {"Idempotency-Key": "k"})
    answer = client.raw(CREATE.replace('"x"', '"y"'), {"Idempotency-Key": "k"})
    assert answer.status_code == 422 and count(client) == 3


def test_keys_are_for_mutations_and_for_those_that_ran(start):
    client = start("users:2")
    assert "Idempotency-Replayed" not in client.raw("{me{id}}", {"Idempotency-Key": "q"}).headers
    assert "Idempotency-Replayed" not in client.raw("{me{id}}", {"Idempotency-Key": "q"}).headers
    client.admin("faults/add", kind="html_502")
    assert client.raw(CREATE, {"Idempotency-Key": "k"}).status_code == 502
    assert "Idempotency-Replayed" not in client.raw(CREATE, {"Idempotency-Key": "k"}).headers


def test_formula_values_are_limited_when_limits_are_on(start):
    client = start("users:2", limits="pro")
    board = client.admin(
        "boards/create",
        name="F",
        columns=[{"id": "n", "title": "n", "type": "numbers"}]
        + [{"id": f"f{n}", "title": "f", "type": "formula", "settings": {"formula": "{n}*2"}} for n in range(6)],
    )["id"]
    client.admin("items/load", board_id=board, items=[{"name": "a", "values": {"n": "2"}}])
    text = "{boards(ids:[BOARD]){items_page{items{column_values{id ...on FormulaValue{display_value}}}}}}"
    text = text.replace("BOARD", board)
    error = client(text)["errors"][0]
    assert error["extensions"]["code"] == "FIELD_MINUTE_RATE_LIMIT_EXCEEDED"
    assert "f5" not in str(client(text.replace("column_values", 'column_values(ids:["f0"])')).get("errors"))
