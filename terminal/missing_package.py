"""What to do when a package is missing, in a line: whoever meets that has called another Python than that of `.venv`."""

from __future__ import annotations

import sys
from types import TracebackType

from errors import SettingsError


def missing(exc: ModuleNotFoundError) -> SettingsError:
    """The package that could not be imported, and how to get it."""
    return SettingsError(
        f"The package {exc.name} is missing in {sys.executable}.",
        hint="Run it with .venv/bin/python, which `make install` makes; or first: pip install -r requirements.txt",
    )


def watch() -> None:
    """Have it told where Python would show a traceback. Called before the packages are imported."""
    sys.excepthook = _told


def _told(kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> None:
    if not isinstance(exc, ModuleNotFoundError):
        return sys.__excepthook__(kind, exc, traceback)
    problem = missing(exc)
    print(f"error: {problem.message}\nhint: {problem.hint}", file=sys.stderr)
    sys.exit(problem.exit_code)
