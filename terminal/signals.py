"""Ends a command on Ctrl-C and SIGTERM as Python ends it: `finally` blocks run, and what was started is stopped."""

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
"""Seconds after which an interrupt that was lost is sent again."""


def watch() -> None:
    """Makes SIGTERM raise SystemExit, as Ctrl-C raises KeyboardInterrupt; neither is lost."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _send_again


def _terminate(number: int, frame: object) -> None:
    sys.exit(TERMINATED)


def _send_again(lost: Any) -> None:
    """Sends an interrupt again that arrived inside a finalizer, where Python drops every exception."""
    number = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}.get(lost.exc_type)
    if number is None:
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN_S, _send, (number,))
    again.daemon = True
    again.start()


def _send(number: signal.Signals) -> None:
    if hasattr(signal, "pthread_kill"):
        # To the main thread: the signal wakes it from a system call.
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(number)
