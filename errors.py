"""States the family of errors. Each error carries a sentence, a hint that says what to do, and the exit code it leads to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

EXIT_IN_STEP = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_LEFTOVERS = 3
EXIT_GUARD = 4
GRAVEST_FIRST = (EXIT_FAILED, EXIT_USAGE, EXIT_GUARD, EXIT_LEFTOVERS)


def gravest_code(codes: Iterable[int]) -> int:
    """Returns the gravest of the exit codes, or 0 when there is none; that of an interrupt where nothing else went wrong."""
    found = set(codes)
    return next((code for code in GRAVEST_FIRST if code in found), max(found, default=EXIT_IN_STEP))


class SyncError(Exception):
    """Says why the tool did not do what it was asked to do."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(SyncError):
    """Means that a setting is missing, malformed, or names something that does not exist."""

    exit_code = EXIT_USAGE


class MappingError(SettingsError):
    """Means that a mapping file is wrong; the message lists every mistake with its file and line."""


class NotWritten(SettingsError):
    """Means that a file of the user's cannot be written."""

    def __init__(self, path: object, exc: OSError) -> None:
        hint = "Look at the rights of its folder and the room on its disk; MONDAY_SYNC_HOME can name another."
        super().__init__(f"{path} cannot be written ({exc.strerror}).", hint=hint)


# PostgreSQL


class DatabaseError(SyncError):
    """Means that PostgreSQL could not do what it was asked to do."""


class DatabaseUnreachable(DatabaseError):
    """Means that there is no connection, or it was cut; the transaction that was open did not happen."""


class DatabaseIsAway(DatabaseUnreachable):
    """Means that other tasks have found that a server does not answer; it was not asked for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "The account's PostgreSQL does not answer, as other tasks have found; one at a time tries again.",
            hint="Check the server and the way to it; nothing is lost: it goes on then.",
        )
        self.seconds = seconds


class SchemaMissing(DatabaseError):
    """Means that the tool's tables do not exist, or are older than the tool."""

    exit_code = EXIT_USAGE


class RowRejected(DatabaseError):
    """Means that PostgreSQL refused the values of a row; the others of its batch may be fine."""


class TurnBusy(SyncError):
    """Means that another process had the turn for as long as was waited. `holder` says which."""

    exit_code = EXIT_LEFTOVERS

    def __init__(self, holder: str, what: str = "") -> None:
        super().__init__(
            f"Another process is working{what} ({holder}); this was left to the next run.",
            hint="Run again when it has ended. Nothing is lost: what has changed waits.",
        )
        self.holder = holder


class TurnLost(SyncError):
    """Means that the session that held a turn has ended: another process may have the turn now."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The session of PostgreSQL that held the turn has ended ({why.rstrip('.')}); nothing more is written,"
            " because another process may be working.",
            hint="Run again; it carries on where it was. Look why the server, a pooler or a firewall ended it.",
        )


# monday.com


class Trace(NamedTuple):
    """Names an answer, so that monday.com's support can find it."""

    http_status: int = 0
    request_id: str = ""


class MondayError(SyncError):
    """Means that monday.com answered with an error, or did not answer."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        path: tuple[Any, ...] = (),
        error_data: dict[str, Any] | None = None,
        trace: Trace | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.path = path
        self.error_data = error_data or {}
        self.trace = trace or Trace()


class MondayUnavailable(MondayError):
    """Means that no good answer came for longer than the settings allow."""


class BudgetSpent(MondayUnavailable):
    """Means that a budget which several processes share is used up for `seconds`; nothing was sent."""

    exit_code = EXIT_LEFTOVERS

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(f"{why}; {seconds:.0f} s until there is more.", hint="Nothing is lost: it goes on then.")
        self.seconds = seconds


class MondayIsAway(MondayUnavailable):
    """Means that other tasks have found that monday.com does not answer; nothing was sent for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "monday.com does not answer, as other tasks have found; one at a time tries again.",
            hint="Check the connection and status.monday.com; nothing is lost: it goes on then.",
        )
        self.seconds = seconds


class MondayRefused(MondayError):
    """Means that the key is missing or wrong, or does not allow this."""

    exit_code = EXIT_USAGE


class WrongAddress(MondayRefused):
    """Means that what answers at MONDAY_API_URL is not the API of monday.com."""


class BoardNotVisible(MondayError):
    """Means that the board does not exist, or this token cannot see it: monday.com answers the same for both."""

    exit_code = EXIT_USAGE


class QueryRejected(MondayError):
    """Means that monday.com does not understand the query: the API version and the tool disagree."""


class QueryTooHeavy(MondayError):
    """Means that the query exceeds what one request may cost; only a smaller page can succeed."""


class CursorExpired(MondayError):
    """Means that a listing outlived its cursor (60 minutes from the first page); it has to start again."""


class ListingNeeded(MondayError):
    """Means that monday.com's filter cannot tell what changed: only a listing of all ids can."""


class RecordRefused(MondayError):
    """Means that monday.com refused this item or value; the same request cannot succeed, other items can."""


class ItemGone(RecordRefused):
    """Means that the item does not exist any more, or this token cannot see it."""


class OutcomeUnknown(MondayError):
    """Means that a mutation was sent and no answer came: it may have been applied."""


class DocumentRefused(OutcomeUnknown):
    """Means that a document of several rows was refused, and the answer does not say because of which row."""


class DailyLimitReached(MondayError):
    """Means that the calls of this day, or the tool's share of them, are used up."""

    exit_code = EXIT_LEFTOVERS


# A query as a source


class SourceUnreachable(SyncError):
    """Means that there is no connection to the database that a query reads, or that it was cut."""


class SourceRefused(SettingsError):
    """Means that the database does not allow or understand what is asked: the query, the database, the rights."""


# SmartSuite


class SmartSuiteError(SyncError):
    """Means that SmartSuite answered with an error."""


class SmartSuiteUnavailable(SmartSuiteError):
    """Means that no good answer came, for as long as the client tries."""


class SmartSuiteRefused(SmartSuiteError):
    """Means that the key, the account or the table is not right, or does not allow this."""

    exit_code = EXIT_USAGE


class SmartSuiteQuota(SmartSuiteError):
    """Means that SmartSuite goes on refusing calls, as it does when the month's are used up."""

    exit_code = EXIT_LEFTOVERS


class ValuesRefused(SmartSuiteError):
    """Means that SmartSuite refused what was sent; the same cannot succeed, other records can."""


class PartlyRefused(ValuesRefused):
    """Means that SmartSuite made some of the records, which are in `made`, and says that it refused the others."""

    def __init__(self, message: str, made: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.made = made


class SuiteRecordGone(ValuesRefused):
    """Means that the record does not exist any more."""


class CarriedOutOrNot(SmartSuiteError):
    """Means that a call was sent and no clear answer came: it may have been carried out."""


# The run


class Incomplete(SyncError):
    """Means that a listing could not be shown to be complete."""

    exit_code = EXIT_LEFTOVERS


class GuardStop(SyncError):
    """Means that a safety guard stopped the run before it changed anything."""

    exit_code = EXIT_GUARD
