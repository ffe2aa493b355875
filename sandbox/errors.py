"""monday.com's errors, with the codes, logical statuses and data of the reference."""

from __future__ import annotations

import json
from typing import Any

from graphql import GraphQLError

DOCS = "https://developer.monday.com/api-reference/docs/change-column-values"
INVALID_VALUE = (
    f"invalid value, please check our API documentation for the correct data structure for this column. {DOCS}"
)
NO_SUCH_LABEL = (
    "invalid value - label does not exist in column. Please check our API documentation for the correct data "
    f"structure for this column. {DOCS}"
)
READ_ONLY = "This column type can not be updated or created (client side auto calculated column)"


class MondayError(GraphQLError):
    """An application error: HTTP 200, the failing field null, the facts in `extensions`."""

    def __init__(
        self, code: str, message: str, status: int = 200, data: dict[str, Any] | None = None, **more: Any
    ) -> None:
        extensions = {"code": code, "status_code": status, "error_data": data or {}, "service": "monolith", **more}
        super().__init__(message, extensions=extensions)
        self.code = code


class InternalError(GraphQLError):
    """What a non-numeric id gives: the code sits under `error_code` instead of `code`."""

    def __init__(self) -> None:
        super().__init__(
            "Internal server error",
            extensions={"status_code": 500, "error_code": "INTERNAL_SERVER_ERROR", "service": "monolith"},
        )


class Refusal(Exception):
    """A request that is answered as a whole, before or instead of any execution."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def refusal(
    status: int, message: str, code: str | None = None, wait: int | None = None, **extensions: Any
) -> Refusal:
    """The common shape of whole-request errors; `wait` also becomes the Retry-After header."""
    extra: dict[str, Any] = {} if code is None else {"code": code}
    extra.update(extensions)
    headers = {}
    if wait is not None:
        extra["retry_in_seconds"] = wait
        headers["Retry-After"] = str(wait)
    error: dict[str, Any] = {"message": message}
    if extra:
        error["extensions"] = extra
    return Refusal(status, {"errors": [error]}, headers)


def board_missing(board_id: int) -> MondayError:
    return MondayError(
        "InvalidBoardIdException",
        "The board does not exist. Please check your board ID and try again",
        data={"board_id": board_id},
    )


def item_missing(item_id: int | None) -> MondayError:
    return MondayError("InvalidItemIdException", "Item not found", data={"item_id": item_id})


def column_missing(column_id: str, board_id: int | None = None) -> MondayError:
    return MondayError(
        "InvalidColumnIdException",
        "This column ID doesn't exist for the board",
        data={
            "column_id": column_id,
            "board_id": board_id,
            "error_reason": "store.monday.automation.error.missing_column",
        },
    )


def group_missing(group_id: str, board_id: int) -> MondayError:
    return MondayError(
        "ResourceNotFoundException",
        "Group not found",
        status=404,
        data={
            "resource_type": "group",
            "group_id": group_id,
            "board_id": board_id,
            "error_reason": "store.monday.automation.error.missing_group",
        },
    )


def bad_argument(message: str, **data: Any) -> MondayError:
    return MondayError("InvalidArgumentException", message, data=data)


class BadValue(Exception):
    """A cell's value that monday refuses; becomes a ColumnValueException once the column is known."""

    def __init__(self, message: str = INVALID_VALUE, code: str = "ColumnValueException") -> None:
        super().__init__(message)
        self.message, self.code = message, code

    def located(self, column_id: str, column_type: str, sent: Any) -> MondayError:
        data = {"column_value": ruby(sent), "column_type": column_type, "column_id": column_id}
        return MondayError(self.code, self.message, data=data)


def ruby(value: Any) -> str:
    """The Ruby-like rendering in which monday echoes a refused value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}=>{ruby(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(ruby(v) for v in value) + "]"
    return "nil" if value is None else json.dumps(value, ensure_ascii=False)
