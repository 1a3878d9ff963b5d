"""What has gone wrong in other frameworks, sent to the whole of this one: refused or escaped."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Serve, get, post
from tests.loops import expect_log
from toolkit.escape import json_decode, json_encode
from toolkit.web import (
    RedirectHandler,
    RequestHandler,
    StaticFileHandler,
    addslash,
    removeslash,
)

Body = Callable[[RequestHandler], Any]


def handler_of(body: Body) -> type[RequestHandler]:
    """Make a handler class whose GET and POST are a function of the handler."""

    class Handler(RequestHandler):
        def get(self, *args: str) -> Any:
            return body(self)

        post = get

    return Handler


def claim(caplog: pytest.LogCaptureFixture) -> None:
    """Claim what refusals log, which has no raw control character in it."""
    for record in caplog.records:
        if record.name in ("toolkit.general", "toolkit.application"):
            assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", record.getMessage())
            record.claimed = True


# -- forms (CVE-2023-25577, CVE-2021-23336, CVE-2025-47287, GHSA-mpf4-983q-p7j4) -----------


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/x-www-form-urlencoded", b"a&" * 400_000),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 20_000 + b"--b--\r\n",
        ),
        ("multipart/form-data; boundary=b", b"--b\r\nX\r\n\r\n\r\n" * 10_000 + b"--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="' + b";" * 60_000 + b"\r\n\r\n--b--\r\n",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a\rX: y"\r\n\r\n\r\n--b--\r\n',
        ),
        (
            "multipart/form-data; boundary=b\r\nContent-Type: multipart/form-data; boundary=c",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--b--\r\n',
        ),
    ],
    ids=["urlencoded", "parts", "bad parts", "parameters", "CR", "two types"],
)
async def test_a_form_of_an_attacker_is_refused_with_one_line(
    serve: Serve, caplog: pytest.LogCaptureFixture, kind: str, content: bytes
) -> None:
    site = serve([("/", handler_of(lambda handler: handler.write(handler.get_argument("a"))))])
    client = await site.client()
    answer = await client.ask(post("/", content, f"Content-Type: {kind}\r\n"))
    assert answer.status in (400, 413)
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) <= 2
    claim(caplog)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
async def test_parameters_of_a_content_type_cost_little(
    serve: Serve, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """CVE-2024-24762 (python-multipart, Starlette): a pattern tried each way to read them."""
    site = serve([("/", handler_of(lambda handler: handler.write(handler.get_argument("a", "-"))))])
    hostile = f'Content-Type: {kind}; !="' + "\\" * 15_000 + "\r\n"
    client = await site.client()
    answer = await client.ask(post("/", b"a=1", hostile))
    assert (answer.status, answer.text[:1]) in ((200, "1"), (400, "<"))
    claim(caplog)


async def test_a_semicolon_separates_nothing(serve: Serve) -> None:
    def show(handler: RequestHandler) -> None:
        handler.write(json.dumps(sorted(handler.request.arguments)))

    site = serve([("/", handler_of(show))])
    assert json.loads((await site.get("/?a=1;b=2")).body) == ["a"]


# -- redirects (CVE-2023-28370, CVE-2021-21330, CVE-2020-28724, CVE-2024-41810) ------------

PATHS = (
    "//evil.example/x",
    "//evil.example/%2e%2e/",
    "///evil.example/",
    "/%5cevil.example/",
    "/%09/evil.example/",
    "/%2fevil.example/",
    "/x//evil.example",
    "/%0d%0aX:%20y/",
)


def leads_away(location: str) -> bool:
    """Say whether a browser would leave the site for a location."""
    plain = re.sub(r"[\x00-\x20]", "", location)
    return bool(re.match(r"[/\\]{2}|[a-z]+:", plain, re.IGNORECASE))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("decorator", [addslash, removeslash])
async def test_a_slash_that_comes_or_goes_keeps_the_host(
    serve: Serve, caplog: pytest.LogCaptureFixture, path: str, decorator: Any
) -> None:
    class Handler(RequestHandler):
        @decorator
        def get(self) -> None:
            self.write("here")

    site = serve([("/.*", Handler)])
    answer = await site.get(path)
    assert not leads_away(answer.get("location") or "/")
    assert answer.get("x") is None
    claim(caplog)


@pytest.mark.parametrize("path", PATHS)
async def test_a_group_of_a_redirect_names_no_host(
    serve: Serve, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    site = serve([("/go/(.*)", RedirectHandler, {"url": "/{0}"})])
    answer = await site.get("/go" + path)
    assert not leads_away(answer.get("location") or "/")
    assert answer.get("x") is None
    claim(caplog)


@pytest.mark.parametrize(
    "url", ["/\r\nX: y", "/\nX: y", "/\x00", "/\u560aX: y", "/\u2028X", 'https://x/"><script>']
)
async def test_a_redirect_splits_no_head_and_shows_no_markup(
    serve: Serve, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    site = serve([("/", handler_of(lambda handler: handler.redirect(url)))])
    client = await site.client()
    await client.send(get("/", "Connection: close\r\n"))
    head, _, body = (await client.read_to_end()).partition(b"\r\n\r\n")
    assert b"\nX" not in head
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"<script>" not in body
    claim(caplog)


@pytest.mark.parametrize(
    "path", ["/" + "../" * 5_000, "/" + "a/" * 3_500 + "../" * 2_500, "/" + "%2e%2e/" * 2_000]
)
async def test_dots_in_a_path_cost_little_and_lead_nowhere(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path, path: str
) -> None:
    """CVE-2026-56860 (Go): to resolve them took the square of their number."""
    files = (r"/(.*)", StaticFileHandler, {"path": str(tmp_path), "default_filename": "index"})
    (tmp_path.parent / "index").write_text("outside")
    answer = await serve([files]).get(path)
    assert answer.status in (400, 403, 404)
    claim(caplog)


# -- heads (CVE-2012-2374, CVE-2025-67724) -------------------------------------------------

UNSAFE = [chr(code) for code in (*range(9), *range(10, 32), 127)]


@pytest.mark.parametrize(
    "set_it",
    [
        lambda handler, text: handler.set_header("X", text),
        lambda handler, text: handler.add_header("X", text.encode()),
        lambda handler, text: handler.set_header(f"X{text}", "1"),
        lambda handler, text: handler.set_status(200, text),
        lambda handler, text: handler.set_cookie("a", "b", path=f"/{text}"),
        lambda handler, text: handler.set_cookie("a", "b", domain=f"h{text}"),
        lambda handler, text: handler.set_cookie(f"a{text}", "b"),
    ],
    ids=["value", "bytes", "name", "reason", "path", "domain", "cookie"],
)
async def test_no_control_character_gets_into_a_head(serve: Serve, set_it: Any) -> None:
    refused: list[str] = []

    def try_all(handler: RequestHandler) -> None:
        for text in UNSAFE:
            try:
                set_it(handler, text)
            except ValueError:
                refused.append(text)

    await serve([("/", handler_of(try_all))]).get("/")
    assert refused == UNSAFE


# -- pages of errors (CVE-2022-39348, CVE-2025-67724) --------------------------------------


@pytest.mark.parametrize(
    "target",
    ["/%3Cscript%3E", "/?%3Cscript%3E", "/x/%3Cimg%20src=x%20onerror=1%3E", "/%22%3E%3Cscript%3E"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
async def test_an_error_page_shows_nothing_of_the_request(
    serve: Serve, caplog: pytest.LogCaptureFixture, target: str, method: str
) -> None:
    client = await serve([("/only", RequestHandler)]).client()
    request = f"{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    answer = await client.ask(request.encode())
    assert answer.status in (404, 405)
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    claim(caplog)


async def test_an_exception_is_shown_to_nobody(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve([("/", handler_of(lambda _: {}["<script>secret"]))])
    answer = await site.get("/")
    assert answer.status == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")


# -- cookies (CVE-2023-23934, CVE-2026-3644, CVE-2025-58186) -------------------------------


@pytest.mark.parametrize(
    ("field", "seen"),
    [
        ("a=b; =__Host-x=1; c=d", {"a": "b", "c": "d"}),
        ("=__Host-test=bad", {}),
        ('f="g"; h=i', {"f": "g", "h": "i"}),
        ("b=2; bad name=3; c=4", {"b": "2", "c": "4"}),
    ],
)
async def test_a_cookie_without_a_good_name_is_none(
    serve: Serve, field: str, seen: dict[str, str]
) -> None:
    def show(handler: RequestHandler) -> None:
        handler.write({name: morsel.value for name, morsel in handler.cookies.items()})

    site = serve([("/", handler_of(show))])
    cookies = json.loads((await site.get("/", f"Cookie: {field}\r\n")).body)
    assert {name: value for name, value in cookies.items() if name in seen} == seen
    assert "__Host-x" not in cookies
    assert "__Host-test" not in cookies


@pytest.mark.parametrize(
    ("body", "vary"),
    [
        (lambda handler: handler.write("same for all"), None),
        (lambda handler: handler.write(handler.get_cookie("a", "")), "Cookie"),
        (lambda handler: handler.write(str(len(handler.cookies))), "Cookie"),
        (lambda handler: handler.write(str(handler.get_signed_cookie("a"))), "Cookie"),
        (lambda handler: handler.write(handler.xsrf_token), "Cookie"),
        (lambda handler: handler.set_cookie("a", "b"), "Cookie"),
        (
            lambda handler: (handler.set_header("Vary", "Accept"), handler.cookies, None)[-1],
            "Accept, Cookie",
        ),
        (lambda handler: (handler.cookies, handler.flush())[1], "Cookie"),
        (lambda handler: (handler.cookies, handler.send_error(404))[1], "Cookie"),
    ],
    ids="none get all signed xsrf set others flushed error".split(),
)
async def test_an_answer_for_one_browser_is_kept_for_no_other(
    serve: Serve, body: Body, vary: str | None
) -> None:
    """CVE-2023-30861 (Flask): a cache gave one user's answer, and cookie, to others."""
    site = serve([("/", handler_of(body))], {"cookie_secret": "secret"})
    assert (await site.get("/", "Cookie: a=1\r\n")).get("vary") == vary


# -- texts for other languages (CVE-2026-32289, CVE-2018-1000656) --------------------------


@pytest.mark.parametrize("text", ["</script>", "<!--", "<script", "\u2028", "\u2029", "]]>"])
def test_json_in_a_script_ends_neither_it_nor_a_line(text: str) -> None:
    """Go's html/template, and others: what is data for one parser is markup for the next."""
    written = json_encode({text: [text]})
    for end in ("</", "<!--", "\u2028", "\u2029"):
        assert end not in written
    assert json_decode(written) == {text: [text]}


@pytest.mark.parametrize(
    "text", ['{"a":' * 100_000, "[" * 100_000, "9" * 5_000, '{"a": ', '"a"'.encode("utf-16")]
)
def test_json_that_cannot_be_read_is_a_value_error(text: str | bytes) -> None:
    """Flask, aiohttp: what is nested without end raised another error, which was answered 500."""
    with pytest.raises(ValueError):
        json_decode(text)
