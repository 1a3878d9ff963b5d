"""Request ids: taken from those who may give them, else made, and found in every line."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.client import Serve
from toolkit.http1connection import ConnectionContext, Exchange
from toolkit.httpserver.access import AccessLog
from toolkit.httpserver.request_ids import WELL_FORMED, RequestIDs, random_id
from toolkit.log import LogFormatter, RequestIDFilter, app_log, request_id
from toolkit.web import RequestHandler
from toolkit.wire.events import RequestHead, ResponseHead

pytestmark = pytest.mark.feature("S03")

PEER = ("10.0.0.1", 4711)


def found(ids: RequestIDs, *values: str, peer: Any = PEER, header: str = "x-request-id") -> str:
    """Return the id of a request that has these in its header."""
    head = RequestHead("GET", "/", [("host", "h"), *((header, value) for value in values)])
    return ids(head, ConnectionContext(peer, "9.9.9.9", "http"))


GOOD = [
    "a",
    "x" * 128,
    "0b9e7b1c-64e4-4f6e-8a69-0f6f4d4f3d2a",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "Root=1-67891233-abcdef012345678912345678",
    "YWJj+/==",
    "a.b_c~d:e@f",
]
BAD = [
    "",
    "x" * 129,
    "a b",
    "a,b",
    "a;b",
    'a"b',
    "a\\b",
    "a\nb",
    "a\n",
    "\x1b[31m",
    "a\x00",
    "<script>",
    "${jndi}",
    "caf\xe9",
    "\u0661",
    "x" * 100_000,
]


@pytest.mark.parametrize("given", GOOD)
def test_an_id_that_is_well_formed_is_taken(given: str) -> None:
    assert found(RequestIDs(accept=True), given) == given


@pytest.mark.parametrize("given", BAD, ids=range(len(BAD)))
def test_an_id_that_is_not_well_formed_is_made_anew(given: str) -> None:
    """It goes into logs and answers: log injection."""
    made = found(RequestIDs(accept=True), given)
    assert made != given
    assert WELL_FORMED.fullmatch(made)


def test_of_two_ids_none_is_taken() -> None:
    assert found(RequestIDs(accept=True), "a", "b") not in ("a", "b")
    assert found(RequestIDs(accept=True), "a", "a") != "a"


@pytest.mark.parametrize(
    ("accept", "peer", "taken"),
    [
        ((), PEER, False),
        (False, PEER, False),
        (True, PEER, True),
        (True, "", True),
        (["10.0.0.0/8"], PEER, True),
        (["10.0.0.0/8"], ("::ffff:10.0.0.1", 1, 0, 0), True),
        (["10.0.0.0/8"], ("9.9.9.9", 1), False),
        (["9.9.9.9"], PEER, False),
        (["10.0.0.0/8"], "", False),
        (["unix"], "", True),
        (["unix"], PEER, False),
    ],
)
def test_an_id_is_taken_from_peers_that_are_named(accept: Any, peer: Any, taken: bool) -> None:
    """It is the peer's own address that counts, not what it says of its client."""
    assert (found(RequestIDs(accept=accept), "given", peer=peer) == "given") == taken


def test_ids_that_are_made_are_all_different() -> None:
    ids = RequestIDs()
    made = {found(ids) for _ in range(1000)} | {random_id() for _ in range(1000)}
    assert len(made) == 2000
    assert all(len(one) == 32 and WELL_FORMED.fullmatch(one) for one in made)


def test_header_and_maker_may_be_chosen() -> None:
    ids = RequestIDs("X-Trace", accept=True, make=iter(["1", "2"]).__next__)
    assert ids.header == "X-Trace"
    assert found(ids, "given", header="x-trace") == "given"
    assert (found(ids, "given"), found(ids)) == ("1", "2")


@pytest.mark.parametrize("header", ["", "X Request", "X:", "X\r\nY", "\xe9"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="a token is allowed"):
        RequestIDs(header)


@pytest.mark.parametrize("accept", ["10.0.0.1", ["localhost"]])
def test_peers_that_are_none_are_refused(accept: Any) -> None:
    with pytest.raises(ValueError):
        RequestIDs(accept=accept)


def test_an_id_that_is_made_badly_goes_nowhere() -> None:
    with pytest.raises(ValueError, match=r"request id 'a\\r\\nSet-Cookie: b'; .* is allowed"):
        found(RequestIDs(make=lambda: "a\r\nSet-Cookie: b"))


# -- on sockets --------------------------------------------------------------------------


class Lines(logging.Handler):
    """Keeps formatted lines, each with the id of its request."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(LogFormatter("%(request_id)s %(message)s", color=False))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """What the application logs."""
    caplog.set_level(logging.INFO, "toolkit.application")
    handler = Lines()
    app_log.addHandler(handler)
    yield handler
    app_log.removeHandler(handler)


class Busy(RequestHandler):
    """Logs before it waits, after it, in a task and in a thread."""

    async def get(self) -> None:
        app_log.info("begun")
        await asyncio.sleep(0)
        app_log.info("waited")
        await asyncio.create_task(self.other())
        await asyncio.to_thread(app_log.info, "thread")
        self.write(request_id.get())

    async def other(self) -> None:
        app_log.info("task")


class Quick(RequestHandler):
    """Answers without waiting."""

    def get(self) -> None:
        app_log.info("quick")
        self.write(request_id.get())


RULES: list[Any] = [("/", Busy), ("/quick", Quick)]


async def test_an_id_is_in_every_line_and_in_the_answer(serve: Serve, lines: Lines) -> None:
    answer = await serve(RULES, request_ids=True).get()
    made = answer.text
    assert WELL_FORMED.fullmatch(made)
    assert answer.get("x-request-id") == made
    messages = ["begun", "waited", "task", "thread"]
    assert lines.lines == [f"{made} {message}" for message in messages]


async def test_each_request_of_a_connection_has_its_own(serve: Serve, lines: Lines) -> None:
    """And none is left when it is over."""
    site = serve(RULES, request_ids=True)
    client = await site.client()
    made = []
    for target in ["/quick", "/", "/quick", "/", "/nothing", "/quick"]:
        answer = await client.get(target)
        made.append(answer.get("x-request-id"))
        assert answer.status == 404 or answer.text == made[-1]
        app_log.info("outside")
    assert len(set(made)) == 6
    assert lines.lines.count("- outside") == 6
    assert {line.split()[0] for line in lines.lines} == {made[0], *made[1:4], made[5], "-"}


async def test_requests_that_overlap_are_told_apart(serve: Serve, lines: Lines) -> None:
    both, meet = asyncio.Event(), asyncio.Event()

    class Meet(RequestHandler):
        async def get(self, name: str) -> None:
            (both if meet.is_set() else meet).set()
            await both.wait()
            app_log.info(name)

    site = serve([("/(.)", Meet)], request_ids=True)
    first, second = await asyncio.gather(site.get("/a"), site.get("/b"))
    expected = {f"{first.get('x-request-id')} a", f"{second.get('x-request-id')} b"}
    assert set(lines.lines) == expected
    assert len(expected) == 2


async def test_without_the_option_there_are_none(serve: Serve, lines: Lines) -> None:
    answer = await serve(RULES).get("/quick", "X-Request-ID: given\r\n")
    assert (answer.text, answer.get("x-request-id")) == ("", None)
    assert lines.lines == ["- quick"]


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"request_ids": True}, False),
        ({"request_ids": True, "trusted_proxies": ["127.0.0.1"]}, True),
        ({"request_ids": True, "trusted_proxies": ["10.0.0.0/8"]}, False),
        ({"request_ids": True, "xheaders": True}, False),
        ({"request_ids": RequestIDs(accept=True)}, True),
        ({"request_ids": RequestIDs(), "trusted_proxies": ["127.0.0.1"]}, False),
    ],
)
async def test_ids_of_trusted_proxies_are_taken(
    serve: Serve, options: dict[str, Any], taken: bool
) -> None:
    site = serve(RULES, **options)
    answer = await site.get("/quick", "X-Request-ID: given\r\nX-Forwarded-For: 127.0.0.1\r\n")
    assert (answer.text == "given") == taken
    assert answer.get("x-request-id") == answer.text


async def test_the_header_may_have_another_name(serve: Serve) -> None:
    site = serve(RULES, request_ids=RequestIDs("X-Trace", make=lambda: "made"))
    answer = await site.get("/quick")
    assert (answer.text, answer.get("x-trace"), answer.get("x-request-id")) == (
        "made",
        "made",
        None,
    )


async def test_the_access_log_has_the_id(serve: Serve) -> None:
    """In its line, and in its record for a format around it."""
    logger, handler = logging.Logger("test", logging.INFO), Lines()
    logger.addHandler(handler)
    handler.addFilter(RequestIDFilter())
    site = serve(RULES, request_ids=True, access_log=AccessLog("%L %>s", logger))
    made = (await site.get("/quick")).get("x-request-id")
    await site.server.close_all_connections()
    assert handler.lines == [f"{made} {made} 200"]


async def test_an_answer_in_pieces_and_a_bare_application_have_it_too(serve: Serve) -> None:
    class Bare:
        async def handle_exchange(self, exchange: Exchange) -> None:
            exchange.start(ResponseHead(200, [("Content-Length", "32")]))
            exchange.send(exchange.request_id.encode())
            exchange.finish()

    answer = await serve(Bare(), request_ids=True).get()
    assert answer.get("x-request-id") == answer.text
