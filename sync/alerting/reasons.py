"""Words why a run failed, by the kind of its error. The text of an error may quote a cell, so it is in no message."""

from __future__ import annotations

from msgspec import Struct

import errors


class Reason(Struct, frozen=True):
    """Says why a run failed, whether that may pass by itself, and which command shows more."""

    sentence: str
    passing: bool = False
    command: str = "python main.py runs"
    fails: bool = True
    """Whether a run that ended so has failed: a listing that was cut short, for example, is left over for the next."""


DOCTOR = "python main.py doctor"
UNKNOWN = Reason("It ended with an error.")
DIED = Reason("Its process ended without a word.", True)

REASONS = {
    "DatabaseUnreachable": Reason("PostgreSQL could not be reached.", True, f"{DOCTOR} pg"),
    "DatabaseIsAway": Reason("PostgreSQL does not answer.", True, f"{DOCTOR} pg"),
    "SchemaMissing": Reason("A table is missing, or of another version.", False, f"{DOCTOR} pg mapping"),
    "DatabaseError": Reason("PostgreSQL did not do what it was asked to do.", False, f"{DOCTOR} pg"),
    "RowRejected": Reason("PostgreSQL refused a row."),
    "TurnBusy": Reason("Another process had the turn.", True, fails=False),
    "TurnLost": Reason("The session of PostgreSQL that held the turn has ended.", True, f"{DOCTOR} pg"),
    "MondayUnavailable": Reason("monday.com gave no good answer for too long.", True, f"{DOCTOR} monday"),
    "MondayRefused": Reason("monday.com refuses the key, or a right is missing.", False, f"{DOCTOR} monday"),
    "WrongAddress": Reason("What answers at MONDAY_API_URL is not the API.", False, f"{DOCTOR} monday.reach"),
    "BoardNotVisible": Reason("The board is not visible to this key.", False, f"{DOCTOR} board"),
    "QueryRejected": Reason("monday.com does not understand what is asked.", False, f"{DOCTOR} monday"),
    "MondayError": Reason("monday.com answered with an error.", True, f"{DOCTOR} monday"),
    "SourceUnreachable": Reason("The database of a query could not be reached.", True),
    "SourceRefused": Reason("The database of a query refuses the user, the database or the query.", False),
    "SmartSuiteUnavailable": Reason("SmartSuite gave no good answer for too long.", True),
    "SmartSuiteRefused": Reason("SmartSuite refuses the key, the account or the table.", False),
    "SmartSuiteQuota": Reason("SmartSuite goes on refusing calls.", True, fails=False),
    "SmartSuiteError": Reason("SmartSuite answered with an error.", True),
    "DailyLimitReached": Reason("The calls of the day are used.", True, f"{DOCTOR} monday.budget", fails=False),
    "BudgetSpent": Reason("The calls that its processes share are used up for now.", True, fails=False),
    "MondayIsAway": Reason("monday.com does not answer.", True, f"{DOCTOR} monday"),
    "MappingError": Reason("A mapping file is wrong.", False, "python main.py validate"),
    "SettingsError": Reason("A setting is missing or wrong.", False, DOCTOR),
    "NotWritten": Reason("A file could not be written.", False, f"{DOCTOR} home"),
    "Incomplete": Reason("A listing was not complete.", True, fails=False),
    "GuardStop": Reason("A guard stopped it before it changed anything.", False, "python main.py runs"),
}
"""Kind of error → why."""


def kind_of(exc: errors.SyncError) -> str:
    """Returns the kind of an error that is in the table, or the family's own."""
    names = [kind.__name__ for kind in type(exc).__mro__ if kind.__module__ == errors.__name__]
    return next((name for name in names if name in REASONS), names[0])


def is_about_others(kind: str | None) -> bool:
    """Tells whether a run ended so before it looked at the entity: that says nothing of it."""
    return kind == "TurnBusy"


def reason_of(kind: str) -> Reason:
    """Returns the words for a kind of error."""
    return REASONS.get(kind, UNKNOWN)
