"""What a developer is shown of an error, and what nobody else is."""

import datetime
import decimal
import enum
import fractions
import json
import re
import sys
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import pytest

from tests.http.client import Answer, Serve, Site
from tests.loops import expect_log
from toolkit.httputil import HTTPHeaders, HTTPServerRequest
from toolkit.template import DictLoader
from toolkit.web import HTTPError, RequestHandler
from toolkit.web.debug import may_see
from toolkit.web.debug.values import MASK, MAX_ALL, MAX_VALUE, Values, cut, is_secret, mask

Raiser = Callable[[RequestHandler], object]

HTML = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
JSON = "Accept: application/json, text/plain, */*\r\n"
DEBUG = {"debug": True}


def boom(handler: RequestHandler) -> NoReturn:
    """Fail."""
    raise ValueError("boom <script>alert(1)</script> & \"'")


def failing(raiser: Raiser) -> type[RequestHandler]:
    """Make a handler class that calls a function."""

    class Failing(RequestHandler):
        def get(self, *args: str) -> None:
            raiser(self)

        post = get

    return Failing


def site_of(serve: Serve, raiser: Raiser = boom, **settings: Any) -> Site:
    """Start a site whose root fails."""
    return serve([("/", failing(raiser)), ("/named/(.*)", failing(boom), {}, "name")], settings)


async def ask(
    site: Site, target: str = "/", fields: str = HTML, host: str = "localhost", body: bytes = b""
) -> Answer:
    """Ask as a browser on this machine does."""
    head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    return await site.ask(head.encode() + body)


async def page_of(
    serve: Serve, caplog: pytest.LogCaptureFixture, raiser: Raiser, fields: str = HTML
) -> str:
    """Return what is shown of an error at the root."""
    answer = await ask(site_of(serve, raiser, debug=True), fields=fields)
    assert answer.status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    return answer.text


def fails(message: str) -> NoReturn:
    raise LookupError(message)


# -- who is shown what -------------------------------------------------------------------


@pytest.mark.feature("I09")
async def test_a_browser_gets_a_page(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """It loads and runs nothing; all that is not ours in it is escaped.

    CVE-2016-10516 (Werkzeug's debugger): a page that ran what a request brought.
    """
    site = site_of(serve, debug=True)
    answer = await ask(site, "/?q=%3Cscript%3E", HTML + "X-Own: <script>\r\n")
    assert answer.status == 500
    assert answer.get("content-type") == "text/html; charset=utf-8"
    assert answer.get("content-security-policy") == (
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    assert answer.get("cache-control") == "no-store"
    assert "<script" not in answer.text
    assert "boom &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;&#x27;" in answer.text
    assert re.search(r"src=|href=|url\(|@import", answer.text) is None
    # The line of the source, and within it what was being run.
    assert '<code class="here"><i>' in answer.text
    assert "<mark>raise ValueError(&quot;boom" in answer.text
    assert "test_debug_page.py" in answer.text
    # The routes.
    assert "/named/(.*)$" in answer.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.feature("I09")
async def test_a_script_gets_json(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    site = site_of(serve, debug=True)
    answer = await ask(site, "/?a=1&a=2", JSON + "Cookie: a=b\r\n")
    assert answer.get("content-type") == "application/json; charset=utf-8"
    found = json.loads(answer.text)
    assert (found["status"], found["reason"]) == (500, "Internal Server Error")
    [error] = found["exceptions"]
    assert (error["type"], error["message"]) == (
        "ValueError",
        "boom <script>alert(1)</script> & \"'",
    )
    last = error["frames"][-1]
    assert last["function"] == "boom"
    assert last["source"] == ['    raise ValueError("boom <script>alert(1)</script> & \\"\'")']
    assert last["locals"]["handler"].startswith("<test_debug_page.failing.<locals>.Failing") or (
        "Failing" in last["locals"]["handler"]
    )
    request = found["request"]
    assert request["method"] == "POST"
    assert request["url"] == "http://localhost/?a=1&a=2"
    assert ["Cookie", MASK] in request["headers"]
    assert request["query"] == [["a", "1"], ["a", "2"]]
    assert {"pattern": "/named/(.*)$", "name": "name"}.items() <= found["routes"][1].items()
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.feature("I09")
@pytest.mark.parametrize("fields", ["", "Accept: */*\r\n", "Accept: text/plain\r\n"])
async def test_others_get_plain_text(
    serve: Serve, caplog: pytest.LogCaptureFixture, fields: str
) -> None:
    answer = await ask(site_of(serve, debug=True), fields=fields)
    assert answer.get("content-type") == "text/plain; charset=utf-8"
    assert answer.text.startswith("500 Internal Server Error\nPOST http://localhost/\n\nTraceback ")
    assert answer.text.endswith("ValueError: boom <script>alert(1)</script> & \"'\n")
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.parametrize(
    "settings",
    [{}, {"debug": False}, {"debug": True, "serve_traceback": False}, {"debug_hosts": ["h"]}],
)
async def test_nothing_is_shown_unless_it_is_turned_on(
    serve: Serve, caplog: pytest.LogCaptureFixture, settings: dict[str, Any]
) -> None:
    """CVE-2019-14806 (Werkzeug): a debugger that strangers could reach."""
    for fields in (HTML, JSON, ""):
        answer = await ask(site_of(serve, **settings), fields=fields)
        assert answer.status == 500
        assert "boom" not in answer.text
        assert "Traceback" not in answer.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_serve_traceback_alone_is_plain_text(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """As Tornado has it."""
    answer = await ask(site_of(serve, serve_traceback=True))
    assert answer.get("content-type") == "text/plain"
    assert answer.text.startswith("Traceback (most recent call last):\n")
    assert answer.text.endswith("ValueError: boom <script>alert(1)</script> & \"'\n")
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_a_text_that_cannot_be_sent_is_shown_as_it_can(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    for settings in ({"serve_traceback": True}, DEBUG):
        site = site_of(serve, lambda handler: fails("a\ud800b"), **settings)
        answer = await ask(site)
        assert answer.status == 500
        assert "a\\ud800b" in answer.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")


LOCAL = ["localhost", "LOCALHOST.:8888", "a.localhost", "127.0.0.1", "127.9.9.9:80", "[::1]:80"]
OTHER = ["evil.example", "localhost.evil.example", "notlocalhost", "128.0.0.1", "0.0.0.0", "[::2]"]


@pytest.mark.parametrize("setting", ["debug", "serve_traceback"])
@pytest.mark.parametrize("host", LOCAL + OTHER)
async def test_a_host_that_is_not_local_is_shown_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture, host: str, setting: str
) -> None:
    """A page of another site may have its own name point to this machine.

    CVE-2024-34069 (Werkzeug)
    """
    answer = await ask(site_of(serve, **{setting: True}), host=host)
    assert ("boom" in answer.text) == (host in LOCAL)
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("dev.example", True),
        ("DEV.example.:8080", True),
        ("other.example", False),
        ("adev.example", False),
        ("below.test", True),
        ("a.b.below.test", True),
        ("notbelow.test", False),
        ("10.0.0.1", True),
        ("[fd00::1]:80", True),
        ("localhost", True),
    ],
)
async def test_hosts_can_be_named(
    serve: Serve, caplog: pytest.LogCaptureFixture, host: str, allowed: bool
) -> None:
    hosts = ["Dev.example", ".below.test", "10.0.0.1", "fd00::1"]
    answer = await ask(site_of(serve, debug=True, debug_hosts=hosts), host=host)
    assert ("boom" in answer.text) == allowed
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.parametrize(
    "field",
    ["X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "Via: 1.1 p", "X-Real-IP: 1.2.3.4"],
)
async def test_nobody_behind_a_proxy_is_shown_anything(
    serve: Serve, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    """Which asks for its backend by a local name."""
    answer = await ask(site_of(serve, debug=True), fields=f"{HTML}{field}\r\n")
    assert "boom" not in answer.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.168.1.1", False),
        ("", False),
        (None, False),
    ],
)
def test_the_client_has_to_be_on_this_machine(address: str | None, allowed: bool) -> None:
    """Who connects from elsewhere can call the host what he likes; a Unix socket has a proxy."""
    request = HTTPServerRequest("GET", "/", headers=HTTPHeaders({"Host": "localhost"}))
    request.remote_ip = address
    assert may_see(request, ()) == allowed
    assert may_see(request, ["localhost"])


async def test_a_mistake_in_the_settings_shows_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(site_of(serve, debug=True, debug_hosts="example.com"))
    assert answer.status == 500
    assert "boom" not in answer.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    [record] = expect_log(caplog, "toolkit.application", "Cannot show the error ValueError")
    assert record.exc_info is not None
    assert "a list of hosts is allowed" in str(record.exc_info[1])


# -- errors of each kind -----------------------------------------------------------------


async def test_errors_of_http_are_shown_too(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """With their status: a path that no route has shows the routes that there are."""
    site = site_of(serve, debug=True)
    answer = await ask(site, "/nothing")
    assert answer.status == 404
    assert "404 Not Found" in answer.text
    assert "/named/(.*)$" in answer.text

    def refuse(handler: RequestHandler) -> NoReturn:
        raise HTTPError(403, "not you, %s", "Eve", reason="Never")

    answer = await ask(site_of(serve, refuse, debug=True))
    assert answer.status == 403
    assert "HTTP 403: Never (not you, Eve)" in answer.text
    expect_log(caplog, "toolkit.general", "403 POST")


async def test_what_an_error_came_from_is_shown(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        try:
            try:
                fails("first")
            except LookupError as error:
                error.add_note("noted down")
                raise TypeError("second") from error
        except TypeError:
            raise OSError("third")  # noqa: B904  # that is the point

    text = await page_of(serve, caplog, raiser, JSON)
    errors = json.loads(text)["exceptions"]
    assert [(error["relation"], error["type"], error["message"]) for error in errors] == [
        ("", "OSError", "third"),
        ("which came up while this was handled", "TypeError", "second"),
        ("which was caused by", "LookupError", "first"),
    ]
    assert errors[2]["notes"] == ["noted down"]
    page = await page_of(serve, caplog, raiser)
    assert re.findall("</em> ([A-Za-z]+)</h3>", page) == ["TypeError", "LookupError"]
    assert "noted down" in page


async def test_what_is_not_to_be_shown_of_a_chain_is_not(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        try:
            fails("hidden")
        except LookupError:
            raise OSError("seen") from None

    errors = json.loads(await page_of(serve, caplog, raiser, JSON))["exceptions"]
    assert [error["message"] for error in errors] == ["seen"]


async def test_the_members_of_a_group_are_shown(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        raise ExceptionGroup("many", [KeyError(number) for number in range(50)])

    errors = json.loads(await page_of(serve, caplog, raiser, JSON))["exceptions"]
    assert len(errors) == 10
    assert errors[1]["relation"] == "which is a group that has"
    assert "It was never raised." in await page_of(serve, caplog, raiser)


async def test_a_chain_that_bites_its_tail_ends(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        one, other = OSError("one"), OSError("other")
        one.__cause__, other.__cause__ = other, one
        raise one

    errors = json.loads(await page_of(serve, caplog, raiser, JSON))["exceptions"]
    assert [error["message"] for error in errors] == ["one", "other"]


async def test_deep_recursion_is_cut_in_the_middle(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def down(depth: int) -> int:
        return down(depth + 1)

    page = await page_of(serve, caplog, lambda handler: down(0))
    assert re.search(r'<p class="left">[0-9]+ more calls</p>', page)
    assert page.count("<details") == 40
    assert len(page) < 200_000
    [error] = json.loads(await page_of(serve, caplog, lambda handler: down(0), JSON))["exceptions"]
    assert error["left_out"] > sys.getrecursionlimit() // 2
    assert len(error["frames"]) == 40
    assert len(await page_of(serve, caplog, lambda handler: down(0), "")) < 20_000


@pytest.mark.parametrize("loaded", [False, True])
async def test_a_template_is_shown_with_its_own_lines(
    serve: Serve, caplog: pytest.LogCaptureFixture, loaded: bool
) -> None:
    loader = DictLoader({"page.html": "<ul>\n{% for x in rows %}\n<li>{{ 1 // x }}\n{% end %}"})

    def raiser(handler: RequestHandler) -> None:
        loader.load("page.html").generate(rows=[2, 1, 0])

    [error] = json.loads(await page_of(serve, caplog, raiser, JSON))["exceptions"]
    last = error["frames"][-1]
    assert (last["file"], last["line"]) == ("page.html", 3)
    assert last["source"] == ["<li>{{ 1 // x }}"]
    assert last["locals"]["x"] == "0"
    assert last["locals"]["rows"] == "[2, 1, 0]"
    assert not any(name.startswith("_tt_") for name in last["locals"])
    page = await page_of(serve, caplog, raiser)
    assert re.search(
        r'<details class="own" open>\s*<summary><strong>[^<]*</strong>\s*<span>page', page
    )
    assert "&lt;li&gt;{{ " in page


async def test_code_without_a_source_is_no_trouble(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        exec(compile("x = 1\nx / 0", "<made up>", "exec"), {})

    assert "&lt;made up&gt;:2" in await page_of(serve, caplog, raiser)


async def test_an_error_that_cannot_be_written_is_no_trouble(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class NoError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

        __notes__ = 5

    class Loud(Exception):
        def __str__(self) -> str:
            return "\ud800\x00\x1b[31m\u202e" + "x" * 1_000_000

    def raiser(handler: RequestHandler) -> None:
        raise NoError from Loud()

    page = await page_of(serve, caplog, raiser)
    assert "(no text: its __str__ raised RuntimeError)" in page
    assert "\\ud800\\x00\\x1b[31m\\u202exxx" in page
    assert len(page) < 100_000
    text = await page_of(serve, caplog, raiser, "")
    assert "\x1b" not in text
    assert len(text) < 250_000


# -- the request -------------------------------------------------------------------------


async def test_secrets_of_the_request_are_kept_back(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(serve, debug=True)
    fields = (
        "Authorization: Basic hidden-1\r\nCookie: a=hidden-2\r\nX-Api-Key: hidden-3\r\n"
        "X-CSRF-Token: hidden-4\r\nReferer: http://h/?token=hidden-5&b=seen-1\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nX-Other: seen-2\r\n"
    )
    body = b"password=hidden-6&name=seen-3&new%5Fpassword=hidden-7"
    target = "/?Token=hidden-8&q=seen-4&api%5Fkey=hidden-9"
    for accept in (HTML, JSON, ""):
        answer = await ask(site, target, accept + fields, body=body)
        assert "hidden-" not in answer.text, accept
        if accept:
            for number in range(1, 5):
                assert f"seen-{number}" in answer.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_form_that_cannot_be_read_is_no_trouble(
    serve: Serve, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    fields = JSON + "Content-Type: multipart/form-data; boundary=b\r\n"
    answer = await ask(site_of(serve, debug=True), "/?a", fields, body=b"x" * size)
    found = json.loads(answer.text)["request"]
    assert (found["query"], found["form"]) == ([["a", ""]], [])
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.parametrize(("size", "form"), [(10, [["a", "x" * 10]]), (100_000, [])])
async def test_a_large_form_is_not_looked_into(
    serve: Serve, caplog: pytest.LogCaptureFixture, size: int, form: list[Any]
) -> None:
    fields = JSON + "Content-Type: application/x-www-form-urlencoded\r\n"
    answer = await ask(site_of(serve, debug=True), "/", fields, body=b"a=" + b"x" * size)
    assert json.loads(answer.text)["request"]["form"] == form
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_a_request_of_any_size_makes_a_page_of_bounded_size(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    target = "/?" + "&".join(f"n{number}={number}" for number in range(900))
    fields = "".join(f"X-{number}: {'v' * 400}\r\n" for number in range(90))
    answer = await ask(site_of(serve, debug=True), target, HTML + fields)
    assert answer.status == 500
    assert len(answer.text) < 120_000
    expect_log(caplog, "toolkit.application", "Uncaught exception")


# -- values ------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    SMALL = 1


class Plain:
    def __init__(self, **values: object) -> None:
        vars(self).update(values)


class Slotted:
    __slots__ = ("a", "password", "unset")

    def __init__(self) -> None:
        self.a = 1
        self.password = "hidden"


class Dangerous:
    """Everything that it is asked for goes wrong."""

    def __init__(self) -> None:
        object.__setattr__(self, "inside", 1)

    def _fail(self, *args: object) -> NoReturn:
        raise AssertionError("code of a value was run")

    __repr__ = __str__ = __len__ = __iter__ = __getattr__ = __getattribute__ = _fail  # type: ignore[assignment]
    __eq__ = __hash__ = __bool__ = __format__ = _fail  # type: ignore[assignment]
    __class__ = property(_fail)  # type: ignore[assignment]


class DangerousDict(dict):  # type: ignore[type-arg]
    __repr__ = __iter__ = items = keys = __len__ = __getitem__ = Dangerous._fail  # type: ignore[assignment]


class DangerousList(list):  # type: ignore[type-arg]
    __repr__ = __iter__ = __len__ = __getitem__ = Dangerous._fail  # type: ignore[assignment]


class DangerousText(str):
    __repr__ = __str__ = __getitem__ = __len__ = __format__ = Dangerous._fail  # type: ignore[assignment]


class DangerousZone(datetime.tzinfo):
    __repr__ = utcoffset = Dangerous._fail  # type: ignore[assignment]


ZONED = datetime.datetime(2030, 1, 2, tzinfo=DangerousZone())

HERE = __name__


VALUES: list[tuple[object, str]] = [
    (None, "None"),
    (True, "True"),
    (-5, "-5"),
    (1.5, "1.5"),
    (1j, "1j"),
    (..., "Ellipsis"),
    ("a'b\n", '"a\'b\\n"'),
    (b"\x00", "b'\\x00'"),
    (bytearray(b"a"), "bytearray(b'a')"),
    ("x" * 300, "'" + "x" * 200 + "'… (300 in all)"),
    (1 << 10_000_000, "<int of 10000001 bits>"),
    ([1, "a"], "[1, 'a']"),
    ((), "()"),
    ((1,), "(1)"),
    ({1}, "{1}"),
    (frozenset(), "frozenset({})"),
    (deque([1]), "deque([1])"),
    ({"a": 1, 2: [3]}, "{'a': 1, 2: [3]}"),
    (OrderedDict(a=1), "collections.OrderedDict({'a': 1})"),
    (list(range(10_000_000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 9999990 more]"),
    ([[[[[1]]]]], "[[[[… 1 items]]]]"),
    (range(5), "range(0, 5)"),
    (datetime.date(2030, 1, 2), "datetime.date(2030, 1, 2)"),
    (datetime.time(1, 2, tzinfo=datetime.UTC), "datetime.time(1, 2, tzinfo=datetime.timezone.utc)"),
    (decimal.Decimal("1.5"), "Decimal('1.5')"),
    (uuid.UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
    (PurePosixPath("a"), "PurePosixPath('a')"),
    (re.compile("a"), "re.compile('a')"),
    (Colour.RED, f"<{HERE}.Colour.RED>"),
    (Size.SMALL, f"<{HERE}.Size.SMALL>"),
    (int, "<class int>"),
    (Plain, f"<class {HERE}.Plain>"),
    (len, "<function len>"),
    (boom, "<function boom>"),
    ([].append, "<function list.append>"),
    (Values().show, "<method of toolkit.web.debug.values.Values>"),
    (sys, "<module sys>"),
    (KeyError("a"), "KeyError('a')"),
    (Plain(), f"<{HERE}.Plain>"),
    (Plain(a=1, b="x"), f"<{HERE}.Plain a=1 b='x'>"),
    (Plain(a=Plain(b=1)), f"<{HERE}.Plain a=<{HERE}.Plain b=1>>"),
    (Slotted(), f"<{HERE}.Slotted a=1 password=***>"),
    (object(), "<object>"),
    (Dangerous(), f"<{HERE}.Dangerous inside=1>"),
    ([Dangerous()], f"[<{HERE}.Dangerous inside=1>]"),
    (DangerousDict(a=1), f"{HERE}.DangerousDict({{'a': 1}})"),
    (DangerousList([1]), f"{HERE}.DangerousList[1]"),
    (DangerousText("a"), "'a'"),
    ({DangerousText("a"): 1}, "{'a': 1}"),
    (ZONED, "<datetime.datetime>"),
    (fractions.Fraction(10**5000), "(ValueError while it was looked at)"),
]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_value_is_shown_without_its_own_code(number: int) -> None:
    """Which could take any time, fail, or change something."""
    value, text = VALUES[number]
    assert Values().show("name", value) == text


def test_a_value_that_holds_itself_ends() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert Values().show("loop", loop) == "[[[[… 1 items]]]]"
    plain = Plain()
    vars(plain)["own"] = plain
    assert len(Values().show("plain", plain)) < 300


def test_a_wide_and_deep_value_is_bounded() -> None:
    wide: Any = "x" * 1000
    for _ in range(6):
        wide = [wide] * 1000
    assert len(Values().show("wide", wide)) <= MAX_VALUE + 1
    keyed = {f"key{number}": wide for number in range(1000)}
    assert len(Values().show("keyed", keyed)) <= MAX_VALUE + 1


def test_all_values_together_are_bounded() -> None:
    values = Values()
    texts = [values.show("a", ["x" * 200] * 10) for _ in range(1000)]
    assert sum(map(len, texts)) < MAX_ALL + 100_000
    assert texts[-1] == "(left out, since there is much to show)"


@pytest.mark.parametrize(
    "name",
    [
        "password", "PASSWORD", "new_password", "passwd", "pwd", "passphrase", "token",
        "csrfToken", "secret", "client_secret", "SECRET_KEY", "cookie", "Set-Cookie",
        "authorization", "Proxy-Authorization", "api_key", "apiKey", "X-API-Key", "private_key",
        "access-key", "credentials", "signature", "session_id", "sessionid", "_xsrf", b"password",
    ],
)  # fmt: skip
def test_what_sounds_like_a_secret_is_kept_back(name: Any) -> None:
    """As a variable, an attribute, a key, a pair, and within texts."""
    assert is_secret(name)
    values = Values()
    assert values.show(name, "hidden") == MASK
    assert values.show("a", {name: "hidden"}) == f"{{{name!r}: ***}}"
    assert values.show("a", [(name, "hidden")]) == f"[({name!r}, ***)]"
    if isinstance(name, str):
        assert values.show("a", Plain(**{name: "hidden"})).endswith(f"{name}=***>")
        for text in (
            f"a=b&{name}=hidden&c=d",
            f"{name}: hidden more hidden\r\nc: d",
            f'{{"{name}": "hidden", "c": "d"}}',
            f"{{'{name}': 'hidden', 'c': 'd'}}",
            f'form-data; name="{name}"\r\n\r\nhidden\r\n--d',
        ):
            for value in (text, text.encode()):
                shown = values.show("a", value)
                assert "hidden" not in shown
                assert "d" in shown[-5:]


@pytest.mark.parametrize("name", ["name", "author", "key", "passenger_count", "compass", "id", 5])
def test_other_names_are_shown(name: Any) -> None:
    """``compass`` and ``passenger`` have too little of a password."""
    assert not is_secret(name)
    assert Values().show(name, "seen") == "'seen'"


def test_a_long_text_is_masked_in_linear_time() -> None:
    """Nothing in it is gone over again and again."""
    for text in ("password" * 100_000, "token=" * 100_000, "secret" + "-" * 1_000_000):
        assert len(mask(text)) <= len(text)


def test_a_text_is_cut_to_what_can_be_sent() -> None:
    assert cut("a\n\tb\xa0é") == "a\n\tb\xa0é"
    assert cut("\x00\x1b\u202e\ud800\r\u2028") == "\\x00\\x1b\\u202e\\ud800\\r\\u2028"
    assert cut("x" * 5, 4) == "xxxx…"


async def test_the_variables_of_each_call_are_shown(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        password = "hid" + "den"
        huge = list(range(1_000_000))
        danger = Dangerous()
        many = {f"v{number}": number for number in range(100)}
        exec("fails('with ' + name)", {"fails": fails, "name": "x", "__spec__": None}, many)
        print(password, huge, danger)

    errors = json.loads(await page_of(serve, caplog, raiser, JSON))["exceptions"]
    frames = {frame["function"]: frame["locals"] for frame in errors[0]["frames"]}
    own = next(found for name, found in frames.items() if name.endswith("raiser"))
    assert own["password"] == MASK
    assert own["huge"].endswith("999990 more]")
    assert own["danger"] == f"<{HERE}.Dangerous inside=1>"
    assert len(frames["<module>"]) == 25
    assert frames["fails"] == {"message": "'with x'"}


async def test_source_in_any_state_is_no_trouble(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Lines that are long, hold other letters, or are gone since."""
    path = tmp_path / "odd.py"
    source = "# é\nä = 1; " + "ö = 2; " * 200 + "ä / 0\n"
    path.write_text(source, "utf-8")

    def raiser(handler: RequestHandler) -> None:
        exec(compile(source, str(path), "exec"), {"__spec__": None})

    page = await page_of(serve, caplog, raiser)
    assert "ä = 1; ö = 2;" in page
    path.write_text("é / 0\n", "utf-8")
    page = await page_of(serve, caplog, raiser)
    assert f"{path}:2" in page
    assert 'class="here"' not in page[page.index(f"{path}:2") :]


async def test_what_goes_over_several_lines_is_marked_to_the_end_of_the_first(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        raise LookupError(
            "a",
        )

    page = await page_of(serve, caplog, raiser)
    assert "        <mark>raise LookupError(</mark>\n" in page


async def test_routes_of_hosts_are_shown_with_them(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(serve, debug=True)
    site.application.add_handlers(r"a\.example", [("/at-host", failing(boom))])
    page = (await ask(site)).text
    assert page.index(r"//a\.example$ /at-host$") < page.index("/named/(.*)$")
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_what_was_run_is_marked_by_letters_not_bytes(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def raiser(handler: RequestHandler) -> None:
        ä = ["é"]; print(ä[5], "ü")  # fmt: skip  # noqa: E702

    assert "<mark>ä[5]</mark>" in await page_of(serve, caplog, raiser)
