"""Runs the checks, one after the other: none can stop, delay or crash the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_LEFTOVERS, SettingsError, SyncError, gravest_code
from models import Finding, State
from sync.operating.check import Check, Seen, failed, fault, unseen

PROGRAM = "python main.py "
HARMLESS = ("init-db", "setup", "webhooks repair", "webhooks register", "runs --close-dead")
"""Commands that can be repeated without harm: `--fix` and the dashboard may run them."""
Mask = Callable[[str], str]
"""Takes secrets out of a text."""


class Result(Struct, frozen=True):
    """Holds what a check has found, and how long that took."""

    check: Check
    findings: tuple[Finding, ...]
    exit_code: int = EXIT_IN_STEP
    seconds: float = 0.0
    looked: bool = True
    """False: a check that it needs has failed, or there is nothing to look at."""

    @property
    def fine(self) -> bool:
        """Returns whether checks that need this one have something to look at."""
        return self.looked and not any(finding.state is State.FAULT for finding in self.findings)

    def as_json(self) -> list[dict[str, Any]]:
        """Returns the documented shape of each finding."""
        shared = {"group": self.check.group, "looked": self.looked, "seconds": round(self.seconds, 3)}
        return [{**asdict(finding), "state": finding.state.value, **shared} for finding in self.findings]


def selected(checks: Sequence[Check], wanted: Iterable[str]) -> list[Check]:
    """Returns the checks whose slugs are named, or begin so (all when none is named). Raises SettingsError for no check."""
    names = list(wanted)
    for name in names:
        if not any(_begins(check, name) for check in checks):
            raise SettingsError(f"There is no check {name}.", hint="python main.py doctor --list shows all.")
    return [check for check in checks if not names or any(_begins(check, name) for name in names)]


def _begins(check: Check, name: str) -> bool:
    return check.slug.startswith(name)


def with_needs(checks: Sequence[Check], wanted: Sequence[Check]) -> list[Check]:
    """Returns the wanted checks and those that they need, in order."""
    by_slug = {check.slug: check for check in checks}
    found, left = set(), [check.slug for check in wanted]
    while left:
        slug = left.pop()
        if slug not in found and slug in by_slug:
            found.add(slug)
            left += by_slug[slug].needs
    return [check for check in checks if check.slug in found]


def examine(checks: Sequence[Check], mask: Mask) -> Iterator[Result]:
    """Looks at one after the other, and yields each result when it is there."""
    results: dict[str, Result] = {}
    for check in checks:
        lacks = [slug for slug in check.needs if slug in results and not results[slug].fine]
        result = _not_looked_at(check, results[lacks[0]]) if lacks else _looked_at(check, mask)
        results[check.slug] = result
        yield result


def verdict(results: Iterable[Result]) -> int:
    """Returns the exit code: the gravest of the faults, else 3 after a warning, else 0."""
    done = list(results)
    codes = {result.exit_code for result in done}
    grave = gravest_code(codes)
    if grave != EXIT_IN_STEP:
        return grave
    warned = any(finding.state is State.WARNING for result in done for finding in result.findings)
    return EXIT_LEFTOVERS if warned else EXIT_IN_STEP


def harmless(results: Iterable[Result]) -> list[str]:
    """Returns the commands of the findings that may be run without harm, each once."""
    remedies = [finding.remedy for result in results for finding in result.findings]
    commands = [remedy.removeprefix(PROGRAM) for remedy in remedies if remedy.startswith(PROGRAM)]
    order = [name for name in HARMLESS for command in commands if command.startswith(name)]
    return list(dict.fromkeys(order))


def without_question(command: str) -> list[str]:
    """Returns the words of such a command, with the option by which it does not ask."""
    return [*command.split(), *(["--yes"] if command == "setup" else [])]


def _not_looked_at(check: Check, lacking: Result) -> Result:
    # in a chain of checks, the first that failed is the reason
    told = lacking.findings[0].sentence.removeprefix(unseen("").sentence)
    why = f"{lacking.check.slug} failed" if lacking.looked else told
    return Result(check, (_finding(check, unseen(why), str),), looked=False)


def _looked_at(check: Check, mask: Mask) -> Result:
    """Looks in a thread of its own, which is left behind when it takes too long."""
    began, seen = time.monotonic(), []
    done: list[list[Seen]] = []
    thread = threading.Thread(target=lambda: done.append(_seen(check)), name=check.slug, daemon=True)
    thread.start()
    thread.join(check.patience_s)
    seconds = time.monotonic() - began
    late = f"It gave no answer within {check.patience_s:g} s, and was left."
    seen = done[0] if done else [fault(late, "Try again, or look at the network in between.", exit_code=EXIT_FAILED)]
    faults = {found.exit_code for found in seen if found.state is State.FAULT}
    grave = gravest_code(faults)
    looked = any(found.looked for found in seen)
    return Result(check, tuple(_finding(check, found, mask) for found in seen), grave, seconds, looked)


def _seen(check: Check) -> list[Seen]:
    try:
        return list(check.look())
    except SyncError as exc:
        return [failed(exc)]
    except Exception as exc:
        told = f"The check itself failed ({type(exc).__name__}): {exc}".rstrip(": ")
        return [fault(told, "The other checks are not touched by it. Please report it.", exit_code=EXIT_FAILED)]


def _finding(check: Check, seen: Seen, mask: Mask) -> Finding:
    return Finding(check.slug, seen.state, mask(seen.sentence), mask(seen.affects), mask(seen.remedy))
