"""RFC 7692, compression of messages: each test is one of its rules."""

import random
import tracemalloc
import zlib

import pytest

from tests.wire.framing import KEY, ROLES, as_client, code_of, every_cut, feed, frame, machine, read
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.http1 import CLIENT, SERVER, Role
from toolkit.wire.websocket import (
    Deflate,
    DeflateOptions,
    FrameError,
    HandshakeError,
    Limits,
    Prepared,
)
from toolkit.wire.websocket.deflate import (
    Extension,
    Inflater,
    answer_offer,
    offer,
    parse_extensions,
    read_answer,
)

TEXT, BINARY, PING = 0x81, 0x82, 0x89
#: The same with RSV1: compressed.
PACKED_TEXT, PACKED_BINARY, PACKED_BEGINS, GOES_ON, ENDS = 0xC1, 0xC2, 0x41, 0x00, 0x80

#: Everything is compressed.
ALL = Deflate(threshold=0)
ALL_FRESH = Deflate(server_takeover=False, client_takeover=False, threshold=0)

both_roles = pytest.mark.parametrize("role", ROLES, ids=["server", "client"])


def pack(data: bytes, bits: int = 15) -> bytes:
    """Compress a message as another implementation would."""
    stream = zlib.compressobj(6, zlib.DEFLATED, -bits)
    packed = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
    assert packed.endswith(b"\x00\x00\xff\xff")
    return packed[:-4]


def peer_of(role: Role) -> Role:
    """Return the other role."""
    return CLIENT if role is SERVER else SERVER


# -- §5, §7.1: the handshake ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        (["permessage-deflate"], [("permessage-deflate", [])]),
        (["a; x; y=1", "b"], [("a", [("x", None), ("y", "1")]), ("b", [])]),
        ([' a ;x = "1" , ,\tb,'], [("a", [("x", "1")]), ("b", [])]),
        (['a; x="\\1\\5"'], [("a", [("x", "15")])]),
        (["", ","], []),
    ],
)
def test_extensions_are_read(values: list[str], expected: list[Extension]) -> None:
    """RFC 6455 §9.1: lists in several fields are one; empty items are passed over."""
    assert parse_extensions(values) == expected


@pytest.mark.parametrize(
    "value",
    [
        "a b",
        "a; ",
        "a;",
        "a; =1",
        "a; x=",
        "a; x=1 2",
        'a; x="1',
        'a; x=""',
        'a; x="a b"',
        "é",
        "@",
    ],
)
def test_extensions_that_are_no_list(value: str) -> None:
    """RFC 6455 §9.1: a field that does not follow the grammar MUST fail the connection."""
    with pytest.raises(HandshakeError, match="Sec-WebSocket-Extensions") as caught:
        parse_extensions([value])
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("values", "options", "answer", "agreed"),
    [
        (["permessage-deflate"], DeflateOptions(), "permessage-deflate", Deflate()),
        (
            ["permessage-deflate; client_max_window_bits"],
            DeflateOptions(),
            "permessage-deflate",
            Deflate(),
        ),
        (
            ["permessage-deflate; client_max_window_bits=11; server_max_window_bits=12"],
            DeflateOptions(),
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11",
            Deflate(12, 11),
        ),
        (
            ["permessage-deflate; client_max_window_bits; server_max_window_bits=15"],
            DeflateOptions(server_window_bits=10, client_window_bits=9),
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
            Deflate(10, 9),
        ),
        (
            # §7.1.2.2: a server MUST NOT ask for a window of a client that offers none.
            ["permessage-deflate"],
            DeflateOptions(server_window_bits=10, client_window_bits=9),
            "permessage-deflate; server_max_window_bits=10",
            Deflate(10, 15),
        ),
        (
            ["permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
            DeflateOptions(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            Deflate(15, 15, False, False),
        ),
        (
            ["permessage-deflate"],
            DeflateOptions(server_takeover=False, client_takeover=False, level=1, mem_level=5),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            Deflate(15, 15, False, False, 1, 5),
        ),
        (
            ["permessage-deflate; server_max_window_bits=8; client_max_window_bits=8"],
            DeflateOptions(threshold=7),
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
            Deflate(8, 8, threshold=7),
        ),
        (
            ["x-webkit-deflate-frame, permessage-deflate; mux", "permessage-deflate"],
            DeflateOptions(),
            "permessage-deflate",
            Deflate(),
        ),
        (["x-webkit-deflate-frame"], DeflateOptions(), None, None),
        (["permessage-deflate"], None, None, None),
        ([], DeflateOptions(), None, None),
    ],
)
def test_a_server_answers_the_first_offer_that_it_can(
    values: list[str], options: DeflateOptions | None, answer: str | None, agreed: Deflate | None
) -> None:
    """§5.1, §7.1: what was asked for is granted; what this side wants smaller is said."""
    assert answer_offer(parse_extensions(values), options) == (agreed, answer)


BAD_PARAMETERS = [
    *(f"{side}_max_window_bits={bits}" for side in ("server", "client") for bits in
      ("7", "16", "0", "-9", "+9", "08", "015", "999", "x", "1_0", "0x9", "9.0")),
    "server_max_window_bits",
    "server_no_context_takeover=1",
    "client_no_context_takeover=true",
    "server_no_context_takeover; server_no_context_takeover",
    "client_max_window_bits=9; client_max_window_bits=9",
    "Server_no_context_takeover",
    "unknown",
    "unknown=1",
]  # fmt: skip


@pytest.mark.parametrize("parameters", BAD_PARAMETERS)
def test_a_server_declines_a_bad_offer(parameters: str) -> None:
    """§7.1: a parameter that is unknown, wrong or there twice MUST decline the offer."""
    offered = parse_extensions([f"permessage-deflate; {parameters}"])
    assert answer_offer(offered, DeflateOptions()) == (None, None)


@pytest.mark.parametrize("parameters", [*BAD_PARAMETERS, "client_max_window_bits"])
def test_a_client_refuses_a_bad_answer(parameters: str) -> None:
    """§7.1: the client MUST fail the connection; §7.1.2.2: an answer has a value."""
    answered = parse_extensions([f"permessage-deflate; {parameters}"])
    with pytest.raises(HandshakeError, match="the server answered"):
        read_answer(answered, DeflateOptions())


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (DeflateOptions(), "permessage-deflate; client_max_window_bits"),
        (
            DeflateOptions(server_window_bits=10, client_window_bits=9),
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
        ),
        (
            DeflateOptions(server_takeover=False, client_takeover=False),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            "; client_max_window_bits",
        ),
    ],
)
def test_a_client_offers(options: DeflateOptions, value: str) -> None:
    """§7.1: what it wants of the server and what it can do itself; a server understands it."""
    assert offer(options) == value
    agreed, answer = answer_offer(parse_extensions([value]), DeflateOptions())
    assert answer is not None
    assert read_answer(parse_extensions([answer]), options) == agreed


@pytest.mark.parametrize(
    ("value", "options", "agreed"),
    [
        ("permessage-deflate", DeflateOptions(), Deflate()),
        ("permessage-deflate; server_max_window_bits=9", DeflateOptions(), Deflate(9)),
        ("permessage-deflate; client_max_window_bits=9", DeflateOptions(), Deflate(15, 9)),
        (
            "permessage-deflate; client_max_window_bits=12",
            DeflateOptions(client_window_bits=10),
            Deflate(15, 10),
        ),
        (
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            DeflateOptions(level=9, mem_level=1, threshold=1),
            Deflate(15, 15, False, False, 9, 1, 1),
        ),
        ("permessage-deflate", DeflateOptions(client_takeover=False), Deflate(15, 15, True, False)),
        ("", DeflateOptions(), None),
        ("", None, None),
    ],
)
def test_a_client_reads_the_answer(
    value: str, options: DeflateOptions | None, agreed: Deflate | None
) -> None:
    """§7.1: a server may ask for more than was offered, within what its words allow."""
    assert read_answer(parse_extensions([value]), options) == agreed


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ("permessage-deflate", None, "they were not offered"),
        ("x-mux", DeflateOptions(), "they were not offered"),
        ("permessage-deflate, permessage-deflate", DeflateOptions(), "they were not offered"),
        (
            "permessage-deflate; server_max_window_bits=11",
            DeflateOptions(server_window_bits=10),
            "window is 11 bits; 10 were allowed",
        ),
        (
            "permessage-deflate",
            DeflateOptions(server_window_bits=10),
            "window is 15 bits; 10 were allowed",
        ),
        (
            "permessage-deflate",
            DeflateOptions(server_takeover=False),
            "did not take server_no_context_takeover",
        ),
    ],
)
def test_an_answer_that_was_not_offered(
    value: str, options: DeflateOptions | None, message: str
) -> None:
    """§5.1, §7.1.1.1, §7.1.2.1: a client MUST fail the connection."""
    with pytest.raises(HandshakeError, match=message):
        read_answer(parse_extensions([value]), options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": -1},
        {"level": 10},
        {"mem_level": 0},
        {"mem_level": 10},
        {"server_window_bits": 7},
        {"client_window_bits": 16},
    ],
    ids=str,
)
def test_options_have_ranges(wrong: dict[str, int]) -> None:
    """A wrong one is told at once, with what is allowed."""
    with pytest.raises(ValueError, match="is allowed"):
        DeflateOptions(**wrong)  # type: ignore[arg-type]


# -- §6, §7.2: messages --------------------------------------------------------------------

HELLO = bytes.fromhex("f248cdc9c90700")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param([(0xC1, "f248cdc9c90700")], ["Hello"], id="one frame"),
        pytest.param([(0x41, "f248cd"), (0x80, "c9c90700")], ["Hello"], id="fragments"),
        pytest.param([(0xC1, "f248cdc9c90700")] * 2, ["Hello"] * 2, id="twice the same"),
        pytest.param(
            [(0xC1, "f248cdc9c90700"), (0xC1, "f200110000")], ["Hello"] * 2, id="a repetition"
        ),
        pytest.param([(0xC1, "000500faff48656c6c6f00")], ["Hello"], id="stored"),
        pytest.param([(0xC1, "f348cdc9c9070000")], ["Hello"], id="a final block"),
        pytest.param([(0xC1, "f348cdc9c9070000")] * 3, ["Hello"] * 3, id="final blocks"),
        pytest.param([(0xC1, "f24805000000ffffcac9c90700")], ["Hello"], id="two blocks"),
        pytest.param([(0xC1, "00")], [""], id="empty"),
        pytest.param([(0x41, ""), (0x00, ""), (0x80, "00")], [""], id="empty fragments"),
    ],
)
@both_roles
def test_the_examples(role: Role, frames: list[tuple[int, str]], expected: list[str]) -> None:
    """§7.2.3"""
    key = as_client(role)
    raw = b"".join(frame(first, bytes.fromhex(data), key) for first, data in frames)
    assert every_cut(raw, role, deflate=ALL) == (expected, None)


@both_roles
def test_a_message_need_not_be_compressed(role: Role) -> None:
    """§6: each message by itself; a control frame never is."""
    key = as_client(role)
    raw = b"".join(
        (
            frame(TEXT, b"plain", key),
            frame(PACKED_BEGINS, HELLO[:3], key),
            frame(PING, b"p", key),
            frame(ENDS, HELLO[3:], key),
            frame(TEXT, b"plain", key),
        )
    )
    assert every_cut(raw, role, deflate=ALL) == (["plain", ("Ping", b"p"), "Hello", "plain"], None)


@both_roles
def test_rsv1_stands_on_first_frames_alone(role: Role) -> None:
    """§6: a continuation or control frame that has it MUST fail the connection."""
    key = as_client(role)
    begins = frame(PACKED_BEGINS, HELLO[:3], key)
    assert code_of(begins + frame(0xC0, HELLO[3:], key), role, ALL) == 1002
    for first in (0xC8, 0xC9, 0xCA):
        assert code_of(frame(first, b"", key), role, ALL) == 1002
    for first in (0xA1, 0x91, 0xE1):
        assert code_of(frame(first, HELLO, key), role, ALL) == 1002


@both_roles
def test_rsv1_needs_the_extension(role: Role) -> None:
    """§6: nothing is inflated that was not agreed on."""
    assert code_of(frame(PACKED_TEXT, HELLO, as_client(role)), role) == 1002


TEXTS = [
    "",
    "a",
    "Hello" * 50,
    "κόσμε" * 1000,
    *(f"the same again and again {n}" for n in range(9)),
]
BINARIES = [b"", b"\x00" * 300_000, random.Random(1).randbytes(70_000), b"abc" * 10]


@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no takeover"])
@pytest.mark.parametrize("bits", range(8, 16))
@both_roles
def test_what_is_sent_is_received(role: Role, bits: int, takeover: bool) -> None:
    """§7.2: at every window, and with 8 bits too, of which zlib has no raw deflate."""
    deflate = Deflate(bits, bits, takeover, takeover, threshold=0)
    sender, receiver = machine(role, deflate=deflate), machine(peer_of(role), deflate=deflate)
    # What another implementation with just that window makes of it:
    other = zlib.decompressobj(-bits)
    for message in (*TEXTS, *BINARIES, *TEXTS):
        raw = sender.send(message)
        assert raw[0] in (PACKED_TEXT, PACKED_BINARY)
        assert read(receiver, raw) == [message]
        if role is SERVER and len(raw) < 126 and bits > 8:
            data = other.decompress(raw[2:] + b"\x00\x00\xff\xff")
            assert data == (message if isinstance(message, bytes) else message.encode())


def test_a_window_of_8_bits_is_kept() -> None:
    """§7.1.2.1: nothing is repeated that lies more than 256 bytes back."""
    data = b"".join(b"%04d" % n for n in range(300)) * 2 + b"a" * 1000
    deflate = Deflate(8, 8, threshold=0)
    raw = machine(SERVER, deflate=deflate).send(data)
    inflated = zlib.decompressobj(-8).decompress(raw[4:] + b"\x00\x00\xff\xff")
    assert inflated == data
    # All of the 1000, which lie close enough.
    assert len(raw) < 1500


@both_roles
def test_context_is_taken_over(role: Role) -> None:
    """§7.1.1: the second time a message costs a few bytes, unless that was ruled out."""
    message = random.Random(2).randbytes(500)
    sizes = []
    for deflate in (ALL, ALL_FRESH):
        sender = machine(role, deflate=deflate)
        sender.send(message)
        sizes.append(len(sender.send(message)))
    assert sizes[0] < 50 < 500 < sizes[1]


def test_only_one_side_takes_over() -> None:
    """§7.1.1: each direction has its own say."""
    deflate = Deflate(server_takeover=False, threshold=0)
    server, client = machine(SERVER, deflate=deflate), machine(CLIENT, deflate=deflate)
    message = random.Random(3).randbytes(500)
    for sender, receiver, small in ((server, client, False), (client, server, True)):
        assert read(receiver, sender.send(message)) == [message]
        raw = sender.send(message)
        assert (len(raw) < 50) is small
        assert read(receiver, raw) == [message]


@both_roles
def test_small_messages_stay_as_they_are(role: Role) -> None:
    """§6: a sender may choose; below the threshold compression makes little of it, or more."""
    sender = machine(role, deflate=Deflate(threshold=100))
    key = KEY if role is CLIENT else b""
    assert sender.send("a" * 99) == frame(TEXT, b"a" * 99, key)
    assert sender.send("a" * 100)[0] == PACKED_TEXT
    assert sender.send("é" * 50)[0] == PACKED_TEXT


@both_roles
def test_fragments_are_compressed(role: Role) -> None:
    """§7.2.1: only the first has RSV1, and each can be read when it is there."""
    sender, receiver = machine(role, deflate=ALL), machine(peer_of(role), deflate=ALL)
    for _ in range(2):
        raw = [
            sender.send_fragment("abc" * 50),
            sender.send_fragment(""),
            sender.send_fragment("abc" * 50),
            sender.send_fragment("", end=True),
        ]
        assert [one[0] for one in raw] == [PACKED_BEGINS, GOES_ON, GOES_ON, ENDS]
        assert read(receiver, b"".join(raw)) == ["abc" * 100]
        assert read(receiver, sender.send(b"abc" * 50)) == [b"abc" * 50]
        assert read(receiver, sender.send(b"")) == [b""]


def test_a_prepared_message_is_compressed_once() -> None:
    """A broadcast goes among other messages without hurting them, whatever was agreed on."""
    text = "to everybody: " * 20
    prepared = Prepared(text)
    raws = []
    for deflate in (ALL, ALL_FRESH, Deflate(threshold=10_000), Deflate(9, 9, threshold=0), None):
        server, client = machine(SERVER, deflate=deflate), machine(CLIENT, deflate=deflate)
        for message in ("before " * 30, prepared, "before " * 30, prepared, "after " * 30):
            raw = server.send(message)
            if message is prepared:
                raws.append(raw)
            expected = text if isinstance(message, Prepared) else message
            assert read(client, raw) == [expected]
    packed, plain, narrow = raws[0], raws[4], raws[6]
    assert [raw is packed for raw in raws[:4]] == [True] * 4
    assert [raw is plain for raw in (raws[5], raws[8], raws[9])] == [True] * 3
    assert raws[7] is narrow
    assert len(packed) < len(plain) / 5


def test_a_client_compresses_a_prepared_message_itself() -> None:
    """Its frames are masked, each by another key."""
    sender, receiver = machine(CLIENT, deflate=ALL), machine(SERVER, deflate=ALL)
    prepared = Prepared(b"abc" * 100)
    sizes = []
    for _ in range(2):
        raw = sender.send(prepared)
        sizes.append(len(raw))
        assert read(receiver, raw) == [b"abc" * 100]
    assert sizes[1] < sizes[0]


def test_nothing_is_compressed_that_cannot_be_sent() -> None:
    """An error leaves the compressor as it was."""
    sender, receiver = machine(SERVER, deflate=ALL), machine(CLIENT, deflate=ALL)
    read(receiver, sender.send("a" * 100))
    with pytest.raises(LocalProtocolError):
        sender.send("a\ud800")
    assert read(receiver, sender.send("a" * 100)) == ["a" * 100]


# -- bad and hostile peers -----------------------------------------------------------------


@both_roles
@pytest.mark.parametrize("payload", ["ff" * 20, "060000", "05" * 9], ids=str)
def test_what_is_not_deflate_is_refused(role: Role, payload: str) -> None:
    """§7.2.2 has no code for it; 1007 says that the data is not what it claims to be."""
    data = bytes.fromhex(payload)
    assert code_of(frame(PACKED_BINARY, data, as_client(role)), role, ALL) == 1007
    raw = frame(PACKED_BEGINS, data[:2], as_client(role)) + frame(ENDS, data[2:], as_client(role))
    assert code_of(raw, role, ALL) == 1007


@both_roles
def test_inflated_text_is_utf8(role: Role) -> None:
    """RFC 6455 §8.1 holds for what comes out."""
    key = as_client(role)
    for text in (b"abc\xff", b"\xe2\x82", b"\xed\xa0\x80"):
        packed = pack(text)
        assert code_of(frame(PACKED_TEXT, packed, key), role, ALL) == 1007
        raw = frame(PACKED_BEGINS, packed[:2], key) + frame(ENDS, packed[2:], key)
        assert code_of(raw, role, ALL) == 1007


LIMIT = 100_000


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 40 * LIMIT])
@pytest.mark.parametrize("fragment", [1 << 40, 50, 1])
@pytest.mark.parametrize("first", [PACKED_TEXT, PACKED_BINARY], ids=["text", "binary"])
def test_the_limit_is_on_what_comes_out(first: int, size: int, fragment: int) -> None:
    """What a few bytes become is refused before it is made, in one frame and in many."""
    packed = pack(b"a" * size)[: 2000 if fragment == 1 else None]
    pieces = [packed[at : at + fragment] for at in range(0, len(packed), fragment)]
    firsts = [first & 0x7F, *[GOES_ON] * (len(pieces) - 1)] if len(pieces) > 1 else [first & 0x7F]
    raw = b"".join(map(frame, firsts, pieces)) + frame(ENDS)
    said, error = feed(machine(SERVER, Limits(message=LIMIT), ALL), [raw])
    if size == LIMIT:
        assert (said, error) == ([b"a" * size if first == PACKED_BINARY else "a" * size], None)
        raw = frame(first, packed)
        assert feed(machine(SERVER, Limits(message=LIMIT), ALL), [raw])[1] is None
    else:
        assert said == []
        assert error is not None
        assert error.code == 1009


@pytest.mark.parametrize("first", [PACKED_TEXT, PACKED_BINARY], ids=["text", "binary"])
def test_a_bomb_takes_little_memory(first: int) -> None:
    """60 KB that would become 60 MB take the limit, 64 KiB and what holds the 60 KB."""
    bomb = frame(first, pack(bytes(60_000_000)))
    for pieces in ([bomb], [bomb[:1000], bomb[1000:2000], bomb[2000:]]):
        receiver = machine(SERVER, Limits(message=1_000_000), ALL)
        tracemalloc.start()
        _, error = feed(receiver, pieces)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert error is not None
        assert error.code == 1009
        assert peak < 1_000_000 + 64 * 1024 + 3 * len(bomb)


def test_a_compressed_length_has_a_limit_too() -> None:
    """Deflate makes nothing much larger; a length beyond that is refused by its head."""
    receiver = machine(SERVER, Limits(message=1000), ALL)
    noise = random.Random(4).randbytes(1000)
    assert read(receiver, frame(PACKED_BINARY, pack(noise))) == [noise]
    receiver.receive(frame(PACKED_BINARY, bytes(3000))[:8])
    with pytest.raises(FrameError, match="more than 1000 bytes") as caught:
        receiver.next_event()
    assert caught.value.code == 1009


def test_final_blocks_without_end_are_refused() -> None:
    """Each costs a new decompressor: a hundred that bring nothing are enough."""
    good = b"\x03\x00" * 100 + HELLO
    assert code_of(frame(PACKED_TEXT, good), SERVER, ALL) is None
    assert code_of(frame(PACKED_TEXT, b"\x03\x00" * 101 + HELLO), SERVER, ALL) == 1007


def test_pieces_are_bounded() -> None:
    """No more than 32 KiB come out at once, and nothing is lost between them."""
    data = bytes(100_000) + random.Random(5).randbytes(100_000)
    pieces = list(Inflater(15, True).inflate(pack(data) + b"\x00\x00\xff\xff"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 32 * 1024
