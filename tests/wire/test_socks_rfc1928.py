"""`SocksClient`: a way through a SOCKS 5 proxy, RFC 1928 and RFC 1929."""

import pytest

from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.socks import SocksClient

GRANTED = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def ask(machine: SocksClient, answers: list[bytes]) -> bytes:
    """Return all that a machine sends while it gets answers one after another."""
    sent = machine.to_send()
    for answer in answers:
        machine.receive(answer)
        sent += machine.to_send()
    return sent


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("127.0.0.1", b"\x01\x7f\x00\x00\x01"),
        ("::1", b"\x04" + bytes(15) + b"\x01"),
        ("fe80::1%eth0", b"\x04\xfe\x80" + bytes(13) + b"\x01"),
        ("example.com", b"\x03\x0bexample.com"),
    ],
)
@pytest.mark.feature("F12")
def test_a_host_is_asked_for_by_its_address_or_its_name(host: str, written: bytes) -> None:
    """A name is the proxy's to look up, so that nobody else hears of it (RFC 1928 §4)."""
    machine = SocksClient(host, 443)
    assert (
        ask(machine, [b"\x05\x00", GRANTED]) == b"\x05\x01\x00\x05\x01\x00" + written + b"\x01\xbb"
    )
    assert machine.connected


def test_a_user_is_told_where_the_proxy_asks_for_one() -> None:
    """RFC 1929 §2"""
    machine = SocksClient("a", 1, "me", "secret")
    sent = ask(machine, [b"\x05\x02", b"\x01\x00", GRANTED])
    assert sent == b"\x05\x02\x00\x02\x01\x02me\x06secret\x05\x01\x00\x03\x01a\x00\x01"
    assert machine.connected


def test_a_user_is_not_told_where_the_proxy_asks_for_none() -> None:
    """Nor is an empty password a reason to say nothing."""
    machine = SocksClient("a", 1, "me")
    assert b"me" not in ask(machine, [b"\x05\x00", GRANTED])


@pytest.mark.parametrize(
    "reply",
    [
        GRANTED,
        b"\x05\x00\x00\x04" + bytes(16) + b"\x00\x50",
        b"\x05\x00\x00\x03\x04host\x00\x50",
    ],
)
def test_words_of_the_proxy_may_be_cut_anywhere(reply: bytes) -> None:
    """And what follows them belongs to the host, whatever address was told before."""
    words = b"\x05\x02\x01\x00" + reply + b"rest"
    for cut in range(1, len(words)):
        machine = SocksClient("a", 1, "me", "secret")
        machine.receive(words[:cut])
        machine.receive(words[cut:])
        assert machine.connected
        assert machine.take_rest() == b"rest"
    machine = SocksClient("a", 1, "me", "secret")
    for byte in words:
        machine.receive(bytes([byte]))
    assert machine.take_rest() == b"rest"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (b"HTTP/1.1 400", "not SOCKS 5"),
        (b"\x04\x00", "not SOCKS 5"),
        (b"\x05\xff", "does not accept a user and password"),
        (b"\x05\x01", "chose authentication method 1"),
        (b"\x05\x02\x01\x01", "refused the user"),
        (b"\x05\x00\x04", "not SOCKS 5"),
        (b"\x05\x00\x05\x02", "reply 2: not allowed"),
        (b"\x05\x00\x05\x63", "reply 99: unknown"),
        (b"\x05\x00\x05\x00\x00\x02\x00", "address type 2"),
        (b"", "closed the connection"),
    ],
)
def test_what_is_no_way_to_the_host_is_an_error(words: bytes, message: str) -> None:
    """It says what the proxy said."""
    machine = SocksClient("a", 1, "me", "secret")
    with pytest.raises(RemoteProtocolError, match=message):
        machine.receive(words)


def test_a_method_that_was_not_offered_is_refused() -> None:
    """Who has no user has nothing to tell."""
    for words, message in [(b"\x05\x02", "method 2"), (b"\x05\xff", "no authentication")]:
        with pytest.raises(RemoteProtocolError, match=message):
            SocksClient("a", 1).receive(words)


@pytest.mark.parametrize(
    ("host", "user", "password"),
    [
        ("", None, ""),
        ("a" * 256, None, ""),
        ("a", "", ""),
        ("a", "u" * 256, ""),
        ("a", "u", "p" * 256),
    ],
)
def test_what_does_not_fit_a_byte_is_not_sent(host: str, user: str | None, password: str) -> None:
    """Lengths are bytes in SOCKS."""
    with pytest.raises(LocalProtocolError, match="bytes"):
        SocksClient(host, 1, user, password)
