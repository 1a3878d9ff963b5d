"""Test cases with an HTTP server and a client for it."""

from typing import Any

from toolkit.httpclient import AsyncHTTPClient, HTTPResponse
from toolkit.httpserver import HTTPServer
from toolkit.testing.async_case import AsyncTestCase, get_async_test_timeout
from toolkit.testing.certificate import self_signed
from toolkit.testing.ports import bind_unused_port


class AsyncHTTPTestCase(AsyncTestCase):
    """A test case with a server on a free port; subclasses say in `get_app` what it serves.

    Example::

        class HomeTest(AsyncHTTPTestCase):
            def get_app(self):
                return make_application()

            def test_home(self):
                self.assertEqual(self.fetch("/").code, 200)

    Attributes:
        http_server: the server.
        http_client: a client.
    """

    http_client: AsyncHTTPClient
    http_server: HTTPServer

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        sock, self._port = bind_unused_port()
        try:
            self.http_client = self.get_http_client()
            self._app = self.get_app()
            self.http_server = self.get_http_server()
            self.http_server.add_sockets([sock])
            self.io_loop.run_sync(self.http_server.started, timeout=get_async_test_timeout())
        except BaseException:
            sock.close()
            raise

    def tearDown(self) -> None:
        """Stop the server, cut its connections and close the client."""
        self.http_server.stop()
        self.io_loop.run_sync(self._cut_connections, timeout=get_async_test_timeout())
        self.http_client.close()
        del self.http_server, self._app
        super().tearDown()

    async def _cut_connections(self) -> None:
        # A handler that is still busy would keep a server waiting that is to end gracefully.
        await self.http_server.close_all_connections(0)

    def get_http_client(self) -> AsyncHTTPClient:
        """Return the client for the tests."""
        return AsyncHTTPClient()

    def get_http_server(self) -> HTTPServer:
        """Return the server for the tests, without sockets."""
        return HTTPServer(self._app, **self.get_httpserver_options())

    def get_app(self) -> Any:
        """Return what the server serves: a `web.Application` or another request callback."""
        raise NotImplementedError

    def fetch(self, path: str, raise_error: bool = False, **kwargs: Any) -> HTTPResponse:
        """Run the loop until a request is answered, and return the response.

        Args:
            path: on the server, or a whole ``http://`` or ``https://`` URL.
            raise_error: whether a response with a code of 400 or above is an HTTPError.
            kwargs: for `AsyncHTTPClient.fetch`.
        """
        whole = path.lower().startswith(("http://", "https://"))
        url = path if whole else self.get_url(path)
        response: HTTPResponse = self.io_loop.run_sync(
            lambda: self.http_client.fetch(url, raise_error=raise_error, **kwargs),
            timeout=get_async_test_timeout(),
        )
        return response

    def get_httpserver_options(self) -> dict[str, Any]:
        """Return keyword arguments for the server."""
        return {}

    def get_http_port(self) -> int:
        """Return the port of the server."""
        return self._port

    def get_protocol(self) -> str:
        """Return the scheme of the server's URLs."""
        return "http"

    def get_url(self, path: str) -> str:
        """Return the absolute URL of a path on the server."""
        return f"{self.get_protocol()}://127.0.0.1:{self.get_http_port()}{path}"


class AsyncHTTPSTestCase(AsyncHTTPTestCase):
    """A test case with an HTTPS server, whose certificate the client does not check."""

    def get_http_client(self) -> AsyncHTTPClient:
        return AsyncHTTPClient(force_instance=True, defaults={"validate_cert": False})

    def get_httpserver_options(self) -> dict[str, Any]:
        return {"ssl_options": self.get_ssl_options()}

    def get_ssl_options(self) -> dict[str, Any]:
        """Return the server's ``ssl_options``; a subclass may give a certificate of its own."""
        return self.default_ssl_options()

    @staticmethod
    def default_ssl_options() -> dict[str, Any]:
        """Return ``certfile`` and ``keyfile`` of a self-signed certificate for localhost."""
        certificate, key = self_signed()
        return {"certfile": certificate, "keyfile": key}

    def get_protocol(self) -> str:
        return "https"
