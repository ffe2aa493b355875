"""Sends prepared requests over a few kept connections, as fast as they are answered: `python -m benchmarks.load FILE`.

The file holds `url`, `connections` and `bodies`; each body is sent once. Prints the seconds that each answer took.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import orjson


def main(path: Path) -> None:
    """Sends all requests, and prints the result as JSON."""
    plan = orjson.loads(path.read_bytes())
    where = urlsplit(plan["url"])
    head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in plan["headers"].items())
    requests = [f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in plan["bodies"]]
    took: list[float] = []
    refused: list[bytes] = []
    lock, turn = threading.Lock(), iter(requests)

    def work() -> None:
        with socket.create_connection((str(where.hostname), int(where.port or 80))) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    request = next(turn, None)
                if request is None:
                    return
                began = time.perf_counter()
                connection.sendall(request)
                answer = connection.recv(4096)
                while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
                    answer += connection.recv(4096)
                took.append(time.perf_counter() - began)
                if not answer.startswith(b"HTTP/1.1 200"):
                    refused.append(answer)

    threads = [threading.Thread(target=work) for _ in range(plan["connections"])]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    told = {"seconds": seconds, "took": took, "refused": len(refused), "why": (refused or [b""])[0].decode()[:300]}
    sys.stdout.buffer.write(orjson.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
