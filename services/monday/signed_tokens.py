"""Makes and reads signed tokens: JWT by HS256, the one algorithm that monday.com signs with (RFC 7515, RFC 7519).

The algorithm is never taken from a token, and nothing of a token is decoded before its signature is found to be good.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import orjson

ALGORITHM = "HS256"


def make_token(claims: Mapping[str, Any], secret: str) -> str:
    """Returns a token that holds these claims."""
    header = {"alg": ALGORITHM, "typ": "JWT"}
    content = b".".join(_encoded(orjson.dumps(part)) for part in (header, claims))
    return b".".join((content, _signature(content, secret))).decode()


def read_token(token: str, secret: str) -> dict[str, Any] | None:
    """Returns the claims of a token that was signed with the secret; None for any other text."""
    try:
        content, _, signature = token.encode("ascii").rpartition(b".")
        if not hmac.compare_digest(signature, _signature(content, secret)):
            return None
        header, claims = (_decoded(part) for part in content.split(b"."))
    except ValueError:
        return None
    # `crit` names what a reader has to understand (RFC 7515, 4.1.11): there is nothing of that here
    if not isinstance(header, dict) or header.get("alg") != ALGORITHM or "crit" in header:
        return None
    return claims if isinstance(claims, dict) else None


def _signature(content: bytes, secret: str) -> bytes:
    return _encoded(hmac.digest(secret.encode(), content, "sha256"))


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _decoded(part: bytes) -> Any:
    return orjson.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
