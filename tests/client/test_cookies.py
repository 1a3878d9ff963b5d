"""`CookieJar`: with which requests cookies go, and how they are kept in a file."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from toolkit.httpclient.cookies import CookieJar
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders
from toolkit.testing.mock_transport import Answer, MockTransport
from toolkit.wire.cookies import InvalidCookieError

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

NOW = 1_700_000_000.0


def setting(*cookies: str) -> Answer:
    """Return an answer that sets cookies."""
    headers = HTTPHeaders()
    for cookie in cookies:
        headers.add("Set-Cookie", cookie)
    return Answer(headers=headers)


async def ask(
    jar: CookieJar, transport: MockTransport, url: str, headers: dict[str, str] | None = None
) -> str | None:
    """Send a request through the jar, and return the Cookie field that it went with."""
    request = OutgoingRequest("GET", url, HTTPHeaders(headers or {}))
    before = dict(request.headers)
    response: StreamedResponse = await jar(request, transport.send)
    await response.aclose()
    assert dict(request.headers) == before
    return transport.calls[-1].request.headers.get("Cookie")


@pytest.mark.feature("F04")
async def test_a_cookie_comes_back_to_its_server_alone() -> None:
    """With the port and the scheme as they like, but no other host. RFC 6265 §8.5"""
    transport = MockTransport()
    transport.on("*", "*/login", setting("a=1", "b=2; Path=/x; Secure"))
    transport.on("*", "*")
    jar = CookieJar()
    assert await ask(jar, transport, "https://a.example/login") is None
    assert await ask(jar, transport, "https://a.example/x") == "b=2; a=1"
    assert await ask(jar, transport, "http://a.example:8080/x?y") == "a=1"
    assert await ask(jar, transport, "https://b.example/x") is None


async def test_cookies_of_the_request_itself_go_first() -> None:
    """Nobody loses any."""
    transport = MockTransport()
    transport.on("*", "*", setting("a=1"))
    jar = CookieJar()
    await ask(jar, transport, "https://a.example/")
    own = {"Cookie": "x=y"}
    assert await ask(jar, transport, "https://a.example/", own) == "x=y; a=1"


async def test_cookies_expire_by_the_clock_of_the_jar() -> None:
    """Time comes in from outside."""
    now = NOW
    jar = CookieJar(clock=lambda: now)
    jar.receive(["a=1; Max-Age=10", "b=2"], "https://a.example/")
    assert len(jar) == 2
    now += 10
    assert jar.header("https://a.example/") == "b=2"
    assert [cookie.name for cookie in jar] == ["b"]


async def test_a_program_sets_and_gets_cookies() -> None:
    """By the URL that they are for."""
    jar = CookieJar(clock=lambda: NOW)
    jar.set("a", "1", "https://a.example/", path="/x")
    jar.set("a", "2", "https://a.example/", subdomains=True, secure=False)
    jar.set("old", "3", "https://a.example/", expires=NOW)
    assert jar.get("a", "https://a.example/x/y") == "1"
    assert jar.get("a", "https://a.example/") == "2"
    assert jar.get("a", "http://b.a.example/") == "2"
    assert jar.get("a", "https://b.example/") is None
    assert jar.get("old", "https://a.example/") is None
    jar.clear("https://b.a.example/")
    assert [cookie.value for cookie in jar] == ["1"]
    jar.clear()
    assert len(jar) == 0


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("name", "value", "path"),
    [("a", "b; admin=1", "/"), ("a", "b\r\nX: y", "/"), ("a=b", "", "/"), ("a", "b", "x")],
)
async def test_a_value_that_would_be_more_than_one_cookie_is_refused(
    name: str, value: str, path: str
) -> None:
    """CVE-2026-43969 (cowlib)."""
    with pytest.raises(InvalidCookieError):
        CookieJar().set(name, value, "https://a.example/", path=path)


def filled() -> CookieJar:
    """Return a jar with cookies of every kind."""
    jar = CookieJar(clock=lambda: NOW)
    jar.receive(
        [
            "host=1; Path=/x; HttpOnly",
            "all=2; Domain=a.example; SameSite=Lax",
            "__Host-s=3; Secure; Path=/; Max-Age=100",
            "=nameless",
            "latin=\xe9",
        ],
        "https://www.a.example/",
    )
    return jar


@pytest.mark.feature("F04")
async def test_a_saved_jar_is_the_same_jar(tmp_path: Path) -> None:
    """CVE-2026-54279 (aiohttp): host-only stays host-only, and no life gets longer."""
    jar = filled()
    await jar.save(tmp_path / "cookies")
    again = await CookieJar.load(tmp_path / "cookies", clock=lambda: NOW)
    assert list(again) == list(jar)
    assert again.header("https://a.example/") == "all=2"
    assert again.header("http://www.a.example/x") == "host=1; nameless; latin=\xe9; all=2"
    later = await CookieJar.load(tmp_path / "cookies", clock=lambda: NOW + 100)
    assert "__Host-s" not in later.header("https://www.a.example/")


@pytest.mark.feature("F04")
async def test_nobody_else_may_read_a_saved_jar(tmp_path: Path) -> None:
    """Even if there was a file that all could read."""
    path = tmp_path / "cookies"
    path.touch(0o644)
    await filled().save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [path.name]


async def test_cookies_of_the_session_can_be_left_out() -> None:
    """As a browser that is closed does."""
    again = CookieJar.from_json(filled().to_json(session=False), clock=lambda: NOW)
    assert [cookie.name for cookie in again] == ["__Host-s"]


def changed(**fields: Any) -> str:
    """Return a saved jar whose first cookie is another one."""
    content = json.loads(filled().to_json())
    content["cookies"][0].update(fields)
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "cookies": []}',
        '{"version": 1, "cookies": [7]}',
        '{"version": 1, "cookies": [{"name": "a"}]}',
        changed(extra=1),
        changed(value="a; b=c"),
        changed(value=7),
        changed(host_only=1),
        changed(expires=True),
        changed(expires=float("nan")),
        changed(expires="soon"),
        changed(domain=None),
    ],
    ids=range(14),
)
async def test_what_is_no_saved_jar_is_an_error(text: str) -> None:
    """CVE-2026-34993 (aiohttp): a file cannot do anything but be read."""
    with pytest.raises(ValueError):
        CookieJar.from_json(text)


async def test_a_jar_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """And no empty jar, which would overwrite what has another name."""
    with pytest.raises(FileNotFoundError):
        await CookieJar.load(tmp_path / "cookies")
