"""`splice`: bytes go from socket to socket, and none is lost or gets to somebody else."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.streams.peers import pattern
from toolkit.iostream import splicing

pytestmark = pytest.mark.skipif(not splicing.AVAILABLE, reason="only Linux has it")

Ends = tuple[socket.socket, socket.socket, socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Give a sender, the source beside it, the target, and its receiver."""
    pairs = (*socket.socketpair(), *socket.socketpair())
    for sock in pairs:
        sock.setblocking(False)
    yield pairs
    for sock in pairs:
        sock.close()


def splice(source: socket.socket, target: socket.socket) -> tuple[int, bytes]:
    return splicing.splice(source.fileno(), target.fileno())


def test_it_moves_what_has_come(ends: Ends) -> None:
    sender, source, target, receiver = ends
    assert splice(source, target) == (0, b"")
    sender.send(b"data")
    assert splice(source, target) == (4, b"")
    assert receiver.recv(10) == b"data"
    sender.close()
    assert splice(source, target) == (0, b"")
    assert source.recv(10) == b""  # the end is left for who reads


def test_what_the_target_does_not_take_is_given_back(ends: Ends) -> None:
    sender, source, target, receiver = ends
    target.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    data = pattern(0, 100_000)
    assert sender.send(data) == len(data)
    sent, rest = splice(source, target)
    assert 0 < sent < len(data)
    assert receiver.recv(len(data)) + rest == data


def test_what_a_broken_target_does_not_take_is_given_back(ends: Ends) -> None:
    sender, source, target, receiver = ends
    receiver.close()
    sender.send(b"data")
    assert splice(source, target) == (0, b"data")


def test_what_a_failure_leaves_in_the_pipe_gets_to_nobody(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    sender, source, target, _ = ends
    target.shutdown(socket.SHUT_WR)
    sender.send(b"secret")
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            splice(source, target)
    left, right = socket.socketpair()
    with left, right:
        sender.send(b"other")
        assert splice(source, left) == (5, b"")
        assert right.recv(100) == b"other"


def test_without_descriptors_nothing_is_moved(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(24, "Too many open files")

    sender, source, target, _ = ends
    sender.send(b"data")
    splicing._kept.__dict__.clear()
    monkeypatch.setattr(os, "pipe2", fail)
    assert splice(source, target) == (0, b"")
    assert source.recv(10) == b"data"


FORKING = """
import os, socket
from toolkit.iostream import splicing

sender, source = socket.socketpair()
splicing.splice(source.fileno(), sender.fileno())
assert splicing._kept.__dict__
if os.fork():
    _, status = os.wait()
    assert status == 0
    assert splicing._kept.__dict__
else:
    os._exit(len(splicing._kept.__dict__))
"""


def test_a_child_has_a_pipe_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKING], check=True)
