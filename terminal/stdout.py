"""Guards standard output: when it cannot be written any more, the command still runs to its end and then says so."""

from __future__ import annotations

import io
import os
import sys

from errors import SyncError


class Output(io.FileIO):
    """Writes until the first failure, and remembers that failure."""

    failure: OSError | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Writes all of it; after a failure it writes nothing and reports success."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as exc:
                self.failure = exc
        return len(data)


def set_up() -> Output | None:
    """Makes the standard streams safe to write to. Returns None for a terminal, which stays as Python made it."""
    output = _guarded() if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty() else None
    for name in ("stdin", "stdout", "stderr"):
        # Closed by the caller: the next file that is opened would get its number.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for a terminal without Unicode
    return output


def _guarded() -> Output:
    output, given = Output(sys.stdout.fileno(), "w", closefd=False), sys.stdout
    assert isinstance(given, io.TextIOWrapper)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(output),
        given.encoding,
        line_buffering=given.line_buffering,
        write_through=given.write_through,
    )
    return output


def lost(output: Output | None) -> SyncError | None:
    """Returns an error when output was lost. A reader that closes the pipe early, like `head`, is no error."""
    sys.stdout.flush()
    failure = output.failure if output else None
    if failure is None or isinstance(failure, BrokenPipeError):
        return None
    return SyncError(
        f"The output could not be written: {failure.strerror}.",
        hint="The command did its work; only its output is lost.",
    )
