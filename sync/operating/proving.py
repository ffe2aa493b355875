"""Proves entities one after another as one run, with a row in `sync_runs`: it can be seen and stopped from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_LEFTOVERS, SyncError
from mappings.declaration import Mapping
from services.monday.pacing import left_in_words
from state.runs import PROOF
from sync.alerting.reasons import kind_of
from sync.board import BoardSync, Opening, open_board
from sync.entry import Entry
from sync.operating.verify import Extent, Proof, Verification
from sync.options import PullOptions
from sync.parts import Chosen, Parts, Progress
from sync.steps import Steps
from terminal.signals import exit_code_of
from timing import TERMINATED
from values.wording import counted


def _ignore(*_: object) -> None:
    """Ignores what is told."""


@dataclass(frozen=True)
class Watcher:
    """Says what the caller sees of proofs while they are made."""

    progress: Progress | None = None
    on_begin: Callable[[BoardSync], None] = _ignore
    on_end: Callable[[Proof], None] = _ignore


NOBODY = Watcher()


@dataclass
class Proving:
    """Makes the proofs of one run."""

    parts: Parts
    extent: Extent
    watcher: Watcher = NOBODY
    number: int = 0
    """How many entities are to be proved."""
    proofs: list[Proof] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    """What `sync_runs` keeps of each entity."""

    def __post_init__(self) -> None:
        own = self.parts.for_one_run()
        self.steps = Steps(self.watcher.progress, own.stop, own.pause)
        self.own = replace(own, progress=self.steps)
        if self.watcher.progress is not None:
            self.watcher.progress.left = lambda: left_in_words(self.own.left())

    @property
    def stopped(self) -> bool:
        """Returns whether a user has ended it before it had proved all."""
        return self.own.stop.asked and (len(self.proofs) < self.number or any(proof.stopped for proof in self.proofs))

    @property
    def exit_code(self) -> int:
        """Returns 0 when all are equal, 3 when any is not, 143 when a user has ended it."""
        if self.stopped:
            return TERMINATED
        return EXIT_IN_STEP if all(proof.exit_code == EXIT_IN_STEP for proof in self.proofs) else EXIT_LEFTOVERS

    def of(self, chosen: Chosen) -> list[Proof]:
        """Proves these, and returns their proofs. Raises the first error; what was proved before it is kept."""
        entry, self.number = Entry(self.own, self.steps), len(chosen)
        self.steps.expect(mapping.entity for mapping, _ in chosen)
        with as_run(entry, PROOF, self.told, lambda: (self.exit_code, self.stopped)):
            for mapping, board_id in chosen:
                if not self.own.stop.asked:
                    self._prove(mapping, board_id)
        return self.proofs

    def _prove(self, mapping: Mapping, board_id: str) -> None:
        """Proves one entity."""
        before = self.own.costs()
        told: dict[str, Any] = {"entity": mapping.entity, "board_id": board_id, "read": 0, "complete": False}
        self.told.append({**told, "message": "", "problem": None})
        self.steps.works(mapping.entity)
        try:
            sync = open_board(self.own, mapping, board_id, Opening(PullOptions(dry_run=True), (True, True)))
            self.watcher.on_begin(sync)
            proof = Verification(sync, self.extent, self.steps, before).run()
        except SyncError as exc:
            self.told[-1].update(message=exc.message, problem=kind_of(exc))
            raise
        self.steps.ended(mapping.entity)
        self.told[-1].update(read=proof.counts.total(), complete=not proof.message, message=words_of(proof))
        self.told[-1].update(proof_id=proof.id, counts=dict(proof.counts))
        self.proofs.append(proof)
        self.watcher.on_end(proof)


@contextmanager
def as_run(
    entry: Entry, direction: str, told: list[dict[str, Any]], ended: Callable[[], tuple[int, bool]]
) -> Iterator[None]:
    """Enters the proofs of the block as one run. `told` is what the run keeps of each entity.

    `ended` says at the end of the block the exit code, and whether a user has ended it.
    """
    code, message, interrupted = EXIT_FAILED, "", False
    try:
        with entry.begin(PROOF, direction):
            yield
        code, interrupted = ended()
        message = "; ".join(f"{one['entity']}: {one['message']}" for one in told if one["message"])
    except SyncError as exc:
        code, message = exc.exit_code, exc.message
        raise
    except (KeyboardInterrupt, SystemExit) as exc:
        code, message, interrupted = exit_code_of(exc), "interrupted", True
        raise
    finally:
        entry.end(code, message, told, interrupted)


def words_of(proof: Proof) -> str:
    """Returns what a proof has found, unless all is equal."""
    different = f"not equal: {counted(proof.differences)} of {counted(proof.counts.total())}"
    return "; ".join([*([different] if proof.differences else []), *([proof.message] if proof.message else [])])
