"""Runs a stand-in for monday.com in a thread of this process: `with Sandbox(boards="users:20") as sandbox:`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sandbox.client import Admin
from sandbox.common.server import Server, serve_in_thread
from sandbox.monday.service import DEFAULT_TOKEN, Service, Settings
from sandbox.monday.site import Site


class Sandbox(Struct, eq=False, dict=True):
    """Serves HTTP on a loopback port until it is closed."""

    boards: str = ""
    seed: int = 1
    limits: str = "off"
    token: str = ""
    signing_secret: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    now: float | None = None

    def __post_init__(self) -> None:
        self.token = self.token or DEFAULT_TOKEN
        settings = Settings(self.boards, self.seed, self.limits, self.token, self.signing_secret, self.now)
        self.service = Service(settings)
        self.site = Site(self.service)
        self._server = Server((self.host, self.port), self.site)
        self.url = self._server.url
        self.graphql_url = f"{self.url}/v2"
        self._thread = serve_in_thread(self._server)
        self.client = Admin(self.url, self.token)

    def __repr__(self) -> str:
        return f"Sandbox({self.url})"

    def admin(self, call: str, **settings: object) -> Any:
        return self.client(call, **settings)

    def query(self, text: str, headers: dict[str, str] | None = None, **variables: object) -> Any:
        return self.client.query(text, headers, **variables)

    def close(self) -> None:
        self.service.subscriptions.deliveries.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
