"""Serve one application by one server: ``python -m tests.peers.serving SERVER MODULE:NAME FD``.

It listens on the socket that it inherits, and ends by SIGTERM.
"""

import asyncio
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

#: Seconds for a program to be there, on a machine that is busy.
PATIENCE = 30.0


def load(name: str) -> Any:
    """Return an application by its ``module:name``."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


async def by_toolkit(app: Any, sock: socket.socket) -> None:
    """Serve by the toolkit."""
    from toolkit.httpserver import HTTPServer

    async with HTTPServer(app) as server:
        server.add_sockets([sock])
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await stopped.wait()


def toolkit(app: Any, sock: socket.socket) -> None:
    """Serve an application of the toolkit by itself."""
    asyncio.run(by_toolkit(app, sock))


def toolkit_asgi(app: Any, sock: socket.socket) -> None:
    """Serve an ASGI application by the toolkit."""
    from toolkit.asgi import ASGIContainer

    asyncio.run(by_toolkit(ASGIContainer(app), sock))


def toolkit_wsgi(app: Any, sock: socket.socket) -> None:
    """Serve a WSGI application by the toolkit."""
    from toolkit.wsgi import WSGIContainer

    with ThreadPoolExecutor(4) as executor:
        asyncio.run(by_toolkit(WSGIContainer(app, executor), sock))


def uvicorn(app: Any, sock: socket.socket) -> None:
    """Serve by uvicorn."""
    import uvicorn

    config = uvicorn.Config(app, log_level="critical")
    uvicorn.Server(config).run(sockets=[sock])


def waitress(app: Any, sock: socket.socket) -> None:
    """Serve by waitress."""
    import waitress

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    waitress.serve(app, sockets=[sock], _quiet=True)


def command(server: str, app: str, port: int) -> list[str]:
    """Return the command of a server that has to be run by its own program."""
    return {
        "hypercorn": [*(sys.executable, "-m", "hypercorn", app), "-b", f"127.0.0.1:{port}"],
        "granian": [
            *(sys.executable, "-m", "granian", "--interface", "asgi", app),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        ],
    }[server]


@contextmanager
def served(server: str, app: str) -> Iterator[int]:
    """Serve an application in a process of its own; gives the port."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        if server in globals():
            sock.listen(100)
            started = [sys.executable, "-m", "tests.peers.serving", server, app]
            started.append(str(sock.fileno()))
        else:
            started = command(server, app, port)
            sock.close()
        process = subprocess.Popen(
            started,
            cwd=ROOT,
            # Some frameworks write sets into headers.
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
            pass_fds=() if sock.fileno() < 0 else [sock.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a port is listened on.

    Raises:
        RuntimeError: the process has ended, or it takes too long.
    """
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    process.kill()
    raise RuntimeError(f"{process.args} does not serve:\n{process.communicate()[0].decode()}")


if __name__ == "__main__":
    globals()[sys.argv[1]](load(sys.argv[2]), socket.socket(fileno=int(sys.argv[3])))
