"""The showcase finishes what it began when it is told to stop."""

import contextlib
import http.client
import signal
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.demos.process import TIMEOUT, Demo, check_clean, running

SIGNALS = [signal.SIGINT, signal.SIGTERM]
HEAD = b"Host: localhost\r\n\r\n"


@contextlib.contextmanager
def idle(demo: Demo) -> Iterator[socket.socket]:
    """Open a connection that has got an answer and then stays idle."""
    with demo.connect() as sock:
        sock.sendall(b"PUT /put/x HTTP/1.1\r\nContent-Length: 0\r\n" + HEAD)
        answer = b""
        while not answer.endswith(b"x: 0 bytes\n"):
            piece = sock.recv(1000)
            assert piece, answer
            answer += piece
        yield sock


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_right_after_the_start_is_a_clean_end(number: signal.Signals) -> None:
    """Whoever has read the line may stop the demo."""
    with running("showcase") as demo:
        demo.signal(number)
        check_clean(demo.ended())


@pytest.mark.parametrize("number", SIGNALS)
def test_an_answer_under_way_is_completed(number: signal.Signals) -> None:
    """After the signal the rest comes, then the end of the program."""
    with (
        running("showcase") as demo,
        idle(demo) as sock,
        closing(http.client.HTTPConnection("127.0.0.1", demo.port, timeout=TIMEOUT)) as client,
    ):
        client.request("GET", "/count?to=5")
        with client.getresponse() as response:
            assert response.readline() == b"1\n"
            demo.signal(number)
            # That an idle connection is closed tells that the signal was seen.
            assert sock.recv(1) == b""
            assert demo.refuses()
            # A body that is cut short would raise IncompleteRead.
            assert response.read() == b"2\n3\n4\n5\n"
        check_clean(demo.ended())


@pytest.mark.parametrize("number", SIGNALS)
def test_no_connection_is_taken_while_a_request_is_under_way(number: signal.Signals) -> None:
    """The program waits for the rest of an upload, which is answered, and for nobody else."""
    with running("showcase") as demo, idle(demo) as other, demo.connect() as sock:
        with sock.makefile("rb") as stream:
            sock.sendall(
                b"PUT /put/x HTTP/1.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n" + HEAD
            )
            assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
            demo.signal(number)
            assert other.recv(1) == b""
            assert demo.refuses()
            assert demo.alive
            sock.sendall(bytes(10))
            answer = stream.read()
        assert answer.startswith(b"\r\nHTTP/1.1 200 OK\r\n")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(b"\r\n\r\nx: 10 bytes\n")
        check_clean(demo.ended())


@pytest.mark.parametrize("number", SIGNALS)
def test_an_idle_client_does_not_hold_the_end_up(number: signal.Signals) -> None:
    """Its connection is closed, and the program ends although the client keeps its side."""
    with running("showcase") as demo, idle(demo) as sock:
        demo.signal(number)
        check_clean(demo.ended())
        assert sock.recv(1) == b""
