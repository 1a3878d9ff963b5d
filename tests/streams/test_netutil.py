"""`netutil`: listening sockets for a port, and for a path."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.netutil import bind_sockets, bind_unix_socket


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


def test_a_path_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bind_unix_socket(str(tmp_path / "missing" / "socket"))
    with pytest.raises(OSError, match="too long"):
        bind_unix_socket(str(tmp_path / ("x" * 200)))


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="abstract names are Linux's")
def test_an_abstract_name_makes_no_file(
    opened: contextlib.ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"\0toolkit-test-{os.getpid()}"
    sock = opened.enter_context(bind_unix_socket(name))
    assert sock.getsockname() == name.encode()
    assert list(tmp_path.iterdir()) == []
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
    with pytest.raises(OSError, match="in use"):
        bind_unix_socket(name)
