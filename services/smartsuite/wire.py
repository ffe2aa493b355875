"""Sends one request to SmartSuite, and returns what came back; nothing is repeated here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson
from msgspec import Struct, field

if TYPE_CHECKING:
    import requests

TIMEOUT = (10, 75)
"""Seconds for a connection, and for an answer."""


class Reply(Struct, frozen=True):
    """Holds an answer. `status` 0 means that none came, `unsent` that the request never left."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    why: str = ""
    unsent: bool = False

    @property
    def body(self) -> object:
        """Returns the JSON of the body; None when it is none, or incomplete."""
        try:
            return orjson.loads(self.content)
        except ValueError:
            return None

    @property
    def is_good(self) -> bool:
        """Tells whether it was carried out."""
        return 200 <= self.status < 300


class Wire:
    """Speaks HTTP to one address with one key, on one connection that is kept."""

    def __init__(self, url: str, token: str, account_id: str) -> None:
        self.url = url.rstrip("/")
        self._token, self._account_id = token, account_id
        self._session: requests.Session | None = None

    def __repr__(self) -> str:
        return f"Wire(url={self.url!r})"

    def send(self, method: str, path: str, body: object = None) -> Reply:
        """Sends a request once. A failure is described in the reply, never raised; redirects are not followed."""
        import requests

        data = None if body is None else _json(body)
        try:
            answer = self._opened().request(
                method, f"{self.url}/{path}", data=data, timeout=TIMEOUT, allow_redirects=False
            )
            content = answer.content.replace(self._token.encode(), b"***")
            return Reply(answer.status_code, answer.headers, content)
        except (requests.exceptions.RequestException, OSError) as error:
            return _no_answer(error)

    def close(self) -> None:
        """Closes the connection."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _opened(self) -> requests.Session:
        import requests

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            # As `auth`, so that a .netrc file on the machine cannot put another key in its place.
            request.headers["Authorization"] = f"Token {self._token}"
            return request

        if self._session is None:
            self._session = requests.Session()
            self._session.headers.update({"Content-Type": "application/json", "Account-Id": self._account_id})
            self._session.auth = sign
            # what the environment says of proxies and certificates is read once, not for each request
            settings = self._session.merge_environment_settings(self.url, {}, None, None, None)
            self._session.proxies.update(settings["proxies"])
            self._session.verify = settings["verify"]
            self._session.trust_env = False
        return self._session


def _json(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # half a pair of surrogates, or more than 64 bits
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _no_answer(error: Exception) -> Reply:
    """Words why there is no answer; the text shows no header."""
    import requests

    cause = getattr(error.args[0], "reason", None) if error.args else None
    unsent = isinstance(error, requests.exceptions.ConnectTimeout) or type(cause).__name__ in (
        "NewConnectionError",
        "ConnectTimeoutError",
        "NameResolutionError",
    )
    if unsent:
        return Reply(why="no connection could be made", unsent=True)
    if isinstance(error, requests.exceptions.Timeout):
        return Reply(why="no answer in time")
    return Reply(why=f"the connection broke ({type(error).__name__})")
