"""RFC 6455, the protocol of frames: each test is one of its rules."""

import tracemalloc

import pytest

from tests.wire.framing import (
    KEY,
    ROLES,
    as_client,
    code_of,
    describe,
    every_cut,
    frame,
    machine,
    read,
)
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.websocket import (
    CLIENT,
    CLOSED,
    NEED_DATA,
    SERVER,
    Close,
    Event,
    FrameError,
    Limits,
    Machine,
    Ping,
    Pong,
    Prepared,
    Role,
)
from toolkit.wire.websocket.masking import find_mask, mask_in_python

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
#: First frames of messages in several.
TEXT_BEGINS, BINARY_BEGINS, GOES_ON, ENDS = 0x01, 0x02, 0x00, 0x80

both_roles = pytest.mark.parametrize("role", ROLES, ids=["server", "client"])


@pytest.mark.parametrize(
    ("raw", "role", "expected"),
    [
        pytest.param("8105 48656c6c6f", CLIENT, ["Hello"], id="text"),
        pytest.param("8185 37fa213d 7f9f4d5158", SERVER, ["Hello"], id="masked text"),
        pytest.param("0103 48656c 8002 6c6f", CLIENT, ["Hello"], id="fragments"),
        pytest.param("8905 48656c6c6f", CLIENT, [("Ping", b"Hello")], id="ping"),
        pytest.param("8a85 37fa213d 7f9f4d5158", SERVER, [("Pong", b"Hello")], id="masked pong"),
        pytest.param("827e0100" + "a5" * 256, CLIENT, [b"\xa5" * 256], id="256 bytes"),
        pytest.param("827f0000000000010000" + "5a" * 65536, CLIENT, [b"\x5a" * 65536], id="64 KiB"),
    ],
)
def test_the_examples(raw: str, role: Role, expected: list[object]) -> None:
    """§5.7"""
    assert every_cut(bytes.fromhex(raw), role) == (expected, None)


SIZES = (0, 1, 3, 4, 5, 124, 125, 126, 127, 600, 601, 65535, 65536, 70001)


@both_roles
@pytest.mark.parametrize("size", SIZES)
def test_every_form_of_length_is_read(role: Role, size: int) -> None:
    """§5.2: 7, 16 and 64 bits, at both sides of each border, text and binary."""
    text = ("a–Ω" * size)[: size // 2]
    raw = text.encode()
    key = as_client(role)
    assert every_cut(frame(TEXT, raw, key), role) == ([text], None)
    assert every_cut(frame(BINARY, raw, key), role) == ([raw], None)


@both_roles
@pytest.mark.parametrize("size", SIZES)
def test_every_form_of_length_is_written(role: Role, size: int) -> None:
    """§5.2: the fewest bytes are used."""
    key = KEY if role is CLIENT else b""
    assert machine(role).send(b"x" * size) == frame(BINARY, b"x" * size, key)
    assert machine(role).send("x" * size) == frame(TEXT, b"x" * size, key)


@both_roles
@pytest.mark.parametrize(
    ("size", "form"),
    [(0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8)],
    ids=lambda value: str(value),
)
def test_a_length_in_a_longer_form_is_refused(role: Role, size: int, form: int) -> None:
    """§5.2: the minimal number of bytes MUST be used to encode the length."""
    assert code_of(frame(BINARY, b"x" * size, as_client(role), form), role) == 1002


@both_roles
@pytest.mark.parametrize(
    ("length", "code"),
    [
        pytest.param(1 << 63, 1002, id="highest bit"),
        pytest.param((1 << 64) - 1, 1002, id="all bits"),
        pytest.param((1 << 63) - 1, 1009, id="all bits but the highest"),
        pytest.param(1 << 62, 1009, id="2 to the 62"),
    ],
)
def test_a_huge_length_is_refused_before_its_payload(role: Role, length: int, code: int) -> None:
    """§5.2: the most significant bit MUST be 0; nothing is made of that size."""
    head = bytes((BINARY, 127 | (0x80 if role is SERVER else 0))) + length.to_bytes(8, "big")
    assert code_of(head + as_client(role), role) == code


def test_a_client_has_to_mask() -> None:
    """§5.1: the server MUST close the connection upon receiving a frame that is not masked."""
    assert code_of(frame(TEXT, b"a", key=b"")) == 1002
    assert code_of(frame(TEXT, b"a", key=b"") + frame(TEXT, b"aaaa")) == 1002
    assert code_of(frame(PING, b"", key=b"")) == 1002


def test_a_server_must_not_mask() -> None:
    """§5.1: a client MUST close a connection if it detects a masked frame."""
    assert code_of(frame(TEXT, b"a"), CLIENT) == 1002
    assert code_of(frame(CLOSE), CLIENT) == 1002


@pytest.mark.parametrize("role", [SERVER, CLIENT])
@pytest.mark.parametrize("size", [0, 5, 125, 126, 127])
def test_the_wrong_mask_bit_is_told_from_a_length(role: Role, size: int) -> None:
    """§5.1: also where what follows could be a length of 8 bytes, and all of its payload."""
    second = size if role is SERVER else size | 0x80
    rest = (1 << 16).to_bytes(8) + as_client(role) + bytes(1 << 16)
    assert code_of(bytes((BINARY, second)) + rest, role) == 1002


def test_every_frame_of_a_client_has_its_own_key() -> None:
    """§5.3: each is asked for; messages, fragments and control frames alike."""
    keys = iter([b"1111", b"2222", b"3333", b"4444", b"5555"])
    sender = Machine(CLIENT, mask_key=lambda: next(keys))
    raw = sender.send("a") + sender.send(Ping(b"b")) + sender.send_fragment("c")
    raw += sender.send_fragment("d", end=True) + sender.send(Close(1000))
    assert read(machine(), raw) == ["a", ("Ping", b"b"), "cd", ("Close", 1000, ""), CLOSED]
    assert next(keys, None) is None
    assert [key in raw for key in (b"1111", b"2222", b"3333", b"4444", b"5555")] == [True] * 5


def test_a_client_needs_keys() -> None:
    """§10.3: there is no default that somebody could foresee."""
    with pytest.raises(ValueError, match="mask_key"):
        Machine(CLIENT)


def test_masking_without_c() -> None:
    """§5.3: octet i is XORed with octet i modulo 4 of the key."""
    for size in (*range(65), 255, 256, 257, 258, 8191, 8192, 8193, 20_001):
        data = bytes((at * 7) % 256 for at in range(size))
        expected = bytes(byte ^ KEY[at % 4] for at, byte in enumerate(data))
        for kind in (bytes, bytearray, memoryview):
            assert mask_in_python(kind(data), KEY) == expected


def test_masks_are_made_in_c_where_that_is_installed() -> None:
    """The extra ``fast`` brings it; without it all works as well."""
    assert find_mask("no.such.module") is mask_in_python
    assert find_mask("websockets.speedups")(b"Hello", KEY) == bytes.fromhex("7f9f4d5158")


@both_roles
@pytest.mark.parametrize("first", [0xC1, 0xA1, 0x91, 0xF1, 0xC9, 0xA8, 0x9A, 0x11, 0x41, 0x20])
def test_reserved_bits_need_an_extension(role: Role, first: int) -> None:
    """§5.2: RSV1 to RSV3 MUST be 0 unless an extension that defines them was agreed on."""
    assert code_of(frame(first, b"a", as_client(role)), role) == 1002


@both_roles
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
def test_reserved_opcodes_are_refused(role: Role, opcode: int) -> None:
    """§5.2: an unknown opcode fails the connection, be its message ever so good else."""
    assert code_of(frame(0x80 | opcode, b"a", as_client(role)), role) == 1002
    assert code_of(frame(opcode, b"", as_client(role)), role) == 1002


@both_roles
def test_control_frames_come_between_fragments(role: Role) -> None:
    """§5.4: an endpoint MUST be able to handle them in the middle of a message."""
    key = as_client(role)
    raw = b"".join(
        (
            frame(TEXT_BEGINS, b"He", key),
            frame(PING, b"1", key),
            frame(GOES_ON, b"l", key),
            frame(PONG, b"2", key),
            frame(PING, b"3", key),
            frame(ENDS, b"lo", key),
            frame(BINARY_BEGINS, b"", key),
            frame(ENDS, b"", key),
        )
    )
    expected = [("Ping", b"1"), ("Pong", b"2"), ("Ping", b"3"), "Hello", b""]
    assert every_cut(raw, role) == (expected, None)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([(ENDS, b"a")], id="continuation first"),
        pytest.param([(GOES_ON, b"a")], id="continuation that goes on first"),
        pytest.param([(TEXT, b"a"), (ENDS, b"b")], id="continuation after a whole message"),
        pytest.param([(TEXT_BEGINS, b"a"), (TEXT, b"b")], id="message in a message"),
        pytest.param([(TEXT_BEGINS, b"a"), (BINARY, b"b")], id="binary in text"),
        pytest.param([(TEXT_BEGINS, b"a"), (TEXT_BEGINS, b"b")], id="begun twice"),
        pytest.param([(0x09, b"a")], id="ping in fragments"),
        pytest.param([(0x08, b"")], id="close in fragments"),
        pytest.param([(0x0A, b"")], id="pong in fragments"),
    ],
)
@both_roles
def test_fragments_have_an_order(role: Role, frames: list[tuple[int, bytes]]) -> None:
    """§5.4: fragments of messages MUST NOT be interleaved, control frames not be fragmented."""
    key = as_client(role)
    assert code_of(b"".join(frame(first, data, key) for first, data in frames), role) == 1002


@both_roles
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames_are_short(role: Role, opcode: int) -> None:
    """§5.5: all control frames MUST have a payload of 125 bytes or less."""
    key = as_client(role)
    good = (1000).to_bytes(2, "big") + b"r" * 123
    assert code_of(frame(opcode, good, key), role) is None
    assert code_of(frame(opcode, good + b"r", key), role) == 1002
    assert code_of(frame(opcode, good, key, form=2), role) == 1002


@pytest.mark.parametrize("event", [Ping(b"x" * 126), Pong(b"x" * 126)], ids=["ping", "pong"])
def test_we_send_no_long_control_frames(event: Event) -> None:
    """§5.5: the same for what we send; nothing has changed by the attempt."""
    sender = machine()
    with pytest.raises(LocalProtocolError, match="126 bytes in a control frame; 125"):
        sender.send(event)
    assert sender.send("a") == frame(TEXT, b"a", b"")


@both_roles
def test_ping_and_pong_are_sent(role: Role) -> None:
    """§5.5.2, §5.5.3: with up to 125 bytes of any kind."""
    key = KEY if role is CLIENT else b""
    data = bytes(range(125))
    assert machine(role).send(Ping(data)) == frame(PING, data, key)
    assert machine(role).send(Pong(data)) == frame(PONG, data, key)
    assert machine(role).send(Pong()) == frame(PONG, b"", key)


GOOD_CODES = (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


@both_roles
@pytest.mark.parametrize("code", GOOD_CODES)
def test_codes_that_may_be_sent(role: Role, code: int) -> None:
    """§7.4: those of the registry, of libraries and of applications; both ways."""
    payload = code.to_bytes(2, "big") + "adiós".encode()
    raw = machine(CLIENT if role is SERVER else SERVER).send(Close(code, "adiós"))
    assert raw == frame(CLOSE, payload, as_client(role))
    assert every_cut(raw, role) == ([("Close", code, "adiós")], None)


@both_roles
@pytest.mark.parametrize("code", BAD_CODES)
def test_codes_that_may_not_be_sent(role: Role, code: int) -> None:
    """§7.4.1: 1005, 1006 and 1015 MUST NOT be set, and what nobody has defined is not used."""
    assert code_of(frame(CLOSE, code.to_bytes(2, "big"), as_client(role)), role) == 1002
    with pytest.raises(LocalProtocolError, match=f"close code {code}; 1000 to 1003"):
        machine(role).send(Close(code))


@both_roles
def test_half_a_code_is_refused(role: Role) -> None:
    """§5.5.1: if there is a body, the first two bytes MUST be a code."""
    assert code_of(frame(CLOSE, b"\x03", as_client(role)), role) == 1002


@both_roles
def test_a_close_may_say_nothing(role: Role) -> None:
    """§5.5.1, §7.1.5: the code that stands for it is 1005, which is never sent."""
    assert every_cut(frame(CLOSE, b"", as_client(role)), role) == ([("Close", None, "")], None)
    assert machine(role).send(Close()) == frame(CLOSE, b"", KEY if role is CLIENT else b"")


@pytest.mark.parametrize(
    ("close", "message"),
    [
        (Close(None, "why"), "a reason to close needs a code"),
        (Close(1000, "r" * 124), "a reason of 124 bytes; 123 are allowed"),
        (Close(1000, "é" * 62), "a reason of 124 bytes; 123 are allowed"),
        (Close(1000, "\ud800"), "text cannot be sent as UTF-8"),
    ],
    ids=["no code", "too long", "too long in UTF-8", "half a pair"],
)
def test_reasons_that_cannot_be_sent(close: Close, message: str) -> None:
    """§5.5.1: the machine is not closed by the attempt."""
    sender = machine()
    with pytest.raises(LocalProtocolError, match=message):
        sender.send(close)
    assert sender.close_sent is None
    assert sender.send(Close(1000, "r" * 123)) == frame(CLOSE, b"\x03\xe8" + b"r" * 123, b"")


@both_roles
def test_a_reason_is_utf8(role: Role) -> None:
    """§5.5.1, §8.1: else the connection is failed with 1007."""
    assert code_of(frame(CLOSE, b"\x03\xe8\xff", as_client(role)), role) == 1007


@both_roles
def test_nothing_is_read_after_a_close(role: Role) -> None:
    """§5.5.1, §1.4: data after it is discarded, be it good or bad."""
    key = as_client(role)
    raw = frame(CLOSE, b"\x03\xe8", key) + frame(TEXT, b"more", key) + b"\xff" * 20
    assert every_cut(raw, role) == ([("Close", 1000, "")], None)
    receiver = machine(role)
    assert read(receiver, raw) == [("Close", 1000, ""), CLOSED]
    assert receiver.close_received is not None
    assert read(receiver, b"\xff" * 100) == [CLOSED]
    assert receiver.unread == 0


@both_roles
def test_nothing_is_sent_after_a_close(role: Role) -> None:
    """§5.5.1: the application MUST NOT send any more data frames after a Close."""
    sender = machine(role)
    close = Close(1001)
    sender.send(close)
    assert sender.close_sent is close
    for event in ("a", b"a", Ping(), Pong(), Close(), Prepared("a")):
        with pytest.raises(LocalProtocolError, match="nothing may follow a Close"):
            sender.send(event)
    with pytest.raises(LocalProtocolError, match="nothing may follow a Close"):
        sender.send_fragment("a")


@both_roles
def test_the_close_handshake(role: Role) -> None:
    """§7.1.2: whoever begins, messages under way still arrive, and each side ends CLOSED."""
    one, other = machine(role), machine(CLIENT if role is SERVER else SERVER)
    first = one.send("before") + one.send(Close(3000, "done"))
    late = other.send("crossing")
    assert read(other, first) == ["before", ("Close", 3000, "done"), CLOSED]
    answer = other.send(Close(3000))
    assert read(one, late + answer) == ["crossing", ("Close", 3000, ""), CLOSED]


@pytest.mark.parametrize(
    "raw",
    [b"", frame(TEXT, b"whole"), frame(TEXT, b"half")[:-1], frame(TEXT_BEGINS, b"a"), b"\x81"],
    ids=["nothing", "a message", "half a frame", "half a message", "half a head"],
)
def test_a_peer_that_leaves_without_a_close(raw: bytes) -> None:
    """§7.1.5: code 1006 stands for it; what came whole is read before."""
    receiver = machine()
    whole = ["whole"] if raw == frame(TEXT, b"whole") else []
    assert read(receiver, raw) == whole
    receiver.receive(b"")
    assert read(receiver) == [CLOSED]
    assert receiver.close_received is None
    assert receiver.next_event() is CLOSED


BAD_TEXTS = {
    "a byte that is never there": b"\xff",
    "a continuation byte alone": b"\x80",
    "too long a form of a slash": b"\xc0\xaf",
    "too long a form of a euro sign": b"\xf0\x82\x82\xac",
    "half of a surrogate pair": b"\xed\xa0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "a character broken off by another": b"\xe2\x82A",
}
UNFINISHED = {
    "two of three bytes": b"\xe2\x82",
    "one of two bytes": b"\xc3",
    "three of four bytes": b"\xf0\x9f\x98",
}


@both_roles
@pytest.mark.parametrize("bad", [*BAD_TEXTS, *UNFINISHED])
def test_text_is_utf8(role: Role, bad: str) -> None:
    """§5.6, §8.1: else the connection is failed with 1007, in one frame and in several."""
    key = as_client(role)
    text = "κόσμε".encode() + (BAD_TEXTS | UNFINISHED)[bad]
    assert code_of(frame(TEXT, text, key), role) == 1007
    pieces = [frame(GOES_ON, text[at : at + 1], key) for at in range(len(text))]
    raw = frame(TEXT_BEGINS, b"", key) + b"".join(pieces) + frame(ENDS, b"", key)
    assert code_of(raw, role) == 1007


@pytest.mark.parametrize("bad", BAD_TEXTS)
def test_text_is_checked_as_it_comes(bad: str) -> None:
    """§8.1: neither the message nor the frame need be whole to be refused."""
    raw = frame(TEXT_BEGINS, "κόσμε".encode() + BAD_TEXTS[bad] + b"more")
    receiver = machine()
    receiver.receive(raw[:-4])
    with pytest.raises(FrameError, match="is not UTF-8") as caught:
        receiver.next_event()
    assert caught.value.code == 1007


def test_characters_may_be_cut_by_fragments() -> None:
    """§5.6: a fragment need not be valid UTF-8 by itself."""
    text = "aé€😀"
    raw = text.encode()
    frames = [frame(GOES_ON, raw[at : at + 1]) for at in range(1, len(raw))]
    whole = frame(TEXT_BEGINS, raw[:1]) + b"".join(frames) + frame(ENDS)
    assert every_cut(whole) == ([text], None)


@pytest.mark.parametrize("text", [True, False])
def test_pieces_of_all_sizes_make_a_message(text: bool) -> None:
    """§5.4: small ones are copied together, large ones are not; their order stays."""
    payload = "aé€𝄞".encode() * 10_000
    receiver, at = machine(), 0
    receiver.receive(frame(TEXT_BEGINS if text else BINARY_BEGINS))
    for size in (1, 2, 3000, 4, 20_001, 5, 40_000, 6):
        assert read(receiver, frame(GOES_ON, payload[at : at + size])) == []
        at += size
    assert read(receiver, frame(ENDS, payload[at:])) == [payload.decode() if text else payload]


@both_roles
def test_an_error_is_for_good(role: Role) -> None:
    """§7.1.7: nothing more is read, and every look says the same."""
    receiver = machine(role)
    receiver.receive(frame(0x83, b"", as_client(role)) + frame(TEXT, b"a", as_client(role)))
    for _ in range(2):
        with pytest.raises(FrameError, match="opcode 0x3") as caught:
            receiver.next_event()
        assert caught.value.code == 1002
        receiver.receive(frame(TEXT, b"a", as_client(role)))
        assert receiver.unread == 0
    # Why is still told to the peer.
    assert receiver.send(Close.for_error(caught.value))[0] == CLOSE


def test_the_close_for_an_error_fits() -> None:
    """§5.5: whatever is said of the error, and wherever that has to be cut."""
    close = Close.for_error(FrameError("€" * 100, 1009))
    assert (close.code, close.reason) == (1009, "€" * 41)
    machine().send(close)


LIMITS = Limits(message=1000, empty_fragments=3)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param([(BINARY, 1000)], None, id="just allowed"),
        pytest.param([(BINARY, 1001)], 1009, id="one frame"),
        pytest.param([(BINARY, 70000)], 1009, id="one long frame"),
        pytest.param([(BINARY_BEGINS, 999), (ENDS, 1)], None, id="two frames just allowed"),
        pytest.param([(BINARY_BEGINS, 999), (ENDS, 2)], 1009, id="two frames"),
        pytest.param([(BINARY_BEGINS, 1)] + [(GOES_ON, 1)] * 1000, 1009, id="of one byte each"),
        pytest.param([(BINARY_BEGINS, 0)] + [(GOES_ON, 0)] * 3, 1002, id="empty ones"),
        pytest.param(
            [(BINARY_BEGINS, 0)] + [(GOES_ON, 0)] * 2 + [(ENDS, 1)], None, id="three empty ones"
        ),
        pytest.param([(BINARY, 1000)] * 3, None, id="each message by itself"),
    ],
)
def test_messages_have_a_limit(frames: list[tuple[int, int]], code: int | None) -> None:
    """§10.4: on the sum of the fragments, known by their heads; and on how many bring nothing."""
    raw = b"".join(frame(first, b"x" * size) for first, size in frames)
    _, error = every_cut(raw, limits=LIMITS)
    assert (None if error is None else error.code) == code


def test_the_limit_is_known_by_the_head() -> None:
    """§10.4: a large frame is refused before any of it came."""
    receiver = machine(limits=LIMITS)
    receiver.receive(frame(BINARY, b"x" * 1001)[:8])
    with pytest.raises(FrameError, match="a message of more than 1000 bytes") as caught:
        receiver.next_event()
    assert caught.value.code == 1009


def test_the_default_limit() -> None:
    """§10.4: there is one: 10 MiB."""
    assert Limits().message == 10 * 1024 * 1024


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_small_fragments_cost_little_memory(text: bool) -> None:
    """§10.4: a message in 10,000 fragments of two bytes takes a small multiple of its size."""
    receiver = machine()
    chunk = frame(GOES_ON, b"xy") * 100
    receiver.receive(frame(TEXT_BEGINS if text else BINARY_BEGINS, b"xy"))
    read(receiver)
    tracemalloc.start()
    for _ in range(100):
        assert read(receiver, chunk) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * 20_000
    (message,) = read(receiver, frame(ENDS))
    assert message == ("xy" if text else b"xy") * 10_001


def test_messages_after_each_other() -> None:
    """§5.4: also while the owner does not look, so that they are put together."""
    receiver = machine()
    raw = b"".join(frame(TEXT, b"%d" % n) + frame(BINARY, b"%d" % n * 200) for n in range(50))
    for at in range(0, len(raw), 37):
        receiver.receive(raw[at : at + 37])
        assert receiver.unread > 0
    receiver.receive(b"")
    expected = [value for n in range(50) for value in (str(n), b"%d" % n * 200)]
    assert read(receiver) == [*expected, CLOSED]


def test_what_is_held_is_bytes() -> None:
    """Messages are `bytes` however the frames came, which are put together in a bytearray."""
    for role in ROLES:
        receiver = machine(role)
        raw = frame(BINARY, b"abc", as_client(role)) + frame(BINARY, b"d" * 200, as_client(role))
        receiver.receive(raw[:4])
        receiver.receive(raw[4:])
        assert [type(event) for event in read(receiver)] == [bytes, bytes]


@both_roles
def test_nothing_is_kept_between_messages(role: Role) -> None:
    """What was read leaves no memory behind, be it ever so large."""
    receiver = machine(role)
    message = frame(BINARY, bytes(1_000_000), as_client(role))
    tracemalloc.start()
    for at in range(0, len(message), 200_000):
        receiver.receive(message[at : at + 200_000])
        read(receiver)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10_000


# -- sending -------------------------------------------------------------------------------


@both_roles
def test_fragments_are_sent(role: Role) -> None:
    """§5.4: the first says what it is, the last that it is; control frames go between."""
    key = KEY if role is CLIENT else b""
    sender = machine(role)
    assert sender.send_fragment("a") == frame(TEXT_BEGINS, b"a", key)
    assert sender.send(Ping()) == frame(PING, b"", key)
    assert sender.send_fragment("") == frame(GOES_ON, b"", key)
    assert sender.send_fragment("é", end=True) == frame(ENDS, "é".encode(), key)
    assert sender.send_fragment(b"b", end=True) == frame(BINARY, b"b", key)
    assert sender.send_fragment(b"c") == frame(BINARY_BEGINS, b"c", key)
    assert sender.send(Close(1000)) == frame(CLOSE, b"\x03\xe8", key)


def test_no_message_in_the_middle_of_another() -> None:
    """§5.4: nor `str` and `bytes` in one."""
    sender = machine()
    sender.send_fragment("a")
    for event in ("b", b"b", Prepared("b")):
        with pytest.raises(LocalProtocolError, match="in the middle of another"):
            sender.send(event)
    with pytest.raises(LocalProtocolError, match="str and bytes in one message"):
        sender.send_fragment(b"b")
    with pytest.raises(LocalProtocolError, match="cannot be sent as UTF-8"):
        sender.send_fragment("\udfff")
    assert sender.send_fragment("c", end=True) == frame(ENDS, b"c", b"")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_all_that_is_like_bytes_is_sent(kind: type[bytes]) -> None:
    """A message of bytes may come in any of their types."""
    assert machine().send(kind(b"abc")) == frame(BINARY, b"abc", b"")


@both_roles
@pytest.mark.parametrize("message", ["é" * 70_000, b"\x00" * 70_000], ids=["text", "binary"])
def test_a_message_is_sent_in_two_parts(role: Role, message: str | bytes) -> None:
    """§5.2: they are those of the one frame; bytes that need no mask are not copied."""
    head, payload = machine(role).send_parts(message)
    assert head + payload == machine(role).send(message)
    assert len(head) < 16
    assert (payload is message) == (role is SERVER and isinstance(message, bytes))


def test_parts_are_no_way_around_the_rules() -> None:
    """§5.4, §5.5.1: as with `send`."""
    sender = machine()
    sender.send_fragment("a")
    with pytest.raises(LocalProtocolError, match="in the middle of another"):
        sender.send_parts("b")
    sender.send(Close(1000))
    with pytest.raises(LocalProtocolError, match="nothing may follow a Close"):
        sender.send_parts(b"")


def test_half_of_a_surrogate_pair_is_not_sent() -> None:
    """§5.6: text is UTF-8, which has no form for it."""
    for make in (machine().send, Prepared):
        with pytest.raises(LocalProtocolError, match="cannot be sent as UTF-8"):
            make("a\ud800")


@pytest.mark.parametrize("message", ["", "text", "é" * 100, b"", b"binary" * 30000])
def test_a_prepared_message_is_the_message(message: str | bytes) -> None:
    """A server sends the same bytes to all; a client masks them for itself."""
    prepared = Prepared(message)
    raw = machine().send(message)
    assert machine().send(prepared) == raw
    assert machine().send(prepared) is machine().send(prepared)
    assert read(machine(CLIENT), raw) == [message]
    assert read(machine(SERVER), machine(CLIENT).send(prepared)) == [message]


def test_events_show_what_they_are() -> None:
    """For logs and failing tests."""
    assert repr(Ping(b"a")) == "<Ping b'a'>"
    assert repr(Pong(b"a")) == "<Pong b'a'>"
    assert repr(Close(1000, "bye")) == "<Close 1000 'bye'>"
    assert describe(Close()) == ("Close", None, "")
    assert machine().next_event() is NEED_DATA
