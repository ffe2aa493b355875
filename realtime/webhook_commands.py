"""`webhooks register|list|repair|delete|test`: the subscriptions that real time stands on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from realtime.subscriptions import Step

DONE = {"keep": "is there", "create": "made", "delete": "removed", "foreign": "somebody else's, left alone"}
TO_DO = {"keep": "is there", "create": "would be made", "delete": "would be removed", "foreign": "somebody else's"}
STATES = {"keep": "ok", "create": "missing", "delete": "not needed", "foreign": "somebody else's"}

entity_option = click.option("--entity", "entities", multiple=True, metavar="NAME", help="Only this entity.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")
take_over_option = click.option(
    "--take-over", is_flag=True, help="Remove webhooks that the tool does not know and that are in the way of its own."
)
dry_option = click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")


def register(cli: click.Group, example: type[click.Command]) -> None:
    """Declare the group and its commands."""

    @cli.group("webhooks")
    def webhooks() -> None:
        """Subscribe to the boards' events, look after the subscriptions, and test the way they take."""

    def sub(name: str, shown: str) -> Callable[[Any], Any]:
        return webhooks.command(name, cls=example, example=f"webhooks {shown}")

    @sub("register", "register --dry-run")
    @entity_option
    @dry_option
    @take_over_option
    @json_option
    def register_(entities: tuple[str, ...], dry_run: bool, take_over: bool, as_json: bool) -> None:
        """Make the webhooks that the mapped boards lack, at WEBHOOK_BASE_URL. Doing it again does nothing."""
        what, words = ("plan", TO_DO) if dry_run else ("register", DONE)
        act(entities, what, as_json, words, take_over=take_over)

    @sub("list", "list")
    @entity_option
    @json_option
    def list_(entities: tuple[str, ...], as_json: bool) -> None:
        """Show which webhooks there are, and which are missing. Exit 3 when one is."""
        act(entities, "plan", as_json, STATES, missing_is_leftover=True)

    @sub("repair", "repair")
    @entity_option
    @dry_option
    @take_over_option
    @json_option
    def repair(entities: tuple[str, ...], dry_run: bool, take_over: bool, as_json: bool) -> None:
        """Make again what has disappeared, and remove what leads elsewhere."""
        what, words = ("plan", TO_DO) if dry_run else ("register", DONE)
        act(entities, what, as_json, words, take_over=take_over)

    @sub("delete", "delete --entity contacts")
    @entity_option
    @json_option
    def delete(entities: tuple[str, ...], as_json: bool) -> None:
        """Remove every webhook that the tool made. Those of others stay."""
        act(entities, "delete", as_json, DONE)

    @sub("test", "test --entity contacts")
    @entity_option
    @json_option
    def test(entities: tuple[str, ...], as_json: bool) -> None:
        """Send a signed event through the public address, and say where it gets stuck."""
        probe(entities, as_json)


def act(
    entities: Sequence[str], what: str, as_json: bool, words: dict[str, str], missing_is_leftover: bool = False,
    **how: bool,
) -> None:  # fmt: skip
    """Do one thing on every board, show it, and leave."""
    from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_LEFTOVERS
    from realtime.commands import prepared
    from realtime.daemon import choose_kept
    from realtime.subscriptions import on_each, subscribable, subscriptions
    from realtime.worker import Habits
    from sync.parts import open_parts
    from sync.run import GRAVEST_FIRST

    settings = prepared()
    chosen = subscribable(choose_kept(settings, tuple(entities), Habits(pushes=False)))
    with open_parts(settings) as parts:
        kept = subscriptions(settings, parts, [board for _, board in chosen])
        steps, problems = on_each(chosen, partial(getattr(kept, what), **how))
    show(steps, as_json, words)
    codes = {exc.exit_code for exc in problems}
    codes |= {EXIT_FAILED for step in steps if step.problem and step.action != "none"}
    codes |= {EXIT_LEFTOVERS for step in steps if missing_is_leftover and step.action == "create"}
    sys.exit(next((code for code in GRAVEST_FIRST if code in codes), EXIT_IN_STEP))


def show(steps: Sequence[Step], as_json: bool, words: dict[str, str]) -> None:
    """A table for a person, an object for a program."""
    if as_json:
        click.echo(json.dumps({"webhooks": [step.as_json() for step in steps]}))
        return
    from terminal.console import show_table

    rows = [
        (step.entity, step.board_id, step.event, step.id or "", step.problem or words[step.action]) for step in steps
    ]
    show_table("", ("entity", "board", "event", "webhook", "state"), rows)


def probe(entities: Sequence[str], as_json: bool) -> None:
    """Follow one event for each board."""
    from errors import EXIT_FAILED, EXIT_IN_STEP
    from realtime.commands import prepared
    from realtime.daemon import choose_kept
    from realtime.probe import Probe
    from realtime.subscriptions import subscribable
    from realtime.worker import Habits
    from services.monday.webhook_signatures import Access
    from sync.parts import open_parts

    settings = prepared()
    chosen = subscribable(choose_kept(settings, tuple(entities), Habits(pushes=False)))
    gate = Access(settings.webhook_secret, [board for _, board in chosen])
    told, ok = [], True
    with open_parts(settings) as parts:
        for mapping, board in chosen:
            for stage in Probe(settings.webhook_base_url, gate, parts.db, board).stages():
                ok = ok and stage.ok
                told.append({"entity": mapping.entity, **asdict(stage)})
                if not as_json:
                    click.echo(f"{mapping.entity}: {stage.name}: {'ok' if stage.ok else 'STUCK'} ({stage.told})")
                    if stage.hint:
                        click.echo(f"hint: {stage.hint}", err=True)
    if as_json:
        click.echo(json.dumps({"ok": ok, "stages": told}))
    sys.exit(EXIT_IN_STEP if ok else EXIT_FAILED)
