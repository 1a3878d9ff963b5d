"""The client gets along with nginx, tinyproxy and a SOCKS proxy."""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.system.programs import need
from toolkit.httpclient.network import NetworkTransport
from toolkit.httpclient.options import ConnectOptions
from toolkit.simple_httpclient import HTTPStreamClosedError, SimpleAsyncHTTPClient

pytestmark = [
    pytest.mark.system,
    pytest.mark.asyncio(loop_factories=["asyncio"]),
]

PAGE = b"The quick brown fox. " * 5000

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; types {{ text/html html; }} gzip on; gzip_types text/html; keepalive_requests 3;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp;
  fastcgi_temp_path {folder}/temp; uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
  ssl_client_certificate {folder}/ca.pem; ssl_verify_client optional; root {folder};
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    location /who {{ return 200 "$ssl_client_verify"; }}
    location /private {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }} return 200 "in"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Site:
    """A running nginx."""

    plain: str
    tls: str
    folder: Path


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def running(port: int, *command: str) -> AsyncIterator[None]:
    """Run a program that listens on a port."""
    process = await asyncio.create_subprocess_exec(
        need(command[0]), *command[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            assert process.returncode is None, f"{command[0]} ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                continue
            writer.close()
            await writer.wait_closed()
            break
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a page and certificates, which nginx's worker can read."""
    path = tmp_path_factory.mktemp("nginx")
    for parent in (path, path.parent, path.parent.parent):
        with contextlib.suppress(PermissionError):
            parent.chmod(0o755)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(path / "ca.pem"))
    for name, identity in (("server", "127.0.0.1"), ("client", "me@example.org")):
        pem = authority.issue_cert(identity).private_key_and_cert_chain_pem
        pem.write_to_path(str(path / f"{name}.pem"))
    (path / "page.html").write_bytes(PAGE)
    return path


@pytest.fixture
async def nginx(folder: Path) -> AsyncIterator[Site]:
    """Run nginx; it closes each connection after three requests."""
    plain, tls = free_port(), free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, plain=plain, tls=tls))
    async with running(plain, "nginx", "-c", str(configuration), "-p", str(folder)):
        yield Site(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", folder)


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[SimpleAsyncHTTPClient]:
    """Return a client that trusts nginx."""
    options = ConnectOptions(ca_certs=str(folder / "ca.pem"))
    async with SimpleAsyncHTTPClient(force_instance=True, options=options) as made:
        yield made


async def test_connections_are_kept_and_made_anew(
    nginx: Site, client: SimpleAsyncHTTPClient
) -> None:
    """Also where nginx has had enough of one; what it compresses, in chunks, is decoded."""
    for base in (nginx.plain, nginx.tls):
        for _ in range(8):
            response = await client.get(f"{base}/page.html")
            assert response.content == PAGE
            assert response.headers["X-Consumed-Content-Encoding"] == "gzip"
            assert response.headers["Transfer-Encoding"] == "chunked"
    pages = await asyncio.gather(*[client.fetch(f"{nginx.plain}/page.html") for _ in range(30)])
    assert all(page.body == PAGE for page in pages)
    assert isinstance(client.transport, NetworkTransport)
    assert client.transport.pool.total <= 12


async def test_a_part_of_a_page(nginx: Site, client: SimpleAsyncHTTPClient) -> None:
    """It comes as it is."""
    response = await client.get(
        f"{nginx.plain}/page.html", headers={"Range": "bytes=4-8"}, decompress_response=False
    )
    assert (response.status, response.content) == (206, b"quick")
    assert response.headers["Content-Range"] == f"bytes 4-8/{len(PAGE)}"


@pytest.mark.feature("F22")
async def test_a_client_certificate_opens_what_is_private(
    nginx: Site, client: SimpleAsyncHTTPClient
) -> None:
    """And a connection that was made without one does not serve who has it, nor the reverse."""
    own = ConnectOptions(
        ca_certs=str(nginx.folder / "ca.pem"), client_cert=str(nginx.folder / "client.pem")
    )
    for _ in range(2):
        assert (await client.get(f"{nginx.tls}/private")).status == 403
        assert (await client.get(f"{nginx.tls}/private", options=own)).content == b"in"


@pytest.mark.feature("F11")
async def test_tinyproxy_passes_on_both_schemes(
    nginx: Site, client: SimpleAsyncHTTPClient, tmp_path: Path
) -> None:
    """Where the user is known."""
    port = free_port()
    configuration = tmp_path / "tinyproxy.conf"
    configuration.write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 10\nAllow 127.0.0.1\nBasicAuth me secret\n"
    )
    async with running(port, "tinyproxy", "-d", "-c", str(configuration)):
        proxy = f"http://me:secret@127.0.0.1:{port}"
        for base in (nginx.plain, nginx.tls):
            assert (await client.get(f"{base}/page.html", proxy=proxy)).content == PAGE
        stranger = f"http://127.0.0.1:{port}"
        assert (await client.get(f"{nginx.plain}/", proxy=stranger)).status == 407
        with pytest.raises(HTTPStreamClosedError, match="407"):
            await client.get(f"{nginx.tls}/", proxy=stranger)


@pytest.mark.feature("F12")
async def test_microsocks_passes_bytes_on(nginx: Site, client: SimpleAsyncHTTPClient) -> None:
    """Where the user is known; names and addresses alike."""
    port = free_port()
    command = ("microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "me", "-P", "secret")
    async with running(port, *command):
        for scheme in ("socks5", "socks5h"):
            proxy = f"{scheme}://me:secret@127.0.0.1:{port}"
            for base in (nginx.plain, nginx.tls, nginx.plain.replace("127.0.0.1", "localhost")):
                assert (await client.get(f"{base}/page.html", proxy=proxy)).content == PAGE
        with pytest.raises(HTTPStreamClosedError, match="SOCKS proxy"):
            await client.get(nginx.plain, proxy=f"socks5://me:wrong@127.0.0.1:{port}")
