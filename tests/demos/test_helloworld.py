"""The smallest application answers, and ends when it is interrupted."""

import http.client
import signal
from contextlib import closing

import pytest

from tests.demos.process import SIGNALS, TIMEOUT, Demo, check_clean, running


def ask(demo: Demo, method: str, path: str) -> tuple[int, bytes]:
    """Send one request and return status and content of its answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", demo.port, timeout=TIMEOUT)) as client:
        client.request(method, path)
        answer = client.getresponse()
        return answer.status, answer.read()


def test_it_greets_and_ends_on_interrupt() -> None:
    """GET gives the text, other paths and methods their errors, SIGINT a clean end."""
    with running("helloworld") as demo:
        assert ask(demo, "GET", "/") == (200, b"Hello, world")
        assert ask(demo, "GET", "/else")[0] == 404
        assert ask(demo, "POST", "/")[0] == 405
        assert ask(demo, "GET", "/") == (200, b"Hello, world")
        demo.signal(signal.SIGINT)
        end = demo.ended()
    assert end.status == 0, end.stderr
    assert "Traceback" not in end.stderr


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_right_after_the_start_is_a_clean_end(number: signal.Signals) -> None:
    """Whoever has read the line may stop the demo."""
    with running("helloworld") as demo:
        demo.signal(number)
        check_clean(demo.ended())


@pytest.mark.parametrize("number", SIGNALS)
def test_an_open_connection_does_not_hold_the_end_up(number: signal.Signals) -> None:
    """The program ends while a client keeps its connection, which is closed."""
    with running("helloworld") as demo, demo.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        demo.signal(number)
        check_clean(demo.ended())
        assert stream.read().endswith(b"\r\n\r\nHello, world")
