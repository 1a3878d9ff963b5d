"""`WSGIContainer`: serves a WSGI application (PEP 3333)."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Executor
from typing import Any

from toolkit.concurrent import DummyExecutor, Future, dummy_executor
from toolkit.http1connection import Exchange
from toolkit.httputil import HTTPServerRequest, responses
from toolkit.ioloop import IOLoop
from toolkit.iostream import StreamClosedError
from toolkit.log import access_level, access_log, app_log, gen_log
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wsgi.answer import Answer, Head, WSGIApplication, checked_headers
from toolkit.wsgi.bridge import Bridge, ContentError, input_of
from toolkit.wsgi.environ import make_environ, split_mount, unquoted_path
from toolkit.wsgi.ports import ConnectionPort, ExchangePort, Port

#: Content of a request that is read before a thread is taken, so that a client that sends it
#: slowly keeps no thread busy. What is longer, or of a length not told, is streamed.
READ_FIRST = 64 * 1024


class WSGIContainer:
    """Serves a WSGI application, in threads or in the loop.

    With an executor the application runs in its threads, and content streams either way::

        container = WSGIContainer(app, ThreadPoolExecutor(16))
        HTTPServer(container).listen(8000)

    A thread serves one request at a time, from the call of the application to the `close` of
    what it returns. Reading ``wsgi.input`` waits for the client, and so does sending while the
    client does not take what was sent. Should the client leave, or the server end the request,
    both raise an OSError.

    Without an executor the application runs in the thread of the loop, as in Tornado: the
    content of the request is read whole before, and the answer is gathered before it is sent.
    All other requests wait meanwhile.

    The container is also a function of a request: a target of a router, a `FallbackHandler`'s
    fallback, or a callback of `HTTPServer`. The content of the request has been read whole
    then; the answer is streamed.

    Args:
        wsgi_application: called with an environ and `start_response`.
        executor: of threads; None runs the application in the loop.
        mount: path below which the application lies, such as ``"/blog"``. It becomes
            SCRIPT_NAME, and what lies elsewhere is answered 404.
    Raises:
        ValueError: `mount` does not begin with a slash, or ends with one.
    """

    def __init__(
        self,
        wsgi_application: WSGIApplication,
        executor: Executor | None = None,
        *,
        mount: str = "",
    ) -> None:
        if mount and (not mount.startswith("/") or mount.endswith("/")):
            raise ValueError(f"mount {mount!r}; '' or a path such as '/blog' is allowed")
        self.wsgi_application = wsgi_application
        self.executor: Executor = dummy_executor if executor is None else executor
        self._in_place = isinstance(self.executor, DummyExecutor)
        self._mount = mount.encode()

    def __call__(self, request: HTTPServerRequest) -> None:
        """Begin to answer a request by its connection."""
        IOLoop.current().spawn_callback(self.handle_request, request)

    async def handle_request(self, request: HTTPServerRequest) -> None:
        """Answer a request, whose content is there, by its connection."""
        await self._serve(request, ConnectionPort(request.connection), None)

    def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers one request; called by the server."""
        return self._serve_exchange(exchange)

    def environ(self, request: HTTPServerRequest) -> dict[str, Any]:
        """Return the environ of a request; ``wsgi.input`` reads the body that it has.

        Header names with an underscore, and ``Proxy``, are left out.

        Raises:
            ValueError: the request lies outside of `mount`.
        """
        return make_environ(request, self._mount, multithread=not self._in_place)

    # -- one request ---------------------------------------------------------------------

    async def _serve_exchange(self, exchange: Exchange) -> None:
        request = HTTPServerRequest.received(exchange.head, exchange)
        port = ExchangePort(exchange)
        length = exchange.head.length
        content: AsyncIterator[bytes] | None = None
        if length and (self._in_place or self._is_short(exchange)):
            try:
                request.body = await exchange.read()
            except RemoteProtocolError as error:
                _refuse(request, port, error.status, str(error))
                self._log(error.status, request)
                return
            except StreamClosedError:
                return
        elif length:
            content = aiter(exchange)
        await self._serve(request, port, content)

    @staticmethod
    def _is_short(exchange: Exchange) -> bool:
        head = exchange.head
        # The client that asks for a 100 gets it when the application wants the content.
        return 0 < head.length <= READ_FIRST and not head.expect_continue

    async def _serve(
        self, request: HTTPServerRequest, port: Port, content: AsyncIterator[bytes] | None
    ) -> None:
        try:
            if request.method == "CONNECT":
                # Any 2xx would turn the connection into a tunnel, and WSGI has none.
                _refuse(request, port, 501, "there are no tunnels here")
            elif split_mount(unquoted_path(request.path), self._mount) is None:
                _refuse(request, port, 404, "there is nothing here")
            elif self._in_place:
                self._run_in_place(request, port)
            else:
                await self._run_in_thread(request, port, content)
        except Exception:
            # Such as an executor that has been shut down.
            app_log.error("Uncaught exception serving %s", _summary(request), exc_info=True)
            _give_up(request, port, 500)
        if port.status:
            self._log(port.status, request)

    def _run_in_place(self, request: HTTPServerRequest, port: Port) -> None:
        answer = Answer(request.method, Gathered(port))
        try:
            self._run(answer, self.environ(request))
        except Exception:
            app_log.error("Uncaught exception in %s", _summary(request), exc_info=True)
        if not answer.complete:
            _give_up(request, port, 500)

    async def _run_in_thread(
        self, request: HTTPServerRequest, port: Port, content: AsyncIterator[bytes] | None
    ) -> None:
        bridge = Bridge(port, content)
        environ = self.environ(request)
        if content is not None:
            environ["wsgi.input"] = input_of(bridge)
        running = asyncio.get_running_loop().run_in_executor(
            self.executor,
            contextvars.copy_context().run,
            self._thread,
            request,
            Answer(request.method, bridge),
            environ,
            bridge,
        )
        fault = await bridge.serve(running)
        error = bridge.error
        if error is not None and not isinstance(error, StreamClosedError):
            app_log.error("Cannot send the answer to %s", _summary(request), exc_info=error)
            fault = 500
        if fault and not isinstance(error, StreamClosedError):
            _give_up(request, port, fault)

    def _thread(
        self, request: HTTPServerRequest, answer: Answer, environ: dict[str, Any], bridge: Bridge
    ) -> int:
        """Run the application in its thread.

        Returns:
            0 when the answer is whole, else what the client should be told unless it has been
            told something already.
        """
        fault = 500
        try:
            self._run(answer, environ)
        except BaseException as error:  # a sys.exit of the application must not end the server
            ours = bridge.cause(error)
            if isinstance(ours, ContentError):
                gen_log.info("Malformed content of %s: %s", _summary(request), ours)
                fault = ours.status
            elif ours is None:
                app_log.error("Uncaught exception in %s", _summary(request), exc_info=True)
        return 0 if answer.complete else fault

    def _run(self, answer: Answer, environ: dict[str, Any]) -> None:
        errors = environ["wsgi.errors"]
        try:
            answer.run(self.wsgi_application, environ)
        finally:
            errors.flush()

    def _log(self, status_code: int, request: HTTPServerRequest) -> None:
        """Write the access log's line of a request, unless the server writes its own."""
        if getattr(request.connection, "logged", False):
            return
        level = access_level(status_code)
        if level:
            milliseconds = 1000.0 * request.request_time()
            access_log.log(level, "%d %s %.2fms", status_code, _summary(request), milliseconds)


class Gathered:
    """An output that keeps all of an answer before it sends it."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._head: Head | None = None
        self._pieces: list[bytes] = []

    def put(self, head: Head | None, data: bytes, end: bool) -> None:
        """Take the next part of the answer."""
        self._head = self._head or head
        self._pieces.append(data)
        if end:
            future = self._port.deliver(self._head, b"".join(self._pieces), True)
            future.add_done_callback(_ignore)


def _give_up(request: HTTPServerRequest, port: Port, status: int) -> None:
    """Answer for an application that did not, or cut its answer off."""
    if port.status:
        port.cut()
    else:
        _refuse(request, port, status, responses.get(status, "Unknown"))


def _refuse(request: HTTPServerRequest, port: Port, status: int, why: str) -> None:
    """Answer a request without the application."""
    body = f"{why}\n".encode()
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    head = Head(status, responses.get(status, "Unknown"), checked_headers(fields))
    data = b"" if request.method == "HEAD" else body
    try:
        port.deliver(head, data, True).add_done_callback(_ignore)
    except (LocalProtocolError, StreamClosedError):
        gen_log.info("Nobody is there to be told %d for %s", status, _summary(request))


def _ignore(future: "Future[None]") -> None:
    """Have it that a client that is gone needs no report."""
    if not future.cancelled():
        future.exception()


def _summary(request: HTTPServerRequest) -> str:
    return f"{request.method} {request.uri} ({request.remote_ip})"
