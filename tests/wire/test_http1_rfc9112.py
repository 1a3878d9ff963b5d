"""HTTP/1.1, RFC 9112: message syntax, framing and connections, in both roles.

What has to be refused is in `hostile`, what looks odd and is right in `unusual`; here stand
the rules that need more than one request, the client's side, and what is written.
"""

import tracemalloc

import pytest

from tests.wire.feeding import (
    GET,
    GET_BYTES,
    answer,
    client_after,
    cuttings,
    describe,
    events,
    read,
    receive_response,
    serve,
    server_after,
)
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import (
    CHUNKED,
    CLOSED,
    NEED_DATA,
    PAUSED,
    UNTIL_CLOSE,
    Data,
    EndOfMessage,
    Fields,
    RequestHead,
    ResponseHead,
)
from toolkit.wire.http1 import CLIENT, DEFAULT_LIMITS, SERVER, Limits, Machine
from toolkit.wire.http1.framing import declared_length, response_length
from toolkit.wire.http1.parser import parse_chunk_line, parse_field, read_block

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
URI_BYTES = b"%-._~!$&'()*+,;=:@/?0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUE_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])


def accepts(raw: bytes) -> bool:
    """Say whether a server reads a request, the same for the whole and for single bytes."""
    verdicts = set()
    for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
        said, error = serve(Machine(SERVER), pieces)
        assert error is None or error.status == 400
        verdicts.add(error is None and len(said) == 2)
    (verdict,) = verdicts
    return verdict


# -- §2 message format -------------------------------------------------------------------------


def test_empty_lines_before_each_request_are_ignored() -> None:
    """Up to five before each request, and those of earlier requests do not count. §2.2"""
    machine = Machine(SERVER)
    for _ in range(4):
        said, error = serve(machine, [b"\r\n\r\n", b"\r\n", GET_BYTES])
        assert error is None
        assert [one[0] for one in said] == ["request", "end"]


def test_empty_lines_alone_are_no_message() -> None:
    """A connection that ends after them just ends. §2.2"""
    machine = Machine(SERVER)
    machine.receive(b"\r\n\r\n")
    assert machine.next_event() is NEED_DATA
    machine.receive(b"")
    assert machine.next_event() is CLOSED
    assert machine.next_event() is CLOSED


def test_a_status_line_comes_first() -> None:
    """A client takes no empty line before it, since none was sent behind a body. §2.2"""
    said, error = receive_response(client_after(), [b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
    assert said == []
    assert error is not None


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_responses_carry_our_own_version(version: str) -> None:
    """An HTTP/1.0 client too is told what the server speaks. §2.3"""
    machine = server_after(f"GET / {version}\r\nHost: h\r\n\r\n".encode())
    assert answer(machine).startswith(b"HTTP/1.1 200 OK\r\n")


# -- §3 request line ---------------------------------------------------------------------------


def test_a_method_is_a_token() -> None:
    """Each of the 256 bytes is taken or refused as the grammar says. §3.1"""
    for octet in range(256):
        raw = b"G%cT / HTTP/1.1\r\nHost: h\r\n\r\n" % octet
        assert accepts(raw) == (octet in TOKEN_BYTES), octet


def test_a_target_is_made_of_the_characters_of_a_uri() -> None:
    """Those of RFC 3986 are taken; controls, space and what delimits URIs are refused. §3.2"""
    refused = bytes([*range(0x21), 0x7F]) + b'"#<>'
    for octet in range(256):
        for raw in (b"GET /a%cb HTTP/1.1", b"GET /?%c HTTP/1.1", b"GET http://h/%c HTTP/1.1"):
            taken = accepts(raw % octet + b"\r\nHost: h\r\n\r\n")
            assert taken or octet not in URI_BYTES, octet
            assert not taken or octet not in refused, octet


def test_host_and_authority_take_what_a_registered_name_may_hold() -> None:
    """Each of the 256 bytes, in Host and in an absolute form. §3.2"""
    name = URI_BYTES.translate(None, b"%:@/?")
    for octet in range(256):
        assert accepts(b"GET / HTTP/1.1\r\nHost: a%cb\r\n\r\n" % octet) == (octet in name), octet
        # "/" and "?" end the authority there.
        raw = b"GET http://a%cb/ HTTP/1.1\r\nHost: h\r\n\r\n" % octet
        assert accepts(raw) == (octet in name + b"/?"), octet


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "*"),
        ("GET", "h:80"),
        ("GET", "foo"),
        ("GET", ""),
        ("GET", "http://"),
        ("GET", "http://user@h/"),
        ("GET", "/a b"),
        ("GET", "/a\r\nX: y"),
        ("GET", "/a\0"),
        ("GET", "/a\u0100"),
        ("GET", "/a#b"),
        ("OPTIONS", "**"),
        ("CONNECT", "/"),
        ("CONNECT", "h"),
        ("CONNECT", "http://h:443/"),
    ],
)
def test_a_client_sends_only_the_four_forms_of_a_target(method: str, target: str) -> None:
    """Anything else is refused before it is sent. §3.2"""
    machine = Machine(CLIENT)
    with pytest.raises(LocalProtocolError):
        machine.send_head(RequestHead(method, target, [("Host", "h")]), end=True)
    assert machine.send_head(GET, end=True) == GET_BYTES


@pytest.mark.parametrize(
    "fields", [[], [("Host", "a"), ("Host", "b")], [("Host", "h"), ("hOST", "h")], [("X", "h")]]
)
def test_a_client_sends_one_host(fields: Fields) -> None:
    """None or two are refused before they are sent. §3.2"""
    machine = Machine(CLIENT)
    with pytest.raises(LocalProtocolError):
        machine.send_head(RequestHead("GET", "/", fields), end=True)
    assert machine.send_head(GET, end=True) == GET_BYTES


@pytest.mark.parametrize("host", ["a b", "h/abc?x=", "user@h", "[::1", "h:port", "http://h", "é"])
def test_a_client_sends_no_host_that_a_server_must_refuse(host: str) -> None:
    """A Host that is not `uri-host [":" port]` is refused before it is sent. §3.2"""
    machine = Machine(CLIENT)
    with pytest.raises(LocalProtocolError):
        machine.send_head(RequestHead("GET", "/", [("Host", host)]), end=True)
    assert machine.send_head(GET, end=True) == GET_BYTES


# -- §4 status line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "status", "reason", "version"),
    [
        (b"HTTP/1.1 200 OK", 200, "OK", "HTTP/1.1"),
        (b"HTTP/1.0 404 Not Found", 404, "Not Found", "HTTP/1.0"),
        (b"HTTP/1.1 200 ", 200, "", "HTTP/1.1"),
        (b"HTTP/1.1 200", 200, "", "HTTP/1.1"),
        (b"HTTP/1.1 200  OK ", 200, " OK ", "HTTP/1.1"),
        (b"HTTP/1.1 299 caf\xe9\t1:2", 299, "caf\xe9\t1:2", "HTTP/1.1"),
        (b"HTTP/1.1 999 ?", 999, "?", "HTTP/1.1"),
    ],
)
def test_a_reason_is_any_text_and_may_be_missing(
    line: bytes, status: int, reason: str, version: str
) -> None:
    """The client keeps it as it came and decides nothing by it. §4"""
    raw = line + b"\r\nContent-Length: 0\r\n\r\n"
    for pieces in cuttings(raw):
        said, error = receive_response(client_after(), pieces)
        assert error is None
        assert said[0][:4] == ("response", status, reason, version)


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (ResponseHead(200), b"HTTP/1.1 200 OK\r\n"),
        (ResponseHead(404, reason="Not Found"), b"HTTP/1.1 404 Not Found\r\n"),
        (ResponseHead(404, reason="Gone fishing"), b"HTTP/1.1 404 Gone fishing\r\n"),
        (ResponseHead(200, reason=""), b"HTTP/1.1 200 \r\n"),
        (ResponseHead(299, reason="caf\xe9"), b"HTTP/1.1 299 caf\xe9\r\n"),
        (ResponseHead(599), b"HTTP/1.1 599 Unknown\r\n"),
    ],
)
def test_a_server_sends_the_space_after_the_status(head: ResponseHead, line: bytes) -> None:
    """It stands there even when the reason is empty. §4"""
    assert server_after().send(head).startswith(line)


@pytest.mark.parametrize("status", [-1, 0, 1, 99, 1000, 20000])
def test_a_server_sends_a_status_of_three_digits(status: int) -> None:
    """Others are refused before they are sent. §4"""
    machine = server_after()
    with pytest.raises(LocalProtocolError):
        machine.send(ResponseHead(status))
    assert answer(machine).startswith(b"HTTP/1.1 200 OK\r\n")


#: Heads of responses that have to be refused.
BAD_RESPONSES = {
    "no status line": b"Content-Length: 0",
    "another protocol": b"SSH-2.0-OpenSSH_9.6",
    "request line": b"GET / HTTP/1.1",
    "no status": b"HTTP/1.1",
    "empty status": b"HTTP/1.1 ",
    "reason alone": b"HTTP/1.1 OK",
    "two digits": b"HTTP/1.1 20 OK",
    "four digits": b"HTTP/1.1 2000 OK",
    "status of zeros": b"HTTP/1.1 000 OK",
    "status below 100": b"HTTP/1.1 099 OK",
    "plus sign": b"HTTP/1.1 +20 OK",
    "minus sign": b"HTTP/1.1 -20 OK",
    "space in the status": b"HTTP/1.1 2 00 OK",
    "hex": b"HTTP/1.1 0xc8 OK",
    "underscore": b"HTTP/1.1 2_0 OK",
    "superscript digits": b"HTTP/1.1 \xb2\xb2\xb2 OK",
    "Arabic-Indic digits": "HTTP/1.1 ٢٠٠ OK".encode(),
    "two spaces before the status": b"HTTP/1.1  200 OK",
    "tab before the status": b"HTTP/1.1\t200 OK",
    "tab after the status": b"HTTP/1.1 200\tOK",
    "no-break space before the status": b"HTTP/1.1\xa0200 OK",
    "comma after the status": b"HTTP/1.1 200, OK",
    "space first": b" HTTP/1.1 200 OK",
    "lower case": b"http/1.1 200 OK",
    "no minor version": b"HTTP/1 200 OK",
    "two digits of a version": b"HTTP/1.10 200 OK",
    "version 2": b"HTTP/2 200 OK",
    "version 2.0": b"HTTP/2.0 200 OK",
    "version 0.9": b"HTTP/0.9 200 OK",
    "Shoutcast": b"ICY 200 OK",
    "NUL in the reason": b"HTTP/1.1 200 O\0K",
    "escape in the reason": b"HTTP/1.1 200 \x1b[2J",
    "CR in the reason": b"HTTP/1.1 200 O\rK",
    "LF in the reason": b"HTTP/1.1 200 O\nSet-Cookie: a=b",
    "delete in the reason": b"HTTP/1.1 200 \x7f",
    "LF after the status line": b"HTTP/1.1 200 OK\nX: y",
    "CR after the status line": b"HTTP/1.1 200 OK\rX: y",
    "CR CR LF after the status line": b"HTTP/1.1 200 OK\r\r\nX: y",
    "LF after a field": b"HTTP/1.1 200 OK\r\nX: y\nZ: a",
    "CR after a field": b"HTTP/1.1 200 OK\r\nX: y\rZ: a",
    "CR, byte for the empty line": b"HTTP/1.1 200 OK\r\nX: y\r\n\rZ",
    "folded field": b"HTTP/1.1 200 OK\r\nX: y\r\n z",
    "folded first field": b"HTTP/1.1 200 OK\r\n X: y",
    "no colon": b"HTTP/1.1 200 OK\r\nX",
    "no colon after a known name": b"HTTP/1.1 200 OK\r\nServer",
    "empty name": b"HTTP/1.1 200 OK\r\n: y",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 5",
    "name in Latin-1": b"HTTP/1.1 200 OK\r\nX\xe9: y",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b",
    "two lengths unlike": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 5",
    "list of lengths unlike": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6",
    "list of a length and nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 5,",
    "list of a length and a word": b"HTTP/1.1 200 OK\r\nContent-Length: 5, five",
    "list of a length and one with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: 5, +5",
    "two lengths, one a list unlike": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5, 6"
    ),
    "length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +5",
    "length of letters": b"HTTP/1.1 200 OK\r\nContent-Length: five",
    "length in Latin-1": b"HTTP/1.1 200 OK\r\nContent-Length: \xb2",
    "empty length": b"HTTP/1.1 200 OK\r\nContent-Length:",
    "length of 5000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000,
    "coding and length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
    "coding in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked",
    "chunked not last": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity",
    "coding with a vertical tab": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked",
    "101 without an offer": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x",
    "long line": b"HTTP/1.1 200 " + b"a" * 17000,
    "long head": b"HTTP/1.1 200 OK" + (b"\r\nX: " + b"y" * 9000) * 8,
    "many fields": b"HTTP/1.1 200 OK" + b"\r\nX: y" * 101,
}


@pytest.mark.parametrize("raw", BAD_RESPONSES.values(), ids=BAD_RESPONSES)
def test_a_bad_response_is_refused_however_it_is_cut(raw: bytes) -> None:
    """Nothing is read of it nor of what follows, and the connection takes no request. §4"""
    raw += b"\r\n\r\nHTTP/1.1 203 canary\r\nContent-Length: 0\r\n\r\n"
    statuses = set()
    for pieces in cuttings(raw):
        machine = client_after()
        said, error = receive_response(machine, pieces)
        assert said == []
        assert error is not None
        statuses.add(error.status)
        with pytest.raises(RemoteProtocolError):
            machine.next_event()
        with pytest.raises(LocalProtocolError):
            machine.send(GET)
    assert len(statuses) == 1


@pytest.mark.parametrize(
    "value", ["42", "42, 42", "42,42\t, 42", "42\r\nContent-Length: 42", "042, 42"]
)
def test_a_valid_list_of_equal_lengths_in_a_response_is_one_length(value: str) -> None:
    """All members of the list are valid and the same. §6.3 item 5"""
    raw = f"HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n{'x' * 42}".encode()
    for pieces in cuttings(raw):
        machine = client_after()
        said, error = receive_response(machine, pieces)
        assert error is None
        assert said[0][5] == 42
        assert said[1:] == [("data", b"x" * 42), ("end", ())]
        assert machine.idle


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("Content-Length: 2, 3", "Multiple unequal Content-Lengths"),
        ("Content-Length: 2\r\nContent-Length: 3", "Multiple unequal Content-Lengths"),
        (
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Message with both Transfer-Encoding and Content-Length",
        ),
    ],
)
def test_an_error_in_framing_says_what_users_of_tornado_look_for(fields: str, words: str) -> None:
    """The words are those of its errors, whatever the role. §6.3 items 3 and 5"""
    with pytest.raises(RemoteProtocolError, match=words):
        read(client_after(), f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode())
    if "Message" in words:
        with pytest.raises(RemoteProtocolError, match=words):
            read(Machine(SERVER), f"POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n".encode())


def test_a_length_is_no_reason_to_take_memory() -> None:
    """CVE-2025-13836: what a response announces and never sends costs nothing. §6.3 item 6"""
    machine = client_after()
    machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\nx")
    tracemalloc.start()
    try:
        assert len(read(machine)) == 2
        machine.receive(b"")
        with pytest.raises(RemoteProtocolError):
            machine.next_event()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_an_error_quotes_no_more_than_100_characters() -> None:
    """Untrusted bytes stand in it by their `repr`, so that a log line stays one line. §11.1"""
    for raw in (
        b"\x1b\r\n" * 9,
        b"B\xff\xfe'\"" * 3000 + b"\r\n\r\n",
        b"GET / H" * 90 + b"\r\n\r\n",
    ):
        _, error = serve(Machine(SERVER), [raw])
        assert str(error).isprintable()
        assert len(str(error)) < 220


# -- §5 fields ---------------------------------------------------------------------------------


def test_a_name_is_a_token() -> None:
    """Each of the 256 bytes is taken or refused as the grammar says. §5.1"""
    for octet in range(256):
        # A colon ends the name, and the rest is its value.
        raw = b"GET / HTTP/1.1\r\nHost: h\r\nX%cY: z\r\n\r\n" % octet
        assert accepts(raw) == (octet in TOKEN_BYTES + b":"), octet


def test_a_value_holds_no_control_character_but_tab() -> None:
    """Each of the 256 bytes is taken or refused as the grammar says. §5.5 of RFC 9110"""
    for octet in range(256):
        raw = b"GET / HTTP/1.1\r\nHost: h\r\nX: a%cb\r\n\r\n" % octet
        assert accepts(raw) == (octet in VALUE_BYTES), octet


def test_only_space_and_tab_are_taken_off_a_value() -> None:
    """Other whitespace of other character sets is part of it. §5.1"""
    assert parse_field("X:\t \xa0y\x85 \t") == ("x", "\xa0y\x85")
    assert read_block("X:\t \xa0y\x85 \t\r\n", 1) == ([("x", "\xa0y\x85")], [])


@pytest.mark.parametrize(
    "line", ["X : y", " X: y", "\tX: y", "X\t: y", "X y", ": y", "", "X\xa0: y", '"X": y', "X(: y"]
)
def test_a_line_and_a_block_are_refused_alike(line: str) -> None:
    """The fast way through a block takes no line that the slow way refuses. §5.1"""
    with pytest.raises(RemoteProtocolError):
        parse_field(line)
    assert read_block(f"Host: h\r\n{line}\r\n", 9) is None


def test_a_block_of_fields_is_limited() -> None:
    """One line more than allowed is left to the slow way, which says so. §5.4 of RFC 9110"""
    assert read_block("X: y\r\n" * 3, 3) == ([("x", "y")] * 3, [])
    assert read_block("X: y\r\n" * 4, 3) is None
    assert read_block("", 0) == ([], [])
    assert read_block("X: y", 3) is None


# -- §6 body -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ((), 0),
        ((("content-length", ["0"]),), 0),
        ((("content-length", ["5"]),), 5),
        ((("content-length", ["999999999999999999"]),), 10**18 - 1),
        ((("transfer-encoding", ["chunked"]),), CHUNKED),
    ],
)
def test_a_request_without_a_word_has_no_content(
    fields: tuple[tuple[str, list[str]], ...], length: int
) -> None:
    """Its length is what its fields say, for each method. §6.3 rules 4 to 7"""
    found = dict(fields)
    assert (declared_length(found, "HTTP/1.1") or 0) == length
    lines = "".join(f"{name}: {value}\r\n" for name, values in fields for value in values)
    for method in ("GET", "HEAD", "POST", "DELETE", "TRACE", "FOO"):
        raw = f"{method} / HTTP/1.1\r\nHost: h\r\n{lines}\r\n".encode()
        head = read(Machine(SERVER), raw)[0]
        assert isinstance(head, RequestHead)
        assert head.length == length


#: How the content of a response ends: status, method, fields, length.
RESPONSE_LENGTHS = [
    (200, "GET", "", UNTIL_CLOSE),
    (200, "GET", "Content-Length: 0\r\n", 0),
    (200, "GET", "Content-Length: 5\r\n", 5),
    (200, "GET", "Transfer-Encoding: chunked\r\n", CHUNKED),
    (404, "GET", "", UNTIL_CLOSE),
    (404, "DELETE", "Content-Length: 5\r\n", 5),
    (205, "POST", "Content-Length: 0\r\n", 0),
    (200, "HEAD", "", 0),
    (200, "HEAD", "Content-Length: 5\r\n", 0),
    (200, "HEAD", "Transfer-Encoding: chunked\r\n", 0),
    (404, "HEAD", "Content-Length: 5\r\n", 0),
    (204, "GET", "", 0),
    (204, "GET", "Content-Length: 5\r\n", 0),
    (204, "GET", "Transfer-Encoding: chunked\r\n", 0),
    (304, "GET", "", 0),
    (304, "GET", "Content-Length: 5\r\n", 0),
    (304, "GET", "Transfer-Encoding: chunked\r\n", 0),
    (407, "CONNECT", "Content-Length: 5\r\n", 5),
    (502, "CONNECT", "", UNTIL_CLOSE),
]


@pytest.mark.parametrize(("status", "method", "fields", "length"), RESPONSE_LENGTHS)
def test_a_response_ends_where_its_status_method_and_fields_say(
    status: int, method: str, fields: str, length: int
) -> None:
    """HEAD, 204 and 304 have no content, whatever their fields say. §6.3 rules 1 to 8"""
    raw = f"HTTP/1.1 {status} x\r\n{fields}\r\n".encode()
    content = {
        UNTIL_CLOSE: b"hello",
        CHUNKED: b"5\r\nhello\r\n0\r\n\r\n",
        5: b"hello",
        0: b"",
    }[length]
    for pieces in cuttings(raw + content):
        machine = client_after(method)
        said, error = receive_response(machine, pieces)
        assert error is None
        assert said[0][5] == length
        assert machine.keep_alive == (length != UNTIL_CLOSE)
        if length == UNTIL_CLOSE:
            assert machine.next_event() is NEED_DATA
            machine.receive(b"")
            said += map(describe, read(machine))
            assert machine.next_event() is CLOSED
        else:
            assert machine.idle
        body = [("data", b"hello")] if content else []
        assert said[1:] == [*body, ("end", ())]


def test_content_until_close_ends_with_the_connection() -> None:
    """Its end is the only one that the end of the connection may be. §6.3 rule 8"""
    machine = client_after()
    assert len(read(machine, b"HTTP/1.1 200 OK\r\n\r\nhel")) == 2
    assert machine.next_event() is NEED_DATA
    machine.receive(b"lo")
    machine.receive(b"")
    data, end = machine.next_event(), machine.next_event()
    assert describe(data) == ("data", b"lo")
    assert isinstance(end, EndOfMessage)
    assert machine.next_event() is CLOSED
    assert machine.finished


@pytest.mark.parametrize("status", [100, 103, 199])
def test_an_interim_response_has_no_content(status: int) -> None:
    """A length in it means nothing: the next response begins behind its head. §6.3 rule 1"""
    assert response_length({"content-length": ["5"]}, "HTTP/1.1", status, "GET") == 0
    raw = f"HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n".encode()
    for pieces in cuttings(raw + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"):
        said, error = receive_response(client_after(), pieces)
        assert error is None
        assert [one[1] for one in said[:2]] == [status, 200]
        assert said[2:] == [("data", b"hi"), ("end", ())]


@pytest.mark.parametrize("zeros", [17, 18, 4299, 4300, 5000, 16000])
def test_zeros_before_a_length_are_read_or_refused(zeros: int) -> None:
    """They never raise anything else, however many there are. §6.3 rule 5"""
    value = b"0" * zeros + b"5"
    raw = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + value + b"\r\n\r\nhello"
    said, error = serve(Machine(SERVER), [raw])
    if error is None:
        assert said[1:] == [("data", b"hello"), ("end", ())]
    else:
        assert error.status == 400
    machine = server_after()
    try:
        raw = machine.send(ResponseHead(200, [("Content-Length", value.decode())]))
    except LocalProtocolError:
        raw = machine.send(ResponseHead(200, [("Content-Length", "5")]))
    assert b"\r\nContent-Length: 5\r\n" in raw


def test_a_response_has_one_way_to_end() -> None:
    """Length and coding together are refused before they are sent. §6.2"""
    both = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]
    for fields in (both, both[::-1]):
        machine = server_after()
        with pytest.raises(LocalProtocolError):
            machine.send(ResponseHead(200, fields))
        client = Machine(CLIENT)
        with pytest.raises(LocalProtocolError):
            client.send(RequestHead("POST", "/", [("Host", "h"), *fields]))
        assert answer(machine)
        assert client.send_head(GET, end=True)


@pytest.mark.parametrize(
    "value", ["", "+5", "-5", "5, 5", "0x5", "5 5", "five", "٥", "\xb2", "9" * 19, "5\r\nX: y"]
)
def test_a_length_that_is_no_number_is_not_sent(value: str) -> None:
    """Nor is one of more than 18 digits. §6.2"""
    machine = server_after()
    with pytest.raises(LocalProtocolError):
        machine.send(ResponseHead(200, [("Content-Length", value)]))
    assert machine.send(ResponseHead(200, [("Content-Length", "5")])).count(b"5") == 1


@pytest.mark.parametrize("value", ["gzip", "gzip, chunked", "identity", "", "chunked, chunked"])
def test_a_coding_other_than_chunked_is_not_sent(value: str) -> None:
    """What is written is chunked, so nothing else may be said. §6.1"""
    machine = server_after()
    with pytest.raises(LocalProtocolError):
        machine.send(ResponseHead(200, [("Transfer-Encoding", value)]))
    with pytest.raises(LocalProtocolError):
        machine.send(
            ResponseHead(200, [("Transfer-Encoding", "chunked"), ("transfer-encoding", "chunked")])
        )
    raw = machine.send(ResponseHead(200, [("Transfer-Encoding", "Chunked")]))
    assert raw == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_an_old_client_gets_no_transfer_coding() -> None:
    """HTTP/1.0 gets a length, or content up to the close, even where chunks were asked for. §6.1"""
    asked: list[Fields] = [(), [("Transfer-Encoding", "chunked")]]
    for fields in asked:
        machine = server_after(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        raw = machine.send(ResponseHead(200, fields))
        assert raw == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        assert machine.send(Data(b"hel")) + machine.send(Data(b"lo")) == b"hello"
        assert machine.send(EndOfMessage()) == b""
        assert machine.finished
        assert machine.next_event() is CLOSED
        whole = server_after(b"GET / HTTP/1.0\r\n\r\n")
        raw = whole.send_head(ResponseHead(200, fields), b"hello", end=True)
        assert raw.endswith(b"\r\n\r\nhello")
        assert b"chunked" not in raw


def test_content_of_unknown_length_goes_in_chunks() -> None:
    """Of a response, and of a request, whose server is known to speak HTTP/1.1. §6.3"""
    server, client = server_after(), Machine(CLIENT)
    heads = (
        server.send(ResponseHead(200)),
        client.send(RequestHead("POST", "/", [("Host", "h")])),
    )
    for machine, raw in zip((server, client), heads, strict=True):
        assert raw.endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert machine.send(Data(b"hello world")) == b"b\r\nhello world\r\n"
        assert machine.send(EndOfMessage()) == b"0\r\n\r\n"


def test_content_that_comes_with_its_head_gets_its_length() -> None:
    """A length that is given already has to be the same. §6.2"""
    for fields in ((), (("Content-Length", "5"),), (("content-length", "0005"),)):
        raw = server_after().send_head(ResponseHead(200, fields), b"hello", end=True)
        assert raw == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    chunked = ResponseHead(200, [("Transfer-Encoding", "chunked")])
    assert (
        server_after()
        .send_head(chunked, b"hello", end=True)
        .endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    )
    assert server_after().send_head(chunked, end=True).endswith(b"\r\n\r\n0\r\n\r\n")
    assert answer(server_after()).endswith(b"\r\nContent-Length: 0\r\n\r\n")


# -- §7 chunks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "size", "extension"),
    [
        ("0", 0, 0),
        ("000", 0, 0),
        ("a", 10, 0),
        ("fFfF", 65535, 0),
        ("ffffffffffffffff", 2**64 - 1, 0),
        ("5;a", 5, 2),
        ('5 ;a = "b;\\"c" ;d', 5, 16),
    ],
)
def test_a_chunk_line_holds_a_size_and_extensions(line: str, size: int, extension: int) -> None:
    """Sizes of 64 bits are read without loss, extensions are ignored but counted. §7.1"""
    assert parse_chunk_line(line) == (size, extension)


def test_an_empty_piece_of_content_ends_nothing() -> None:
    """A chunk of size 0 would be the last one, so none is sent. §7.1"""
    machine = server_after()
    machine.send(ResponseHead(200))
    assert machine.send(Data(b"")) == b""
    assert machine.send(Data(b"x")) == b"1\r\nx\r\n"


def test_chunks_that_come_together_are_one_piece() -> None:
    """Where chunks are cut means nothing to who reads them. §7.1"""
    machine = Machine(SERVER)
    read(machine, b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    seen = read(machine, b"1\r\na\r\n2\r\nbc\r\n3\r\nde")
    assert [describe(event) for event in seen] == [("data", b"abcde")]
    seen = read(machine, b"f\r\n0\r\n\r\n")
    assert [describe(event) for event in seen] == [("data", b"f"), ("end", ())]


def test_content_before_a_bad_chunk_is_given_first() -> None:
    """It is the same for every cut, and the error comes right behind. §7.1"""
    raw = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabcX"
    for pieces in cuttings(raw):
        said, error = serve(Machine(SERVER), pieces)
        assert said[1:] == [("data", b"helloabc")]
        assert error is not None


def test_trailers_come_after_the_last_chunk() -> None:
    """They are written, and read with their names in lower case. §7.1.2"""
    server = server_after()
    raw = server.send(ResponseHead(200)) + server.send(EndOfMessage([("X-Sum", "1"), ("Y", "")]))
    assert raw.endswith(b"\r\n\r\n0\r\nX-Sum: 1\r\nY: \r\n\r\n")
    client = client_after()
    assert describe(read(client, raw)[-1]) == ("end", (("x-sum", "1"), ("y", "")))


def test_a_server_can_announce_its_trailers() -> None:
    """The field that does so goes as it is, for the client to read. §7.1.2"""
    server = server_after(b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
    raw = server.send(ResponseHead(200, [("Trailer", "X-Sum")])) + server.send(Data(b"hi"))
    raw += server.send_end([("X-Sum", "1")])
    assert b"\r\nTrailer: X-Sum\r\n" in raw
    assert server.idle
    for pieces in cuttings(raw):
        said, error = receive_response(client_after(), pieces)
        assert error is None
        assert ("trailer", "X-Sum") in said[0][4]  # type: ignore[operator]
        assert said[1:] == [("data", b"hi"), ("end", (("x-sum", "1"),))]


def test_a_client_can_send_trailers() -> None:
    """The server reads them behind the content. §7.1.2"""
    client = Machine(CLIENT)
    raw = client.send(RequestHead("PUT", "/", [("Host", "h"), ("Trailer", "X-Sum")]))
    raw += client.send(Data(b"hi")) + client.send_end([("X-Sum", "1")])
    for pieces in cuttings(raw):
        said, error = serve(Machine(SERVER), pieces)
        assert error is None
        assert said[1:] == [("data", b"hi"), ("end", (("x-sum", "1"),))]


def test_trailers_do_not_reach_the_next_message() -> None:
    """They belong to their own message alone. §7.1.2"""
    machine = Machine(SERVER)
    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    said, error = serve(machine, [chunked + b"X: y\r\n\r\n" + chunked + b"\r\n"])
    assert error is None
    assert [one for one in said if one[0] == "end"] == [("end", (("x", "y"),)), ("end", ())]


# -- §8 incomplete messages --------------------------------------------------------------------

_POST = b"POST / HTTP/1.1\r\nHost: h\r\n"

#: What a client sent before it was gone.
CUT_REQUESTS = {
    "request line": b"GET / HT",
    "request line but for LF": b"GET / HTTP/1.1\r",
    "after the request line": b"GET / HTTP/1.1\r\n",
    "name": b"GET / HTTP/1.1\r\nHo",
    "after a field": b"GET / HTTP/1.1\r\nHost: h\r\n",
    "empty line but for LF": b"GET / HTTP/1.1\r\nHost: h\r\n\r",
    "content not begun": _POST + b"Content-Length: 5\r\n\r\n",
    "content": _POST + b"Content-Length: 5\r\n\r\nhell",
    "no chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n",
    "chunk line": _POST + b"Transfer-Encoding: chunked\r\n\r\n5",
    "chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhell",
    "end of a chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
    "end of a chunk but for LF": _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r",
    "between chunks": _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "after the last chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
    "trailers": _POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n",
}


@pytest.mark.parametrize("raw", CUT_REQUESTS.values(), ids=CUT_REQUESTS)
def test_a_request_that_is_cut_off_is_an_error(raw: bytes) -> None:
    """The server can still say 400, and closes. §8"""
    machine = Machine(SERVER)
    seen = read(machine, raw)
    assert not any(isinstance(event, EndOfMessage) for event in seen)
    assert machine.next_event() is NEED_DATA
    machine.receive(b"")
    with pytest.raises(RemoteProtocolError) as error:
        read(machine)
    assert error.value.status == 400
    assert b"\r\nConnection: close\r\n" in machine.send_head(ResponseHead(400), end=True)
    assert machine.finished


#: What a server sent before it was gone.
CUT_RESPONSES = {
    "status line": b"HTTP/1.1 200",
    "head": b"HTTP/1.1 200 OK\r\nX: y\r\n",
    "content": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    "content not begun": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
    "last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
}


@pytest.mark.parametrize("raw", CUT_RESPONSES.values(), ids=CUT_RESPONSES)
def test_a_response_that_is_cut_off_is_an_error(raw: bytes) -> None:
    """A client never takes a part for the whole. §8"""
    machine = client_after()
    seen = read(machine, raw)
    assert not any(isinstance(event, EndOfMessage) for event in seen)
    machine.receive(b"")
    with pytest.raises(RemoteProtocolError):
        read(machine)
    assert not machine.keep_alive


def test_a_connection_that_ends_between_messages_just_ends() -> None:
    """Before the first request, between requests, and before a response. §9.5"""
    fresh, between, waiting, unused = (
        Machine(SERVER),
        server_after(),
        client_after(),
        Machine(CLIENT),
    )
    answer(between)
    for machine in (fresh, between, waiting, unused):
        machine.receive(b"")
        assert machine.next_event() is CLOSED
        assert machine.next_event() is CLOSED


def test_a_client_that_has_said_all_is_still_answered() -> None:
    """It may close its half of the connection behind its request. §9.6"""
    machine = Machine(SERVER)
    machine.receive(GET_BYTES)
    machine.receive(b"")
    assert len(read(machine)) == 2
    assert machine.next_event() is PAUSED
    assert answer(machine)
    assert machine.next_event() is CLOSED


# -- §9 connections ----------------------------------------------------------------------------

#: Version, Connection, whether a request with them keeps the connection.
PERSISTENCE = [
    ("HTTP/1.1", None, True),
    ("HTTP/1.1", "close", False),
    ("HTTP/1.1", "Close", False),
    ("HTTP/1.1", "keep-alive", True),
    ("HTTP/1.1", "keep-alive, close", False),
    ("HTTP/1.1", "close, keep-alive", False),
    ("HTTP/1.1", "x,\tclose ,y", False),
    ("HTTP/1.1", "closed", True),
    ("HTTP/1.1", "not-close", True),
    ("HTTP/1.1", "close\xa0", True),
    ("HTTP/1.0", None, False),
    ("HTTP/1.0", "keep-alive", True),
    ("HTTP/1.0", "Keep-Alive", True),
    ("HTTP/1.0", "keep-alive, close", False),
    ("HTTP/1.0", "keep-alives", False),
    ("HTTP/1.0", "close", False),
]


@pytest.mark.parametrize(("version", "connection", "kept"), PERSISTENCE)
def test_a_request_says_whether_the_connection_goes_on(
    version: str, connection: str | None, kept: bool
) -> None:
    """The server obeys, says so in its answer and reads nothing after a close. §9.3, §9.6"""
    option = "" if connection is None else f"Connection: {connection}\r\n"
    raw = f"GET / {version}\r\nHost: h\r\n{option}\r\n".encode("latin-1")
    machine = Machine(SERVER)
    seen = read(machine, raw + GET_BYTES)
    assert isinstance(seen[0], RequestHead)
    assert seen[0].keep_alive == machine.keep_alive == kept
    said = answer(machine)
    # In HTTP/1.0 a connection ends, and that it stays has to be said.
    assert (b"\r\nConnection: close\r\n" in said) == (not kept and version == "HTTP/1.1")
    assert (b"\r\nConnection: Keep-Alive\r\n" in said) == (kept and version == "HTTP/1.0")
    assert machine.finished == (not kept)
    if kept:
        assert len(read(machine)) == 2
    else:
        assert machine.next_event() is CLOSED
        machine.receive(GET_BYTES)
        assert machine.next_event() is CLOSED
        with pytest.raises(LocalProtocolError):
            answer(machine)


@pytest.mark.parametrize(("version", "connection", "kept"), PERSISTENCE)
def test_a_response_says_whether_the_connection_goes_on(
    version: str, connection: str | None, kept: bool
) -> None:
    """The client sends no request on a connection that ends. §9.3, §9.6"""
    option = "" if connection is None else f"Connection: {connection}\r\n"
    machine = client_after()
    raw = f"{version} 200 OK\r\nContent-Length: 0\r\n{option}\r\n".encode("latin-1")
    head = read(machine, raw)[0]
    assert isinstance(head, ResponseHead)
    assert head.keep_alive == machine.keep_alive == kept
    assert machine.finished == (not kept)
    if kept:
        assert machine.next_event() is PAUSED
        assert machine.send_head(GET, end=True) == GET_BYTES
    else:
        assert machine.next_event() is CLOSED
        with pytest.raises(LocalProtocolError):
            machine.send(GET)


def test_a_client_that_says_close_sends_nothing_more() -> None:
    """Even if the server would go on. §9.6"""
    machine = client_after("GET", [("Connection", "close")])
    assert not machine.keep_alive
    read(machine, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert machine.next_event() is CLOSED
    assert machine.finished
    with pytest.raises(LocalProtocolError):
        machine.send(GET)


@pytest.mark.parametrize("value", ["close", "Close", "x, close"])
def test_a_server_that_says_close_reads_nothing_more(value: str) -> None:
    """Though the client would go on. §9.6"""
    machine = server_after(GET_BYTES + GET_BYTES)
    raw = machine.send_head(ResponseHead(200, [("Connection", value)]), end=True)
    assert f"\r\nConnection: {value.lower()}\r\n".encode() in raw
    assert machine.finished
    assert machine.next_event() is CLOSED


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x", "x, close"),
        ("keep-alive", "close"),
        ("x, Keep-Alive,, y", "x, y, close"),
        ("", "close"),
        ("close, x", "x, close"),
    ],
)
def test_options_that_are_not_about_closing_stay_beside_it(value: str, said: str) -> None:
    """In both roles, once the machine is to close. §9.6"""
    server = server_after()
    client = Machine(CLIENT)
    for machine, head in (
        (server, ResponseHead(200, [("Connection", value)])),
        (client, RequestHead("GET", "/", [("Host", "h"), ("Connection", value)])),
    ):
        machine.close_after()
        raw = machine.send_head(head, end=True)
        assert f"\r\nConnection: {said}\r\n".encode() in raw
        assert raw.lower().count(b"connection:") == 1
        assert not machine.keep_alive


def test_a_server_that_wants_to_close_says_so_in_the_next_head() -> None:
    """And once only, beside what else Connection says. §9.6"""
    machine = server_after()
    machine.close_after()
    assert not machine.keep_alive
    raw = machine.send_head(ResponseHead(200, [("Connection", "close")]), end=True)
    assert raw.count(b"close") == 1
    assert machine.finished
    other = server_after()
    raw = other.send_head(ResponseHead(200, [("Connection", "x"), ("connection", "y")]), end=True)
    assert b"\r\nConnection: x, y\r\n" in raw
    assert other.keep_alive


def test_a_server_that_closes_after_its_head_closes_all_the_same() -> None:
    """The message under way is written to its end. §9.6"""
    machine = server_after(GET_BYTES + GET_BYTES)
    machine.send(ResponseHead(200))
    machine.close_after()
    assert machine.send(Data(b"x")) + machine.send(EndOfMessage()) == b"1\r\nx\r\n0\r\n\r\n"
    assert machine.finished
    assert machine.next_event() is CLOSED


@pytest.mark.parametrize(
    "start",
    [_POST + b"Content-Length: 5\r\n\r\nhe", _POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe"],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_server_can_close_in_the_middle_of_a_request(start: bytes, at_once: bool) -> None:
    """Its answer says so, and nothing behind that request is read, if it goes on at all. §9.6"""
    machine = server_after(start)
    machine.close_after()
    assert not machine.keep_alive
    assert not machine.body_ended
    if at_once:
        raw = machine.send_head(ResponseHead(413), b"no", end=True)
    else:
        raw = machine.send(ResponseHead(413)) + machine.send(Data(b"no")) + machine.send_end()
    assert b"\r\nConnection: close\r\n" in raw
    assert machine.response_ended
    assert not machine.reading_head
    assert not machine.idle
    end = b"llo" if b"chunked" not in start else b"llo\r\n0\r\n\r\n"
    said = read(machine, end + GET_BYTES)
    assert [describe(event)[0] for event in said] == ["data", "end"]
    assert machine.next_event() is CLOSED
    assert machine.finished


def test_a_client_that_wants_to_close_sends_no_further_request() -> None:
    """The response under way is read to its end. §9.6"""
    machine = client_after()
    machine.close_after()
    assert len(read(machine, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) == 2
    assert machine.next_event() is CLOSED


def test_a_fresh_connection_may_go_on() -> None:
    """Nothing has been said against it. §9.3"""
    assert Machine(SERVER).keep_alive
    assert Machine(CLIENT).keep_alive


def test_pipelined_requests_are_read_one_after_the_other() -> None:
    """The next one waits until the answer to the one before is whole. §9.3.2"""
    targets = [f"/{number}" for number in range(50)]
    raw = "".join(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n" for target in targets).encode()
    for pieces in ([raw], [raw[at : at + 7] for at in range(0, len(raw), 7)]):
        machine = Machine(SERVER)
        seen = []
        for piece in pieces:
            machine.receive(piece)
        while (event := machine.next_event()) is not NEED_DATA:
            assert isinstance(event, RequestHead)
            seen.append(event.target)
            assert isinstance(machine.next_event(), EndOfMessage)
            assert machine.next_event() is PAUSED
            machine.send(ResponseHead(200))
            assert machine.next_event() is PAUSED
            machine.send(EndOfMessage())
        assert seen == targets
        assert machine.idle


def test_content_of_a_request_answered_early_is_read_and_passed_over() -> None:
    """The next request begins behind it, so that content is never taken for one. §9.3"""
    raw = _POST + b"Content-Length: %d\r\n\r\n" % len(GET_BYTES)
    for pieces in cuttings(raw + GET_BYTES + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"):
        machine = Machine(SERVER)
        targets = []
        for piece in pieces:
            machine.receive(piece)
            for event in events(machine):
                if isinstance(event, RequestHead):
                    targets.append(event.target)
                    answer(machine)
        assert targets == ["/", "/next"]


def test_the_end_of_an_answered_request_may_stay_unread() -> None:
    """A server that answers at the head is ready for the next request at once. §9.3"""
    machine = Machine(SERVER)
    machine.receive(GET_BYTES * 2)
    for _ in range(2):
        assert isinstance(machine.next_event(), RequestHead)
        answer(machine)
    assert machine.next_event() is NEED_DATA
    assert machine.idle


def test_a_client_sends_one_request_at_a_time() -> None:
    """The next one waits until the response is whole. §9.3.2"""
    machine = client_after()
    with pytest.raises(LocalProtocolError):
        machine.send(GET)
    machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")
    assert len(read(machine)) == 2
    with pytest.raises(LocalProtocolError):
        machine.send(GET)
    machine.receive(b"i")
    assert len(read(machine)) == 2
    assert machine.send_head(GET, end=True) == GET_BYTES


def test_nothing_may_come_without_a_request() -> None:
    """Neither before the first nor behind a response. §9.2"""
    for machine in (Machine(CLIENT), client_after()):
        if machine.response_started:
            read(machine, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert machine.next_event() is PAUSED
        machine.receive(b"H")
        with pytest.raises(RemoteProtocolError):
            machine.next_event()
        assert not machine.keep_alive
        with pytest.raises(LocalProtocolError):
            machine.send(GET)


def test_bytes_behind_a_response_answer_no_later_request() -> None:
    """No request is sent while they are there, or they would be its response. §9.2"""
    machine = client_after()
    machine.receive(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    )
    assert isinstance(machine.next_event(), ResponseHead)
    assert isinstance(machine.next_event(), EndOfMessage)
    assert not machine.idle
    with pytest.raises(LocalProtocolError):
        machine.send_head(GET, end=True)
    with pytest.raises(RemoteProtocolError):
        machine.next_event()


@pytest.mark.parametrize(
    ("status", "junk"),
    [(204, b"hello"), (304, b"hello"), (200, b"hello")],
)
def test_content_where_none_may_be_ends_the_connection(status: int, junk: bytes) -> None:
    """It is not read as the next response. §6.3 rule 1"""
    machine = client_after("HEAD" if status == 200 else "GET")
    raw = f"HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n".encode() + junk
    for pieces in cuttings(raw):
        machine = client_after("HEAD" if status == 200 else "GET")
        said, error = receive_response(machine, pieces)
        assert [one[0] for one in said] == ["response", "end"]
        assert error is not None


def test_an_early_response_waits_for_the_end_of_the_request() -> None:
    """A client may read it before all is sent; the connection goes on behind both. §9.3"""
    machine = Machine(CLIENT)
    machine.send(RequestHead("POST", "/", [("Host", "h"), ("Content-Length", "4")]))
    machine.send(Data(b"ab"))
    assert len(read(machine, b"HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno")) == 3
    assert machine.next_event() is PAUSED
    assert not machine.idle
    with pytest.raises(LocalProtocolError):
        machine.send(GET)
    machine.send(Data(b"cd"))
    machine.send(EndOfMessage())
    assert machine.idle
    assert machine.send_head(GET, end=True) == GET_BYTES


def test_an_early_response_that_closes_ends_with_the_request() -> None:
    """What is left of the request can be given up, since nothing will answer it. §9.6"""
    machine = Machine(CLIENT)
    machine.send(RequestHead("POST", "/", [("Host", "h")]))
    read(machine, b"HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert not machine.keep_alive
    assert not machine.finished
    machine.send(EndOfMessage())
    assert machine.finished
    assert machine.next_event() is CLOSED


def test_a_server_that_answers_while_content_comes_reads_the_rest() -> None:
    """Head, content and end of both sides may come in any order. §9.3"""
    machine = Machine(SERVER)
    read(machine, _POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
    machine.send(ResponseHead(200))
    assert len(read(machine, b"2\r\ncd\r\n")) == 1
    machine.send(Data(b"x"))
    machine.send(EndOfMessage())
    assert not machine.idle
    assert len(read(machine, b"0\r\n\r\n" + GET_BYTES)) == 3


# -- §11 security ------------------------------------------------------------------------------

SPLITTERS = ["a\r\nX: y", "a\nX: y", "a\rX: y", "a\r\n\r\nb", "a\0b", "a\x7fb", "a\u010db", "a😀"]


@pytest.mark.parametrize("bad", SPLITTERS)
def test_no_value_splits_a_message(bad: str) -> None:
    """CR, LF, NUL, other controls and what Latin-1 lacks are refused with nothing sent. §11.1"""
    server, client = server_after(), Machine(CLIENT)
    heads: list[ResponseHead | RequestHead] = [
        ResponseHead(200, [("X", bad)]),
        ResponseHead(200, [("Set-Cookie", "a"), ("X", bad), ("Y", "z")]),
        ResponseHead(200, [(bad, "x")]),
        ResponseHead(200, [("Connection", bad)]),
        ResponseHead(200, reason=bad),
        ResponseHead(299, reason=bad),
        ResponseHead(103, [("Link", bad)]),
        ResponseHead(103, reason=bad),
        RequestHead("GET", "/", [("Host", "h"), ("X", bad)]),
        RequestHead("GET", "/", [("Host", "h"), (bad, "x")]),
        RequestHead("GET", "/", [("Host", bad)]),
        RequestHead("GET", "/", [("Host", "h"), ("Connection", bad)]),
        RequestHead(bad, "/", [("Host", "h")]),
        RequestHead("GET", "/" + bad, [("Host", "h")]),
        RequestHead("GET", "http://" + bad + "/", [("Host", "h")]),
        RequestHead("CONNECT", bad + ":443", [("Host", "h")]),
    ]
    for head in heads:
        machine = server if isinstance(head, ResponseHead) else client
        for end in (False, True):
            with pytest.raises(LocalProtocolError):
                machine.send_head(head, end=end)
    assert answer(server) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert client.send_head(GET, end=True) == GET_BYTES


@pytest.mark.parametrize("bad", ["", " ", "X:", "X ", " X", "X(", "é", "X\t", "\u212a"])
def test_a_name_that_is_no_token_is_not_sent(bad: str) -> None:
    """In heads and in trailers. §5.1"""
    machine = server_after()
    with pytest.raises(LocalProtocolError):
        machine.send(ResponseHead(200, [(bad, "x")]))
    machine.send(ResponseHead(200))
    with pytest.raises(LocalProtocolError):
        machine.send(EndOfMessage([(bad, "x")]))
    assert machine.send(EndOfMessage()) == b"0\r\n\r\n"


@pytest.mark.parametrize("bad", SPLITTERS)
def test_no_trailer_splits_a_message(bad: str) -> None:
    """The message can still be ended without it. §11.1"""
    machine = server_after()
    machine.send(ResponseHead(200))
    with pytest.raises(LocalProtocolError):
        machine.send(EndOfMessage([("X", bad)]))
    assert machine.send(EndOfMessage()) == b"0\r\n\r\n"


def test_a_body_over_the_limit_is_cut_at_the_same_place_for_every_cut() -> None:
    """Content up to the close is given as far as it is allowed, then refused. §11.2"""
    raw = b"HTTP/1.1 200 OK\r\n\r\nhello world"
    for pieces in cuttings(raw):
        said, error = receive_response(client_after(limits=Limits(body=5)), pieces)
        assert error is not None
        assert said[1:] == [("data", b"hello")]


def test_a_limit_can_be_changed_for_one_body() -> None:
    """It is set anew with each head that has content. §11.2"""
    raw = _POST + b"Content-Length: 6\r\n\r\n"
    machine = Machine(SERVER, Limits(body=5))
    machine.receive(raw + b"123456" + raw)
    assert isinstance(machine.next_event(), RequestHead)
    assert machine.max_body == 5
    machine.max_body = None
    assert len(read(machine)) == 2
    answer(machine)
    assert isinstance(machine.next_event(), RequestHead)
    with pytest.raises(RemoteProtocolError) as error:
        machine.next_event()
    assert error.value.status == 413
    assert machine.limits.body == 5
    assert DEFAULT_LIMITS.body is None
