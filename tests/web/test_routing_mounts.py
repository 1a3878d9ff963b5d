"""Rules under a prefix, rules for what is not the path, and the methods that a path takes."""

import re
from typing import Any

import pytest

from tests.http.client import Serve, get
from tests.loops import expect_log
from toolkit.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    ResponseStartLine,
)
from toolkit.routing import (
    AnyMatches,
    DefaultHostMatches,
    HeaderMatches,
    HostMatches,
    Matcher,
    MethodMatches,
    PathMatches,
    PrefixMatches,
    QueryMatches,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
    Where,
    mount,
    path,
)
from toolkit.web import Application, RequestHandler, url
from toolkit.wire.events import RequestHead
from toolkit.wsgi import WSGIContainer


class Named(RequestHandler):
    """Answers with the name of its route, and what it gets from the path."""

    def initialize(self, name: str = "") -> None:
        self.name = name

    def get(self, *args: Any, **kwargs: Any) -> None:
        values = [*args, *(f"{key}={value}" for key, value in kwargs.items())]
        self.write(" ".join([self.name, *map(str, values)]))


class Getting(RequestHandler):
    """Takes GET."""

    def get(self, **kwargs: Any) -> None:
        self.write("got")


class Putting(RequestHandler):
    """Takes PUT."""

    def put(self, **kwargs: Any) -> None:
        self.write("put")


def asked(target: str, method: str = "GET", **headers: str) -> HTTPServerRequest:
    """Make a request that did not come through a connection."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPServerRequest(method, target, headers=HTTPHeaders(fields), host="h")


def named(pattern: Any, name: str) -> Any:
    """Make a rule whose handler answers with its name, by which it is reversed too."""
    return (pattern, Named, {"name": name}, name)


# -- mounts ------------------------------------------------------------------------------

USERS = [
    named("/", "list"),
    named("/{id:int}", "one"),
    named(r"/page/([0-9]+)", "page"),
    named("/a|/b", "either"),
    (PathMatches("/deep/.*"), [named("/deep/{x}", "deep")]),
    mount("/inner", [named("/{y}", "inner")]),
]


@pytest.mark.feature("G06")
async def test_rules_can_be_mounted_several_times(serve: Serve) -> None:
    """Under prefixes and names of their own; what no rule matches goes on behind the mount."""
    rules = [
        mount("/v1/users", USERS, name="v1"),
        mount("/v2/users", USERS, name="v2"),
        named("/(.*)", "rest"),
    ]
    site = serve(rules)
    for target, expected in {
        "/v1/users/": "list",
        "/v1/users/7": "one id=7",
        "/v2/users/7": "one id=7",
        "/v1/users/page/3": "page 3",
        "/v2/users/b": "either",
        "/v1/users/deep/z": "deep x=z",
        "/v1/users/inner/z": "inner y=z",
        "/v1/users": "rest v1/users",
        "/v1/users/x": "rest v1/users/x",
        "/v1/usersx/7": "rest v1/usersx/7",
        "/b": "rest b",
        "/7": "rest 7",
    }.items():
        assert (await site.get(target)).text == expected
    reverse = site.application.reverse_url
    assert reverse("v1:one", 7) == "/v1/users/7"
    assert reverse("v2:page", 3, q=1) == "/v2/users/page/3?q=1"
    assert reverse("v2:deep", x="z") == "/v2/users/deep/z"
    assert reverse("v1:inner", y="z") == "/v1/users/inner/z"
    assert reverse("rest", "") == "/"
    with pytest.raises(KeyError):
        reverse("one", 7)


def test_a_mounted_router_stays_as_it_is() -> None:
    """It goes on to serve by itself, and what is added later does not come to the mount."""
    inner = ReversibleRuleRouter([url("/{id:int}", Named, name="one")])
    outer = ReversibleRuleRouter([mount("/a", inner), mount("/b", inner, name="b")])
    assert outer.reverse_url("one", 1) == "/a/1"
    assert outer.reverse_url("b:one", 1) == "/b/1"
    assert inner.reverse_url("one", 1) == "/1"
    for router, target in ((outer, "/a/1"), (outer, "/b/1"), (inner, "/1")):
        match = router.match(asked(target))
        assert match is not None
        assert match[3] == {"id": 1}
    assert outer.match(asked("/1")) is None


@pytest.mark.feature("G06")
async def test_a_prefix_may_have_parameters(serve: Serve) -> None:
    """All rules below get their values, those that match something else than the path too."""
    rules = [
        named("/", "home"),
        named("/users/{id:int}", "user"),
        (HeaderMatches("X-Any"), Named, {"name": "any"}),
    ]
    site = serve([mount("/{tenant}/v{version:int}", rules)])
    assert (await site.get("/acme/v2/")).text == "home tenant=acme version=2"
    assert (await site.get("/acme/v2/users/7")).text == "user tenant=acme version=2 id=7"
    assert (await site.get("/acme/v2/x", "X-Any: 1\r\n")).text == "any tenant=acme version=2"
    assert (await site.get("/acme/vx/", "X-Any: 1\r\n")).status == 404
    assert site.application.reverse_url("user", "a/b", 2, 7) == "/a%2Fb/v2/users/7"
    assert site.application.reverse_url("user", tenant="a", version=1, id=2) == "/a/v1/users/2"


def test_under_parameters_a_regular_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="fixed paths and templates"):
        mount("/{tenant}", [("/([0-9]+)", Named)])


@pytest.mark.parametrize("prefix", ["api", "/api/", "/", "//a", "/{x:path}", "/a?b", ""])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(prefix))):
        mount(prefix, [("/", Named)])


def test_arguments_for_a_list_of_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="each rule has its own"):
        mount("/a", [("/", Named)], {"name": "x"})


@pytest.mark.feature("G12")
async def test_a_prefix_can_have_a_sink(serve: Serve) -> None:
    """A handler for all below it, beside the rules before."""
    site = serve(
        [
            named("/files/special", "special"),
            mount("/files", Named, {"name": "sink"}, name="files"),
            mount("/{x}/files", Named, {"name": "deeper"}),
        ]
    )
    for target, expected in {
        "/files": "sink",
        "/files/": "sink",
        "/files/a/b": "sink",
        "/files/special": "special",
        "/a/files/b": "deeper x=a",
    }.items():
        assert (await site.get(target)).text == expected
    assert (await site.get("/filesystem")).status == 404
    assert (await site.get("/a/b/files")).status == 404
    assert site.application.reverse_url("files") == "/files"


async def test_matchers_of_all_kinds_can_be_mounted(serve: Serve) -> None:
    rules = [
        (path("/a") & HeaderMatches("X-A"), Named, {"name": "both"}),
        (PathMatches(re.compile("/B/[0-9]+$", re.IGNORECASE)), Named, {"name": "compiled"}),
        (HostMatches("other"), Named, {"name": "host"}),
        (Where(lambda request: request.path.endswith("/where")), Named, {"name": "where"}),
        (AnyMatches(), Named, {"name": "rest"}),
    ]
    site = serve([mount("/in", rules)])
    client = await site.client()
    assert (await site.get("/in/a", "X-A: 1\r\n")).text == "both"
    assert (await site.get("/in/a")).text == "rest"
    assert (await site.get("/in/b/7")).text == "compiled"
    assert (await site.get("/in/x/where")).text == "where"
    assert (await site.get("/in")).text == "rest"
    assert (await client.ask(b"GET /in/x HTTP/1.1\r\nHost: other\r\n\r\n")).text == "host"
    for target in ("/a", "/x/where", "/b/7"):
        assert (await client.ask(get(target))).status == 404


# -- other conditions --------------------------------------------------------------------


@pytest.mark.feature("G09")
@pytest.mark.parametrize(
    ("matcher", "request_", "matches"),
    [
        (HeaderMatches("X-A"), asked("/"), False),
        (HeaderMatches("X-A"), asked("/", X_A=""), True),
        (HeaderMatches("x-a", "[0-9]+"), asked("/", X_A="12"), True),
        (HeaderMatches("X-A", "[0-9]+"), asked("/", X_A="12a"), False),
        (HeaderMatches("X-A", re.compile("v", re.IGNORECASE)), asked("/", X_A="V"), True),
        (QueryMatches("q"), asked("/?q=1"), True),
        (QueryMatches("q"), asked("/"), False),
        (QueryMatches("q", "[a-c]é"), asked("/?q=x&q=b%C3%A9"), True),
        (QueryMatches("q", "1"), asked("/?q=12"), False),
        (MethodMatches("GET", "PUT"), asked("/", "PUT"), True),
        (MethodMatches("GET", "PUT"), asked("/", "POST"), False),
        (MethodMatches("GET"), asked("/", "get"), False),
        (Where(lambda request: request.path == "/"), asked("/"), True),
        (Where(lambda request: False), asked("/"), False),
        (MethodMatches("GET") & HeaderMatches("X-A"), asked("/", X_A="1"), True),
        (MethodMatches("PUT") & HeaderMatches("X-A"), asked("/", X_A="1"), False),
        (path("/a") & MethodMatches("GET") & QueryMatches("q"), asked("/a?q=1"), True),
        (path("/b") & MethodMatches("GET") & QueryMatches("q"), asked("/a?q=1"), False),
    ],
)
def test_a_rule_can_depend_on_more_than_the_path(
    matcher: Matcher, request_: HTTPServerRequest, matches: bool
) -> None:
    assert (RuleRouter([Rule(matcher, Named)]).match(request_) is not None) is matches


def test_a_query_with_too_many_fields_matches_no_condition() -> None:
    """The error is the handler's, who answers 400."""
    head = RequestHead("GET", "/?" + "&".join(["q=1"] * 100_000), [])
    request = HTTPServerRequest.received(head, None)
    with pytest.raises(HTTPInputError):
        assert request.query_arguments
    assert QueryMatches("q").match(request) is None


@pytest.mark.feature("G09")
async def test_values_of_conditions_come_together(serve: Serve) -> None:
    """A function of the user's can give arguments, beside those of the path."""

    def language(request: HTTPServerRequest) -> dict[str, Any] | None:
        found = request.headers.get("Accept-Language")
        return {"path_kwargs": {"language": found}} if found else None

    rules = [
        (path("/{x}") & Where(lambda r: language(r) or False), Named, {"name": "a"}, "a"),
        named("/{x}", "b"),
    ]
    site = serve(rules)
    assert (await site.get("/1")).text == "b x=1"
    assert (await site.get("/1", "Accept-Language: de\r\n")).text == "a x=1 language=de"
    assert site.application.reverse_url("a", x=1, q=2) == "/1?q=2"


async def test_values_of_the_default_host_are_those_of_its_template() -> None:
    """Whatever host a request names."""
    application = Application(default_host="acme.example.com")
    matcher = DefaultHostMatches(application, HostMatches("{tenant}.example.com"))
    match = RuleRouter([(matcher, [("/items/{id:int}", Named)])]).match(asked("/items/7"))
    assert match is not None
    assert match[3] == {"tenant": "acme", "id": 7}
    assert matcher.match(asked("/", X_Real_Ip="::1")) is None
    by_pattern = DefaultHostMatches(application, re.compile(r".*\.example\.com"))
    assert by_pattern.match(asked("/")) == {}
    assert DefaultHostMatches(application, re.compile("x")).match(asked("/")) is None


def test_a_matcher_says_what_it_is() -> None:
    """For messages and lists of routes."""
    matchers = [
        MethodMatches("PUT", "GET"),
        HeaderMatches("X-A", "b"),
        QueryMatches("q", "b"),
        PathMatches("/a"),
        PrefixMatches("/a"),
    ]
    assert [repr(matcher) for matcher in matchers] == [
        "MethodMatches('GET', 'PUT')",
        "HeaderMatches('X-A', 'b')",
        "QueryMatches('q', 'b')",
        "PathMatches('/a$')",
        "PrefixMatches('/a')",
    ]
    assert repr(Where(len)) == f"Where({len!r})"


def test_a_combination_without_a_path_has_no_way_back() -> None:
    router = ReversibleRuleRouter([Rule(HeaderMatches("X-A") & AnyMatches(), Named, name="n")])
    assert router.reverse_url("n") is None


@pytest.mark.parametrize("method", ["get", "Get"])
def test_a_method_in_small_letters_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="capitals"):
        MethodMatches(method)


# -- routers of a user's own -------------------------------------------------------------


@pytest.mark.feature("G19")
async def test_a_router_of_ones_own_gets_what_the_rule_before_found(serve: Serve) -> None:
    """It stands in for rules, or for the whole application."""
    application = Application([])

    class Mine(Router):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
            if request.path.endswith("/none"):
                return None
            kwargs["path_kwargs"] = {**kwargs.get("path_kwargs", {}), "mine": b"yes"}
            return application.get_handler_delegate(request, Named, {"name": "mine"}, **kwargs)

    site = serve([mount("/{x}/mine", Mine()), named("/a/mine/none", "next")])
    assert (await site.get("/a/mine/b")).text == "mine x=a mine=yes"
    assert (await site.get("/a/mine/none")).text == "next"
    assert (await serve(Mine()).get("/any")).text == "mine mine=yes"


async def test_a_router_serves_targets_of_all_kinds_by_itself(serve: Serve) -> None:
    """Without an application around it; what has nothing for a request lets the next one try."""

    def function(request: HTTPServerRequest) -> None:
        request.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders())
        request.connection.write(b"function")
        request.connection.finish()

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"WSGI"]

    nothing = RuleRouter()
    router = RuleRouter(
        [
            ("/.*", nothing),
            (PathMatches("/app/.*"), Application([named("/app/{x}", "application")])),
            ("/function", function),
            mount("/wsgi", WSGIContainer(wsgi)),
        ]
    )
    site = serve(router)
    for target, expected in {
        "/app/7": "application x=7",
        "/function": "function",
        "/wsgi/a": "WSGI",
    }.items():
        assert (await site.get(target)).text == expected
    assert (await site.get("/none")).status == 404


async def test_an_application_hands_a_request_on_to_targets_of_all_kinds(serve: Serve) -> None:
    """With the arguments of each rule, and of the prefix that it is under."""

    class Mine(Router):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> None:
            seen.append(kwargs)

    seen: list[dict[str, Any]] = []
    rules = [
        (path("/a/{x:int}"), Mine(), {"k": 1}),
        ("/a/{y}", Named, {"name": "after"}),
    ]
    site = serve([mount("/{tenant}", rules)])
    assert (await site.get("/acme/a/7")).text == "after tenant=acme y=7"
    (kwargs,) = seen
    assert kwargs == {"path_kwargs": {"tenant": "acme", "x": 7}, "target_kwargs": {"k": 1}}


# -- methods and slashes -----------------------------------------------------------------


@pytest.mark.feature("G15")
@pytest.mark.parametrize(
    ("target", "methods"),
    [
        ("/get", ["GET"]),
        ("/both", ["GET", "PUT"]),
        ("/both/7", ["GET", "PUT"]),
        ("/in/both", ["GET", "PUT"]),
        ("/odd", ["PROPFIND"]),
        ("/only", ["PUT"]),
        ("/none", []),
    ],
)
def test_a_path_knows_the_methods_that_it_takes(target: str, methods: list[str]) -> None:
    """Those that both its rules and their handlers take; the request itself is not changed."""

    class Odd(RequestHandler):
        SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "PROPFIND")
        propfind = Getting.get

    rules = [
        ("/get", Getting),
        (path("/both") & MethodMatches("GET"), Getting),
        (path("/both") & MethodMatches("PUT"), Putting),
        (path("/both/{x}") & MethodMatches("GET", "HEAD"), Getting),
        ("/both/{x}", Putting),
        ("/odd", Odd),
        (path("/only") & MethodMatches("PUT", "POST"), Putting),
    ]
    router = RuleRouter([*rules, mount("/in", rules)])
    request = asked(target, "POST")
    allowed = router.allowed_methods(request)
    assert [method for method in allowed if method not in ("HEAD", "OPTIONS")] == methods
    assert request.method == "POST"


def test_a_target_that_does_not_say_takes_all_methods() -> None:
    router = RuleRouter([("/", lambda request: None)])
    assert {"GET", "PUT", "DELETE", "OPTIONS"} <= {*router.allowed_methods(asked("/"))}


@pytest.mark.parametrize(
    ("target", "other"),
    [
        ("/a/", "/a"),
        ("/b", "/b/"),
        ("/b?q=1", "/b/"),
        ("/c/7/", "/c/7"),
        ("/a", None),
        ("/none", None),
        ("/", None),
        ("*", None),
        ("", None),
    ],
)
def test_a_path_is_found_by_its_other_slash(target: str, other: str | None) -> None:
    """Paths are strict; this is for the one who wants to redirect."""
    router = RuleRouter([("/a", Named), ("/b/", Named), ("/c/{x:int}", Named)])
    assert router.other_slash(asked(target)) == other


@pytest.mark.parametrize(
    "target",
    ["//evil.example/a", "/\\evil.example/a", "/\t/evil.example/a", "\x01//evil.example/a"],
)
def test_the_other_slash_leads_to_no_other_host(target: str) -> None:
    """CVE-2023-28370 (tornado), CVE-2021-21330 (aiohttp), CVE-2020-28724 (werkzeug)."""
    router = RuleRouter([(".*", Named)])
    assert router.other_slash(asked(target)) is None


# -- rules that are never reached --------------------------------------------------------


@pytest.mark.feature("G14")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/a"),
        ("/a", "^/a$"),
        ("/a(.*)", "/ab"),
        ("/(.*)", "/ab"),
        ("/(.*)", "/ab/([0-9]+)"),
        ("/(.*)", "/ab/{x}"),
        (".*", HeaderMatches("X-A")),
        (AnyMatches(), "/a"),
        (AnyMatches(), AnyMatches()),
        ("/a/([0-9]+)", "/a/([0-9]+)"),
        ("/a/([0-9]+)", "/a/7"),
        (r"/a\.(?:.*)", r"/a\.b/[cd]"),
        ("/a/{x}", "/a/{y}"),
        ("/a/{x}", "/a/{y:int}"),
        ("/a/{x}", "/a/b"),
        ("/a/{x}", path("/a/b") & HeaderMatches("X-A")),
        ("/a/{x:int}", "/a/7"),
        ("/a/{x}/{y}", "/a/{x:int}/v{y}"),
        ("/{x}/{y:int}", "/a/{y:int}"),
        ("/{x:path}", "/a/{x}"),
        ("/a/{x:path}", "/a/{y:path}"),
        ("/a/{x:path}", "/a/b"),
        (path("/a"), "/a"),
        (PrefixMatches("/a"), "/a/{x}"),
        (PrefixMatches("/a"), PrefixMatches("/a/b")),
        (PrefixMatches("/a"), "/a"),
    ],
)
def test_a_rule_that_is_never_reached_is_reported(
    caplog: pytest.LogCaptureFixture, first: Any, second: Any
) -> None:
    """With both places, when it is added."""
    RuleRouter(
        [
            ("/before", Named),
            Rule(first, Named) if isinstance(first, Matcher) else url(first, Named),
            Rule(second, Getting) if isinstance(second, Matcher) else url(second, Getting),
        ]
    )
    (record,) = expect_log(caplog, "toolkit.application", r"Rule 3, .* is never reached: rule 2, ")
    assert record.getMessage().count("test_routing_mounts.py:") == 2
    assert "Getting" in record.getMessage()
    assert "Named" in record.getMessage()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/b"),
        ("/a/(.+)", "/a/"),
        ("/a/(.*)", "/a"),
        ("/a/(.*)", "/([ab])/c"),
        ("/a/([0-9]+)", "/a/([a-z]+)"),
        ("/a/{x:int}", "/a/{x}"),
        ("/a/{x:int}", "/a/b"),
        ("/a/{x}", "/a/{x}/b"),
        ("/a/{x}", "/a/{x:path}"),
        ("/a/{x}", "/a/(.*)"),
        ("/a/{x:path}", "/a/(.*)"),
        ("/a/{x:path}", "/a//{x}"),
        ("/{x}", PrefixMatches("/{x}")),
        ("/{x:path}", PrefixMatches("/a")),
        (path("/a") & HeaderMatches("X-A"), "/a"),
        (HostMatches(".*"), "/a"),
        (re.compile("/a$"), re.compile("/a$", re.IGNORECASE)),
        (HeaderMatches("X-A"), HeaderMatches("X-A")),
    ],
)
def test_a_rule_that_may_be_reached_is_not_reported(
    caplog: pytest.LogCaptureFixture, first: Any, second: Any
) -> None:
    RuleRouter([(first, Named), (second, Getting)])
    assert caplog.messages == []


def test_behind_what_may_pass_a_request_on_nothing_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Lists of rules, routers and applications may have nothing for a request."""
    for target in ([("/b", Named)], RuleRouter(), Application([])):
        RuleRouter([(".*", target), ("/a", Named)])
    assert caplog.messages == []


@pytest.mark.feature("G14")
def test_a_router_may_refuse_what_is_never_reached() -> None:
    class Strict(RuleRouter):
        def report_unreachable(self, rule: Rule, before: Rule) -> None:
            raise ValueError(f"{rule!r} behind {before!r}")

    with pytest.raises(ValueError, match="behind"):
        Strict([("/a", Named), ("/a", Named)])
