"""A stand-in for monday.com: `python -m sandbox`, or `with Sandbox(boards="users:20") as sandbox:` in a test."""

from __future__ import annotations

from typing import Any

__all__ = ["Sandbox"]


class Sandbox:
    """A real HTTP server on a loopback port, in a thread of this process."""

    def __init__(self, boards: str = "", seed: int = 1, limits: str = "off", token: str | None = None,
                 signing_secret: str | None = None, host: str = "127.0.0.1", port: int = 0,
                 now: float | None = None) -> None:
        from sandbox.client import Admin
        from sandbox.server import Server, serve_in_thread
        from sandbox.service import DEFAULT_TOKEN, Service

        self.token = token or DEFAULT_TOKEN
        self.service = Service(boards, seed, limits, self.token, signing_secret, now)
        self._server = Server((host, port), self.service)
        self.url = self._server.url
        self.graphql_url = f"{self.url}/v2"
        self._thread = serve_in_thread(self._server)
        self.client = Admin(self.url, self.token)

    def admin(self, call: str, **settings: Any) -> Any:
        return self.client(call, **settings)

    def query(self, text: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
        return self.client.query(text, headers, **variables)

    def close(self) -> None:
        self.service.deliveries.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
