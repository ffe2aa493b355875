"""Checks what stands under `deploy/`, as far as it can be without the services it is for."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

import main
from databases.mysql.private import PrivateServer
from realtime.cron import Cron
from sandbox import SmartSuite
from settings import NAMES, load_settings
from tests.kit.cli import run_main
from tests.kit.mariadb import needed
from tests.kit.shipped import PROJECT

DEPLOY = PROJECT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service")) + sorted(DEPLOY.glob("*.timer"))
OURS = ("monday-sync", "monday-sync-cluster")
COMPOSED: dict[str, dict[str, dict[str, Any]]] = {
    path.name: YAML(typ="safe").load(path.read_text())["services"]
    for path in (*sorted(DEPLOY.glob("compose*.yaml")), DEPLOY / "cluster.yaml")
}
SERVICES, OF_QUERIES = COMPOSED["compose.yaml"], COMPOSED["compose.queries.yaml"]
OF_THE_IMAGE = [
    (file, name)
    for file, services in COMPOSED.items()
    for name, service in services.items()
    if service.get("image") in OURS
]
OF_DEBIAN = (
    *("root", "0", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
    *("backup", "list", "irc", "_apt", "nobody"),
)
"""Users that its images have already: none can be made with such a name."""
ANALYZE = shutil.which("systemd-analyze")


def understood(words: list[str]) -> None:
    """Checks that the command line knows these commands and options."""
    group: click.Command = main.cli
    context = click.Context(group, info_name="main.py")
    rest = list(words[2:] if words[0] == "--account" else words)
    while isinstance(group, click.Group):
        if rest == ["--help"]:
            return
        name, found, rest = group.resolve_command(context, rest)
        assert found is not None
        group, context = found, click.Context(found, info_name=name, parent=context)
    group.parse_args(context, rest)


def commands(text: str) -> list[list[str]]:
    """Returns the calls of the tool in a shell line, as words for `main.py`."""
    calls = re.findall(r"(main|sync_mysql_to_smartsuite)\.py ([^&|;]+)", text)
    script = ["run", "--syncs"]
    return [[*([] if name == "main" else script), *shlex.split(call)] for name, call in calls]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_exists(unit):
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    (words,) = commands(line)
    understood(words)


@pytest.mark.skipif(ANALYZE is None, reason="no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_a_unit(unit, tmp_path):
    for unit in UNITS:
        text = unit.read_text().replace("/opt/monday-sync/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text.replace("/opt/monday-sync", str(PROJECT)))
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    about_ours = [line for line in done.stderr.splitlines() if "monday-sync" in line]
    assert about_ours == [] and done.returncode == 0


def test_the_service_stops_the_way_the_daemon_does():
    text = (DEPLOY / "monday-sync.service").read_text()
    assert "KillSignal=SIGTERM" in text and "Restart=always" in text and "RestartPreventExitStatus=2" in text


@pytest.mark.parametrize("name", ["monday-sync-run", "monday-sync-queries"])
def test_the_timer_starts_the_unit_of_its_name(name: str):
    assert (DEPLOY / f"{name}.timer").exists() and (DEPLOY / f"{name}.service").exists()


@pytest.mark.parametrize("name", ["crontab", "crontab-queries"])
def test_the_cron_line_is_one(name: str):
    (line,) = [text for text in (DEPLOY / name).read_text().splitlines() if text and not text.startswith("#")]
    fields, command = line.split(maxsplit=5)[:5], line.split(maxsplit=5)[5]
    Cron.parse(" ".join(fields))
    (words,) = commands(command)
    understood(words)


# The image


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_is_made_of_known_instructions_and_ends_as_the_daemon():
    known = {
        "ARG",
        "FROM",
        "ENV",
        "WORKDIR",
        "COPY",
        "RUN",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "CMD",
    }
    found = dict(instructions())
    assert {name for name, _ in instructions()} <= known
    entry, command = YAML(typ="safe").load(found["ENTRYPOINT"]), YAML(typ="safe").load(found["CMD"])
    assert entry == ["python", "/app/main.py"]
    understood(command)
    assert found["USER"] not in OF_DEBIAN
    (made,) = [shlex.split(line)[-1] for name, line in instructions() if name == "RUN" and line.startswith("useradd")]
    assert made == found["USER"]


def test_what_the_image_holds_is_enough_to_run(tmp_path):
    ignored = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line]

    def left_out(folder: str, names: list[str]) -> set[str]:
        at = Path(folder).relative_to(PROJECT)
        return {
            name
            for name in names
            if any(
                fnmatch(str(at / name), pattern) or fnmatch(name, pattern.removeprefix("**/")) for pattern in ignored
            )
            or name.startswith(".")
            or str(at / name) == "deploy"
        }

    shutil.copytree(PROJECT, tmp_path / "app", ignore=left_out)
    assert not (tmp_path / "app" / "tests").exists() and not (tmp_path / "app" / ".env").exists()
    for words in (["main.py", "webhook", "--help"], ["main.py", "validate", "--offline"], ["-m", "sandbox", "--help"]):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path / "app",
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": os.environ["PATH"], "MONDAY_SYNC_HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr


def test_the_images_python_is_one_that_the_project_supports():
    (image,) = [text for name, text in instructions() if name == "FROM"]
    version = re.match(r"python:(\d+)\.(\d+)-slim$", image)
    assert version and (3, 10) <= (int(version[1]), int(version[2])) <= (3, 13)


# Compose


every_file = pytest.mark.parametrize("services", COMPOSED.values(), ids=list(COMPOSED))


def test_compose_is_the_tool_its_databases_and_the_sandbox():
    assert {"tool", "postgres", "sandbox"} <= SERVICES.keys()
    assert {"tool", "postgres", "mysql", "sandbox"} <= OF_QUERIES.keys()


@every_file
def test_a_service_waits_for_what_there_is(services):
    for name, service in services.items():
        assert service.get("image") or service.get("build"), name
        assert set(service.get("depends_on", {})) <= services.keys()
        for other, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[other] or services[other].get("image") in OURS


@every_file
def test_images_of_others_are_named_with_their_version(services):
    images = [service["image"] for service in services.values() if service.get("image") not in OURS]
    assert images and not [image for image in images if not re.search(r":\d+(\.\d+)*(-\w+)?$", image)]


@every_file
def test_the_files_that_compose_names_exist(services):
    named = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert not [path for path in named if path.startswith(".") and not (DEPLOY / path).resolve().exists()]
    for service in services.values():
        if "build" in service:
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()


@every_file
def test_nothing_in_compose_waits_for_itself(services):
    left = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    while left:
        ready = {name for name, needs in left.items() if not needs & left.keys()}
        assert ready, f"{sorted(left)} wait for each other"
        left = {name: needs for name, needs in left.items() if name not in ready}


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    given = service["environment"].items()
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in given}


def test_compose_gives_the_tool_settings_that_it_accepts():
    settings = load_settings(environment_of(SERVICES["tool"]))
    assert settings.database_url and settings.api_key and settings.webhook_base_url == "http://tool:8080"


@pytest.mark.parametrize(("file", "name"), OF_THE_IMAGE)
def test_each_service_of_the_image_runs_a_command_that_exists(file, name):
    service = COMPOSED[file][name]
    entry = service.get("entrypoint")
    if entry is None:
        understood(list(service.get("command", ["webhook"])))
    elif entry[0] == "sh":
        script = entry[2] if entry[1] == "-c" else (DEPLOY / "cluster" / Path(entry[1]).name).read_text()
        for words in commands(script.replace("\\\n", "").replace("\n", ";")):
            understood([word for word in words if not word.startswith((">", "2>"))])
    else:
        done = subprocess.run(
            [sys.executable, *entry[1:], "--help"], cwd=PROJECT, capture_output=True, text=True, timeout=30
        )
        known = done.stdout
        assert done.returncode == 0 and all(word in known for word in service["command"] if word.startswith("--"))


@every_file
def test_only_loopback_is_opened_to_the_outside(services):
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports and all(str(port).startswith("127.0.0.1:") for port in ports)


# The samples


def statements(path: Path) -> list[str]:
    return [statement for statement in path.read_text().split(";\n") if statement.strip()]


def test_the_samples_and_the_example_mapping_of_compose_fit_each_other_and_the_sandbox(tmp_path, database_url):
    needed()
    settings = environment_of(OF_QUERIES["tool"])
    (mapping,) = [volume.split(":") for volume in OF_QUERIES["tool"]["volumes"]]
    (tmp_path / "config").mkdir()
    shutil.copy(DEPLOY / mapping[0], tmp_path / Path(mapping[1]).relative_to("/data"))
    (words,) = [service["command"] for service in OF_QUERIES.values() if "--tables" in service.get("command", ())]
    tables = words[words.index("--tables") + 1]
    server = PrivateServer(tmp_path)
    server.start()
    try:
        server.execute(f"create database {settings['MYSQL_DATABASE']}")
        for path in sorted((DEPLOY / "mysql").iterdir()):
            server.execute(*statements(path), database=settings["MYSQL_DATABASE"])
        account, token = settings["SMARTSUITE_ACCOUNT_ID"], settings["SMARTSUITE_TOKEN"]
        with SmartSuite(tables=tables, account_id=account, token=token) as suite:
            moved = {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": str(server.port), "SMARTSUITE_API_URL": suite.api_url}
            env = {**settings, **moved, "DATABASE_URL": database_url}
            done = run_main(tmp_path, "run", "--json", env=env)
            assert done.code == 0, done.err
            counts = {entity["entity"]: entity["created"] for entity in json.loads(done.out)["entities"]}
            assert counts == {"customers_sync": 30, "orders_sync": 40}
    finally:
        server.stop()


def test_the_example_of_settings_undoes_nothing_that_a_unit_sets():
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    for unit in UNITS:
        for line in re.findall(r"^Environment=(.*)$", unit.read_text(), re.M):
            names = [word.partition("=")[0] for word in shlex.split(line)]
            assert not [name for name in names if re.search(rf"^{name}=", example, re.M)], unit.name


def test_every_setting_is_explained_in_the_example():
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    assert not [name for name in NAMES if not re.search(rf"^(# )?{name}=", example, re.M)]


# Kubernetes

MANIFESTS: list[dict[str, Any]] = [
    manifest
    for path in sorted((DEPLOY / "k8s").glob("*.yaml"))
    for manifest in YAML(typ="safe").load_all(path.read_text())
]
DEPLOYMENTS = {made["metadata"]["name"]: made for made in MANIFESTS if made["kind"] == "Deployment"}


@pytest.mark.parametrize(
    "manifest", MANIFESTS, ids=[f"{made['kind']}-{made['metadata']['name']}" for made in MANIFESTS]
)
def test_kubernetes_knows_every_member_of_a_manifest(manifest):
    if manifest["kind"] == "ScaledObject":  # KEDA's own kind
        assert manifest["spec"]["scaleTargetRef"]["name"] in DEPLOYMENTS
        assert [trigger["type"] for trigger in manifest["spec"]["triggers"]] == ["prometheus"]
        return
    kubernetes_validate.validate(manifest, "1.34", strict=True)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_runs_a_command_that_exists_with_settings_that_do(name):
    (container,) = DEPLOYMENTS[name]["spec"]["template"]["spec"]["containers"]
    understood(container["args"])
    assert {given["name"].removesuffix("_FILE") for given in container["env"]} <= set(NAMES)
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in DEPLOYMENTS[name]["spec"]["template"]["spec"]["volumes"]}


def test_budgets_and_services_choose_pods_that_there_are():
    labels = [made["spec"]["template"]["metadata"]["labels"] for made in DEPLOYMENTS.values()]
    chosen = [made["spec"]["selector"] for made in MANIFESTS if made["kind"] in ("Service", "PodDisruptionBudget")]
    assert len(chosen) == 3 and all(one.get("matchLabels", one) in labels for one in chosen)
