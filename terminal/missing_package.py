"""Explains a missing package: usually the program was started with another Python than that of `.venv`."""

from __future__ import annotations

import sys
from types import TracebackType

from errors import SettingsError


def missing(exc: ModuleNotFoundError) -> SettingsError:
    """Returns an error that names the package and how to install it."""
    return SettingsError(
        f"The package {exc.name} is missing in {sys.executable}.",
        hint="Run it with .venv/bin/python, which `make install` makes; or first: pip install -r requirements.txt",
    )


def watch() -> None:
    """Shows that error in the place of Python's traceback. Called before the packages are imported."""
    sys.excepthook = _show


def _show(kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> None:
    if not isinstance(exc, ModuleNotFoundError):
        return sys.__excepthook__(kind, exc, traceback)
    problem = missing(exc)
    print(f"error: {problem.message}\nhint: {problem.hint}", file=sys.stderr)
    sys.exit(problem.exit_code)
