"""Runs a stand-in for SmartSuite in a thread of this process: `with SmartSuite() as suite:`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sandbox.client import Admin
from sandbox.common.server import Server, serve_in_thread
from sandbox.smartsuite.service import DEFAULT_ACCOUNT, DEFAULT_TOKEN, Service, Settings
from sandbox.smartsuite.site import Site


class SmartSuite(Struct, eq=False, dict=True):
    """Serves HTTP on a loopback port until it is closed."""

    tables: str = ""
    seed: int = 1
    limits: str = "off"
    token: str = DEFAULT_TOKEN
    account_id: str = DEFAULT_ACCOUNT
    host: str = "127.0.0.1"
    port: int = 0
    now: float | None = None

    def __post_init__(self) -> None:
        settings = Settings(self.tables, self.seed, self.limits, self.token, self.account_id, self.now)
        self.service = Service(settings)
        self._server = Server((self.host, self.port), Site(self.service))
        self.url = self._server.url
        self.api_url = f"{self.url}/api/v1"
        self._thread = serve_in_thread(self._server)
        self.client = Admin(self.url, self.token)

    def __repr__(self) -> str:
        return f"SmartSuite({self.url})"

    def admin(self, call: str, **settings: object) -> Any:
        return self.client(call, **settings)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> SmartSuite:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
