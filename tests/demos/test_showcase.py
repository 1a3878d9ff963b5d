"""Every page of the showcase does what its card says."""

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

import pytest

from tests.demos.process import ROOT, TIMEOUT, Demo, serving

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """Run the demo for all tests of this module, after which it has to end cleanly."""
    with serving("showcase") as demo:
        yield demo


@dataclass(frozen=True)
class Answer:
    """One response, read whole."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The content as text."""
        return self.body.decode("utf-8")


def ask(
    demo: Demo,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own and read the answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", demo.port, timeout=TIMEOUT)) as client:
        client.request(method, path, body, headers or {})
        return read_answer(client.getresponse())


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """Read the rest of an answer."""
    with response:
        return Answer(response.status, response.reason, response.headers, response.read())


def answer_on(sock: socket.socket, method: str = "GET") -> Answer:
    """Read one answer from a socket."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return read_answer(response)


# -- pages -------------------------------------------------------------------------------


def test_the_home_page_has_a_card_for_each_handler(demo: Demo) -> None:
    """The page in its frame, with what it needs to be seen and to act."""
    answer = ask(demo, "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"].lower() == "text/html; charset=utf-8"
    assert answer.text.startswith("<!DOCTYPE html>")
    assert answer.text.rstrip().endswith("</html>")
    assert answer.text.count("<section>") == 4
    assert "{{" not in answer.text
    for path in ("/static/style.css", "/static/home.js"):
        assert f'"{path}"' in answer.text
        assert ask(demo, path).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "world",
        "wörld",
        "世界 🌍",
        "<script>alert('x')</script>",
        "\"&amp;'",
        "</title><b>",
        "{{content}}",
        "{{title}}",
        "50%",
        "../x?y#z",
    ],
)
def test_a_greeting_shows_the_name_as_it_is(demo: Demo, name: str) -> None:
    """Whatever is in it, it is text of the page and no part of its markup."""
    answer = ask(demo, "/hello/" + quote(name, safe=""))
    assert answer.status == 200
    page = answer.text.replace("&#39;", "&#x27;")
    assert f"<title>Hello, {escape(name)}</title>" in page
    assert f"<h1>Hello, {escape(name)}</h1>" in page
    assert page.count("<h1>") == 1
    assert "<script" not in page


@pytest.mark.parametrize(("path", "status"), [("%FF", 400), ("", 404), ("a/b", 404)])
def test_what_is_no_name_gets_no_greeting(demo: Demo, path: str, status: int) -> None:
    """Bytes that are not UTF-8, no name, two of them."""
    assert ask(demo, "/hello/" + path).status == status


def test_the_time_comes_as_json(demo: Demo) -> None:
    """The server's clock and process, and the client's address."""
    before = time.time()
    answer = ask(demo, "/api/time")
    after = time.time()
    assert answer.headers["Content-Type"].lower() == "application/json; charset=utf-8"
    value = json.loads(answer.body)
    assert before <= value.pop("time") <= after
    assert value == {"pid": demo.pid, "client": "127.0.0.1"}


@pytest.mark.parametrize(("path", "status"), [("/else", 404), ("/favicon.ico", 404)])
def test_other_paths_are_not_found(demo: Demo, path: str, status: int) -> None:
    """Nothing answers them."""
    assert ask(demo, path).status == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("GET", "/upload", "POST, OPTIONS"),
        ("GET", "/put/x", "PUT, OPTIONS"),
    ],
)
def test_other_methods_are_refused(demo: Demo, method: str, path: str, allowed: str) -> None:
    """The answer says which one is allowed."""
    answer = ask(demo, path, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed


# -- an answer in pieces -----------------------------------------------------------------


def test_each_number_is_a_chunk_of_its_own(demo: Demo) -> None:
    """Nothing else is in the content."""
    with demo.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(b"GET /count?to=3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        fields = http.client.parse_headers(stream)
        assert fields["Transfer-Encoding"] == "chunked"
        assert fields["Content-Type"] == "text/plain; charset=utf-8"
        lines = [stream.readline() for _ in range(11)]
    assert b"".join(lines) == b"2\r\n1\n\r\n2\r\n2\n\r\n2\r\n3\n\r\n0\r\n\r\n"


def test_the_first_number_comes_before_the_last(demo: Demo) -> None:
    """It is here while the answer has minutes to go; a client that leaves then does no harm."""
    start = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", demo.port, timeout=TIMEOUT)) as client:
        client.request("GET", "/count?to=1000")
        with client.getresponse() as response:
            assert [response.readline() for _ in range(3)] == [b"1\n", b"2\n", b"3\n"]
    # Each of the 1000 numbers takes a fifth of a second.
    assert time.monotonic() - start < 100
    assert ask(demo, "/").status == 200


@pytest.mark.parametrize(
    "to",
    ["", "0", "-1", "1001", "%2B5", "1.5", "x", "0010009999999", "9" * 5000, quote("٣"), "%FF"],
)
def test_a_bad_number_is_refused(demo: Demo, to: str) -> None:
    """Only 1 to 1000 can be counted to."""
    assert ask(demo, f"/count?to={to}").status == 400


def test_the_refusal_says_what_is_allowed(demo: Demo) -> None:
    """In the status line and on the page."""
    answer = ask(demo, "/count?to=0")
    assert answer.reason == "to has to be 1 to 1000"
    assert "to has to be 1 to 1000" in answer.text


# -- uploads -----------------------------------------------------------------------------

BOUNDARY = "a'boundary-=_1"
FORM = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}


def part(disposition: str, content: bytes, kind: str = "") -> bytes:
    """Return one part of a form."""
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
    if kind:
        head += f"Content-Type: {kind}\r\n"
    return head.encode() + b"\r\n" + content + b"\r\n"


END_OF_FORM = f"--{BOUNDARY}--\r\n".encode()


def test_a_form_with_two_files_may_come_byte_by_byte(demo: Demo) -> None:
    """Names with quotes, markup and letters of the world are shown as they are."""
    body = (
        part('name="files"; filename="a \\"quoted\\" <b>.txt"', b"one\r\n--two", "text/plain")
        + part('name="note"', b"no file")
        + part('name="files"; filename="grüße 世界.bin"', bytes(range(256)), "image/x-test")
        + END_OF_FORM
    )
    head = (
        "POST /upload HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with demo.connect() as sock:
        for byte in head.encode() + body:
            sock.send(bytes([byte]))
        answer = answer_on(sock, "POST")
    assert answer.status == 200
    assert "<h1>2 received</h1>" in answer.text
    first = "<td>a &quot;quoted&quot; &lt;b&gt;.txt</td><td>text/plain</td><td>10</td>"
    second = "<td>grüße 世界.bin</td><td>image/x-test</td><td>256</td>"
    assert answer.text.index(first) < answer.text.index(second)


def test_a_form_without_files_is_an_empty_list(demo: Demo) -> None:
    """Another control's file is none of the list either."""
    body = part('name="other"; filename="x"', b"x") + END_OF_FORM
    answer = ask(demo, "/upload", "POST", body, FORM)
    assert answer.status == 200
    assert "<h1>0 received</h1>" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(part('name="files"; filename="x"', b"x"), id="no end"),
        pytest.param(part('filename="x"', b"x") + END_OF_FORM, id="no name"),
    ],
)
def test_a_malformed_form_is_refused(demo: Demo, body: bytes) -> None:
    """The client hears that it was its mistake."""
    assert ask(demo, "/upload", "POST", body, FORM).status == 400


# -- a file of any size ------------------------------------------------------------------


def put_head(name: str, *fields: str) -> bytes:
    """Return the head of a PUT."""
    lines = [f"PUT /put/{name} HTTP/1.1", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


def test_a_file_is_taken_by_its_length(demo: Demo) -> None:
    """5 MiB in one go; the connection carries a further request."""
    with demo.connect() as sock:
        sock.sendall(put_head("x", f"Content-Length: {5 * MIB}") + bytes(5 * MIB))
        answer = answer_on(sock, "PUT")
        assert (answer.status, answer.text) == (200, f"x: {5 * MIB} bytes\n")
        sock.sendall(put_head("empty", "Content-Length: 0"))
        assert answer_on(sock, "PUT").text == "empty: 0 bytes\n"


def test_a_file_in_chunks_is_asked_for_first(demo: Demo) -> None:
    """With Expect: 100-continue the client sends its 5 MiB when the server wants them."""
    size = 64 * 1024 + 7  # no multiple of what the server reads at a time
    sizes = [size] * (5 * MIB // size) + [5 * MIB % size]
    with demo.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(put_head("x", "Transfer-Encoding: chunked", "Expect: 100-continue"))
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        for number in sizes:
            sock.sendall(b"%x\r\n%b\r\n" % (number, bytes(number)))
        sock.sendall(b"0\r\n\r\n")
        answer = answer_on(sock, "PUT")
        assert (answer.status, answer.text) == (200, f"x: {5 * MIB} bytes\n")


def test_a_file_may_be_larger_than_other_bodies(demo: Demo) -> None:
    """The server's limit of 100 MiB is lifted for this page, and for no other."""
    count = 101
    with demo.connect() as sock:
        sock.sendall(put_head("x", f"Content-Length: {count * MIB}"))
        piece = bytes(MIB)
        for _ in range(count):
            sock.sendall(piece)
        assert answer_on(sock, "PUT").text == f"x: {count * MIB} bytes\n"
    assert ask(demo, "/upload", "POST", None, {"Content-Length": str(count * MIB)}).status == 413


def test_the_name_of_a_file_is_text(demo: Demo) -> None:
    """Nothing in it is markup, since the answer is none."""
    answer = ask(demo, "/put/" + quote("<b>ü"), "PUT", b"1")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == "<b>ü: 1 bytes\n"


# -- static files ------------------------------------------------------------------------


def test_a_static_file_is_sent_once(demo: Demo) -> None:
    """Whoever names its Etag or its date gets 304 and no content."""
    first = ask(demo, "/static/style.css")
    assert first.status == 200
    assert first.headers["Content-Type"] == "text/css"
    assert first.body == (ROOT / "demos/showcase/static/style.css").read_bytes()
    for condition in (
        {"If-None-Match": first.headers["Etag"]},
        {"If-Modified-Since": first.headers["Last-Modified"]},
    ):
        again = ask(demo, "/static/style.css", headers=condition)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["Etag"] == first.headers["Etag"]


def test_head_of_a_static_file_has_its_size(demo: Demo) -> None:
    """And no content."""
    answer = ask(demo, "/static/style.css", "HEAD")
    size = (ROOT / "demos/showcase/static/style.css").stat().st_size
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(size)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../__main__.py",
        "/static/%2e%2e/__main__.py",
        "/static/..%2f__main__.py",
        "/static/%2e%2e%2f__main__.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/" + "../" * 12 + "etc/passwd",
        "/static/x/../../home.html",
        "/static/style.css%00",
        "/static/..%5c__main__.py",
    ],
)
def test_a_path_never_leads_out_of_the_static_files(demo: Demo, path: str) -> None:
    """What lies outside is forbidden, be there something or not."""
    with demo.connect() as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert answer_on(sock).status in (403, 404)


# -- HTTP/1.0 ----------------------------------------------------------------------------


def test_an_old_client_gets_a_page(demo: Demo) -> None:
    """Without Host, and the connection is closed behind it."""
    with demo.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = stream.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body.decode() == ask(demo, "/").text


def test_an_old_client_gets_pieces_without_chunks(demo: Demo) -> None:
    """The end of the connection is the end of the answer."""
    with demo.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(b"GET /count?to=2 HTTP/1.0\r\n\r\n")
        head, _, body = stream.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"1\n2\n"
