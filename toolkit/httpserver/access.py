"""A line in a log for each request: in Apache's formats, as JSON, or as a format says.

Nothing that a client sends can forge a line, split one, or reach the terminal that shows it:
lines hold printable ASCII alone, and what a client says cannot end the field it stands in.
"""

import binascii
import functools
import json
import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from toolkit.http1connection import ConnectionContext
from toolkit.log import access_log
from toolkit.wire.events import RequestHead


class Served(Protocol):
    """What `AccessLog.log` takes: an `Exchange`, once it is over."""

    head: RequestHead
    context: ConnectionContext
    status: int
    sent: int
    received_at: float
    request_id: str


class Entry(NamedTuple):
    """What is known of a request once it is over.

    Attributes:
        head: the request.
        context: who sent it.
        status: of the answer; 0 if there was none.
        sent: bytes of the answer's content.
        time: when the head was there, in seconds since the epoch.
        duration: seconds from then to the end of the answer.
        request_id: "" if the server makes none.
    """

    head: RequestHead
    context: ConnectionContext
    status: int
    sent: int
    time: float
    duration: float
    request_id: str = ""


#: The formats of Apache's documentation, by name.
FORMATS = {
    "common": '%h %l %u %t "%r" %>s %b',
    "combined": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
}


class AccessLog:
    """Writes a line to a logger for each request that is over.

    The line is the whole message, so a handler that writes nothing else, such as one with
    ``logging.Formatter("%(message)s")``, makes a file that analysers of logs read.

    Args:
        format: ``"common"`` or ``"combined"``, which are Apache's, ``"json"``, or a format of
            your own in the words of Apache's LogFormat, of which these are known:

            - ``%h`` ``%a`` the client's IP address; ``%{c}a`` that of the socket's peer
            - ``%l`` always ``-``; ``%u`` the user of Basic authentication, checked or not
            - ``%t`` when the request came: ``[10/Oct/2000:13:55:36 -0700]``
            - ``%r`` the request line; ``%m`` its method, ``%U`` its path, ``%q`` ``?`` and its
              query, ``%H`` its version
            - ``%s`` ``%>s`` status; ``%b`` bytes of content, ``-`` for none; ``%B`` as a number
            - ``%D`` microseconds; ``%T`` seconds; ``%{ms}T`` ``%{us}T`` ``%{s}T``
            - ``%V`` ``%v`` the host that was asked for; ``%{scheme}x`` ``http`` or ``https``
            - ``%L`` the request's id; ``%{Name}i`` a header of the request; ``%%``

            What is not known is ``-``.
        logger: gets the lines.
        level: of the lines. While the logger does not want them they cost nothing.
    Raises:
        ValueError: the format has a word that is not known.

    An object of the format ``json`` has ``time`` (string: ISO 8601, UTC, milliseconds),
    ``remote_ip``, ``method``, ``target``, ``version``, ``protocol``, ``host`` (strings),
    ``status``, ``bytes`` (integers), ``duration`` (seconds, a number), and ``user``,
    ``referer``, ``user_agent``, ``request_id`` (strings or null).
    """

    def __init__(
        self,
        format: str = "combined",
        logger: logging.Logger = access_log,
        level: int = logging.INFO,
    ) -> None:
        self.line: Callable[[Entry], str] = renderer(format)
        self._logger = logger
        self._level = level

    def log(self, exchange: Served, now: float) -> None:
        """Write the line of a request that is over.

        Args:
            now: on the clock of its ``received_at``, which has to go on while a handler runs;
                uvloop's `loop.time` does not.
        """
        if not self._logger.isEnabledFor(self._level):
            return
        duration = max(now - exchange.received_at, 0.0)
        entry = Entry(
            exchange.head,
            exchange.context,
            exchange.status,
            exchange.sent,
            time.time() - duration,
            duration,
            exchange.request_id,
        )
        # Written when the request's context is gone, the record has its id nevertheless.
        extra = {"request_id": exchange.request_id} if exchange.request_id else None
        self._logger.log(self._level, "%s", self.line(entry), extra=extra)


def renderer(format: str) -> Callable[[Entry], str]:
    """Return what makes a line of an entry.

    Args:
        format: as for `AccessLog`.
    Raises:
        ValueError: it has a word that is not known.
    """
    return json_line if format == "json" else _compiled(FORMATS.get(format, format))


# -- JSON --------------------------------------------------------------------------------

_encode = json.JSONEncoder(separators=(",", ":")).encode


def json_line(entry: Entry) -> str:
    """Return an entry as an object of JSON, in ASCII."""
    head, context = entry.head, entry.context
    milliseconds = round(entry.time * 1000)
    return _encode(
        {
            "time": f"{_utc(milliseconds // 1000)}.{milliseconds % 1000:03d}Z",
            "remote_ip": context.remote_ip,
            "user": _user(head),
            "method": head.method,
            "target": head.target,
            "version": head.version,
            "protocol": context.protocol,
            "host": context.host or head.host,
            "status": entry.status,
            "bytes": entry.sent,
            "duration": round(entry.duration, 6),
            "referer": _field(head, "referer"),
            "user_agent": _field(head, "user-agent"),
            "request_id": entry.request_id or None,
        }
    )


# -- formats -----------------------------------------------------------------------------

#: A word of a format, and all that is none.
_WORD = re.compile(r"%(?:\{([^}]*)\})?(>?[A-Za-z%])|[^%]+|%")

#: How each word finds its value; None is written as ``-``.
_Getter = Callable[[Entry], str | None]

_PLAIN: dict[str, _Getter] = {
    "h": lambda entry: entry.context.remote_ip or None,
    "a": lambda entry: entry.context.remote_ip or None,
    "l": lambda entry: None,
    "u": lambda entry: _user(entry.head),
    "r": lambda entry: f"{entry.head.method} {entry.head.target} {entry.head.version}",
    "m": lambda entry: entry.head.method,
    "U": lambda entry: entry.head.target.partition("?")[0],
    "q": lambda entry: "".join(entry.head.target.partition("?")[1:]),
    "H": lambda entry: entry.head.version,
    "s": lambda entry: str(entry.status) if entry.status else None,
    ">s": lambda entry: str(entry.status) if entry.status else None,
    "b": lambda entry: str(entry.sent) if entry.sent else None,
    "B": lambda entry: str(entry.sent),
    "D": lambda entry: str(int(entry.duration * 1e6)),
    "T": lambda entry: str(int(entry.duration)),
    "V": lambda entry: entry.context.host or entry.head.host or None,
    "v": lambda entry: entry.context.host or entry.head.host or None,
    "L": lambda entry: entry.request_id or None,
}

_NAMED: dict[tuple[str, str], _Getter] = {
    ("c", "a"): lambda entry: _peer(entry.context),
    ("s", "T"): _PLAIN["T"],
    ("ms", "T"): lambda entry: str(int(entry.duration * 1e3)),
    ("us", "T"): _PLAIN["D"],
    ("scheme", "x"): lambda entry: entry.context.protocol,
}

#: What is not written as it is: within quotes, and elsewhere, where a space ends a field.
_UNSAFE_QUOTED = re.compile(r"[^ !#-\[\]-~]")
_UNSAFE_BARE = re.compile(r"[^!#-\[\]-~]")

#: Those that Python writes otherwise than Apache.
_ESCAPES = {'"': '\\"', " ": "\\x20", "\b": "\\b", "\v": "\\v"}


def _compiled(format: str) -> Callable[[Entry], str]:
    """Return what writes entries in a format of Apache's words."""
    template: list[str] = []
    writers: list[Callable[[Entry], str]] = []
    quoted = False
    for match in _WORD.finditer(format):
        name, word = match.groups()
        if word is None and match[0] != "%":
            quoted ^= match[0].count('"') % 2 == 1
            template.append(match[0])
        elif match[0] == "%%":
            template.append("%%")
        elif match[0] == "%t":
            template.append("%s")
            writers.append(_time)
        else:
            template.append("%s")
            empty = "" if quoted or word == "q" else "-"
            writers.append(_writer(_getter(name, word, match[0]), quoted, empty))
    text = "".join(template)

    def line(entry: Entry) -> str:
        return text % tuple([write(entry) for write in writers])

    return line


def _getter(name: str | None, word: str | None, seen: str) -> _Getter:
    """Return what finds the value of a word.

    Raises:
        ValueError: it is not known.
    """
    if name is None and word in _PLAIN:
        return _PLAIN[word]
    if name is not None and word is not None:
        if (name, word) in _NAMED:
            return _NAMED[name, word]
        if name and word == "i":
            return functools.partial(_header, name.lower())
    known = " ".join(f"%{word}" for word in _PLAIN)
    named = " ".join(f"%{{{name}}}{word}" for name, word in _NAMED)
    raise ValueError(f"{seen!r} in a format; {known} %t {named} %{{Name}}i %% are allowed")


def _writer(get: _Getter, quoted: bool, empty: str) -> Callable[[Entry], str]:
    """Return what writes a value so that it ends no sooner than its field.

    Args:
        empty: what stands for an empty one.
    """
    replace = (_UNSAFE_QUOTED if quoted else _UNSAFE_BARE).sub

    def write(entry: Entry) -> str:
        value = get(entry)
        return "-" if value is None else replace(_escape, value) or empty

    return write


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _ESCAPES.get(char) or char.encode("unicode_escape").decode("ascii")


# -- values ------------------------------------------------------------------------------


def _field(head: RequestHead, name: str) -> str | None:
    """Return the value of a header; those of several are joined."""
    if name not in head.names:
        return None
    return ", ".join([value for key, value in head.fields if key == name])


def _header(name: str, entry: Entry) -> str | None:
    return _field(entry.head, name)


def _peer(context: ConnectionContext) -> str | None:
    """Return the IP address of the socket's peer."""
    return str(context.address[0]) if isinstance(context.address, tuple) else None


def _user(head: RequestHead) -> str | None:
    """Return the user's name in the credentials of Basic authentication (RFC 7617 §2)."""
    scheme, _, credentials = (_field(head, "authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, _ = binascii.a2b_base64(credentials).partition(b":")
    except ValueError:
        return None
    return name.decode("latin-1") if colon else None


# -- times -------------------------------------------------------------------------------

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def _time(entry: Entry) -> str:
    return _local(int(entry.time))


# Most requests come in the same few seconds.
@functools.lru_cache(maxsize=64)
def _local(second: int) -> str:
    """Return a time as Apache writes it, with the months in English wherever it is."""
    at = time.localtime(second)
    sign, offset = "-" if at.tm_gmtoff < 0 else "+", abs(at.tm_gmtoff) // 60
    return (
        f"[{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{at.tm_hour:02d}:"
        f"{at.tm_min:02d}:{at.tm_sec:02d} {sign}{offset // 60:02d}{offset % 60:02d}]"
    )


@functools.lru_cache(maxsize=64)
def _utc(second: int) -> str:
    """Return a time as ISO 8601, without its fraction and zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
