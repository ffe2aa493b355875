"""Lists the rules by which subjects are judged, and reads ALERT_RULES, which changes their values."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from errors import SettingsError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DAY_S = 86_400.0
EVERY_RULE = "all"


class Rule(Struct, frozen=True):
    """Describes a rule. `unit` is what its limit counts: `s` for a time, else a word."""

    name: str
    headline: str
    in_a_row: int = 1
    grace_s: float = 0.0
    remind_s: float = DAY_S
    limit: float | None = None
    unit: str = ""
    steady: bool = False
    """It is told at once also when it has come and gone before."""
    on: bool = True


RULES = (
    Rule("failed", "fails", in_a_row=2),
    Rule("guard", "was stopped by a guard", steady=True),
    Rule("stale", "nothing went well lately", limit=2, unit="periods"),
    Rule("queue", "changes wait for too long", limit=300, unit="s"),
    Rule("set_aside", "records were given up", limit=0, unit="records"),
    Rule("held", "conflicts wait for a decision", limit=DAY_S, unit="s"),
    Rule("errors", "many records are refused", limit=5, unit="%"),
    Rule("calls", "the calls of the day are used", limit=100, unit="%"),
    Rule("differences", "verify found differences", limit=0, unit="records"),
    Rule("drift", "the board has changed", limit=0, unit="changes"),
    Rule("dead", "a run has died"),
    Rule("daemon", "the daemon is silent", limit=300, unit="s"),
    Rule("channel", "takes no messages", in_a_row=3),
)
"""With the values that hold unless ALERT_RULES says otherwise."""

Rules = Mapping[str, Rule]
"""Name → rule."""


def rules_of(text: str) -> Rules:
    """Returns the rules with the values that a text like `failed.in_a_row=3, queue.limit=10m, stale=off` gives.

    Raises SettingsError.
    """
    rules = {rule.name: rule for rule in RULES}
    for word in filter(None, re.split(r"[,\s]+", text)):
        name, dot, rest = word.partition("=")[0].partition(".")
        value = word.partition("=")[2]
        names = list(rules) if name == EVERY_RULE else [name]
        for each in names:
            if each not in rules:
                raise _wrong(word, f"there is no rule {name}")
            # all.limit means nothing
            rules[each] = _changed(rules[each], rest if dot else "on", value, word)
    return rules


def _changed(rule: Rule, what: str, value: str, word: str) -> Rule:
    if what == "on" and value in ("on", "off"):
        return replace(rule, on=value == "on")
    if what == "in_a_row" and re.fullmatch(r"[1-9][0-9]{0,3}", value):
        return replace(rule, in_a_row=int(value))
    if what in ("grace", "remind"):
        seconds = 0.0 if value == "off" else seconds_of(value)
        if seconds is not None:
            return replace(rule, grace_s=seconds) if what == "grace" else replace(rule, remind_s=seconds)
    if what == "limit" and rule.limit is not None:
        limit = seconds_of(value) if rule.unit == "s" else _number(value)
        if limit is not None:
            return replace(rule, limit=limit)
    raise _wrong(word, f"{what} of {rule.name} cannot be {value or 'nothing'}")


def seconds_of(text: str) -> float | None:
    """Reads `90s`, `10m`, `8h`, `2d`; None for anything else."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]+)?)([smhd])", text.strip().lower())
    return float(found[1]) * SECONDS[found[2]] if found else None


def _number(text: str) -> float | None:
    bare = text.removesuffix("%")
    return float(bare) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", bare) else None


def _wrong(word: str, why: str) -> SettingsError:
    known = ", ".join(rule.name for rule in RULES)
    return SettingsError(
        f"ALERT_RULES: {word!r} is not understood: {why}.",
        hint=f"It looks like: failed.in_a_row=3, queue.limit=10m, held=off. The rules: {known}; docs/alerts.md.",
    )
