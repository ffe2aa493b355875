"""Makes monday.com's errors, with the codes, logical statuses and data of the reference."""

from __future__ import annotations

import json

from graphql import GraphQLError

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Refusal

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
    """Fails one field: HTTP 200, the field null, the facts in `extensions`."""

    def __init__(
        self, code: str, message: str, status: int = 200, data: JsonObject | None = None, **more: object
    ) -> None:
        extensions = {"code": code, "status_code": status, "error_data": data or {}, "service": "monolith", **more}
        super().__init__(message, extensions=extensions)
        self.code = code


class InternalError(GraphQLError):
    """Answers an id that is no number: the code sits under `error_code` instead of `code`."""

    def __init__(self) -> None:
        super().__init__(
            "Internal server error",
            extensions={"status_code": 500, "error_code": "INTERNAL_SERVER_ERROR", "service": "monolith"},
        )


def refusal(
    status: int, message: str, code: str | None = None, wait: int | None = None, **extensions: object
) -> Refusal:
    """Makes an error of a whole request; `wait` also becomes the Retry-After header."""
    extra: JsonObject = {} if code is None else {"code": code}
    extra.update(extensions)
    headers = {}
    if wait is not None:
        extra["retry_in_seconds"] = wait
        headers["Retry-After"] = str(wait)
    error: JsonObject = {"message": message}
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


def unauthorized(status: int = 200) -> MondayError:
    return MondayError("USER_UNAUTHORIZED", "User unauthorized to perform action", status=status)


def bad_argument(message: str, **data: object) -> MondayError:
    return MondayError("InvalidArgumentException", message, data=data)


class BadValue(Exception):
    """Refuses a cell's value; becomes a MondayError once the column is known."""

    def __init__(self, message: str = INVALID_VALUE, code: str = "ColumnValueException") -> None:
        super().__init__(message)
        self.message, self.code = message, code

    def located(self, column_id: str, column_type: str, sent: object) -> MondayError:
        data = {"column_value": ruby(sent), "column_type": column_type, "column_id": column_id}
        return MondayError(self.code, self.message, data=data)


def ruby(value: object) -> str:
    """Renders a refused value as monday.com repeats it, in the manner of Ruby."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}=>{ruby(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(ruby(v) for v in value) + "]"
    return "nil" if value is None else json.dumps(value, ensure_ascii=False)
