"""The chat room, by clients without a browser."""

import asyncio
import signal
from typing import Any

import pytest

from tests.demos.process import check_clean, running
from toolkit.httpclient import HTTPClientError, HTTPRequest
from toolkit.websocket import WebSocketClientConnection, connect


async def heard(connection: WebSocketClientConnection, kind: str) -> dict[str, Any]:
    """Return the next event of a kind."""
    while True:
        event: dict[str, Any] = await connection.read_json()
        if event["kind"] == kind:
            return event


def test_visitors_hear_each_other_and_of_the_end() -> None:
    """Who comes later sees what was said; a foreign page gets nothing."""
    with running("wschat") as demo:
        url = f"ws://127.0.0.1:{demo.port}/chat?name="

        async def visit() -> None:
            async with connect(url + "Ada") as ada, connect(url) as guest:
                assert (await heard(ada, "welcome"))["name"] == "Ada"
                assert (await heard(guest, "welcome"))["name"] == "Guest 1"
                assert (await heard(guest, "joined"))["names"] == ["Ada", "Guest 1"]
                await ada.write_json({"kind": "say", "text": " <b>hello</b> "})
                for each in (ada, guest):
                    said = await heard(each, "say")
                    assert (said["name"], said["text"]) == ("Ada", "<b>hello</b>")
                guest.close()
                assert (await heard(ada, "left"))["names"] == ["Ada"]
                async with connect(url + "Bob") as bob:
                    assert (await heard(bob, "say"))["text"] == "<b>hello</b>"
                    await bob.write_json({"kind": "say", "text": ""})
                    assert await bob.read_message() is not None  # that it has joined
                    assert await bob.read_message() is None
                    assert bob.close_code == 1008
                demo.signal(signal.SIGTERM)
                while await ada.read_message() is not None:
                    pass
                assert ada.close_code == 1001

        asyncio.run(visit())
        check_clean(demo.ended())


def test_pages_of_other_sites_are_refused() -> None:
    with running("wschat") as demo:
        request = HTTPRequest(
            f"ws://127.0.0.1:{demo.port}/chat", headers={"Origin": "http://evil.example"}
        )

        async def visit() -> None:
            with pytest.raises(HTTPClientError) as caught:
                await connect(request)
            assert caught.value.code == 403

        asyncio.run(visit())
        demo.signal(signal.SIGINT)
        check_clean(demo.ended())
