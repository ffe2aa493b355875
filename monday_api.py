"""Speaks to monday.com: the GraphQL client. The only file that imports `requests`."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import Struct, field

from errors import SettingsError
from models import NO_CELLS, Board, Columns, Item, Pages
from services.monday.account import Account, Me, NewColumn, PlatformBudget
from services.monday.calls import Caller, HttpReply, Line
from services.monday.failures import API_URL, WRITTEN_FOR, Failure
from services.monday.imports import ImportJob, Imports
from services.monday.items import ItemReading
from services.monday.masking import Masking
from services.monday.pacing import ApiStats, Budget, DailyCalls, Left, PageSizes
from services.monday.pages import READ_ALL, OnMalformed, ReadOptions
from services.monday.queries import Decode, Request, plain
from services.monday.updates import UpdateFilter
from services.monday.waiting import Limits, Notify, ServerClock
from services.monday.writes import BoardLocks, ItemWriting, MutationAnswer, Outcome, answer_by_alias
from timing import Clock, Stop

if TYPE_CHECKING:
    import requests

__all__ = [
    "ApiStats",
    "Columns",
    "ImportJob",
    "Limits",
    "Me",
    "Monday",
    "MutationAnswer",
    "NewColumn",
    "Outcome",
    "PlatformBudget",
    "ReadOptions",
    "UpdateFilter",
]

MONDAY_API_URL = API_URL
MONDAY_API_VERSION = WRITTEN_FOR
CHUNK = 1 << 18
SECONDS_FOR_A_BODY = 180.0
"""A body that takes longer than this is given up, also when parts of it still come."""

log = logging.getLogger("monday_sync.api")


class _Learnt(Struct, frozen=True):
    """Holds what a client has found out; clients that are counted apart share it."""

    sizes: PageSizes = field(default_factory=PageSizes)
    locks: BoardLocks = field(default_factory=BoardLocks)
    update_filter: UpdateFilter = field(default_factory=UpdateFilter)


class Monday:
    """Speaks to monday.com for one token. Safe to use from several threads.

    It reads boards and items itself; `writing` changes items, `imports` makes many at once, and `account` has all
    other things: users, tags, boards and their columns, webhooks, logs.
    """

    def __init__(
        self,
        *,
        token: str,
        url: str = MONDAY_API_URL,
        version: str = MONDAY_API_VERSION,
        clock: Clock | None = None,
        limits: Limits | None = None,
        on_event: Notify | None = None,
    ) -> None:
        clock, limits, notify = clock or Clock(), limits or Limits(), on_event or _ignore
        line = Line(
            wire=HttpWire(token, url, version, limits.timeout[0], notify),
            version=version,
            clock=clock,
            limits=limits,
            notify=notify,
            daily=DailyCalls(limits.daily_share, limits.daily_used),
            budget=Budget(),
            server=ServerClock(clock),
        )
        self._hold(Caller(line), _Learnt())

    def _hold(self, caller: Caller, learnt: _Learnt) -> None:
        self._caller = caller
        self._learnt = learnt
        self.pauses = caller.pauses
        self.update_filter = learnt.update_filter
        self.reading = ItemReading(caller, learnt.sizes, learnt.update_filter)
        self.writing = ItemWriting(caller, learnt.locks)
        self.imports = Imports(caller)
        self.account = Account(caller)

    def counted_apart(self, stop: Stop | None = None) -> Monday:
        """Returns a client that is counted and stopped apart: connections, pace and the day's calls are shared."""
        apart = Monday.__new__(Monday)
        apart._hold(self._caller.counted_apart(stop), self._learnt)
        return apart

    def __repr__(self) -> str:
        return f"Monday(url={self._caller.line.wire.url!r}, version={self._caller.line.version!r})"

    def __enter__(self) -> Monday:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._caller.line.wire.close()

    # -- requests ---------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> ApiStats:
        """Returns what all requests have cost so far."""
        return self._caller.tally.snapshot(self._caller.line.daily.used)

    @property
    def left(self) -> Left:
        """Returns what is left of the budgets, as far as is known."""
        line = self._caller.line
        calls, complexity = line.budget.left(line.clock.monotonic())
        return Left(calls, complexity, line.daily.left)

    def server_time(self) -> datetime:
        """Returns the present time by monday.com's clock."""
        return self._caller.line.server.now()

    def wait(self, seconds: float, cause: str) -> None:
        """Pauses, by the client's clock, and counts it."""
        self._caller.pauses.wait(seconds, cause)

    def run(self, query: str, variables: Mapping[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """Returns `data` of the answer to a document. Any error in it is raised, also one that stands beside data."""
        return self._caller.run(query, variables, key)

    def mutate(self, document: str, variables: Mapping[str, Any], key: str | None = None) -> MutationAnswer:
        """Sends a mutation under aliases; returns what succeeded, and an error for each alias that did not."""
        return answer_by_alias(self._caller.call(Request(plain(document), variables, key or str(uuid.uuid4()))), ())

    # -- boards and items -------------------------------------------------------------------------------------------

    def board(self, board_id: str | int) -> Board:
        """Returns a board with its columns and groups."""
        return self.account.board(board_id)

    def pages(self, board_id: str | int, columns: Columns = NO_CELLS, options: ReadOptions = READ_ALL) -> Pages:
        """Yields all active items of a board, a page at a time."""
        return self.reading.pages(board_id, columns, options)

    def listing(self, board_id: str | int, options: ReadOptions = READ_ALL) -> Pages:
        """Yields id, state, update time and group of every active item: a sweep that finds what is gone."""
        return self.reading.listing(board_id, options)

    def items(
        self, ids: Iterable[str | int], columns: Columns = NO_CELLS, on_malformed: OnMalformed | None = None
    ) -> Iterator[list[Item]]:
        """Yields items by id, also archived and deleted items, with their `state`. What does not come is absent."""
        return self.reading.items(ids, columns, on_malformed)

    def find_by_text(
        self, board_id: str | int, column_id: str, values: Sequence[str], columns: Columns = NO_CELLS
    ) -> list[Item]:
        """Returns the active items whose cell in `column_id` shows exactly one of these texts."""
        return self.reading.find_by_text(board_id, column_id, values, columns)

    def changed_since(
        self, board_id: str | int, when: datetime, columns: Columns = NO_CELLS, options: ReadOptions = READ_ALL
    ) -> Pages:
        """Yields the active items last updated at `when` or later. This listing cannot be resumed."""
        return self.reading.changed_since(board_id, when, columns, options)

    def item_count(self, board_id: str | int) -> int | None:
        """Returns how many items the board says it has now; None when it does not say."""
        return self.account.board_marks([board_id]).get(str(board_id), (None, None))[1]


def _ignore(event: str, facts: Mapping[str, object]) -> None:
    """Ignores an event."""


class HttpWire:
    """Posts to one address with one token. A session serves one thread at a time and keeps its connection."""

    def __init__(self, token: str, url: str, version: str, connect_timeout: float, notify: Notify) -> None:
        self.url = url
        self._token = checked_token(token)
        self.masking = Masking(self._token)
        self._version = version
        self._connect_timeout = connect_timeout
        self._notify = notify
        self._idle: list[requests.Session] = []
        self._lock = threading.Lock()
        self._warned = False

    def __repr__(self) -> str:
        return f"HttpWire(url={self.url!r})"

    def post(
        self, body: bytes, headers: Mapping[str, str], read_timeout: float, decode: Decode | None = None
    ) -> HttpReply:
        """Sends a request once. A failure is described in the reply, never raised."""
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
                return HttpReply(failure=_no_answer(error))
        self._compare_version(response.headers)
        return HttpReply(response.status_code, response.headers, (decode or loads)(content), len(content))

    def put(self, url: str, body: bytes) -> int:
        """Uploads a CSV file to an address that is secret itself; the token is not sent. Returns 0 without an answer."""
        import requests

        with requests.Session() as session:
            # Proxies and certificates are those of the environment; a .netrc file on the machine is none of its own.
            session.auth = _unsigned
            try:
                headers = {"Content-Type": "text/csv"}
                return session.put(url, data=body, headers=headers, timeout=(self._connect_timeout, 300)).status_code
            except (requests.exceptions.RequestException, OSError):
                return 0

    def close(self) -> None:
        """Closes the connections that are not in use."""
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

    def _compare_version(self, headers: Mapping[str, str]) -> None:
        answered = headers.get("Api-Version")
        if not answered or answered == self._version or self._warned:
            return
        self._warned = True
        answered = self.masking.text(answered)
        log.warning("monday.com answers with API version %s; the tool is written for %s.", answered, self._version)
        self._notify("version", {"pinned": self._version, "answered": answered})


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def checked_token(token: str) -> str:
    """Returns the token without blanks around it. Raises SettingsError, without showing it, if no header can hold it."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError(
            "The monday.com key is missing or is not one.", hint="Set MONDAY_API_KEY to the token of your profile."
        )
    return token


def loads(content: bytes) -> object:
    """Reads JSON; None when it is no JSON or incomplete. Half a surrogate pair in a text is accepted."""
    try:
        return orjson.loads(content)
    except ValueError:
        # orjson refuses half a surrogate pair
        if b"\\ud" not in content and b"\\uD" not in content:
            return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _read(response: requests.Response) -> bytes:
    """Reads the whole body, which frees the connection. Raises TimeoutError when it takes too long."""
    until = time.monotonic() + SECONDS_FOR_A_BODY
    parts = []
    while part := response.raw.read1(CHUNK, decode_content=True):
        parts.append(part)
        if time.monotonic() > until:
            raise TimeoutError("the answer takes too long")
    return b"".join(parts)


def _no_answer(error: Exception) -> Failure:
    """Returns why there is no answer, and whether the request may have been carried out. The text shows no header."""
    import requests

    kind = type(error).__name__
    cause = getattr(error.args[0], "reason", None) if error.args else None
    unsent = type(cause).__name__ in ("NewConnectionError", "ConnectTimeoutError", "NameResolutionError")
    # not sent, so not carried out
    if isinstance(error, requests.exceptions.ConnectTimeout) or unsent:
        return Failure(0, "UNREACHABLE", "no connection could be made")
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error).upper():
        return Failure(0, "UNREACHABLE", "no trusted connection could be made")
    if isinstance(error, ValueError):
        return Failure(0, "INVALID_ADDRESS", f"nothing can be sent to this address ({kind})")
    if "timed out" in str(error) or isinstance(error, TimeoutError):
        return Failure(0, "TIMEOUT", "no answer in time")
    return Failure(0, "NETWORK", f"the connection broke ({kind})")
