"""Standard output: what it does not take any more is let go, so that the command comes to its end, and is told then."""

from __future__ import annotations

import io
import os
import sys

from errors import SyncError


class Output(io.FileIO):
    """Writes until the first failure, and remembers it."""

    failure: OSError | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """All of it; after a failure, to nowhere."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as exc:
                self.failure = exc
        return len(data)


def set_up() -> Output | None:
    """Make the standard streams fit to be written to. None for a terminal, which stays as Python made it."""
    output = _caught() if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty() else None
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller: the next file that is opened would be taken for it
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode is no reason to stop
    return output


def _caught() -> Output:
    output, given = Output(sys.stdout.fileno(), "w", closefd=False), sys.stdout
    assert isinstance(given, io.TextIOWrapper)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(output), given.encoding, line_buffering=given.line_buffering, write_through=given.write_through
    )
    return output


def lost(output: Output | None) -> SyncError | None:
    """Why not all of the output was written. A reader that has gone, as `head` does, had what it wanted."""
    sys.stdout.flush()
    failure = output.failure if output else None
    if failure is None or isinstance(failure, BrokenPipeError):
        return None
    return SyncError(
        f"The output could not be written: {failure.strerror}.",
        hint="What the command did is done; only what it had to say is lost.",
    )
