"""Resolves subscriptions to the events of boards, and the mutations that make and end them."""

from __future__ import annotations

import re

from sandbox.common.json_text import JsonObject, encode
from sandbox.monday.account.models import ACTIVE, SUBITEMS_BOARD, Board, Webhook
from sandbox.monday.changes.checks import decoded
from sandbox.monday.errors import bad_argument
from sandbox.monday.graph.call import Call, Id, Info, number
from sandbox.monday.resolvers.access import refuse_agents
from sandbox.monday.resolvers.fields import Fields

URL_CHARACTERS = 255
NEEDED_SETTINGS = {"change_specific_column_value": "columnId", "item_moved_to_specific_group": "groupId"}


def webhooks(root: None, info: Info, board_id: Id, app_webhooks_only: bool = False) -> list[Webhook]:
    return [
        webhook
        for webhook in info.context.world.webhooks.values()
        if webhook.board_id == number(board_id) and (webhook.by_app or not app_webhooks_only)
    ]


def create_webhook(root: None, info: Info, board_id: Id, url: str, event: str, config: str | None = None) -> Webhook:
    call = info.context
    refuse_agents(call)
    board = call.world.boards.get(number(board_id))
    if board is None or board.state != ACTIVE or board.id in call.hidden_boards():
        raise bad_argument("Board not found", board_id=number(board_id))
    if board.type == SUBITEMS_BOARD:
        raise bad_argument("Creating webhook on subitems board isn't allowed", board_id=board.id)
    settings = decoded(config, "config") or {}
    check_subscription(call, board, url, event, settings)
    if not challenged(call, url):
        raise bad_argument("Failed to create webhook: the URL did not answer the challenge", url=url)
    webhook_id, by_app = call.world.new_id() % 1_000_000_000, call.service.meter.app_token
    webhook = Webhook(webhook_id, board.id, url, event, settings, call.user.id, by_app)
    call.world.webhooks[webhook.id] = webhook
    return webhook


def challenged(call: Call, url: str) -> bool:
    # The receiver may ask the sandbox something before it answers, so the world is free meanwhile.
    call.world.lock.release()
    try:
        return call.service.subscriptions.challenge(url)
    finally:
        call.world.lock.acquire()


def check_subscription(call: Call, board: Board, url: str, event: str, config: JsonObject) -> None:
    if len(url) > URL_CHARACTERS or not re.match(r"https?://", url):
        raise bad_argument("Invalid webhook URL", url=url[:URL_CHARACTERS])
    subitems = board.subtasks_column()
    if "subitem" in event and not (subitems and subitems.settings.get("boardIds")):
        raise bad_argument("The board has no subitems", board_id=board.id)
    needed = NEEDED_SETTINGS.get(event)
    if needed is not None and needed not in config:
        raise bad_argument(f"config must name {needed}", event=event)
    if config.get("columnId") is not None and config["columnId"] not in board.columns:
        raise bad_argument("config names no column of the board", column_id=config["columnId"])
    # The same subscription is not made twice.
    wanted = (board.id, event, config, call.user.id)
    known = call.world.webhooks.values()
    if any((hook.board_id, hook.event, hook.config, hook.user_id) == wanted for hook in known):
        raise bad_argument("A subscription to this event exists", board_id=board.id)


def delete_webhook(root: None, info: Info, id: Id) -> Webhook:
    found = info.context.world.webhooks.pop(number(id), None)
    if found is None:
        raise bad_argument("Webhook not found", webhook_id=number(id))
    return found


WEBHOOK_FIELDS: Fields = {
    "Query": {"webhooks": webhooks},
    "Mutation": {"create_webhook": create_webhook, "delete_webhook": delete_webhook},
    "Webhook": {
        "id": lambda webhook, info: str(webhook.id),
        "board_id": lambda webhook, info: str(webhook.board_id),
        "config": lambda webhook, info: encode(webhook.config) if webhook.config else None,
    },
}
