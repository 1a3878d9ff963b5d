"""Cookies that handlers read, set, sign and clear."""

import datetime
import email.utils
import http.cookies
import time
from typing import Any

import pytest

from tests.http.client import Serve
from tests.loops import expect_log
from tests.web.test_handler import handler_of, site_of
from toolkit.httputil import HTTPServerRequest
from toolkit.web import Application, HTTPError, RequestHandler, create_signed_value

SECRET = "a long random text"


async def set_cookies(serve: Serve, *calls: dict[str, Any]) -> list[str]:
    """Return the Set-Cookie fields of an answer, for the arguments of `set_cookie`."""

    def body(handler: RequestHandler) -> None:
        for call in calls:
            handler.set_cookie(**{"name": "a", "value": "b", **call})

    return (await site_of(serve, body).get()).all("set-cookie")


@pytest.mark.feature("L05")
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "a=b; Path=/"),
        ({"value": b"c"}, "a=c; Path=/"),
        ({"value": ""}, 'a=""; Path=/'),
        ({"value": "x y"}, 'a="x y"; Path=/'),
        ({"value": "x;y"}, 'a="x\\073y"; Path=/'),
        ({"value": 'x"\\y'}, 'a="x\\"\\\\y"; Path=/'),
        ({"value": "\xe9"}, 'a="\\351"; Path=/'),
        ({"domain": "foo.com", "path": "/foo"}, "a=b; Domain=foo.com; Path=/foo"),
        ({"path": None}, "a=b"),
        ({"max_age": 10}, "a=b; Max-Age=10; Path=/"),
        ({"max_age": 0}, "a=b; Max-Age=0; Path=/"),
        ({"max_age": "-5"}, "a=b; Max-Age=-5; Path=/"),
        ({"httponly": True, "secure": True}, "a=b; HttpOnly; Path=/; Secure"),
        ({"httponly": False, "secure": False, "samesite": None}, "a=b; Path=/"),
        ({"samesite": "lax"}, "a=b; Path=/; SameSite=Lax"),
        ({"samesite": "STRICT"}, "a=b; Path=/; SameSite=Strict"),
        ({"samesite": "None", "secure": True}, "a=b; Path=/; SameSite=None; Secure"),
        ({"partitioned": True, "secure": True}, "a=b; Partitioned; Path=/; Secure"),
        ({"name": "__Host-a"}, "__Host-a=b; Path=/; Secure"),
        (
            {"name": "__secure-a", "domain": "h.example"},
            "__secure-a=b; Domain=h.example; Path=/; Secure",
        ),
        ({"expires": 0.5}, "a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),
        (
            {"expires": (2038, 1, 19, 3, 14, 7)},
            "a=b; expires=Tue, 19 Jan 2038 03:14:07 GMT; Path=/",
        ),
        (
            {"expires": datetime.datetime(2038, 1, 19, tzinfo=datetime.UTC)},
            "a=b; expires=Tue, 19 Jan 2038 00:00:00 GMT; Path=/",
        ),
    ],
)
async def test_a_cookie_is_set_with_its_attributes(
    serve: Serve, arguments: dict[str, Any], field: str
) -> None:
    assert await set_cookies(serve, arguments) == [field]


async def test_days_count_from_now(serve: Serve) -> None:
    (field,) = await set_cookies(serve, {"expires_days": 10})
    expires = email.utils.parsedate_to_datetime(field.partition("expires=")[2].partition(";")[0])
    assert abs(expires.timestamp() - time.time() - 864_000) < 60


async def test_the_last_of_a_name_counts_alone(serve: Serve) -> None:
    """Attributes of the one before are gone too."""
    fields = await set_cookies(serve, {"domain": "h.example"}, {"name": "c"}, {"value": "e"})
    assert fields == ["a=e; Path=/", "c=b; Path=/"]


HOSTILE = [*map(chr, range(0x20)), "\x7f", ";", "\u560a"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("name", f"a{char}") for char in [*HOSTILE, "=", " ", ",", '"', "é"]),
        ("name", ""),
        *(("domain", f"a{char}b") for char in HOSTILE),
        *(("path", f"/{char}") for char in HOSTILE),
        *(("samesite", f"lax{char}") for char in [*HOSTILE, "; Secure", "x"]),
        *(("value", f"a{char}b") for char in HOSTILE if char != ";"),
        *(("Path", f"/{char}") for char in HOSTILE),
        *(("DoMaIn", f"a{char}b") for char in HOSTILE),
        *(("max_age", text) for text in ("1; Secure", "", "1.5", "\u0661", "x")),
        ("expires", "x; y"),
        ("Expires", "x; y"),
        ("MAX-AGE", "1; Secure"),
    ],
)
async def test_no_text_ends_its_attribute(serve: Serve, argument: str, value: str) -> None:
    """CVE-2026-35536 of Tornado, with its incomplete mend GHSA-wwv5-g3v4-889x; CVE-2026-3644."""

    def body(handler: RequestHandler) -> None:
        call: dict[str, Any] = {"name": "a", "value": "b", argument: value}
        with pytest.raises(ValueError, match="cookie") as caught:
            handler.set_cookie(**call)
        assert isinstance(caught.value, http.cookies.CookieError)
        handler.write("refused")

    answer = await site_of(serve, body).get()
    assert (answer.text, answer.all("set-cookie")) == ("refused", [])


@pytest.mark.parametrize("arguments", [{"domain": "h.example"}, {"path": "/a"}, {"path": None}])
async def test_a_cookie_of_the_host_is_no_wider(serve: Serve, arguments: dict[str, Any]) -> None:
    """Browsers drop a ``__Host-`` cookie with a domain, or another path."""

    def body(handler: RequestHandler) -> None:
        with pytest.raises(ValueError, match="no domain"):
            handler.set_cookie("__HOST-a", "b", **arguments)

    assert (await site_of(serve, body).get()).status == 200


@pytest.mark.parametrize("name", ["comment", "version", "nonsense"])
async def test_other_attributes_are_not_known(serve: Serve, name: str) -> None:
    def body(handler: RequestHandler) -> None:
        with pytest.raises(TypeError, match="are allowed"):
            handler.set_cookie("a", "b", **{name: "c"})  # type: ignore[arg-type]

    assert (await site_of(serve, body).get()).status == 200


async def test_attributes_in_another_case_are_deprecated(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        with pytest.warns(DeprecationWarning, match="HttpOnly, pATH"):
            handler.set_cookie("a", "b", HttpOnly=True, pATH="/foo")

    assert (await site_of(serve, body).get()).all("set-cookie") == ["a=b; HttpOnly; Path=/foo"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("", "default"),
        ("Cookie: foo=bar\r\n", "bar"),
        ('Cookie: foo="b\\073c"\r\n', "b;c"),
        ("Cookie: foo=bar; foo=baz\r\n", "baz"),
        ("Cookie: other=x; \x80=1; foo=bar\r\n", "bar"),
        ("Cookie: foo=a=b\r\n", "a=b"),
        ("Cookie: /=exception;\r\n", "default"),
    ],
)
async def test_cookies_are_read(serve: Serve, field: str, value: str) -> None:
    def body(handler: RequestHandler) -> None:
        handler.write(handler.get_cookie("foo", "default") or "")
        assert (handler.get_cookie("absent"), "foo" in handler.cookies) == (None, "foo=" in field)

    assert (await site_of(serve, body).get("/", field)).text == value


async def test_a_value_comes_back_as_it_was_set(serve: Serve) -> None:
    value = "".join(map(chr, [*range(0x20, 0x7F), *range(0x80, 0x100)]))

    def body(handler: RequestHandler) -> None:
        handler.set_cookie("a", value)
        handler.write({"same": handler.get_cookie("a") == value})

    site = site_of(serve, body)
    (field,) = (await site.get()).all("set-cookie")
    again = await site.get("/", f"Cookie: {field.partition('; ')[0]}\r\n")
    assert again.text == '{"same": true}'


async def test_clearing_sets_a_cookie_that_is_over(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.clear_cookie("a", path="/x", domain="h.example")
        handler.clear_cookie("__Host-b")
        for argument in ("expires", "max_age", "expires_days"):
            with pytest.raises(TypeError, match=argument):
                handler.clear_cookie("a", **{argument: 1})

    first, second = (await site_of(serve, body).get()).all("set-cookie")
    assert first.startswith('a=""; Domain=h.example; expires=')
    assert first.endswith("; Path=/x")
    assert second.endswith("; Path=/; Secure")
    expires = email.utils.parsedate_to_datetime(first.partition("expires=")[2].partition(";")[0])
    assert expires.timestamp() < time.time() - 86400


async def test_all_cookies_can_be_cleared(serve: Serve) -> None:
    site = site_of(serve, lambda handler: handler.clear_all_cookies(path="/p"))
    fields = (await site.get("/", "Cookie: a=1; b=2\r\n")).all("set-cookie")
    assert [(field[:4], field[-8:]) for field in fields] == [
        ('a=""', " Path=/p"),
        ('b=""', " Path=/p"),
    ]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("status", [200, 204, 304, 500])
async def test_every_kind_of_answer_has_the_cookies(
    serve: Serve, streamed: bool, status: int
) -> None:
    async def get(handler: RequestHandler) -> None:
        handler.set_cookie("a", "b")
        if status == 500:
            raise HTTPError(500)
        handler.set_status(status)
        if streamed:
            await handler.flush()

    answer = await site_of(serve, get).get()
    assert (answer.status, answer.all("set-cookie")) == (status, ["a=b; Path=/"])


# -- signed cookies ----------------------------------------------------------------------


@pytest.mark.feature("L01")
@pytest.mark.parametrize("name", ["set_signed_cookie", "set_secure_cookie"])
async def test_a_signed_cookie_comes_back_and_no_other_does(
    serve: Serve, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write({"user": (self.get_signed_cookie("user") or b"").decode()})

        def post(self) -> None:
            getattr(self, name)("user", "alice", httponly=True)

    site = serve([("/", Handler)], {"cookie_secret": SECRET})
    (field,) = (await site.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")).all(
        "set-cookie"
    )
    assert "; HttpOnly" in field
    assert "; expires=" in field
    cookie = field.partition("; ")[0]
    assert (await site.get("/", f"Cookie: {cookie}\r\n")).text == '{"user": "alice"}'
    for bad in (cookie.replace("user=", "other="), cookie[:-3] + '00"', "user=alice", ""):
        assert (await site.get("/", f"Cookie: {bad}\r\n")).text == '{"user": ""}'
    for record in caplog.records:
        record.claimed = True


@pytest.mark.feature("L01")
async def test_signed_cookies_have_the_version_of_their_key(serve: Serve) -> None:
    settings = {"cookie_secret": {1: "old", 2: "new"}, "key_version": 2}

    def body(handler: RequestHandler) -> None:
        handler.set_signed_cookie("a", b"\xff", expires_days=None)
        handler.write(
            {
                "version": handler.get_signed_cookie_key_version("a"),
                "value": (handler.get_secure_cookie("a") or b"").decode("latin-1"),
            }
        )

    site = site_of(serve, body, **settings)
    (field,) = (await site.get()).all("set-cookie")
    assert "expires" not in field
    again = await site.get("/", f"Cookie: {field.partition('; ')[0]}\r\n")
    assert again.text == '{"version": 2, "value": "\\u00ff"}'
    old = create_signed_value("old", "a", "b", key_version=1).decode()
    answer = await site.get("/", f"Cookie: a={old}\r\n")
    assert answer.text == '{"version": 1, "value": "b"}'


def test_a_value_can_be_given_in_place_of_the_cookie() -> None:
    """Such as one from a header, for clients that have no cookies."""
    application = Application([], cookie_secret=SECRET)
    handler = _handler(application)
    signed = handler.create_signed_value("token", "x").decode()
    assert handler.get_signed_cookie("token", signed) == b"x"
    assert handler.get_signed_cookie("token", signed, max_age_days=-1) is None
    assert handler.get_signed_cookie_key_version("token", signed) == 0
    v1 = handler.create_signed_value("token", "x", version=1).decode()
    assert handler.get_signed_cookie("token", v1, min_version=2) is None


def _handler(application: Application) -> RequestHandler:
    return handler_of(lambda handler: None)(application, HTTPServerRequest("GET", "/"))


async def test_signed_cookies_need_a_secret(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        for ask in (
            lambda: handler.set_signed_cookie("a", "b"),
            lambda: handler.get_signed_cookie("a"),
            lambda: handler.get_signed_cookie_key_version("a"),
        ):
            with pytest.raises(Exception, match="'cookie_secret' setting"):
                ask()

    assert (await site_of(serve, body).get()).status == 200


async def test_several_secrets_need_a_key_version(serve: Serve, caplog: Any) -> None:
    site = site_of(serve, lambda h: h.set_signed_cookie("a", "b"), cookie_secret={1: "x"})
    assert (await site.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
