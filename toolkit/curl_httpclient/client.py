"""The client: libcurl's multi interface on a loop of ours."""

import functools
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import pycurl

from toolkit.curl_httpclient.setting import set_options
from toolkit.curl_httpclient.transfer import Callback, CurlError, Transfer
from toolkit.escape import native_str
from toolkit.httpclient.base import AsyncHTTPClient
from toolkit.httpclient.request import EffectiveRequest, HTTPRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httputil import HTTPInputError
from toolkit.ioloop import IOLoop
from toolkit.log import app_log

curl_log = logging.getLogger("toolkit.curl_httpclient")

#: As of the simple client: bytes that a response may have.
DEFAULT_MAX_BODY_SIZE = 100 * 1024 * 1024
#: Bytes of a response's head.
MAX_HEADER_SIZE = 64 * 1024
#: Bytes that may wait for a `streaming_callback`; libcurl has to wait beyond.
MAX_PENDING = 1024 * 1024
#: Milliseconds between two looks at transfers that no event has come of.
FORCE_TIMEOUT = 1000

_STATUS_LINE = re.compile(r"HTTP/[0-9.]+ ([0-9]{3}) ?(.*)", re.ASCII)
_TIMES = {
    "namelookup": pycurl.NAMELOOKUP_TIME,
    "connect": pycurl.CONNECT_TIME,
    "appconnect": pycurl.APPCONNECT_TIME,
    "pretransfer": pycurl.PRETRANSFER_TIME,
    "starttransfer": pycurl.STARTTRANSFER_TIME,
    "total": pycurl.TOTAL_TIME,
    "redirect": pycurl.REDIRECT_TIME,
}


class CurlAsyncHTTPClient(AsyncHTTPClient):
    """An HTTP client on libcurl's multi interface.

    Args:
        max_clients: how many requests may be under way; further ones wait.
        defaults: as `AsyncHTTPClient`.
        max_body_size: bytes that a response may have, also when decompressed.
    """

    def initialize(  # type: ignore[override]  # it takes more than its base
        self,
        max_clients: int = 10,
        defaults: Mapping[str, Any] | None = None,
        max_body_size: int | None = None,
    ) -> None:
        """Set the client up; arguments as those of the class."""
        super().initialize(defaults=defaults)
        self.max_clients = max_clients
        self.max_body_size = DEFAULT_MAX_BODY_SIZE if max_body_size is None else max_body_size
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timeout)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._handle_socket)
        self._idle: list[Any] = []
        self._waiting: deque[tuple[EffectiveRequest, Callback, float]] = deque()
        self._transfers: dict[Any, Transfer] = {}
        self._descriptors: dict[int, int] = {}
        self._timeout: object = None
        self._active = True
        # libcurl may lose sight of a socket; a look now and then finds what it has missed.
        self._looking: object = self.io_loop.call_later(FORCE_TIMEOUT / 1000, self._look)

    def close(self) -> None:
        """Close the client; requests that wait or are under way fail."""
        if not self._active:
            return
        super().close()
        self._active = False
        for timeout in (self._looking, self._timeout):
            if timeout is not None:
                self.io_loop.remove_timeout(timeout)
        for handle, transfer in list(self._transfers.items()):
            self._multi.remove_handle(handle)
            del self._transfers[handle]
            handle.close()
            self._fail(transfer, CurlError(pycurl.E_ABORTED_BY_CALLBACK, "the client was closed"))
        while self._waiting:
            request, callback, since = self._waiting.popleft()
            now = self.io_loop.time()
            transfer = Transfer(request, callback, since, time.time(), now)
            self._fail(transfer, CurlError(pycurl.E_ABORTED_BY_CALLBACK, "the client was closed"))
        for handle in self._idle:
            handle.close()
        self._multi.close()
        for descriptor in list(self._descriptors):
            self._forget(descriptor)

    # -- libcurl's events ----------------------------------------------------------------

    def _handle_socket(self, event: int, descriptor: int, multi: Any, data: Any) -> None:
        """Watch a descriptor as libcurl wants it watched."""
        events = {
            pycurl.POLL_IN: IOLoop.READ,
            pycurl.POLL_OUT: IOLoop.WRITE,
            pycurl.POLL_INOUT: IOLoop.READ | IOLoop.WRITE,
        }
        self._forget(descriptor)
        # Afresh each time: the number may stand for another socket by now.
        if event in events:
            self.io_loop.add_handler(descriptor, self._on_event, events[event])
            self._descriptors[descriptor] = events[event]

    def _forget(self, descriptor: int) -> None:
        if self._descriptors.pop(descriptor, None) is not None:
            self.io_loop.remove_handler(descriptor)

    def _set_timeout(self, milliseconds: int) -> None:
        """Call libcurl in so many milliseconds; a negative number calls that off."""
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)
            self._timeout = None
        if milliseconds >= 0 and self._active:
            self._timeout = self.io_loop.call_later(milliseconds / 1000, self._on_timeout)

    def _on_event(self, descriptor: int, events: int) -> None:
        action = 0
        if events & IOLoop.READ:
            action |= pycurl.CSELECT_IN
        if events & IOLoop.WRITE:
            action |= pycurl.CSELECT_OUT
        self._act(descriptor, action)

    def _on_timeout(self) -> None:
        self._timeout = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, descriptor: int, action: int) -> None:
        """Have libcurl do what can be done, and hand on what has ended."""
        while self._active:
            try:
                result, _ = self._multi.socket_action(descriptor, action)
            except pycurl.error as error:
                result = error.args[0]
            if result != pycurl.E_CALL_MULTI_PERFORM:
                break
        self._collect()

    def _look(self) -> None:
        """Have libcurl look at all of its transfers."""
        if not self._active:
            return
        self._act(pycurl.SOCKET_TIMEOUT, 0)
        if self._active:
            self._looking = self.io_loop.call_later(FORCE_TIMEOUT / 1000, self._look)

    def _collect(self) -> None:
        """Hand on the transfers that have ended."""
        while self._active:
            left, done, failed = self._multi.info_read()
            for handle in done:
                self._finish(handle, None)
            for handle, number, message in failed:
                self._finish(handle, CurlError(number, message))
            if not left:
                break
        self._next()

    # -- requests ------------------------------------------------------------------------

    def fetch_impl(self, request: HTTPRequest, callback: Callback) -> None:
        """Send a request, or have it wait for its turn."""
        effective = request
        if not isinstance(effective, EffectiveRequest):
            effective = EffectiveRequest(request, self.defaults)  # type: ignore[assignment]
        self._waiting.append((effective, callback, self.io_loop.time()))  # type: ignore[arg-type]
        self._next()
        self._set_timeout(0)

    def _next(self) -> None:
        """Begin with requests that wait while there may be more under way."""
        while self._waiting and self._active and len(self._transfers) < self.max_clients:
            request, callback, since = self._waiting.popleft()
            handle = self._idle.pop() if self._idle else pycurl.Curl()
            transfer = Transfer(request, callback, since, time.time(), self.io_loop.time())
            try:
                self._set_up(handle, transfer)
            except Exception as error:
                handle.close()  # what was set already must not be there for the next request
                self._fail(transfer, error)
                continue
            self._transfers[handle] = transfer
            self._multi.add_handle(handle)

    def abandon_impl(self, request: EffectiveRequest) -> None:
        """Give a request up: it leaves the queue, or its transfer is ended."""
        error = CurlError(pycurl.E_ABORTED_BY_CALLBACK, "the request was cancelled")
        for item in list(self._waiting):
            if item[0] is request:
                self._waiting.remove(item)
                now = self.io_loop.time()
                self._fail(Transfer(request, item[1], item[2], time.time(), now), error)
                return
        for handle, transfer in list(self._transfers.items()):
            if transfer.request is request:
                # Not within a callback of libcurl, which this may be.
                self.io_loop.add_callback(self._abandon, handle, transfer, error)

    def _abandon(self, handle: Any, transfer: Transfer, error: CurlError) -> None:
        if self._active and self._transfers.get(handle) is transfer:
            self._multi.remove_handle(handle)
            del self._transfers[handle]
            handle.close()
            self._fail(transfer, error)
            self._next()

    def _fail(self, transfer: Transfer, error: BaseException) -> None:
        response = HTTPResponse(
            transfer.request,
            599,
            error=error,
            request_time=self.io_loop.time() - transfer.started,
            start_time=transfer.start_time,
        )
        self._tell(transfer.callback, response)

    def _finish(self, handle: Any, error: BaseException | None) -> None:
        """Hand on what came of a transfer."""
        self._multi.remove_handle(handle)
        transfer = self._transfers.pop(handle)
        self._deliver(transfer)
        error = transfer.error or error
        if error is not None:
            handle.close()
            self._fail(transfer, error)
            return
        code = handle.getinfo(pycurl.HTTP_CODE)
        times = {name: handle.getinfo(number) for name, number in _TIMES.items()}
        times["queue"] = transfer.started - transfer.queued
        transfer.buffer.seek(0)
        response = HTTPResponse(
            transfer.request,
            code,
            headers=transfer.headers,
            buffer=transfer.buffer,
            effective_url=handle.getinfo(pycurl.EFFECTIVE_URL),
            request_time=self.io_loop.time() - transfer.started,
            time_info=times,
            reason=transfer.reason,
            start_time=transfer.start_time,
        )
        # What one request had set would be there for the next, credentials among it.
        handle.reset()
        self._idle.append(handle)
        self._tell(transfer.callback, response)

    def _tell(self, callback: Callback, response: HTTPResponse) -> None:
        try:
            callback(response)
        except Exception:
            app_log.error("Exception in callback %r", callback, exc_info=True)

    # -- responses -----------------------------------------------------------------------

    def _set_up(self, curl: Any, transfer: Transfer) -> None:
        """Set all options of a request.

        Raises:
            ValueError: the request cannot be sent.
        """
        request = transfer.request
        set_options(curl, request)
        self._set_sinks(curl, transfer)
        if request.prepare_curl_callback is not None:
            request.prepare_curl_callback(curl)

    def _set_sinks(self, curl: Any, transfer: Transfer) -> None:
        """Say where the response goes."""
        curl.setopt(pycurl.HEADERFUNCTION, functools.partial(self._take_header, transfer))
        curl.setopt(pycurl.WRITEFUNCTION, functools.partial(self._take_body, curl, transfer))

    def _take_header(self, transfer: Transfer, raw: bytes) -> int | None:
        line = native_str(raw.decode("latin-1"))
        callback = transfer.request.header_callback
        transfer.header_size += len(raw)
        if transfer.header_size > MAX_HEADER_SIZE:
            transfer.error = CurlError(
                pycurl.E_WRITE_ERROR, f"head of over {MAX_HEADER_SIZE} bytes, which are allowed"
            )
            return -1
        if callback is not None:
            self._keep(transfer, callback, line)
        line = line.rstrip("\r\n")
        match = _STATUS_LINE.fullmatch(line)
        if match is not None:
            transfer.headers.clear()
            transfer.reason = match[2]
            transfer.header_size = len(raw)
        elif line:
            try:
                transfer.headers.parse_line(line)
            except HTTPInputError as error:
                transfer.error = CurlError(pycurl.E_WRITE_ERROR, str(error))
                return -1
        return None

    def _take_body(self, curl: Any, transfer: Transfer, data: bytes) -> int | None:
        if transfer.pending_size > MAX_PENDING:
            transfer.paused = curl
            return int(pycurl.WRITEFUNC_PAUSE)
        transfer.size += len(data)
        if transfer.size > self.max_body_size:
            transfer.error = CurlError(
                pycurl.E_WRITE_ERROR, f"body too large; max_body_size is {self.max_body_size}"
            )
            return -1
        if transfer.request.streaming_callback is None:
            transfer.buffer.write(data)
            return None
        self._keep(transfer, transfer.request.streaming_callback, data)
        transfer.pending_size += len(data)
        return None

    def _keep(self, transfer: Transfer, callback: Callable[[Any], None], data: str | bytes) -> None:
        """Keep a call for when libcurl has returned; the program may use it meanwhile."""
        if not transfer.pending:
            self.io_loop.add_callback(self._deliver, transfer)
        transfer.pending.append((callback, data))

    def _deliver(self, transfer: Transfer) -> None:
        """Give the program what has come, and have libcurl go on if it waits for that."""
        pending, transfer.pending = transfer.pending, []
        transfer.pending_size = 0
        for callback, data in pending:
            try:
                callback(data)
            except Exception:
                app_log.error("Exception in callback %r", callback, exc_info=True)
        if transfer.paused is not None:
            handle, transfer.paused = transfer.paused, None
            if self._transfers.get(handle) is transfer:
                handle.pause(pycurl.PAUSE_CONT)
                self._set_timeout(0)
