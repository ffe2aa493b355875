"""Sends messages through Apprise, to e-mail, chats and webhooks, by the addresses of ALERT_URLS.

An address holds secrets in any of its parts. It is never shown: only the scheme, and the host where that is a host. What
Apprise says of an answer is read for its number and thrown away.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, ClassVar
from urllib.parse import urlsplit

from msgspec import Struct

from config.hiding import Hiding

HOST_ALWAYS = re.compile(r"\{schema\}://(?:(?:\{user\}(?::\{password\})?|\{user\}:?)@)?\{host\}")
"""An address of a kind whose every form begins so holds a host after `://`; in others it may be a token."""
STATUS = re.compile(r"error=(\d{3})\b|\bHTTP (\d{3})\b")
NEVER_SENT = (
    *("NewConnectionError", "ConnectTimeout", "NameResolutionError", "Connection refused", "SSLError", "ProxyError"),
    *("InvalidURL", "InvalidSchema", "Name or service not known", "Temporary failure in name resolution"),
)
"""Words of errors that come before anything was sent."""
CUT_SHORT = (
    *("Read timed out", "ReadTimeout", "Connection aborted", "RemoteDisconnected", "ConnectionResetError"),
    *("Connection unexpectedly closed", "timed out", "IncompleteRead"),
)
"""Words of errors after which the message may have come."""


class Outcome(Enum):
    """Says what became of a message. Unknown: it was sent, and no answer came."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Answer(Struct, frozen=True):
    """Holds the answer of a channel, in words that hold no secret."""

    outcome: Outcome
    words: str


class Channel(Hiding, Struct, frozen=True):
    """Holds a place that messages are sent to. `name` may be shown, `scheme` tells what kind of place it is."""

    HIDDEN: ClassVar = frozenset({"_service"})

    name: str
    scheme: str
    _service: Any = None

    @property
    def usable(self) -> bool:
        """Returns whether Apprise understands the address."""
        return self._service is not None

    def send(self, title: str, body: str, patience_s: float) -> Answer:
        """Sends one message, and returns what came of it. Raises nothing but an interrupt."""
        if self._service is None:
            return Answer(Outcome.REFUSED, "Apprise does not understand this address")
        self._service.socket_connect_timeout = min(3.0, patience_s / 2)
        self._service.socket_read_timeout = max(0.5, patience_s / 2)
        heard = _Heard()
        try:
            with _listening(heard):
                done = bool(self._service.notify(body=_as_taken(body, self._service), title=title))
        except Exception as exc:
            # its text may hold the address
            return Answer(Outcome.UNKNOWN, f"it ended in {type(exc).__name__}")
        return Answer(Outcome.DELIVERED, "taken") if done else heard.answer()


def channels_of(addresses: Sequence[str]) -> list[Channel]:
    """Returns the channels of these addresses, with names that differ."""
    # imports of their own: Apprise takes half a second
    import apprise

    found, seen = [], Counter[str]()
    for address in addresses:
        scheme = address.partition("://")[0].lower()
        with _listening(_Heard()):
            try:
                service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
            except Exception:
                service = None
        name = f"{scheme}://{_host(address, service)}"
        seen[name] += 1
        found.append(Channel(name if seen[name] == 1 else f"{name}#{seen[name]}", scheme, service))
    return found


def _as_taken(body: str, service: Any) -> str:
    """Returns a text in the form that a channel takes: HTML in an e-mail, for example."""
    from apprise import NotifyFormat
    from apprise.conversion import convert_between

    return str(convert_between(NotifyFormat.TEXT, service.notify_format, body))


def _host(address: str, service: Any) -> str:
    """Returns the host of an address, where every form of its kind has one there."""
    forms = getattr(service, "templates", ()) or ("",)
    if not all(HOST_ALWAYS.match(form) for form in forms):
        return ""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


class _Heard(logging.Handler):
    """Hears what Apprise logs while it sends, and keeps of it the number of an answer and the kind of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self.status: str | None = None
        self.never_sent = self.cut_short = False

    def emit(self, record: logging.LogRecord) -> None:
        # other threads send too; what is sent may hold any word
        if record.thread != self._thread or (record.levelno < logging.WARNING and "xception" not in str(record.msg)):
            return
        try:
            said = record.getMessage()
        except Exception:
            return
        if found := STATUS.search(said):
            self.status = found[1] or found[2]
        self.never_sent = self.never_sent or any(word in said for word in NEVER_SENT)
        self.cut_short = self.cut_short or any(word in said for word in CUT_SHORT)

    def answer(self) -> Answer:
        """Returns what the failure was."""
        if self.status is not None:
            return Answer(Outcome.REFUSED, f"answered {self.status}")
        if self.never_sent:
            return Answer(Outcome.REFUSED, "cannot be reached")
        if self.cut_short:
            return Answer(Outcome.UNKNOWN, "no answer came, so it may have been taken")
        return Answer(Outcome.REFUSED, "not taken")


@contextmanager
def _listening(heard: _Heard) -> Iterator[None]:
    """Lets nothing that Apprise logs reach a log: it quotes addresses and answers."""
    log = logging.getLogger("apprise")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    if not any(isinstance(handler, logging.NullHandler) for handler in log.handlers):
        log.addHandler(logging.NullHandler())
    log.addHandler(heard)
    try:
        yield
    finally:
        log.removeHandler(heard)
