"""Ends a command on Ctrl-C and SIGTERM as Python ends it: `finally` blocks run, and what was started is stopped."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from typing import Any

from errors import EXIT_FAILED
from timing import TERMINATED

INTERRUPTED = 130
"""The exit code, as shells count it: 128 and the signal's number."""
AGAIN_S = 0.02
"""Seconds after which an interrupt that was lost is sent again."""


def watch() -> None:
    """Makes SIGTERM raise SystemExit, as Ctrl-C raises KeyboardInterrupt; neither is lost."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _send_again


def exit_code_of(exc: BaseException) -> int:
    """Returns the exit code of what was ended by an interrupt: by Ctrl-C, a signal, or a user who asked it to stop."""
    code = exc.code if isinstance(exc, SystemExit) else INTERRUPTED
    return code if isinstance(code, int) and code else EXIT_FAILED


def _terminate(number: int, frame: object) -> None:
    sys.exit(TERMINATED)


def _send_again(lost: Any) -> None:
    """Sends an interrupt again that arrived inside a finalizer, where Python drops every exception."""
    number = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}.get(lost.exc_type)
    if number is None:
        sys.__unraisablehook__(lost)
        return
    left = threading.Event()
    _thread.start_new_thread(_send, (number, left))
    left.set()


def _send(number: signal.Signals, left: threading.Event) -> None:
    # Not before the finalizer is left, however busy the machine is: there it would be dropped again.
    left.wait()
    time.sleep(AGAIN_S)
    if hasattr(signal, "pthread_kill"):
        # To the main thread: the signal wakes it from a system call.
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(number)
