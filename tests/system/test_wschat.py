"""Two tabs of a browser talk in the chat room.

The browser is told what to do over its own WebSocket (the Chrome DevTools Protocol), by the client
under test, so that both ends of the toolkit meet another one here.
"""

import asyncio
import base64
import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demos.process import Demo, serving
from tests.system.programs import need
from tests.system.test_browser import FLAGS
from toolkit.websocket import WebSocketClientConnection, connect

pytestmark = pytest.mark.system

#: Seconds for the browser to start, and for a page to come to what is expected of it.
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def wschat() -> Iterator[Demo]:
    """Run the chat room for all tests of this module."""
    with serving("wschat") as demo:
        yield demo


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a browser, and return the URL of the WebSocket by which it is told what to do."""
    profile = tmp_path_factory.mktemp("profile")
    process = subprocess.Popen(
        [
            need("chromium"),
            *FLAGS,
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",
            "about:blank",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if match := re.search(r"DevTools listening on (ws://\S+)", line):
                    yield match[1]
                    break
            else:
                pytest.fail("the browser does not listen")
        finally:
            process.terminate()
            process.stderr.read() if process.stderr else None


class Tab:
    """One tab of the browser."""

    numbers = itertools.count(1)

    def __init__(self, connection: WebSocketClientConnection, target: str, session: str) -> None:
        self._connection = connection
        self._target = target
        self._session = session

    @staticmethod
    async def call(
        connection: WebSocketClientConnection, method: str, session: str = "", **params: Any
    ) -> Any:
        """Have the browser do something, and return what comes of it."""
        number = next(Tab.numbers)
        asked = {"id": number, "method": method, "params": params}
        await connection.write_json(asked | ({"sessionId": session} if session else {}))
        while (answer := await connection.read_json()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    @classmethod
    async def open(cls, connection: WebSocketClientConnection, url: str) -> "Tab":
        """Open a page."""
        target = await cls.call(connection, "Target.createTarget", url=url)
        attached = await cls.call(
            connection, "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        return cls(connection, target["targetId"], attached["sessionId"])

    async def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        result = await self.call(
            self._connection, "Runtime.evaluate", self._session, expression=script
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true in the page."""
        while not await self.run(script):
            await asyncio.sleep(0.02)

    async def say(self, text: str) -> None:
        """Type a text and send it."""
        await self.run(f"text.value = {text!r}; $('form').requestSubmit()")

    async def close(self) -> None:
        """Close the tab."""
        await self.call(self._connection, "Target.closeTarget", targetId=self._target)

    async def picture(self, scheme: str) -> bytes:
        """Return a picture of the page in light or dark colors."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call(
            self._connection, "Emulation.setEmulatedMedia", self._session, features=features
        )
        shot = await self.call(self._connection, "Page.captureScreenshot", self._session)
        return base64.b64decode(shot["data"])


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_two_tabs_talk_to_each_other(wschat: Demo, devtools: str, tmp_path: Path) -> None:
    """Markup that one sends is text to the other, and both look good by day and by night."""
    async with (
        asyncio.timeout(TIMEOUT),
        connect(devtools, max_message_size=64 * 1024 * 1024) as browser,
    ):
        tabs = []
        for name in ("Ada", "Bob"):
            tabs.append(await Tab.open(browser, f"{wschat.url}?name={name}"))
            await tabs[-1].until("typeof state == 'object' && state.classList.contains('open')")
        ada, bob = tabs
        await ada.until("$('#names').textContent == 'Ada, Bob'")
        await ada.say("<img src=x onerror=alert(1)> hello")
        await bob.until("document.querySelectorAll('.said').length == 1")
        assert await bob.run("$('.said p').textContent") == "<img src=x onerror=alert(1)> hello"
        assert await bob.run("$('.said b').textContent") == "Ada"
        await bob.say("hello, Ada")
        await ada.until("document.querySelectorAll('.said').length == 2")
        assert await ada.run("document.querySelectorAll('.mine').length") == 1
        await bob.close()
        await ada.until(
            "[...document.querySelectorAll('.note')].at(-1).textContent == 'Bob has left'"
        )
        pictures = [await ada.picture(scheme) for scheme in ("light", "dark")]
        for name, picture in zip(("light", "dark"), pictures, strict=True):
            (tmp_path / f"{name}.png").write_bytes(picture)
            assert picture.startswith(b"\x89PNG")
        assert pictures[0] != pictures[1]
