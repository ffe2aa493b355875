"""Declares what all commands share: help with an example, options, settings with logging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from terminal import logs

if TYPE_CHECKING:
    from settings import Settings

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
"""The settings of click for the whole command line, and for a command that runs as a program of its own."""


class Example(click.Command):
    """Declares a command whose help ends with an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.example:
            with formatter.section("Example"):
                # On one line, also in a narrow terminal: a user copies it.
                formatter.write(f"{'':{formatter.current_indent}}python main.py {self.example}\n")


class InOrder(click.Group):
    """Lists its commands in the order in which they are declared."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class ForAnAccount(InOrder):
    """Takes `--account NAME` before the command and after it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, account_first(args))


def account_first(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments of a command line with `--account NAME` before the command."""
    ends = arguments.index("--") if "--" in arguments else len(arguments)
    for place, word in enumerate(arguments[:ends]):
        if word == "--account" or word.startswith("--account="):
            length = 1 if "=" in word else 2
            found = list(arguments[place : place + length])
            return [*found, *arguments[:place], *arguments[place + length :]]
    return list(arguments)


class Several(InOrder):
    """Holds the commands of one subject. Its help ends with the example of the first."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        first = next(iter(self.commands.values()), None)
        if isinstance(first, Example):
            first.format_epilog(ctx, formatter)


# Options

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")
entity_option = click.option("--entity", metavar="NAME", help="Only this entity.")
subject_option = click.option(
    "--entity", "--sync-name", "entity", metavar="NAME", help="Only this entity, or this sync of a query."
)
entities_option = click.option(
    "--entity", "entities", multiple=True, metavar="NAME", help="Only this entity. Can be repeated."
)
quiet_option = click.option(
    "--quiet", is_flag=True, help="Show no progress and no notes, only results, warnings and errors."
)


# Settings


def prepared(quiet: bool = False, log_file: str = logs.LOG_FILE) -> Settings:
    """Returns the settings, after logging is set up as they say."""
    return prepared_with_log(quiet, log_file)[0]


def prepared_with_log(quiet: bool = False, log_file: str = logs.LOG_FILE) -> tuple[Settings, logs.RateLimitedLog]:
    """Returns the settings, and the filter that counts the warnings which stderr did not show."""
    from settings import load_settings

    logs.to_stderr(quiet)
    settings = load_settings()
    return settings, logs.set_up(settings, quiet, log_file)
