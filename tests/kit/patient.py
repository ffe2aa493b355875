"""Holds an installation that `doctor` looks at, in this process, and on which its remedies are carried out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from db_connector import Database
from main import compose
from models import Finding, State
from sandbox import Sandbox
from settings import read_settings
from sync.operating.checks import all_checks
from sync.operating.doctor import Result, examine, selected, verdict, with_needs
from sync.operating.examined import Examined
from tests.kit.cli import Done

IN_PSQL, PROGRAM = "In psql: ", "python main.py "


class Patient(Struct):
    """Holds an installation."""

    env: dict[str, str]
    db: Database
    sandbox: Sandbox
    home: Path
    run_cli: Callable[..., Done]

    def results(self, *slugs: str, **more: str) -> list[Result]:
        with closing(Examined(read_settings({**self.env, **more}, self.home))) as examined:
            checks = all_checks(examined, compose().checks())
            return list(examine(with_needs(checks, selected(checks, slugs)), str))

    def look(self, *slugs: str, **more: str) -> tuple[dict[str, list[Finding]], int]:
        """Returns the findings by slug, and the exit code."""
        results = self.results(*slugs, **more)
        return {result.check.slug: list(result.findings) for result in results}, verdict(results)

    def finds(self, slug: str, state: State, told: str, remedy: str, **more: str) -> Finding:
        """Checks that a check tells of this with that remedy, and that the exit code fits; returns the finding."""
        found, code = self.look(slug, **more)
        hits = [finding for finding in found[slug] if finding.state is state and told in finding.sentence]
        assert hits, found
        assert remedy in hits[0].remedy, hits[0]
        codes = {State.NOTE: (0,), State.WARNING: (3,), State.FAULT: (1, 2, 4)}[state]
        assert code in codes, (code, found)
        return hits[0]

    def is_content(self, slug: str, **more: str) -> None:
        found = self.look(slug, **more)[0][slug]
        assert {finding.state for finding in found} == {State.OK}, found

    def sql(self, statement: str, *params: Any) -> None:
        self.db.execute_query(statement, params or None, fetch=False)

    def carry_out(self, remedy: str, **more: str) -> None:
        """Does what a remedy says: SQL, then a command."""
        if remedy.startswith(IN_PSQL):
            statements, _, remedy = remedy.removeprefix(IN_PSQL).partition(" Then: ")
            with self.db.autocommit() as session:
                session.execute(statements)
        if remedy:
            assert remedy.startswith(PROGRAM), remedy
            done = self.main(*remedy.removeprefix(PROGRAM).split(), **more)
            assert done.code == 0, done

    def main(self, *arguments: str, **more: str) -> Done:
        return self.run_cli(*arguments, env={**self.env, **more})
