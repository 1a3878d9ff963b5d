"""The links that give a request what every request has."""

import sys
from collections.abc import Awaitable, Mapping
from dataclasses import replace

import toolkit
from toolkit._version import __version__
from toolkit.httpclient.authorization import basic_authorization
from toolkit.httpclient.content import Content
from toolkit.httpclient.environment import proxy_from
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse
from toolkit.wire.more_codings import known_codings

#: What a request says where nobody has set it. A program of Tornado's that runs by its own imports
#: (`compat.alias_tornado`) says what it said before: servers may know it by that.
USER_AGENT = f"toolkit/{__version__}"
if sys.modules.get("tornado") is toolkit:
    USER_AGENT = f"Tornado/{toolkit.version}"
#: All codings of content that can be decoded here.
ACCEPT_ENCODING = ", ".join(known_codings())


def complete(request: OutgoingRequest) -> None:
    """Add the fields that are sent unless the user gave them."""
    headers = request.headers
    headers.put_default("User-Agent", USER_AGENT)
    if request.decompress:
        headers.put_default("Accept-Encoding", ACCEPT_ENCODING)
    content = request.content
    if content is not None:
        if isinstance(content, Content) and content.content_type and "Content-Type" not in headers:
            headers["Content-Type"] = content.content_type
        if request.expect_continue:
            headers.put("Expect", "100-continue")
        else:
            expectation = headers.get("Expect", "")
            request.expect_continue = expectation.lower() == "100-continue"


def authorize(request: OutgoingRequest, call_next: CallNext) -> Awaitable[StreamedResponse]:
    """Add the credentials of a request, where they are for the scheme Basic."""
    credentials = request.credentials
    if credentials is not None and request.auth_mode == "basic":
        request.headers["Authorization"] = basic_authorization(*credentials)
    return call_next(request)


class EnvironmentProxy:
    """The link that has requests go through the proxies that the environment names.

    Args:
        environment: such as `os.environ`.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Choose the proxy, unless the request has one or goes to a Unix socket."""
        options = request.options
        if options.proxy is None and options.unix_socket is None:
            proxy = proxy_from(self._environment, request.target.origin)
            if proxy is not None:
                # For this hop alone: another origin may be excepted.
                request = request.copy()
                request.options = replace(options, proxy=proxy)
        return await call_next(request)
