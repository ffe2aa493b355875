"""Checks the faults that a test can order: each does exactly what it says."""

import pytest
import requests

from sandbox.client import AdminError

USERS = 5764059860
CREATE = 'mutation{create_item(board_id:5764059860,item_name:"x"){id}}'
PAGE = "{boards(ids:[5764059860]){items_count items_page(limit:500){cursor items{id column_values{id text}}}}}"


@pytest.fixture
def client(start):
    return start("users:20")


def rows(client):
    return client(PAGE)["data"]["boards"][0]["items_page"]["items"]


def active(client):
    return [i["id"] for i in client.admin("boards/snapshot", board_id=USERS, state="active")]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_gateway_errors_are_html_and_pass(client, status):
    client.admin("faults/add", kind=f"html_{status}")
    answer = client.raw(CREATE)
    assert answer.status_code == status and answer.text.startswith("<html>")
    assert len(active(client)) == 20
    assert client.raw(CREATE).status_code == 200


def test_an_infrastructure_error_has_its_own_shape(client):
    client.admin("faults/add", kind="json_500")
    assert client("{me{id}}")["error_code"] == "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize("kind, applied", [("reset", False), ("lost_answer", True)])
def test_a_broken_connection_before_or_after_the_mutation(client, kind, applied):
    client.admin("faults/add", kind=kind, match={"operation": "mutation"})
    client.raw("{me{id}}")
    with pytest.raises(requests.ConnectionError):
        client.raw(CREATE, {"Idempotency-Key": "k"})
    assert len(active(client)) == 20 + applied
    answer = client.raw(CREATE, {"Idempotency-Key": "k"})
    assert ("Idempotency-Replayed" in answer.headers) is applied
    assert len(active(client)) == 21


def test_a_gateway_error_after_the_mutation_was_applied(client):
    client.admin("faults/add", kind="html_504", applied=True)
    assert client.raw(CREATE, {"Idempotency-Key": "k"}).status_code == 504
    assert len(active(client)) == 21
    assert client.raw(CREATE, {"Idempotency-Key": "k"}).json()["data"]
    assert len(active(client)) == 21


def test_a_timeout_holds_the_line_and_hangs_up(client):
    client.admin("faults/add", kind="timeout", seconds=0.3)
    with pytest.raises(requests.ConnectionError):
        client.raw("{me{id}}")
    client.admin("faults/add", kind="timeout", seconds=1)
    with pytest.raises(requests.Timeout):
        client.raw("{me{id}}", timeout=0.2)


def test_a_cut_answer_is_no_json(client):
    client.admin("faults/add", kind="cut")
    with pytest.raises(ValueError):
        client.raw(PAGE).json()


def test_partial_data_come_with_errors_that_name_the_place(client):
    client.admin("faults/add", kind="partial")
    found = client(PAGE)
    path = found["errors"][0]["path"]
    assert path[:4] == ["boards", 0, "items_page", "items"]
    assert found["data"]["boards"][0]["items_page"]["items"][path[4]] is None
    client.admin("faults/add", kind="partial", null_field="column_values")
    found = client(PAGE)
    place = found["errors"][0]["path"]
    assert found["data"]["boards"][0]["items_page"]["items"][place[4]]["column_values"] is None


def test_listings_can_lie_without_an_error(client):
    for kind, length in (("drop_item", 19), ("drop_page", 0), ("empty_listing", 0)):
        client.admin("faults/add", kind=kind)
        assert len(rows(client)) == length
        assert len(rows(client)) == 20
    client.admin("faults/add", kind="drop_cell", column_id="text25")
    assert "text25" not in {c["id"] for i in rows(client) for c in i["column_values"]}
    assert "text25" in {c["id"] for i in rows(client) for c in i["column_values"]}


def test_big_pages_fail_until_the_fault_is_cleared(client):
    client.admin("faults/add", kind="fail_above", above=100)
    assert client.raw(PAGE).status_code == 504
    assert client.raw(PAGE).status_code == 504
    assert client.raw(PAGE.replace("500", "100")).status_code == 200
    client.admin("faults/clear")
    assert client.raw(PAGE).status_code == 200


def test_any_error_of_the_table_can_be_given(client):
    client.admin("faults/add", kind="error", code="API_TEMPORARILY_BLOCKED", message="Blocked", http=200)
    assert client.code("{me{id}}") == "API_TEMPORARILY_BLOCKED"
    client.admin("faults/add", kind="error", code="RATE_LIMIT_EXCEEDED", http=429, status=429, retry_in_seconds=7)
    answer = client.raw("{me{id}}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_a_fault_hits_the_nth_matching_request_so_many_times(client):
    client.admin("faults/add", kind="html_502", count=2, match={"field": "me", "nth": 2})
    statuses = [client.raw(text).status_code for text in ["{me{id}}", "{tags{id}}"] + ["{me{id}}"] * 3]
    assert statuses == [200, 200, 502, 502, 200]


def test_random_failures_follow_the_seed(start):
    runs = []
    for _ in range(2):
        client = start("empty:0", seed=5)
        client.admin("faults/add", kind="random_5xx", percent=40)
        runs.append([client.raw("{me{id}}").status_code for _ in range(20)])
    assert runs[0] == runs[1] and {200} < set(runs[0])


def test_filtered_reads_and_counts_lag_and_others_do_not(client):
    client.admin("faults/add", kind="lagging_reads", seconds=30)
    item = client.data(CREATE)["create_item"]["id"]
    by_name = (
        '{items_page_by_column_values(board_id:5764059860,columns:[{column_id:"name",column_values:["x"]}]){items{id}}}'
    )
    assert client.data(by_name)["items_page_by_column_values"]["items"] == []
    assert client.data(PAGE)["boards"][0]["items_count"] == 20
    assert item in {i["id"] for i in rows(client)}
    client.admin("clock/advance", seconds=31)
    assert client.data(by_name)["items_page_by_column_values"]["items"] == [{"id": item}]
    assert client.data(PAGE)["boards"][0]["items_count"] == 21


def test_unknown_faults_and_calls_are_refused(client):
    for call, settings in (("faults/add", {"kind": "flood"}), ("nonsense", {}), ("switches", {"mood": 1})):
        with pytest.raises(AdminError, match="unknown|no admin call"):
            client.admin(call, **settings)


def test_admin_needs_the_token(client):
    answer = requests.post(f"{client.sandbox.url}/admin/state", json={}, headers={"Authorization": "no"})
    assert answer.status_code == 401
