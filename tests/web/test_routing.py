"""Routes: which handler a request goes to, and back from names to paths."""

import logging
import re
from typing import Any

import pytest

from tests.http.client import Serve, get
from toolkit.httputil import HTTPServerRequest
from toolkit.routing import (
    AnyMatches,
    HostMatches,
    Matcher,
    PathMatches,
    ReversibleRuleRouter,
    Rule,
    RuleRouter,
)
from toolkit.web import Application, ErrorHandler, RequestHandler, URLSpec, url


class Named(RequestHandler):
    """Answers with the name that its route gives it, and the groups of the path."""

    def initialize(self, name: str = "") -> None:
        self.name = name

    def get(self, *args: str | None, **kwargs: str | None) -> None:
        groups = [*args, *(f"{key}={value}" for key, value in kwargs.items())]
        self.write(" ".join([self.name, *(str(group) for group in groups)]))


def rule(pattern: str, name: str) -> tuple[str, type[RequestHandler], dict[str, str]]:
    """Make a rule whose handler answers with the name."""
    return (pattern, Named, {"name": name})


async def text(serve: Serve, handlers: Any, target: str) -> str:
    """Serve rules and return what a target answers."""
    return (await serve(handlers).get(target)).text


def asked(path: str = "/", host: str = "h") -> HTTPServerRequest:
    """Make a request that did not come through a connection."""
    return HTTPServerRequest("GET", path, host=host)


def claim_unreachable(record: logging.LogRecord) -> bool:
    """Claim what is logged of rules that are never reached."""
    if "is never reached" in record.getMessage():
        record.claimed = True
    return True


# -- order -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "target", "winner"),
    [
        (["/a", "/a"], "/a", 0),
        (["/a", "/(?:.*)"], "/a", 0),
        (["/(?:.*)", "/a"], "/a", 0),
        (["/b", "/(?:.*)", "/a"], "/a", 1),
        (["/b", "/[b-z]", "/a", "/(?:.*)"], "/a", 2),
        (["/[a]", "/a", "/[a]"], "/a", 0),
        (["/a$", "/a"], "/a", 0),
        (["/b", "/c"], "/a", None),
    ],
)
async def test_the_first_rule_that_matches_wins(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    patterns: list[str],
    target: str,
    winner: int | None,
) -> None:
    """Be it a fixed path or not."""
    handlers = [rule(pattern, str(index)) for index, pattern in enumerate(patterns)]
    caplog.handler.addFilter(claim_unreachable)
    answer = await serve(handlers).get(target)
    assert (answer.status, answer.text) == (
        (200, str(winner)) if winner is not None else (404, answer.text)
    )


@pytest.mark.feature("G01")
async def test_a_route_is_a_regular_expression(serve: Serve) -> None:
    """For the whole path, with named groups or unnamed ones."""
    handlers = [
        rule(r"/story/(?P<year>[0-9]{4})/(?P<slug>[a-z-]+)", "named"),
        rule(r"/page/([0-9]+)", "unnamed"),
    ]
    site = serve(handlers)
    assert (await site.get("/story/2020/a-b")).text == "named year=2020 slug=a-b"
    assert (await site.get("/page/7")).text == "unnamed 7"
    for target in ("/story/20/a", "/page/", "/page/7/", "/page/7x", "/a/page/7", "/PAGE/7"):
        assert (await site.get(target)).status == 404, target


async def test_a_query_is_no_part_of_the_path(serve: Serve) -> None:
    assert await text(serve, [rule("/a", "a")], "/a?b=/c") == "a"


@pytest.mark.parametrize(
    ("pattern", "target", "matches"),
    [
        (r"/a\.b", "/a.b", True),
        (r"/a\.b", "/axb", False),
        (r"/a.b", "/axb", True),
        (r"/a\+b", "/a+b", True),
        (r"/\(x\)", "/(x)", True),
        (r"/a\$", "/a$", True),
        (r"/a\-b", "/a-b", True),
        (r"/a%20b", "/a%20b", True),
        (r"/a%20b", "/a b", False),
        (r"/\d+", "/12", True),
        (r"/\d+", "/d+", False),
        (r"/a\\b", "/a\\b", True),
        (r"/(?i:a)", "/A", True),
        (r"/a|/b", "/a", True),
        (r"/a|/b", "/b", True),
        (r"/ab?", "/a", True),
        (r"/ab*c", "/ac", True),
        (r"/a/?", "/a", True),
        (r"/a\-*b", "/ab", True),
        (r"/a{0}b", "/b", True),
        (r"/ab+", "/abb", True),
        (r"/a\\b*", "/a\\", True),
        (r"^/a", "/a", True),
        (r"(?i)/a", "/A", True),
        (r"(?x)/a  # a comment | with an alternative", "/a", True),
        (r"/a(?#|)/b", "/a/b", True),
        (r"/a[|]/b", "/a|/b", True),
        (r"/a\|", "/a|", True),
        (r"/é", "/\xe9", True),
    ],
)
def test_escapes_of_a_pattern_mean_what_they_mean_in_regular_expressions(
    pattern: str, target: str, matches: bool
) -> None:
    router = RuleRouter([Rule(PathMatches(pattern), "re.match")])
    assert (router.match(asked(target)) is not None) is matches


def test_a_compiled_pattern_is_taken_as_it_is() -> None:
    router = RuleRouter([(re.compile("/a$", re.IGNORECASE), "re.match")])
    assert router.match(asked("/A")) is not None
    assert router.match(asked("/b")) is None


def test_fixed_paths_end_where_they_end() -> None:
    """A path with a line end behind it is another path."""
    router = RuleRouter([rule("/a", "fixed"), rule("/b[c]", "regex")])
    assert router.match(asked("/a")) is not None
    for path in ("/a\n", "/a/", "/a%0A", "", "a"):
        assert router.match(asked(path)) is None, path


@pytest.mark.parametrize("kind", ["fixed", "with a group", "nested"])
def test_a_thousand_fixed_paths_cost_what_ten_do(kind: str) -> None:
    """No matcher is asked about a fixed path, at either end of the list."""
    calls = []

    class Counting(Matcher):
        def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
            calls.append(request)
            return None

    def cost(count: int) -> list[int]:
        rules: list[Any] = [Rule(Counting(), "re.match")]
        rules += [(f"/page/{number}", "re.match") for number in range(count)]
        if kind == "with a group":
            rules.append(("/page/([0-9]+)", "re.match"))
        router = RuleRouter([(".*", rules)] if kind == "nested" else rules)
        costs = []
        for number in (0, count // 2, count - 1):
            calls.clear()
            assert router.match(asked(f"/page/{number}")) is not None
            costs.append(len(calls))
        return costs

    assert cost(10) == cost(1000) == [1, 1, 1]


# -- kinds of rules ----------------------------------------------------------------------


async def test_rules_can_be_nested(serve: Serve) -> None:
    """A list that does not match gives the turn to the rules after it."""
    inner = [rule("/a/b", "inner"), rule("/a/(.*)/x", "inner group")]
    handlers = [
        Rule(PathMatches("/a/.*"), inner),
        (PathMatches("/list/.*"), [rule("/list/(.*)", "matcher in a tuple")]),
        ("/str/.*", [rule("/str/a", "pattern in a tuple")]),
        Rule(AnyMatches(), [Rule(AnyMatches(), [rule("/deep", "deep")])]),
        rule("/(.*)", "outer"),
    ]
    site = serve(handlers)
    for target, expected in {
        "/a/b": "inner",
        "/a/q/x": "inner group q",
        "/a/c": "outer a/c",
        "/list/y": "matcher in a tuple y",
        "/str/a": "pattern in a tuple",
        "/str/b": "outer str/b",
        "/deep": "deep",
    }.items():
        assert (await site.get(target)).text == expected


async def test_url_makes_a_rule(serve: Serve) -> None:
    made = url(r"/a/([0-9]+)", Named, {"name": "made"}, name="a")
    assert isinstance(made, URLSpec)
    assert (made.name, made.kwargs, made.handler_class) == ("a", {"name": "made"}, Named)
    assert made.reverse(7) == "/a/7"
    assert await text(serve, [made], "/a/7") == "made 7"


async def test_a_handler_can_be_named_by_its_import_path(serve: Serve) -> None:
    handlers = [("/", "toolkit.web.ErrorHandler", {"status_code": 418})]
    assert (await serve(handlers).get()).status == 418


async def test_a_matcher_of_ones_own_gives_arguments(serve: Serve) -> None:
    class Header(Matcher):
        def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
            version = request.headers.get("X-Version")
            return None if version is None else {"path_args": [version.encode()]}

    site = serve([Rule(Header(), Named, {"name": "header"}), rule("/", "path")])
    assert (await site.get()).text == "path"
    assert (await site.get("/", "X-Version: 2\r\n")).text == "header 2"


@pytest.mark.parametrize("pattern", [r"/(?P<a>x)/(y)", r"/(x)/(?P<a>y)", r"/(?P<a>x)(?P<b>y)(z)"])
def test_groups_are_all_named_or_all_unnamed(pattern: str) -> None:
    for make in (PathMatches, lambda pattern: URLSpec(pattern, Named)):
        with pytest.raises(ValueError, match="all named or all positional"):
            make(pattern)
    with pytest.raises(ValueError, match="all named or all positional"):
        Application([(pattern, Named)])


@pytest.mark.parametrize("target", [object, object(), None, 7, dict, Application])
def test_a_target_that_serves_nothing_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match="RequestHandler subclass"):
        Application([("/", target)])
    with pytest.raises(TypeError, match="RequestHandler subclass"):
        Application([("/.*", [("/a", target)])])
    with pytest.raises(TypeError, match="RequestHandler subclass"):
        Application().add_handlers("h", [("/", target)])


@pytest.mark.parametrize("made", [("/",), (), ("/", Named, {}, "name", "surplus")])
def test_a_rule_has_two_to_four_items(made: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="2 to 4 items"):
        Application([made])


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(re.error):
        Application([("/(", Named)])


def test_a_handler_that_cannot_be_imported_is_refused() -> None:
    with pytest.raises(ImportError):
        Application([("/", "toolkit.web.NoSuchHandler")])


# -- hosts -------------------------------------------------------------------------------


@pytest.mark.feature("G05")
@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("example.com", "example"),
        ("EXAMPLE.com", "example"),
        ("example.com:8888", "example"),
        ("Example.Com:80", "example"),
        ("www.example.com", "subdomain"),
        ("a.b.example.com:1", "subdomain"),
        ("example.com.evil", "any"),
        ("evilexample.com", "any"),
        ("example_com", "any"),
        ("[::1]:80", "v6"),
        ("[::1]", "v6"),
        ("", "any"),
    ],
)
async def test_routes_can_depend_on_the_host(serve: Serve, host: str, answer: str) -> None:
    """Whatever its port and its case; hosts are tried before the rules for all of them."""
    application = Application([rule("/", "any"), rule("/all", "all")])
    application.add_handlers(r"example\.com", [rule("/", "example")])
    application.add_handlers(r".*\.example\.com", [rule("/", "subdomain")])
    application.add_handlers(r"\[::1\]", [rule("/", "v6")])
    client = await serve(application).client()
    seen = await client.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert seen.text == answer
    seen = await client.ask(f"GET /all HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert seen.text == "all"


async def test_the_host_of_an_absolute_target_counts(serve: Serve) -> None:
    application = Application([rule("/", "any")])
    application.add_handlers("inner", [rule("/", "inner")])
    client = await serve(application).client()
    assert (await client.ask(b"GET http://inner/ HTTP/1.1\r\nHost: h\r\n\r\n")).text == "inner"
    assert (await client.ask(b"GET http://h/ HTTP/1.1\r\nHost: inner\r\n\r\n")).text == "any"


@pytest.mark.feature("L14")
@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/", "example.com", 200),
        ("/", "www.EXAMPLE.com:8080", 200),
        ("/", "evil.com", 404),
        ("/", "example.com.evil.com", 404),
        ("/", "evilexample.com", 404),
        ("/", "127.0.0.1", 404),
        ("/", "", 404),
        ("http://evil.com/", "example.com", 404),
        ("http://example.com/", "evil.com", 200),
    ],
)
async def test_rules_for_trusted_hosts_alone_refuse_all_others(
    serve: Serve, target: str, host: str, status: int
) -> None:
    """No handler sees a request for a host that the program does not know."""
    statuses: list[int] = []
    application = Application(log_function=lambda handler: statuses.append(handler.get_status()))
    application.add_handlers(r"(?:www\.)?example\.com", [rule("/", "trusted")])
    client = await serve(application).client()
    seen = await client.ask(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (seen.status, seen.text == "trusted") == (status, status == 200)
    assert statuses == [status]


async def test_of_several_rules_for_a_host_the_first_wins(serve: Serve) -> None:
    application = Application()
    application.add_handlers("h", [rule("/a", "first")])
    application.add_handlers(".*", [rule("/a", "second"), rule("/b", "second")])
    site = serve(application)
    assert (await site.get("/a")).text == "first"
    assert (await site.get("/b")).text == "second"


def test_host_matches_takes_a_compiled_pattern() -> None:
    matcher = HostMatches(re.compile("h[0-9]"))
    assert matcher.match(asked(host="h1:80")) == {}
    assert matcher.match(asked(host="x")) is None


# -- nothing matches ---------------------------------------------------------------------


async def test_the_default_handler_answers_what_no_rule_matches(serve: Serve) -> None:
    settings = {
        "default_handler_class": Named,
        "default_handler_args": {"name": "nothing"},
    }
    assert (await serve([], settings).get("/nowhere")).text == "nothing"
    settings = {"default_handler_class": Named}
    assert (await serve([], settings).get("/nowhere")).text == ""
    settings = {"default_handler_class": ErrorHandler, "default_handler_args": {"status_code": 410}}
    assert (await serve([], settings).get("/nowhere")).status == 410
    assert (await serve([]).get("/nowhere")).status == 404


async def test_what_a_handler_makes_of_its_arguments_is_for_one_request(serve: Serve) -> None:
    """What a path has come to is remembered; a handler has a copy of it."""

    class Greedy(RequestHandler):
        """Adds to the arguments of the path."""

        def prepare(self) -> None:
            self.path_args.append("more")

        def get(self, *args: str) -> None:
            self.write(" ".join(args))

    client = await serve([("/([a-z]+)", Greedy)]).client()
    assert [(await client.get("/x")).text for _ in range(3)] == ["x more"] * 3


def test_paths_are_matched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it depends on nothing else than the path, and within bounds."""
    asked_for: list[str] = []
    match = PathMatches.match

    def counting(self: PathMatches, request: HTTPServerRequest) -> Any:
        asked_for.append(request.path)
        return match(self, request)

    monkeypatch.setattr(PathMatches, "match", counting)
    by_header = PathMatches("/b/(.*)") & HostMatches("h")
    router = RuleRouter([Rule(by_header, Named), (r"/a/(.*)", Named), (r"/b/(.*)", Named)])
    short, long = "/a/x", "/a/" + "x" * 1000
    matches = [router.match(asked(path)) for path in (short, short, long, long, "/b/y", "/b/y")]
    assert matches[0] == matches[1] == (Named, {}, [b"x"], {})
    assert asked_for.count(short) == 1
    assert asked_for.count(long) == 2
    assert asked_for.count("/b/y") >= 2
    for number in range(3000):
        router.match(asked(f"/a/{number}"))
    assert len(router._seen) <= 1024


# -- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "args", "path"),
    [
        ("/a", (), "/a"),
        ("/a/([0-9]+)", (7,), "/a/7"),
        ("/a/(.*)/b/(.*)", ("x", "y"), "/a/x/b/y"),
        ("/a/(.*)", ("x/y ?&é",), "/a/x%2Fy%20%3F%26%C3%A9"),
        ("/a/(.*)", (b"\xc3\xa9",), "/a/%C3%A9"),
        ("/a/(.*)", (b"\xe9",), "/a/%E9"),
        ("/a/(.*)", ("",), "/a/"),
        ("/a/(?P<x>[a-z]+)", ("b",), "/a/b"),
        (r"/a\.b/([0-9]+)\.html", (1,), "/a.b/1.html"),
        ("/100%/(.*)", ("x",), "/100%/x"),
        ("^/a/(.*)$", ("x",), "/a/x"),
    ],
)
def test_a_name_gives_back_its_path(pattern: str, args: tuple[Any, ...], path: str) -> None:
    """Arguments are percent-encoded, slashes too, so that the path leads back to the route."""
    application = Application([(pattern, Named, {}, "name")])
    assert application.reverse_url("name", *args) == path


def test_a_reversed_path_leads_back() -> None:
    application = Application([url("/a/([^/]*)/([^/]*)", Named, name="name")])
    args = ["x/y", "é ?%2F"]
    match = application.match(asked(application.reverse_url("name", *args)))
    assert [value.decode() for value in match[2] if value is not None] == args


def test_a_wrong_number_of_arguments_is_an_error() -> None:
    application = Application([("/a/(.*)/(.*)", Named, {}, "two"), ("/b", Named, {}, "none")])
    for name, args in (("two", ()), ("two", ("x",)), ("two", "xyz"), ("none", ("x",))):
        with pytest.raises(ValueError, match="arguments"):
            application.reverse_url(name, *args)


def test_an_unknown_name_is_an_error() -> None:
    application = Application([("/a", Named), ("/b", Named, {}, "known")])
    with pytest.raises(KeyError, match="unknown"):
        application.reverse_url("unknown")
    with pytest.raises(KeyError):
        application.reverse_url("")


def test_a_pattern_that_is_too_involved_has_no_way_back() -> None:
    """It still routes; what it cannot do is said when somebody asks."""
    for pattern in ("/(?:a|b)/(.*)", "/((a)b)", r"/\d+/(.*)"):
        application = Application([(pattern, Named, {}, "name")])
        with pytest.raises(ValueError, match=r"too involved|arguments"):
            application.reverse_url("name", "x")


def test_names_of_nested_rules_and_of_hosts_are_found() -> None:
    application = Application([("/.*", [url("/inner/(.*)", Named, name="inner")])])
    application.add_handlers("h", [url("/host", Named, name="host")])
    assert application.reverse_url("inner", 1) == "/inner/1"
    assert application.reverse_url("host") == "/host"


def test_of_two_rules_of_a_name_the_later_counts(caplog: pytest.LogCaptureFixture) -> None:
    router = ReversibleRuleRouter(
        [URLSpec("/a", "re.match", name="n"), URLSpec("/b", "re.match", name="n")]
    )
    assert router.reverse_url("n") == "/b"
    (record,) = [record for record in caplog.records if record.name == "toolkit.application"]
    assert "Multiple handlers named n" in record.getMessage()
    record.claimed = True


async def test_a_reversed_path_can_be_asked_for(serve: Serve) -> None:
    site = serve([url("/a/(.*)", Named, {"name": "found"}, name="name")])
    path = site.application.reverse_url("name", "x/y é")
    client = await site.client()
    assert (await client.ask(get(path))).text == "found x/y é"
