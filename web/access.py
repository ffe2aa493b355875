"""Decides who may look and who may operate: passwords, sessions, the host that was asked for, where a form came from."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import urlsplit

from msgspec import Struct
from werkzeug.datastructures import Headers

from config.hiding import Hiding
from errors import SettingsError
from settings import Settings

OPERATE, LOOK = "operate", "look"
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
FAILURES, WITHIN_S = 5, 60.0
"""After so many wrong passwords within a time, an address has to wait."""
MOST_ADDRESSES = 1000
"""How many addresses have their failed sign-ins counted, each by itself."""
LONGEST_USER = 200
SAME_ORIGIN = "same-origin"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Sent with every answer."""


def is_loopback(host: str) -> bool:
    """Tells whether only programs of this machine reach what listens at that address."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def check_reach(settings: Settings, host: str) -> None:
    """Raises SettingsError for an address that others reach while no password is set, and for passwords that clash."""
    operate, look = settings.dashboard_password, settings.dashboard_view_password
    if bool(settings.dashboard_user_header) != bool(settings.dashboard_trusted_proxy):
        raise SettingsError(
            "DASHBOARD_USER_HEADER and DASHBOARD_TRUSTED_PROXY belong together, and one of them is not set.",
            hint="The first names the header that holds the user, the second the addresses it is believed from.",
        )
    if not is_loopback(host) and not operate and not settings.dashboard_user_header:
        raise SettingsError(
            f"Without a password the dashboard listens on this machine alone, not at {host or 'all addresses'}.",
            hint=f"Set DASHBOARD_PASSWORD in {settings.home / '.env'}, or leave --host away.",
        )
    if operate and operate == look:
        raise SettingsError(
            "DASHBOARD_PASSWORD and DASHBOARD_VIEW_PASSWORD are the same.", hint="Give those who only look another."
        )


class Passwords(Hiding, Struct, frozen=True):
    """Holds what may be given to sign in. Without any, everybody on this machine operates."""

    HIDDEN: ClassVar = frozenset({"operate", "look"})

    operate: str | None = None
    look: str | None = None

    @property
    def needed(self) -> bool:
        """Returns whether a user has to sign in."""
        return bool(self.operate or self.look)

    def role_of(self, given: str) -> str | None:
        """Returns the role that a password gives. It takes the same time for every text."""
        matches = [
            hmac.compare_digest(_digest(known or ""), _digest(given)) & bool(known)
            for known in (self.operate, self.look)
        ]
        return next((role for role, matched in zip((OPERATE, LOOK), matches) if matched), None)

    def session_key(self) -> bytes:
        """Returns the key that signs sessions: another password ends them all. It is slow to guess a password by it."""
        if not self.needed:
            return os.urandom(32)
        text = f"{self.operate or ''}\0{self.look or ''}".encode()
        return hashlib.scrypt(text, salt=b"monday-sync dashboard session", n=2**14, r=8, p=1, dklen=32)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Proxy(Struct, frozen=True):
    """Knows which header of an authenticating proxy names the user, and from which addresses it is believed."""

    header: str = ""
    addresses: tuple[str, ...] = ()

    def names_user(self, headers: Headers) -> bool:
        """Tells whether a request claims to come by the proxy for a user."""
        return bool(self.header) and self.header in headers

    def user_of(self, headers: Headers, address: str | None) -> str | None:
        """Returns the user that the proxy has signed in; None from another address, and for what is no single name."""
        user = headers.get(self.header, "").strip() if self.names_user(headers) else ""
        fine = 0 < len(user) <= LONGEST_USER and user.isprintable() and "," not in user
        return user if fine and self._is_there(address) else None

    def _is_there(self, address: str | None) -> bool:
        try:
            found = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in ipaddress.ip_network(network) for network in self.addresses)


class Tries:
    """Counts failed sign-ins by address, so that passwords cannot be tried out and a stranger locks out no other address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._guard = clock, threading.Lock()
        self._failed: dict[str, deque[float]] = {}

    def blocked(self, address: str) -> bool:
        """Tells whether no password of that address is looked at now, be it right or wrong."""
        with self._guard:
            times = self._failed.get(address, deque())
            return len(times) == FAILURES and self._clock() - times[0] < WITHIN_S

    def failed(self, address: str) -> None:
        """Notes a wrong password."""
        with self._guard:
            if address not in self._failed and len(self._failed) >= MOST_ADDRESSES:
                del self._failed[next(iter(self._failed))]
            self._failed.setdefault(address, deque(maxlen=FAILURES)).append(self._clock())


class Hosts(Struct, frozen=True):
    """Holds the names by which the dashboard may be asked for: a page elsewhere can give this machine a name of its own."""

    named: frozenset[str]
    wide: bool = False
    """Listening to other machines too: then they may use an address of numbers, which no page elsewhere controls."""

    @classmethod
    def of(cls, settings: Settings, host: str) -> Hosts:
        """Returns those of the settings, of this machine, and of the address that is listened at."""
        own = f"[{host}]" if ":" in host else host.lower()
        return cls(frozenset({*LOCAL_NAMES, *settings.dashboard_hosts, own} - {""}), not is_loopback(host))

    def allow(self, header: str) -> bool:
        """Tells whether a request may name that host."""
        try:
            parts = urlsplit(f"//{header}")
            name = (parts.hostname or "").lower()
            well_formed = parts.port != 0 and header == parts.netloc and "@" not in header
        except ValueError:
            return False
        name = f"[{name}]" if ":" in name else name
        return well_formed and (name in self.named or (self.wide and _is_number(name)))


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def comes_from_here(headers: Headers, origin: str) -> bool:
    """Tells whether a form was sent from a page of the dashboard. Neither header: that is no browser's form."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == SAME_ORIGIN
    return headers.get("Origin") == origin
