"""Prepares the questions that a user decides about a board, and takes the answers. The command asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from msgspec import Struct
from msgspec.structs import replace

from boards.proposal import ACCEPTED, REJECTED, Proposal, ProposedColumn
from boards.types_of_tables import HARD
from errors import SettingsError
from values.wording import day_text

KINDS = tuple(dict.fromkeys(HARD.values()))
"""The words of `--auto-reject`."""
INTRODUCTION = "These columns are fetched only if you say so; it can be changed in the mapping later."


class Question(Struct, frozen=True):
    """Asks whether a column is fetched."""

    column_id: str
    text: str


def today() -> str:
    """Returns the date that decisions get."""
    return day_text(datetime.now(timezone.utc))


def kinds_of(auto_reject: str) -> frozenset[str]:
    """Returns the words of `--auto-reject`. Raises SettingsError for an unknown one."""
    given = frozenset(word.strip() for word in auto_reject.split(",") if word.strip())
    if unknown := sorted(given - set(KINDS)):
        raise SettingsError(f"--auto-reject: {', '.join(unknown)}?", hint=f"It knows {', '.join(KINDS)}.")
    return given


def auto_decided(proposal: Proposal, rejected: frozenset[str], yes: bool) -> Proposal:
    """Returns the proposal with what the options decide: the rejected kinds, and with `--yes` everything else."""
    columns = tuple(_auto_decided(column, proposal.day, rejected, yes) for column in proposal.columns)
    return replace(proposal, columns=columns)


def _auto_decided(column: ProposedColumn, day: str, rejected: frozenset[str], yes: bool) -> ProposedColumn:
    if not column.hard or column.decision:
        return column  # needs no decision, or has one
    if column.hard in rejected:
        return column.decide(REJECTED, day)  # its kind is named by --auto-reject
    # without --yes a user is asked
    return column.decide(ACCEPTED, day) if yes else column


def questions_about(proposal: Proposal) -> list[Question]:
    """Returns a question for each undecided column, with samples of its values."""
    return [_question(column) for column in proposal.undecided]


def _question(column: ProposedColumn) -> Question:
    samples = "; ".join(column.samples) or "no values yet"
    return Question(column.about.id, f"{column.about.title} ({column.about.type}): {samples}. Fetch it?")


def with_answers(proposal: Proposal, fetched: Mapping[str, bool]) -> Proposal:
    """Returns the proposal with the answers, by the ids of the columns."""
    columns = [
        column.decide(ACCEPTED if fetched[column.about.id] else REJECTED, proposal.day)
        if column.about.id in fetched
        else column
        for column in proposal.columns
    ]
    return replace(proposal, columns=tuple(columns))


def not_decided(proposal: Proposal) -> SettingsError:
    """Returns the error for undecided columns when there is no terminal to ask at."""
    names = ", ".join(f"{column.about.title} ({column.hard})" for column in proposal.undecided)
    return SettingsError(
        f"A user has to decide about {names}. Nothing was made.",
        hint="Run it in a terminal, or with --yes, and --auto-reject KINDS for what is not to be fetched.",
    )


def last_question(made: Sequence[Proposal]) -> str:
    """Returns the question that comes before anything is made."""
    tables = _tables(made)
    return f"Make {tables}?" if _makes_tables(made) else f"Map the board to {tables}?"


def not_confirmed(made: Sequence[Proposal]) -> SettingsError:
    """Returns the error for a missing `--yes` when there is no terminal to ask at."""
    what = f"{_tables(made)} would be {'made' if _makes_tables(made) else 'mapped'}"
    return SettingsError(f"{what}. Nothing was done.", hint="Run it in a terminal, or with --yes.")


def _tables(made: Sequence[Proposal]) -> str:
    return ", ".join(proposal.table_name for proposal in made)


def _makes_tables(made: Sequence[Proposal]) -> bool:
    return all(proposal.makes_table for proposal in made)
