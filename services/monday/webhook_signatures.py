"""Checks the sender: monday.com by its signature, or by a board's token in the URL; other callers by the secret.

The signature is a JWT that monday.com makes with the app's signing secret. Webhooks made with a personal token are not
signed; their URL holds a token that is derived from the same secret and differs from board to board.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from errors import SettingsError

if TYPE_CHECKING:
    from jwt.types import Options

SKEW_S = 60
SEEN = 1_000
# The audience is the address that monday.com called, which a proxy may have changed; its ids are numbers.
CHECKS: Options = {"require": ["exp"], "verify_aud": False, "verify_sub": False, "verify_jti": False}
HINT = "Set MONDAY_WEBHOOK_SECRET to the app's signing secret; without an app, to a long random text of your own."


class Access:
    """Checks deliveries. Two secrets with a comma between them are both accepted: the new secret and the old."""

    def __init__(self, secret: str | None, boards: Iterable[str]) -> None:
        self._secrets = [part.strip() for part in (secret or "").split(",") if part.strip()]
        if not self._secrets:
            raise SettingsError("MONDAY_WEBHOOK_SECRET is not set.", hint=HINT)
        self._boards = {token_of(known, board): board for board in boards for known in self._secrets}
        self._salt = os.urandom(16)
        self._seen: dict[bytes, float] = {}

    def token(self, board_id: str) -> str:
        """Returns what the URL of a board's webhooks ends with."""
        return token_of(self._secrets[0], board_id)

    def board_of(self, token: str) -> str | None:
        """Returns the board that a token is for. Every known token is compared, each in constant time."""
        given, found = token.encode("utf-8", "replace"), None
        for known, board in self._boards.items():
            if hmac.compare_digest(known.encode(), given):
                found = board
        return found

    def signed(self, authorization: str) -> bool:
        """Says whether monday.com signed it, not long ago. The events of a burst carry one signature, checked once."""
        text = authorization.strip()
        text = text[7:].strip() if text[:7].lower() == "bearer " else text
        # Known by a salted hash, so that the time of looking it up tells nothing.
        known = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16, key=self._salt).digest()
        if self._seen.get(known, 0.0) > time.time():
            return True
        until = max(_good_until(text, secret) for secret in self._secrets)
        if until > time.time():
            if len(self._seen) >= SEEN:
                self._seen.clear()
            self._seen[known] = until
        return until > 0

    def knows(self, authorization: str) -> bool:
        """Says whether a caller of the tool's own addresses has the secret."""
        scheme, _, given = authorization.strip().partition(" ")
        told = given.strip().encode("utf-8", "replace")
        good = [hmac.compare_digest(secret.encode(), told) for secret in self._secrets]
        return scheme.lower() == "bearer" and any(good)

    def sign(self, now: float, url: str) -> str:
        """Makes a signature like monday.com's, for `webhooks test`."""
        import jwt

        claims = {"accountId": 0, "userId": 0, "aud": url, "iat": int(now), "exp": int(now) + 300}
        return jwt.encode(claims, self._secrets[0], algorithm="HS256")


def token_of(secret: str, board_id: str) -> str:
    """Derives a board's token: it gives away neither the secret nor the tokens of other boards."""
    return hmac.new(secret.encode(), f"monday-sync board {board_id}".encode(), hashlib.sha256).hexdigest()


def _good_until(text: str, secret: str) -> float:
    """Returns until when a signature is good; 0 for a signature that is not."""
    # Imported when the first signature comes: it loads 10 MB, which a daemon without events can do without.
    import jwt

    try:
        return float(jwt.decode(text, secret, algorithms=["HS256"], leeway=SKEW_S, options=CHECKS)["exp"]) + SKEW_S
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        return 0.0
