"""The client gets along with lighttpd: Digest, and downloads that go on."""

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.programs import need
from toolkit.httpclient import AsyncHTTPClient, download
from toolkit.tcpclient import TCPClient
from toolkit.testing import bind_unused_port

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_factories=["asyncio"])]

DATA = bytes(range(256)) * 4096

CONFIGURATION = """
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
# Without a type a file has neither an ETag nor a date.
mimetype.assign = ("" => "application/octet-stream")
server.modules = ("mod_auth", "mod_authn_file")
auth.backend = "htdigest"
auth.backend.htdigest.userfile = "{root}/users"
auth.require = (
  "/md5" => ("method" => "digest", "realm" => "r", "require" => "valid-user", "algorithm" => "MD5"),
  "/sha256" => (
    "method" => "digest", "realm" => "r", "require" => "valid-user", "algorithm" => "SHA-256"
  )
)
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run lighttpd on a directory of files."""
    root = tmp_path_factory.mktemp("lighttpd")
    for name in ("film", "md5", "sha256"):
        (root / name).write_bytes(DATA if name == "film" else b"welcome")
    names = [hashlib.new(kind, b"ann:r:secret").hexdigest() for kind in ("md5", "sha256")]
    (root / "users").write_text("".join(f"ann:r:{name}\n" for name in names))
    socket, port = bind_unused_port()
    socket.close()
    (root / "configuration").write_text(CONFIGURATION.format(root=root, port=port))
    process = subprocess.Popen(
        [need("lighttpd"), "-D", "-f", str(root / "configuration")], stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(autouse=True)
async def listening(url: str) -> None:
    """Wait until it takes connections."""
    end = time.monotonic() + 10
    while True:
        try:
            stream = await TCPClient().connect("127.0.0.1", int(url.rpartition(":")[2]))
        except OSError:
            assert time.monotonic() < end
        else:
            stream.close()
            return


@pytest.mark.feature("F10")
@pytest.mark.parametrize("path", ["/md5", "/sha256"])
async def test_a_digest_is_accepted(url: str, path: str) -> None:
    """Again and again with the same nonce; a wrong password is not."""
    async with AsyncHTTPClient(force_instance=True) as client:
        for _ in range(3):
            response = await client.get(url + path, auth=("ann", "secret"), auth_mode="digest")
            assert (response.status, response.content) == (200, b"welcome")
        response = await client.get(url + path, auth=("ann", "wrong"), auth_mode="digest")
        assert response.status == 401


@pytest.mark.feature("F28")
async def test_a_download_goes_on(url: str, tmp_path: Path) -> None:
    """With its ETag and ranges."""
    path = tmp_path / "film"

    def stop(done: int, total: int | None) -> None:
        if done > 100_000:
            raise KeyError(done)

    async with AsyncHTTPClient(force_instance=True) as client:
        with pytest.raises(KeyError) as caught:
            await download(client, f"{url}/film", path, progress=stop)
        done = await download(client, f"{url}/film", path, resume=True)
        assert (done.resumed_at, done.response.status) == (caught.value.args[0], 206)
        assert (tmp_path / "film").read_bytes() == DATA
