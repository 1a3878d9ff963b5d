"""A server within other programs: on sockets of any kind, in loops and threads of others."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.http.client import Client, Serve, TLSClient, get
from tests.loops import FACTORIES, expect_log
from toolkit.httpserver import HTTPServer
from toolkit.netutil import ServerCertificates, bind_sockets, bind_unix_socket
from toolkit.web import Application, RequestHandler

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)


class Hello(RequestHandler):
    """Answers with the name of its site."""

    def get(self) -> None:
        self.write(f"hello from {self.settings.get('name')}")


def site_of(name: str) -> Application:
    """Make an application that answers with its name."""
    return Application([("/", Hello)], name=name, log_function=lambda handler: None)


# -- sockets -----------------------------------------------------------------------------


@pytest.mark.feature("B21")
async def test_a_unix_socket_is_served(serve: Serve, tmp_path: Path) -> None:
    """The socket that somebody left behind is taken over; its mode is as asked."""
    path = tmp_path / "site.sock"
    for _ in range(2):
        sock = bind_unix_socket(str(path), mode=0o600)
        assert path.stat().st_mode & 0o777 == 0o600
        site = serve(site_of("unix"), sockets=[sock])
        client = await site.client()
        for _ in range(2):
            assert (await client.get()).text == "hello from unix"
        site.server.stop()


@pytest.mark.feature("B21")
async def test_an_inherited_descriptor_is_served(serve: Serve) -> None:
    """As a process gets one from the program that started it."""
    bound = bind_sockets(0, "127.0.0.1")[0]
    sock = socket.socket(fileno=os.dup(bound.fileno()))
    bound.close()
    assert (await serve(site_of("fd"), sockets=[sock]).get()).text == "hello from fd"


@pytest.mark.feature("B21")
async def test_servers_share_a_port(serve: Serve) -> None:
    """With `reuse_port` each has a socket of its own, and the port is served to the last."""
    first = HTTPServer(site_of("one"))
    first.listen(0, "127.0.0.1", reuse_port=True)
    address = first.addresses[0]
    second = HTTPServer(site_of("two"))
    second.listen(address[1], "127.0.0.1", reuse_port=True)
    for server in (first, second):
        client = await Client.connect(address)
        assert (await client.get()).text.startswith("hello from ")
        client.close()
        server.stop()
        await server.close_all_connections(timeout=5)
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(address)


async def test_one_server_serves_several_sockets(serve: Serve, tmp_path: Path) -> None:
    unix = bind_unix_socket(str(tmp_path / "s"))
    site = serve(site_of("all"), sockets=[unix, *bind_sockets(0, "127.0.0.1")])
    assert len(site.server.addresses) == 2
    for address in site.server.addresses:
        client = await Client.connect(address)
        assert (await client.get()).text == "hello from all"
        client.close()


# -- loops and threads of others ---------------------------------------------------------


@pytest.mark.feature("P07")
def test_a_server_runs_in_a_program_of_plain_asyncio(loop_name: str) -> None:
    """It takes no signal handler, makes no other loop, and leaves no task behind."""

    async def program() -> None:
        before = [signal.getsignal(number) for number in SIGNALS]
        loop = asyncio.get_running_loop()
        tasks = asyncio.all_tasks()
        server = HTTPServer(site_of("embedded"))
        server.listen(0, "127.0.0.1")
        client = await Client.connect(server.addresses[0])
        assert (await client.get()).text == "hello from embedded"
        assert [signal.getsignal(number) for number in SIGNALS] == before
        assert asyncio.get_running_loop() is loop
        client.close()
        server.stop()
        await server.close_all_connections(timeout=5)
        left = [task for task in asyncio.all_tasks() - tasks if not task.done()]
        if left:
            _, pending = await asyncio.wait(left, timeout=5)
            assert not pending
        assert [signal.getsignal(number) for number in SIGNALS] == before

    with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
        runner.run(program())
        runner.run(program())


@pytest.mark.feature("P07")
async def test_two_servers_in_one_loop_are_apart(serve: Serve) -> None:
    """The end of one is not that of the other."""
    one, two = serve(site_of("one")), serve(site_of("two"))
    first, second = await one.client(), await two.client()
    assert (await first.get()).text == "hello from one"
    assert (await second.get()).text == "hello from two"
    one.server.stop()
    await one.server.close_all_connections(timeout=5)
    await first.expect_end()
    assert (await second.get()).text == "hello from two"
    assert (await two.get()).text == "hello from two"


@pytest.mark.feature("P07")
async def test_a_server_runs_in_a_thread_with_a_loop_of_its_own(
    serve: Serve, loop_name: str
) -> None:
    """Beside one in the main thread; both answer, and each ends by itself."""
    loop = asyncio.get_running_loop()
    listening: asyncio.Future[Any] = loop.create_future()
    stop: list[Any] = []

    async def program() -> None:
        server = HTTPServer(site_of("thread"))
        server.listen(0, "127.0.0.1")
        end = asyncio.Event()
        stop.append((asyncio.get_running_loop(), end))
        loop.call_soon_threadsafe(listening.set_result, server.addresses[0])
        await end.wait()
        server.stop()
        await server.close_all_connections(timeout=5)

    def run() -> None:
        with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
            runner.run(program())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        address = await listening
        client = await Client.connect(address)
        main = await serve(site_of("main")).client()
        for _ in range(3):
            assert (await client.get()).text == "hello from thread"
            assert (await main.get()).text == "hello from main"
        client.close()
    finally:
        own_loop, end = stop[0]
        own_loop.call_soon_threadsafe(end.set)
        await loop.run_in_executor(None, thread.join)
    assert (await main.get()).text == "hello from main"


# -- certificates of clients -------------------------------------------------------------


class Certificate(RequestHandler):
    """Answers with the name in the client's certificate."""

    def get(self) -> None:
        certificate = self.request.get_ssl_certificate()
        assert not isinstance(certificate, bytes)
        names = [value for _, value in (certificate or {}).get("subjectAltName", ())]
        raw = self.request.get_ssl_certificate(binary_form=True)
        self.write({"names": names, "binary": len(raw or b"")})


@pytest.mark.feature("B23")
async def test_a_handler_sees_the_certificate_of_its_client(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that has none, or one of another authority, does not get as far."""
    authority, stranger = trustme.CA(), trustme.CA()
    chain, anchors = tmp_path / "server.pem", tmp_path / "clients.pem"
    issued = authority.issue_cert("localhost")
    chain.write_bytes(
        issued.private_key_pem.bytes() + b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    )
    authority.cert_pem.write_to_path(str(anchors))
    certificates = ServerCertificates(
        str(chain), client_certificates="required", client_ca=str(anchors)
    )
    site = serve([("/", Certificate)], ssl_options=certificates)

    def context(issuer: trustme.CA | None) -> ssl.SSLContext:
        made = ssl.create_default_context()
        authority.configure_trust(made)
        if issuer is not None:
            issuer.issue_cert("alice@example.org").configure_cert(made)
        return made

    client = await TLSClient.connect_tls(site.address, context(authority), "localhost")
    site.own(client)
    for _ in range(2):
        answer = await client.get()
        assert '"names": ["alice@example.org"]' in answer.text
        assert '"binary": 0' not in answer.text
    for issuer in (None, stranger):
        with pytest.raises(OSError, match=r"(?i)ssl|closed|reset"):
            await refused(site.address, context(issuer))
    assert (await client.get()).status == 200
    assert len(expect_log(caplog, "toolkit.general", "SSL Error .*(?i:certificate)")) == 2


async def refused(address: Any, context: ssl.SSLContext) -> None:
    """Ask by TLS, and raise what keeps the client from an answer."""
    client = await TLSClient.connect_tls(address, context, "localhost")
    try:
        await client.send(get())
        if not await client.read():
            raise ConnectionError("closed without an answer")
    finally:
        client.close()


async def test_a_client_without_tls_has_no_certificate(serve: Serve) -> None:
    answer = await serve([("/", Certificate)]).get()
    assert answer.text == '{"names": [], "binary": 0}'


# -- what is needed ----------------------------------------------------------------------

#: Imports the package with nothing but itself on the path, and lists what came from elsewhere.
FOREIGN = """
import sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
import toolkit.web, toolkit.httpserver, toolkit.wsgi, toolkit.httpclient
known = sys.stdlib_module_names | {"toolkit"}
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(name for name in roots - known if not name.startswith("_sysconfigdata")))
print(sorted(
    name for name, module in sys.modules.items()
    if (getattr(module, "__file__", None) or "").endswith((".so", ".pyd"))
    and name.partition(".")[0] not in sys.stdlib_module_names
))
"""


@pytest.mark.feature("T06", "T07")
def test_nothing_but_the_standard_library_is_loaded(tmp_path: Path) -> None:
    """No other package is needed, and nothing that was compiled."""
    (tmp_path / "toolkit").symlink_to(ROOT / "toolkit")
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", FOREIGN, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout.split("\n")[:2]) == (0, ["[]", "[]"]), ran.stderr


@pytest.mark.feature("T06", "T07")
def test_the_package_depends_on_certificates_alone() -> None:
    """And is built without a compiler."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = [requirement.split(">")[0] for requirement in project["project"]["dependencies"]]
    assert names == ["certifi"]
    assert "ext-modules" not in project.get("tool", {}).get("setuptools", {})
    compiled = {".c", ".pyx", ".rs", ".so", ".cpp"}
    assert not [path for path in (ROOT / "toolkit").rglob("*") if path.suffix in compiled]
