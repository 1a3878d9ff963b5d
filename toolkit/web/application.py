"""`Application`: routes and settings."""

import logging
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

from toolkit.http1connection import Exchange
from toolkit.httpserver import HTTPServer
from toolkit.httputil import HTTPServerRequest
from toolkit.ioloop import Watchdog
from toolkit.log import access_log
from toolkit.netutil import DEFAULT_BACKLOG
from toolkit.routing import AnyMatches, HostMatches, Match, ReversibleRuleRouter, Rule, RuleLike
from toolkit.web.dispatch import blocked_by, serve
from toolkit.web.handler import ErrorHandler, RequestHandler
from toolkit.web.static import StaticFileHandler


class Application:
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
        settings: for handlers. The toolkit itself looks at ``static_path``,
            ``static_url_prefix``, ``static_handler_class``, ``static_handler_args``,
            ``default_handler_class``, ``default_handler_args``, ``log_function``,
            ``serve_traceback`` and ``debug``, which turns the one before it on.

    Attributes:
        settings: what handlers see as `RequestHandler.settings`.
    """

    def __init__(self, handlers: Sequence[RuleLike] | None = None, **settings: Any) -> None:
        self.settings = settings
        if blocked_by not in Watchdog.describers:
            Watchdog.describers.append(blocked_by)
        if settings.get("debug"):
            settings.setdefault("serve_traceback", True)
        rules = [*self._static_rules(), *(handlers or ())]
        self.wildcard_router = _HandlerRouter(rules)
        self.default_router = _HandlerRouter([Rule(AnyMatches(), self.wildcard_router)])
        self._by_host = False
        self._nothing = Match(
            settings.get("default_handler_class", ErrorHandler),
            settings.get("default_handler_args", {"status_code": 404})
            if "default_handler_class" not in settings
            else settings.get("default_handler_args", {}),
        )

    def _static_rules(self) -> list[RuleLike]:
        path = self.settings.get("static_path")
        if not path:
            return []
        handler = self.settings.get("static_handler_class", StaticFileHandler)
        kwargs = {**self.settings.get("static_handler_args", {}), "path": path}
        prefix = self.settings.get("static_url_prefix", "/static/")
        patterns = (prefix + "(.*)", r"/(favicon\.ico)", r"/(robots\.txt)")
        return [(pattern, handler, kwargs) for pattern in patterns]

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
        server = HTTPServer(self, **kwargs)
        server.listen(port, address, family, backlog, flags, reuse_port)
        return server

    def add_handlers(self, host_pattern: str, host_handlers: Sequence[RuleLike]) -> None:
        """Add rules for hosts that match a pattern; they are tried before those for any host."""
        rule = Rule(HostMatches(host_pattern), _HandlerRouter(host_handlers))
        earlier = self.default_router.rules[:-1]
        last = self.default_router.rules[-1]
        self.default_router = _HandlerRouter([*earlier, rule, last])
        self._by_host = True

    def match(self, request: HTTPServerRequest) -> Match:
        """Return the handler class that a request goes to, and its arguments."""
        router = self.default_router if self._by_host else self.wildcard_router
        return router.match(request) or self._nothing

    def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers one request; called by the server."""
        return serve(self, exchange)

    def reverse_url(self, name: str, *args: Any) -> str:
        """Return the path of a named route, with `args` for the groups of its pattern.

        Raises:
            KeyError: no route has the name.
            ValueError: another number of arguments.
        """
        path = self.default_router.reverse_url(name, *args)
        if path is None:
            raise KeyError(f"{name} not found in named urls")
        return path

    def log_request(self, handler: RequestHandler) -> None:
        """Write the access log's line of a finished request.

        The setting ``log_function`` takes its place when it is there.
        """
        if "log_function" in self.settings:
            self.settings["log_function"](handler)
            return
        status = handler.get_status()
        level = logging.INFO if status < 400 else logging.WARNING
        if status >= 500:
            level = logging.ERROR
        if access_log.isEnabledFor(level):
            milliseconds = 1000.0 * handler.request.request_time()
            summary = handler._request_summary()
            access_log.log(level, "%d %s %.2fms", status, summary, milliseconds)


class _HandlerRouter(ReversibleRuleRouter):
    """A router whose targets are handler classes, which is looked at when rules are added."""

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        target = rule.target
        if isinstance(target, ReversibleRuleRouter):
            return rule
        if not (isinstance(target, type) and issubclass(target, RequestHandler)):
            raise TypeError(f"target {target!r} of a rule; a RequestHandler subclass is allowed")
        return rule
