"""RFC 6455 §4, the opening handshake: each test is one of its rules."""

import pytest

from toolkit.wire.events import CHUNKED, Field, RequestHead, ResponseHead
from toolkit.wire.http1 import SERVER
from toolkit.wire.http1 import Machine as HTTP1
from toolkit.wire.websocket import (
    Agreement,
    Deflate,
    DeflateOptions,
    HandshakeError,
    accept_key,
    answer_request,
    is_upgrade,
    read_request,
    read_response,
    request_fields,
)

#: The example of §1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

GOOD: list[Field] = [
    ("host", "example.com"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", KEY),
    ("sec-websocket-version", "13"),
]


def request(
    *more: Field,
    without: str = "",
    method: str = "GET",
    version: str = "HTTP/1.1",
    body: bytes = b"",
) -> RequestHead:
    """Return the head that a server reads: the good one, changed."""
    fields = [field for field in GOOD if field[0] != without] + list(more)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    machine = HTTP1(SERVER)
    machine.receive(f"{method} /chat {version}\r\n{lines}\r\n".encode("latin-1") + body)
    head = machine.next_event()
    assert isinstance(head, RequestHead)
    return head


def refused(head: RequestHead) -> tuple[int, str]:
    """Return the status and the message that a request is refused with."""
    with pytest.raises(HandshakeError) as caught:
        read_request(head)
    return caught.value.status, str(caught.value)


def test_the_accept_key() -> None:
    """§1.3, §4.2.2"""
    assert accept_key(KEY) == ACCEPT


def test_a_good_request() -> None:
    """§4.2.1"""
    opening = read_request(
        request(
            ("sec-websocket-protocol", "chat, superchat"),
            ("sec-websocket-protocol", "Chat"),
            ("sec-websocket-extensions", "a; b=1, c"),
        )
    )
    assert opening.key == KEY
    assert opening.subprotocols == ["chat", "superchat", "Chat"]
    assert opening.extensions == [("a", [("b", "1")]), ("c", [])]


@pytest.mark.parametrize(
    ("upgrade", "connection"),
    [
        ("WebSocket", "upgrade"),
        ("h2c, websocket", "keep-alive, Upgrade"),
        ("WEBSOCKET", " , UPGRADE ,"),
    ],
)
def test_tokens_in_any_case_and_place(upgrade: str, connection: str) -> None:
    """§4.2.1: compared as ASCII without case, token by token."""
    fields = [field for field in GOOD if field[0] not in ("upgrade", "connection")]
    head = RequestHead("GET", "/", fields, upgrade=upgrade)
    assert is_upgrade(head)
    assert read_request(head).key == KEY
    head = request(("upgrade", upgrade), without="upgrade")
    assert is_upgrade(head)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(request(without="upgrade"), id="no Upgrade"),
        pytest.param(request(without="connection"), id="no Connection"),
        pytest.param(request(("upgrade", "notwebsocket"), without="upgrade"), id="other word"),
        pytest.param(request(("upgrade", "websocket/13"), without="upgrade"), id="with version"),
        pytest.param(
            request(("connection", "notupgrade"), without="connection"), id="other connection"
        ),
        pytest.param(
            request(("connection", "upgradeable, close"), without="connection"), id="beginning"
        ),
    ],
)
def test_what_is_no_upgrade(head: RequestHead) -> None:
    """§4.2.1: words are compared whole; RFC 9110 §15.5.22 has 426 for what lacks them."""
    assert not is_upgrade(head)
    with pytest.raises(HandshakeError, match="Upgrade: websocket") as caught:
        read_request(head)
    assert caught.value.status == 426
    assert caught.value.fields == (("Upgrade", "websocket"), ("Connection", "Upgrade"))


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "get"])
def test_the_method_is_get(method: str) -> None:
    """§4.1, §4.2.1"""
    assert refused(request(method=method))[0] == 400


def test_the_version_of_http_is_1_1() -> None:
    """§4.2.1: HTTP/1.1 or higher; the machine knows none higher."""
    status, message = refused(request(version="HTTP/1.0"))
    assert (status, message[:15]) == (400, "GET of HTTP/1.0")


@pytest.mark.parametrize(
    "field", [("content-length", "5"), ("transfer-encoding", "chunked")], ids=["length", "chunks"]
)
def test_a_request_has_no_content(field: Field) -> None:
    """What would come of it is either content or frames, and two readers could differ."""
    head = request(field)
    assert head.length in (5, CHUNKED)
    assert refused(head) == (400, "the request for a WebSocket has content; none is allowed")
    assert read_request(request(("content-length", "0"))).key == KEY


@pytest.mark.parametrize(
    "versions", [[], ["8"], ["7"], ["12"], ["013"], ["13, 8"], ["13", "13"], ["x"], [""]], ids=str
)
def test_version_13_is_spoken(versions: list[str]) -> None:
    """§4.2.2, §4.4: any other is answered by 426 and the version that is."""
    head = request(
        *[("sec-websocket-version", version) for version in versions],
        without="sec-websocket-version",
    )
    with pytest.raises(HandshakeError, match="13 is spoken") as caught:
        read_request(head)
    assert caught.value.status == 426
    assert caught.value.fields == (("Sec-WebSocket-Version", "13"),)


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [""],
        ["x" * 24],
        ["AAAAAAAAAAAAAAAAAAAAAA"],
        ["AAAAAAAAAAAAAAAAAAAAAAAA"],
        ["AAAAAAAAAAAAAAAAAAAAA==="],
        ["AAAAAAAAAAA AAAAAAAAAA=="],
        ["é" * 24],
        [KEY, KEY],
        ["A" * 60_00],
    ],
    ids=lambda keys: str(keys)[:40],
)
def test_the_key_is_16_bytes(keys: list[str]) -> None:
    """§4.2.1: base64 that gives 16 bytes, once."""
    head = request(*[("sec-websocket-key", key) for key in keys], without="sec-websocket-key")
    status, message = refused(head)
    assert status == 400
    assert "16 bytes in base64 are allowed" in message
    assert len(message) < 200


@pytest.mark.parametrize("value", ["a b", "chat, a/b", "(", "é", "chat;v=1", '"chat"'])
def test_subprotocols_are_tokens(value: str) -> None:
    """§4.1, §11.3.4"""
    status, message = refused(request(("sec-websocket-protocol", value)))
    assert (status, "tokens are allowed" in message) == (400, True)


def test_subprotocols_are_unique() -> None:
    """§4.1: each MUST be a unique string; they are case-sensitive."""
    assert refused(request(("sec-websocket-protocol", "a, b, a")))[0] == 400
    assert read_request(request(("sec-websocket-protocol", "a, A"))).subprotocols == ["a", "A"]


@pytest.mark.parametrize("name", ["sec-websocket-protocol", "sec-websocket-extensions"])
@pytest.mark.parametrize("piece", [" ", ",", " ,", "a ,", "\t", 'a; b="', "a,;", "a; b ,"])
def test_long_lists_end(name: str, piece: str) -> None:
    """200 KB of what makes patterns go back are read or refused at once, and in few words."""
    fields = [*GOOD, (name, piece * (200_000 // len(piece)))]
    said = ""
    try:
        read_request(RequestHead("GET", "/", fields, upgrade="websocket"))
    except HandshakeError as error:
        said = str(error)
    assert len(said) < 200


def test_bad_extensions_refuse_the_request() -> None:
    """§9.1: a field that does not follow the grammar."""
    assert refused(request(("sec-websocket-extensions", "a; ;b")))[0] == 400


def test_a_server_answers() -> None:
    """§4.2.2: with the accept key, and what was chosen."""
    opening = read_request(
        request(
            ("sec-websocket-protocol", "chat, superchat"),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
        )
    )
    plain: list[Field] = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
    ]
    assert answer_request(opening) == (plain, Agreement())
    assert answer_request(opening, "superchat", DeflateOptions()) == (
        [
            *plain,
            ("Sec-WebSocket-Protocol", "superchat"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ],
        Agreement("superchat", Deflate()),
    )


def test_a_server_chooses_what_is_offered() -> None:
    """§4.2.2: the value chosen MUST be derived from the client's handshake."""
    opening = read_request(request(("sec-websocket-protocol", "chat")))
    with pytest.raises(ValueError, match=r"subprotocol 'other'; \['chat'\] are offered"):
        answer_request(opening, "other")


def test_a_client_asks() -> None:
    """§4.1: a server reads it as it was meant."""
    fields = request_fields(KEY, ["chat", "superchat"], DeflateOptions())
    assert fields == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    ]
    opening = read_request(RequestHead("GET", "/", fields, upgrade="websocket"))
    assert opening.subprotocols == ["chat", "superchat"]
    assert len(request_fields(KEY)) == 4


@pytest.mark.parametrize(
    ("key", "subprotocols", "message"),
    [
        ("short", (), "key 'short'; 16 bytes"),
        (KEY, ("a\r\nX: y",), r"subprotocol 'a\\r\\nX: y'; a token"),
        (KEY, ("",), "subprotocol ''; a token"),
        (KEY, ("a", "a"), "each is allowed once"),
    ],
)
def test_a_client_asks_for_nothing_wrong(
    key: str, subprotocols: tuple[str, ...], message: str
) -> None:
    """§4.1: and puts no line ends into its head."""
    with pytest.raises(ValueError, match=message):
        request_fields(key, subprotocols)


def response(status: int = 101, **changed: str | None) -> ResponseHead:
    """Return the head of a good answer, with some fields changed or left out."""
    fields: dict[str, str | None] = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": ACCEPT,
    }
    fields |= {name.replace("_", "-"): value for name, value in changed.items()}
    return ResponseHead(status, [(name, value) for name, value in fields.items() if value])


def test_a_client_reads_the_answer() -> None:
    """§4.1"""
    assert read_response(response(), KEY) == Agreement()
    assert (
        read_response(response(upgrade="WebSocket", connection="keep-alive, upgrade"), KEY)
        == Agreement()
    )
    head = response(sec_websocket_protocol="b", sec_websocket_extensions="permessage-deflate")
    assert read_response(head, KEY, ["a", "b"], DeflateOptions()) == Agreement("b", Deflate())


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (response(200), "status 200; 101 opens a WebSocket"),
        (response(upgrade=None), "lacks .Upgrade: websocket"),
        (response(upgrade="h2c, websocket"), "lacks .Upgrade: websocket"),
        (response(connection=None), "lacks .Connection: Upgrade"),
        (response(connection="upgraded"), "lacks .Connection: Upgrade"),
        (response(sec_websocket_accept=None), r"Sec-WebSocket-Accept \[\]"),
        (response(sec_websocket_accept=KEY), "Sec-WebSocket-Accept"),
        (response(sec_websocket_accept=ACCEPT.lower()), "Sec-WebSocket-Accept"),
        (response(sec_websocket_protocol="c"), r"subprotocol \['c'\]; \['a', 'b'\] were offered"),
        (response(sec_websocket_protocol="a, b"), "subprotocol"),
        (response(sec_websocket_protocol="A"), "subprotocol"),
        (response(sec_websocket_extensions="permessage-deflate"), "were not offered"),
        (response(sec_websocket_extensions=";"), "a list is allowed"),
    ],
)
def test_a_client_refuses_what_is_no_answer(head: ResponseHead, message: str) -> None:
    """§4.1: it MUST fail the connection."""
    with pytest.raises(HandshakeError, match=message):
        read_response(head, KEY, ["a", "b"])


def test_the_status_of_a_refusal_is_told() -> None:
    """So that the owner can follow a redirect or answer a challenge."""
    with pytest.raises(HandshakeError) as caught:
        read_response(response(403), KEY)
    assert caught.value.status == 403


def test_fields_that_come_twice() -> None:
    """§4.1, §11.3: Accept and Protocol must not appear more than once in a response."""
    for name, value in (("sec-websocket-accept", ACCEPT), ("sec-websocket-protocol", "a")):
        head = ResponseHead(101, [*response(sec_websocket_protocol="a").fields, (name, value)])
        with pytest.raises(HandshakeError):
            read_response(head, KEY, ["a"])
