"""Asks which side wins where both sides had data before they met; without a terminal, everything stays held."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from sync.report import EntityReport, RunReport
from terminal import logs
from values.wording import plural

if TYPE_CHECKING:
    from sync.options import RunOptions

ANSWERS = ("monday", "postgres", "hold")


def settle_first_meeting(
    report: RunReport,
    options: RunOptions | None,
    run_again: Callable[[str, RunOptions], RunReport],
    show: Callable[[RunReport], None],
) -> RunReport:
    """Asks for each entity of the report that met first, and runs it again with the answer. Returns the gravest report."""
    from sync.options import RunOptions

    options = options or RunOptions()
    left, last = 0, report
    for entity in [entity for entity in report.entities if entity.first_held]:
        winner = ask_who_wins(entity)
        if winner is None:
            left += 1
            continue
        last = run_again(entity.entity, replace(options, pull=replace(options.pull, first=winner, limit=None)))
        show(last)
        left += bool(last.exit_code)
    others = any(entity.exit_code for entity in report.entities if not entity.first_held)
    return report if left or others else last


def ask_who_wins(report: EntityReport) -> str | None:
    """Returns the side that wins; None when the user holds the records, or when there is no terminal to ask at."""
    found = (
        f"{report.entity}: unequal fields in {plural(report.first_held, 'record')} that both sides had before they met."
    )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        logs.log.warning(
            "%s Nothing was overwritten. Let one side win with --prefer monday or --prefer postgres, or decide one by one:"
            " python main.py conflicts list --entity %s",
            found,
            report.entity,
        )
        return None
    answer = click.prompt(f"{found} Who wins?", type=click.Choice(ANSWERS), default="hold", err=True)
    return None if answer == "hold" else str(answer)
