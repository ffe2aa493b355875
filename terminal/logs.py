"""Logging: a line for the person on stderr, the whole story in MONDAY_SYNC_HOME/monday_sync.log, older ones in logs/.

A log that cannot be written, on a full disk or in a folder of somebody else, is said once and never stops a run.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from errors import NotWritten, SyncError
from settings import Settings
from values.wording import utc_milliseconds

LOG_FILE = "monday_sync.log"
OLD_LOGS = "logs"
FILE_BYTES = 5_000_000
OLD_FILES = 9
LOGGERS = ("monday_sync", "local_postgres")
SHORTEST_SECRET = 4
LINES_OF_A_KIND = 3
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""Reasons for which a file cannot be written that lie outside the tool."""
FILE_ONLY = {"file_only": True}
"""As `extra`: a line that the person has seen otherwise."""

log = logging.getLogger("monday_sync")


def to_stderr(quiet: bool = False, debug: bool = False, log_format: str = "text", secrets: Iterable[str] = ()) -> None:
    """Show log lines to the person, or to a program as it reads them; called again when more is known, it starts anew."""
    handler = _Stderr()
    handler.setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)
    handler.addFilter(lambda record: not getattr(record, "file_only", False) or bool(debug and record.exc_info))
    if log_format == "text" and not debug:
        handler.addFilter(FEW)
    handler.setFormatter(LINES[log_format](secrets))
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if debug else logging.INFO)
        logger.propagate = False


def set_up(settings: Settings, quiet: bool = False, name: str = LOG_FILE) -> None:
    """Log as the settings say, to stderr and to the file."""
    secrets = secrets_of(settings)
    to_stderr(quiet, settings.debug, settings.log_format, secrets)
    handler = LogFile(settings.home, name)
    handler.setFormatter(JsonLine(secrets) if settings.log_format == "json" else FileLine(secrets))
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)


def unexpected(exc: Exception) -> SyncError:
    """A mistake of the tool's own, in a line; the file has its traceback. What the rights of a file forbid is none."""
    log.error("unexpected", exc_info=exc, extra=FILE_ONLY)
    if isinstance(exc, OSError) and exc.filename is not None and exc.errno in NOT_OURS:
        return NotWritten(exc.filename, exc)
    return SyncError(
        f"This should not happen ({type(exc).__name__}): {exc}".rstrip(": "),
        hint=f"Run with DEBUG=1 for the traceback; {LOG_FILE} has it too.",
    )


def secrets_of(settings: Settings) -> list[str]:
    """What must not stand in any log. Nothing should put it there; this is the second line of defence."""
    url = settings.database_url or ""
    found = {settings.api_key or "", settings.webhook_secret or "", url, _password(url), unquote(_password(url))}
    return sorted((secret for secret in found if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)


def _password(url: str) -> str:
    if "://" in url:
        try:
            return urlsplit(url).password or ""
        except ValueError:
            return ""
    _, _, rest = url.partition("password=")
    return rest[1:].partition("'")[0] if rest.startswith("'") else rest.partition(" ")[0]


class _Few:
    """Lets the first lines of a kind through and counts the others: a thousand warnings of one kind hide the rest."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[int, str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not isinstance(record.args, tuple) or len(record.args) < 2:
            return True
        kind = (record.levelno, str(record.msg), str(record.args[0]).partition(":")[0])
        self._seen[kind] += 1
        return self._seen[kind] <= LINES_OF_A_KIND

    def held_back(self) -> int:
        """How many lines were not shown; it starts counting again."""
        held = sum(max(0, count - LINES_OF_A_KIND) for count in self._seen.values())
        self._seen.clear()
        return held


FEW = _Few()


class _Masked(logging.Formatter):
    """A formatter that puts *** in the place of secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = list(secrets)

    def masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def told(self, record: logging.LogRecord) -> str:
        """The message, masked."""
        return self.masked(record.getMessage())

    def traceback(self, record: logging.LogRecord) -> str:
        """The traceback, masked; empty when there is none."""
        return self.masked(self.formatException(record.exc_info)) if record.exc_info else ""


class PersonLine(_Masked):
    """`error: ...` and `hint: ...`, `warning: ...`, or the sentence as it is."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = (
            "error: " if record.levelno >= logging.ERROR else "warning: " if record.levelno >= logging.WARNING else ""
        )
        lines = [prefix + self.told(record)]
        if hint := getattr(record, "hint", ""):
            lines.append(f"hint: {self.masked(hint)}")
        return "\n".join([*lines, *filter(None, [self.traceback(record)])])


class FileLine(_Masked):
    """The same with time and level, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [f"{_time(record)} {record.levelname:<7} {self.told(record)}"]
        if hint := getattr(record, "hint", ""):
            lines.append(f"    hint: {self.masked(hint)}")
        return "\n".join([*lines, *filter(None, [self.traceback(record)])])


class JsonLine(_Masked):
    """One JSON object a line, for a collector of logs."""

    def format(self, record: logging.LogRecord) -> str:
        shape: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.told(record),
        }
        if hint := getattr(record, "hint", ""):
            shape["hint"] = self.masked(hint)
        if traceback := self.traceback(record):
            shape["traceback"] = traceback
        return json.dumps(shape, ensure_ascii=False)


class KestraLine(_Masked):
    """What Kestra finds in the output of a task and shows among its own lines: `::{"logs": [...]}::`."""

    LEVELS = {"WARNING": "WARN", "CRITICAL": "ERROR"}

    def format(self, record: logging.LogRecord) -> str:
        lines = [self.told(record)]
        if hint := getattr(record, "hint", ""):
            lines.append(f"hint: {self.masked(hint)}")
        lines += filter(None, [self.traceback(record)])
        level = self.LEVELS.get(record.levelname, record.levelname)
        return "::" + json.dumps({"logs": [{"level": level, "message": "\n".join(lines)}]}) + "::"


LINES: dict[str, type[_Masked]] = {"text": PersonLine, "json": JsonLine, "kestra": KestraLine}
"""By LOG_FORMAT: the shape of a line on stderr."""


def _time(record: logging.LogRecord) -> str:
    return utc_milliseconds(datetime.fromtimestamp(record.created, timezone.utc))


class _Stderr(logging.Handler):
    """Looks stderr up each time: a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if sys.stderr is not None:
                sys.stderr.write(self.format(record) + "\n")
                sys.stderr.flush()
        except (OSError, ValueError):
            pass  # nobody is there to read it


class LogFile(RotatingFileHandler):
    """`monday_sync.log`, shared by every process of a home; when it is full it moves to `logs/monday_sync.log.1`."""

    def __init__(self, home: Path, name: str = LOG_FILE) -> None:
        super().__init__(
            home / name, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", errors="replace", delay=True
        )
        self._given_up = False

    def rotation_filename(self, default_name: str) -> str:
        path = Path(default_name)
        return str(path.parent / OLD_LOGS / path.name)

    def doRollover(self) -> None:
        (Path(self.baseFilename).parent / OLD_LOGS).mkdir(exist_ok=True)
        super().doRollover()

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        self._follow()
        return bool(super().shouldRollover(record))

    def _follow(self) -> None:
        """Another process may have moved the file away: go on in the new one."""
        if self.stream is None:
            return
        try:
            here, there = os.fstat(self.stream.fileno()), os.stat(self.baseFilename)
            moved = (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)
        except OSError:
            moved = True
        if moved:
            self.stream.close()
            self.stream = None  # type: ignore[assignment]

    def _open(self) -> Any:
        # What is synchronised is nobody else's business.
        return open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=_private)

    def emit(self, record: logging.LogRecord) -> None:
        if not self._given_up:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A log that cannot be written is no reason to stop."""
        error = sys.exc_info()[1]
        if self._given_up or not isinstance(error, OSError):
            return
        self._given_up = True
        log.warning(
            "%s cannot be written (%s); the run goes on without it.", self.baseFilename, error.strerror or error
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
