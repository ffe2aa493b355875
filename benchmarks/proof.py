"""Measures proofs of both boards, a first and later ones, against a run that compares all (`bidirectional --full`)."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.boards import mappings
from benchmarks.measure import Spent, spent
from benchmarks.table import Table
from state import triggers

ABOUT = "verify against a run that compares everything"


def run(bench: Bench) -> None:
    """Measures and prints. Proofs and runs take turns, so that another load on the machine slows both."""
    proofs: list[Spent] = []
    runs: list[Spent] = []
    small: list[Spent] = []
    with bench.serving() as server, bench.database() as name:
        bench.pull(server, name)
        with bench.postgres.open(name) as db, db.transaction() as tx:
            triggers.install(tx, list(mappings().values()))
        env = bench.settings(server, name)
        chosen = ("--entity", "users", "--entity", "projects")
        spent("benchmarks.command", "bidirectional", *chosen, env=env)
        # takes all cells apart, which later proofs need not do again
        first = spent("benchmarks.command", "verify", *chosen, "--json", env=env)
        for _ in range(bench.repeat):
            proofs.append(spent("benchmarks.command", "verify", *chosen, "--json", env=env))
            runs.append(spent("benchmarks.command", "bidirectional", "--full", *chosen, "--json", env=env))
    tenth = max(1, bench.items // 10)
    with bench.serving(tenth) as server, bench.database() as name:
        bench.pull(server, name)
        small.append(spent("benchmarks.command", "verify", "--json", *chosen, env=bench.settings(server, name)))
    table = Table(f"Proof: {bench.items:,} staff and {bench.items:,} projects, {bench.repeat} times")
    table.add("verify", [proof.wall for proof in proofs], "s", 1)
    table.add("  bidirectional --full", [run.wall for run in runs], "s", 1)
    ratios = [proof.wall / run.wall for proof, run in zip(proofs, runs, strict=True)]
    table.add("  verify / bidirectional --full", ratios, "x", at_most=1.2)
    ratios = [proof.cpu / run.cpu for proof, run in zip(proofs, runs, strict=True)]
    table.add("    CPU of both processes", ratios, "x", at_most=1.2)
    table.add("  the first verify / bidirectional --full", [first.wall / run.wall for run in runs], "x")
    table.add("    CPU of both processes", [first.cpu / run.cpu for run in runs], "x")
    table.add("peak memory of verify", [proof.memory / (1 << 20) for proof in (first, *proofs)], "MB", 0, 120)
    table.add(f"  and of one over {tenth:,}", [proof.memory / (1 << 20) for proof in small], "MB", 0)
    table.show()
