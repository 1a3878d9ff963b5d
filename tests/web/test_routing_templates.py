"""Path templates: what they match, what handlers get, and what they refuse."""

import datetime
import re
import uuid
from typing import Any

import pytest

from tests.http.client import Serve
from tests.loops import expect_log
from tests.wire.test_linear import count_calls
from toolkit.httputil import HTTPServerRequest
from toolkit.routing import (
    Converter,
    HostMatches,
    PathMatches,
    PathTemplate,
    RuleRouter,
    URLSpec,
    path,
    register_converter,
)
from toolkit.routing import converters as room
from toolkit.web import Application, RequestHandler, url

UUID = "12345678-1234-5678-1234-567812345678"


class Named(RequestHandler):
    """Answers with what it gets by name."""

    def get(self, **kwargs: Any) -> None:
        self.write(" ".join(f"{name}={value!r}" for name, value in kwargs.items()))


class Target:
    """Stands for a handler."""


def asked(target: str, host: str = "h") -> HTTPServerRequest:
    """Make a request that did not come through a connection."""
    return HTTPServerRequest("GET", target, host=host)


def values(pattern: str, target: str) -> dict[str, Any] | None:
    """Return what a template makes of a target, by itself and in a router alike."""
    found = PathTemplate(pattern).match(asked(target))
    match = RuleRouter([(path(pattern), Target)]).match(asked(target))
    assert (match is None) == (found is None)
    if found is None or match is None:
        return None
    assert dict(match[3]) == found.get("path_kwargs", {})
    return dict(match[3])


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the converters that a test registers."""
    monkeypatch.setattr(room, "_converters", dict(room._converters))


# -- what matches ------------------------------------------------------------------------


@pytest.mark.feature("G02")
@pytest.mark.parametrize(
    ("pattern", "target", "expected"),
    [
        ("/a/{x}", "/a/b", {"x": "b"}),
        ("/a/{x}", "/a/", None),
        ("/a/{x}", "/a", None),
        ("/a/{x}", "/a/b/", None),
        ("/a/{x}", "/a/b/c", None),
        ("/{x}", "/a", {"x": "a"}),
        ("/{x}", "/", None),
        ("/{x}", "//", None),
        ("/{x}", "*", None),
        ("/{x}", "", None),
        ("/{x}/{y}", "/a/b", {"x": "a", "y": "b"}),
        ("/{x}/", "/a/", {"x": "a"}),
        ("/{x}/", "/a", None),
        ("/a/{x:int}", "/a/7", {"x": 7}),
        ("/a/{x:int}", "/a/-7", {"x": -7}),
        ("/a/{x:int}", "/a/%37", {"x": 7}),
        ("/a/{x:int}", "/a/7x", None),
        ("/a/{x:int}", "/a/+7", None),
        ("/a/{x:int}", "/a/7_0", None),
        ("/a/{x:int}", "/a/%207", None),
        ("/a/{x:int}", "/a/%D9%A0", None),
        ("/a/{x:int}", "/a/" + "1" * 5000, None),
        ("/a/{x:float}", "/a/7", {"x": 7.0}),
        ("/a/{x:float}", "/a/-1.50", {"x": -1.5}),
        ("/a/{x:float}", "/a/1e5", None),
        ("/a/{x:float}", "/a/nan", None),
        ("/a/{x:float}", "/a/inf", None),
        ("/a/{x:float}", "/a/.5", None),
        ("/a/{x:float}", "/a/" + "9" * 400, None),
        ("/a/{x:uuid}", f"/a/{UUID}", {"x": uuid.UUID(UUID)}),
        ("/a/{x:uuid}", f"/a/{UUID.replace('-', '')}", None),
        ("/a/{x:uuid}", f"/a/{{{UUID}}}", None),
        ("/a/{x:uuid}", f"/a/{UUID[:-1]}g", None),
        ("/a/{x:date}", "/a/2026-02-28", {"x": datetime.date(2026, 2, 28)}),
        ("/a/{x:date}", "/a/2026-02-30", None),
        ("/a/{x:date}", "/a/20260228", None),
        ("/a/{x:date}", "/a/2026-W01-1", None),
        ("/a/{x:path}", "/a/b/c.d/", {"x": "b/c.d/"}),
        ("/a/{x:path}", "/a/", {"x": ""}),
        ("/a/{x:path}", "/a", None),
        ("/{x:path}", "/a//b", {"x": "a//b"}),
        ("/a/v{x:int}", "/a/v2", {"x": 2}),
        ("/a/v{x:int}", "/a/v", None),
        ("/a/v{x:int}", "/a/2", None),
        ("/a/{x}.html", "/a/b.c.html", {"x": "b.c"}),
        ("/a/{x}.html", "/a/.html", None),
        ("/a/{x}.{y}", "/a/b.tar.gz", {"x": "b.tar", "y": "gz"}),
        ("/a/{x}.{y}", "/a/b", None),
        ("/a/{x}.{y}", "/a/.gz", None),
        ("/a/{y:int}-{m:int}-{d:int}", "/a/2026-1-31", {"y": 2026, "m": 1, "d": 31}),
        ("/a/{y:int}-{m:int}", "/a/x-1", None),
        ("/a/ab{x}ba", "/a/aba", None),
        ("/a b/{x}", "/a%20b/c", {"x": "c"}),
        ("/a b/{x}", "/a b/c", None),
        ("/%C3%A9/{x}", "/%C3%A9/c", {"x": "c"}),
        ("/é/{x}", "/%C3%A9/c", {"x": "c"}),
        ("/(a)+/{x}", "/(a)+/c", {"x": "c"}),
        ("/a", "/a", {}),
        ("/a", "/a/", None),
    ],
)
def test_a_template_matches_whole_paths_with_values_of_its_types(
    pattern: str, target: str, expected: dict[str, Any] | None
) -> None:
    found = values(pattern, target)
    assert found == expected
    assert found is None or [*map(type, found.values())] == [*map(type, (expected or {}).values())]


@pytest.mark.parametrize(
    ("pattern", "target", "expected"),
    [
        ("/a/{x}", "/a/b%2Fc", {"x": "b/c"}),
        ("/a/{x}", "/a/b%2fc", {"x": "b/c"}),
        ("/a/{x}", "/a/%252F", {"x": "%2F"}),
        ("/a/{x}/e", "/a/b%2Fe", None),
        ("/a/{x}.{y}", "/a/b%2Ec.d", {"x": "b.c", "y": "d"}),
        ("/a/{x}", "/a/%C3%A9", {"x": "é"}),
        ("/a/{x}", "/a/\xc3\xa9", {"x": "é"}),
        ("/a/{x}", "/a/%E9", None),
        ("/a/{x}", "/a/%c0%ae", None),
        ("/a/{x}", "/a/b+c", {"x": "b+c"}),
        ("/a/{x}", "/a/%zz", {"x": "%zz"}),
        ("/a/{x}", "/a/b;c=1", {"x": "b;c=1"}),
        ("/a%2Fb/{x}", "/a/b/c", None),
        ("/a/{x:path}", "/a/b%2Fc", {"x": "b/c"}),
    ],
)
def test_percent_encoding_is_resolved_within_a_value(
    pattern: str, target: str, expected: dict[str, Any] | None
) -> None:
    """An encoded slash or dot never ends a value; what is no UTF-8 is none."""
    assert values(pattern, target) == expected


@pytest.mark.parametrize("dots", [".", "..", "%2e", "%2E%2e", ".%2e", "%2E."])
@pytest.mark.parametrize("pattern", ["/a/{x}", "/a/{x}/c", "/a/.{x}", "/a/{x}.", "/a/{x:path}"])
def test_a_dot_segment_is_no_value(pattern: str, dots: str) -> None:
    """CVE-2017-16762 (sanic): nor is it resolved, whatever it was encoded as."""
    assert values(pattern, f"/a/{dots}") is None
    assert values(pattern, f"/a/{dots}/c") is None


@pytest.mark.parametrize(
    "rest",
    ["../b", "b/../../c", "b/..", "b/%2e%2e/c", "b%2F..%2Fc", "..%2fb", "/etc/passwd", "%2Fetc"],
)
def test_the_rest_of_a_path_leads_out_of_no_directory(rest: str) -> None:
    """CVE-2017-16762, CVE-2022-35920 (sanic), CVE-2023-29159 (starlette)."""
    assert values("/a/{x:path}", f"/a/{rest}") is None


# -- what is a template ------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "/[0-9]{2}/x",
        "/a{2}",
        "/a{2,}",
        "/a{,3}/b",
        "/(?P<x>[a-z]{1,3})/{y}",
        r"/\{x\}",
        r"/a/{x}/\d+",
        "/a/{x}$",
        "/a/{x}?",
        "/a/{x}/(.*)",
        "/{a|b}",
        "/{a b}",
        "/{1a}",
        "/{}",
        "/a.b",
        "/{x:}",
    ],
)
@pytest.mark.parametrize("make", [URLSpec, lambda *rule: RuleRouter([rule]).rules[0]])
def test_a_regular_expression_keeps_its_meaning(
    caplog: pytest.LogCaptureFixture, pattern: str, make: Any
) -> None:
    made = make(pattern, Target)
    assert type(made.matcher) is PathMatches
    assert made.regex == re.compile(pattern if pattern.endswith("$") else pattern + "$")
    for record in caplog.records:
        record.claimed = "means just these characters" in record.getMessage()


def test_a_parameter_in_a_regular_expression_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """It keeps its meaning there, which is hardly the one that was meant."""
    url(r"/a/{id:int}/(.*)", Target)
    (record,) = expect_log(caplog, "toolkit.application", "just these characters")
    assert "{id:int}" in record.getMessage()
    assert "test_routing_templates.py" in record.getMessage()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/a/{x:integer}", "no converter 'integer'; there are date, float, int, path, str, uuid"),
        ("/a/{x}{y}", "without text between"),
        ("/a/{x:path}/b", "goes on behind"),
        ("/a/b{x:path}", "starts at a '/'"),
        ("/a/{x}/{x}", "two parameters of one name"),
        ("a/{x}", "begins with a single '/'"),
        ("//a/{x}", "begins with a single '/'"),
        ("/a/../{x}", "dot segment"),
        ("/a/%2e%2E/{x}", "dot segment"),
        ("/100%/{x}", "'%25'"),
        ("/a#b/{x}", "no '#'"),
    ],
)
@pytest.mark.parametrize("make", [path, lambda pattern: Application([(pattern, Named)])])
def test_a_bad_template_is_refused_where_it_is_made(make: Any, pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make(pattern)


@pytest.mark.parametrize(
    "pattern", ["/a?b", "/a/{x", "/a/x}", "/{x:y:z}", "/{}", "/{x y}", "/{{x}}", "/{x:}", ""]
)
def test_what_would_be_a_regular_expression_elsewhere_is_refused_by_path(pattern: str) -> None:
    with pytest.raises(ValueError, match="template"):
        path(pattern)


def test_a_template_shows_as_a_regular_expression_in_lists_of_routes() -> None:
    assert url("/a.b/{x}-{y:int}/{z:path}", Target).regex.pattern == (
        r"/a\.b/(?P<x>[^/]+)\-(?P<y>[^/]+)/(?P<z>.*)$"
    )
    assert repr(path("/a/{x}")) == "PathTemplate('/a/{x}')"


# -- handlers ----------------------------------------------------------------------------


@pytest.mark.feature("G02")
async def test_a_handler_gets_converted_values_by_name(serve: Serve) -> None:
    """They do not go through `decode_argument`; what does not convert gets 404."""

    class Typed(RequestHandler):
        def decode_argument(self, value: bytes, name: str | None = None) -> str:
            raise AssertionError("not of a template")

        def get(self, id: int, when: datetime.date, name: str) -> None:
            self.write(repr((id, when, name)))

    site = serve([("/{id:int}/{when:date}/{name}", Typed)])
    assert (await site.get("/7/2026-01-31/x%2Fy")).text == (
        "(7, datetime.date(2026, 1, 31), 'x/y')"
    )
    for target in ("/x/2026-01-31/y", "/7/2026-13-31/y", "/7/2026-01-31/"):
        assert (await site.get(target)).status == 404


async def test_templates_and_regular_expressions_stand_side_by_side(serve: Serve) -> None:
    handlers = [("/a/{x:int}", Named), ("/a/(?P<word>[a-z]+)", Named), ("/a/{other}", Named)]
    site = serve(handlers)
    assert (await site.get("/a/1")).text == "x=1"
    assert (await site.get("/a/b")).text == "word='b'"
    assert (await site.get("/a/B1")).text == "other='B1'"


# -- converters of a user's own ----------------------------------------------------------


class Hexadecimal(Converter):
    """Integers in base 16."""

    def convert(self, text: str) -> int:
        return int(text, 16)

    def to_path(self, value: Any) -> str:
        return format(value, "x")


class Base16(Converter):
    """Bytes."""

    def convert(self, text: str) -> bytes:
        return bytes.fromhex(text)

    def to_path(self, value: Any) -> str:
        return str(value.hex())


@pytest.mark.feature("G03")
@pytest.mark.usefixtures("registry")
async def test_a_converter_of_ones_own_converts_both_ways(serve: Serve) -> None:
    """A ValueError is no match; bytes that it makes stay bytes."""
    register_converter("hex", Hexadecimal())
    register_converter("base16", Base16())
    site = serve(
        [
            url("/colour/{value:hex}", Named, name="colour"),
            ("/colour/{name}", Named),
            ("/raw/{data:base16}", Named),
        ]
    )
    assert (await site.get("/colour/ff")).text == "value=255"
    assert (await site.get("/colour/red")).text == "name='red'"
    assert (await site.get("/raw/ff00")).text == r"data=b'\xff\x00'"
    assert site.application.reverse_url("colour", 255) == "/colour/ff"
    assert site.application.reverse_url("colour", value=16) == "/colour/10"


@pytest.mark.usefixtures("registry")
def test_a_converter_may_take_the_rest_of_a_path() -> None:
    class Parts(Converter):
        spans_segments = True

        def convert(self, text: str) -> list[str]:
            return text.split("/")

        def to_path(self, value: list[str]) -> str:
            return "/".join(value)

    register_converter("parts", Parts())
    assert values("/a/{x:parts}", "/a/b/c%20d") == {"x": ["b", "c d"]}
    assert values("/a/{x:parts}", "/a/b/../c") is None
    assert path("/a/{x:parts}").reverse(["b", "c d"]) == "/a/b/c%20d"


@pytest.mark.usefixtures("registry")
def test_a_name_of_a_converter_is_taken_once() -> None:
    converter = Hexadecimal()
    register_converter("hex", converter)
    register_converter("hex", converter)
    for name in ("hex", "int"):
        with pytest.raises(ValueError, match="is there already"):
            register_converter(name, Hexadecimal())
    for name in ("", "1a", "a-b", "a}"):
        with pytest.raises(ValueError, match="letters, digits and _"):
            register_converter(name, Hexadecimal())


@pytest.mark.usefixtures("registry")
def test_an_error_of_a_converter_that_is_no_value_error_is_not_hidden() -> None:
    class Broken(Converter):
        def convert(self, text: str) -> int:
            raise KeyError(text)

    register_converter("broken", Broken())
    with pytest.raises(KeyError):
        path("/{x:broken}").match(asked("/a"))


@pytest.mark.usefixtures("registry")
def test_a_converter_is_asked_for_each_request() -> None:
    """Its answer may change, for a fixed path behind the template too."""
    known: set[str] = set()

    class Known(Converter):
        def convert(self, text: str) -> str:
            if text not in known:
                raise ValueError(f"{text!r} is unknown")
            return text

    class Fixed:
        pass

    register_converter("known", Known())
    router = RuleRouter([("/{tenant:known}", Target), ("/acme", Fixed)])
    for expected in (Fixed, Target):
        match = router.match(asked("/acme"))
        assert match is not None
        assert match[0] is expected
        known.add("acme")


# -- the way back ------------------------------------------------------------------------


@pytest.mark.feature("G04")
@pytest.mark.parametrize(
    ("pattern", "args", "kwargs", "expected"),
    [
        ("/a/{x}", ("b",), {}, "/a/b"),
        ("/a/{x}", (), {"x": "b"}, "/a/b"),
        ("/a/{x}/{y}", ("b",), {"y": "c"}, "/a/b/c"),
        ("/a/{x}", ("b/c é?#%",), {}, "/a/b%2Fc%20%C3%A9%3F%23%25"),
        ("/a/{x}", (b"b\xc3\xa9",), {}, "/a/b%C3%A9"),
        ("/a/{x}", (7,), {}, "/a/7"),
        ("/a/{x:int}", (7,), {}, "/a/7"),
        ("/a/{x:int}", ("007",), {}, "/a/7"),
        ("/a/{x:float}", (1e-7,), {}, "/a/0.0000001"),
        ("/a/{x:float}", (-0.1,), {}, "/a/-0.1"),
        ("/a/{x:float}", (1e22,), {}, "/a/10000000000000000000000"),
        ("/a/{x:uuid}", (uuid.UUID(UUID),), {}, f"/a/{UUID}"),
        ("/a/{x:date}", (datetime.date(2026, 1, 31),), {}, "/a/2026-01-31"),
        ("/a/{x:path}", ("b/c d",), {}, "/a/b/c%20d"),
        ("/a/{x:path}", ("",), {}, "/a/"),
        ("/é b/{x}", ("c",), {}, "/%C3%A9%20b/c"),
        ("/a/{x}.{y}", ("b.c", "d"), {}, "/a/b.c.d"),
        ("/a", (), {"page": 2, "q": "x & y"}, "/a?page=2&q=x+%26+y"),
        ("/a/{x}", ("b",), {"tag": ["c", "d"], "none": None}, "/a/b?tag=c&tag=d"),
        ("/a/{x}", ("b",), {"none": None}, "/a/b"),
        ("/s/(?P<x>[0-9]+)/(?P<y>.*)", (), {"y": "b c", "x": 1, "z": "é"}, "/s/1/b%20c?z=%C3%A9"),
        ("/s/(?P<x>[0-9]+)/(?P<y>.*)", (1,), {"y": "b"}, "/s/1/b"),
        ("/s/(.*)", ("b",), {"q": 1}, "/s/b?q=1"),
    ],
)
def test_a_name_gives_back_a_path_with_a_query(
    pattern: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: str
) -> None:
    """Arguments that the path does not have become its query; it leads back to its rule."""
    application = Application([url(pattern, Named, name="n")])
    found = application.reverse_url("n", *args, **kwargs)
    assert found == expected
    assert application.match(asked(found))[0] is Named


@pytest.mark.parametrize(
    ("pattern", "args", "kwargs"),
    [
        ("/a/{x}", (), {}),
        ("/a/{x}", (), {"y": 1}),
        ("/a/{x}", ("b", "c"), {}),
        ("/a/{x}", ("b",), {"x": "c"}),
        ("/a/{x}", ("",), {}),
        ("/a/{x}", (".",), {}),
        ("/a/{x}", ("..",), {}),
        ("/a/{x}", ("\ud800",), {}),
        ("/a/{x:int}", ("b",), {}),
        ("/a/{x:int}", (True,), {}),
        ("/a/{x:int}", (1.5,), {}),
        ("/a/{x:float}", (float("nan"),), {}),
        ("/a/{x:float}", (float("inf"),), {}),
        ("/a/{x:uuid}", ("b",), {}),
        ("/a/{x:date}", ("b",), {}),
        ("/a/{x:path}", ("/b",), {}),
        ("/a/{x:path}", ("b/../c",), {}),
        ("/a/{x}.{y}", ("b", "c.d"), {}),
        ("/a/{x}.{y}", ("b", ""), {}),
        ("/s/(?P<x>[0-9]+)/(?P<y>.*)", (1,), {"x": 1}),
        ("/s/(?P<x>[0-9]+)/(?P<y>.*)", (), {"x": 1}),
    ],
)
def test_a_path_that_would_not_lead_back_is_not_made(
    pattern: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):
        Application([url(pattern, Named, name="n")]).reverse_url("n", *args, **kwargs)


# -- hosts -------------------------------------------------------------------------------


@pytest.mark.feature("G05")
@pytest.mark.parametrize(
    ("template", "host", "expected"),
    [
        ("{tenant}.example.com", "acme.example.com", {"tenant": "acme"}),
        ("{tenant}.example.com", "ACME.Example.com:8080", {"tenant": "acme"}),
        ("{tenant}.Example.COM", "acme.example.com", {"tenant": "acme"}),
        ("{tenant}.example.com", "a.b.example.com", None),
        ("{tenant}.example.com", ".example.com", None),
        ("{tenant}.example.com", "example.com", None),
        ("{tenant}.example.com", "acmeXexample.com", None),
        ("{tenant}.example.com", "acme.example.com.evil", None),
        ("{a}.{b}.example.com", "x.y.example.com", {"a": "x", "b": "y"}),
        ("v{n:int}-api.example.com", "v2-api.example.com", {"n": 2}),
        ("v{n:int}-api.example.com", "vx-api.example.com", None),
    ],
)
def test_a_host_may_be_a_template(
    template: str, host: str, expected: dict[str, Any] | None
) -> None:
    found = HostMatches(template).match(asked("/", host))
    assert (found and found["path_kwargs"]) == expected


@pytest.mark.parametrize(
    "template", ["{a}{b}.example.com", "{a:path}.com", "{a}.{a}.com", "{a:nope}.com", "{a}-{b}.com"]
)
def test_a_bad_template_of_a_host_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        HostMatches(template)


@pytest.mark.feature("G05")
async def test_handlers_get_the_values_of_a_host(serve: Serve) -> None:
    """Beside those of the path, be it a template or a regular expression."""
    application = Application([("/", Named)])
    rules = [("/", Named), ("/items/{id:int}", Named), ("/pages/(?P<page>.*)", Named)]
    application.add_handlers("{tenant}.example.com", rules)
    client = await serve(application).client()
    for target, expected in {
        "/": "tenant='acme'",
        "/items/7": "tenant='acme' id=7",
        "/pages/x": "tenant='acme' page='x'",
    }.items():
        request = f"GET {target} HTTP/1.1\r\nHost: acme.example.com\r\n\r\n"
        assert (await client.ask(request.encode())).text == expected
    assert (await client.ask(b"GET / HTTP/1.1\r\nHost: other\r\n\r\n")).text == ""


# -- cost --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "piece"),
    [
        ("/{a}-{b}-{c}-{d}-{e}", "-"),
        ("/{a}x{b}x{c}x{d}y", "x"),
        ("/{a}/{b}/{c}", "/"),
        ("/{a:path}", "../"),
        ("/{a:path}", "%2e%2e%2f"),
        ("/{a:float}", "1"),
        ("/{a:int}", "1"),
        ("/{a}", "%41"),
    ],
)
def test_the_work_for_a_path_grows_with_its_length_at_most(pattern: str, piece: str) -> None:
    """No regular expression runs on it, so nothing is tried again; calls are counted."""
    matcher = path(pattern)
    short, long = (asked("/" + piece * (length // len(piece))) for length in (1 << 12, 1 << 16))
    matcher.match(short)
    calls = count_calls(lambda: matcher.match(short))
    assert calls <= count_calls(lambda: matcher.match(long)) <= 16 * calls
