"""Ways through proxies: what is said to one before it passes bytes on."""

from toolkit.httpclient.authorization import basic_authorization
from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.httpclient.options import Proxy
from toolkit.httpclient.target import Origin
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt
from toolkit.wire.events import CLOSED, NEED_DATA, RequestHead, ResponseHead
from toolkit.wire.http1 import CLIENT, Machine
from toolkit.wire.socks import SocksClient

#: Bytes to take from a proxy at once: it says little.
_CHUNK = 4096


def proxy_authorization(proxy: Proxy) -> list[tuple[str, str]]:
    """Return the field that a proxy is to know us by, if it has a user."""
    if proxy.username is None:
        return []
    value = basic_authorization(proxy.username, proxy.password or "")
    return [("Proxy-Authorization", value)]


async def open_http_tunnel(stream: IOStream, proxy: Proxy, origin: Origin) -> None:
    """Have an HTTP proxy pass bytes on to an origin.

    Raises:
        HTTPStreamClosedError: it refuses, or does not speak HTTP.

    RFC 9110 §9.3.6
    """
    machine = Machine(CLIENT)
    target = origin.host_and_port
    fields = [("Host", target), *proxy_authorization(proxy)]
    await stream.write(machine.send_head(RequestHead("CONNECT", target, fields), b"", True))
    head = await _read_answer(stream, machine, proxy)
    if not 200 <= head.status < 300:
        raise HTTPStreamClosedError(
            f"proxy {proxy.host}:{proxy.port} answered {head.status} {excerpt(head.reason or '')} "
            f"to CONNECT {target}"
        )
    stream.unread(machine.take_rest())


async def _read_answer(stream: IOStream, machine: Machine, proxy: Proxy) -> ResponseHead:
    while True:
        try:
            event = machine.next_event()
        except RemoteProtocolError as error:
            raise HTTPStreamClosedError(f"proxy {proxy.host}:{proxy.port}: {error}") from None
        if isinstance(event, ResponseHead) and event.status >= 200:
            return event
        if event is NEED_DATA:
            machine.receive(await _read(stream))
        elif event is CLOSED:
            raise HTTPStreamClosedError(f"proxy {proxy.host}:{proxy.port} closed the connection")


async def open_socks_tunnel(stream: IOStream, proxy: Proxy, host: str, port: int) -> None:
    """Have a SOCKS proxy pass bytes on to a host, which is a name or an address.

    Raises:
        HTTPStreamClosedError: it refuses, or does not speak SOCKS.
        ValueError: a host, a user or a password that SOCKS cannot send.

    RFC 1928
    """
    try:
        machine = SocksClient(host, port, proxy.username, proxy.password or "")
    except LocalProtocolError as error:
        raise ValueError(f"SOCKS proxy: {error}") from None
    try:
        while not machine.connected:
            request = machine.to_send()
            if request:
                await stream.write(request)
            machine.receive(await _read(stream))
    except RemoteProtocolError as error:
        raise HTTPStreamClosedError(f"SOCKS proxy {proxy.host}:{proxy.port}: {error}") from None
    stream.unread(machine.take_rest())


async def _read(stream: IOStream) -> bytes:
    """Return what has come, ``b""`` at the end."""
    try:
        return await stream.read_bytes(_CHUNK, partial=True)
    except StreamClosedError as error:
        if error.real_error is None:
            return b""
        raise error.real_error from None
