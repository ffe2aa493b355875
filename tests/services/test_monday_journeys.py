"""Takes the client through whole journeys over a sandbox."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timezone

import pytest

from errors import ItemGone, MondayRefused
from models import Columns, Item
from monday_api import Monday, NewColumn, ReadOptions
from sandbox import Sandbox
from tests.kit.clocks import START, SharedClock


@pytest.fixture(params=["2026-07", "2026-10"])
def journey(request):
    with ExitStack() as opened:

        def start(limits="off", items=620):
            sandbox = opened.enter_context(Sandbox(boards=f"projects:{items}", limits=limits))
            clock = SharedClock(sandbox.url, sandbox.token)
            client = opened.enter_context(
                Monday(token=sandbox.token, url=sandbox.graphql_url, version=request.param, clock=clock)
            )
            return client, sandbox, client.board(next(client.account.board_list())["id"])

        yield start


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
    before = datetime.fromtimestamp(sandbox.admin("clock")["now"], timezone.utc)
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


@pytest.mark.parametrize("kind", ["external_agent_member", "external_agent_detached_member", "member"])
def test_the_key_of_an_agent_is_told_what_it_may_not_do(journey, kind, request):
    owner, sandbox, found = journey(items=3)
    user = sandbox.admin("users/add", name="Agent", email="agent@example.com", kind=kind)["id"]
    sandbox.admin("tokens/add", token="key-of-another", user_id=user)
    version = request.node.callspec.params["journey"]
    ids = [item.id for page in owner.listing(found.id) for item in page.items]
    with Monday(token="key-of-another", url=sandbox.graphql_url, version=version) as client:
        archived = client.writing.archive_items(found.id, ids[:2])
        if kind == "member":
            assert all(isinstance(outcome, Item) for outcome in archived)
            return
        assert all("may not archive items" in outcome.message for outcome in archived)
        with pytest.raises(MondayRefused, match="key of an agent, and an agent may not make webhooks") as raised:
            client.account.create_webhook(found.id, "http://127.0.0.1:9/", "create_item")
        assert "personal token" in raised.value.hint
        assert all(isinstance(outcome, Item) for outcome in client.writing.delete_items(found.id, ids[:2]))


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
