"""`python -m sandbox --port 0 --boards users:20,projects:50`"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

try:
    from sandbox.clock import parse_iso
    from sandbox.seeding.estate import ORDER, parse_boards
    from sandbox.server import Server, serve_in_thread
    from sandbox.service import DEFAULT_TOKEN, Service
except ModuleNotFoundError as exc:
    hint = "hint: Run it with .venv/bin/python, which `make install` makes; or first: pip install -r requirements.txt"
    print(f"error: The package {exc.name} is missing in {sys.executable}.\n{hint}", file=sys.stderr)
    sys.exit(2)


def port(text: str) -> int:
    if not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return int(text)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A stand-in for monday.com. Its URL is the first line of the output; "
        "GraphQL is at URL/v2.", epilog="Example: python -m sandbox --port 0 --boards users:20,projects:50")
    parser.add_argument("--port", type=port, default=8765, help="0: any free port")
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless you widen it")
    parser.add_argument("--token", default=os.environ.get("SANDBOX_TOKEN") or DEFAULT_TOKEN,
                        help="what clients must send; also SANDBOX_TOKEN")
    parser.add_argument("--boards", default="users:20,projects:50", help=f"NAME:COUNT,...; names: {', '.join(ORDER)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limits", choices=("off", "standard", "pro"), default="off")
    parser.add_argument("--signing-secret", default=os.environ.get("SANDBOX_SIGNING_SECRET"),
                        help="act for an app token and sign webhooks; also SANDBOX_SIGNING_SECRET")
    parser.add_argument("--now", help="start of the sandbox's clock, ISO 8601; default: the real time")
    options = parser.parse_args(argv)
    try:
        parse_boards(options.boards)
        options.now = parse_iso(options.now) if options.now else None
    except ValueError as exc:
        parser.error(str(exc))
    return options


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    service = Service(options.boards, options.seed, options.limits, options.token, options.signing_secret, options.now)
    try:
        server = Server((options.host, options.port), service)
    except OSError as exc:
        print(f"error: port {options.port} can't be opened: {exc}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    serve_in_thread(server)
    print(server.url, flush=True)
    ended.wait()
    service.deliveries.close()
    server.shutdown()
    return 0


if __name__ == "__main__":
    # Requests that are being answered must not hold the end up.
    code = main()
    sys.stdout.flush()
    os._exit(code)
