"""Steers any stand-in while it runs: its clock, and the switches that change how it behaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, fields

from sandbox.common.clock import Clock, iso_ms, parse_iso
from sandbox.common.json_text import JsonObject


class ClockCalls:
    """Answers the admin calls on the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.calls: dict[str, Callable[..., Any]] = {
            "clock": self.show,
            "clock/set": self.set,
            "clock/advance": self.advance,
        }

    def show(self) -> JsonObject:
        now = self._clock.now()
        return {"now": now, "iso": iso_ms(now)}

    def set(self, to: float | str) -> JsonObject:
        self._clock.set(parse_iso(to) if isinstance(to, str) else to)
        return self.show()

    def advance(self, seconds: float) -> JsonObject:
        self._clock.advance(seconds)
        return self.show()


def set_switches(
    switches: Struct, choices: Mapping[str, tuple[object, ...]], wanted: Mapping[str, object]
) -> JsonObject:
    """Sets switches, all or none; returns all of them."""
    known = [field.name for field in fields(switches)]
    for name, value in wanted.items():
        if name not in known:
            raise ValueError(f"unknown switch {name!r}; known: {', '.join(known)}")
        if name in choices and value not in choices[name]:
            raise ValueError(f"{name} must be one of {choices[name]}")
    for name, value in wanted.items():
        setattr(switches, name, value)
    return asdict(switches)
