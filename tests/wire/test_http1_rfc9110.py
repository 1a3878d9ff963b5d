"""HTTP semantics, RFC 9110, as far as the HTTP/1 machine has to know them, in both roles."""

import pytest

from tests.wire.feeding import (
    GET,
    GET_BYTES,
    answer,
    client_after,
    cuttings,
    describe,
    read,
    receive_response,
    server_after,
)
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import (
    CLOSED,
    PAUSED,
    Data,
    EndOfMessage,
    Fields,
    RequestHead,
    ResponseHead,
)
from toolkit.wire.http1 import CLIENT, REASONS, SERVER, Limits, Machine
from toolkit.wire.http1.framing import may_have_body
from toolkit.wire.http1.parser import FORBIDDEN_TRAILERS, keep_trailers

HEAD = b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
CONNECT = b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
SWITCH = ResponseHead(101, [("Upgrade", "x")])


# -- §6.4 content ------------------------------------------------------------------------------


def test_content_depends_on_status_and_method() -> None:
    """Answers to HEAD, 1xx, 204, 304 and 2xx to CONNECT have none. §6.4.1"""
    for status in range(100, 600):
        bare = status < 200 or status in (204, 304)
        assert may_have_body(status, "GET") == (not bare)
        assert may_have_body(status, "POST") == (not bare)
        assert not may_have_body(status, "HEAD")
        assert may_have_body(status, "CONNECT") == (not bare and status >= 300)


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_content_takes_none(status: int) -> None:
    """Content with the head or behind it is refused, and the message can still be ended. §6.4.1"""
    machine = server_after()
    for end in (False, True):
        with pytest.raises(LocalProtocolError):
            machine.send_head(ResponseHead(status), b"hello", end=end)
    raw = machine.send(ResponseHead(status))
    assert raw == f"HTTP/1.1 {status} {REASONS[status]}\r\n\r\n".encode()
    with pytest.raises(LocalProtocolError):
        machine.send(Data(b"hello"))
    assert machine.send(Data(b"")) == b""
    assert machine.send(EndOfMessage()) == b""
    assert machine.idle


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_content_is_not_framed(status: int) -> None:
    """It gets no length and no coding of its own, in one piece either, whatever the client. §8.6"""
    for raw in (GET_BYTES, HEAD, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"):
        said = server_after(raw).send_head(ResponseHead(status), end=True).lower()
        assert b"content-length" not in said
        assert b"transfer-encoding" not in said


def test_205_has_no_content() -> None:
    """It asks to reset a form and says so with a length of zero. §15.3.6"""
    machine = server_after()
    with pytest.raises(LocalProtocolError):
        machine.send_head(ResponseHead(205), b"hello", end=True)
    raw = machine.send_head(ResponseHead(205), end=True)
    assert raw == b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "field", [("Content-Length", "5"), ("Content-Length", "x"), ("Transfer-Encoding", "chunked")]
)
@pytest.mark.parametrize("end", [True, False])
def test_a_205_that_announces_content_is_refused(field: tuple[str, str], end: bool) -> None:
    """What its fields say is not put right behind their back. §15.3.6"""
    machine = server_after()
    with pytest.raises(LocalProtocolError):
        machine.send_head(ResponseHead(205, [field]), end=end)
    raw = machine.send_head(ResponseHead(205, [("Content-Length", "0")]), end=end)
    assert raw == b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"


# -- §6.5 trailers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "Cookie",
        "Expect",
        "Host",
        "Max-Forwards",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Range",
        "Set-Cookie",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "WWW-Authenticate",
        "X-Forwarded-For",
    ],
)
def test_trailers_change_neither_framing_nor_routing_nor_identity(name: str) -> None:
    """Such fields are dropped when read and refused when written. §6.5.1"""
    assert name.lower() in FORBIDDEN_TRAILERS
    assert keep_trailers([("x", "y"), (name.lower(), "1")]) == [("x", "y")]
    raw = (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + f"A: b\r\n{name}: 1\r\nC: d\r\n\r\n".encode()
    )
    for pieces in cuttings(raw):
        machine = Machine(SERVER)
        ends = []
        for piece in pieces:
            ends += [event for event in read(machine, piece) if isinstance(event, EndOfMessage)]
        assert [describe(end) for end in ends] == [("end", (("a", "b"), ("c", "d")))]
    machine = server_after()
    machine.send(ResponseHead(200))
    for spelling in (name, name.lower(), name.upper()):
        with pytest.raises(LocalProtocolError):
            machine.send(EndOfMessage([("A", "b"), (spelling, "1")]))
    assert machine.send(EndOfMessage([("A", "b")])) == b"0\r\nA: b\r\n\r\n"


def test_trailers_need_chunks() -> None:
    """Behind a length there is no place for them. §6.5.1"""
    machine = server_after()
    machine.send(ResponseHead(200, [("Content-Length", "0")]))
    with pytest.raises(LocalProtocolError):
        machine.send(EndOfMessage([("X", "y")]))
    assert machine.send(EndOfMessage()) == b""
    assert machine.idle


def test_trailers_of_an_answer_to_head_are_not_sent() -> None:
    """There is no content that they could follow. §9.3.2"""
    machine = server_after(HEAD)
    machine.send(ResponseHead(200))
    assert machine.send(EndOfMessage([("X", "y")])) == b""


# -- §7.2 Host, §7.6 connection, §7.8 upgrade --------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fields", "offer"),
    [
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"),
        ("GET / HTTP/1.1", "Connection: a, uPGRADE\r\nUpgrade: x/1, y\r\n", "x/1, y"),
        ("GET / HTTP/1.1", "Upgrade: x\r\nConnection: upgrade\r\nUpgrade: y\r\n", "x, y"),
        ("GET / HTTP/1.1", "Upgrade: x\r\n", ""),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\n", ""),
        ("GET / HTTP/1.1", "Connection: notupgrade\r\nUpgrade: x\r\n", ""),
        ("GET / HTTP/1.1", "Connection: upgrade-insecure\r\nUpgrade: x\r\n", ""),
        ("GET / HTTP/1.0", "Connection: Upgrade\r\nUpgrade: x\r\n", ""),
    ],
)
def test_an_offer_to_switch_is_named_in_connection(line: str, fields: str, offer: str) -> None:
    """Without that option, and in HTTP/1.0, Upgrade is ignored. §7.8"""
    head = read(Machine(SERVER), f"{line}\r\nHost: h\r\n{fields}\r\n".encode())[0]
    assert isinstance(head, RequestHead)
    assert head.upgrade == offer


def test_a_server_switches_when_the_request_is_whole() -> None:
    """101 ends HTTP on the connection; what came behind the request is handed over. §7.8"""
    machine = server_after(UPGRADE + b"\x81\x00")
    assert machine.next_event() is PAUSED
    raw = machine.send(SWITCH)
    assert raw == b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    assert machine.switched
    assert machine.next_event() is CLOSED
    machine.receive(b"more")
    assert machine.unread == 6
    assert machine.take_rest() == b"\x81\x00more"
    assert machine.take_rest() == b""
    assert not machine.finished
    assert not machine.idle
    for event in (ResponseHead(200), Data(b"x"), EndOfMessage(), SWITCH):
        with pytest.raises(LocalProtocolError):
            machine.send(event)


def test_a_server_may_name_more_connection_options_when_it_switches() -> None:
    """What Connection says is sent as it is. §7.8"""
    head = ResponseHead(101, [("Connection", "upgrade, x"), ("Upgrade", "x")])
    assert b"\r\nConnection: upgrade, x\r\n" in server_after(UPGRADE).send(head)


@pytest.mark.parametrize(
    "raw",
    [
        GET_BYTES,
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhell"),
    ],
)
def test_a_server_switches_only_when_asked(raw: bytes) -> None:
    """Not before the request is whole either; a usual answer is still possible. §7.8"""
    machine = server_after(raw)
    with pytest.raises(LocalProtocolError):
        machine.send(SWITCH)
    assert not machine.switched
    assert answer(machine).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_server_that_switches_says_to_what() -> None:
    """101 without Upgrade is refused before it is sent. §15.2.2"""
    machine = server_after(UPGRADE)
    with pytest.raises(LocalProtocolError):
        machine.send(ResponseHead(101))
    assert not machine.switched
    assert machine.send(SWITCH)


def test_a_server_may_switch_after_an_interim_response() -> None:
    """100 comes first when the client waits for it. §7.8"""
    raw = UPGRADE.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    machine = server_after(raw)
    assert machine.send(ResponseHead(100)) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert len(read(machine, b"hi")) == 2
    assert machine.send(SWITCH)
    assert machine.switched


def test_a_server_may_decline_to_switch() -> None:
    """Then HTTP goes on. §7.8"""
    machine = server_after(UPGRADE + GET_BYTES)
    answer(machine)
    assert len(read(machine)) == 2


OFFER: Fields = [("Connection", "Upgrade"), ("Upgrade", "x")]


def test_a_client_switches_when_the_server_does() -> None:
    """What comes behind the 101 is handed over. §7.8"""
    raw = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrest"
    for pieces in cuttings(raw):
        machine = client_after("GET", OFFER)
        said, error = receive_response(machine, pieces)
        assert error is None
        assert [one[1] for one in said] == [101]
        assert machine.switched
        assert machine.take_rest() == b"rest"
        assert machine.next_event() is CLOSED
        with pytest.raises(LocalProtocolError):
            machine.send(GET)


@pytest.mark.parametrize(
    "fields", [[], [("Upgrade", "x")], [("Connection", "upgrade")], [("Connection", "x")]]
)
def test_a_client_takes_no_switch_that_it_did_not_offer(fields: Fields) -> None:
    """An offer is Upgrade together with its connection option. §7.8"""
    machine = client_after("GET", fields)
    with pytest.raises(RemoteProtocolError):
        read(machine, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")


def test_an_offer_holds_for_its_own_request() -> None:
    """The next one offers nothing. §7.8"""
    machine = client_after("GET", OFFER)
    read(machine, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    machine.send_head(GET, end=True)
    with pytest.raises(RemoteProtocolError):
        read(machine, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")


# -- §8.6 Content-Length -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "QUERY", "FOO"])
def test_an_empty_request_of_a_method_with_content_says_so(method: str) -> None:
    """Content-Length: 0 tells that nothing is missing. §8.6"""
    raw = Machine(CLIENT).send_head(RequestHead(method, "/", [("Host", "h")]), end=True)
    assert raw == f"{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("DELETE", "/"),
        ("OPTIONS", "*"),
        ("TRACE", "/"),
        ("CONNECT", "h:443"),
    ],
)
def test_a_request_without_content_is_not_framed(method: str, target: str) -> None:
    """Methods that mean no content get neither a length nor a coding. §8.6"""
    raw = Machine(CLIENT).send_head(RequestHead(method, target, [("Host", "h")]), end=True)
    assert raw == f"{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def test_content_of_a_request_is_framed_whatever_its_method() -> None:
    """Content of GET has no meaning but an end. §9.3.1"""
    raw = Machine(CLIENT).send_head(GET, b"hello", end=True)
    assert raw == b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    framed = RequestHead("GET", "/", [("Host", "h"), ("Transfer-Encoding", "chunked")])
    assert Machine(CLIENT).send_head(framed, end=True).endswith(b"chunked\r\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(("length", "pieces"), [("5", [b"hel", b"lo"]), ("0", [b""])])
def test_as_much_is_written_as_the_length_says(length: str, pieces: list[bytes]) -> None:
    """More, or an end before it is all there, is refused; what was left can follow. §8.6"""
    fields = [("Content-Length", length)]
    server, client = server_after(), Machine(CLIENT)
    server.send(ResponseHead(200, fields))
    client.send(RequestHead("POST", "/", [("Host", "h"), *fields]))
    for machine in (server, client):
        for piece in pieces:
            with pytest.raises(LocalProtocolError):
                machine.send(Data(b"123456"))
            if length != "0":
                with pytest.raises(LocalProtocolError):
                    machine.send(EndOfMessage())
            assert machine.send(Data(piece)) == piece
        assert machine.send(EndOfMessage()) == b""
        with pytest.raises(LocalProtocolError):
            machine.send(EndOfMessage())
    assert server.idle


def test_content_in_one_piece_is_as_long_as_its_length() -> None:
    """Another length is refused, and the right one still goes. §8.6"""
    machine = server_after()
    for length in ("4", "6", "0"):
        with pytest.raises(LocalProtocolError):
            machine.send_head(ResponseHead(200, [("Content-Length", length)]), b"hello", end=True)
    with pytest.raises(LocalProtocolError):
        machine.send_head(ResponseHead(200, [("Content-Length", "5")]), end=True)
    assert machine.send_head(ResponseHead(200), b"hello", end=True).endswith(b"5\r\n\r\nhello")


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
@pytest.mark.parametrize(
    ("raw", "status"), [(GET_BYTES, 100), (GET_BYTES, 103), (GET_BYTES, 204), (CONNECT, 200)]
)
def test_a_response_that_cannot_have_content_says_nothing_of_it(
    raw: bytes, status: int, name: str
) -> None:
    """1xx, 204 and 2xx to CONNECT take neither a length nor a coding. §8.6, §9.3.6"""
    machine = server_after(raw)
    value = "0" if name == "Content-Length" else "chunked"
    with pytest.raises(LocalProtocolError):
        machine.send(ResponseHead(status, [(name, value)]))
    assert machine.send(ResponseHead(status))


# -- §9 methods --------------------------------------------------------------------------------


def test_an_answer_to_head_is_that_to_get_without_content() -> None:
    """It may tell the length; content is swallowed, as one piece and in many. §9.3.2"""
    told = ResponseHead(200, [("Content-Length", "5")])
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert server_after(HEAD).send_head(told, b"hello", end=True) == head
    assert server_after(HEAD).send_head(told, end=True) == head
    assert server_after(HEAD).send_head(ResponseHead(200), b"hello", end=True) == head
    assert server_after(HEAD).send_head(ResponseHead(200), end=True) == b"HTTP/1.1 200 OK\r\n\r\n"
    for fields in ([("Content-Length", "5")], [("Transfer-Encoding", "chunked")]):
        machine = server_after(HEAD + GET_BYTES)
        machine.send(ResponseHead(200, fields))
        assert machine.send(Data(b"hello")) == b""
        assert machine.send(EndOfMessage()) == b""
        assert len(read(machine)) == 2
    with pytest.raises(LocalProtocolError):
        server_after(HEAD).send(ResponseHead(200, [("Content-Length", "x")]))


def test_a_304_may_tell_the_length_of_what_it_does_not_send() -> None:
    """It is the length that a 200 would have had. §15.4.5"""
    machine = server_after()
    raw = machine.send_head(ResponseHead(304, [("ETag", '"x"'), ("Content-Length", "5")]), end=True)
    assert raw == b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n'
    assert machine.idle


NOT_MODIFIED = [
    ("Content-Location", "/a"),
    ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("ETag", '"x"'),
    ("Vary", "Accept"),
    ("Cache-Control", "no-cache"),
    ("Expires", "0"),
    ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("Content-Type", "text/plain"),
]


def test_a_304_keeps_the_fields_that_a_200_would_have_had() -> None:
    """No field is dropped, whether it has to be there or only may. §15.4.5"""
    lines = "".join(f"{name}: {value}\r\n" for name, value in NOT_MODIFIED)
    for end in (True, False):
        raw = server_after().send_head(ResponseHead(304, NOT_MODIFIED), end=end)
        assert raw == f"HTTP/1.1 304 Not Modified\r\n{lines}\r\n".encode()


@pytest.mark.parametrize(("request_line", "status"), [("GET /", 304), ("HEAD /", 200)])
def test_a_coding_is_told_though_no_content_follows(request_line: str, status: int) -> None:
    """As the 200 to GET would have had it, but not to HTTP/1.0. §6.1 of RFC 9112"""
    head = ResponseHead(status, [("Transfer-Encoding", "chunked")])
    machine = server_after(f"{request_line} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert b"\r\nTransfer-Encoding: chunked\r\n" in machine.send_head(head)
    assert machine.send_end() == b""
    assert machine.idle
    old = server_after(f"{request_line} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
    assert b"chunked" not in old.send_head(head, end=True)
    for fields in ([("Transfer-Encoding", "gzip")], [*head.fields, ("Content-Length", "5")]):
        machine = server_after(f"{request_line} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        with pytest.raises(LocalProtocolError):
            machine.send_head(ResponseHead(status, fields))


def test_a_refusal_after_head_has_content() -> None:
    """A request that could not be read is not answered as the one before it was. §9.3.2"""
    for earlier in (HEAD, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"):
        machine = server_after(earlier)
        answer(machine)
        with pytest.raises(RemoteProtocolError):
            read(machine, b"BAD\r\n")
        raw = machine.send_head(ResponseHead(400), b"bad", end=True)
        assert raw == (
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad"
        )


def test_a_refusal_of_the_content_of_head_has_none() -> None:
    """The head was read, so the method counts. §9.3.2"""
    machine = server_after(HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"))
    with pytest.raises(RemoteProtocolError):
        read(machine, b"x\r\n")
    raw = machine.send_head(ResponseHead(400), b"bad", end=True)
    assert raw.endswith(b"\r\n\r\n")
    assert machine.finished


def test_connect_opens_a_tunnel() -> None:
    """A 2xx ends HTTP on the connection; what came behind the request is handed over. §9.3.6"""
    machine = server_after(CONNECT + b"\x16\x03\x01")
    raw = machine.send_head(ResponseHead(200, reason="Connection established"), end=True)
    assert raw == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert machine.switched
    assert machine.take_rest() == b"\x16\x03\x01"
    assert machine.next_event() is CLOSED


def test_a_refused_connect_ends_the_connection() -> None:
    """What follows may have been meant for the tunnel, and is not read. §9.3.6"""
    machine = server_after(CONNECT + GET_BYTES)
    raw = machine.send_head(ResponseHead(403), b"no", end=True)
    assert raw.endswith(b"Content-Length: 2\r\nConnection: close\r\n\r\nno")
    assert not machine.switched
    assert machine.next_event() is CLOSED


@pytest.mark.parametrize(
    "fields", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"]
)
def test_a_client_has_a_tunnel_behind_a_2xx_to_connect(fields: bytes) -> None:
    """A length or coding in it is ignored. §9.3.6"""
    for pieces in cuttings(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\nhello"):
        machine = client_after("CONNECT")
        said, error = receive_response(machine, pieces)
        assert error is None
        assert len(said) == 1
        assert machine.switched
        assert machine.take_rest() == b"hello"


# -- §10.1.1 Expect ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fields", "expected"),
    [
        ("POST / HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n", True),
        ("POST / HTTP/1.1", "expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", True),
        ("POST / HTTP/1.1", "Content-Length: 5\r\n", False),
        ("POST / HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", False),
        ("GET / HTTP/1.1", "Expect: 100-continue\r\n", False),
        ("POST / HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n", False),
    ],
)
def test_a_client_that_waits_for_100_is_seen(line: str, fields: str, expected: bool) -> None:
    """Only in HTTP/1.1, and only where content follows. §10.1.1"""
    head = read(Machine(SERVER), f"{line}\r\nHost: h\r\n{fields}\r\n".encode())[0]
    assert isinstance(head, RequestHead)
    assert head.expect_continue == expected


def test_content_of_a_refused_expectation_is_no_request() -> None:
    """A final answer in place of the 100 leaves the length in force. §10.1.1"""
    raw = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    machine = server_after(raw % len(GET_BYTES))
    machine.send_head(ResponseHead(403), end=True)
    events = read(machine, GET_BYTES + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
    assert [event.target for event in events if isinstance(event, RequestHead)] == ["/next"]


def test_a_client_reads_100_before_it_sends_content() -> None:
    """The request goes on behind it, and the final response comes last. §10.1.1"""
    machine = Machine(CLIENT)
    fields = [("Host", "h"), ("Expect", "100-continue"), ("Content-Length", "2")]
    machine.send(RequestHead("POST", "/", fields))
    assert [describe(event)[1] for event in read(machine, b"HTTP/1.1 100 x\r\n\r\n")] == [100]
    assert machine.send(Data(b"hi")) == b"hi"
    machine.send(EndOfMessage())
    assert len(read(machine, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) == 2
    assert machine.idle


# -- §15.2 interim responses -------------------------------------------------------------------


def test_interim_responses_come_before_the_final_one() -> None:
    """As many as one likes; they end nothing and may have fields. §15.2"""
    machine = server_after()
    raw = b""
    for head in (ResponseHead(100), ResponseHead(103, [("Link", "</a>"), ("Connection", "x")])):
        raw += machine.send(head)
        assert not machine.response_started
    assert raw == (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n"
    )
    raw += answer(machine)
    for pieces in cuttings(raw):
        said, error = receive_response(client_after(), pieces)
        assert error is None
        assert [one[1] for one in said[:-1]] == [100, 103, 200]
        assert said[1][4] == (("link", "</a>"), ("connection", "x"))


def test_an_old_client_gets_no_interim_response() -> None:
    """HTTP/1.0 does not know them. §15.2"""
    machine = server_after(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    for status in (100, 103):
        with pytest.raises(LocalProtocolError):
            machine.send(ResponseHead(status))
    assert answer(machine)


def test_an_interim_response_needs_a_request() -> None:
    """Not before one, not for one that could not be read, not behind the final one. §15.2"""
    fresh, failed, begun, whole = Machine(SERVER), Machine(SERVER), server_after(), server_after()
    with pytest.raises(RemoteProtocolError):
        read(failed, b"BAD\r\n")
    begun.send(ResponseHead(200))
    answer(whole)
    for machine in (fresh, failed, begun, whole, Machine(CLIENT), client_after()):
        with pytest.raises(LocalProtocolError):
            machine.send(ResponseHead(100))


def test_interim_responses_are_limited() -> None:
    """A server cannot keep a client busy for ever. §15.2"""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    machine = client_after(limits=Limits(interim=3))
    for _ in range(3):
        assert len(read(machine, interim * 3 + final)) == 5
        assert machine.send_head(GET, end=True)
    for pieces in cuttings(interim * 4):
        machine = client_after(limits=Limits(interim=3))
        said, error = receive_response(machine, pieces)
        assert [one[1] for one in said] == [100, 100, 100]
        assert error is not None


@pytest.mark.parametrize("status", [102, 104, 199])
def test_unknown_interim_responses_are_passed_on(status: int) -> None:
    """The final response still follows. §15.2"""
    machine = client_after()
    assert [describe(one)[1] for one in read(machine, b"HTTP/1.1 %d x\r\n\r\n" % status)] == [
        status
    ]
    assert len(read(machine, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) == 2


def test_an_interim_response_that_says_close_closes_nothing() -> None:
    """Only the final one decides on the connection. §7.6.1"""
    machine = client_after()
    read(machine, b"HTTP/1.1 103 x\r\nConnection: close\r\n\r\n")
    read(machine, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert machine.keep_alive
    assert machine.idle
