"""Being told what happens to requests, and how long it took."""

from typing import Any

import pytest

from tests.http.scripted import Caller, Start
from toolkit.httpclient.trace import Trace
from toolkit.httpclient.transport import OutgoingRequest
from toolkit.simple_httpclient import SimpleAsyncHTTPClient

REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Seen(Trace):
    """Keeps the names of what happens, with the last part of the URL."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in vars(Trace) and not name.startswith("_"):

            def note(request: OutgoingRequest, *more: object) -> None:
                self.names.append(f"{name} {request.target.path}")

            return note
        return super().__getattribute__(name)


@pytest.mark.feature("F18")
async def test_all_that_happens_is_told_in_its_order(start: Start) -> None:
    """A redirect is a request of its own, within the same beginning and end."""

    async def script(caller: Caller) -> None:
        for answer in (REDIRECT, ANSWER):
            await caller.head()
            await caller.say(answer)
        await caller.ended()

    server = await start(script)
    seen = Seen()
    async with SimpleAsyncHTTPClient(force_instance=True, traces=[seen]) as client:
        response = await client.fetch(server.url("/here"))
    assert seen.names == [
        "started /here",
        "resolved /here",
        "connected /here",
        "sent /here",
        "first_byte /here",
        "redirected /there",
        "reused /there",
        "sent /there",
        "first_byte /there",
        "ended /here",
        "chunk /there",
        "finished /there",
    ]
    times = response.time_info
    names = "namelookup connect appconnect pretransfer starttransfer total redirect queue".split()
    assert set(times) == set(names)
    assert times["connect"] == 0.0  # of the last hop, which made none
    assert 0 < times["pretransfer"] <= times["starttransfer"] <= times["total"]
    assert times["redirect"] > 0


async def test_a_failure_is_told_too(start: Start) -> None:
    """By the end of the request, and with its error."""
    ends: list[tuple[object, object]] = []

    class Ends(Trace):
        def ended(self, request: Any, response: Any, error: Any) -> None:
            ends.append((response, error))

    server = await start(b"")
    async with SimpleAsyncHTTPClient(force_instance=True, traces=[Ends()]) as client:
        with pytest.raises(Exception, match="closed") as caught:
            await client.get(server.url())
    assert ends == [(None, caught.value)]
