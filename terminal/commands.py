"""Declares what all commands share: help with an example, options, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from errors import SyncError
from terminal import logs

if TYPE_CHECKING:
    from settings import Settings

class Example(click.Command):
    """A command whose help ends with an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.example:
            with formatter.section("Example"):
                # As one line, however narrow the terminal: it is there to be copied.
                formatter.write(f"{'':{formatter.current_indent}}python main.py {self.example}\n")


class InOrder(click.Group):
    """Lists its commands in the order in which they are declared."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class Several(InOrder):
    """A command made of several. Its help ends with the example of the first."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        first = next(iter(self.commands.values()), None)
        if isinstance(first, Example):
            first.format_epilog(ctx, formatter)


InOrder.group_class = Several


def prepared(quiet: bool = False) -> Settings:
    """The settings, with logging set up as they say."""
    from settings import load_settings

    logs.to_stderr(quiet)
    settings = load_settings()
    logs.set_up(settings, quiet)
    return settings


as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout."
)


# Errors and the way out


def show_error(exc: SyncError) -> None:
    """`error: ...` and `hint: ...` on stderr, and in the log."""
    logs.log.error("%s", exc.message, extra={"hint": exc.hint}, exc_info=exc if _debug() else None)


def _debug() -> bool:
    return logs.log.isEnabledFor(10)
