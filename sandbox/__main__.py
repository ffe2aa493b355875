"""Starts a stand-in for monday.com: `python -m sandbox --port 0 --boards users:20,projects:50`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

try:
    from sandbox.common.clock import parse_iso
    from sandbox.common.server import Server, serve_in_thread
    from sandbox.monday.seeding.built_in_boards import ORDER, parse_boards
    from sandbox.monday.service import DEFAULT_TOKEN, Service, Settings
    from sandbox.monday.site import Site
except ModuleNotFoundError as exc:
    hint = "hint: Run it with .venv/bin/python, which `make install` makes; or first: pip install -r requirements.txt"
    print(f"error: The package {exc.name} is missing in {sys.executable}.\n{hint}", file=sys.stderr)
    sys.exit(2)

DESCRIPTION = """Starts a stand-in for monday.com. It prints its URL, and then the URL that a client needs (MONDAY_API_URL).
It ends with SIGTERM or Ctrl-C."""
EXAMPLE = "Example: python -m sandbox --port 0 --boards users:20,projects:50"


def port(text: str) -> int:
    if not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return int(text)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; a mistake in it ends the program with 2."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=DESCRIPTION, epilog=EXAMPLE)
    names = ", ".join(ORDER)
    token = os.environ.get("SANDBOX_TOKEN") or DEFAULT_TOKEN
    secret = os.environ.get("SANDBOX_SIGNING_SECRET")
    parser.add_argument("--port", type=port, default=8765, help="0: any free port (default: 8765)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--token", default=token, help="token that clients must send; also SANDBOX_TOKEN")
    parser.add_argument("--boards", default="users:20,projects:50", help=f"NAME:COUNT,... of items; names: {names}")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same account (default: 1)")
    parser.add_argument(
        "--limits", choices=("off", "standard", "pro"), default="off", help="budgets of a plan (default: off)"
    )
    parser.add_argument(
        "--signing-secret", default=secret, help="sign webhooks, as for an app's token; also SANDBOX_SIGNING_SECRET"
    )
    parser.add_argument("--now", help="where the clock starts, ISO 8601 (default: the real time)")
    options = parser.parse_args(argv)
    try:
        parse_boards(options.boards)
        options.now = parse_iso(options.now) if options.now else None
    except ValueError as exc:
        parser.error(str(exc))
    return options


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    settings = Settings(
        options.boards, options.seed, options.limits, options.token, options.signing_secret, options.now
    )
    service = Service(settings)
    try:
        server = Server((options.host, options.port), Site(service))
    except OSError as exc:
        print(f"error: port {options.port} can't be opened: {exc}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    serve_in_thread(server)
    print(f"{server.url}\nMONDAY_API_URL={server.url}/v2", flush=True)
    ended.wait()
    service.subscriptions.deliveries.close()
    server.shutdown()
    return 0


if __name__ == "__main__":
    # Requests that are still being answered must not keep the process alive.
    code = main()
    sys.stdout.flush()
    os._exit(code)
