"""A handler that blocks the loop is named by the watchdog, with its request."""

import logging
import threading

import pytest

from tests.loops import expect_log
from toolkit.ioloop import Watchdog
from toolkit.iostream import IOStream
from toolkit.tcpclient import TCPClient
from toolkit.web import Application, RequestHandler


class Reported(logging.Handler):
    """Tells when something was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note."""
        self.event.set()


REPORTED = Reported()


class SlowHandler(RequestHandler):
    """Blocks until the watchdog has said so."""

    def get(self, number: str) -> None:
        assert REPORTED.event.wait(20)
        self.write(number)


@pytest.mark.feature("A06")
async def test_the_report_names_the_handler_and_its_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    REPORTED.event.clear()
    logger = logging.getLogger("toolkit.general")
    logger.addHandler(REPORTED)
    server = Application([(r"/slow/([0-9]+)", SlowHandler)]).listen(0, "127.0.0.1")
    try:
        with Watchdog(0.02):
            client: IOStream = await TCPClient().connect(*server.addresses[0])
            async with client:
                await client.write(b"GET /slow/7?x=1 HTTP/1.1\r\nHost: h\r\n\r\n")
                assert b"200 OK" in await client.read_until(b"\r\n\r\n7")
    finally:
        logger.removeHandler(REPORTED)
        await server.shutdown()
    first = expect_log(caplog, "toolkit.general", "SlowHandler on GET /slow/7 ")[0].getMessage()
    assert "assert REPORTED.event.wait(20)" in first
    expect_log(caplog, "toolkit.general", "was blocked for")
