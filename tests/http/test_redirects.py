"""Redirects: where they lead, and what goes along."""

from typing import Any

import pytest

from toolkit.httpclient.building import ClientSettings, build_request
from toolkit.httpclient.content import Pieces
from toolkit.httpclient.redirects import redirected
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders


def first(url: str = "http://a/x", method: str = "GET", **arguments: Any) -> OutgoingRequest:
    """Return what a request begins with."""
    return build_request(ClientSettings(), method, url, arguments)  # type: ignore[arg-type]


def follow(request: OutgoingRequest, status: int, *locations: str) -> OutgoingRequest | None:
    """Return what follows the answer with a status and Location fields."""
    headers = HTTPHeaders()
    for location in locations:
        headers.add("Location", location)
    return redirected(request, StreamedResponse(request, status, headers))


@pytest.mark.parametrize(
    ("status", "method", "after"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (302, "POST", "GET"),
        (302, "DELETE", "DELETE"),
        (302, "HEAD", "HEAD"),
        (303, "GET", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
def test_a_redirect_changes_the_method_as_browsers_do(status: int, method: str, after: str) -> None:
    """And what is no longer sent is no longer described (RFC 9110 §15.4)."""
    headers = {"Content-Type": "a/b", "Content-Length": "1", "Content-Encoding": "x", "X": "y"}
    hop = follow(first(method=method, content=b"b", headers=headers), status, "/y")
    assert hop is not None
    assert (hop.url, hop.method) == ("http://a/y", after)
    if (after == method and status != 303) or method == "HEAD":
        assert hop.content == b"b"
        assert dict(hop.headers) == headers
    else:
        assert hop.content is None
        assert dict(hop.headers) == {"X": "y"}


@pytest.mark.parametrize(
    ("start_url", "location"),
    [
        ("http://a.b/", "http://a.b:81/"),
        ("http://a.b/", "https://a.b/"),
        ("https://a.b/", "http://a.b/"),
        ("http://a.b/", "http://c.a.b/"),
        ("http://c.a.b/", "http://a.b/"),
        ("http://a.b/", "http://a.b./"),
        ("http://a.b/", "//c.d/"),
        ("http://127.0.0.1/", "http://localhost/"),
        ("http://u:p@a.b/", "http://c.d/"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.feature("F03")
def test_secrets_go_to_no_other_origin(start_url: str, location: str, status: int) -> None:
    """Nor do they come back when a later redirect leads to the first one again."""
    secrets = HTTPHeaders({"Authorization": "s1", "Proxy-Authorization": "s2", "X": "y"})
    secrets.add("authorization", "s3")
    secrets.add("Cookie", "s4=1")
    secrets.add("cookie", "s5=1")
    secrets["Host"] = "virtual"
    gone = follow(first(start_url, headers=secrets, auth=("u", "p")), status, location)
    assert gone is not None
    back = follow(gone, status, start_url.replace("u:p@", ""))
    assert back is not None
    for other in (gone, back):
        assert dict(other.headers) == {"X": "y"}
        assert other.credentials is None


@pytest.mark.parametrize("location", ["/y", "y", "?z", "http://a/y", "HTTP://A:80/", "//a/z"])
def test_secrets_stay_with_their_origin(location: str) -> None:
    """A redirect within it changes nothing."""
    secrets = {"Cookie": "s=1", "Host": "virtual"}
    after = follow(first(headers=secrets, auth=("u", "p")), 302, location)
    assert after is not None
    assert (dict(after.headers), after.credentials) == (secrets, ("u", "p"))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("y", "http://a/b/y"),
        ("../y", "http://a/y"),
        ("?q", "http://a/b/c?q"),
        (" /y\t", "http://a/y"),
        ("/a b", "http://a/a%20b"),
        ("/\xc3\xa9", "http://a/%C3%A9"),
        ("/%41", "http://a/%41"),
    ],
)
def test_a_location_is_read_as_browsers_do(location: str, url: str) -> None:
    """Relative to the URL, and with what they forgive."""
    hop = follow(first("http://a/b/c"), 302, location)
    assert hop is not None
    assert hop.url == url


@pytest.mark.parametrize(
    "location", ["ftp://a/", "file:///etc/passwd", "data:,x", "javascript:1", "h:5", "http://[x/"]
)
def test_a_redirect_to_what_cannot_be_fetched_is_an_error(location: str) -> None:
    """And is not left unfinished."""
    with pytest.raises(ValueError):
        follow(first(), 302, location)


@pytest.mark.parametrize(
    ("status", "locations"),
    [
        (302, []),
        (302, [""]),
        (302, ["/a", "/b"]),
        (200, ["/y"]),
        (300, ["/y"]),
        (304, ["/y"]),
        (305, ["/y"]),
    ],
)
def test_what_is_no_redirect_is_the_response(status: int, locations: list[str]) -> None:
    """Such as one that does not say where to."""
    assert follow(first(), status, *locations) is None


def test_content_that_was_produced_is_not_sent_again_empty() -> None:
    """There is nothing left of it, so that the redirect itself is the response."""
    hop = first(method="PUT", content=iter([b"a"]))
    assert follow(hop, 307, "/y") is None
    after = follow(hop, 303, "/y")
    assert after is not None
    assert after.content is None


def test_content_that_can_be_made_again_is_sent_again() -> None:
    """As that of a list is."""
    after = follow(first(method="PUT", content=[b"a"]), 307, "/y")
    assert after is not None
    assert isinstance(after.content, Pieces)
