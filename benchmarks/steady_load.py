"""Requests at a fixed rate, whatever becomes of them, from a process of its own: more load than a service can serve.

    python -m benchmarks.steady_load PORT RATE SECONDS KEY…

Sends POST /predict on kept connections, RATE a second, the keys in turn, and prints as JSON how many answers had each
status, and the seconds of each. Where all connections wait for an answer, a request is left out and counted as such.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter, defaultdict

from benchmarks.texts import notes

CONNECTIONS = 128
_TICK = 0.01  # seconds between two looks at what is due


class SteadyLoad:
    """One run."""

    def __init__(self, port: int, keys: list[str]) -> None:
        self.seconds: defaultdict[int, list[float]] = defaultdict(list)  # by status
        self.problems: Counter[str] = Counter()
        self.left_out = 0
        self._port = port
        self._requests = [_request(text, key) for text in notes(20, seed=31) for key in keys]
        self._sent = 0
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()

    async def run(self, rate: float, seconds: float) -> None:
        """Sends for so many seconds and waits for the last answers."""
        for _ in range(CONNECTIONS):
            self._free.put_nowait(_Connection(self._port))
        began = time.perf_counter()
        due, running = 0, set()
        while (passed := time.perf_counter() - began) < seconds:
            for _ in range(int(passed * rate) - due):
                due += 1
                if self._free.empty():
                    self.left_out += 1
                    continue
                task = asyncio.create_task(self._send(self._free.get_nowait()))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.sleep(_TICK)
        await asyncio.gather(*running)

    async def _send(self, connection: _Connection) -> None:
        self._sent += 1
        request = self._requests[self._sent % len(self._requests)]
        began = time.perf_counter()
        try:
            status = await connection.ask(request)
            self.seconds[status].append(time.perf_counter() - began)
        except (OSError, EOFError) as error:  # asyncio's IncompleteReadError is an EOFError
            self.problems[repr(error)] += 1
            connection.close()
        self._free.put_nowait(connection)


class _Connection:
    """One that is kept, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """Sends a request and reads its answer; the status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        if b"connection: close" in head:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        """The next request opens another."""
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].close()
        self._streams = None


def _request(text: str, key: str) -> bytes:
    body = json.dumps({"transcript": text, "model_type": "few_shot"}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def main(arguments: list[str]) -> None:
    """Runs the load and writes what it found to standard output."""
    load = SteadyLoad(int(arguments[0]), arguments[3:])
    asyncio.run(load.run(float(arguments[1]), float(arguments[2])))
    found = {"seconds": load.seconds, "problems": load.problems, "left_out": load.left_out}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
