"""Resolves items by id and in pages, with what the faults of a request leave out of them."""

from __future__ import annotations

from msgspec.structs import replace

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Refusal
from sandbox.monday.account.models import ACTIVE, Board, Group, Item
from sandbox.monday.errors import bad_argument
from sandbox.monday.graph.call import Call, Id, Info, number, numbers
from sandbox.monday.listing.pages import Page, Question
from sandbox.monday.resolvers.access import visible_board
from sandbox.monday.resolvers.fields import Fields
from sandbox.monday.resolvers.paging import paged

ITEMS_BY_ID = 100


def items(
    root: None,
    info: Info,
    ids: list[Id] | None = None,
    limit: int = 25,
    page: int = 1,
    exclude_nonactive: bool = False,
    newest_first: bool = False,
) -> list[Item]:
    """Finds archived and deleted items too, unless they are excluded, in the order of the store, not of the ids."""
    call = info.context
    if ids is None:
        raise bad_argument("ids is required")
    if len(ids) > ITEMS_BY_ID:
        raise bad_argument(f"ids can contain up to {ITEMS_BY_ID} ids")
    hidden = call.hidden_boards()
    found = (call.world.items.get(id) for id in sorted(set(numbers(ids) or ()), reverse=newest_first))
    rows = [
        item
        for item in found
        if item and item.board_id not in hidden and (item.state == ACTIVE or not exclude_nonactive)
    ]
    return thinned(call, Page(None, paged(rows, limit, page, ITEMS_BY_ID))).items


def board_page(
    board: Board, info: Info, limit: int, cursor: str | None = None, query_params: JsonObject | None = None, **_: object
) -> Page:
    return page_of(info.context, Question(board, None, query_params), limit, cursor)


def group_page(
    group: Group, info: Info, limit: int, cursor: str | None = None, query_params: JsonObject | None = None, **_: object
) -> Page:
    boards = info.context.world.boards.values()
    board = next(board for board in boards if board.groups.get(group.id) is group)
    return page_of(info.context, Question(board, group.id, query_params), limit, cursor)


def page_of(call: Call, question: Question, limit: int, cursor: str | None) -> Page:
    if cursor is None:
        refuse_large(call, limit)
        return thinned(call, call.service.listings.first_page(call.user, question, limit))
    if question.params is None:
        return page_after(call, cursor, limit)
    refuse_large(call, limit)
    raise bad_argument("You can't use cursor and query_params together")


def page_after(call: Call, cursor: str, limit: int) -> Page:
    refuse_large(call, limit)
    return thinned(call, call.service.listings.next_page(call.user, cursor, limit))


def next_page(root: None, info: Info, cursor: str, limit: int) -> Page:
    return page_after(info.context, cursor, limit)


def page_by_values(
    root: None,
    info: Info,
    board_id: Id,
    limit: int,
    columns: list[JsonObject] | None = None,
    cursor: str | None = None,
    **_: object,
) -> Page:
    call = info.context
    if (columns is None) == (cursor is None):
        raise bad_argument("Exactly one of columns and cursor is needed")
    board = visible_board(call.world, number(board_id), call.hidden_boards())
    if cursor is not None:
        return page_after(call, cursor, limit)
    refuse_large(call, limit)
    return thinned(call, call.service.listings.page_by_values(call.user, board, limit, columns or []))


def refuse_large(call: Call, limit: int) -> None:
    fault = call.has_fault("fail_above")
    if fault and limit > int(fault.settings["above"]):
        raise Refusal(504, "<html><head><title>504 Gateway Time-out</title></head></html>")


def thinned(call: Call, page: Page) -> Page:
    # items that the token may not see, in no listing and by no id
    if hidden := call.has_fault("hide_items"):
        page = replace(page, items=[item for item in page.items if str(item.id) not in hidden.settings["ids"]])
    # no item at all
    if call.has_fault("empty_listing"):
        return Page(None, [])
    # no page after this one
    if call.has_fault("end_listing"):
        return replace(page, cursor=None)
    # this page only
    if call.has_fault("drop_page"):
        return replace(page, items=[])
    fault = call.has_fault("drop_item")
    # one item: the one that is named, or the last
    if fault and page.items:
        gone = fault.settings.get("item_id")
        kept = [item for item in page.items if str(item.id) != str(gone)]
        return replace(page, items=kept if gone else page.items[:-1])
    return page


PAGE_FIELDS: Fields = {
    "Query": {"items": items, "next_items_page": next_page, "items_page_by_column_values": page_by_values},
}
