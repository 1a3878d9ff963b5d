"""Mutated requests for a live server: `python -m tests.http.battery.fuzz --count 100000`.

Each is sent on a connection of its own, in pieces, with the end of the client's side behind it.
All that comes back has to be good answers, no more than there were requests; meanwhile a healthy
client is served, and nothing goes wrong in the server's own eyes.
"""

import argparse
import asyncio
import logging
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.http.battery.replies import BadReply, NoReply, Reader
from tests.http.battery.site import rules, settings
from tests.http.client import Client, get, start_site, turns
from tests.loops import FACTORIES
from tests.wire.fuzz import Mutator
from toolkit.http1connection import ServerOptions
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import CLOSED, PAUSED, RequestHead, ResponseHead
from toolkit.wire.http1 import SERVER, Machine

#: Connections at a time.
CONNECTIONS = 20
#: Seconds for one connection; it takes a few milliseconds.
TIMEOUT = 20.0

_DATE = re.compile(rb"\r\nDate: [^\r]*")


class Wrong(AssertionError):
    """The server did what it never may."""


class Complaints(logging.Handler):
    """Keeps what the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(self.format(record))


async def converse(address: Any, pieces: list[bytes]) -> bytes:
    """Send pieces, each of which the server sees on its own, and the end; return what comes."""
    client = await Client.connect(address)
    try:
        async with asyncio.timeout(TIMEOUT):
            try:
                for piece in pieces:
                    await client.send(piece)
                    if len(pieces) > 1:
                        await turns(2)
                client.shut()
            except OSError:
                pass  # The server has closed it.
            return await client.read_to_end()
    finally:
        client.close()


def without_dates(answers: bytes) -> bytes:
    """Take out what differs from second to second."""
    return _DATE.sub(b"", answers)


def methods_of(raw: bytes) -> list[str]:
    """Return the methods of the requests in an input, and GET for what cannot be read."""
    machine = Machine(SERVER, ServerOptions().limits)
    machine.receive(raw)
    machine.receive(b"")
    methods = []
    try:
        while (event := machine.next_event()) is not CLOSED:
            if isinstance(event, RequestHead):
                methods.append(event.method)
            elif event is PAUSED:
                machine.send_head(ResponseHead(404), end=True)
    except RemoteProtocolError:
        methods.append("GET")
    return methods


async def check_answers(raw: bytes, answers: bytes) -> Counter[int]:
    """Read all answers to an input; return how often each status came.

    Raises:
        Wrong: one is malformed, or there are more than requests.
    """
    left = [answers]

    async def read() -> bytes:
        return left.pop() if left else b""

    reader = Reader(read)
    seen: Counter[int] = Counter()
    methods = methods_of(raw)
    try:
        for method in methods:
            reply = await reader.reply(method)
            while reply.status == 100:
                reply = await reader.reply(method)
            seen[reply.status] += 1
    except NoReply:
        return seen
    except BadReply as error:
        raise Wrong(f"{error!r} after {seen} to {methods}: {answers[-300:]!r}") from None
    if rest := await reader.rest():
        raise Wrong(f"{rest[:100]!r} after {len(methods)} answers")
    return seen


async def _attack(address: Any, mutators: Iterator[Mutator], seen: Counter[int]) -> None:
    for mutator in mutators:
        raw = mutator.make()
        try:
            seen.update(await check_answers(raw, await converse(address, mutator.pieces(raw))))
        except (Wrong, TimeoutError) as error:
            raise Wrong(f"{raw!r}: {error!r}") from error


async def _live_well(address: Any, times: list[float]) -> None:
    """Ask again and again on one connection, all of it answered."""
    client = await Client.connect(address)
    try:
        while True:
            begun = time.perf_counter()
            answer = await client.ask(get("/get"))
            times.append(time.perf_counter() - begun)
            if (answer.status, answer.text) != (200, "get"):
                raise Wrong(f"the healthy client got {answer}")
            await asyncio.sleep(0)
    finally:
        client.close()


async def fuzz(seed: int, count: int, directory: Path) -> tuple[Counter[int], list[float]]:
    """Send so many inputs; return the statuses that came, and the healthy client's times.

    Raises:
        ExceptionGroup: of `Wrong`, among others.
    """
    complaints = Complaints()
    logger = logging.getLogger("toolkit")
    logger.addHandler(complaints)
    site = start_site(rules(directory), settings([]))
    seen: Counter[int] = Counter()
    times: list[float] = []
    mutators = (Mutator(seed * 1_000_000 + number) for number in range(count))
    try:
        async with asyncio.TaskGroup() as everybody:
            healthy = everybody.create_task(_live_well(site.address, times))
            async with asyncio.TaskGroup() as attackers:
                for _ in range(CONNECTIONS):
                    attackers.create_task(_attack(site.address, mutators, seen))
            healthy.cancel()
    finally:
        await site.end()
        logger.removeHandler(complaints)
    if complaints.lines:
        raise Wrong(f"{len(complaints.lines)} errors in the log, first {complaints.lines[0]}")
    return seen, times


def main() -> None:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loop", choices=FACTORIES, default="uvloop")
    options = parser.parse_args()
    logging.getLogger("toolkit").addHandler(logging.NullHandler())
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as directory,
        asyncio.Runner(loop_factory=FACTORIES[options.loop]) as runner,
    ):
        seen, times = runner.run(fuzz(options.seed, options.count, Path(directory)))
    took = time.monotonic() - begun
    times.sort()
    p99 = times[len(times) * 99 // 100] * 1e3
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(seen.items()))
    print(
        f"{options.count:,} connections in {took:.0f} s on {options.loop}, seed {options.seed}; "
        f"answers {answers}; the healthy client: {len(times):,} answers, p99 {p99:.1f} ms"
    )


if __name__ == "__main__":
    main()
