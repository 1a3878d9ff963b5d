"""What a client has for all of its requests: a base URL, fields, values of the query."""

from typing import Any

import pytest

from tests.http.scripted import Server, Start
from toolkit.httpclient import HTTPRequest
from toolkit.httputil import HTTPHeaders
from toolkit.simple_httpclient import SimpleAsyncHTTPClient

pytestmark = pytest.mark.feature("F09")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def asked(server: Server, how: str, url: str, settings: Any, **arguments: Any) -> str:
    """Return the head of a GET that a client with settings sends."""
    async with SimpleAsyncHTTPClient(force_instance=True, **settings) as client:
        if how == "fetch":
            await client.fetch(HTTPRequest(url, **arguments))
        else:
            await client.get(url, **arguments)
    return server.heads[-1]


def redirect_to(url: str) -> bytes:
    """Return an answer that leads elsewhere."""
    return (
        f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ).encode()


def target_of(head: str) -> str:
    """Return what a request line asks for."""
    return head.split(" ")[1]


def values_of(head: str, name: str) -> list[str]:
    """Return the values of a field of a request."""
    fields = [line.partition(": ") for line in head.split("\r\n")[1:]]
    return [value for field, _, value in fields if field == name]


@pytest.mark.parametrize("how", ["fetch", "get"])
@pytest.mark.parametrize(
    ("base", "url", "target"),
    [
        ("/api/", "story/7", "/api/story/7"),
        ("/api/", "/story/7", "/story/7"),
        ("/api", "story/7", "/story/7"),
        ("/api/v1/", "../v2/x", "/api/v2/x"),
        ("/api/?key=1", "x", "/api/x"),
        ("/api/x", "?q=1", "/api/x?q=1"),
        ("/api/", "", "/api/"),
        ("", "x", "/x"),
    ],
)
async def test_a_url_is_relative_to_that_of_the_client(
    start: Start, how: str, base: str, url: str, target: str
) -> None:
    """RFC 3986 §5"""
    server = await start(OK)
    settings = {"base_url": server.url(base)}
    assert target_of(await asked(server, how, url, settings)) == target


@pytest.mark.parametrize("how", ["fetch", "get"])
async def test_an_absolute_url_goes_elsewhere(start: Start, how: str) -> None:
    """Whatever the base is."""
    server = await start(OK)
    settings = {"base_url": "http://127.0.0.1:1/api/"}
    assert target_of(await asked(server, how, server.url("/x"), settings)) == "/x"


@pytest.mark.parametrize("base", [None, "/api/", "ftp://a/"])
async def test_a_base_that_is_none_is_an_error(base: str | None) -> None:
    """The message shows the URL that came of it."""
    async with SimpleAsyncHTTPClient(force_instance=True, base_url=base) as client:
        with pytest.raises(ValueError, match="Unsupported url scheme"):
            await client.get("x")


@pytest.mark.parametrize("how", ["fetch", "get"])
@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, ["of all"]),
        ({"x-key": "own"}, ["own"]),
        ({"X-Key": ""}, [""]),
        ({"Other": "y"}, ["of all"]),
    ],
)
async def test_fields_of_the_client_go_with_requests_that_have_none_of_the_name(
    start: Start, how: str, own: dict[str, str], expected: list[str]
) -> None:
    """In any case of letters; those of the caller are left as they are."""
    server = await start(OK)
    before = dict(own)
    settings = {"headers": {"X-Key": "of all"}}
    head = await asked(server, how, server.url(), settings, headers=own)
    assert values_of(head, "X-Key") == expected
    assert own == before


@pytest.mark.parametrize("how", ["fetch", "get"])
async def test_fields_of_the_client_may_come_more_than_once(start: Start, how: str) -> None:
    """And take the place of those that a client sends by itself."""
    headers = HTTPHeaders({"User-Agent": "Me", "Accept-Encoding": "identity"})
    headers.add("X-Key", "a")
    headers.add("X-Key", "b")
    server = await start(OK)
    head = await asked(server, how, server.url(), {"headers": headers})
    assert values_of(head, "X-Key") in (["a", "b"], ["a,b"])
    assert values_of(head, "User-Agent") == ["Me"]
    assert values_of(head, "Accept-Encoding") == ["identity"]


async def test_fields_of_the_client_are_checked_when_it_is_made() -> None:
    """Not at some request later on."""
    with pytest.raises(ValueError):
        SimpleAsyncHTTPClient(force_instance=True, headers={"X": "a\r\nb"})


@pytest.mark.parametrize(
    ("params", "url", "own", "target"),
    [
        ({"k": 1}, "/", {}, "/?k=1"),
        ({"k": 1}, "/x?a=b", {}, "/x?a=b&k=1"),
        ({"k": 1}, "/x?", {}, "/x?k=1"),
        ({"k": 1}, "/x#f", {}, "/x?k=1"),
        ({"k": 1}, "/x", {"p": 2}, "/x?k=1&p=2"),
        ({"k": 1}, "/x", {"k": 2}, "/x?k=1&k=2"),
        ({"k": None, "l": True, "m": [1, 2]}, "/", {}, "/?l=true&m=1&m=2"),
        ([("k", "a b"), ("k", "ü&")], "/", {}, "/?k=a+b&k=%C3%BC%26"),
        ({}, "/x?a=%2f", {}, "/x?a=%2f"),
        ({"k": "a\r\nHost: b"}, "/", {}, "/?k=a%0D%0AHost%3A+b"),
    ],
)
async def test_values_of_the_client_are_added_to_the_query(
    start: Start, params: Any, url: str, own: Any, target: str
) -> None:
    """Before those of the request, and after what the URL says."""
    server = await start(OK)
    settings = {"params": params}
    assert target_of(await asked(server, "get", server.url(url), settings, params=own)) == target
    if not own:
        assert target_of(await asked(server, "fetch", server.url(url), settings)) == target


async def test_values_of_the_client_are_not_added_to_a_redirect(start: Start) -> None:
    """The server has said itself where to go, and it may be another one."""
    final = await start(OK)
    first = await start(redirect_to(final.url("/there")))
    await asked(first, "get", first.url(), {"params": {"key": "secret"}})
    assert target_of(first.heads[0]) == "/?key=secret"
    assert target_of(final.heads[0]) == "/there"


async def test_secrets_of_the_client_do_not_follow_a_redirect(start: Start) -> None:
    """Those of fields that are for one origin alone."""
    final = await start(OK)
    first = await start(redirect_to(final.url()))
    settings = {"headers": {"Authorization": "Bearer s", "Cookie": "s=1", "X": "y"}}
    head = await asked(first, "get", first.url(), settings)
    assert values_of(head, "Authorization") == ["Bearer s"]
    assert values_of(final.heads[0], "Authorization") == values_of(final.heads[0], "Cookie") == []
    assert values_of(final.heads[0], "X") == ["y"]
