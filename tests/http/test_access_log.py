"""The access log: a line for each request, which no client can forge."""

import asyncio
import base64
import json
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.client import Serve, get, post
from toolkit.http1connection import ConnectionContext
from toolkit.httpserver import HTTPServer
from toolkit.httpserver.access import AccessLog, Entry, renderer
from toolkit.httpserver.forwarding import KNOWN_HEADERS
from toolkit.log import LogFormatter
from toolkit.web import RequestHandler
from toolkit.wire.events import RequestHead

pytestmark = pytest.mark.feature("S01")

#: 10 October 2000, 20:55:36 UTC, as in Apache's documentation.
THEN = 971211336.25


def basic(user: str) -> str:
    """Write credentials."""
    return "Basic " + base64.b64encode(f"{user}:secret".encode()).decode()


def entry(
    target: str = "/apache_pb.gif",
    method: str = "GET",
    fields: dict[str, str] | None = None,
    context: ConnectionContext | None = None,
    status: int = 200,
    sent: int = 2326,
    duration: float = 0.0125,
    **more: Any,
) -> Entry:
    """Return the entry of a request."""
    head = RequestHead(method, target, [*(fields or {}).items()], "HTTP/1.0", host="h:80")
    context = context or ConnectionContext(("127.0.0.1", 5), "127.0.0.1", "http")
    return Entry(head, context, status, sent, more.pop("time", THEN), duration, **more)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let a test choose the time zone."""
    with monkeypatch.context() as patch:
        yield patch
    time.tzset()


# -- Apache's formats --------------------------------------------------------------------

#: As the documentation of Apache 2.4 describes the two ("Log Files", "mod_log_config").
COMMON = (
    r"(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) "
    r"\[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<bytes>\d+|-)'
)
COMBINED = COMMON + r' "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"'


def parsed(line: str, format: str = COMBINED) -> dict[str, str]:
    """Read a line as an analyser does, which has to find its fields."""
    match = re.fullmatch(format, line)
    assert match, line
    return match.groupdict()


def test_the_common_format_is_that_of_apache(zone: pytest.MonkeyPatch) -> None:
    """The example of its documentation."""
    zone.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    line = renderer("common")(entry(fields={"authorization": basic("frank")}))
    assert line == (
        '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'
    )
    assert parsed(line, COMMON)["user"] == "frank"


def test_the_combined_format_is_that_of_apache(zone: pytest.MonkeyPatch) -> None:
    zone.setenv("TZ", "America/St_Johns")
    time.tzset()
    fields = {
        "authorization": basic("frank"),
        "referer": "http://www.example.com/start.html",
        "user-agent": "Mozilla/4.08 [en] (Win98; I ;Nav)",
    }
    line = renderer("combined")(entry(fields=fields, time=THEN + 1))
    assert line == (
        '127.0.0.1 - frank [10/Oct/2000:18:25:37 -0230] "GET /apache_pb.gif HTTP/1.0" 200 2326 '
        '"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
    )


def test_what_is_not_known_is_a_dash() -> None:
    unix = ConnectionContext("", "", "http")
    line = renderer("combined")(entry(context=unix, status=0, sent=0))
    found = parsed(line)
    assert [found[key] for key in ("host", "user", "status", "bytes", "referer", "agent")] == (
        ["-"] * 6
    )


def test_months_are_english_and_zones_of_any_sign(zone: pytest.MonkeyPatch) -> None:
    seen = []
    for month, name in enumerate(["UTC0", "XXX-5:30", "XXX+3:30", "XXX-14"] * 3):
        zone.setenv("TZ", name)
        time.tzset()
        at = THEN + 7 + (month - 9) * 30.5 * 86400
        line = renderer("%t")(entry(time=at))
        read = time.strptime(line, "[%d/%b/%Y:%H:%M:%S %z]")
        assert read[:6] == time.localtime(at)[:6]
        seen.append((read.tm_mon, line[-6:-1]))
    assert [month for month, _ in seen] == list(range(1, 13))
    assert [offset for _, offset in seen[:4]] == ["+0000", "+0530", "-0330", "+1400"]


# -- formats of one's own ----------------------------------------------------------------

PROXIED = ConnectionContext(("10.0.0.1", 5), "4.4.4.4", "https", "a.example:8443")

WORDS = {
    "%h": "127.0.0.1",
    "%a": "127.0.0.1",
    "%{c}a": "127.0.0.1",
    "%l": "-",
    "%u": "-",
    "%r": "POST\\x20/a/b?c=d?e\\x20HTTP/1.0",
    '"%r"': '"POST /a/b?c=d?e HTTP/1.0"',
    "%m": "POST",
    "%U": "/a/b",
    "%q": "?c=d?e",
    "%H": "HTTP/1.0",
    "%s": "404",
    "%>s": "404",
    "%b": "7",
    "%B": "7",
    "%D": "1234567",
    "%T": "1",
    "%{s}T": "1",
    "%{ms}T": "1234",
    "%{us}T": "1234567",
    "%V": "h:80",
    "%v": "h:80",
    "%{scheme}x": "http",
    "%L": "-",
    "%{X-Thing}i": "a,\\x20b",
    '"%{x-thing}i"': '"a, b"',
    "%{Nothing}i": "-",
    "%%": "%",
    "%%h": "%h",
    "100%% %m%m d é": "100% POSTPOST d é",
    "": "",
    "plain": "plain",
}


@pytest.mark.parametrize(("format", "expected"), WORDS.items())
def test_a_format_is_written_in_apache_s_words(format: str, expected: str) -> None:
    head = RequestHead(
        "POST", "/a/b?c=d?e", [("x-thing", "a"), ("y", "z"), ("x-thing", "b")], "HTTP/1.0"
    )
    head.host = "h:80"
    made = entry(status=404, sent=7, duration=1.2345678)._replace(head=head)
    assert renderer(format)(made) == expected


def test_what_proxies_said_is_logged_and_so_is_the_peer() -> None:
    line = renderer("%h %{c}a %V %{scheme}x %L")(entry(context=PROXIED, request_id="abc"))
    assert line == "4.4.4.4 10.0.0.1 a.example:8443 https abc"
    nobody = ConnectionContext("", "", "http")
    head = RequestHead("GET", "/")
    assert renderer("%{c}a %V %q|%B")(entry(context=nobody, sent=0)._replace(head=head)) == "- - |0"


@pytest.mark.parametrize(
    "format", ["%", "%z", "% h", "%{}i", "%{X}z", "%{X", "%{X}o", "%>b", "%{s}h", "%{x}a", "%{X}%"]
)
def test_a_word_that_is_not_known_is_refused(format: str) -> None:
    with pytest.raises(ValueError, match=r"'%.* in a format; %h .* %\{Name\}i %% are allowed"):
        AccessLog(f"a {format} b")


@pytest.mark.parametrize(
    ("value", "user"),
    [
        (basic("frank"), "frank"),
        ("bAsIc " + basic("frank")[6:], "frank"),
        (basic(""), "-"),
        (basic('a b"\n\\'), r"a\x20b\"\n\\"),
        (basic("é"), r"\xc3\xa9"),
        (base64.b64encode(b"frank").decode(), "-"),
        ("Basic " + base64.b64encode(b"frank").decode(), "-"),
        ("Basic", "-"),
        ("Basic A", "-"),
        ("Basic \xe9", "-"),
        ("Bearer ZnJhbms6", "-"),
        ("", "-"),
    ],
)
def test_the_user_is_that_of_basic_authentication(value: str, user: str) -> None:
    assert renderer("%u")(entry(fields={"authorization": value})) == user


# -- JSON --------------------------------------------------------------------------------


@pytest.mark.feature("S02")
def test_an_object_of_json_has_everything() -> None:
    fields = {"referer": "r", "user-agent": 'a"b', "authorization": basic("frank")}
    made = entry("/a?b", fields=fields, context=PROXIED, request_id="abc", duration=0.01234567)
    line = renderer("json")(made)
    assert json.loads(line) == {
        "time": "2000-10-10T20:55:36.250Z",
        "remote_ip": "4.4.4.4",
        "user": "frank",
        "method": "GET",
        "target": "/a?b",
        "version": "HTTP/1.0",
        "protocol": "https",
        "host": "a.example:8443",
        "status": 200,
        "bytes": 2326,
        "duration": 0.012346,
        "referer": "r",
        "user_agent": 'a"b',
        "request_id": "abc",
    }


@pytest.mark.feature("S02")
def test_what_is_not_known_is_null_or_nothing() -> None:
    """Each key is always there, and always of its type."""
    unix = ConnectionContext("", "", "http")
    line = renderer("json")(entry(context=unix, status=0, sent=0, duration=0.0, time=THEN + 0.7499))
    found = json.loads(line)
    assert found["time"] == "2000-10-10T20:55:37.000Z"
    assert (found["remote_ip"], found["host"]) == ("", "h:80")
    assert (found["status"], found["bytes"]) == (0, 0)
    assert repr(found["duration"]) == "0.0"
    nulls = [key for key, value in found.items() if value is None]
    assert nulls == ["user", "referer", "user_agent", "request_id"]


# -- what clients send -------------------------------------------------------------------

HOSTILE = [
    "/\x1b[31m\nFAKE",
    '/" 200 1 "',
    "/\\",
    '/\\"',
    "/\x00\x7f\x80\x9b\xff",
    '/\r\n127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1',
    "/\u2028\u202e\U0001f600\ud800",
    "/%s%(x)s{x}$x",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("format", ["common", "combined", "json"])
def test_a_client_cannot_forge_a_line(text: str, format: str) -> None:
    """Log injection: CVE-2020-7694 of uvicorn, CVE-2026-42507 of Go."""
    fields = {"referer": text, "user-agent": text, "authorization": basic("u")}
    line = renderer(format)(entry(text, fields=fields))
    assert re.fullmatch("[ -~]+", line)
    if format == "json":
        found = json.loads(line)
        assert (found["target"], found["referer"], found["user_agent"]) == (text,) * 3
    else:
        pattern = COMMON if format == "common" else COMBINED
        assert parsed(line, pattern)["request"] == f"GET {escaped(text)} HTTP/1.0"


def escaped(text: str) -> str:
    """Write a text as Apache does."""
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\v": "\\v"}
    return "".join(
        short.get(char) or (char if " " <= char <= "~" else ascii(char)[1:-1]) for char in text
    )


TEXT = st.text(max_size=20)


@settings(derandomize=True, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT)
def test_whatever_a_client_sends_is_one_line_of_as_many_fields(
    target: str, referer: str, agent: str, user: str
) -> None:
    credentials = "Basic " + base64.b64encode((user + ":").encode("utf-8", "replace")).decode()
    fields = {"referer": referer, "user-agent": agent, "authorization": credentials}
    made = entry(target, fields=fields)
    found = parsed(renderer("combined")(made))
    assert found["request"] == f"GET {escaped(target)} HTTP/1.0"
    assert (found["referer"], found["agent"]) == (escaped(referer), escaped(agent))
    assert json.loads(renderer("json")(made))["referer"] == referer


def test_an_empty_value_leaves_its_field() -> None:
    """Else the fields behind it would be taken for others."""
    made = entry(fields={"x": ""})
    assert renderer('%{X}i "%{X}i" %U%q')(made) == '- "" /apache_pb.gif'


# -- on sockets --------------------------------------------------------------------------


class Lines(logging.Handler):
    """Keeps records, and tells when there are as many as a test waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._more = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self._more.set()

    async def get(self, count: int = 1) -> list[str]:
        """Wait for lines, and return them all."""
        while len(self.records) < count:
            self._more.clear()
            await self._more.wait()
        assert len(self.records) == count
        return [record.getMessage() for record in self.records]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def logger(lines: Lines) -> logging.Logger:
    """Return a logger of the test's own, whose lines the test has."""
    made = logging.Logger("test", logging.INFO)
    made.addHandler(lines)
    return made


class Echo(RequestHandler):
    """Answers in pieces with what was sent."""

    async def get(self, status: str = "200") -> None:
        self.set_status(int(status))
        if status == "200":
            self.write("one")
            await self.flush()
            self.write("two")

    def head(self, status: str = "200") -> None:
        self.set_header("Content-Length", "6")

    def post(self, status: str = "200") -> None:
        self.write(self.request.body)


RULES: list[Any] = [(r"/(\d*)", Echo)]


async def test_a_line_is_written_for_each_request(
    serve: Serve, lines: Lines, logger: logging.Logger
) -> None:
    format = '%h "%r" %>s %b %B "%{Referer}i" %L'
    client = await serve(RULES, access_log=AccessLog(format, logger)).client()
    await client.get("/200", "Referer: a\r\n")
    await client.get("/404")
    await client.ask(post("/200", b"x" * 100_000))
    await client.ask(get("/200").replace(b"GET", b"HEAD"))
    await client.get("/204")
    assert await lines.get(5) == [
        '127.0.0.1 "GET /200 HTTP/1.1" 200 6 6 "a" -',
        '127.0.0.1 "GET /404 HTTP/1.1" 404 - 0 "-" -',
        '127.0.0.1 "POST /200 HTTP/1.1" 200 100000 100000 "-" -',
        '127.0.0.1 "HEAD /200 HTTP/1.1" 200 - 0 "-" -',
        '127.0.0.1 "GET /204 HTTP/1.1" 204 - 0 "-" -',
    ]


@pytest.mark.feature("S02")
async def test_a_line_of_json_is_written_for_each_request(
    serve: Serve, lines: Lines, logger: logging.Logger
) -> None:
    site = serve(RULES, access_log=AccessLog("json", logger), request_ids=True)
    answer = await site.get("/200?a=b")
    (line,) = await lines.get()
    found = json.loads(line)
    assert (found["target"], found["status"], found["bytes"]) == ("/200?a=b", 200, 6)
    assert found["request_id"] == answer.get("x-request-id")


async def test_the_duration_is_that_of_the_handler(
    serve: Serve, lines: Lines, logger: logging.Logger
) -> None:
    """Even of one that ends without a turn of the loop."""

    class Busy(RequestHandler):
        def get(self) -> None:
            until = time.monotonic() + 0.005
            while time.monotonic() < until:
                pass

    site = serve([("/", Busy)], access_log=AccessLog("%D", logger))
    await site.get()
    (line,) = await lines.get()
    assert int(line) >= 5000


async def test_a_line_comes_when_a_client_leaves_without_an_answer(
    serve: Serve, lines: Lines, logger: logging.Logger
) -> None:
    begun = asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            gone = asyncio.Event()
            self.request.connection.set_close_callback(gone.set)
            begun.set()
            await gone.wait()

    site = serve([("/", Slow)], access_log=AccessLog("%m %>s %b", logger))
    client = await site.client()
    await client.send(get())
    await begun.wait()
    client.reset()
    (line,) = await lines.get()
    assert re.fullmatch(r"GET (-|200) -", line), line


async def test_what_proxies_say_is_logged(
    serve: Serve, lines: Lines, logger: logging.Logger
) -> None:
    log = AccessLog("%h %{c}a %V %{scheme}x", logger)
    site = serve(RULES, access_log=log, trusted_proxies=["127.0.0.1"], proxy_headers=KNOWN_HEADERS)
    await site.get("/200", "Forwarded: for=4.4.4.4;proto=https;host=a.example\r\n")
    assert await lines.get() == ["4.4.4.4 127.0.0.1 a.example https"]


@pytest.mark.parametrize("format", ["combined", "json"])
async def test_a_hostile_request_is_one_harmless_line(
    serve: Serve, lines: Lines, logger: logging.Logger, format: str
) -> None:
    """What may stand in a request at all: log injection, CVE-2020-7694, CVE-2025-69230."""
    site = serve(RULES, access_log=AccessLog(format, logger))
    fields = 'Referer: \x80\x9b"\\" 200 1\r\nUser-Agent: \t\xff\t"\r\n' + "Cookie: ;=;\r\n" * 50
    await site.get("/%1b[31m%0aFAKE\x9b", fields)
    (line,) = await lines.get()
    assert re.fullmatch("[ -~]+", line)
    formatted = LogFormatter("%(message)s", color=False).format(lines.records[0])
    assert formatted == line


async def test_the_usual_logger_and_format_have_names(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "toolkit.access")
    site = serve(RULES, access_log="common")
    await site.get("/200")
    await site.server.close_all_connections()
    (record,) = [record for record in caplog.records if record.name == "toolkit.access"]
    assert record.levelno == logging.INFO
    assert parsed(record.getMessage(), COMMON)["request"] == "GET /200 HTTP/1.1"


def test_a_log_that_is_off_looks_at_nothing(lines: Lines) -> None:
    """Not even at the exchange."""
    logger = logging.Logger("test", logging.WARNING)
    logger.addHandler(lines)
    AccessLog("json", logger).log(None, 0.0)  # type: ignore[arg-type]  # what is not used
    assert lines.records == []
    with pytest.raises(AttributeError):
        AccessLog("json", logger, logging.WARNING).log(None, 0.0)  # type: ignore[arg-type]


def test_an_unknown_format_is_refused_when_the_server_is_made() -> None:
    with pytest.raises(ValueError, match="'%z' in a format"):
        HTTPServer(lambda request: None, access_log="%z")
