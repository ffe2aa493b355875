"""Speaks to Redis and Valkey as kombu does, and lets a worker outlive a broker that is gone in the middle of its work."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """Is closed, and acknowledges, after its connection was lost: what fails then is an error of the connection."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        # kombu 5.7 looks for the address of a connection that it has let go of: the AttributeError ended the worker
        if self.connection.client is None:
            raise ConnectionError("The connection to the broker was lost.")
        return super()._connparams(asynchronous)


class Transport(redis.Transport):
    """Opens such channels."""

    Channel = Channel
