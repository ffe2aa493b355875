"""Checks subscriptions, payloads, retries, signatures, automations, against a receiver on a real port."""

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

EVERYTHING, SUBITEMS, USERS = 7810000303, 7810000304, 5764059860
MAKE = (
    "mutation($b:ID!,$u:String!,$e:WebhookEventType!,$c:JSON){create_webhook(board_id:$b,url:$u,event:$e,config:$c)"
    "{id board_id event}}"
)


class Receiver:
    def __init__(self):
        self.got, self.headers, self.status, self.challenges = [], [], 200, True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = outer.status
                if "challenge" in body:
                    status, answer = 200, body if outer.challenges else {}
                else:
                    outer.got.append(body["event"])
                    outer.headers.append(dict(self.headers))
                    answer = {}
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def client(everything):
    return everything


def subscribe(client, receiver, *events, board=EVERYTHING, config=None):
    return [client.data(MAKE, b=str(board), u=receiver.url, e=e, c=config)["create_webhook"]["id"] for e in events]


def settled(client, receiver):
    assert client.admin("webhooks/wait", seconds=5)["settled"]
    return receiver.got


def test_a_receiver_must_answer_the_challenge(client, receiver):
    receiver.challenges = False
    assert client.code(MAKE, b=str(EVERYTHING), u=receiver.url, e="create_item") == "InvalidArgumentException"
    assert client.code(MAKE, b=str(EVERYTHING), u="http://127.0.0.1:9/x", e="create_item") == "InvalidArgumentException"
    assert client.data("{webhooks(board_id:7810000303){id}}")["webhooks"] == []


def test_what_cannot_be_subscribed(client, receiver):
    answer = client(MAKE, b="1", u=receiver.url, e="create_item")
    assert answer["errors"][0]["message"] == "Board not found"
    answer = client(MAKE, b=str(SUBITEMS), u=receiver.url, e="create_item")
    assert answer["errors"][0]["message"] == "Creating webhook on subitems board isn't allowed"
    assert client.code(MAKE, b=str(USERS), u=receiver.url, e="create_subitem") == "InvalidArgumentException"
    assert (
        client.code(MAKE, b=str(EVERYTHING), u=receiver.url + "x" * 255, e="create_item") == "InvalidArgumentException"
    )


def test_a_changed_status_arrives_with_its_recorded_members(client, receiver):
    hook = subscribe(client, receiver, "change_status_column_value", config='{"columnId":"status"}')[0]
    item = client.items(EVERYTHING)[0]
    client.admin("items/change", item_id=item["id"], values={"status": {"label": "Done"}}, user="67214768")
    client.admin("items/change", item_id=item["id"], values={"text": "not a status"})
    (event,) = settled(client, receiver)
    assert list(event) == [
        "app",
        "type",
        "triggerTime",
        "subscriptionId",
        "isRetry",
        "userId",
        "originalTriggerUuid",
        "boardId",
        "groupId",
        "pulseId",
        "pulseName",
        "columnId",
        "columnType",
        "columnTitle",
        "value",
        "previousValue",
        "changedAt",
        "isTopGroup",
        "triggerUuid",
    ]
    assert (event["type"], event["columnType"], event["userId"]) == ("update_column_value", "color", 67214768)
    assert event["subscriptionId"] == int(hook) and event["pulseId"] == int(item["id"])
    assert event["value"]["label"]["text"] == "Done" and event["isRetry"] is False


def test_values_of_events_have_shapes_of_their_own(client, receiver):
    subscribe(client, receiver, "change_column_value")
    item = client.items(EVERYTHING)[-1]["id"]
    client.admin("items/change", item_id=item, values={"numbers": "42", "text": "t", "dropdown": {"ids": [1]}})
    client.admin("items/change", item_id=item, values={"numbers": None})
    values = [(e["columnType"], e["value"]) for e in settled(client, receiver)]
    assert values == [
        ("numeric", {"value": 42, "unit": {"symbol": "$", "custom_unit": "", "direction": "left"}}),
        ("text", {"value": "t"}),
        ("dropdown", {"chosenValues": [{"id": 1, "name": "Marketing"}]}),
        ("numeric", None),
    ]


def test_the_life_of_an_item_is_heard(client, receiver):
    subscribe(
        client,
        receiver,
        "create_item",
        "change_name",
        "item_archived",
        "item_deleted",
        "item_restored",
        "item_moved_to_any_group",
        "create_update",
    )
    made = client.admin("items/create", board_id=EVERYTHING, name="New", values={"text": "v"})["id"]
    client.admin("items/rename", item_id=made, name="Newer")
    client.admin("items/move", item_id=made, group_id="second")
    client.admin("items/update", item_id=made, body="Hello")
    client.admin("items/archive", item_id=made)
    client.admin("items/restore", item_id=made)
    client.admin("items/delete", item_id=made)
    got = settled(client, receiver)
    assert [e["type"] for e in got] == [
        "create_pulse",
        "update_name",
        "move_pulse_into_group",
        "create_update",
        "archive_pulse",
        "restore_pulse",
        "delete_pulse",
    ]
    assert "pulseId" not in got[4] and got[4]["itemId"] == int(made)
    assert got[5]["previousValue"] == {"state": 2} and "originalTriggerUuid" not in got[5]
    assert got[0]["columnValues"] == {"text": {"value": "v"}}


def test_subitems_are_heard_on_the_parents_board(client, receiver):
    subscribe(
        client, receiver, "create_subitem", "change_subitem_column_value", "subitem_deleted", "change_column_value"
    )
    parent = client.items(EVERYTHING)[0]["id"]
    made = client.admin("items/create", board_id=EVERYTHING, name="S", parent_item_id=parent)["id"]
    client.admin("items/change", item_id=made, values={"text": "x"})
    client.admin("items/delete", item_id=made)
    got = settled(client, receiver)
    assert [e["type"] for e in got] == ["create_pulse", "update_column_value", "update_column_value", "delete_pulse"]
    assert (got[0]["parentItemId"], got[0]["itemId"], got[0]["boardId"]) == (parent, int(made), SUBITEMS)
    assert got[1]["columnType"] == "subtasks" and got[1]["pulseId"] == int(parent)
    assert got[3]["parentItemId"] == int(parent) and "parentBoardId" in got[3]


def test_a_subitems_cell_is_no_change_of_the_parent(client, receiver):
    subscribe(client, receiver, "change_column_value")
    client.admin("items/change", item_id=client.items(SUBITEMS)[0]["id"], values={"text": "x"})
    assert settled(client, receiver) == []


def test_an_unchanged_value_is_not_heard(client, receiver):
    subscribe(client, receiver, "change_column_value")
    item = client.items(EVERYTHING)[0]["id"]
    for _ in range(2):
        client.admin("items/change", item_id=item, values={"text": "same"})
    assert len(settled(client, receiver)) == 1


def test_failed_deliveries_return_every_minute_for_half_an_hour(client, receiver):
    receiver.status = 500
    subscribe(client, receiver, "change_name")
    client.admin("items/rename", item_id=client.items(EVERYTHING)[0]["id"], name="Again")
    for _ in range(33):
        settled(client, receiver)
        client.admin("clock/advance", seconds=61)
    got = settled(client, receiver)
    assert 29 <= len(got) <= 31
    assert [e["isRetry"] for e in got[:2]] == [False, True] and len({e["triggerUuid"] for e in got}) == 1


@pytest.mark.parametrize("settings, number", [({"lose_percent": 100}, 0), ({"double_percent": 100}, 2)])
def test_deliveries_can_be_lost_and_doubled(client, receiver, settings, number):
    subscribe(client, receiver, "change_name")
    client.admin("webhooks/disorder", **settings)
    client.admin("items/rename", item_id=client.items(EVERYTHING)[0]["id"], name="Z")
    assert len(settled(client, receiver)) == number


def test_deliveries_can_be_delayed_and_shuffled(client, receiver):
    subscribe(client, receiver, "change_name")
    client.admin("webhooks/disorder", delay_seconds=100, reorder=True)
    item = client.items(EVERYTHING)[0]["id"]
    for n in range(8):
        client.admin("items/rename", item_id=item, name=f"n{n}")
    assert settled(client, receiver) == []
    client.admin("clock/advance", seconds=101)
    names = [e["value"]["name"] for e in settled(client, receiver)]
    assert sorted(names) == [f"n{n}" for n in range(8)] and names != sorted(names)


def test_an_automation_answers_with_its_own_user_and_cause(client, receiver):
    subscribe(client, receiver, "change_column_value")
    client.admin(
        "automations/add", board_id=EVERYTHING, column_id="text", set_column_id="status", value={"label": "Done"}
    )
    item = client.items(EVERYTHING)[1]["id"]
    client.admin("items/change", item_id=item, values={"status": {"label": "Stuck"}})
    client.data(
        'mutation($i:ID){change_simple_column_value(board_id:7810000303,item_id:$i,column_id:"text",value:"go"){id}}',
        i=item,
    )
    got = settled(client, receiver)
    assert [e["columnId"] for e in got[-2:]] == ["text", "status"]
    assert got[-1]["userId"] == -4 and got[-1]["originalTriggerUuid"] == got[-2]["triggerUuid"]
    assert client.cell(item, "status")["text"] == "Done"


def test_app_tokens_sign_and_personal_ones_do_not(start, receiver):
    client = start("everything:3", signing_secret="made-up-secret")
    subscribe(client, receiver, "change_name")
    client.admin("items/rename", item_id=client.items(EVERYTHING)[0]["id"], name="Z")
    settled(client, receiver)
    head, claims, mac = receiver.headers[0]["Authorization"].split(".")
    wanted = hmac.new(b"made-up-secret", f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(mac + "==") == wanted
    found = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert found["exp"] - found["iat"] == 300 and found["aud"] == receiver.url
    plain = start("everything:3")
    subscribe(plain, receiver, "change_name")
    plain.admin("items/rename", item_id=plain.items(EVERYTHING)[0]["id"], name="Z")
    settled(plain, receiver)
    assert "Authorization" not in receiver.headers[-1]


def test_one_subscription_per_event_board_and_config(client, receiver):
    subscribe(client, receiver, "change_specific_column_value", config='{"columnId":"text"}')
    subscribe(client, receiver, "change_specific_column_value", config='{"columnId":"numbers"}')
    text = MAKE.replace("config:$c", 'config:"{\\"columnId\\":\\"text\\"}"').replace(",$c:JSON", "")
    answer = client(text, b=str(EVERYTHING), u=receiver.url, e="change_specific_column_value")
    assert answer["errors"][0]["extensions"]["code"] == "InvalidArgumentException"


def test_a_subscription_can_be_deleted(client, receiver):
    (hook,) = subscribe(client, receiver, "change_name")
    assert client.data("{webhooks(board_id:7810000303){id event}}")["webhooks"] == [
        {"id": hook, "event": "change_name"}
    ]
    client.data("mutation($i:ID!){delete_webhook(id:$i){id}}", i=hook)
    client.admin("items/rename", item_id=client.items(EVERYTHING)[0]["id"], name="Z")
    assert settled(client, receiver) == []
