"""Measures a first pull, and one typed table by `boards deploy`, beside a general loader (`benchmarks.general_loader`)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct, field

from benchmarks.bench import Bench, scratch
from benchmarks.boards import ENTITIES, mappings, rendered
from benchmarks.deployed import proposed
from benchmarks.measure import Failed, Spent, serving, spent
from benchmarks.table import Table

ABOUT = "a first pull, and a table by `boards deploy`, beside a general loader (dlt)"

INSTALL = 'python -m pip install "dlt[postgres]"'


class _Runs(Struct):
    """Holds what was measured by turns."""

    pulled: list[Spent] = field(default_factory=list)
    deployed: list[Spent] = field(default_factory=list)
    loaded: list[Spent] = field(default_factory=list)


def run(bench: Bench) -> None:
    """Measures and prints."""
    if find_spec("dlt") is None:
        print(f"loader: left out, needs dlt: {INSTALL}", flush=True)
        return
    for entity in ENTITIES:
        with scratch() as folder:
            _show(bench, entity, _measured(bench, entity, folder))


def _measured(bench: Bench, entity: str, folder: Path) -> _Runs:
    name, board_id, runs = f"deployed_{entity}", str(mappings()[entity].board_id), _Runs()
    rendering = rendered(bench.items, {entity: proposed(folder, entity, name)}, f"deployed-{entity}")
    for _ in range(bench.repeat):
        with bench.serving() as server:
            with bench.database() as database:
                runs.pulled.append(bench.pull(server, database, "--entity", entity).spent)
            with bench.database() as database:
                runs.loaded.append(_loaded(bench, server.url, board_id, database))
        with serving(rendering, bench.items) as server, bench.database() as database:
            deploy = ("boards", "deploy", "--board-id", board_id, "--name", name, "--yes", "--json")
            settings = bench.settings(server, database)
            runs.deployed.append(spent("benchmarks.command", *deploy, env=settings, postgres=bench.postgres.process))
        Path(bench.home, "mappings", f"{name}.yaml").unlink()
    return runs


def _loaded(bench: Bench, url: str, board_id: str, database: str) -> Spent:
    environment = {
        "DATABASE_URL": bench.postgres.url(database),
        "CREDENTIALS__PASSWORD": "none",  # it insists on one; the server asks for none
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    done = spent("benchmarks.general_loader", url, board_id, env=environment, postgres=bench.postgres.process)
    if (count := int(done.out.split()[-1])) != bench.items:
        raise Failed(f"The loader has loaded {count} of {bench.items} items.")
    return done


def _show(bench: Bench, entity: str, runs: _Runs) -> None:
    table = Table(f"{entity} beside a general loader: {bench.items:,} items, {bench.repeat} times")
    table.add("the loader, one table of texts and JSON", [run.wall for run in runs.loaded], "s", 1)
    table.add("`boards deploy`, one typed table", [run.wall for run in runs.deployed], "s", 1)
    table.add("first pull, all tables of the mapping", [run.wall for run in runs.pulled], "s", 1)
    for about, ours, goal in (("`boards deploy`", runs.deployed, 1 / 4), ("first pull", runs.pulled, 1 / 3)):
        pairs = list(zip(ours, runs.loaded, strict=True))
        table.add(f"{about} / the loader", [own.wall / other.wall for own, other in pairs], "x", 2, goal)
        table.add("  CPU of the process", [own.cpu / other.cpu for own, other in pairs], "x")
        table.add("  memory", [own.memory / other.memory for own, other in pairs], "x")
    table.show()
