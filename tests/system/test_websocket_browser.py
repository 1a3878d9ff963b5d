"""A page in a browser talks to the server, with and without compression."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.programs import TIMEOUT, need
from tests.system.test_browser import FLAGS
from tests.system.websocket_peers import Echo
from toolkit.httpserver import HTTPServer
from toolkit.testing import bind_unused_port
from toolkit.web import Application, RequestHandler

pytestmark = pytest.mark.system

#: Sends messages of all kinds, compares what comes back, and posts what it saw.
PAGE = """<!DOCTYPE html>
<title>echo</title>
<script>
const messages = ["", "Hello", "κόσμε 😀".repeat(50), "again and again ".repeat(20000),
                  new Uint8Array(0), new Uint8Array(100000).map((_, at) => at * at)];
async function talk(path) {
  const socket = new WebSocket(`ws://${location.host}/${path}`);
  socket.binaryType = "arraybuffer";
  const came = [];
  let tell = () => {};
  socket.onmessage = event => { came.push(event.data); tell(); };
  socket.onerror = () => tell();
  const closed = new Promise(done => socket.onclose = done);
  await new Promise(done => socket.onopen = done);
  let right = 0;
  for (const message of messages) {
    socket.send(message);
    await new Promise(done => tell = done);
    const back = came.pop();
    right += typeof message === "string" ? back === message
      : new Uint8Array(back).toString() === message.toString();
  }
  socket.close(3000, "grüße");
  const event = await closed;
  return `${path} ${right} of ${messages.length} ${socket.extensions || "no extensions"} ` +
    `${event.code} ${event.wasClean}`;
}
(async () => {
  const lines = [await talk("plain"), await talk("deflate")];
  await fetch("/report", {method: "POST", body: lines.join("\\n")});
})();
</script>
"""


class Page(RequestHandler):
    """Gives the page, and takes its report."""

    def initialize(self, report: "asyncio.Future[str]") -> None:
        """Take what gets the report."""
        self.report = report

    def get(self) -> None:
        """Give the page."""
        self.write(PAGE)

    def post(self) -> None:
        """Take the report."""
        self.report.set_result(self.request.body.decode())


@contextlib.asynccontextmanager
async def browsing(url: str, profile: Path) -> AsyncIterator[None]:
    """Have a page open in a browser."""
    process = await asyncio.create_subprocess_exec(
        need("chromium"),
        *(*FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_page_gets_its_echoes(tmp_path: Path) -> None:
    """Text and bytes, large and empty, and a Close from the page."""
    report: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = HTTPServer(
        Application([("/(?:plain|deflate)", Echo), ("/.*", Page, {"report": report})])
    )
    socket, port = bind_unused_port()
    server.add_sockets([socket])
    try:
        async with browsing(f"http://127.0.0.1:{port}/", tmp_path), asyncio.timeout(TIMEOUT):
            lines = (await report).splitlines()
    finally:
        server.stop()
        await server.close_all_connections()
    assert lines == [
        "plain 6 of 6 no extensions 3000 true",
        "deflate 6 of 6 permessage-deflate 3000 true",
    ]
