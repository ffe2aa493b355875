"""Runs a command to its end: shows its error, chooses the exit code, and leaves the process."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_USAGE, SyncError
from terminal import logs, missing_package, signals, stdout

PROGRAM = "python main.py"


def leave_with(command: click.Command, arguments: Sequence[str], program: str = PROGRAM) -> NoReturn:
    """Runs the command with these arguments, and ends the process with its exit code."""
    # What was imported stays. To look through it for circular garbage takes 10 ms at the start, and 40 ms at the end.
    gc.freeze()
    gc.enable()
    signals.watch()
    written = stdout.set_up()
    logs.to_stderr()
    code = _exit_code(command, list(arguments), program)
    if problem := stdout.lost(written):
        show_error(problem)
        code = problem.exit_code
    gc.freeze()
    sys.exit(code)


def show_error(exc: SyncError) -> None:
    """Writes `error: ...` and `hint: ...` to stderr and to the log; with DEBUG the traceback too."""
    debug = logs.log.isEnabledFor(logging.DEBUG)
    logs.log.error("%s", exc.message, extra={"hint": exc.hint}, exc_info=exc if debug else None)


def _exit_code(command: click.Command, arguments: list[str], program: str) -> int:
    """Runs the command; every way to end it has its exit code."""
    try:
        return int(command.main(arguments, prog_name=program, standalone_mode=False) or 0)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else EXIT_IN_STEP
    except SyncError as exc:
        show_error(exc)
        return exc.exit_code
    except click.exceptions.NoArgsIsHelpError as exc:
        # A group without a command.
        click.echo(exc.format_message(), err=True)
        return EXIT_USAGE
    except click.ClickException as exc:
        # Unknown commands and options, wrong values.
        context = getattr(exc, "ctx", None)
        hint = f"{context.command_path if context else PROGRAM} --help"
        logs.log.error("%s", exc.format_message(), extra={"hint": hint})
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        logs.log.warning("Interrupted.")
        return signals.INTERRUPTED
    except ModuleNotFoundError as exc:
        show_error(missing_package.missing(exc))
        return EXIT_USAGE
    except Exception as exc:
        show_error(logs.unexpected(exc))
        return EXIT_FAILED
