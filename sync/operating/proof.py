"""Holds the result of a proof of one entity or sync, and collects those of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from errors import (
    EXIT_IN_STEP,
    EXIT_LEFTOVERS,
    MondayUnavailable,
    SchemaMissing,
    SmartSuiteUnavailable,
    SyncError,
    gravest_code,
)
from sync.alerting.reasons import kind_of
from sync.entry import STOPPED
from sync.operating.compare import DIFFERENCES, Class
from sync.run import ENDS_THE_RUN
from sync.steps import Steps
from terminal.logs import unexpected
from terminal.signals import exit_code_of
from timing import TERMINATED, Stop
from values.wording import counted

CUT_SHORT = "it was cut short"
NOT_MADE = "not run"


class Proof(Struct):
    """Holds the result of a proof of one entity."""

    entity: str
    board_id: str
    kind: str
    id: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    """How many records are of each class, by its mark."""
    known: Counter[str] = field(default_factory=Counter)
    """Of those that are known to differ, how many for which reason."""
    stale_bases: int = 0
    message: str = CUT_SHORT
    """Why the proof is not whole; empty when it is."""
    stopped: bool = False
    """A user has asked it to stop."""
    problem: SyncError | None = None
    """Why it has failed, if it has."""
    digests: tuple[int, int] = (0, 0)
    calls: int = 0
    seconds: float = 0.0

    @property
    def differences(self) -> int:
        """Returns how many records differ, and nobody knows of it."""
        return sum(self.counts[kind.value] for kind in DIFFERENCES)

    @property
    def exit_code(self) -> int:
        """Returns 0 when both sides are equal but for what is known, that of the error when it has failed, else 3."""
        if self.problem is not None:
            return self.problem.exit_code
        return EXIT_LEFTOVERS if self.differences or self.message else EXIT_IN_STEP

    @property
    def words(self) -> str:
        """Returns what it has found, unless all is equal."""
        different = f"not equal: {counted(self.differences)} of {counted(self.counts.total())}"
        return "; ".join([*([different] if self.differences else []), *([self.message] if self.message else [])])

    def fails(self, problem: SyncError) -> None:
        """Notes why it has failed."""
        self.problem, self.message = problem, problem.message

    def stops(self, total: int | None) -> None:
        """Notes that a user has asked it to stop. `total`: how many records there are."""
        of = f" of {counted(total)}" if total is not None else ""
        self.stopped = True
        self.message = f"{STOPPED}, when it had compared {counted(self.counts.total())}{of} records"

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        names = {kind.value: kind.name.lower() for kind in Class}
        return {
            "entity": self.entity,
            "board_id": self.board_id,
            "proof_id": self.id,
            "kind": self.kind,
            "equal": self.exit_code == EXIT_IN_STEP,
            "exit_code": self.exit_code,
            "stopped": self.stopped,
            "counts": {name: self.counts[mark] for mark, name in names.items()},
            "known": dict(self.known),
            "stale_bases": self.stale_bases,
            "message": self.message,
            "error": self.problem and {"message": self.problem.message, "hint": self.problem.hint},
            "digest_monday": f"{self.digests[0]:032x}",
            "digest_postgres": f"{self.digests[1]:032x}",
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
        }


class Proofs(Struct):
    """Makes the proofs of one run: after one has failed the others are made, unless none of them could do better."""

    steps: Steps
    stop: Stop
    kind: str
    on_end: Callable[[Proof], None]
    made: list[Proof] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    """What `sync_runs` keeps of each entity."""
    interrupted: int = 0
    """The exit code of what has ended it from outside; 0 when nothing has."""
    ended: bool = False
    """No other proof could do better."""

    @property
    def exit_code(self) -> int:
        """Returns 0 when all are equal, else the gravest of their exit codes; 143 when a user has ended it."""
        return self.interrupted or gravest_code(proof.exit_code for proof in self.made)

    @property
    def message(self) -> str:
        """Returns what went wrong, and what differs."""
        told = [
            proof.words if proof.problem else f"{proof.entity}: {proof.words}" for proof in self.made if proof.words
        ]
        return "; ".join(told)

    def make(self, entity: str, board_id: str, work: Callable[[], Proof]) -> None:
        """Makes the next proof. What goes wrong is in it."""
        if self.ended or self.stop.asked:
            self.interrupted = self.interrupted or (TERMINATED if self.stop.asked else 0)
            return self._keep(Proof(entity, board_id, self.kind, message=NOT_MADE, stopped=self.stop.asked))
        self.steps.works(entity)
        proof = Proof(entity, board_id, self.kind)
        try:
            proof = work()
        except (MondayUnavailable, SmartSuiteUnavailable) as exc:
            # one that is to stop does not wait until the service is back
            if self.stop.asked:
                proof.stopped, proof.message = True, STOPPED
            else:
                proof.fails(exc)
        except SyncError as exc:
            proof.fails(exc)
        except (KeyboardInterrupt, SystemExit) as exc:
            self.interrupted = exit_code_of(exc)
            proof.stopped, proof.message = True, STOPPED if self.stop.asked else "interrupted"
        except Exception as exc:
            proof.fails(unexpected(exc))
        if proof.stopped:
            self.interrupted = self.interrupted or TERMINATED
        # a table that is missing is the trouble of one mapping
        ends = isinstance(proof.problem, ENDS_THE_RUN) and not isinstance(proof.problem, SchemaMissing)
        self.ended = ends or bool(self.interrupted)
        self.steps.ended(entity)
        self._keep(proof)

    def _keep(self, proof: Proof) -> None:
        problem = proof.problem
        self.told.append(
            {
                "entity": proof.entity,
                "board_id": proof.board_id,
                "read": proof.counts.total(),
                "complete": not proof.message,
                "message": proof.words,
                "problem": kind_of(problem) if problem else None,
                "failed": problem.exit_code if problem else 0,
                "proof_id": proof.id or None,
                "counts": dict(proof.counts),
            }
        )
        self.made.append(proof)
        self.on_end(proof)
