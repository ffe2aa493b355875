"""Writes what `doctor` has found: facts first, then a line for each group, then what is wrong with its remedy."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from models import Finding, State
from settings import PROJECT, Reading
from sync.operating.check import Check
from sync.operating.doctor import Result
from terminal.console import say
from values.wording import plural

Blank = Callable[[str], str]
"""Takes out of a text what others may not see."""

MARKS = {State.NOTE: "*", State.WARNING: "!", State.FAULT: "x"}
WORDS = {State.OK: "ok", State.NOTE: "note", State.WARNING: "warning", State.FAULT: "FAULT"}
GRAVITY = list(State)
SHORT, WIDE = 8, 22
SLOW_S = 1.0


def facts_of(reading: Reading) -> dict[str, Any]:
    """Returns what any question about an installation begins with. The values of settings are not among it."""
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"', text, re.MULTILINE)
    return {
        "version": found[1] if found else "",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "project": str(PROJECT),
        "home": str(reading.settings.home),
        "settings": dict(sorted(reading.origins.items())),
    }


def facts_lines(facts: dict[str, Any]) -> Iterator[str]:
    """Yields the facts as lines, the settings by where they stand."""
    home = f", home {facts['home']}" * (facts["home"] != facts["project"])
    yield f"monday-sync {facts['version']}, Python {facts['python']}, {facts['system']}, {facts['project']}{home}"
    origins: dict[str, str] = facts["settings"]
    for origin in dict.fromkeys(origins.values()):
        yield f"settings from {origin}: {', '.join(name for name in origins if origins[name] == origin)}"
    if not origins:
        yield "no setting is given; each has its default"


def group_lines(results: Sequence[Result]) -> Iterator[str]:
    """Yields the line of a group, with what is fine, and what is not fine below it."""
    found = [finding for result in results for finding in result.findings if result.looked]
    worst = max((GRAVITY.index(finding.state) for finding in found), default=-1)
    fine = "; ".join(finding.sentence for finding in found if finding.state is State.OK)
    word = WORDS[GRAVITY[worst]] if found else "-"
    yield f"{results[0].check.group:<{WIDE}} {word:<{SHORT}} {fine}".rstrip()
    for finding in found:
        if finding.state is not State.OK:
            yield from _wrong(finding)
    yield from _not_looked_at([result for result in results if not result.looked])
    for result in results:
        if result.seconds > SLOW_S:
            yield f"    {result.check.slug} took {result.seconds:.1f} s"


def _wrong(finding: Finding) -> Iterator[str]:
    yield f"  {MARKS[finding.state]} {finding.slug:<{WIDE}} {finding.sentence}"
    if finding.remedy:
        yield f"{'':{WIDE + 4}} {finding.remedy}"


def _not_looked_at(results: Sequence[Result]) -> Iterator[str]:
    """Yields a line for each cause."""
    told = [(result.findings[0].sentence, result.check.slug) for result in results]
    for sentence in dict.fromkeys(sentence for sentence, _ in told):
        yield f"  - {', '.join(slug for said, slug in told if said == sentence)}: {sentence}"


def last_line(results: Sequence[Result], seconds: float) -> str:
    """Returns how many checks there were, and what they found."""
    states = [finding.state for result in results if result.looked for finding in result.findings]
    unseen = sum(not result.looked for result in results)
    counts = [plural(states.count(state), state.value) for state in reversed(GRAVITY[1:]) if state in states] + [
        f"{unseen} not looked at"
    ] * bool(unseen)
    return f"{plural(len(results), 'check')} in {seconds:.1f} s: {', '.join(counts) or 'all is well'}."


def show(facts: dict[str, Any], results: Iterable[Result], blank: Blank | None = None) -> list[Result]:
    """Writes the facts, and each group as soon as it has been looked at. Returns the results."""
    write = say if blank is None else lambda line: say(blank(line))
    for line in facts_lines(facts):
        write(line)
    done: list[Result] = []
    for _, group in groupby(results, lambda result: result.check.group):
        kept = list(group)
        for line in group_lines(kept):
            write(line)
        done += kept
    return done


def end(facts: dict[str, Any], results: Sequence[Result], seconds: float, blank: Blank | None) -> None:
    """Writes how many checks there were; with `blank` all of the report, which could not be written before."""
    if blank is not None:
        show(facts, results, blank)
    say(last_line(results, seconds))


def as_json(
    facts: dict[str, Any], results: Sequence[Result], verdict: tuple[float, int], blank: Blank | None
) -> dict[str, Any]:
    """Returns the documented shape. `verdict` is how long it took, and the exit code."""
    seconds, code = verdict
    findings = [finding for result in results for finding in result.as_json()]
    found = {"facts": facts, "findings": findings, "seconds": round(seconds, 3), "exit_code": code}
    return found if blank is None else _blanked(found, blank)


def _blanked(found: dict[str, Any], blank: Blank) -> dict[str, Any]:
    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: of(member) for name, member in value.items()}
        if isinstance(value, list):
            return [of(member) for member in value]
        return blank(value) if isinstance(value, str) else value

    return {name: of(member) for name, member in found.items()}


def show_list(checks: Sequence[Check], wants_json: bool) -> None:
    """Writes the slugs of the checks with their groups."""
    if wants_json:
        return say(json.dumps({"checks": [{"slug": check.slug, "group": check.group} for check in checks]}))
    for check in checks:
        say(f"{check.slug:<{WIDE}} {check.group}")
