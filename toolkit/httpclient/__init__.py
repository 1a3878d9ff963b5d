"""An HTTP client, asynchronous or blocking.

Example::

    async def main() -> None:
        client = AsyncHTTPClient()
        response = await client.fetch("http://www.example.com/")
        print(response.code, response.body)

`AsyncHTTPClient` makes an instance of the implementation that was configured. Without that it
is `simple_httpclient.SimpleAsyncHTTPClient`.

``python -m toolkit.httpclient URL...`` prints what there is to be fetched.
"""

from toolkit.httpclient.base import AsyncHTTPClient, HTTPClient
from toolkit.httpclient.errors import HTTPClientError, HTTPError
from toolkit.httpclient.program import main
from toolkit.httpclient.request import HTTPRequest
from toolkit.httpclient.response import HTTPResponse

__all__ = [
    "AsyncHTTPClient",
    "HTTPClient",
    "HTTPClientError",
    "HTTPError",
    "HTTPRequest",
    "HTTPResponse",
    "main",
]
