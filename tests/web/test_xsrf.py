"""Requests that another site made a browser send: tokens, and what browsers say themselves."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.client import Answer, Serve, Site, get, post
from tests.loops import expect_log
from toolkit.escape import url_escape
from toolkit.web import Application, ErrorHandler, RequestHandler, stream_request_body
from toolkit.web.xsrf import Token, is_own, is_same, new_token, read_token, write_token

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


class Form(RequestHandler):
    """Shows its token, and takes what is posted."""

    def get(self) -> None:
        self.write(self.xsrf_token)

    def post(self) -> None:
        self.write("taken")

    put = delete = patch = post

    def query(self) -> None:
        """Take a query."""
        self.write("queried")

    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "QUERY")


class Remembered(Form):
    """Has a user."""

    def get_current_user(self) -> Any:
        return "alice"


def site_of(serve: Serve, handler: type[RequestHandler] = Form, **settings: Any) -> Site:
    """Start a site that looks for tokens."""
    return serve(
        [("/", handler), ("/error", ErrorHandler, {"status_code": 417})],
        {"xsrf_cookies": True, **settings},
    )


async def token_of(site: Site, cookie: str = "") -> str:
    """Return the token of a page, for a browser that may have a cookie."""
    return (await site.get("/", f"Cookie: {cookie}\r\n" if cookie else "")).text


async def send(site: Site, cookie: str | None, token: str | None, fields: str = "") -> Answer:
    """Post a form."""
    body = b"" if token is None else urlencode({"_xsrf": token}).encode()
    if cookie is not None:
        fields += f"Cookie: _xsrf={cookie}\r\n"
    return await site.ask(post("/", body, FORM + fields))


# -- tokens ------------------------------------------------------------------------------


@given(secret=st.binary(min_size=1, max_size=40), made=st.integers(0, 10**12))
def test_a_token_comes_back_from_under_its_mask(secret: bytes, made: int) -> None:
    token = Token(2, secret, made)
    assert read_token(write_token(token, 2).decode()) == token
    one, version, text = read_token(write_token(token, 1).decode()), 1, secret
    assert one is not None
    assert (one.version, one.secret) == (version, text)
    assert is_same(one, token)


def test_a_token_of_tornado_is_understood() -> None:
    """The mask is taken off byte by byte, four bytes again and again."""
    token = read_token("2|01020304|0102030405|1300000000")
    assert token == Token(2, bytes([0, 0, 0, 0, 4]), 1_300_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3|",
        "2|",
        "2|01020304||1",
        "2|01020304|0|1",
        "2|0102|01|1",
        "2|0102030405|01|1",
        "2|01020304|01|-1",
        "2|01020304|01|1|",
        "2|01020304|01|\u0661",
        "2|0102030g|01|1",
        "100|x",
    ],
)
def test_what_is_no_token_is_none(text: str) -> None:
    """An empty secret would be the same for all."""
    assert read_token(text) is None


def test_another_version_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="version 3"):
        write_token(new_token(), 3)


@pytest.mark.feature("L06")
async def test_the_token_is_another_text_each_time_and_good_all_the_same(serve: Serve) -> None:
    """CVE-2014-9720 of Tornado: in compressed pages one that stays can be guessed (BREACH)."""
    site = site_of(serve)
    first = await token_of(site)
    tokens = {first}
    for _ in range(5):
        tokens.add(await token_of(site, f"_xsrf={first}"))
    assert len(tokens) == 6
    for token in tokens:
        assert (await send(site, first, token)).text == "taken"
        assert (await send(site, token, first)).text == "taken"


async def test_the_cookie_is_set_once_and_then_kept(serve: Serve) -> None:
    site = site_of(serve)
    answer = await site.get()
    (field,) = answer.all("set-cookie")
    assert field.startswith("_xsrf=2|")
    assert "expires" not in field
    again = await site.get("/", f"Cookie: _xsrf={answer.text}\r\n")
    assert again.all("set-cookie") == []


async def test_a_cookie_that_is_no_token_is_replaced(serve: Serve) -> None:
    answer = await site_of(serve).get("/", "Cookie: _xsrf=3|\r\n")
    assert len(answer.all("set-cookie")) == 1


@pytest.mark.parametrize(
    ("handler", "settings", "pattern"),
    [
        (Form, {}, r'_xsrf="?2\|[^;]*; Path=/'),
        (Form, {"xsrf_cookie_version": 1}, r"_xsrf=[0-9a-f]{32}; Path=/"),
        (
            Form,
            {"xsrf_cookie_kwargs": {"secure": True, "samesite": "Lax"}},
            r"_xsrf=[^;]*; Path=/; SameSite=Lax; Secure",
        ),
        (Form, {"xsrf_cookie_name": "__Host-x"}, r"__Host-x=[^;]*; Path=/; Secure"),
        (Remembered, {}, r"_xsrf=[^;]*; expires=[^;]*; Path=/"),
        (Remembered, {"xsrf_cookie_kwargs": {"expires_days": None}}, r"_xsrf=[^;]*; Path=/"),
    ],
)
async def test_settings_say_how_the_cookie_is_set(
    serve: Serve, handler: type[RequestHandler], settings: dict[str, Any], pattern: str
) -> None:
    (field,) = (await site_of(serve, handler, **settings).get()).all("set-cookie")
    assert re.fullmatch(pattern, field), field


@pytest.mark.parametrize("name", ["X-Xsrftoken", "X-CSRFToken"])
async def test_a_header_can_carry_the_token(serve: Serve, name: str) -> None:
    site = site_of(serve)
    token = await token_of(site)
    assert (await send(site, token, None, f"{name}: {token}\r\n")).text == "taken"


async def test_the_query_can_carry_the_token(serve: Serve) -> None:
    site = site_of(serve)
    token = await token_of(site)
    request = post(f"/?{urlencode({'_xsrf': token})}", b"", f"Cookie: _xsrf={token}\r\n")
    assert (await site.ask(request)).text == "taken"


@pytest.mark.parametrize(
    ("cookie", "token", "message"),
    [
        (True, None, "'_xsrf' argument missing from POST"),
        (False, None, "'_xsrf' argument missing from POST"),
        (True, "", "'_xsrf' argument missing from POST"),
        (True, "3|", "'_xsrf' argument has invalid format"),
        (True, "2|01020304||1", "'_xsrf' argument has invalid format"),
        (False, True, "XSRF cookie does not match POST argument"),
        (True, "deadbeef", "XSRF cookie does not match POST argument"),
        ("3|", True, "XSRF cookie does not match POST argument"),
        ("", True, "XSRF cookie does not match POST argument"),
    ],
)
async def test_without_the_same_token_in_both_places_nothing_is_done(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    cookie: str | bool,
    token: str | bool | None,
    message: str,
) -> None:
    """True stands for a good one."""
    site = site_of(serve)
    good = await token_of(site)
    sent_cookie = cookie if isinstance(cookie, str) else good if cookie else None
    sent_token = good if isinstance(token, bool) else token
    answer = await send(site, sent_cookie, sent_token)
    assert (answer.status, "taken" in answer.text) == (403, False)
    expect_log(caplog, "toolkit.general", re.escape(message))


async def test_tokens_of_two_browsers_do_not_mix(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(serve)
    one, other = await token_of(site), await token_of(site)
    assert (await send(site, one, other)).status == 403
    assert (await send(site, other, one)).status == 403
    expect_log(caplog, "toolkit.general", "does not match")


@pytest.mark.parametrize("header", ["X-Requested-With: XMLHttpRequest", "Origin: http://h"])
async def test_no_other_header_stands_for_the_token(
    serve: Serve, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    """Tornado 1.1.1: plug-ins could send that header from other sites."""
    assert (await send(site_of(serve), None, None, f"{header}\r\n")).status == 403
    expect_log(caplog, "toolkit.general", "argument missing")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
async def test_methods_that_change_something_need_a_token(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    site = site_of(serve)
    answer = await site.ask(f"{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.status == 403
    expect_log(caplog, "toolkit.general", f"missing from {method}")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "QUERY"])
async def test_safe_methods_need_none(serve: Serve, method: str) -> None:
    site = site_of(serve)
    answer = await site.ask(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert answer.status in (200, 204)


async def test_where_there_is_nothing_no_token_is_needed(serve: Serve) -> None:
    site = site_of(serve)
    assert (await site.ask(post("/error"))).status == 417
    assert (await site.ask(post("/nowhere"))).status == 404


async def test_without_the_setting_no_token_is_needed(serve: Serve) -> None:
    assert (await serve([("/", Form)]).ask(post("/"))).text == "taken"


async def test_the_form_has_a_hidden_field(serve: Serve) -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.write(self.xsrf_form_html())
            assert self.xsrf_form_html().encode() == self._write_buffer[0]

    text = (await serve([("/", Page)]).get()).text
    assert re.fullmatch(r'<input type="hidden" name="_xsrf" value="2\|[0-9a-f|]+"/>', text)


async def test_a_streamed_upload_proves_itself_before_it_comes(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    @stream_request_body
    class Upload(Form):
        def data_received(self, chunk: bytes) -> None:
            raise AssertionError("not reached")

    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    assert (await site_of(serve, Upload).ask(request)).status == 403
    expect_log(caplog, "toolkit.general", "argument missing")


async def test_a_streamed_form_has_its_token_in_the_query(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """What has not come yet is no form that is malformed."""

    @stream_request_body
    class Upload(Form):
        async def post(self) -> None:
            self.write(",".join([part.name async for part in self.parts()]))

    client = await site_of(serve, Upload).client()
    page = await client.get()
    cookie = (page.get("set-cookie") or "").partition(";")[0]
    form = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    fields = f"Cookie: {cookie}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    target = f"/?_xsrf={url_escape(cookie.partition('=')[2])}"
    assert (await client.ask(post(target, form, fields))).text == "a"
    assert (await client.ask(post("/", form, fields))).status == 403
    expect_log(caplog, "toolkit.general", "argument missing")


# -- what browsers say -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("", ""),
        ("Sec-Fetch-Site: same-origin\r\n", ""),
        ("Sec-Fetch-Site: none\r\n", ""),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: http://other.example\r\n", ""),
        ("Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site cross-site from origin None"),
        ("Sec-Fetch-Site: same-site\r\n", "Sec-Fetch-Site same-site"),
        ("Sec-Fetch-Site: same-site\r\nOrigin: http://h\r\n", "Sec-Fetch-Site same-site"),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: https://trusted.example\r\n", ""),
        ("Sec-Fetch-Site: same-origin, none\r\n", "Sec-Fetch-Site same-origin, none"),
        ("Sec-Fetch-Site: \r\n", "Sec-Fetch-Site  from"),
        ("Sec-Fetch-Site: Same-Origin\r\n", "Sec-Fetch-Site Same-Origin"),
        ("Origin: http://h\r\n", ""),
        ("Origin: https://H\r\n", ""),
        ("Origin: http://h/path\r\n", ""),
        ("Origin: https://trusted.example\r\n", ""),
        ("Origin: https://trusted.example/\r\n", "Origin 'https://trusted.example/'"),
        ("Origin: http://trusted.example\r\n", "Origin 'http://trusted.example'"),
        ("Origin: https://x.trusted.example\r\n", "Origin 'https://x"),
        ("Origin: https://evil.example\r\n", "Origin 'https://evil.example'"),
        ("Origin: http://h.evil.example\r\n", "Origin 'http://h.evil"),
        ("Origin: http://h:81\r\n", "Origin 'http://h:81'"),
        ("Origin: http://evil@h\r\n", "Origin 'http://evil@h'"),
        ("Origin: ftp://h\r\n", "Origin 'ftp://h'"),
        ("Origin: null\r\n", "Origin 'null'"),
        ("Origin: h\r\n", "Origin 'h'"),
        ("Origin: \r\n", "Origin ''"),
        ("Origin: http://h\r\nOrigin: http://evil\r\n", "Origin 'http://h,http://evil'"),
        ("Origin: https://evil.example\r\nReferer: http://h/\r\n", "Origin 'https://evil"),
        ("Origin: \x9b\r\n", r"Origin '\x9b'"),
        ("X-Requested-With: XMLHttpRequest\r\nOrigin: http://evil\r\n", "Origin 'http://evil'"),
    ],
)
@pytest.mark.feature("L07")
async def test_pages_of_other_origins_change_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture, fields: str, fault: str
) -> None:
    """The browser says it. CVE-2025-47910 of Go: what was to be let through was matched widely."""
    prepared: list[str] = []

    class Handler(Form):
        def prepare(self) -> None:
            prepared.append("prepared")

    settings = {"cross_origin_protection": True, "trusted_origins": ["https://trusted.example"]}
    site = serve([("/", Handler)], settings)
    answer = await site.ask(post("/", b"a", fields))
    assert (answer.status, bool(prepared)) == ((403, False) if fault else (200, True))
    if fault:
        (record,) = expect_log(caplog, "toolkit.general", re.escape(fault))
        assert record.getMessage().endswith("not allowed")
        assert record.getMessage().isprintable()


@pytest.mark.feature("L07")
async def test_reading_is_for_everybody(serve: Serve) -> None:
    site = serve([("/", Form)], {"cross_origin_protection": True})
    fields = "Sec-Fetch-Site: cross-site\r\nOrigin: http://evil\r\n"
    for method in ("GET", "HEAD", "OPTIONS", "QUERY"):
        answer = await site.ask(get("/", fields).replace(b"GET", method.encode(), 1))
        assert answer.status in (200, 204)


async def test_an_origin_of_no_tls_is_not_ours_when_we_have_it() -> None:
    """Anybody on the way may have written that page."""
    assert is_own("https://h", "h", "https")
    assert not is_own("http://h", "h", "https")
    assert is_own("https://h", "h", "http")  # a proxy ends TLS, and nobody told us


async def test_a_handler_decides_whom_it_trusts(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    class Handler(Form):
        def check_trusted_origin(self, origin: str) -> bool:
            asked.append(origin)
            return origin.endswith(".example")

    site = serve([("/", Handler)], {"cross_origin_protection": True})
    for origin, status in [("http://a.example", 200), ("http://evil", 403), ("http://h", 200)]:
        assert (await site.ask(post("/", b"", f"Origin: {origin}\r\n"))).status == status
    assert asked == ["http://a.example", "http://evil"]
    expect_log(caplog, "toolkit.general", "not allowed")


async def test_content_of_a_refused_request_is_not_asked_for(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve([("/", Form)], {"cross_origin_protection": True})
    request = (
        b"POST / HTTP/1.1\r\nHost: h\r\nOrigin: http://evil\r\n"
        b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    client = await site.client()
    await client.send(request)
    answer = await client.answer("POST", interim=True)
    assert answer.status == 403
    expect_log(caplog, "toolkit.general", "not allowed")


def test_settings_may_change_later() -> None:
    """They are looked up for each request."""
    assert "xsrf_cookies" not in Application([]).settings
