"""Sets up logging: short lines on stderr, every line in MONDAY_SYNC_HOME/monday_sync.log, older files in logs/.

A log file that cannot be written (a full disk, a folder of another user) is reported once and never stops a run.
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
SYNC_LOG = "logs/sync.log"
"""What runs of syncs of queries write, where they run alone."""
OLD_LOGS = "logs"
FILE_BYTES = 5_000_000
OLD_FILES = 9
SHORTEST_SECRET = 4
LINES_OF_A_KIND = 3
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""Causes outside the tool for which a file cannot be written."""
FILE_ONLY = {"file_only": True}
"""As `extra`: a line that the user has seen in another form."""

log = logging.getLogger("monday_sync")


def to_stderr(
    quiet: bool = False, level: int = logging.INFO, log_format: str = "text", secrets: Iterable[str] = ()
) -> RateLimitedLog:
    """Shows log lines on stderr, in the place of all earlier handlers. Returns the filter that counts hidden warnings."""
    handler, limited = _Stderr(), RateLimitedLog()
    debug = level <= logging.DEBUG
    handler.setLevel(level if debug or not quiet else max(level, logging.WARNING))
    handler.addFilter(lambda record: not getattr(record, "file_only", False) or bool(debug and record.exc_info))
    if log_format == "text" and not debug:
        handler.addFilter(limited)
    handler.setFormatter(LINES[log_format](secrets))
    for old in list(log.handlers):
        log.removeHandler(old)
        old.close()
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False
    return limited


def set_up(settings: Settings, quiet: bool = False, name: str = LOG_FILE) -> RateLimitedLog:
    """Logs as the settings say, to stderr and to the file. Returns the filter that counts hidden warnings."""
    secrets = secrets_of(settings)
    level = logging.DEBUG if settings.debug else logging.getLevelName(settings.log_level)
    limited = to_stderr(quiet, level, settings.log_format, secrets)
    handler = LogFile(settings.home, name)
    handler.setFormatter(JsonLine(secrets) if settings.log_format == "json" else FileLine(secrets))
    log.addHandler(handler)
    return limited


def unexpected(exc: Exception) -> SyncError:
    """Returns an error of one line for a bug of the tool; the log file gets its traceback."""
    log.error("unexpected", exc_info=exc, extra=FILE_ONLY)
    # No bug: the rights of a file, or a full disk.
    if isinstance(exc, OSError) and exc.filename is not None and exc.errno in NOT_OURS:
        return NotWritten(exc.filename, exc)
    return SyncError(
        f"This should not happen ({type(exc).__name__}): {exc}".rstrip(": "),
        hint=f"Run with DEBUG=1 for the traceback; {LOG_FILE} has it too.",
    )


def mask_also(settings: Settings) -> None:
    """Takes the secrets of further settings out of all lines: of an account, in a process that works for many."""
    found = secrets_of(settings)
    for handler in log.handlers:
        if isinstance(handler.formatter, _Masked):
            handler.formatter.also(found)


def secrets_of(settings: Settings) -> list[str]:
    """Returns the texts that no log may contain. No caller should log them; this is the second line of defence."""
    url = settings.database_url or ""
    found = {settings.api_key or "", settings.webhook_secret or "", url, _password(url), unquote(_password(url))}
    found |= {settings.dashboard_password or "", settings.dashboard_view_password or ""}
    found |= {settings.smartsuite_token or "", settings.environment.get("MYSQL_PASSWORD", "")}
    mysql = settings.environment.get("MYSQL_URL", "")
    found |= {mysql, _password(mysql), unquote(_password(mysql))}
    found |= {*settings.alert_urls, settings.heartbeat_url or ""}
    for address in (settings.broker_url or "", settings.control_database_url or ""):
        found |= {address, _password(address), unquote(_password(address))}
    return sorted((secret for secret in found if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)


def _password(url: str) -> str:
    if "://" in url:
        try:
            return urlsplit(url).password or ""
        except ValueError:
            return ""
    _, _, rest = url.partition("password=")
    return rest[1:].partition("'")[0] if rest.startswith("'") else rest.partition(" ")[0]


class RateLimitedLog:
    """Lets the first lines of a kind through and counts the others: a thousand warnings of one kind hide the rest."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[int, str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decides whether a line is shown. Notes are always shown, and so are warnings without two values."""
        if record.levelno < logging.WARNING or not isinstance(record.args, tuple) or len(record.args) < 2:
            return True
        kind = (record.levelno, str(record.msg), str(record.args[0]).partition(":")[0])
        self._seen[kind] += 1
        return self._seen[kind] <= LINES_OF_A_KIND

    def held_back(self) -> int:
        """Returns how many lines were not shown, and starts counting again."""
        held = sum(max(0, count - LINES_OF_A_KIND) for count in self._seen.values())
        self._seen.clear()
        return held


class _Masked(logging.Formatter):
    """Formats a line with *** in the place of secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = list(secrets)

    def also(self, secrets: Iterable[str]) -> None:
        """Masks these, too."""
        self._secrets = sorted({*self._secrets, *secrets}, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """Returns the text with *** in the place of each secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def message(self, record: logging.LogRecord) -> str:
        """Returns the message, masked."""
        return self.masked(record.getMessage())

    def traceback(self, record: logging.LogRecord) -> str:
        """Returns the traceback, masked; empty when there is none."""
        return self.masked(self.formatException(record.exc_info)) if record.exc_info else ""


class PersonLine(_Masked):
    """Formats a line for a user: `error: ...` and `hint: ...`, `warning: ...`, or the sentence alone."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = (
            "error: " if record.levelno >= logging.ERROR else "warning: " if record.levelno >= logging.WARNING else ""
        )
        lines = [prefix + self.message(record)]
        if hint := getattr(record, "hint", ""):
            lines.append(f"hint: {self.masked(hint)}")
        return "\n".join([*lines, *filter(None, [self.traceback(record)])])


class FileLine(_Masked):
    """Formats a line for the file: time, level, message, hint, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [f"{_time(record)} {record.levelname:<7} {self.message(record)}"]
        if hint := getattr(record, "hint", ""):
            lines.append(f"    hint: {self.masked(hint)}")
        return "\n".join([*lines, *filter(None, [self.traceback(record)])])


class JsonLine(_Masked):
    """Formats a line as one JSON object, for a collector of logs."""

    def format(self, record: logging.LogRecord) -> str:
        shape: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
        }
        if hint := getattr(record, "hint", ""):
            shape["hint"] = self.masked(hint)
        if traceback := self.traceback(record):
            shape["traceback"] = traceback
        return json.dumps(shape, ensure_ascii=False)


class KestraLine(_Masked):
    """Formats a line as `::{"logs": [...]}::`: Kestra finds it in the output of a task and shows it with its own."""

    LEVELS = {"WARNING": "WARN", "CRITICAL": "ERROR"}

    def format(self, record: logging.LogRecord) -> str:
        lines = [self.message(record)]
        if hint := getattr(record, "hint", ""):
            lines.append(f"hint: {self.masked(hint)}")
        lines += filter(None, [self.traceback(record)])
        level = self.LEVELS.get(record.levelname, record.levelname)
        return "::" + json.dumps({"logs": [{"level": level, "message": "\n".join(lines)}]}) + "::"


LINES: dict[str, type[_Masked]] = {"text": PersonLine, "json": JsonLine, "kestra": KestraLine}
"""The format of a line on stderr, by LOG_FORMAT."""


def _time(record: logging.LogRecord) -> str:
    return utc_milliseconds(datetime.fromtimestamp(record.created, timezone.utc))


class _Stderr(logging.Handler):
    """Writes to `sys.stderr`, read anew for each line: a progress bar replaces it for a time."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if sys.stderr is not None:
                sys.stderr.write(self.format(record) + "\n")
                sys.stderr.flush()
        except (OSError, ValueError):
            pass  # stderr is closed


class LogFile(RotatingFileHandler):
    """Writes `monday_sync.log`, which all processes of a home share; a full file moves to `logs/monday_sync.log.1`."""

    def __init__(self, home: Path, name: str = LOG_FILE) -> None:
        super().__init__(
            home / name, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", errors="replace", delay=True
        )
        self._given_up = False

    def rotation_filename(self, default_name: str) -> str:
        return str(self._old_logs / Path(default_name).name)

    def doRollover(self) -> None:
        self._old_logs.mkdir(exist_ok=True)
        super().doRollover()

    @property
    def _old_logs(self) -> Path:
        folder = Path(self.baseFilename).parent
        return folder if folder.name == OLD_LOGS else folder / OLD_LOGS

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        self._follow()
        return bool(super().shouldRollover(record))

    def _follow(self) -> None:
        """Opens the new file when another process has moved the old one away."""
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
        Path(self.baseFilename).parent.mkdir(exist_ok=True)
        # The lines may quote records: only the owner may read them.
        return open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=_private)

    def emit(self, record: logging.LogRecord) -> None:
        if not self._given_up:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Reports the first failure and stops writing the file: a log never stops a run."""
        error = sys.exc_info()[1]
        if self._given_up or not isinstance(error, OSError):
            return
        self._given_up = True
        log.warning(
            "%s cannot be written (%s); the run goes on without it.", self.baseFilename, error.strerror or error
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
