"""TLS: every way to a stream over it, its handshake and its ends (RFC 8446, RFC 5246)."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.loops import expect_log
from tests.streams.peers import (
    TOO_MUCH,
    WAYS,
    Hall,
    Peer,
    SecurePair,
    SecurePairs,
    SecurePeer,
    accept,
    authority,
    client_context,
    closed,
    connected_sockets,
    listening,
    pattern,
    perform,
    server_context,
    taking,
    until,
)
from toolkit.iostream import IOStream, SSLIOStream, StreamBufferFullError, StreamClosedError, tls

each_way = pytest.mark.parametrize("way", WAYS)

#: A record that nobody has encrypted.
BROKEN = b"\x17\x03\x03\0\x20" + b"?" * 32
#: Bytes of one long transfer.
LONG = 10 * 1024 * 1024


@pytest.fixture
async def pairs() -> AsyncIterator[SecurePairs]:
    """Give a maker of pairs of a stream and its peer."""
    pairs = SecurePairs()
    yield pairs
    pairs.close()


@pytest.fixture(params=WAYS)
async def pair(pairs: SecurePairs, request: pytest.FixtureRequest) -> SecurePair:
    """Give a stream and its peer, made in every way."""
    return await pairs(request.param)


# -- reading and writing -----------------------------------------------------------------


async def test_both_sides_hear_each_other(pair: SecurePair) -> None:
    stream, peer = pair
    await stream.write(b"ping\n")
    assert await peer.receive(5) == b"ping\n"
    await peer.send(b"pong\nand more")
    assert await stream.read_until(b"\n") == b"pong\n"
    assert await stream.read_bytes(8) == b"and more"


async def test_each_kind_of_read_works_over_tls(pair: SecurePair) -> None:
    stream, peer = pair
    await peer.send(b"line\nregex!12345678")
    assert await stream.read_until(b"\n", max_bytes=5) == b"line\n"
    assert await stream.read_until_regex(b"[!?]") == b"regex!"
    assert await stream.read_bytes(100, partial=True) == b"12345678"
    target = bytearray(4)
    await peer.send(b"into and the rest")
    assert await stream.read_into(target) == 4
    assert target == b"into"
    await peer.say_end()
    assert await stream.read_until_close() == b" and the rest"


@pytest.mark.parametrize("size", [100, 20_000, 300_000])
async def test_read_into_fills_its_buffer_over_tls(pair: SecurePair, size: int) -> None:
    """Also when TLS has decrypted more than there is room for; and it may be resized then."""
    stream, peer = pair
    target = bytearray(size)
    reading = asyncio.create_task(perform(stream.read_into, target))
    await asyncio.sleep(0)
    sending = asyncio.create_task(peer.send(pattern(0, size + 50_000)))
    assert await reading == size
    assert target == pattern(0, size)
    target.append(1)
    target.clear()
    assert await stream.read_bytes(50_000) == pattern(size, 50_000)
    await sending


class Resizing(asyncio.BufferedProtocol):
    """Has what comes written behind what has come, and cuts off the rest at once."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.size = 0
        self.updates = 0

    def handshake_begins(self, socket: Any) -> None:
        """Take note of nothing; called by the transport."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return room for more than comes."""
        self.received[self.size :] = bytes(100_000)
        return memoryview(self.received)[self.size :]

    def buffer_updated(self, nbytes: int) -> None:
        """Cut off the room that is left."""
        self.updates += 1
        self.size += nbytes
        del self.received[self.size :]


async def test_memory_that_was_filled_is_its_owners_at_once() -> None:
    """Also where a part of a record follows, of which OpenSSL tells by an error."""
    ours, theirs = connected_sockets()
    peer = SecurePeer(theirs, server_context(), True)
    protocol = Resizing()
    loop = asyncio.get_running_loop()
    # The class says what a stream has, and this one has it all.
    transport = tls.TLSTransport(loop, protocol, client_context(), False, "localhost")  # type: ignore[arg-type]
    await loop.connect_accepted_socket(lambda: transport, ours)
    await peer.handshake()
    record = peer.encrypt(pattern(0, 1000)) + peer.encrypt(pattern(1000, 1000))
    await loop.sock_sendall(peer.socket, record[:-1])
    await until(lambda: protocol.size == 1000)
    await loop.sock_sendall(peer.socket, record[-1:])
    await until(lambda: protocol.size == 2000)
    assert protocol.received == pattern(0, 2000)
    assert protocol.updates == 2
    transport.abort()
    peer.close()


@each_way
@pytest.mark.parametrize("step", [1, 5, 1000, 16_405, 100_000])
async def test_records_come_whole_however_they_are_cut(
    pairs: SecurePairs, way: str, step: int
) -> None:
    """Heads amid their five bytes too, and many records at once."""
    stream, peer = await pairs(way)
    sizes = (1, 16_384, 2, 16_384, 16_384, 300, 16_384, 7)
    raw = b"".join(peer.encrypt(pattern(sum(sizes[:i]), size)) for i, size in enumerate(sizes))
    received = bytearray()
    stream.push_to(received.extend)
    edge = len(raw) if step > 5 else 60  # byte by byte at the ends alone
    cuts = [*range(0, edge, step), *range(len(raw) - 60, len(raw), step), len(raw)]
    for start, end in pairwise(sorted({cut for cut in cuts if cut >= 0})):
        await asyncio.get_running_loop().sock_sendall(peer.socket, raw[start:end])
        await asyncio.sleep(0)
    await until(lambda: len(received) >= sum(sizes))
    assert received == pattern(0, sum(sizes))


@each_way
async def test_a_long_transfer_comes_whole_to_a_slow_reader(pairs: SecurePairs, way: str) -> None:
    stream, peer = await pairs(way, small=True)
    sending = asyncio.create_task(peer.send(pattern(0, LONG)))
    read = 0
    while read < LONG:
        data = await stream.read_bytes(min(100_000, LONG - read))
        assert data == pattern(read, len(data))
        read += len(data)
        await asyncio.sleep(0)
    await sending


@each_way
async def test_a_long_transfer_goes_out_to_a_slow_reader(pairs: SecurePairs, way: str) -> None:
    """The write is done only when the peer has taken nearly all."""
    stream, peer = await pairs(way, small=True)
    written = stream.write(pattern(0, LONG))
    received = await peer.receive(LONG // 2)
    assert not written.done()
    assert stream.unsent > 0
    received += await peer.receive(LONG // 2)
    await written
    assert received == pattern(0, LONG)
    assert stream.unsent == 0


@each_way
async def test_long_transfers_go_both_ways_at_once(pairs: SecurePairs, way: str) -> None:
    stream, peer = await pairs(way, small=True)
    written = stream.write(pattern(0, TOO_MUCH))
    sending = asyncio.create_task(peer.send(pattern(7, TOO_MUCH)))
    receiving = asyncio.create_task(peer.receive(TOO_MUCH))
    assert await stream.read_bytes(TOO_MUCH) == pattern(7, TOO_MUCH)
    assert await receiving == pattern(0, TOO_MUCH)
    await written
    await sending


@each_way
async def test_the_peer_has_to_wait_while_nobody_reads_over_tls(
    pairs: SecurePairs, way: str
) -> None:
    stream, peer = await pairs(way, small=True)
    sending = asyncio.create_task(peer.send(pattern(0, TOO_MUCH)))
    assert await stream.read_bytes(1) == pattern(0, 1)
    for _ in range(300):
        await asyncio.sleep(0)
    assert not sending.done()
    assert await stream.read_bytes(TOO_MUCH - 1) == pattern(1, TOO_MUCH - 1)
    await sending


@each_way
async def test_what_tls_holds_back_is_read_after_a_pause(pairs: SecurePairs, way: str) -> None:
    """A record may be decrypted in part, and no loop sees what is left of it."""
    stream, peer = await pairs(way, read_chunk_size=1000)
    stream.set_close_callback(lambda: None)
    await peer.send(pattern(0, 16_000))
    assert await stream.read_bytes(1) == pattern(0, 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert await stream.read_bytes(15_999) == pattern(1, 15_999)


@each_way
async def test_push_mode_works_over_tls(pairs: SecurePairs, way: str) -> None:
    stream, peer = await pairs(way, read_chunk_size=1000)
    seen = bytearray()
    stream.push_to(seen.extend)
    await peer.send(pattern(0, 50_000))
    await until(lambda: len(seen) == 50_000)
    stream.pause_reading()
    await peer.send(pattern(50_000, 50_000))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(seen) == 50_000
    stream.resume_reading()
    await until(lambda: len(seen) == 100_000)
    assert seen == pattern(0, 100_000)


@each_way
async def test_who_closes_while_much_comes_is_told_of_no_more(pairs: SecurePairs, way: str) -> None:
    stream, peer = await pairs(way)
    seen: list[int] = []

    def take(data: bytes) -> None:
        seen.append(len(data))
        stream.close()

    stream.push_to(take)
    stream.pause_reading()
    sending = asyncio.create_task(peer.send(pattern(0, 400_000)))
    await asyncio.sleep(0.05)  # so that a good part of it waits in the kernel
    stream.resume_reading()
    await until(stream.closed)
    await asyncio.sleep(0.01)
    assert len(seen) == 1
    sending.cancel()


@each_way
async def test_more_than_max_buffer_size_closes_a_stream_over_tls(
    pairs: SecurePairs, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream, peer = await pairs(way, max_buffer_size=20_000)
    sending = asyncio.create_task(peer.send(b"x" * TOO_MUCH))
    with pytest.raises(StreamClosedError) as error:
        await stream.read_until(b"\n")
    assert isinstance(error.value.real_error, StreamBufferFullError)
    expect_log(caplog, "toolkit.general", "Reached maximum read buffer size")
    expect_log(caplog, "toolkit.general", "error on read")
    with contextlib.suppress(OSError):
        await sending


@each_way
async def test_a_cancelled_read_over_tls_loses_no_bytes(pairs: SecurePairs, way: str) -> None:
    stream, peer = await pairs(way)
    target = bytearray(100_000)
    for read in (
        lambda: stream.read_bytes(10),
        lambda: stream.read_until(b"\n"),
        lambda: stream.read_into(target),
    ):
        future = asyncio.ensure_future(read())
        await peer.send(b"abc")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not future.done()
        future.cancel()
        await peer.send(b"def")
        assert await stream.read_bytes(6) == b"abcdef"
    target.clear()


# -- ends --------------------------------------------------------------------------------


async def test_the_alert_of_the_end_ends_the_stream(pair: SecurePair) -> None:
    stream, peer = pair
    await peer.send(b"last words")
    await peer.say_end()
    assert await stream.read_until_close() == b"last words"
    assert stream.error is None


async def test_an_end_without_the_alert_ends_the_stream(pair: SecurePair) -> None:
    """Many programs just close; protocols that need to know have lengths of their own."""
    stream, peer = pair
    await peer.send(b"last words")
    peer.close()
    assert await stream.read_until_close() == b"last words"
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(1)


@pytest.mark.parametrize("way", [way for way in WAYS if "wrapped" not in way])
async def test_a_reset_is_the_real_error_over_tls(pairs: SecurePairs, way: str) -> None:
    """Where the loop receives: `ssl.SSLSocket` tells a reset as an end."""
    stream, peer = await pairs(way)
    future = stream.read_bytes(1)
    await asyncio.sleep(0)
    peer.reset()
    with pytest.raises(StreamClosedError) as error:
        await future
    assert isinstance(error.value.real_error, ConnectionResetError)


async def test_close_sends_what_was_written_and_the_alert(pair: SecurePair) -> None:
    """The peer's TLS would raise an error, were there no alert."""
    stream, peer = pair
    stream.write_nowait(pattern(0, 1_000_000))
    stream.close()
    assert await peer.receive(1_000_001) == pattern(0, 1_000_000)
    peer.close()
    await stream.wait_closed()


async def test_close_sends_what_waits_and_the_alert_after_it(pairs: SecurePairs) -> None:
    stream, peer = await pairs("connect", small=True)
    written = stream.write(pattern(0, TOO_MUCH))
    stream.close()
    with pytest.raises(StreamClosedError):
        await written
    assert await peer.receive(TOO_MUCH + 1) == pattern(0, TOO_MUCH)


async def test_the_close_callback_tells_that_a_peer_over_tls_is_gone(pair: SecurePair) -> None:
    stream, peer = pair
    await peer.send(b"x")
    assert await stream.read_bytes(1) == b"x"
    peer.close()
    await closed(stream)


@each_way
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(
    "broken",
    [
        BROKEN,
        b"GET / HTTP/1.1",
        b"\x17\x03\x03\xff\xff",
        b"\x17\x02\0\0\x10",
    ],
)
async def test_a_broken_record_closes_the_stream(
    pairs: SecurePairs, way: str, broken: bytes, apart: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, where its head is that of none, and behind records that are good."""
    stream, peer = await pairs(way)
    good = peer.encrypt(b"good")
    future = stream.read_bytes(5)
    for sent in (good, broken) if apart else (good + broken,):
        await asyncio.get_running_loop().sock_sendall(peer.socket, sent)
    with pytest.raises(StreamClosedError) as error:
        await future
    assert isinstance(error.value.real_error, ssl.SSLError)
    assert await stream.read_bytes(4) == b"good"
    if "wrapped" in way:
        assert len(expect_log(caplog, "toolkit.general", "error on read")) == 1


@each_way
async def test_a_write_after_a_broken_record_says_that_the_stream_is_closed(
    pairs: SecurePairs, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing else, in whatever turn of the loop it comes."""
    stream, peer = await pairs(way)
    stream.set_close_callback(lambda: None)
    await asyncio.get_running_loop().sock_sendall(peer.socket, BROKEN)

    async def write_on() -> None:
        for _ in range(1000):
            await stream.write(b"x")
            await asyncio.sleep(0)

    with pytest.raises(StreamClosedError):
        await write_on()
    assert stream.closed()
    if "wrapped" in way:
        assert len(expect_log(caplog, "toolkit.general", "error on read")) == 1


# -- what the socket tells ---------------------------------------------------------------


async def test_the_socket_tells_of_the_handshake(pair: SecurePair) -> None:
    stream, peer = pair
    assert stream.socket.cipher() == peer.tls.cipher()
    assert stream.socket.version() == peer.tls.version() == "TLSv1.3"
    assert stream.socket.getpeername() == peer.socket.getsockname()
    assert stream.socket.selected_alpn_protocol() is None
    assert stream.fileno() == stream.socket.fileno() >= 0
    stream.set_nodelay(True)


@pytest.mark.parametrize("way", ["connect", "upgraded client", "wrapped client"])
async def test_a_client_has_the_certificate_of_the_server(pairs: SecurePairs, way: str) -> None:
    stream, _ = await pairs(way)
    names = stream.socket.getpeercert()["subjectAltName"]
    assert ("DNS", "localhost") in names
    der = stream.socket.getpeercert(binary_form=True)
    assert ssl.DER_cert_to_PEM_cert(der).startswith("-----BEGIN CERTIFICATE")


async def shake(stream: SSLIOStream, address: Any, hostname: str | None, peer: Any) -> Any:
    """Have a stream connect and the peer shake hands; return the error of each, or None."""
    connecting = stream.connect(address, hostname)
    return await asyncio.gather(connecting, peer, return_exceptions=True)


async def meet(
    listener: socket.socket, context: ssl.SSLContext, server_side: bool = True
) -> SecurePeer:
    """Accept one connection and do the handshake."""
    peer = SecurePeer(await accept(listener), context, server_side)
    try:
        await peer.handshake()
    except BaseException:
        peer.close()
        raise
    return peer


async def test_the_name_of_the_server_is_sent_to_it() -> None:
    """RFC 6066 §3; and the server may choose its certificate by it."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("other.example").configure_cert(context)

    def choose(tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        names.append(name)
        tls.context = server_context("chosen.example")

    context.sni_callback = choose  # type: ignore[assignment]  # typed for sockets alone
    with listening() as listener:
        stream = SSLIOStream(socket.socket(), ssl_options=client_context())
        found, peer = await shake(
            stream, listener.getsockname(), "chosen.example", meet(listener, context)
        )
        assert found is stream
        assert names == ["chosen.example"]
        assert stream.socket.server_hostname == "chosen.example"
        stream.close()
        peer.close()


async def test_the_protocol_for_the_application_is_agreed_on() -> None:
    """RFC 7301."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), client_context()
    authority().issue_cert("localhost").configure_cert(server)
    server.set_alpn_protocols(["h2", "http/1.1"])
    client.set_alpn_protocols(["http/1.1"])
    with listening() as listener:
        stream = SSLIOStream(socket.socket(), ssl_options=client)
        _, peer = await shake(stream, listener.getsockname(), "localhost", meet(listener, server))
        assert stream.socket.selected_alpn_protocol() == "http/1.1"
        assert peer.tls.selected_alpn_protocol() == "http/1.1"
        stream.close()
        peer.close()


async def test_options_of_a_client_may_be_a_dict(tmp_path: Path) -> None:
    ca = tmp_path / "authority.pem"
    authority().cert_pem.write_to_path(str(ca))
    with listening() as listener:
        options = {"ca_certs": str(ca), "cert_reqs": ssl.CERT_REQUIRED}
        stream = SSLIOStream(socket.socket(), ssl_options=options)
        found, peer = await shake(
            stream, listener.getsockname(), "localhost", meet(listener, server_context())
        )
        assert found is stream
        stream.close()
        peer.close()


@pytest.mark.parametrize("certified", [True, False])
async def test_a_server_may_want_a_certificate_of_the_client(
    certified: bool, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost").configure_cert(context)
    authority().configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    client = client_context()
    if certified:
        authority().issue_cert("me@example.org").configure_cert(client)
    server = Hall(ssl_options=context)
    server.listen(0, "127.0.0.1")
    stream = SSLIOStream(socket.socket(), ssl_options=client)
    connecting = asyncio.ensure_future(stream.connect(server.addresses[0], "localhost"))
    theirs = await server.streams.get()
    assert isinstance(theirs, SSLIOStream)
    if certified:
        await theirs.wait_for_handshake()
        await connecting
        assert ("email", "me@example.org") in theirs.socket.getpeercert()["subjectAltName"]
    else:
        with pytest.raises(ssl.SSLError, match=r"(?i)peer did not return a certificate"):
            await theirs.wait_for_handshake()
        expect_log(caplog, "toolkit.general", "SSL Error on .*did not return a certificate")
        # Of TLS 1.3 the client hears only after its own handshake, which succeeds.
        await connecting
        with pytest.raises(StreamClosedError) as error:
            await stream.read_bytes(1)
        assert isinstance(error.value.real_error, ssl.SSLError)
    stream.close()
    theirs.close()
    server.stop()


# -- the handshake -----------------------------------------------------------------------


async def test_reads_and_writes_before_the_handshake_wait_for_it() -> None:
    """On both sides: that of the server begins when its handler is called."""
    server = Hall(ssl_options=server_context())
    server.listen(0, "127.0.0.1")
    stream = SSLIOStream(socket.socket(), ssl_options=client_context())
    connecting = stream.connect(server.addresses[0], "localhost")
    written = stream.write(b"from the client\n")
    reading = stream.read_until(b"\n")
    assert stream.writing()
    theirs = await server.streams.get()
    their_written = theirs.write(b"from the server\n")
    assert theirs.writing()
    assert await theirs.read_until(b"\n") == b"from the client\n"
    assert await reading == b"from the server\n"
    await asyncio.gather(written, their_written, connecting)
    assert not stream.writing()
    stream.close()
    theirs.close()
    server.stop()


async def test_much_written_before_the_handshake_is_sent_whole() -> None:
    ours, theirs = connected_sockets(small=True)
    stream = SSLIOStream(ours, ssl_options=client_context(False))
    peer = SecurePeer(theirs, server_context(), True)
    written = stream.write(pattern(0, TOO_MUCH))
    await peer.handshake()
    assert await peer.receive(TOO_MUCH) == pattern(0, TOO_MUCH)
    await written
    stream.close()
    peer.close()


async def test_what_was_written_before_the_handshake_is_sent_although_we_close() -> None:
    ours, theirs = connected_sockets()
    stream = SSLIOStream(ours, ssl_options=client_context(False))
    peer = SecurePeer(theirs, server_context(), True)
    stream.write_nowait(b"last words")
    stream.close()
    assert stream.closed()
    await peer.handshake()
    assert await peer.receive(100) == b"last words"
    peer.close()
    await stream.wait_closed()


async def test_a_handshake_that_was_waited_for_can_be_waited_for_again(pair: SecurePair) -> None:
    stream, _ = pair
    for _ in range(2):
        future = stream.wait_for_handshake()
        assert await future is stream
    assert stream.wait_for_handshake().done()


async def test_two_cannot_wait_for_one_handshake() -> None:
    ours, theirs = connected_sockets()
    stream = SSLIOStream(ours, ssl_options=client_context(False))
    peer = SecurePeer(theirs, server_context(), True)
    future = stream.wait_for_handshake()
    with pytest.raises(RuntimeError, match="Already waiting"):
        stream.wait_for_handshake()
    await peer.handshake()
    assert await future is stream
    stream.close()
    peer.close()


async def test_a_closed_stream_fails_who_waits_for_its_handshake() -> None:
    ours, theirs = connected_sockets()
    stream = SSLIOStream(ours, ssl_options=client_context(False))
    future = stream.wait_for_handshake()
    await asyncio.sleep(0)
    stream.close()
    with pytest.raises(StreamClosedError):
        await future
    with pytest.raises(StreamClosedError):
        await stream.wait_for_handshake()
    peer = Peer(theirs)
    with contextlib.suppress(ConnectionResetError):
        await peer.receive_all()
    await stream.wait_closed()
    peer.close()


async def test_a_cancelled_handshake_closes_the_connection() -> None:
    ours, theirs = connected_sockets()
    stream = SSLIOStream(ours, ssl_options=client_context(False))
    peer = Peer(theirs)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stream.wait_for_handshake()
    assert stream.closed()
    with contextlib.suppress(ConnectionResetError):
        await peer.receive_all()
    peer.close()


Make = Callable[[socket.socket], SSLIOStream]


def over_transport(sock: socket.socket) -> SSLIOStream:
    """Have the loop's transport beneath TLS."""
    return SSLIOStream(sock, ssl_options=client_context(False))


def over_wrapped(sock: socket.socket) -> SSLIOStream:
    """Wrap the socket before, without the handshake."""
    context = client_context(False)
    return SSLIOStream(context.wrap_socket(sock, do_handshake_on_connect=False))


def as_server(sock: socket.socket) -> SSLIOStream:
    """Be the server of a socket that is wrapped already."""
    return SSLIOStream(
        server_context().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    )


each_make = pytest.mark.parametrize("make", [over_transport, over_wrapped, as_server])


@each_make
async def test_nothing_watches_a_socket_closed_amid_its_handshake(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the loop nor a timer: the number of the file may belong to another one by then."""
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT", 0.02)
    ours, theirs = connected_sockets()
    number = ours.fileno()
    stream = make(ours)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not stream.closed()
    stream.close()
    await stream.wait_closed()
    theirs.close()
    left, right = taking(number)
    other, peer = IOStream(left), Peer(right)
    future = other.read_bytes(4)
    # Past the limit of the handshake, of which nothing must be left.
    await asyncio.sleep(0.04)
    await peer.send(b"fine")
    assert await future == b"fine"
    other.close()
    peer.close()


@each_make
async def test_a_peer_that_says_nothing_is_given_up(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no warning: who is slow has done nothing wrong."""
    caplog.set_level(logging.INFO, "toolkit.general")
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT", 0.02)
    ours, theirs = connected_sockets()
    stream = make(ours)
    with pytest.raises(StreamClosedError) as error:
        await stream.wait_for_handshake()
    assert isinstance(error.value.real_error, TimeoutError)
    assert "0.02 seconds" in str(error.value.real_error)
    assert stream.closed()
    [record] = expect_log(caplog, "toolkit.general", "SSL Error on .*no TLS handshake")
    assert record.levelno == logging.INFO
    theirs.close()


@each_make
async def test_a_peer_without_tls_fails_the_handshake(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = connected_sockets()
    stream, peer = make(ours), Peer(theirs)
    await peer.send(b"220 mail.example.org ESMTP ready\r\n" * 3)
    with pytest.raises(ssl.SSLError):
        await stream.wait_for_handshake()
    assert isinstance(stream.error, ssl.SSLError)
    assert len(expect_log(caplog, "toolkit.general", "^SSL Error on ")) == 1
    with pytest.raises(StreamClosedError) as error:
        await stream.read_bytes(1)
    assert error.value.real_error is stream.error
    peer.close()


@each_make
@pytest.mark.parametrize("how", ["close", "end", "reset"])
async def test_a_peer_that_goes_amid_the_handshake_fails_it(
    make: Make, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = connected_sockets()
    stream, peer = make(ours), Peer(theirs)
    reading = stream.read_bytes(1)
    future = stream.wait_for_handshake()
    await asyncio.sleep(0.001)
    getattr(peer, how)()
    with pytest.raises((ssl.SSLError, StreamClosedError)):
        await future
    with pytest.raises(StreamClosedError) as error:
        await reading
    assert error.value.real_error is stream.error
    assert stream.error is not None
    assert len(expect_log(caplog, "toolkit.general", "^SSL Error on ")) == 1
    peer.close()


WRONG: dict[str, tuple[Callable[[], ssl.SSLContext], str, str]] = {
    "untrusted": (lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "localhost", "verify failed"),
    "another name": (client_context, "example.org", "Hostname mismatch"),
    "another address": (client_context, "127.0.0.1", "IP address mismatch"),
}


@pytest.mark.parametrize(("context", "hostname", "reason"), WRONG.values(), ids=WRONG)
async def test_a_certificate_that_is_wrong_fails_connect(
    context: Callable[[], ssl.SSLContext],
    hostname: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with listening() as listener:
        stream = SSLIOStream(socket.socket(), ssl_options=context())
        ours, theirs = await shake(
            stream, listener.getsockname(), hostname, meet(listener, server_context())
        )
    assert isinstance(ours, ssl.SSLCertVerificationError)
    assert reason in str(ours)
    assert stream.error is ours
    assert stream.closed()
    # And the server is told why.
    assert isinstance(theirs, ssl.SSLError) or await theirs.receive(1) == b""
    assert len(expect_log(caplog, "toolkit.general", f"SSL Error on .*{reason}")) == 1


async def test_a_server_whose_client_distrusts_it_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With TLS 1.2, where the alert comes amid the handshake."""
    server = Hall(ssl_options=server_context())
    server.listen(0, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, server.addresses[0])
    peer = SecurePeer(sock, context, False, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        await peer.handshake()
    stream = await server.streams.get()
    assert isinstance(stream, SSLIOStream)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert unknown ca"):
        await stream.wait_for_handshake()
    assert len(expect_log(caplog, "toolkit.general", "SSL Error on .*(?i:alert unknown ca)")) == 1
    peer.close()
    server.stop()


async def test_a_name_that_a_context_needs_and_does_not_get_is_an_error() -> None:
    """And no wait without an end."""
    ours, theirs = connected_sockets()
    with pytest.raises((ValueError, StreamClosedError)):
        await SSLIOStream(ours, ssl_options=client_context()).wait_for_handshake()
    assert await Peer(theirs).receive_all() == b""
    theirs.close()


async def test_a_refused_connection_has_its_reason_over_tls() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and never listens
        stream = SSLIOStream(socket.socket(), ssl_options=client_context())
        with pytest.raises(StreamClosedError) as error:
            await stream.connect(unused.getsockname(), "localhost")
    assert isinstance(error.value.real_error, ConnectionRefusedError)


async def test_a_wrapped_socket_can_be_connected_by_the_stream() -> None:
    """Its context and the name of the server are those that it was wrapped with."""
    wrapped = client_context().wrap_socket(
        socket.socket(), server_hostname="localhost", do_handshake_on_connect=False
    )
    with listening() as listener:
        stream = SSLIOStream(wrapped)
        found, peer = await shake(
            stream, listener.getsockname(), None, meet(listener, server_context())
        )
        assert found is stream
        await stream.write(b"ping")
        assert await peer.receive(4) == b"ping"
        stream.close()
        peer.close()


async def test_both_sides_may_be_ours_over_tls_1_2() -> None:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = Hall(ssl_options=server_context())
    server.listen(0, "127.0.0.1")
    stream = SSLIOStream(socket.socket(), ssl_options=context)
    await stream.connect(server.addresses[0], "localhost")
    theirs = await server.streams.get()
    assert stream.socket.version() == theirs.socket.version() == "TLSv1.2"
    written = stream.write(pattern(0, TOO_MUCH))
    assert await theirs.read_bytes(TOO_MUCH) == pattern(0, TOO_MUCH)
    await written
    stream.close()
    assert await theirs.read_until_close() == b""
    server.stop()


# -- start_tls ---------------------------------------------------------------------------


@pytest.mark.feature("A13")
async def test_start_tls_turns_a_dialogue_secret_amid_it() -> None:
    """Both roles, as with SMTP (RFC 3207); the old streams cannot be used any more."""
    left, right = connected_sockets()
    client, server = IOStream(left), IOStream(right)

    async def serve() -> None:
        await server.write(b"220 ready\r\n")
        assert await server.read_until(b"\r\n") == b"STARTTLS\r\n"
        await server.write(b"220 go\r\n")
        secret = await server.start_tls(True, server_context())
        assert await secret.read_until(b"\r\n") == b"EHLO\r\n"
        await secret.write(b"250 fine\r\n")
        assert await secret.read_until_close() == b""

    serving = asyncio.create_task(serve())
    assert await client.read_until(b"\r\n") == b"220 ready\r\n"
    await client.write(b"STARTTLS\r\n")
    assert await client.read_until(b"\r\n") == b"220 go\r\n"
    secret = await client.start_tls(False, client_context(), "localhost")
    assert ("DNS", "localhost") in secret.socket.getpeercert()["subjectAltName"]
    for old in (client, server):
        assert old.closed()
        with pytest.raises(StreamClosedError):
            await old.write(b"x")
        with pytest.raises(StreamClosedError):
            await old.read_bytes(1)
    await secret.write(b"EHLO\r\n")
    assert await secret.read_until(b"\r\n") == b"250 fine\r\n"
    secret.close()
    await serving


async def test_start_tls_keeps_the_limits_of_the_stream() -> None:
    ours, theirs = connected_sockets()
    plain = IOStream(ours, max_buffer_size=5000, read_chunk_size=100, max_write_buffer_size=7000)
    peer = SecurePeer(theirs, client_context(), False, "localhost")
    future = plain.start_tls(True, server_context())
    await asyncio.gather(future, peer.handshake())
    stream = future.result()
    assert stream.max_buffer_size == 5000
    assert stream.read_chunk_size == 100
    assert stream.max_write_buffer_size == 7000
    stream.close()
    peer.close()


@pytest.fixture
async def plain() -> AsyncIterator[tuple[IOStream, Peer]]:
    """Give a stream in clear that has moved bytes already, and its peer."""
    ours, theirs = connected_sockets(small=True)
    stream, peer = IOStream(ours), Peer(theirs)
    await peer.send(b".")
    assert await stream.read_bytes(1) == b"."
    yield stream, peer
    peer.close()
    stream.abort()


async def test_start_tls_of_a_stream_that_is_not_idle_is_an_error(
    plain: tuple[IOStream, Peer],
) -> None:
    """And the stream goes on as it was."""
    stream, peer = plain
    reading = stream.read_bytes(4)
    with pytest.raises(ValueError, match="not idle"):
        stream.start_tls(True, server_context())
    await peer.send(b"data")
    assert await reading == b"data"
    written = stream.write(pattern(0, TOO_MUCH))
    with pytest.raises(ValueError, match="not idle"):
        stream.start_tls(True, server_context())
    assert await peer.receive(TOO_MUCH) == pattern(0, TOO_MUCH)
    await written
    stream.close()
    with pytest.raises(ValueError, match="not idle"):
        stream.start_tls(True, server_context())


async def test_start_tls_of_a_stream_that_connects_is_an_error() -> None:
    with listening() as listener:
        stream = IOStream(socket.socket())
        connecting = stream.connect(listener.getsockname())
        with pytest.raises(ValueError, match="not idle"):
            stream.start_tls(False, client_context(), "localhost")
        await connecting
        stream.close()


async def test_start_tls_without_a_name_that_is_needed_leaves_the_stream_as_it_was(
    plain: tuple[IOStream, Peer],
) -> None:
    stream, peer = plain
    with pytest.raises(ValueError, match="server_hostname"):
        await stream.start_tls(False, client_context())
    await stream.write(b"still in clear")
    assert await peer.receive(14) == b"still in clear"


@pytest.mark.parametrize("arrived", [True, False], ids=["in the stream", "in the kernel"])
async def test_plain_bytes_slipped_in_before_the_handshake_are_never_data(
    plain: tuple[IOStream, Peer], arrived: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """They make the handshake fail: else anybody on the way could add commands in clear."""
    stream, peer = plain
    await peer.send(b"STARTTLS\r\nEVIL COMMAND\r\n" if arrived else b"STARTTLS\r\n")
    assert await stream.read_until(b"\r\n") == b"STARTTLS\r\n"
    if not arrived:
        await peer.send(b"EVIL COMMAND\r\n")
    future = stream.start_tls(True, server_context())
    secure = SecurePeer(peer.socket.dup(), client_context(), False, "localhost")
    with contextlib.suppress(OSError):
        await secure.handshake()
    with pytest.raises(ssl.SSLError):
        await future
    assert len(expect_log(caplog, "toolkit.general", "^SSL Error on ")) == 1
    secure.close()


async def test_a_handshake_that_the_peer_began_before_start_tls_is_used(
    plain: tuple[IOStream, Peer],
) -> None:
    stream, peer = plain
    secure = SecurePeer(peer.socket.dup(), client_context(), False, "localhost")
    await peer.send(b"\n")
    shaking = asyncio.create_task(secure.handshake())
    await asyncio.sleep(0)
    assert await stream.read_until(b"\n") == b"\n"
    for _ in range(20):
        await asyncio.sleep(0)
    secret = await stream.start_tls(True, server_context())
    await shaking
    await secure.send(b"ping")
    assert await secret.read_bytes(4) == b"ping"
    secret.close()
    secure.close()


async def test_start_tls_of_a_stream_whose_peer_has_ended_fails(
    plain: tuple[IOStream, Peer], caplog: pytest.LogCaptureFixture
) -> None:
    stream, peer = plain
    peer.end()
    for _ in range(20):
        await asyncio.sleep(0)
    with pytest.raises((ssl.SSLError, StreamClosedError)):
        await stream.start_tls(True, server_context())
    assert len(expect_log(caplog, "toolkit.general", "^SSL Error on ")) == 1
    assert (await peer.receive_all())[:1] in (b"", b"\x15")  # nothing but an alert


async def test_to_cancel_start_tls_closes_the_connection(plain: tuple[IOStream, Peer]) -> None:
    stream, peer = plain
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stream.start_tls(True, server_context())
    with contextlib.suppress(ConnectionResetError):
        assert await peer.receive_all() == b""


async def test_start_tls_takes_the_close_callback_along(plain: tuple[IOStream, Peer]) -> None:
    stream, peer = plain
    called = asyncio.Event()
    stream.set_close_callback(called.set)
    secure = SecurePeer(peer.socket.dup(), client_context(), False, "localhost")
    secret, _ = await asyncio.gather(stream.start_tls(True, server_context()), secure.handshake())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not called.is_set()
    peer.close()
    secure.close()
    await called.wait()
    assert secret.closed()


async def test_start_tls_works_where_a_subclass_moves_the_bytes() -> None:
    class Counting(IOStream):
        count = 0

        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            size = super().read_from_fd(buf)
            self.count += size or 0
            return size

    ours, theirs = connected_sockets()
    stream, peer = Counting(ours), Peer(theirs)
    await peer.send(b"hello")
    assert await stream.read_bytes(5) == b"hello"
    secure = SecurePeer(theirs.dup(), client_context(), False, "localhost")
    secret, _ = await asyncio.gather(stream.start_tls(True, server_context()), secure.handshake())
    await secure.send(b"secret")
    assert await secret.read_bytes(6) == b"secret"
    await secret.write(b"answer")
    assert await secure.receive(6) == b"answer"
    assert stream.count > 100
    secret.close()
    assert await secure.receive(1) == b""
    secure.close()
    peer.close()
