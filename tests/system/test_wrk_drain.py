"""wrk at full load while one server ends and the next one takes over its port."""

import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.programs import need, run

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]

#: A server on a port that it shares; it says when it listens, and drains when it is told to end.
PROGRAM = """
import asyncio, signal, sys
from tests.loops import FACTORIES
from toolkit.web import Application, RequestHandler

class Hello(RequestHandler):
    def get(self):
        self.write("hello")

async def main(port):
    server = Application([("/", Hello)], log_function=lambda handler: None).listen(
        port, "127.0.0.1", reuse_port=True
    )
    print(server.addresses[0][1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.stop()
    await server.close_all_connections(timeout=10)

with asyncio.Runner(loop_factory=FACTORIES[sys.argv[1]]) as runner:
    runner.run(main(int(sys.argv[2])))
"""

#: Seconds for a server to say that it listens.
START_TIMEOUT = 20.0


@contextmanager
def serving(loop: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server within the block; give its process and its port."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, loop, str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                assert selector.select(START_TIMEOUT), "the server does not say that it listens"
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.feature("B19")
def test_wrk_sees_no_error_while_servers_take_turns(loop_name: str) -> None:
    """Two servers drain one after the other under 32 busy connections, and end with 0."""
    with serving(loop_name) as (first, port), serving(loop_name, port) as (second, _):
        url = f"http://127.0.0.1:{port}/"
        load = subprocess.Popen(
            [need("wrk"), "-t1", "-c32", "-d6s", url], stdout=subprocess.PIPE, text=True
        )
        with load:
            # A load of its own, to know that the other one has begun and goes on.
            assert run("wrk", "-t1", "-c1", "-d1s", url).status == 0
            first.send_signal(signal.SIGTERM)
            assert first.wait(15) == 0
            with serving(loop_name, port):
                second.send_signal(signal.SIGTERM)
                assert second.wait(15) == 0
                said, _ = load.communicate(timeout=30)
    count = re.search(r"([0-9]+) requests in", said)
    assert count is not None
    assert int(count[1]) > 0
    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said
