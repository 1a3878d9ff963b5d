"""A client's short ways: answers that come whole, and requests whose fields were sent before."""

import pytest

from tests.wire.feeding import Said, describe
from tests.wire.test_http1_memory import forget, kept
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import CLOSED, NEED_DATA, PAUSED, Data, RequestHead, ResponseHead
from toolkit.wire.http1 import CLIENT, SERVER, Limits, Machine
from toolkit.wire.http1.memory import LONGEST

HOST = ("Host", "h")
GET = RequestHead("GET", "/", [HOST])
HEAD = RequestHead("HEAD", "/", [HOST])


def asked(request: RequestHead = GET, limits: Limits | None = None) -> Machine:
    """Return a machine that has sent a request."""
    machine = Machine(CLIENT, limits or Limits())
    machine.send_head(request, b"", True)
    return machine


def heard(machine: Machine, pieces: list[bytes], short: bool) -> list[Said]:
    """Return what a machine says of an answer, with `read_answer` asked first or not."""
    said: list[Said] = []
    content = b""

    def take(data: bytes) -> None:
        nonlocal content
        content += data

    try:
        for piece in pieces:
            machine.receive(piece)
            while True:
                answer = machine.read_answer() if short else None
                if answer is not None:
                    said.append(describe(answer[0]))
                    if answer[1] is not None:
                        take(answer[1])
                        break
                event = machine.next_event()
                if isinstance(event, Data):
                    take(event.data)
                elif isinstance(event, ResponseHead):
                    said.append(describe(event))
                elif event is NEED_DATA or event is CLOSED or event is PAUSED:
                    break
    except RemoteProtocolError as error:
        said.append((str(error), error.status))
    return [*said, (content, machine.idle, machine.finished, machine.keep_alive)]


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + 99 * b"y",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    b"HTTP/1.1 204 No\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 103 E\r\n\r\n" * 99,
    b"HTTP/1.1 999 \r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/3 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + LONGEST * b"y" + b"\r\nConnection: " + LONGEST * b"z" + b"\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "CONNECT"])
@pytest.mark.parametrize("raw", ANSWERS, ids=range(len(ANSWERS)))
def test_the_short_way_says_what_the_long_one_does(raw: bytes, method: str) -> None:
    """Whole, in two pieces or byte by byte, and whatever was read before."""
    request = RequestHead(method, "h:1" if method == "CONNECT" else "/", [HOST])
    limits = Limits(body=50)
    for cut in (len(raw), len(raw) // 2, len(raw) - 2, 5):
        pieces = [piece for piece in (raw[:cut], raw[cut:]) if piece] + [b""]
        forget()
        fresh = heard(asked(request, limits), pieces, short=False)
        for _ in range(2):
            assert heard(asked(request, limits), pieces, short=True) == fresh
    forget()
    for other in ANSWERS:
        heard(asked(request, limits), [other], short=True)
    assert heard(asked(request, limits), [raw, b""], short=True) == heard(
        asked(request, limits), [raw, b""], short=False
    )


def test_an_answer_whose_head_comes_again_has_the_same_head() -> None:
    """And its own content; the method that it answers has to be the same."""
    machine = asked()
    heads = []
    for content in (b"ab", b"cd"):
        machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + content)
        answer = machine.read_answer()
        assert answer is not None
        assert answer[1] == content
        heads.append(answer[0])
        machine.send_head(GET, b"", True)
    assert heads[0] is heads[1]
    machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nef")
    machine.read_answer()
    machine.send_head(HEAD, b"", True)
    machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    answer = machine.read_answer()
    assert answer is not None
    assert (answer[0].length, answer[1]) == (0, b"")


def test_a_long_head_is_not_remembered() -> None:
    """A connection that waits holds little."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + 5000 * b"y" + b"\r\n\r\n"
    machine, heads = asked(), []
    for _ in range(2):
        machine.receive(raw)
        answer = machine.read_answer()
        assert answer is not None
        heads.append(answer[0])
        machine.send_head(GET, b"", True)
    assert heads[0] is not heads[1]


def test_an_answer_before_the_request_is_whole_is_read_piece_by_piece() -> None:
    """The cycle is not over with it."""
    machine = Machine(CLIENT)
    machine.send_head(RequestHead("POST", "/", [HOST, ("Content-Length", "3")]))
    machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    answer = machine.read_answer()
    assert answer is not None
    assert answer[1] is None
    assert not machine.idle


def test_a_server_has_no_answers_to_read() -> None:
    """What a client says stays to be read as a request."""
    machine = Machine(SERVER)
    machine.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert machine.read_answer() is None
    assert isinstance(machine.next_event(), RequestHead)


# -- requests ----------------------------------------------------------------------------

REQUESTS = [
    ("GET", "/", b""),
    ("GET", "/?q=1", b"x"),
    ("POST", "/", b""),
    ("POST", "/", b"xyz"),
    ("DELETE", "/", b""),
    ("OPTIONS", "*", b""),
    ("CONNECT", "h:1", b""),
    ("GET", "http://a/b", b""),
    ("GET", "/a b", b""),
    ("GET", "a", b""),
    ("G T", "/", b""),
]


@pytest.mark.parametrize(("method", "target", "body"), REQUESTS)
def test_a_request_is_written_as_if_its_fields_were_new(
    method: str, target: str, body: bytes
) -> None:
    """Or refused in the same words."""

    def written() -> tuple[bytes | str, bool]:
        machine = Machine(CLIENT)
        head = RequestHead(method, target, [HOST, ("Accept", "*/*")])
        try:
            return machine.send_head(head, body, True), machine.idle
        except LocalProtocolError as error:
            return str(error), machine.idle

    forget()
    fresh = written()
    Machine(CLIENT).send_head(RequestHead("GET", "/", [HOST, ("Accept", "*/*")]), b"", True)
    assert written() == fresh


@pytest.mark.parametrize(
    "fields",
    [
        [("Authorization", "Basic 123454321")],
        [("Cookie", "a=123454321")],
        [("X-Api-Key", "123454321")],
        [("Accept", "123454321" + LONGEST * "y")],
        [("Accept", "123454321"), ("Content-Length", "0")],
    ],
)
def test_fields_that_are_a_users_own_are_not_kept(fields: list[tuple[str, str]]) -> None:
    """Nor long ones, nor any that frame content."""
    forget()
    Machine(CLIENT).send_head(RequestHead("GET", "/", [HOST, *fields]), b"", True)
    assert "123454321" not in kept()
    Machine(CLIENT).send_head(RequestHead("GET", "/", [HOST, ("Accept", "54321")]), b"", True)
    assert "54321" in kept()


def test_a_request_is_not_sent_before_the_answer_to_the_last_is_whole() -> None:
    """However well its fields are known."""
    machine = asked()
    with pytest.raises(LocalProtocolError):
        machine.send_head(GET, b"", True)
    machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    machine.read_answer()
    machine.receive(b"more")
    with pytest.raises(LocalProtocolError, match="no further request"):
        machine.send_head(GET, b"", True)


def test_a_request_on_a_connection_that_ends_says_so() -> None:
    """Though the same fields were sent without."""
    asked()
    machine = Machine(CLIENT)
    machine.close_after()
    assert b"Connection: close" in machine.send_head(GET, b"", True)
