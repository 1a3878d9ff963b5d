"""`toolkit.testing`: cases with a loop, expected logs, ports, certificates and the runner."""

import asyncio
import importlib.util
import logging
import os
import shutil
import ssl
import subprocess
import sys
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.httpclient import HTTPError
from toolkit.ioloop import IOLoop
from toolkit.testing import (
    AsyncHTTPSTestCase,
    AsyncHTTPTestCase,
    AsyncTestCase,
    ExpectLog,
    bind_unused_port,
    gen_test,
    get_async_test_timeout,
    setup_with_context_manager,
)
from toolkit.testing.certificate import self_signed
from toolkit.web import Application, RequestHandler

ROOT = Path(__file__).parents[2]


def outcome(case: type[unittest.TestCase], name: str = "test") -> unittest.TestResult:
    """Run one test of a case."""
    result = unittest.TestResult()
    case(name).run(result)
    return result


# -- the loop of a case ------------------------------------------------------------------


def test_a_test_has_a_loop_that_ends_with_it() -> None:
    """It is the current one meanwhile; tasks are cancelled, generators and threads end."""
    seen: list[object] = []

    class Case(AsyncTestCase):
        def test(self) -> None:
            seen.append(self.io_loop)
            assert IOLoop.current() is self.io_loop
            self.io_loop.add_callback(self.leave_behind)
            self.io_loop.add_callback(self.stop)
            self.wait()

        async def leave_behind(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                seen.append("cancelled")

    assert outcome(Case).wasSuccessful()
    loop = seen[0]
    assert isinstance(loop, IOLoop)
    assert loop.asyncio_loop.is_closed()
    assert seen[1:] == ["cancelled"]
    assert IOLoop.current(instance=False) is None


def test_a_loop_that_was_there_before_stays_open() -> None:
    """A subclass may take the current one."""

    class Case(AsyncTestCase):
        def get_new_ioloop(self) -> IOLoop:
            loop = IOLoop.current()
            assert isinstance(loop, IOLoop)
            return loop

        def test(self) -> None:
            assert self.io_loop is before

    before = IOLoop()
    assert outcome(Case).wasSuccessful()
    assert IOLoop.current(instance=False) is before
    before.close()


def test_a_case_that_cannot_set_up_closes_its_loop() -> None:
    """Although there is no tearDown then."""
    loops: list[IOLoop] = []

    class Case(AsyncTestCase):
        def setUp(self) -> None:
            super().setUp()
            loops.append(self.io_loop)
            raise OSError

        def test(self) -> None: ...

    assert len(outcome(Case).errors) == 1
    assert loops[0].asyncio_loop.is_closed()


def test_wait_returns_what_stop_was_given() -> None:
    """Also when stop came first; with a condition it goes on until that is true."""

    class Case(AsyncTestCase):
        def test(self) -> None:
            self.stop(3)
            assert self.wait() == 3
            self.io_loop.add_callback(self.stop, a=1, b=2)
            assert self.wait() == {"a": 1, "b": 2}
            calls: list[int] = []

            def third_time() -> bool:
                calls.append(len(calls) + 1)
                self.io_loop.add_callback(self.stop, calls[-1] + 1)
                return len(calls) == 3

            self.io_loop.add_callback(self.stop, 1)
            assert self.wait(third_time) == 3
            assert self.wait() == 4
            with pytest.raises(TypeError, match="not both"):
                self.stop(1, a=2)
            with pytest.raises(AssertionError, match=r"timed out after 0\.001 seconds"):
                self.wait(timeout=0.001)

    result = outcome(Case)
    assert result.wasSuccessful(), result.errors


# -- gen_test ----------------------------------------------------------------------------


def test_a_coroutine_and_a_generator_are_run() -> None:
    """A generator may yield whatever can be awaited, lists and dicts of such too."""

    class Case(AsyncTestCase):
        @gen_test
        async def test_coroutine(self) -> None:
            await asyncio.sleep(0)
            raise LookupError("coroutine")

        @gen_test
        def test_generator(self) -> Iterator[object]:
            assert (yield asyncio.sleep(0, "slept")) == "slept"
            assert (yield [asyncio.sleep(0, 1), asyncio.sleep(0, 2)]) == [1, 2]
            assert (yield {"a": asyncio.sleep(0, 1)}) == {"a": 1}
            yield None
            try:
                yield self.fail_later()
            except OSError:
                raise LookupError("generator") from None

        async def fail_later(self) -> None:
            await asyncio.sleep(0)
            raise OSError

    for kind in ("coroutine", "generator"):
        (_, text), *_ = outcome(Case, f"test_{kind}").errors
        assert f"LookupError: {kind}" in text


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
def test_a_test_that_takes_too_long_shows_where_it_waits(kind: str) -> None:
    """The error names the limit and the line."""

    class Case(AsyncTestCase):
        @gen_test(timeout=0.01)
        async def test_coroutine(self) -> None:
            await asyncio.Event().wait()

        @gen_test(timeout=0.01)
        def test_generator(self) -> Iterator[object]:
            yield asyncio.Event().wait()

    (_, text), *_ = outcome(Case, f"test_{kind}").errors
    assert "TimeoutError: Operation timed out after 0.01 seconds" in text
    assert "asyncio.Event().wait()" in text


def test_a_timeout_of_the_tests_own_is_passed_on() -> None:
    """It is not taken for the limit of the test."""

    class Case(AsyncTestCase):
        @gen_test
        async def test(self) -> None:
            raise TimeoutError("my own")

    (_, text), *_ = outcome(Case).errors
    assert "TimeoutError: my own" in text


@pytest.mark.parametrize(("value", "expected"), [(None, 5), ("0.25", 0.25), ("soon", 5)])
def test_the_environment_says_how_long_tests_may_take(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: float
) -> None:
    """5 seconds where it says nothing, or no number."""
    monkeypatch.delenv("ASYNC_TEST_TIMEOUT", raising=False)
    if value is not None:
        monkeypatch.setenv("ASYNC_TEST_TIMEOUT", value)
    assert get_async_test_timeout() == expected


def test_a_context_lasts_for_the_test() -> None:
    """It is left after tearDown."""
    seen: list[str] = []

    class Context:
        def __enter__(self) -> str:
            return "entered"

        def __exit__(self, *_: object) -> None:
            seen.append("left")

    class Case(unittest.TestCase):
        def setUp(self) -> None:
            seen.append(setup_with_context_manager(self, Context()))

        def test(self) -> None:
            seen.append("test")

        def tearDown(self) -> None:
            seen.append("tearDown")

    assert outcome(Case).wasSuccessful()
    assert seen == ["entered", "test", "tearDown", "left"]


# -- logs --------------------------------------------------------------------------------

LOGGER = logging.getLogger("tests.expected")


def test_an_expected_record_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    """Others do; the message is matched from its beginning."""
    with ExpectLog(LOGGER, "the [a-z]+ one") as expected:
        LOGGER.warning("the %s one", "right")
        LOGGER.warning("not the right one")
        assert (expected.matched, expected.logged_stack) == (True, False)
        LOGGER.error("the failed one", exc_info=OSError())
        assert expected.logged_stack
    LOGGER.warning("the late one")
    assert caplog.messages == ["not the right one", "the late one"]


def test_an_expected_record_that_does_not_come_is_a_failure() -> None:
    """Unless it is not required, or the test has failed already."""
    with (
        pytest.raises(AssertionError, match=r"'tests\.expected' matched 'x'"),
        ExpectLog("tests.expected", "x"),
    ):
        pass
    with ExpectLog("tests.expected", "x", required=False):
        pass
    with pytest.raises(OSError), ExpectLog("tests.expected", "x"):
        raise OSError


def test_the_level_of_an_expected_record_counts(caplog: pytest.LogCaptureFixture) -> None:
    """The logger lets it through meanwhile; another level is another record."""
    LOGGER.setLevel(logging.ERROR)
    try:
        with ExpectLog(LOGGER, "x", level=logging.INFO) as expected:
            LOGGER.warning("x")
            assert not expected.matched
            LOGGER.info("x")
            assert expected.matched
        assert LOGGER.level == logging.ERROR
    finally:
        LOGGER.setLevel(logging.NOTSET)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_low_level_has_to_be_named() -> None:
    """Matching INFO without saying so is deprecated."""
    LOGGER.setLevel(logging.INFO)
    try:
        with pytest.warns(DeprecationWarning, match="below WARNING"), ExpectLog(LOGGER, "x"):
            LOGGER.info("x")
        with warnings.catch_warnings(), ExpectLog(LOGGER, "x"):
            warnings.simplefilter("error")
            LOGGER.warning("x")
    finally:
        LOGGER.setLevel(logging.NOTSET)


# -- ports and certificates --------------------------------------------------------------


def test_an_unused_port_is_listened_on() -> None:
    """Two calls give two ports."""
    first, second = bind_unused_port(), bind_unused_port(reuse_port=hasattr(os, "fork"))
    for sock, port in (first, second):
        assert sock.getsockname() == ("127.0.0.1", port)
        sock.close()
    assert first[1] != second[1]


@pytest.fixture
def fresh() -> Iterator[None]:
    """Have a certificate made anew, and again after the test."""
    self_signed.cache_clear()
    yield
    self_signed.cache_clear()


def handshake(options: dict[str, str], name: str) -> None:
    """Shake hands in memory, with a client that trusts the certificate alone."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(options["certfile"], options["keyfile"])
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(options["certfile"])
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for side in sides * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert sides[0].getpeercert()


@pytest.mark.parametrize("by", ["trustme", "openssl"])
@pytest.mark.usefixtures("fresh")
def test_a_certificate_for_localhost_is_made_once(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """By the library, or the program; a client that trusts it finds localhost's names."""
    if by == "openssl":
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    options = AsyncHTTPSTestCase.default_ssl_options()
    for name in ("localhost", "127.0.0.1"):
        handshake(options, name)
    assert AsyncHTTPSTestCase.default_ssl_options() == options


@pytest.mark.usefixtures("fresh")
def test_without_a_way_to_make_a_certificate_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither library nor program is there."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(RuntimeError, match="install trustme or the program openssl"):
        self_signed()


# -- the runner --------------------------------------------------------------------------

TESTS = """
import unittest
from toolkit.testing import main

class Case(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.fail()

def all():
    return unittest.TestSuite([Case("test_good")])

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("arguments", "status", "seen"),
    [
        (["-m", "toolkit.testing", "cases"], 1, "Ran 2 tests"),
        (["-m", "toolkit.testing", "--quiet", "cases.Case.test_good"], 0, "Ran 1 test"),
        (["-m", "toolkit.testing", "--verbose", "cases.Case.test_good"], 0, "test_good ("),
        (["-m", "toolkit.testing", "--exception-on-interrupt=no", "cases"], 1, "Ran 2 tests"),
        (["cases.py"], 0, "Ran 1 test"),
        (["cases.py", "Case.test_bad"], 1, "Ran 1 test"),
        (["cases.py", "cases.Case"], 1, "Ran 2 tests"),
        (["all_of_it.py"], 1, "Ran 2 tests"),
        (["all_of_it.py", "Unknown"], 1, "No module named 'Unknown'"),
    ],
)
def test_the_runner_runs_what_is_named_or_else_all(
    tmp_path: Path, arguments: list[str], status: int, seen: str
) -> None:
    """Exit status 1 says that a test failed."""
    (tmp_path / "cases.py").write_text(TESTS)
    (tmp_path / "all_of_it.py").write_text(TESTS.replace("def all", "def other"))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert seen in done.stderr


# -- cases with a server -----------------------------------------------------------------


class Greeting(RequestHandler):
    """Says hello, or fails."""

    def get(self, what: str) -> None:
        if what == "fail":
            self.set_status(418)
        self.write(f"hello from {self.request.protocol}")


@pytest.mark.feature("Q02", "Q03")
class TestHTTPCase(AsyncHTTPTestCase):
    """Fetches a path, a whole URL and an error."""

    def get_app(self) -> Application:
        return Application([(r"/(\w*)", Greeting)])

    def test(self) -> None:
        scheme = self.get_protocol()
        for path in ("/", self.get_url("/")):
            response = self.fetch(path)
            assert (response.code, response.body) == (200, f"hello from {scheme}".encode())
        with ExpectLog("toolkit.access", "418 GET"):
            assert self.fetch("/fail").code == 418
            with pytest.raises(HTTPError, match="418"):
                self.fetch("/fail", raise_error=True)


class TestHTTPSCase(AsyncHTTPSTestCase, TestHTTPCase):
    """The same over TLS."""


def test_a_busy_handler_does_not_hold_up_the_end() -> None:
    """It is cancelled with its connection."""
    seen: list[str] = []

    class Busy(RequestHandler):
        async def get(self) -> None:
            seen.append("began")
            try:
                await asyncio.Event().wait()
            finally:
                seen.append("cancelled")

    class Case(AsyncHTTPTestCase):
        def get_app(self) -> Application:
            return Application([("/", Busy)])

        @gen_test
        async def test(self) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", self.get_http_port())
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while not seen:
                await asyncio.sleep(0)
            self.writer = writer

        def tearDown(self) -> None:
            self.writer.transport.abort()
            super().tearDown()

    result = outcome(Case)
    assert result.wasSuccessful(), result.errors
    assert seen == ["began", "cancelled"]
