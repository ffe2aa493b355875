"""Checks what the client makes of mutations: which were done, which were not, and which it cannot know."""

from __future__ import annotations

import pytest
import requests

from errors import (
    DailyLimitReached,
    ItemGone,
    MondayError,
    MondayRefused,
    MondayUnavailable,
    OutcomeUnknown,
    RecordRefused,
)
from models import Item
from tests.kit.scripted import BUSY, CHANGE, CUT, GATEWAY, HALF, failed, item_json, ok


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
                data[alias] = item_json(int(value), *variables.get("columns", ()))
        return 200, {}, {"data": data, **({"errors": errors} if errors else {})}

    return answer


def test_changes_travel_in_documents_of_50_and_answer_row_by_row(monday):
    client, script = monday(answering("3", "53"))
    outcomes = client.writing.change_items(7, [(str(n), {"a": "x"}) for n in range(55)], key="k")
    assert [isinstance(outcome, RecordRefused) for outcome in outcomes] == [n in (3, 53) for n in range(55)]
    assert [outcome.id for outcome in outcomes if isinstance(outcome, Item)] == [
        str(n) for n in range(55) if n not in (3, 53)
    ]
    assert [request.headers["Idempotency-Key"] for request in script.asked] == ["k", "k-1"]
    assert script.variables[0]["values0"] == '{"a":"x"}'
    assert outcomes[0].cells["a"]["text"] == "a of 0"


def test_an_answer_about_another_item_says_nothing_of_the_one_that_was_written(monday):
    def answer(body):
        return ok({"a0": item_json(1, "a"), "a1": item_json(1, "a")})

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
    outcomes = client.writing.change_items(7, [(str(n), {"a": 1}) for n in range(1, 61)])
    assert all(isinstance(outcome, Item) for outcome in outcomes[:50])
    assert all(isinstance(outcome, DailyLimitReached) for outcome in outcomes[50:])


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
    client, script = monday(ok({"a0": item_json(1), "a1": item_json(2, group={"id": "topics"})}))
    made = client.writing.create_items(7, [("One", None, {}), ("Two", "topics", {})])
    assert [item.id for item in made] == ["1", "2"]
    assert "group0" not in script.variables[0] and script.variables[0]["group1"] == "topics"


def test_an_alias_without_data_and_without_an_error_is_unknown(monday):
    client, _ = monday(ok({"a0": item_json(1), "a1": None}))
    made = client.writing.create_items(7, [("One", None, {}), ("Two", None, {})])
    assert isinstance(made[0], Item) and isinstance(made[1], OutcomeUnknown)
