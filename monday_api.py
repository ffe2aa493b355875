"""The door to monday.com: the only file that meets `requests`, and the client that the rest of the tool is given."""

from __future__ import annotations

import copy
import json
import logging
import random as _random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from errors import SettingsError
from services.monday.account import AccountReads, AccountWrites, ImportJob, Me, PlatformBudget
from services.monday.calls import Caller, Reply
from services.monday.failures import Failure
from services.monday.items import ItemReads
from services.monday.pacing import ApiStats, DailyCalls, Left, PageSize
from services.monday.pages import Pager
from services.monday.queries import Request, plain
from services.monday.updates import UpdateFilter
from services.monday.writes import ItemWrites, MutationAnswer, Outcome, Writer, answer_by_alias
from timing import Clock

if TYPE_CHECKING:
    import requests

__all__ = ["ApiStats", "ImportJob", "Me", "Monday", "MutationAnswer", "Outcome", "PlatformBudget", "UpdateFilter"]

MONDAY_API_URL = "https://api.monday.com/v2"
MONDAY_API_VERSION = "2026-07"
CHUNK = 1 << 18
SECONDS_FOR_A_BODY = 180.0
"""A body that drips longer than this is given up, however often it drips."""

LONGEST_MESSAGE = 100_000
"""Bodies that report errors are short; a page of cells is not searched."""

log = logging.getLogger("monday_sync.api")


class Monday(AccountReads, AccountWrites, ItemReads, ItemWrites):
    """One account, seen with one token. Safe to use from several threads."""

    def __init__(
        self,
        *,
        token: str,
        url: str = MONDAY_API_URL,
        version: str = MONDAY_API_VERSION,
        clock: Clock | None = None,
        give_up_after: float | None = 300.0,
        daily_share: int | None = None,
        daily_used: float = 0,
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
        max_attempts: int = 8,
        timeout: tuple[float, float] = (10, 75),
        random: Callable[[], float] = _random.random,
        stop: threading.Event | None = None,
    ) -> None:
        self.version = version
        self.update_filter = UpdateFilter()
        self._clock = clock or Clock()
        self._wire = HttpWire(token, url, version, timeout, on_event)
        self._put = self._wire.put
        self._caller = Caller(
            self._wire,
            self._clock,
            DailyCalls(daily_share, daily_used),
            give_up_after=give_up_after,
            max_attempts=max_attempts,
            read_timeout=timeout[1],
            random=random,
            notify=on_event,
            stop=stop,
        )
        self._speak_through(self._caller)
        self._sizes: dict[tuple[Any, ...], PageSize] = {}
        self._board_locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()

    def _speak_through(self, caller: Caller) -> None:
        self._caller = caller
        self._pager = Pager(caller.call, caller.pause, caller.notify)
        self._writer = Writer(caller.call, caller.pause, caller.exhausted)

    def counted_apart(self) -> Monday:
        """The same conversation, to be counted apart: connections, pace and the day's calls are shared."""
        other = copy.copy(self)
        other._speak_through(self._caller.counted_apart())
        return other

    def __repr__(self) -> str:
        return f"Monday(url={self._wire.url!r}, version={self.version!r})"

    def __enter__(self) -> Monday:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    @property
    def stats(self) -> ApiStats:
        """What the conversation has cost so far."""
        return self._caller.tally.snapshot(self._caller.daily.used)

    @property
    def left(self) -> Left:
        """What is left of the budgets, as far as is known."""
        calls, complexity = self._caller.budget.left(self._clock.monotonic())
        daily = self._caller.daily
        return Left(calls, complexity, None if daily.share is None else max(0.0, daily.share - daily.used))

    def wait(self, seconds: float, cause: str) -> None:
        """Pause, by the client's clock, and count it."""
        self._caller.wait(seconds, cause)

    def mutate(self, document: str, variables: Mapping[str, Any], key: str | None = None) -> MutationAnswer:
        """A mutation under aliases: what succeeded, and an error for each alias that did not."""
        return answer_by_alias(self._caller.call(Request(plain(document), variables, key or str(uuid.uuid4()))), ())


class HttpWire:
    """Posts to one address with one token. A session serves one thread at a time and keeps its connection."""

    def __init__(
        self,
        token: str,
        url: str,
        version: str,
        timeout: tuple[float, float],
        on_event: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.url = url
        self._token = checked_token(token)
        self._version = version
        self._connect_timeout = timeout[0]
        self._on_event = on_event
        self._idle: list[requests.Session] = []
        self._lock = threading.Lock()
        self._warned = False

    def __repr__(self) -> str:
        return f"HttpWire(url={self.url!r})"

    def post(self, body: bytes, headers: Mapping[str, str], read_timeout: float) -> Reply:
        """Send once. Whatever goes wrong is told in the reply, never raised."""
        import requests
        import urllib3

        with self._session() as session:
            response = None
            try:
                response = session.post(
                    self.url,
                    data=body,
                    headers=dict(headers),
                    timeout=(self._connect_timeout, read_timeout),
                    allow_redirects=False,
                    stream=True,
                )
                content = _read(response)
            except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                if response is not None:
                    response.close()
                return Reply(failure=_no_answer(error))
        self._compare_version(response.headers)
        return Reply(response.status_code, response.headers, self._decoded(content), len(content))

    def put(self, url: str, body: bytes) -> int:
        """Upload a CSV file to an address that is its own permission; no token goes there. 0 is no answer."""
        import requests

        with requests.Session() as session:
            session.trust_env = False
            try:
                headers = {"Content-Type": "text/csv"}
                return session.put(url, data=body, headers=headers, timeout=(self._connect_timeout, 300)).status_code
            except requests.exceptions.RequestException:
                return 0

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        with self._lock:
            session = self._idle.pop() if self._idle else None
        session = session or self._new_session()
        try:
            yield session
        finally:
            with self._lock:
                self._idle.append(session)

    def _new_session(self) -> requests.Session:
        import requests

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            # As `auth`, so that a .netrc file on the machine cannot put another key in its place.
            request.headers["Authorization"] = self._token
            return request

        session = requests.Session()
        session.headers.update({"Content-Type": "application/json", "API-Version": self._version})
        session.auth = sign
        return session

    def _decoded(self, content: bytes) -> Any:
        """The JSON of a body, or None. Should a message repeat the token, it goes no further."""
        if len(content) < LONGEST_MESSAGE:
            content = content.replace(self._token.encode(), b"***")
        return loads(content)

    def _compare_version(self, headers: Mapping[str, str]) -> None:
        answered = headers.get("Api-Version")
        if not answered or answered == self._version or self._warned:
            return
        self._warned = True
        log.warning("monday.com answers with API version %s; the tool is written for %s.", answered, self._version)
        if self._on_event:
            self._on_event("version", {"pinned": self._version, "answered": answered})


def checked_token(token: str) -> str:
    """The token without blanks around it. A key that no header can carry is refused here, unseen."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError(
            "The monday.com key is missing or is not one.", hint="Set MONDAY_API_KEY to the token of your profile."
        )
    return token


def loads(content: bytes) -> Any:
    """JSON, or None when it is none or cut short. Half a surrogate pair in a text is no reason to lose the page."""
    try:
        return orjson.loads(content)
    except ValueError:
        if b"\\ud" not in content and b"\\uD" not in content:
            return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _read(response: requests.Response) -> bytes:
    """The body, as long as it does not take for ever. Read to its end, it gives its connection back by itself."""
    until = time.monotonic() + SECONDS_FOR_A_BODY
    parts = []
    while part := response.raw.read1(CHUNK, decode_content=True):
        parts.append(part)
        if time.monotonic() > until:
            raise TimeoutError("the answer takes too long")
    return b"".join(parts)


def _no_answer(error: Exception) -> Failure:
    """Why there is no answer, and whether the request can have been carried out. The text names no header."""
    import requests

    kind = type(error).__name__
    cause = getattr(error.args[0], "reason", None) if error.args else None
    unsent = type(cause).__name__ in ("NewConnectionError", "ConnectTimeoutError", "NameResolutionError")
    if isinstance(error, requests.exceptions.ConnectTimeout) or unsent:
        return Failure(0, "UNREACHABLE", "no connection could be made")
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error).upper():
        return Failure(0, "UNREACHABLE", "no trusted connection could be made")
    if isinstance(error, ValueError):
        return Failure(0, "INVALID_ADDRESS", f"nothing can be sent to this address ({kind})")
    if "timed out" in str(error) or isinstance(error, TimeoutError):
        return Failure(0, "TIMEOUT", "no answer in time")
    return Failure(0, "NETWORK", f"the connection broke ({kind})")
