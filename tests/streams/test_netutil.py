"""`netutil`: listening sockets for a port and for a path, and what they accept."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loops import expect_log
from tests.streams.peers import until
from toolkit.netutil import (
    ACCEPTS_PER_TURN,
    add_accept_handler,
    bind_sockets,
    bind_unix_socket,
    is_valid_ip,
    sockets,
)


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    """Close after the test the sockets that are entered."""
    with contextlib.ExitStack() as stack:
        yield stack


def has_ipv6() -> bool:
    """Say whether this machine has the IPv6 loopback address."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::1", 0))
        return True
    return False


def bind(opened: contextlib.ExitStack, *args: object, **options: object) -> list[socket.socket]:
    """Call `bind_sockets`, and close at the end what it makes."""
    made = bind_sockets(*args, **options)  # type: ignore[arg-type]
    for sock in made:
        opened.enter_context(sock)
    return made


# -- TCP ---------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [None, "", "localhost"])
def test_port_0_gives_all_sockets_the_same_free_port(
    opened: contextlib.ExitStack, address: str | None
) -> None:
    sockets = bind(opened, 0, address)
    ports = {sock.getsockname()[1] for sock in sockets}
    assert len(ports) == 1
    assert ports != {0}
    families = [sock.family for sock in sockets]
    assert len(set(families)) == len(families)
    assert socket.AF_INET in families
    if address is None and has_ipv6():
        assert socket.AF_INET6 in families


def test_the_sockets_listen_without_blocking_and_are_not_inherited(
    opened: contextlib.ExitStack,
) -> None:
    [sock] = bind(opened, 0, "127.0.0.1")
    assert sock.getsockname()[0] == "127.0.0.1"
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert not sock.getblocking()
    assert not sock.get_inheritable()
    with pytest.raises(BlockingIOError):
        sock.accept()
    with socket.create_connection(sock.getsockname(), timeout=10):
        pass


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_family_can_be_chosen(opened: contextlib.ExitStack, family: socket.AddressFamily) -> None:
    if family == socket.AF_INET6 and not has_ipv6():
        pytest.skip("no IPv6 here")
    assert {sock.family for sock in bind(opened, 0, None, family)} == {family}


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_an_ipv6_socket_leaves_ipv4_to_others(opened: contextlib.ExitStack) -> None:
    [sock] = bind(opened, 0, "::", socket.AF_INET6)
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_flags_go_to_the_look_up(opened: contextlib.ExitStack) -> None:
    """Without AI_PASSIVE no address means the loopback one."""
    [sock] = bind(opened, 0, None, socket.AF_INET, flags=0)
    assert sock.getsockname()[0] == "127.0.0.1"


def test_a_used_port_is_an_error(opened: contextlib.ExitStack) -> None:
    [sock] = bind(opened, 0, "127.0.0.1")
    with pytest.raises(OSError, match="in use") as error:
        bind(opened, sock.getsockname()[1], "127.0.0.1")
    assert error.value.errno == errno.EADDRINUSE


def test_a_port_can_be_had_again_at_once(opened: contextlib.ExitStack) -> None:
    """Although connections of the server that ended linger in TIME_WAIT."""
    [sock] = bind_sockets(0, "127.0.0.1")
    address = sock.getsockname()
    client = opened.enter_context(socket.create_connection(address, timeout=10))
    sock.setblocking(True)
    served, _ = sock.accept()
    served.close()  # the first to close is the one that lingers
    assert client.recv(1) == b""
    client.close()
    sock.close()
    [again] = bind(opened, address[1], "127.0.0.1")
    assert again.getsockname() == address


def test_reuse_port_lets_several_listen_on_a_port(opened: contextlib.ExitStack) -> None:
    [first] = bind(opened, 0, "127.0.0.1", reuse_port=True)
    port = first.getsockname()[1]
    [second] = bind(opened, port, "127.0.0.1", reuse_port=True)
    assert second.getsockname() == first.getsockname()
    with pytest.raises(OSError, match="in use"):
        bind(opened, port, "127.0.0.1")


def test_reuse_port_is_an_error_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(ValueError, match="SO_REUSEPORT"):
        bind_sockets(0, "127.0.0.1", reuse_port=True)


@pytest.mark.parametrize(
    ("address", "family"),
    [
        ("192.0.2.1", socket.AF_UNSPEC),  # for documentation (RFC 5737), so of no machine
        ("::1", socket.AF_INET),
        ("127.0.0.1", socket.AF_INET6),
        ("no address", socket.AF_UNSPEC),
    ],
)
def test_an_address_that_cannot_be_had_is_an_error(
    address: str, family: socket.AddressFamily
) -> None:
    with pytest.raises(OSError):
        bind_sockets(0, address, family)


def test_no_address_at_all_is_an_error() -> None:
    """Addresses of IPv6 that the system lacks are passed over, but something must be left."""
    with pytest.raises(OSError) as error:
        bind_sockets(0, "2001:db8::1")  # for documentation (RFC 3849)
    assert error.value.errno == errno.EADDRNOTAVAIL


# -- Unix sockets ------------------------------------------------------------------------


def mode(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_unix_socket_listens_without_blocking(
    opened: contextlib.ExitStack, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    sock = opened.enter_context(bind_unix_socket(str(path)))
    assert sock.getsockname() == str(path)
    assert not sock.getblocking()
    assert not sock.get_inheritable()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("wanted", [None, 0o600, 0o660, 0o666])
def test_a_unix_socket_has_the_mode_asked_for(
    opened: contextlib.ExitStack, tmp_path: Path, wanted: int | None
) -> None:
    """Only its owner may use it by default, whatever the umask."""
    path = tmp_path / "socket"
    umask = os.umask(0o027)
    try:
        if wanted is None:
            opened.enter_context(bind_unix_socket(str(path)))
        else:
            opened.enter_context(bind_unix_socket(str(path), wanted))
    finally:
        os.umask(umask)
    assert mode(path) == (wanted or 0o600)


def test_a_socket_left_behind_is_replaced(opened: contextlib.ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    bind_unix_socket(str(path)).close()
    assert path.is_socket()
    opened.enter_context(bind_unix_socket(str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("kind", ["file", "folder", "link to a file", "dangling link"])
def test_what_is_no_socket_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "socket"
    target = tmp_path / "target"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to(target)
        if kind == "link to a file":
            target.write_text("precious")
    with pytest.raises(ValueError, match="is not a socket"):
        bind_unix_socket(str(path))
    if kind == "folder":
        assert path.is_dir()
    elif kind != "dangling link":
        assert path.read_text() == "precious"
    else:
        assert path.is_symlink()


@pytest.mark.parametrize("kind", [str, bytes, Path])
def test_a_path_may_be_of_any_type(
    opened: contextlib.ExitStack, tmp_path: Path, kind: type
) -> None:
    path = tmp_path / "socket"
    given = os.fsencode(path) if kind is bytes else kind(path)
    for _ in range(2):  # the second one replaces the first
        opened.enter_context(bind_unix_socket(given))
    assert path.is_socket()


def test_a_path_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bind_unix_socket(str(tmp_path / "missing" / "socket"))
    with pytest.raises(OSError, match="too long"):
        bind_unix_socket(str(tmp_path / ("x" * 200)))


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="abstract names are Linux's")
@pytest.mark.parametrize("kind", [str, bytes])
def test_an_abstract_name_makes_no_file(
    opened: contextlib.ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"\0toolkit-test-{os.getpid()}"
    name = text if kind is str else text.encode()
    sock = opened.enter_context(bind_unix_socket(name))
    assert sock.getsockname() == text.encode()
    assert list(tmp_path.iterdir()) == []
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
    with pytest.raises(OSError, match="in use"):
        bind_unix_socket(name)


# -- accepting ---------------------------------------------------------------------------


class Listener(socket.socket):
    """A listening socket that counts what is accepted, and fails when it is told to."""

    def __init__(self, *errors: int) -> None:
        super().__init__()
        self.setblocking(False)
        self.bind(("127.0.0.1", 0))
        self.listen(256)
        self.errors = list(errors)
        self.calls = 0

    def accept(self) -> tuple[socket.socket, object]:
        """Accept, or raise the next one of the errors."""
        self.calls += 1
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


class Accepted:
    """Keeps the connections that an accept handler passes on."""

    def __init__(self, opened: contextlib.ExitStack) -> None:
        self.opened = opened
        self.connections: list[socket.socket] = []
        self.addresses: list[object] = []

    def __call__(self, connection: socket.socket, address: object) -> None:
        """Keep a connection."""
        self.opened.enter_context(connection)
        self.connections.append(connection)
        self.addresses.append(address)

    async def have(self, count: int) -> None:
        """Wait until there are so many."""
        await until(lambda: len(self.connections) == count)


@pytest.fixture
def accepted(opened: contextlib.ExitStack) -> Accepted:
    """Return a callback for `add_accept_handler`."""
    return Accepted(opened)


def call(opened: contextlib.ExitStack, listener: socket.socket) -> socket.socket:
    """Connect to a listening socket, which need not accept yet."""
    return opened.enter_context(socket.create_connection(listener.getsockname(), timeout=10))


async def turns(count: int = 20) -> None:
    """Let the loop turn, so that what is due happens."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_accept_handler_gets_each_connection_and_its_address(
    opened: contextlib.ExitStack, accepted: Accepted
) -> None:
    listener = opened.enter_context(Listener())
    remove = add_accept_handler(listener, accepted)
    clients = [call(opened, listener) for _ in range(3)]
    await accepted.have(3)
    assert accepted.addresses == [client.getsockname() for client in clients]
    assert not any(connection.get_inheritable() for connection in accepted.connections)
    clients[0].sendall(b"ping")
    accepted.connections[0].setblocking(False)
    assert await asyncio.get_running_loop().sock_recv(accepted.connections[0], 10) == b"ping"
    remove()


async def test_the_returned_function_ends_it(
    opened: contextlib.ExitStack, accepted: Accepted
) -> None:
    """Called twice it does no more."""
    listener = opened.enter_context(Listener())
    remove = add_accept_handler(listener, accepted)
    remove()
    remove()
    call(opened, listener)
    await turns()
    assert listener.calls == 0
    add_again = add_accept_handler(listener, accepted)
    await accepted.have(1)
    add_again()


async def test_the_callback_may_end_it(opened: contextlib.ExitStack) -> None:
    """Connections that wait then stay with the socket."""
    listener = opened.enter_context(Listener())
    for _ in range(3):
        call(opened, listener)
    taken = []

    def take(connection: socket.socket, address: object) -> None:
        taken.append(opened.enter_context(connection))
        remove()

    remove = add_accept_handler(listener, take)
    await turns()
    assert len(taken) == 1


async def test_a_crowd_does_not_keep_the_loop_from_its_turns(
    opened: contextlib.ExitStack, accepted: Accepted
) -> None:
    listener = opened.enter_context(Listener())
    for _ in range(ACCEPTS_PER_TURN + 10):
        call(opened, listener)
    remove = add_accept_handler(listener, accepted)
    await until(lambda: len(accepted.connections) > 0)
    assert len(accepted.connections) == ACCEPTS_PER_TURN
    await accepted.have(ACCEPTS_PER_TURN + 10)
    remove()


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.EPERM])
async def test_a_connection_that_is_gone_already_is_passed_over(
    opened: contextlib.ExitStack, accepted: Accepted, number: int
) -> None:
    listener = opened.enter_context(Listener(number, number))
    remove = add_accept_handler(listener, accepted)
    call(opened, listener)
    await accepted.have(1)
    remove()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_a_system_that_lacks_something_is_not_asked_again_at_once(
    opened: contextlib.ExitStack,
    accepted: Accepted,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is asked again after a pause, and logged once until a connection is accepted."""
    monkeypatch.setattr(sockets, "ACCEPT_PAUSE", 0.02)
    listener = opened.enter_context(Listener(number, number, number))
    remove = add_accept_handler(listener, accepted)
    call(opened, listener)
    await until(lambda: listener.calls == 1)
    await turns()
    assert listener.calls == 1
    await accepted.have(1)
    [record] = expect_log(caplog, "toolkit.general", "Cannot accept connections")
    assert os.strerror(number) in record.getMessage()
    listener.errors = [number]
    call(opened, listener)
    await accepted.have(2)
    records = expect_log(caplog, "toolkit.general", "Cannot accept connections")
    assert len(records) == 2
    remove()


async def test_real_exhaustion_of_descriptors_is_survived(
    opened: contextlib.ExitStack,
    accepted: Accepted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(sockets, "ACCEPT_PAUSE", 0.02)
    listener = opened.enter_context(Listener())
    call(opened, listener)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        remove = add_accept_handler(listener, accepted)
        await until(lambda: listener.calls >= 1)
        await turns()
        assert not accepted.connections
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    await accepted.have(1)
    expect_log(caplog, "toolkit.general", "Too many open files")
    remove()


async def test_ending_it_in_a_pause_ends_the_pause(
    opened: contextlib.ExitStack,
    accepted: Accepted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When it would be over, nobody watches the socket."""
    monkeypatch.setattr(sockets, "ACCEPT_PAUSE", 0.01)
    listener = opened.enter_context(Listener(errno.EMFILE))
    remove = add_accept_handler(listener, accepted)
    call(opened, listener)
    await until(lambda: listener.calls == 1)
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, over.set)
    remove()
    expect_log(caplog, "toolkit.general", "trying again each 0.01 seconds")
    await over.wait()
    await turns()
    remove_again = add_accept_handler(listener, accepted)
    await accepted.have(1)
    remove_again()


async def test_a_socket_that_is_no_good_is_given_up(
    opened: contextlib.ExitStack, accepted: Accepted, caplog: pytest.LogCaptureFixture
) -> None:
    """It would only fail again, as fast as the loop turns."""
    listener = opened.enter_context(Listener(errno.EINVAL))
    remove = add_accept_handler(listener, accepted)
    call(opened, listener)
    await until(lambda: listener.calls == 1)
    await turns()
    assert listener.calls == 1
    expect_log(caplog, "toolkit.general", "Accepting no more connections")
    remove()


async def test_what_a_callback_raises_is_logged_and_others_are_served(
    opened: contextlib.ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    listener = opened.enter_context(Listener())
    served = []

    def serve(connection: socket.socket, address: object) -> None:
        served.append(opened.enter_context(connection))
        if len(served) == 1:
            raise RuntimeError("not this one")

    remove = add_accept_handler(listener, serve)
    for _ in range(2):
        call(opened, listener)
    await until(lambda: len(served) == 2)
    expect_log(caplog, "toolkit.application", "Error in accept callback")
    remove()


# -- IP addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:DB8::1", "::ffff:1.2.3.4"],
)
def test_an_ip_address_is_valid(text: str) -> None:
    assert is_valid_ip(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\n", "\0", "localhost", "www.example.com", "a" * 100, "1", "127.1", "1.2.3",
        "1.2.3.256", "1.2.3.4.5", "01.2.3.4", "0x7f.0.0.1", "2130706433", "1.2.3.4\0",
        " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "1.2.3.4:80", "1.2.3.4/8", "[::1]", "::1::",
        "12345::", ":", "::1%no such zone", "%", "::1%\0", "\ud800", "١.2.3.4", "é%é",
    ],
)  # fmt: skip
def test_what_is_no_full_ip_address_is_not_valid(text: str) -> None:
    assert not is_valid_ip(text)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_an_address_may_name_a_zone_that_is_there() -> None:
    name = socket.if_nameindex()[0][1]
    assert is_valid_ip(f"fe80::1%{name}")
    assert not is_valid_ip("fe80::1%nosuchzone")
