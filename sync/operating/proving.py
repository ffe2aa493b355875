"""Proves entities one after another as one run, with a row in `sync_runs`: it can be seen and stopped from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from errors import EXIT_FAILED, SyncError
from mappings.declaration import Mapping
from services.monday.pacing import left_in_words
from state.runs import PROOF
from sync.board import BoardSync, Opening, open_board
from sync.entry import Entry
from sync.operating.proof import Proof, Proofs
from sync.operating.verify import Extent, Verification
from sync.options import PullOptions
from sync.parts import Chosen, Parts, Progress
from sync.steps import Steps
from terminal.signals import exit_code_of


def _ignore(*_: object) -> None:
    """Ignores what is told."""


class Watcher(Struct, frozen=True):
    """Says what the caller sees of proofs while they are made."""

    progress: Progress | None = None
    on_begin: Callable[[BoardSync], None] = _ignore
    on_end: Callable[[Proof], None] = _ignore


NOBODY = Watcher()


class Proving:
    """Makes the proofs of one run."""

    def __init__(self, parts: Parts, extent: Extent, watcher: Watcher = NOBODY) -> None:
        self.parts = parts
        self.extent = extent
        self.watcher = watcher
        own = parts.for_one_run()
        self.steps = Steps(watcher.progress, own.stop, own.pause)
        self.own = replace(own, progress=self.steps)
        if watcher.progress is not None:
            watcher.progress.left = lambda: left_in_words(self.own.left())

    def of(self, chosen: Chosen) -> Proofs:
        """Proves these. What goes wrong with one is in its proof; raises SyncError when the run cannot begin or end."""
        entry = Entry(self.own, self.steps)
        proofs = Proofs(self.steps, self.own.stop, self.extent.kind, self.watcher.on_end)
        self.steps.expect(mapping.entity for mapping, _ in chosen)
        with as_run(entry, PROOF, proofs):
            for mapping, board_id in chosen:
                proofs.make(mapping.entity, board_id, partial(self._prove, mapping, board_id))
        return proofs

    def _prove(self, mapping: Mapping, board_id: str) -> Proof:
        """Proves one entity."""
        before = self.own.costs()
        sync = open_board(self.own, mapping, board_id, Opening(PullOptions(dry_run=True), (True, True)))
        self.watcher.on_begin(sync)
        return Verification(sync, self.extent, self.steps, before).run()


@contextmanager
def as_run(entry: Entry, direction: str, proofs: Proofs) -> Iterator[None]:
    """Enters the proofs of the block as one run."""
    code, message, interrupted = EXIT_FAILED, "", False
    try:
        with entry.begin(PROOF, direction):
            yield
        code, message, interrupted = proofs.exit_code, proofs.message, bool(proofs.interrupted)
    except SyncError as exc:
        code, message = exc.exit_code, exc.message
        raise
    except (KeyboardInterrupt, SystemExit) as exc:
        code, message, interrupted = exit_code_of(exc), "interrupted", True
        raise
    finally:
        entry.end(code, message, proofs.told, interrupted)
