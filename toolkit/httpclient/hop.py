"""One request on its way to one server: what is sent, and where a redirect leads."""

import base64
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urljoin

from toolkit._version import __version__
from toolkit.httpclient.request import BodyProducer, EffectiveRequest
from toolkit.httpclient.target import Target, quote_location
from toolkit.httputil import HTTPHeaders
from toolkit.wire.events import Fields, RequestHead, ResponseHead

USER_AGENT = f"toolkit/{__version__}"

#: Whether a request of a method has a body; others need ``allow_nonstandard_methods``.
BODY_EXPECTED = {
    "GET": False,
    "HEAD": False,
    "POST": True,
    "DELETE": False,
    "PATCH": True,
    "PUT": True,
    "OPTIONS": False,
}

REDIRECTS = frozenset((301, 302, 303, 307, 308))
#: Fields that are for one origin alone (RFC 9110 §15.4).
_FOR_ORIGIN = frozenset(("authorization", "cookie", "cookie2", "host", "proxy-authorization"))
#: Fields that go with the content when a redirect makes a GET of the request.
_FOR_CONTENT = frozenset(
    """
    content-disposition content-encoding content-language content-length content-location
    content-range content-type digest content-digest repr-digest expect last-modified trailer
    transfer-encoding
    """.split()
)


@dataclass(frozen=True, slots=True)
class Hop:
    """A request as one server gets it.

    Attributes:
        fields: headers as the user gave them, without those that this side adds.
        credentials: user and password for the origin of `target`.
    """

    url: str
    target: Target
    method: str
    fields: tuple[tuple[str, str], ...]
    body: bytes | None
    body_producer: BodyProducer | None
    credentials: tuple[str, str] | None

    @classmethod
    def first(cls, request: EffectiveRequest) -> Self:
        """Return what a request begins with.

        Raises:
            ValueError: it cannot be sent.
        """
        _check_body(request)
        target = Target.parse(request.url)
        credentials = target.credentials
        if credentials is None and request.auth_username is not None:
            credentials = (request.auth_username, request.auth_password or "")
        if credentials is not None and request.auth_mode not in (None, "basic"):
            raise ValueError(f"unsupported auth_mode {request.auth_mode!r}; 'basic' is allowed")
        return cls(
            request.url,
            target,
            request.method,
            _fields_of(request.headers),
            request.body,
            request.body_producer,
            credentials,
        )

    @property
    def has_body(self) -> bool:
        """Whether there is a body, be it an empty one."""
        return self.body is not None or self.body_producer is not None

    def head(self, request: EffectiveRequest) -> RequestHead:
        """Return the head as it is sent.

        Raises:
            ValueError: credentials that cannot be sent.
        """
        fields = list(self.fields)
        names = {name.lower() for name, _ in fields}
        for name, value in self._added(request):
            if name.lower() not in names:
                fields.append((name, value))
        if self.credentials is not None:
            fields = [field for field in fields if field[0].lower() != "authorization"]
            fields.append(("Authorization", basic_authorization(*self.credentials)))
        return RequestHead(self.method, self.target.path, fields)

    def _added(self, request: EffectiveRequest) -> Iterable[tuple[str, str]]:
        """Yield the fields that are sent unless the user gave them."""
        yield "Host", self.target.origin.authority
        yield "User-Agent", request.user_agent or USER_AGENT
        if request.decompress_response:
            yield "Accept-Encoding", "gzip"
        if self.method == "POST" and self.has_body:
            yield "Content-Type", "application/x-www-form-urlencoded"
        if request.expect_100_continue and self.has_body:
            yield "Expect", "100-continue"

    def after(self, head: ResponseHead) -> "Hop | None":
        """Return where a response redirects to; None where it does not.

        Secrets go to no other origin than the one that they were for, and do not come back
        when a later redirect leads there again. A body that cannot be sent twice, since it
        was made by a `body_producer`, is not: the response itself is the result then.

        Raises:
            ValueError: it redirects to a URL that cannot be fetched.

        RFC 9110 §15.4
        """
        locations = [value for name, value in head.fields if name == "location" and value]
        if head.status not in REDIRECTS or len(locations) != 1:
            return None
        url = urljoin(self.url, quote_location(locations[0]))
        target = Target.parse(url)
        hop = replace(self, url=url, target=target)
        if self._becomes_get(head.status):
            fields = _without(self.fields, _FOR_CONTENT)
            hop = replace(hop, method="GET", fields=fields, body=None, body_producer=None)
        elif self.body_producer is not None:
            return None
        if target.origin != self.target.origin:
            fields = _without(hop.fields, _FOR_ORIGIN)
            return replace(hop, fields=fields, credentials=target.credentials)
        return replace(hop, credentials=target.credentials or self.credentials)

    def _becomes_get(self, status: int) -> bool:
        if status == 303:
            return self.method != "HEAD"
        return status in (301, 302) and self.method == "POST"


def basic_authorization(user: str | bytes, password: str | bytes) -> str:
    """Return the value of an Authorization field for the scheme Basic.

    Raises:
        ValueError: a colon in the user's name, which would end it, or control characters.

    RFC 7617 §2
    """
    parts = [
        part if isinstance(part, bytes) else unicodedata.normalize("NFC", part).encode("utf-8")
        for part in (user, password)
    ]
    if b":" in parts[0]:
        raise ValueError("the user name holds ':', which basic authentication cannot send")
    if any(byte < 0x20 or byte == 0x7F for part in parts for byte in part):
        raise ValueError("the user name or the password holds a control character")
    return "Basic " + base64.b64encode(b":".join(parts)).decode("ascii")


def _check_body(request: EffectiveRequest) -> None:
    """Refuse a method or a body that is most likely a mistake.

    Raises:
        ValueError: the message says what would be allowed.
    """
    method = request.method
    if request.body is not None and request.body_producer is not None:
        raise ValueError("body and body_producer are both given; one is allowed")
    if request.allow_nonstandard_methods:
        return
    if method not in BODY_EXPECTED:
        raise ValueError(
            f"unknown method {method!r}; allow_nonstandard_methods allows others than "
            f"{', '.join(BODY_EXPECTED)}"
        )
    present = request.body is not None or request.body_producer is not None
    if present != BODY_EXPECTED[method]:
        raise ValueError(
            f"Body must {'not ' if BODY_EXPECTED[method] else ''}be None for method {method} "
            "(unless allow_nonstandard_methods is true)"
        )


def _fields_of(headers: Any) -> tuple[tuple[str, str], ...]:
    """Return headers, in any of the forms that a request takes them in, as pairs of text."""
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(headers, HTTPHeaders):
        pairs = headers.get_all()
    else:
        pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((_text(name), _text(value)) for name, value in pairs)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError(f"header name or value {value!r}; str or bytes are allowed")
    return value


def _without(fields: Fields, names: Collection[str]) -> tuple[tuple[str, str], ...]:
    return tuple(field for field in fields if field[0].lower() not in names)
