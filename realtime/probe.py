"""Sends a signed event to the public address and follows it, to find the stage that fails (`webhooks test`)."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator

import orjson
from msgspec import Struct

from db_connector import Database
from errors import DatabaseError, SettingsError
from services.monday.webhook_events import PROBE
from services.monday.webhook_signatures import Access

TIMEOUT_S = 10.0
NO_WAY = "Check the name, the port, the firewall and the proxy in front."
WORKED_OFF_WITHIN_S = 15.0
LOOK_EVERY_S = 0.05
LONGEST_ANSWER = 100_000

IN_INBOX = """
select done_at is not null
from sync_inbox
where trigger_id like %s
"""


class Stage(Struct, frozen=True):
    """Describes a stage that the event has to pass. Its fields are those of `webhooks test --json`."""

    name: str
    ok: bool
    told: str = ""
    hint: str = ""


class Stuck(Exception):
    """Means that a stage failed: why, and what a user can do."""

    def __init__(self, told: str, hint: str) -> None:
        super().__init__(told)
        self.told, self.hint = told, hint


class Probe:
    """Sends a test event, and follows it from the address to the worker."""

    def __init__(
        self, address: str | None, gate: Access, db: Database, board_id: str, patience_s: float = WORKED_OFF_WITHIN_S
    ) -> None:
        if not address:
            raise SettingsError(
                "WEBHOOK_BASE_URL is not set.", hint="Set it to the public address of `main.py webhook`."
            )
        self.address, self.gate, self.db, self.board_id = address, gate, db, board_id
        self.patience_s = patience_s
        self.trigger = f"test-{uuid.uuid4().hex}"
        self.url = f"{address}/{gate.token(board_id)}"

    def stages(self) -> Iterator[Stage]:
        """Yields each stage when it has passed; a stage that fails is the last."""
        stages: list[tuple[str, Callable[[], str]]] = [
            ("reach the address", self._reach),
            ("answer the challenge", self._challenge),
            ("refuse what is not signed", self._refuse),
            ("accept a signed event", self._accept),
            ("write it into the inbox", self._stored),
            ("work it off", self._worked_off),
        ]
        for name, pass_it in stages:
            began = time.monotonic()
            try:
                told = pass_it()
            except Stuck as stuck:
                yield Stage(name, False, stuck.told, stuck.hint)
                return
            yield Stage(name, True, told or f"{(time.monotonic() - began) * 1000:.0f} ms")

    def _post(self, url: str, body: object, **headers: str) -> Reply:
        return send(url, orjson.dumps(body), {"Content-Type": "application/json", **headers}, NO_WAY)

    def _reach(self) -> str:
        """Takes any answer: a proxy need not let a GET through, nor anything but /webhook."""
        send(self.address, None, {}, f"Is `python main.py webhook` running? {NO_WAY}")
        return ""

    def _challenge(self) -> str:
        text = uuid.uuid4().hex
        answer = self._post(self.url, {"challenge": text})
        # another program, or a proxy that changes bodies
        if answer.status != 200 or text not in answer.text:
            raise Stuck(
                f"the answer was {answer.status}",
                "A proxy may be asking for a login, changing the body or leading elsewhere; or something else is there.",
            )
        return ""

    def _refuse(self) -> str:
        answer = self._post(self.address, {"event": {"type": PROBE}})
        # 429: too many unsigned events lately
        if answer.status not in (401, 429):
            raise Stuck(f"an unsigned event was answered {answer.status}", "Another program answers there.")
        return ""

    def _accept(self) -> str:
        event = {"type": PROBE, "boardId": int(self.board_id), "triggerUuid": self.trigger}
        answer = self._post(self.url, {"event": event}, Authorization=self.gate.sign(time.time(), self.url))
        # another secret
        if answer.status == 401:
            raise Stuck(
                "the signature was refused",
                "The daemon has another MONDAY_WEBHOOK_SECRET, a clock is wrong, or the proxy drops Authorization.",
            )
        # no database
        if answer.status == 503:
            raise Stuck("the daemon could not write it down", "It has no connection to PostgreSQL; see /readyz.")
        # another set of boards
        if answer.status != 200 or "ignored" in answer.text:
            raise Stuck(f"the answer was {answer.status}: {answer.text[:200]}", "Does the daemon have this board?")
        return ""

    def _row(self) -> tuple[bool, bool]:
        """Returns whether the event is in the inbox, and whether a worker has dealt with it."""
        try:
            with self.db.transaction(read_only=True) as tx:
                found = tx.rows(IN_INBOX, (f"%/{self.trigger}/%",))
        except DatabaseError as exc:
            raise Stuck(exc.message, exc.hint) from None
        return bool(found), bool(found and found[0][0])

    def _stored(self) -> str:
        if not self._row()[0]:
            raise Stuck("it was acknowledged, and is not in this database", "The daemon has another DATABASE_URL.")
        return ""

    def _worked_off(self) -> str:
        until = time.monotonic() + self.patience_s
        while time.monotonic() < until:
            if self._row()[1]:
                return ""
            time.sleep(LOOK_EVERY_S)
        raise Stuck(
            f"it still waits after {self.patience_s:g} s",
            "The worker is busy or in trouble; /health and webhook_handler.log say what it does.",
        )


class Reply(Struct, frozen=True):
    """Holds the answer to a request."""

    status: int
    text: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def send(url: str, body: bytes | None, headers: dict[str, str], hint: str) -> Reply:
    """Sends a request, GET without a body. Raises Stuck without an answer. A redirect is an answer: it is not followed."""
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
            return Reply(answer.status, answer.read(LONGEST_ANSWER).decode("utf-8", "replace"))
    except urllib.error.HTTPError as exc:
        return Reply(exc.code, exc.read(LONGEST_ANSWER).decode("utf-8", "replace"))
    except (OSError, ValueError, http.client.HTTPException) as exc:
        told = "no answer in time" if "timed out" in str(exc).lower() else f"no connection ({exc})"
        raise Stuck(told, hint) from None
