"""``toolkit fetch``: what it sends, what it writes, and how it exits."""

import asyncio
import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.cli import main as toolkit
from toolkit.escape import json_decode
from toolkit.httpclient.program.arguments import checked, full_url, parser, targets
from toolkit.httpclient.program.exits import MEANINGS, exit_code
from toolkit.httpclient.program.progress import (
    NoBar,
    PlainBar,
    RichBar,
    progress_bar,
    progress_line,
)
from toolkit.web import Application, RequestHandler, StaticFileHandler
from toolkit.wire.challenges import parse_challenges

FILE = bytes(range(256)) * 500


class EchoHandler(RequestHandler):
    """Says what it was asked."""

    async def get(self) -> None:
        request = self.request
        parts = {name: files[0] for name, files in request.files.items()}
        self.set_header("X-Echo", "yes")
        self.write(
            {
                "method": request.method,
                "headers": dict(request.headers),
                "body": request.body.decode("latin-1"),
                "form": {name: self.get_argument(name) for name in request.body_arguments},
                "files": {
                    name: [part.filename, part.content_type, part.body.decode("latin-1")]
                    for name, part in parts.items()
                },
            }
        )

    post = put = delete = get


class RedirectingHandler(RequestHandler):
    """Redirects so many times, and then to the echo."""

    def get(self, left: str) -> None:
        self.redirect(f"/redirect/{int(left) - 1}" if int(left) else "/echo")


class DigestHandler(RequestHandler):
    """Wants a digest of "ann" with "secret"."""

    def get(self) -> None:
        value = self.request.headers.get("Authorization", "")
        fields = parse_challenges([value])[0].parameters if value else {}

        def digest(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        secret, request = digest("ann:r:secret"), digest("GET:/digest")
        if fields and fields["response"] == digest(f"{secret}:n:{request}"):
            self.write("welcome")
        else:
            self.set_status(401)
            self.set_header("WWW-Authenticate", 'Digest realm="r", nonce="n"')


class SlowHandler(RequestHandler):
    """Never answers."""

    async def get(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve in a thread of its own, since the program has a loop of its own."""
    files = tmp_path_factory.mktemp("site")
    (files / "film").write_bytes(FILE)
    application = Application(
        [
            ("/echo", EchoHandler),
            ("/redirect/([0-9]+)", RedirectingHandler),
            ("/digest", DigestHandler),
            ("/slow", SlowHandler),
            ("/files/(.*)", StaticFileHandler, {"path": str(files)}),
        ],
        log_function=lambda handler: None,
    )
    ports: list[int] = []
    ready = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()

    async def serve() -> None:
        server = application.listen(0, "127.0.0.1")
        ports.append(server.addresses[0][1])
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        await server.shutdown(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    yield f"http://127.0.0.1:{ports[0]}"
    loops[0].call_soon_threadsafe(stop.set)
    thread.join()


class Ran:
    """What the program has written, and its exit code."""

    def __init__(self, capture: pytest.CaptureFixture[bytes], *arguments: str) -> None:
        self.code = toolkit(["fetch", *arguments])
        self.out, err = capture.readouterr()
        self.err = err.decode()

    @property
    def echo(self) -> Any:
        """What the server was asked."""
        return json_decode(self.out)


Capture = pytest.CaptureFixture[bytes]


def test_content_goes_to_standard_output(url: str, capfdbinary: Capture) -> None:
    """One URL after the other, and nothing else."""
    ran = Ran(capfdbinary, f"{url}/files/film", url.removeprefix("http://") + "/files/film")
    assert (ran.code, ran.out, ran.err) == (0, FILE * 2, "")


def test_the_head_is_shown_when_asked_for(url: str, capfdbinary: Capture) -> None:
    """Before the content, for each hop; or alone."""
    ran = Ran(capfdbinary, "-i", "-L", f"{url}/redirect/0")
    heads = ran.out.split(b"\r\n\r\n")
    assert [head.split(b"\r\n")[0] for head in heads[:2]] == [
        b"HTTP/1.1 302 Found",
        b"HTTP/1.1 200 OK",
    ]
    assert b"X-Echo: yes" in heads[1]
    assert json_decode(heads[2])["method"] == "GET"
    ran = Ran(capfdbinary, "-I", f"{url}/files/film")
    assert ran.out.endswith(b"\r\n\r\n")
    assert f"Content-Length: {len(FILE)}".encode() in ran.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"method": "GET", "body": ""}),
        (["-X", "DELETE"], {"method": "DELETE"}),
        (["-d", "a=1", "-d", "b=2"], {"method": "POST", "form": {"a": "1", "b": "2"}}),
        (["-X", "PUT", "-d", "@FILE"], {"method": "PUT", "body": "x=from file"}),
        (["-d", "@-"], {"body": "from stdin"}),
        (["-T", "FILE"], {"method": "PUT", "body": "x=from file"}),
        (["-T", "-"], {"method": "PUT", "body": "from stdin"}),
        (["--json", '{"a": 1}'], {"method": "POST", "body": '{"a": 1}'}),
        (
            ["-F", "a=1", "-F", "f=@FILE;type=x/y;filename=n", "-F", "g=<FILE"],
            {
                "method": "POST",
                "form": {"a": "1", "g": "x=from file"},
                "files": {"f": ["n", "x/y", "x=from file"]},
            },
        ),
        (["-F", "f=@FILE"], {"files": {"f": ["FILE", "application/octet-stream", "x=from file"]}}),
    ],
    ids=range(10),
)
def test_content_is_sent_as_it_is_given(
    url: str,
    arguments: list[str],
    expected: dict[str, object],
    capfdbinary: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """By words, from files and from standard input."""
    (tmp_path / "FILE").write_text("x=from file")
    monkeypatch.chdir(tmp_path)
    stdin = io.TextIOWrapper(io.BytesIO(b"from stdin"))
    monkeypatch.setattr("sys.stdin", stdin)
    ran = Ran(capfdbinary, *arguments, f"{url}/echo")
    assert ran.code == 0, ran.err
    assert ran.echo | expected == ran.echo


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-H", "X-A: 1", "-H", "X-B;"], {"X-A": "1", "X-B": ""}),
        (["-A", "me"], {"User-Agent": "me"}),
        (["-A", "me", "-H", "User-Agent: you"], {"User-Agent": "you"}),
        (["-u", "ann:secret"], {"Authorization": "Basic YW5uOnNlY3JldA=="}),
        (["-d", "a"], {"Content-Type": "application/x-www-form-urlencoded"}),
        (["-d", "a", "-H", "Content-Type: x/y"], {"Content-Type": "x/y"}),
        (["-d", "a", "-H", "Content-Type:"], {"Content-Type": None}),
        (["--json", "1"], {"Content-Type": "application/json", "Accept": "application/json"}),
        ([], {"Accept-Encoding": None}),
    ],
    ids=range(9),
)
def test_headers_are_sent_as_they_are_given(
    url: str, arguments: list[str], expected: dict[str, str | None], capfdbinary: Capture
) -> None:
    """Those that are given go before those that are usual."""
    seen = Ran(capfdbinary, *arguments, f"{url}/echo").echo["headers"]
    assert {name: seen.get(name) for name in expected} == expected


def test_compressed_content_is_asked_for_and_decoded(url: str, capfdbinary: Capture) -> None:
    """With --compressed."""
    assert (
        "gzip" in Ran(capfdbinary, "--compressed", f"{url}/echo").echo["headers"]["Accept-Encoding"]
    )


def test_a_password_is_asked_for(
    url: str, capfdbinary: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is not given; Digest works as Basic does."""
    monkeypatch.setattr("getpass.getpass", lambda prompt: "secret")
    ran = Ran(capfdbinary, "-u", "ann", "--digest", f"{url}/digest")
    assert (ran.code, ran.out) == (0, b"welcome")


@pytest.mark.feature("F28")
def test_files_are_written_and_gone_on_with(
    url: str, capfdbinary: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """-O takes the name from the URL, -o gives one for each URL, -C - looks what is missing."""
    monkeypatch.chdir(tmp_path)
    film = f"{url}/files/film"
    assert Ran(capfdbinary, "-O", "-o", "first", film + "?q", film + "#f").code == 0
    assert (Path("first").read_bytes(), Path("film").read_bytes()) == (FILE, FILE)
    assert Ran(capfdbinary, "-O", "-C", "-", film).code == 0
    assert sorted(os.listdir()) == ["film", "first"]
    ran = Ran(capfdbinary, "-O", "-o", "-", film, f"{url}/files/none")
    assert (ran.code, ran.out) == (22, FILE)
    assert "HTTP 404: Not Found; nothing was written" in ran.err
    assert Ran(capfdbinary, "-i", "-o", "with head", film).code == 0
    assert Path("with head").read_bytes().endswith(b"\r\n\r\n" + FILE)


def test_what_happens_is_told_without_secrets(url: str, capfdbinary: Capture) -> None:
    """With -v."""
    ran = Ran(capfdbinary, "-v", "-L", "-u", "ann:secret", f"{url}/redirect/0")
    assert ran.err.splitlines()[0].startswith("* connected to 127.0.0.1:")
    assert "> GET /redirect/0 HTTP/1.1\n" in ran.err
    assert "> Authorization: ...\n" in ran.err
    assert "< HTTP/1.1 302 Found\n" in ran.err
    assert f"* goes on to {url}/echo\n" in ran.err
    assert "is used again\n" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["URL/echo", "-f"], 0, ""),
        (["URL/none", "-f"], 22, "HTTP 404: Not Found"),
        (["URL/none", "-f", "-s"], 22, ""),
        (["URL/none"], 0, ""),
        (["URL/redirect/3", "-L", "--max-redirs", "2"], 47, "more than 2 redirects"),
        (["URL/redirect/3", "-L", "--max-redirs", "2", "-O"], 47, "HTTP 302"),
        (["URL/slow", "-m", "0.05"], 28, "Timeout"),
        (["http://127.0.0.1:1/"], 7, "refused"),
        (["ftp://x/"], 3, "Unsupported url scheme"),
        (["http://a b/"], 3, "has to be encoded"),
        (["URL/echo", "-o", "/nonexistent/file"], 23, "No such file"),
        (["URL/echo", "-i", "-o", "/nonexistent/file"], 23, "No such file"),
        (["URL/echo", "-T", "/nonexistent/file"], 26, "No such file"),
        (["URL/echo", "-d", "@/nonexistent/file"], 26, "No such file"),
        (["URL/echo", "-d", "a", "-F", "b=c"], 2, "--data and --form"),
        (["URL/echo", "-I", "-d", "a"], 2, "--head with content"),
        (["URL/echo", "-C", "-"], 2, "without -o or -O"),
        (["URL/echo", "-o", "a", "-o", "b"], 2, "2 times -o for 1 URLs"),
        (["URL/", "-O"], 2, "does not end in the name"),
        (["URL/echo", "-H", "X"], 2, "'NAME: VALUE'"),
        (["URL/echo", "-F", "a"], 2, "'NAME=VALUE'"),
        (["URL/echo", "-F", "a=@b;x=y"], 2, "type and filename"),
        (["URL/echo", "-x", "gopher://x"], 2, "proxy"),
        (["URL/echo", "--retry", "-1"], 2, "from 0"),
    ],
    ids=range(24),
)
def test_each_failure_has_its_exit_code(
    url: str, arguments: list[str], code: int, what: str, capfdbinary: Capture
) -> None:
    """Those of curl; the reason goes to standard error, unless nobody wants it."""
    ran = Ran(capfdbinary, *[text.replace("URL", url) for text in arguments])
    assert (ran.code, what in ran.err) == (code, True), ran.err
    assert ran.code in MEANINGS
    if not what:
        assert ran.err == ""


def test_the_first_failure_is_that_of_all(url: str, capfdbinary: Capture) -> None:
    """The others are fetched all the same."""
    ran = Ran(capfdbinary, "http://127.0.0.1:1/", f"{url}/echo", "ftp://x/")
    assert ran.code == 7
    assert ran.echo["method"] == "GET"


@pytest.mark.parametrize("arguments", [["-m", "0", "u"], ["-m", "inf", "u"], [], ["--no", "u"]])
def test_a_command_line_that_makes_no_sense_is_explained(
    arguments: list[str], capfdbinary: Capture
) -> None:
    """As argparse does it."""
    with pytest.raises(SystemExit) as caught:
        Ran(capfdbinary, *arguments)
    assert caught.value.code == 2


def test_help_names_the_exit_codes(capfdbinary: Capture) -> None:
    """All of them."""
    with pytest.raises(SystemExit):
        Ran(capfdbinary, "--help")
    help_text = capfdbinary.readouterr().out.decode()
    for code, meaning in MEANINGS.items():
        assert f"{code:3}  {meaning}" in help_text


def test_errors_of_tls_have_codes() -> None:
    """By the names of their classes, and by their causes."""
    kinds = ["SSLCertVerificationError", "SSLError", "gaierror"]
    errors = [type(name, (OSError,), {})() for name in kinds]
    outer = OSError("cannot connect")
    outer.__cause__ = errors[2]
    assert [exit_code(error) for error in (*errors, outer)] == [60, 35, 6, 6]
    assert exit_code(OSError()) == 56


def test_a_url_without_a_scheme_is_http() -> None:
    """As curl has it."""
    assert full_url("a.example/x") == "http://a.example/x"
    given = checked(parser().parse_args(["-o", "-", "-O", "https://a/", "http://b/x/y?z/w"]))
    assert list(targets(given)) == [("https://a/", None), ("http://b/x/y?z/w", Path("y"))]


# -- progress ----------------------------------------------------------------------------


@pytest.mark.feature("F28")
def test_progress_is_a_line_of_characters() -> None:
    """Shown ten times a second at most, and at the end."""
    shown: list[str] = []
    now = 0.0
    with PlainBar("film", shown.append, lambda: now) as bar:
        for step in range(5):
            now = step * 0.06
            bar(step * 1024, 4096)
    lines = [text.strip("\r").removesuffix("\x1b[K") for text in shown]
    assert [line.partition("]")[2] for line in lines] == [
        "   0 %  0 B of 4.0 KiB",
        "  50 %  2.0 KiB of 4.0 KiB  16.7 KiB/s  0 s left",
        *[" 100 %  4.0 KiB of 4.0 KiB  16.7 KiB/s"] * 2,
        "",
    ]
    assert shown[-1] == "\n"
    assert progress_line("film", 1 << 42, None, 1 << 20) == "film  4.0 TiB  1.0 MiB/s"
    assert progress_line("film", 0, 0, None) == "film  0 B"


def test_nothing_is_shown_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in a file, nor when it is not wanted; with a terminal Rich's bar if it is there."""
    assert isinstance(progress_bar("film"), NoBar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(progress_bar("film", silent=True), NoBar)
    assert isinstance(progress_bar("film"), RichBar)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(progress_bar("film"), PlainBar)


def test_rich_shows_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name as it is, whatever Rich makes of brackets."""
    text = io.StringIO()
    monkeypatch.setattr("sys.stderr", text)
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(RichBar("[red]film"))
        bar(512, 1024)
        bar(1024, 1024)
    assert "[red]film" in text.getvalue()
