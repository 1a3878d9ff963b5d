"""Programs that others wrote for Tornado run here as they are.

Each in a process whose ``sitecustomize`` has Tornado's name mean our modules, as have all that
it starts.
"""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.serving import PATIENCE, ROOT
from toolkit.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from toolkit.netutil import bind_sockets
from toolkit.websocket import websocket_connect

pytestmark = pytest.mark.peers

SITE = "from toolkit import compat\n\ncompat.alias_tornado()\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a program for Tornado."""
    (tmp_path / "sitecustomize.py").write_text(SITE)
    home = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("RUNTIME", "CONFIG", "DATA")}
    return {**os.environ, **home, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


CLUSTER = """
    import toolkit, tornado
    from distributed import Client, LocalCluster
    from urllib.request import urlopen

    if __name__ == "__main__":
        assert tornado is toolkit
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            print(client.submit(lambda number: number + 1, 41).result(timeout=60))
            print(sum(client.gather(client.map(lambda number: number * number, range(100)))))
            large = client.scatter(bytes(3_000_000))
            print(client.submit(len, large).result(timeout=60))
            page = cluster.dashboard_link.replace("/status", "/info/main/workers.html")
            print(urlopen(page).status)
"""


def test_a_cluster_of_dask_computes(environment: dict[str, str], tmp_path: Path) -> None:
    """Scheduler and workers on our streams, pages of theirs on our server."""
    program = tmp_path / "cluster.py"
    program.write_text(textwrap.dedent(CLUSTER))
    command = [sys.executable, str(program)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["42", "328350", "3000000", "200"], done.stderr


@contextmanager
def jupyter(environment: dict[str, str], root: Path) -> Iterator[int]:
    """Run a Jupyter server, and give its port."""
    [sock] = bind_sockets(0, "127.0.0.1")
    port = sock.getsockname()[1]
    sock.close()
    options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=secret"]
    command = [sys.executable, "-m", "jupyter_server", *options, f"--ServerApp.root_dir={root}"]
    with (
        (root / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stderr=log, stdout=log) as process,
    ):
        try:
            yield port
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0, (root / "log").read_text()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_jupyter_server_keeps_files_and_runs_code(
    environment: dict[str, str], tmp_path: Path
) -> None:
    token = {"Authorization": "token secret"}
    with jupyter(environment, tmp_path) as port:
        client = AsyncHTTPClient()

        async def ask(path: str, method: str = "GET", **options: Any) -> Any:
            options.setdefault("headers", token)
            url = f"http://127.0.0.1:{port}{path}"
            return await client.fetch(url, method=method, request_timeout=PATIENCE, **options)

        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await ask("/api/status")
                    break
                except ConnectionError:
                    await asyncio.sleep(0.1)
        with pytest.raises(HTTPClientError, match="403"):
            await ask("/api/status", headers={"Authorization": "token wrong"})
        text = json.dumps({"type": "file", "format": "text", "content": "caf\xe9"})
        assert (await ask("/api/contents/a.txt", "PUT", body=text)).code == 201
        assert (await ask("/files/a.txt")).body.decode() == "caf\xe9"
        kernel = json.loads((await ask("/api/kernels", "POST", body="{}")).body)["id"]
        assert await run(f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels", token) == "42\n"
        assert (await ask(f"/api/kernels/{kernel}", "DELETE")).code == 204


async def run(url: str, headers: dict[str, str]) -> str:
    """Have a kernel run a line, and return what that prints."""
    connection = await websocket_connect(HTTPRequest(url, headers=headers))
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
    message = {
        "header": {**header, "username": "", "session": uuid.uuid4().hex},
        "content": {"code": "print(6 * 7)", "silent": False},
        "channel": "shell",
        "metadata": {},
        "parent_header": {},
    }
    await connection.write_message(json.dumps(message))
    async with asyncio.timeout(PATIENCE):
        while True:
            received = await connection.read_message()
            assert received is not None
            said = json.loads(received)
            if said["msg_type"] == "stream":
                connection.close()
                return str(said["content"]["text"])
