"""What the values of settings must look like. A value that may hold a secret is never repeated.

Each function takes the name of a setting and its text, without blanks around it, and returns the value. It raises
ValueError with a sentence for the user that begins with the name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

LOG_FORMATS = ("text", "json", "kestra")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
TAKEN_HEADERS = ("host", "cookie", "authorization", "origin", "accept", "user-agent", "referer")
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _shown(value: str) -> str:
    """Words a wrong value. A long text in the place of a number may be a key on the wrong line, so it is not repeated."""
    return repr(value) if len(value) <= 20 else "something long"


def board_id(name: str, value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise ValueError(f"{name} must be a number, the one in the board's address (not {_shown(value)}).")
    return value


def key(name: str, value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError(f"{name} holds blanks or characters that no key has.")
    return value


def url(name: str, value: str) -> str:
    try:
        parts = urlsplit(value)
        well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed or re.search(r"\s", value):
        raise ValueError(f"{name} must be an address like https://example.com.")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} must not carry a user name or a password.")
    return value.rstrip("/")


def addresses(name: str, value: str) -> tuple[str, ...]:
    """Takes a list of addresses apart. A comma within an address is no end of it."""
    found = tuple(filter(None, re.split(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)|[,\s]+$", value)))
    if not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address) for address in found):
        raise ValueError(f"{name} must be addresses like json://example.com/alerts, with commas between them.")
    return found


def database_url(name: str, value: str) -> str:
    """Checks that it is a URL or `key=value` words, as far as this can be known without connecting."""
    if "://" not in value:
        well_formed = bool(re.fullmatch(r"(\s*[a-z_]+\s*=\s*('(\\.|[^'\\])*'|(\\.|[^\s'\\])*))+\s*", value))
    else:
        try:
            parts = urlsplit(value)
            # libpq takes a list of hosts, each with a port; the netloc then has no one port.
            well_formed = parts.scheme in ("postgresql", "postgres") and parts.netloc.count("@") < 2
            well_formed = well_formed and ("," in parts.netloc or parts.port != 0)
        except ValueError:
            well_formed = False
    if not well_formed:
        raise ValueError(
            f"{name} is no PostgreSQL address; it looks like postgresql://user:password@host:5432/database "
            "(in a password, write @ : / ? # % as %40 %3A %2F %3F %23 %25)."
        )
    return value


def broker_url(name: str, value: str) -> str:
    if not re.fullmatch(r"(rediss?|amqps?|sentinel|sqs)://\S*", value):
        raise ValueError(
            f"{name} must be an address like redis://broker.example.com:6379/0 or amqp://broker.example.com."
        )
    return value


def account_name(value: str) -> str:
    """Checks the name of an account: it is part of an address, of a folder's name and of a lock's."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,47}", value):
        raise ValueError("The name of an account has up to 48 of a-z, 0-9 and -, and begins with a letter or a digit.")
    return value


def version(name: str, value: str) -> str:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", value):
        raise ValueError(f"{name} must be a version of the API like 2026-10 (not {_shown(value)}).")
    return value


def _whole(lowest: int, highest: int) -> Callable[[str, str], int]:
    def check(name: str, value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            raise ValueError(f"{name} must be a whole number from {lowest} to {highest} (not {_shown(value)}).")
        return int(value)

    return check


calls, items, days, port = _whole(1, 100_000_000), _whole(1, 100_000_000), _whole(1, 36_500), _whole(0, 65_535)


def hosts(name: str, value: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
    if not all(re.fullmatch(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", host) for host in hosts):
        raise ValueError(f"{name} must be names like sync.example.com, with commas between them.")
    return hosts


def address(name: str, value: str) -> tuple[str, int] | None:
    """Takes HOST:PORT apart; None for `off`."""
    if value.lower() == "off":
        return None
    host, _, number = value.rpartition(":")
    if not host or not number.isdecimal() or int(number) > 65535:
        raise ValueError(f"{name} must be an address like 127.0.0.1:9808, or off.")
    return host.strip("[]"), int(number)


def header(name: str, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,60}", value) or value.lower() in TAKEN_HEADERS:
        raise ValueError(f"{name} must be the name of a header of the proxy's own, like X-Forwarded-User.")
    return value


def networks(name: str, value: str) -> tuple[str, ...]:
    """Takes IP addresses and networks apart; all of the internet is none."""
    try:
        found = tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        found = ()
    if not found or not all(network.prefixlen for network in found):
        raise ValueError(f"{name} must be addresses or networks like 10.0.0.5, 10.1.0.0/24, with commas between them.")
    return tuple(str(network) for network in found)


def items_or_off(name: str, value: str) -> int | None:
    return None if value.lower() == "off" else items(name, value)


def seconds(name: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value):
        raise ValueError(f"{name} must be a number of seconds (not {_shown(value)}).")
    return float(value)


def switch(name: str, value: str) -> bool:
    if value.lower() not in YES + NO:
        raise ValueError(f"{name} must be one of {', '.join(YES + NO)} (not {_shown(value)}).")
    return value.lower() in YES


def log_level(name: str, value: str) -> str:
    if value.upper() not in LOG_LEVELS:
        raise ValueError(f"{name} must be {', '.join(LOG_LEVELS[:-1])} or {LOG_LEVELS[-1]} (not {_shown(value)}).")
    return value.upper()


def minutes(name: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value) or float(value) < 0.01:
        raise ValueError(f"{name} must be a number of minutes (not {_shown(value)}).")
    return float(value)


def log_format(name: str, value: str) -> str:
    if value.lower() not in LOG_FORMATS:
        raise ValueError(f"{name} must be {', '.join(LOG_FORMATS[:-1])} or {LOG_FORMATS[-1]} (not {_shown(value)}).")
    return value.lower()
