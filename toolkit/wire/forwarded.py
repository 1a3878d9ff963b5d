"""What proxies say of a request: ``Forwarded`` (RFC 7239) and the ``X-`` fields before it.

Each proxy adds to the right of a list what it knows of the one that asked it. So a list is read
from the right, and no further than its reader goes on: nothing that a client wrote on the left,
be it a quote that never ends, changes how the words of the proxies are understood. How far they
are to be believed is for the caller to say.

Nothing here raises. What is malformed reads as "", and the caller should go no further.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.wire.events import Fields
from toolkit.wire.grammar import TCHAR, is_host

#: Entries of a list that are read at most; chains of proxies are far shorter.
MAX_HOPS = 32

#: Characters of an address with brackets and port at most: 45 for IPv6, the rest for the port.
_MAX_NODE = 80

#: An address, and a port that may be obfuscated (RFC 7239 §6). X-Forwarded-For has IPv6
#: without brackets, and some gateways add a port there too.
_NODE = re.compile(
    r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:([0-9]{1,5})|_[A-Za-z0-9._\-]+))?"
    r"|([0-9A-Fa-f:.]+)"
)
_PORT = re.compile(r"[1-9][0-9]{0,4}")

#: ``[ token "=" value ]`` and what parts it from the next (RFC 7239 §4), written backwards. The
#: quotes that the RFC asks for around ``:`` and ``[]`` may be missing. Backwards a character is
#: escaped when an odd number of backslashes comes behind it.
_PAIR = re.compile(
    rf"""[ \t]*+
    (?: ( "(?:\\\\)*+ (?: [\t !#-\[\]-~\x80-\xff]\\*+ | "\\(?:\\\\)*+ )*+ "
        | [{TCHAR}:\[\]]++ )
        = ([{TCHAR}]++) [ \t]*+ )?+
    ([;,]|\Z)""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

#: The scheme of HTTP that each scheme stands for; proxies may name that of a WebSocket.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy says of the request as it came to it; "" for what it does not say.

    Attributes:
        address: IP address of the one that asked the proxy, in its usual form; "" as well when
            it is unknown or hidden.
        protocol: ``"http"`` or ``"https"``.
        host: authority that was asked for.
    """

    address: str = ""
    protocol: str = ""
    host: str = ""


# -- lists -------------------------------------------------------------------------------


def hops(fields: Fields) -> Iterator[Hop]:
    """Give what the Forwarded fields say, that of the nearest proxy first.

    It ends at what is malformed, and after `MAX_HOPS`. RFC 7239 §4
    """
    text = _joined(fields, "forwarded")[::-1]
    position = count = 0
    pairs: dict[str, str] = {}
    while count < MAX_HOPS:
        match = _PAIR.match(text, position)
        if match is None:
            return
        value, name, separator = match.groups()
        if name is not None:
            name = name[::-1].lower()
            if name in pairs:
                return
            pairs[name] = _unquoted(value[::-1])
        if separator != ";" and pairs:
            yield _hop(pairs)
            pairs = {}
            count += 1
        if not separator:
            return
        position = match.end()


def x_forwarded_for(fields: Fields) -> Iterator[str]:
    """Give the addresses of X-Forwarded-For, the one that the nearest proxy added first.

    It ends after `MAX_HOPS`; "" stands for what is no address.
    """
    items = _joined(fields, "x-forwarded-for").rsplit(",", MAX_HOPS)
    for item in items[: -MAX_HOPS - 1 : -1]:
        if text := item.strip(" \t"):
            yield read_address(text)


def last_value(fields: Fields, name: str) -> str:
    """Return the last entry of a list, which is the nearest proxy's; "" when there is none.

    Args:
        name: of the fields, in lower case.
    """
    return _joined(fields, name).rstrip(" \t,").rpartition(",")[2].strip(" \t")


def only_value(fields: Fields, name: str) -> str:
    """Return the value of a field that is no list; "" if it comes never, or more than once."""
    values = [value for key, value in fields if key == name]
    return values[0] if len(values) == 1 else ""


def _joined(fields: Fields, name: str) -> str:
    """Return the values of all fields of a name as one list (RFC 9110 §5.2)."""
    return ",".join([value for key, value in fields if key == name])


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def _hop(pairs: dict[str, str]) -> Hop:
    return Hop(
        read_address(pairs.get("for", "")),
        read_protocol(pairs.get("proto", "")),
        read_host(pairs.get("host", "")),
    )


# -- values ------------------------------------------------------------------------------


def read_address(text: str) -> str:
    """Return an IP address in its usual form, without brackets and port; "" for anything else.

    An IPv4 address that is written as an IPv6 one becomes what it is. Zones are refused: they
    mean something on the host of the writer alone.
    """
    match = _NODE.fullmatch(text) if len(text) <= _MAX_NODE else None
    if match is None:
        return ""
    v4, bracketed, port, bare = match.groups()
    if port is not None and int(port) > 65535:
        return ""
    try:
        if v4 is not None:
            return str(ipaddress.IPv4Address(v4))
        v6 = ipaddress.IPv6Address(bracketed or bare)
    except ValueError:
        return ""
    return str(v6.ipv4_mapped or v6)


def read_protocol(text: str) -> str:
    """Return ``"http"`` or ``"https"``; "" for any other scheme."""
    return _SCHEMES.get(text.lower(), "")


def read_host(text: str) -> str:
    """Return a host with its port, if it has one; "" if it is malformed (RFC 9110 §7.2).

    A colon without a port, as RFC 3986 allows it, is the end of a scheme more likely.
    """
    return text if text and is_host(text) and text[0] != ":" and text[-1] != ":" else ""


def read_port(text: str) -> str:
    """Return a port from 1 to 65535; "" for anything else."""
    return text if _PORT.fullmatch(text) and int(text) <= 65535 else ""
