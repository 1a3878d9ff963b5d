"""`ApplicationTransport`: the client and an application without sockets, with faults."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.client.virtual import now, run
from tests.loops import expect_log
from toolkit.httpclient import AsyncHTTPClient, Part
from toolkit.httpclient.cookies import CookieJar
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.retry import Retry
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httpserver import HTTPServer
from toolkit.testing.application_transport import ApplicationTransport
from toolkit.testing.memory_streams import Faults
from toolkit.web import Application, RequestHandler
from toolkit.web.json_lines import send_json_lines

pytestmark = pytest.mark.feature("F26")


class EchoHandler(RequestHandler):
    """Says what it was asked."""

    def get(self) -> None:
        self.write(f"{self.request.method} {self.request.protocol} {self.request.host}")

    def post(self) -> None:
        self.write(self.request.body)


class FormHandler(RequestHandler):
    """Says what came in a form, and how."""

    def post(self) -> None:
        headers = self.request.headers
        files = {name: parts[0].body.decode() for name, parts in self.request.files.items()}
        framed = [headers.get("Content-Length"), headers.get("Transfer-Encoding")]
        self.write({"framed": framed, "files": files, "a": self.get_argument("a")})


class LoginHandler(RequestHandler):
    """Sets a cookie, and redirects to who wants to see it."""

    def get(self) -> None:
        self.set_cookie("sid", "7")
        self.redirect(self.get_argument("next"))


class CookieHandler(RequestHandler):
    """Says which cookie it got."""

    def get(self) -> None:
        self.write(self.get_cookie("sid", "none") or "")


class LinesHandler(RequestHandler):
    """Sends values as they come."""

    async def get(self) -> None:
        async def values() -> AsyncIterator[object]:
            for number in range(3):
                yield {"number": number}

        await send_json_lines(self, values())

    async def post(self) -> None:
        await send_json_lines(self, [1, object()])


class EventsHandler(RequestHandler):
    """Sends an event on each connection, and goes."""

    def get(self) -> None:
        last = int(self.request.headers.get("Last-Event-ID", "0"))
        if last == 3:
            self.set_status(204)
            return
        self.set_header("Content-Type", "text/event-stream")
        self.write(f"id: {last + 1}\nretry: 10\ndata: event {last + 1}\n\n")


APPLICATION = Application(
    [
        ("/", EchoHandler),
        ("/form", FormHandler),
        ("/login", LoginHandler),
        ("/cookie", CookieHandler),
        ("/lines", LinesHandler),
        ("/events", EventsHandler),
    ],
    log_function=lambda handler: None,
)


def client(application: Any = APPLICATION, **options: Any) -> AsyncHTTPClient:
    """Return a client of an application; options of the transport first."""
    names = ("requests", "responses")
    faults = {name: options.pop(name) for name in names if name in options}
    transport = ApplicationTransport(application, **faults)
    return AsyncHTTPClient(force_instance=True, transport=transport, **options)


def connections(of: Any) -> int:
    """Return how many connections were made."""
    return int(of.transport.connections)


@pytest.mark.feature("Q01")
async def test_the_application_answers_as_it_does_elsewhere() -> None:
    """Any host is its own, and connections are kept."""
    async with client() as http:
        response = await http.fetch("http://www.example.com/")
        assert response.body == b"GET http www.example.com"
        assert (await http.get("http://other/")).content == b"GET http other"
        data = b"x" * 1_000_000
        assert (await http.post("http://other/", content=data)).content == data
        assert (await http.get("http://other/none")).status == 404
        assert connections(http) == 2


async def test_a_server_need_not_listen() -> None:
    """Nor be one of the framework's; its options count."""
    server = HTTPServer(APPLICATION, content_limit=3, protocol="https")
    async with client(server) as http:
        assert (await http.get("https://a/")).content == b"GET https a"
        assert (await http.post("http://a/", content=b"abc")).content == b"abc"
        assert (await http.post("http://a/", content=b"abcd")).status == 413


@pytest.mark.feature("F07", "Q01")
@pytest.mark.parametrize("whole", [True, False])
async def test_a_form_goes_in_chunks_if_its_length_is_not_known(whole: bool) -> None:
    """Else it says how long it is."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with client() as http:
        part = Part(b"one two" if whole else pieces(), filename="f")
        response = await http.post("http://a/form", form={"a": "b"}, files={"f": part})
        found = await response.json()
    assert (found["files"], found["a"]) == ({"f": "one two"}, "b")
    length, coding = found["framed"]
    assert coding == (None if whole else "chunked")
    assert (length is not None) is whole


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("goes_to", "expected"), [("http://a/cookie", b"7"), ("http://b/cookie", b"none")]
)
async def test_cookies_go_along_a_redirect_to_their_own_host(goes_to: str, expected: bytes) -> None:
    """And to no other."""
    jar = CookieJar()
    async with client(cookie_jar=jar) as http:
        response = await http.get("http://a/login", params={"next": goes_to})
        assert (response.status, response.content) == (200, expected)
        assert jar.get("sid", "http://a/") == "7"
        assert (await http.get("http://a/cookie")).content == b"7"


@pytest.mark.feature("N05", "Q01")
async def test_values_come_line_by_line() -> None:
    """Each as it was sent; a value that cannot be sent cuts the answer off."""
    async with client() as http:
        async with http.stream("GET", "http://a/lines") as response:
            assert response.headers["Content-Type"] == "application/x-ndjson"
            numbers = response.json_lines(lambda value: int(value["number"]))
            assert [number async for number in numbers] == [0, 1, 2]
        async with http.stream("GET", "http://a/") as response:
            with pytest.raises(ValueError, match="line 1 is no JSON"):
                await anext(response.json_lines())


@pytest.mark.feature("N05")
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_value_that_json_has_not_cuts_the_answer_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """So that nobody takes half of it for the whole."""

    async def read() -> None:
        async with client() as http, http.stream("POST", "http://a/lines", content=b"") as response:
            async for value in response.json_lines():
                assert value == 1

    with pytest.raises((HTTPStreamClosedError, OSError)):
        await read()
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    expect_log(caplog, "toolkit.general", "after headers written")


@pytest.mark.feature("F21")
async def test_events_come_over_as_many_connections_as_it_takes() -> None:
    """The server says when it has no more."""
    async with client() as http, http.events("http://a/events") as events:
        assert [(event.id, event.data) async for event in events] == [
            ("1", "event 1"),
            ("2", "event 2"),
            ("3", "event 3"),
        ]


@pytest.mark.feature("Q09")
@pytest.mark.parametrize("split", [1, 2, 7])
async def test_small_pieces_change_nothing(split: int) -> None:
    """Either way."""
    faults = Faults(split=split)
    async with client(requests=faults, responses=faults) as http:
        for _ in range(2):
            assert (await http.post("http://a/", content=b"abc" * 10)).content == b"abc" * 10
        assert connections(http) == 1


@pytest.mark.feature("Q09")
@pytest.mark.parametrize(
    ("responses", "error"),
    [
        (Faults(reset_after=0), OSError),
        (Faults(reset_after=30), OSError),
        (Faults(end_after=0), HTTPStreamClosedError),
        (Faults(end_after=30), HTTPStreamClosedError),
        (Faults(reset_after=180), OSError),
        (Faults(end_after=180), HTTPStreamClosedError),
    ],
    ids=str,
)
async def test_a_connection_that_breaks_is_an_error(
    responses: Faults, error: type[Exception]
) -> None:
    """Wherever it does; a retry has another one."""
    async with client(responses=responses) as http:
        with pytest.raises(error):
            await http.put("http://a/", content=b"x" * 100)
    broken = [responses, responses, Faults()]
    async with client(responses=broken, middleware=[Retry(backoff=0.001)]) as http:
        response = await http.get("http://a/")
        assert response.content == b"GET http a"


@pytest.mark.feature("Q09")
def test_a_server_that_stalls_takes_as_long_as_it_may() -> None:
    """On a clock that jumps, that is no time."""

    async def main() -> None:
        timeout = Timeouts(whole=3600)
        async with client(responses=Faults(stall_after=20)) as http:
            with pytest.raises(HTTPTimeoutError):
                await http.get("http://a/", timeout=timeout)
            assert now() == 3600

    run(main)


@pytest.mark.feature("Q09")
async def test_a_request_that_is_cut_off_is_never_served() -> None:
    """The application does not see what may be half of it."""
    async with client(requests=Faults(end_after=60)) as http:
        response = await http.post("http://a/", content=b"abc" * 100)
        assert response.status == 400
