"""What a person decides about the columns that are hard: asked on a terminal, or told by options of the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

import click

from boards.proposal import ACCEPTED, REJECTED, Proposal, ProposedColumn
from boards.types_of_tables import HARD
from errors import SettingsError
from values.wording import day_text

KINDS = tuple(dict.fromkeys(HARD.values()))
"""The words of `--auto-reject`."""


def today() -> str:
    """The date that decisions get."""
    return day_text(datetime.now(timezone.utc))


def kinds_of(auto_reject: str) -> set[str]:
    """The words of --auto-reject."""
    given = {one.strip() for one in auto_reject.split(",") if one.strip()}
    if unknown := sorted(given - set(KINDS)):
        raise SettingsError(f"--auto-reject: {', '.join(unknown)}?", hint=f"It knows {', '.join(KINDS)}.")
    return given


def auto_decided(proposal: Proposal, rejected: set[str], yes: bool) -> Proposal:
    """What the command line decides: the kinds that it rejects, and with --yes everything else."""
    columns = [
        one if not one.hard or one.decision
        else one.decide(REJECTED, proposal.day) if one.hard in rejected
        else one.decide(ACCEPTED, proposal.day) if yes else one
        for one in proposal.columns
    ]  # fmt: skip
    return replace(proposal, columns=tuple(columns))


def ask_about(proposal: Proposal, yes: bool) -> Proposal:
    """Ask a person about each column that is hard, with a sample of its values."""
    if not proposal.undecided:
        return proposal
    if yes or not _somebody_there():
        names = ", ".join(f"{one.about.title} ({one.hard})" for one in proposal.undecided)
        raise SettingsError(
            f"Somebody has to decide about {names}. Nothing was made.",
            hint="Run it in a terminal, or with --yes, and --auto-reject KINDS for what is not to be fetched.",
        )
    click.echo("These columns are fetched only if you say so; it can be changed in the mapping later.", err=True)
    columns = [one if one not in proposal.undecided else _asked(one, proposal.day) for one in proposal.columns]
    return replace(proposal, columns=tuple(columns))


def _asked(column: ProposedColumn, day: str) -> ProposedColumn:
    shown = "; ".join(column.samples) or "no values yet"
    fetched = click.confirm(f"{column.about.title} ({column.about.type}): {shown}. Fetch it?", default=True, err=True)
    return column.decide(ACCEPTED if fetched else REJECTED, day)


def confirm(made: Sequence[Proposal], yes: bool) -> bool:
    """The last question before something is made."""
    if yes:
        return True
    tables = ", ".join(one.table_name for one in made)
    makes = all(one.makes_table for one in made)
    if not _somebody_there():
        what = f"{tables} would be {'made' if makes else 'mapped'}"
        raise SettingsError(f"{what}. Nothing was done.", hint="Run it in a terminal, or with --yes.")
    return click.confirm(f"Make {tables}?" if makes else f"Map the board to {tables}?", default=True, err=True)


def _somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
