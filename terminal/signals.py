"""Ctrl-C and SIGTERM end a command as Python ends: what was started is stopped, and nothing is half-written."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from typing import Any

INTERRUPTED = 130
TERMINATED = 143
"""Exit codes, as shells count them: 128 and the signal's number."""
AGAIN_S = 0.02
"""Seconds after which an interrupt that was lost comes again."""


def watch() -> None:
    """From now on SIGTERM raises SystemExit, as Ctrl-C raises KeyboardInterrupt, and neither is lost."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _come_again


def _terminate(number: int, frame: object) -> None:
    sys.exit(TERMINATED)


def _come_again(lost: Any) -> None:
    """Python drops what is raised inside a finalizer; an interrupt that strikes there has to strike once more."""
    number = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}.get(lost.exc_type)
    if number is None:
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN_S, _strike, (number,))
    again.daemon = True
    again.start()


def _strike(number: signal.Signals) -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)  # which wakes it from whatever it waits for
    else:
        _thread.interrupt_main(number)
