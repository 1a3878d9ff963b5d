"""`Application`: routes and settings."""

import asyncio
import socket
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast

from toolkit import autoreload
from toolkit.http1connection import Exchange, ExchangeDelegate
from toolkit.httpserver import HTTPServer, Lifespan
from toolkit.httputil import (
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
)
from toolkit.ioloop import IOLoop, Watchdog
from toolkit.log import access_level, access_log
from toolkit.netutil import DEFAULT_BACKLOG
from toolkit.routing import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    Match,
    ReversibleRouter,
    ReversibleRuleRouter,
    Rule,
    RuleLike,
    RuleRouter,
)
from toolkit.web.dispatch import blocked_by, is_handler_class, serve, serve_found
from toolkit.web.handler import RequestHandler
from toolkit.web.pages import ErrorHandler, SlashHandler
from toolkit.web.state import State
from toolkit.web.static import StaticFileHandler
from toolkit.web.threads import in_threads
from toolkit.web.transforms import OutputTransform, compressing
from toolkit.web.uimodules import BUILT_IN, UIModule, find_methods, find_modules

_Lifespan = TypeVar("_Lifespan", bound=Callable[[Any], AsyncGenerator[Any, None]])

#: What the setting ``debug`` sets, unless they are set.
_DEBUG = {
    "autoreload": True,
    "compiled_template_cache": False,
    "static_hash_cache": False,
    "serve_traceback": True,
}


class Application(ReversibleRouter):
    """A web application: which handler answers which path, and what all of them share.

    Example::

        application = Application(
            [
                (r"/", MainHandler),
                (r"/story/([0-9]+)", StoryHandler, {"database": database}, "story"),
            ],
            static_path="static",
        )
        application.listen(8888, "127.0.0.1")

    Args:
        handlers: rules, or tuples ``(pattern, handler class[, kwargs[, name]])``, tried in
            order.
        default_host: host whose rules a request gets that names none that is known.
        transforms: classes that change the content of answers on its way.
        settings: for handlers. Those that the toolkit itself looks at are below.

    ================================ ===========================================================
    ``debug``                        for development: ``autoreload`` and ``serve_traceback`` are
                                     true, ``compiled_template_cache`` and ``static_hash_cache``
                                     false, each unless it is set
    ``autoreload``                   restart the program when its source changes
    ``serve_traceback``              tell the client what happened, to ``debug_hosts``
    ``default_handler_class``,       for requests that no rule matches
    ``default_handler_args``
    ``error_handlers``               functions of the handler and the exception, by its class or
                                     by the status, that answer in place of `write_error`
    ``log_function``                 takes the handler of each finished request
    ``trailing_slash``               ``"redirect"``: to the path with a slash at its end, or
                                     without, where just that has a rule
    ``plain_methods_in_threads``     methods such as ``def get`` run in threads, and may block
    ``strict_routes``                a rule that is never reached is an error
    ``compress_response``            True for gzip, or codings in order of preference
    ``static_path``,                 a directory of files, below ``/static/`` or the prefix;
    ``static_url_prefix``,           for `RequestHandler.static_url` too
    ``static_handler_class``,
    ``static_handler_args``,
    ``static_hash_cache``
    ``template_path``,               where templates are, or what loads them: see
    ``template_loader``,             `RequestHandler.create_template_loader`
    ``autoescape``,
    ``template_whitespace``,
    ``compiled_template_cache``
    ``ui_modules``, ``ui_methods``   `UIModule` classes and functions of the handler for
                                     templates: a dict, a Python module, or a list of these
    ``cookie_secret``,               the key, or keys, of signed cookies
    ``key_version``
    ``xsrf_cookies``,                whether POST and the like need a token:
    ``xsrf_cookie_name``,            `RequestHandler.check_xsrf_cookie`
    ``xsrf_cookie_version``,
    ``xsrf_cookie_kwargs``
    ``cross_origin_protection``,     whether they have to come from pages of ours, or of the
    ``trusted_origins``              origins named
    ``login_url``                    where `authenticated` sends those who are not logged in
    ================================ ===========================================================

    Attributes:
        settings: what handlers see as `RequestHandler.settings`.
        ui_modules, ui_methods: what templates may use, by name.
        static_handler_class: that serves files.
        nothing: what a request comes to that no rule matches.
        state: what lifespans have yielded; handlers see a copy of it as `RequestHandler.state`.
        life: its lifespan and those of the applications that rules lead to, for servers.
    """

    def __init__(
        self,
        handlers: Sequence[RuleLike] | None = None,
        default_host: str | None = None,
        transforms: Sequence[type[OutputTransform]] | None = None,
        **settings: Any,
    ) -> None:
        self.settings = settings
        #: Whether a rule leads to something else than a handler class.
        self.has_other_targets = False
        if blocked_by not in Watchdog.describers:
            Watchdog.describers.append(blocked_by)
        self._finds_handlers = any(
            getattr(type(self), name) is not getattr(Application, name)
            for name in ("find_handler", "get_handler_delegate")
        )
        self.default_host = default_host
        self.transforms = list(transforms or ())
        coding = settings.get("compress_response") or settings.get("gzip")
        if transforms is None and coding:
            self.add_transform(compressing(coding))
        if settings.get("debug"):
            for name, value in _DEBUG.items():
                settings.setdefault(name, value)
        self.ui_modules: dict[str, type[UIModule]] = {
            **BUILT_IN,
            **find_modules(settings.get("ui_modules", {})),
        }
        self.ui_methods: dict[str, Callable[..., Any]] = find_methods(
            settings.get("ui_methods", {})
        )
        self.static_handler_class: type[StaticFileHandler] = settings.get(
            "static_handler_class", StaticFileHandler
        )
        self.state = State()
        self.life = Lifespan()
        rules = [*self._static_rules(), *(handlers or ())]
        self.wildcard_router = _HandlerRouter(self, rules)
        self.life.include(self.wildcard_router.life)
        self.default_router = _HandlerRouter(self, [Rule(AnyMatches(), self.wildcard_router)])
        self._by_host = False
        if IOLoop.current(instance=False) is not None:
            # Else `listen` does it, when there is a loop to watch in.
            self._watch_sources()
        self.nothing: Match = (
            settings.get("default_handler_class", ErrorHandler),
            settings.get("default_handler_args", {"status_code": 404})
            if "default_handler_class" not in settings
            else settings.get("default_handler_args", {}),
            (),
            {},
        )

    def _static_rules(self) -> list[RuleLike]:
        path = self.settings.get("static_path")
        if not path:
            return []
        handler = self.static_handler_class
        kwargs = {**self.settings.get("static_handler_args", {}), "path": path}
        prefix = self.settings.get("static_url_prefix", "/static/")
        patterns = [prefix + "(.*)"]
        if prefix != "/":
            patterns += [r"/(favicon\.ico)", r"/(robots\.txt)"]
        return [(pattern, handler, kwargs) for pattern in patterns]

    def lifespan(self, function: _Lifespan) -> _Lifespan:
        """Have an asynchronous generator run while the application is served; a decorator.

        Up to its ``yield`` it runs before the first connection is accepted, from there on once
        the last request is over. Several begin in the order in which they were added and end in
        reverse, each of them also where another one fails. If one cannot begin, those before it
        end again, and the application is not served.

        What it yields is found in `state` by its class, and the values of a dict by their names.

        Example::

            @application.lifespan
            async def database(application):
                async with Database("postgres://...") as database:
                    yield database

            class UserHandler(RequestHandler):
                async def get(self, id):
                    self.write(await self.state[Database].user(id))
        """
        self.life.add(partial(_open, self, function))
        return function

    def listen(
        self,
        port: int,
        address: str | None = None,
        *,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
        **kwargs: Any,
    ) -> HTTPServer:
        """Serve the application on a port; other arguments are those of `HTTPServer`."""
        self._watch_sources()
        server = HTTPServer(self, **kwargs)
        server.listen(port, address, family, backlog, flags, reuse_port)
        return server

    def _watch_sources(self) -> None:
        """Restart the program when its source changes, if the setting ``autoreload`` asks so."""
        if self.settings.get("autoreload"):
            autoreload.start()

    def add_handlers(self, host_pattern: str, host_handlers: Sequence[RuleLike]) -> None:
        """Add rules for hosts that match a pattern; they are tried before those for any host."""
        matcher = HostMatches(host_pattern)
        rule = Rule(matcher, _HandlerRouter(self, host_handlers))
        if self.default_host:
            for_default = DefaultHostMatches(self, matcher)
            self.wildcard_router.add_rules([Rule(for_default, rule.target)])
        self.life.include(rule.target.life)
        earlier = self.default_router.rules[:-1]
        last = self.default_router.rules[-1]
        self.default_router = _HandlerRouter(self, [*earlier, rule, last])
        self._by_host = True

    def add_transform(self, transform_class: type[OutputTransform]) -> None:
        """Have the content of all answers to come go through a transform, after those before."""
        self.transforms.append(transform_class)

    def match(self, request: HTTPServerRequest) -> Match:
        """Return the handler class that a request goes to, and its arguments."""
        router = self.default_router if self._by_host else self.wildcard_router
        return router.match(request) or self._unmatched(router, request)

    def _unmatched(self, router: RuleRouter, request: HTTPServerRequest) -> Match:
        """Return what a request comes to that no rule takes."""
        allowed = router.allowed_methods(request)
        if allowed:
            return ErrorHandler, {"status_code": 405, "allowed": allowed}, (), {}
        if self.settings.get("trailing_slash") == "redirect":
            other = router.other_slash(request)
            if other is not None:
                query = f"?{request.query}" if request.query else ""
                return SlashHandler, {"url": other + query}, (), {}
        return self.nothing

    def allowed_methods(self, request: HTTPServerRequest) -> list[str]:
        """Return the methods for which some rule would take a request, and its handler too."""
        router = self.default_router if self._by_host else self.wildcard_router
        return router.allowed_methods(request)

    #: Handlers answer for what clients do wrong; nothing is caught around them.
    answers_errors = True

    def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers one request; called by the server."""
        return serve_found(self, exchange) if self._finds_handlers else serve(self, exchange)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return the delegate that answers a request by its handler.

        A subclass may override it, or `get_handler_delegate`; then requests go by that.
        """
        target, target_kwargs, path_args, path_kwargs = self.match(request)
        if self.has_other_targets and not is_handler_class(target):
            delegate = self.default_router.find_handler(request)
            if delegate is not None:
                return delegate
            target, target_kwargs, path_args, path_kwargs = self.nothing
        arguments = target_kwargs, list(path_args), dict(path_kwargs)
        return self.get_handler_delegate(request, target, *arguments)

    def get_handler_delegate(
        self,
        request: HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> "HandlerDelegate":
        """Return a delegate that answers a request by a handler class, for routers."""
        match = target_class, target_kwargs or {}, path_args or (), path_kwargs or {}
        return HandlerDelegate(self, request, match)

    def run_handler(
        self, handler: RequestHandler, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Awaitable[None]:
        """Run a handler to its end, with arguments from the path."""
        match: Match = type(handler), {}, args, kwargs
        request = handler.request
        return serve(self, cast(Exchange, request.connection), request, match, handler)

    def __call__(self, request: HTTPServerRequest) -> Awaitable[None]:
        """Answer a request whose content was read, as a server does that takes a function."""
        return cast(HandlerDelegate, self.find_handler(request)).execute()

    def reverse_url(self, name: str, *args: Any, **kwargs: Any) -> str:
        """Return the path of a named route, with `args` for the groups of its pattern.

        Raises:
            KeyError: no route has the name.
            ValueError: another number of arguments.
        """
        path = self.default_router.reverse_url(name, *args, **kwargs)
        if path is None:
            raise KeyError(f"{name} not found in named urls")
        return path

    def log_request(self, handler: RequestHandler) -> None:
        """Write the access log's line of a finished request.

        The setting ``log_function`` takes its place when it is there. A server with an
        access log of its own writes its line instead.
        """
        if "log_function" in self.settings:
            self.settings["log_function"](handler)
            return
        if handler.request.connection.logged:
            return
        status = handler.get_status()
        level = access_level(status)
        if level:
            milliseconds = 1000.0 * handler.request.request_time()
            summary = handler._request_summary()
            access_log.log(level, "%d %s %.2fms", status, summary, milliseconds)


@asynccontextmanager
async def _open(
    application: Application, function: Callable[[Any], AsyncGenerator[Any, None]]
) -> AsyncIterator[None]:
    """Run a lifespan of an application up to its ``yield``, and on from there at the end."""
    async with asynccontextmanager(function)(application) as value:
        application.state.add(value)
        yield


class HandlerDelegate(ExchangeDelegate):
    """Answers one request by a handler.

    Attributes:
        handler_class: of the handler.
        handler_kwargs: for its `initialize`.
        path_args, path_kwargs: for its method, undecoded.
    """

    def __init__(self, application: Application, request: HTTPServerRequest, match: Match) -> None:
        super().__init__(request.connection)
        self.application = application
        self.request = request
        self.handler_class, self.handler_kwargs, self.path_args, self.path_kwargs = match

    async def serve(self) -> None:
        """Run the handler to its end."""
        match = self.handler_class, self.handler_kwargs, self.path_args, self.path_kwargs
        await serve(self.application, self.exchange, self.request, match)

    def execute(self) -> Awaitable[None]:
        """Run the handler of a request whose content was read already."""
        self.exchange.put_back(self.request.body)
        return asyncio.ensure_future(self.serve())


class _HandlerRouter(ReversibleRuleRouter):
    """The rules of an application; their targets are looked at when they are added."""

    def __init__(self, application: Application, rules: Sequence[RuleLike] | None = None) -> None:
        self._application = application
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        if isinstance(rule.target, (list, tuple)):
            rule.target = _HandlerRouter(self._application, rule.target)
        rule = super().process_rule(rule)
        target = rule.target
        if is_handler_class(target):
            if self._application.settings.get("plain_methods_in_threads"):
                rule.target = in_threads(target)
            return rule
        if isinstance(target, RuleRouter):
            return rule
        known = (
            callable(target)
            or hasattr(target, "handle_exchange")
            or isinstance(target, HTTPServerConnectionDelegate)
        )
        if isinstance(target, type) or not known:
            raise TypeError(
                f"target {target!r} of a rule; a RequestHandler subclass, a router, an "
                "application or a function of the request is allowed"
            )
        self._application.has_other_targets = True
        return rule

    def report_unreachable(self, rule: Rule, before: Rule) -> None:
        """Refuse a rule that is never reached, if the setting ``strict_routes`` asks so."""
        if not self._application.settings.get("strict_routes"):
            super().report_unreachable(rule, before)
            return
        raise ValueError(
            f"rule {rule!r} ({rule.place}) is never reached: {before!r} ({before.place}) takes "
            "all of its requests"
        )

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        """Return the delegate of a handler class too."""
        if is_handler_class(target):
            return self._application.get_handler_delegate(request, target, **target_params)
        return super().get_target_delegate(target, request, **target_params)
