"""Declares the commands `webhooks register`, `list`, `repair`, `delete`, `test`: the subscriptions at monday.com."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import click
from msgspec.structs import asdict

from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_LEFTOVERS, gravest_code
from terminal.commands import Example, Several, entities_option, json_option, prepared

if TYPE_CHECKING:
    from mappings.declaration import Mapping as EntityMapping
    from realtime.probe import Stage
    from realtime.subscriptions import Step, Subscriptions
    from settings import Settings
    from sync.parts import Chosen

    BoardWork = Callable[[EntityMapping, str], list[Step]]

DONE = {"keep": "is there", "create": "made", "delete": "removed", "foreign": "of another program, left alone"}
TO_DO = {"keep": "is there", "create": "would be made", "delete": "would be removed", "foreign": "of another program"}
STATES = {"keep": "ok", "create": "missing", "delete": "not needed", "foreign": "of another program"}

take_over_option = click.option(
    "--take-over", is_flag=True, help="Remove webhooks that the tool does not know and that are in the way of its own."
)
dry_option = click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")


@click.group("webhooks", cls=Several)
def webhooks() -> None:
    """Subscribe to the events of the boards, and look after these subscriptions."""


@webhooks.command("register", cls=Example, example="webhooks register --dry-run")
@entities_option
@dry_option
@take_over_option
@json_option
def register(entities: tuple[str, ...], dry_run: bool, take_over: bool, as_json: bool) -> None:
    """Make the webhooks that the mapped boards lack, at WEBHOOK_BASE_URL. A second time does nothing."""
    make_missing(entities, dry_run, take_over, as_json)


@webhooks.command("list", cls=Example, example="webhooks list")
@entities_option
@json_option
def list_webhooks(entities: tuple[str, ...], as_json: bool) -> None:
    """Show which webhooks exist, and which are missing. Exit 3 when a webhook is missing."""
    steps, codes = on_each_board(entities, lambda kept: kept.plan)
    show(steps, as_json, STATES)
    leave(codes | {EXIT_LEFTOVERS for step in steps if step.action == "create"})


@webhooks.command("repair", cls=Example, example="webhooks repair")
@entities_option
@dry_option
@take_over_option
@json_option
def repair(entities: tuple[str, ...], dry_run: bool, take_over: bool, as_json: bool) -> None:
    """Make the webhooks again that have disappeared, and remove those of another address."""
    make_missing(entities, dry_run, take_over, as_json)


@webhooks.command("delete", cls=Example, example="webhooks delete --entity contacts")
@entities_option
@json_option
def delete(entities: tuple[str, ...], as_json: bool) -> None:
    """Remove all webhooks that the tool made. Those of other programs stay."""
    steps, codes = on_each_board(entities, lambda kept: kept.delete)
    show(steps, as_json, DONE)
    leave(codes)


@webhooks.command("test", cls=Example, example="webhooks test --entity contacts")
@entities_option
@json_option
def test(entities: tuple[str, ...], as_json: bool) -> None:
    """Send a signed event to the public address, and show which stage fails."""
    settings = prepared()
    stages, ok = [], True
    for entity, stage in probed(settings, subscribed(settings, entities)):
        ok = ok and stage.ok
        stages.append({"entity": entity, **asdict(stage)})
        if not as_json:
            click.echo(f"{entity}: {stage.name}: {'ok' if stage.ok else 'STUCK'} ({stage.told})")
            if stage.hint:
                click.echo(f"hint: {stage.hint}", err=True)
    if as_json:
        click.echo(json.dumps({"ok": ok, "stages": stages}))
    sys.exit(EXIT_IN_STEP if ok else EXIT_FAILED)


# The work


def make_missing(entities: Sequence[str], dry_run: bool, take_over: bool, as_json: bool) -> NoReturn:
    """Makes what is missing and removes what is not needed, or shows that without doing it; then ends the process."""

    def work(kept: Subscriptions) -> BoardWork:
        return partial(kept.plan if dry_run else kept.register, take_over=take_over)

    steps, codes = on_each_board(entities, work)
    show(steps, as_json, TO_DO if dry_run else DONE)
    leave(codes)


def on_each_board(entities: Sequence[str], work: Callable[[Subscriptions], BoardWork]) -> tuple[list[Step], set[int]]:
    """Does the work on every board. Returns the steps, and the exit codes of what went wrong."""
    from realtime.subscriptions import on_each, subscriptions
    from sync.parts import open_parts

    settings = prepared()
    chosen = subscribed(settings, entities)
    with open_parts(settings) as parts:
        kept = subscriptions(settings, parts, [board for _, board in chosen])
        steps, problems = on_each(chosen, work(kept))
    # boards that were refused are in `problems`
    refused = {EXIT_FAILED for step in steps if step.problem and step.action != "none"}
    return steps, {problem.exit_code for problem in problems} | refused


def subscribed(settings: Settings, entities: Sequence[str]) -> Chosen:
    """Returns the entities that flow to PostgreSQL and whose boards can have webhooks."""
    from realtime.daemon import choose_kept
    from realtime.subscriptions import subscribable
    from realtime.worker import WorkerSettings
    from sync.parts import known_mappings

    with known_mappings(settings) as mappings:
        return subscribable(choose_kept(settings, tuple(entities), WorkerSettings(pushes=False), mappings))


def probed(settings: Settings, chosen: Chosen) -> Iterator[tuple[str, Stage]]:
    """Sends one event for each board; yields the entity with each stage that the event passes or fails."""
    from realtime.probe import Probe
    from services.monday.webhook_signatures import Access
    from sync.parts import open_parts

    gate = Access(settings.webhook_secret, [board for _, board in chosen])
    with open_parts(settings) as parts:
        for mapping, board in chosen:
            for stage in Probe(settings.webhook_address, gate, parts.db, board).stages():
                yield mapping.entity, stage


def show(steps: Sequence[Step], as_json: bool, words: Mapping[str, str]) -> None:
    """Writes a table of the steps; `words` names their actions."""
    if as_json:
        click.echo(json.dumps({"webhooks": [step.as_json() for step in steps]}))
        return
    from terminal.console import show_table

    rows = [
        (step.entity, step.board_id, step.event, step.id or "", step.problem or words[step.action]) for step in steps
    ]
    show_table("", ("entity", "board", "event", "webhook", "state"), rows)


def leave(codes: set[int]) -> NoReturn:
    """Ends the process with the gravest of the exit codes."""
    sys.exit(gravest_code(codes))
