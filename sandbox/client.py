"""Calls a running sandbox from a test: admin calls and GraphQL, with the standard library only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class AdminError(Exception):
    """Says that the sandbox refused an admin call."""


class Admin:
    """Posts to the admin endpoint: `admin("faults/add", kind="html_502")` returns the decoded answer."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self._token = url.rstrip("/").removesuffix("/v2").removesuffix("/api/v1"), token

    def __call__(self, call: str, **settings: object) -> Any:
        status, body = self._post(f"/admin/{call.strip('/')}", settings, {})
        if status != 200:
            raise AdminError(f"{call}: {body.decode(errors='replace')}")
        return json.loads(body)

    def query(self, text: str, headers: dict[str, str] | None = None, **variables: object) -> Any:
        """Returns the decoded answer, errors and all, whatever the status."""
        return json.loads(self._post("/v2", {"query": text, "variables": variables}, headers or {})[1])

    def _post(self, path: str, body: object, headers: dict[str, str]) -> tuple[int, bytes]:
        sent = {"Authorization": self._token, "Content-Type": "application/json", "API-Version": "2026-10", **headers}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), sent, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read()
