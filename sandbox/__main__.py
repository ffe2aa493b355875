"""Starts a stand-in: `python -m sandbox --port 0 --boards users:20,projects:50`, or with `--service smartsuite`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable

try:
    from msgspec import Struct

    from sandbox.common.clock import parse_iso
    from sandbox.common.server import Server, Site, serve_in_thread
    from sandbox.monday.seeding.built_in_boards import ORDER, parse_boards
    from sandbox.monday.service import DEFAULT_TOKEN, Service, Settings
    from sandbox.monday.site import Site as MondaySite
    from sandbox.smartsuite import service as smartsuite
    from sandbox.smartsuite.seeding import BUILT_IN, parse_tables
    from sandbox.smartsuite.site import Site as SmartSuiteSite
except ModuleNotFoundError as exc:
    hint = "hint: Run it with .venv/bin/python, which `make install` makes; or first: pip install -r requirements.txt"
    print(f"error: The package {exc.name} is missing in {sys.executable}.\n{hint}", file=sys.stderr)
    sys.exit(2)

DESCRIPTION = """Starts a stand-in for monday.com, or for SmartSuite. It prints its URL, and then what a client needs
(MONDAY_API_URL, or SMARTSUITE_API_URL and SMARTSUITE_ACCOUNT_ID). It ends with SIGTERM or Ctrl-C."""
EXAMPLE = "Example: python -m sandbox --port 0 --boards users:20,projects:50"
BOARDS = "users:20,projects:50"


def port(text: str) -> int:
    if not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return int(text)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m sandbox", description=DESCRIPTION, epilog=EXAMPLE)
    names, tables = ", ".join(ORDER), ", ".join(BUILT_IN)
    secret = os.environ.get("SANDBOX_SIGNING_SECRET")
    made.add_argument("--service", choices=("monday", "smartsuite"), default="monday", help="(default: monday)")
    made.add_argument("--port", type=port, default=8765, help="0: any free port (default: 8765)")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    made.add_argument(
        "--token", default=os.environ.get("SANDBOX_TOKEN"), help="token that clients must send; also SANDBOX_TOKEN"
    )
    made.add_argument("--boards", default=BOARDS, help=f"monday: NAME:COUNT,... of items; names: {names}")
    made.add_argument("--tables", default="", help=f"smartsuite: NAME,... of empty tables; names: {tables}")
    made.add_argument("--account", default=smartsuite.DEFAULT_ACCOUNT, help="smartsuite: the account id")
    made.add_argument("--seed", type=int, default=1, help="the same seed makes the same account (default: 1)")
    made.add_argument(
        "--limits", choices=("off", "standard", "pro"), default="off", help="budgets of a plan (default: off)"
    )
    made.add_argument(
        "--signing-secret",
        default=secret,
        help="monday: sign webhooks, as for an app's token; also SANDBOX_SIGNING_SECRET",
    )
    made.add_argument("--now", help="where the clock starts, ISO 8601 (default: the real time)")
    return made


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; a mistake in it ends the program with 2."""
    reader = parser()
    options = reader.parse_args(argv)
    try:
        parse_boards(options.boards)
        parse_tables(options.tables)
        options.now = parse_iso(options.now) if options.now else None
    except ValueError as exc:
        reader.error(str(exc))
    if options.service == "smartsuite" and options.limits == "pro":
        reader.error("argument --limits: SmartSuite has off and standard")
    return options


class StandIn(Struct, frozen=True):
    """Holds what is served, what a client is told of it, and how it ends."""

    site: Site
    told: Callable[[str], list[str]]
    close: Callable[[], None]


def monday(options: argparse.Namespace) -> StandIn:
    token = options.token or DEFAULT_TOKEN
    service = Service(
        Settings(options.boards, options.seed, options.limits, token, options.signing_secret, options.now)
    )
    deliveries = service.subscriptions.deliveries
    return StandIn(MondaySite(service), lambda url: [f"MONDAY_API_URL={url}/v2"], deliveries.close)


def smart_suite(options: argparse.Namespace) -> StandIn:
    token = options.token or smartsuite.DEFAULT_TOKEN
    service = smartsuite.Service(
        smartsuite.Settings(options.tables, options.seed, options.limits, token, options.account, options.now)
    )
    account = f"SMARTSUITE_ACCOUNT_ID={options.account}"
    return StandIn(SmartSuiteSite(service), lambda url: [f"SMARTSUITE_API_URL={url}/api/v1", account], lambda: None)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    stand_in = smart_suite(options) if options.service == "smartsuite" else monday(options)
    try:
        server = Server((options.host, options.port), stand_in.site)
    except OSError as exc:
        print(f"error: port {options.port} can't be opened: {exc}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    serve_in_thread(server)
    print("\n".join([server.url, *stand_in.told(server.url)]), flush=True)
    ended.wait()
    stand_in.close()
    server.shutdown()
    return 0


if __name__ == "__main__":
    # Requests that are still being answered must not keep the process alive.
    code = main()
    sys.stdout.flush()
    os._exit(code)
