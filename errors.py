"""One family of errors. Each carries a sentence, a hint for the person who can mend it, and the exit code it leads to."""

from __future__ import annotations

from typing import Any

EXIT_IN_STEP = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_LEFTOVERS = 3
EXIT_GUARD = 4


class SyncError(Exception):
    """Anything the tool can say about why it did not do what it was asked to."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(SyncError):
    """A setting is missing, malformed, or names something that does not exist."""

    exit_code = EXIT_USAGE


class MappingError(SettingsError):
    """A mapping file is wrong; the message lists every mistake with its file and line."""


class NotWritten(SettingsError):
    """A file of the user's cannot be written."""

    def __init__(self, path: object, exc: OSError) -> None:
        hint = "Look at the rights of its folder and the room on its disk; MONDAY_SYNC_HOME can name another."
        super().__init__(f"{path} cannot be written ({exc.strerror}).", hint=hint)


class DatabaseError(SyncError):
    """PostgreSQL could not do what it was asked to."""


class DatabaseUnreachable(DatabaseError):
    """There is no connection, or it was cut; the transaction that was open did not happen."""


class SchemaMissing(DatabaseError):
    """The tool's tables are not there, or are older than the tool."""

    exit_code = EXIT_USAGE


class RowRejected(DatabaseError):
    """PostgreSQL refused the values of some row; the others of its batch may be fine."""


class MondayError(SyncError):
    """monday.com answered with an error, or not at all."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        http_status: int = 0,
        path: tuple[Any, ...] = (),
        error_data: dict[str, Any] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.http_status = http_status
        self.path = path
        self.error_data = error_data or {}
        self.request_id = request_id


class MondayUnavailable(MondayError):
    """No good answer for longer than the tool was told to keep trying."""


class MondayRefused(MondayError):
    """The key is missing, wrong, or may not do this."""

    exit_code = EXIT_USAGE


class BoardNotVisible(MondayError):
    """The board does not exist, or this token cannot see it: monday.com makes no difference between the two."""

    exit_code = EXIT_USAGE


class QueryRejected(MondayError):
    """monday.com does not understand the query: the pinned API version and the tool disagree."""


class QueryTooHeavy(MondayError):
    """The query exceeds what one request may cost; only a smaller page can succeed."""


class CursorExpired(MondayError):
    """A listing outlived its cursor (60 minutes from the first page); it has to start again."""


class RecordRefused(MondayError):
    """monday.com refused this one item or value; the same request cannot succeed, other items can."""


class ItemGone(RecordRefused):
    """The item does not exist any more, or this token cannot see it."""


class OutcomeUnknown(MondayError):
    """A mutation was sent and no answer came: it may have been applied."""


class DocumentRefused(OutcomeUnknown):
    """A document of several rows was refused and no row was named: which one spoils it is not known."""


class DailyLimitReached(MondayError):
    """The calls of this day, or the share of them given to the tool, are used up."""

    exit_code = EXIT_LEFTOVERS


class Incomplete(SyncError):
    """A listing could not be shown to be whole."""

    exit_code = EXIT_LEFTOVERS


class GuardStop(SyncError):
    """A safety guard held the run back before it did anything."""

    exit_code = EXIT_GUARD
