"""Runs one case of the battery against a server."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.http.battery.case import (
    CANARY,
    CLOSED,
    CUT,
    EITHER,
    ENDED,
    OPEN,
    Case,
    Shut,
    Until,
    Want,
    want,
)
from tests.http.battery.replies import BadReply, CutReply, NoReply, Reader, Reply, check_fields
from tests.http.client import Client, turns

#: Seconds for one case; it is over in a few milliseconds unless an answer is missing.
CASE_TIMEOUT = 5.0
#: Stands in a request for the entity tag of the static file.
ETAG = b"@ETAG@"

#: Bytes at each end of a long input that are sent one by one.
_EDGE = 1000

_PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
_PROBED = want(200, b"get")


class Fault(Exception):
    """What a server did wrong."""


@dataclass(slots=True)
class _Dialogue:
    """A case under way on a connection."""

    case: Case
    client: Client
    reader: Reader
    replies: list[Reply]
    bytewise: bool
    etag: bytes

    async def run(self) -> None:
        for step in self.case.steps:
            if isinstance(step, Until):
                while len(self.replies) < step.answers:
                    await self.read_next()
            elif isinstance(step, Shut):
                self.shut()
            else:
                await self.send(step.replace(ETAG, self.etag))
        wants = self.case.wants
        while len(self.replies) < len(wants) - (self.case.after is CUT):
            await self.read_next()
        await self.look_at_the_end()

    async def send(self, data: bytes) -> None:
        pieces = _single(data) if self.bytewise else iter([data])
        try:
            for piece in pieces:
                await self.client.send(piece)
                await turns(2)
        except ConnectionError:
            # It was closed in the middle; whether it may be shows what was answered.
            pass

    def shut(self) -> None:
        try:
            self.client.shut()
        except OSError:
            pass

    async def read_next(self) -> None:
        """Read the next answer that is wanted, and look at it."""
        number = len(self.replies)
        wanted = self.case.wants[number]
        try:
            reply = await self.reader.reply(wanted.method)
            while reply.status == 100 and 100 not in wanted.statuses and self.case.may_interim:
                reply = await self.reader.reply(wanted.method)
            check_fields(reply)
        except NoReply:
            raise Fault(f"answer {number + 1} did not come") from None
        except BadReply as error:
            raise Fault(f"answer {number + 1}: {error}") from None
        self.replies.append(reply)
        if fault := differs(reply, wanted):
            raise Fault(f"answer {number + 1}: {fault}")
        if number + 1 < len(self.case.wants) and "close" in reply.items("connection"):
            raise Fault(f"answer {number + 1} says close, and is not the last")

    async def look_at_the_end(self) -> None:
        after = self.case.after
        if after is CUT:
            await self._expect_cut()
            return
        announced = bool(self.replies) and "close" in self.replies[-1].items("connection")
        if after is OPEN and announced:
            raise Fault("says Connection: close")
        if after is CLOSED and not announced:
            raise Fault("does not say Connection: close (RFC 9112 §9.6)")
        if after in (CLOSED, ENDED) or announced:
            await self._expect_end()
        else:
            await self._probe(may_be_closed=after is EITHER)

    async def _expect_cut(self) -> None:
        try:
            reply = await self.reader.reply(self.case.wants[-1].method)
        except CutReply:
            return
        except BadReply as error:
            raise Fault(f"last answer: {error}") from None
        raise Fault(f"last answer {reply.status} {reply.body[:100]!r} is not cut short")

    async def _expect_end(self) -> None:
        if rest := await self.reader.rest():
            raise Fault(f"{rest[:100]!r} after the last answer")

    async def _probe(self, may_be_closed: bool) -> None:
        try:
            await self.client.send(_PROBE)
            reply = await self.reader.reply("GET")
        except (NoReply, ConnectionError):
            if may_be_closed:
                return
            raise Fault("closed the connection") from None
        except BadReply as error:
            raise Fault(f"answer to the next request: {error}") from None
        if fault := differs(reply, _PROBED):
            raise Fault(f"answer to the next request: {fault}")
        await self._expect_end()


async def run_case(
    case: Case, address: Any, asked: list[str], *, bytewise: bool = False, etag: bytes = b""
) -> str:
    """Send what the case sends and compare what comes.

    Args:
        address: of a server with the battery's site.
        asked: has the targets that reached a handler.
        bytewise: whether every byte is sent on its own.
        etag: of the static file.
    Returns:
        What is wrong; "" for nothing.
    """
    asked.clear()
    client = await Client.connect(address)
    dialogue = _Dialogue(case, client, Reader(client.read), [], bytewise, etag)
    try:
        async with asyncio.timeout(CASE_TIMEOUT):
            await dialogue.run()
    except Fault as fault:
        return str(fault)
    except TimeoutError:
        return f"silence after {len(dialogue.replies)} of {len(case.wants)} answers"
    finally:
        client.close()
    seen = tuple(target for target in asked if target != "/probe")
    if CANARY.split()[1].decode() in seen:
        return "a request that was hidden in another was served"
    if case.asked is not None and seen != case.asked:
        return f"handlers were asked for {seen}, not {case.asked}"
    return ""


def differs(reply: Reply, wanted: Want) -> str:
    """Say how an answer differs from what it has to be; "" for not at all."""
    if reply.status not in wanted.statuses:
        return f"status {reply.status}, not {sorted(wanted.statuses)}"
    for name, value in wanted.has:
        seen = reply.all(name)
        allowed = value if isinstance(value, tuple) else (value,)
        if not seen or (value is not None and seen[0] not in allowed):
            return f"{name} {seen}, not {value!r}"
    for name in wanted.lacks:
        if reply.all(name):
            return f"{name} {reply.all(name)}, which must not be there"
    for name, items in wanted.lists:
        if not items <= reply.items(name):
            return f"{name} {reply.all(name)} without {sorted(items - reply.items(name))}"
    if wanted.body is not None and reply.body != wanted.body:
        return f"content {reply.body[:100]!r}, not {wanted.body[:100]!r}"
    return ""


def _single(data: bytes) -> Iterator[bytes]:
    """Cut between all bytes; of long inputs only those at both ends."""
    middle = range(_EDGE, len(data) - _EDGE)
    yield from (data[at : at + 1] for at in range(min(len(data), _EDGE)))
    if middle:
        yield data[middle.start : middle.stop]
    yield from (data[at : at + 1] for at in range(max(_EDGE, middle.stop), len(data)))
