"""Following redirects, without telling one server the secrets of another."""

from collections.abc import Collection, Iterable
from urllib.parse import urljoin

from toolkit.httpclient.content import Content
from toolkit.httpclient.target import Target, quote_location
from toolkit.httpclient.trace import Trace
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders

REDIRECTS = frozenset((301, 302, 303, 307, 308))
#: Fields that are for one origin alone (RFC 9110 §15.4).
FOR_ORIGIN = frozenset(("Authorization", "Cookie", "Cookie2", "Host", "Proxy-Authorization"))
#: Fields that go with the content when a redirect makes a GET of the request.
FOR_CONTENT = frozenset(
    """
    Content-Disposition Content-Encoding Content-Language Content-Length Content-Location
    Content-Range Content-Type Digest Content-Digest Repr-Digest Expect Last-Modified Trailer
    Transfer-Encoding Te
    """.split()
)


class Redirects:
    """The link that follows redirects.

    Args:
        traces: are told of them.
    """

    def __init__(self, traces: "tuple[Trace, ...]" = ()) -> None:
        self._traces = traces

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Return the response that redirects nowhere, or where no more are to be followed."""
        left = request.max_redirects if request.follow_redirects else 0
        response = await call_next(request)
        history: list[StreamedResponse] = []
        spent = 0.0
        while left > 0 and response.status in REDIRECTS:
            try:
                following = redirected(request, response)
            except BaseException:
                await response.aclose()
                raise
            if following is None:
                break
            # The content of a redirect is nobody's, be it short or endless.
            await response.aclose()
            spent += response.time_info.get("starttransfer", 0.0)
            history.append(response)
            for trace in self._traces:
                trace.redirected(following, response)
            request = following
            left -= 1
            response = await call_next(request)
        if history:
            response.history = tuple(history)
            response.time_info["redirect"] = spent
        return response


def followed(url: str, status: int, locations: Iterable[str]) -> str | None:
    """Return the URL that an answer redirects to; None where it does not, or not to one.

    Args:
        url: what was answered.
        locations: values of its Location fields.

    RFC 9110 §10.2.2, §15.4
    """
    found = [location for location in locations if location]
    if status not in REDIRECTS or len(found) != 1:
        return None
    return urljoin(url, quote_location(found[0]))


def redirected(request: OutgoingRequest, response: StreamedResponse) -> OutgoingRequest | None:
    """Return the request that a redirect asks for; None where the response does not say one.

    Secrets go to no other origin than the one that they were for, and do not come back when a
    later redirect leads there again. Content that cannot be sent twice is not: the response
    itself is the result then.

    Raises:
        ValueError: it redirects to a URL that cannot be fetched.

    RFC 9110 §15.4
    """
    url = followed(request.url, response.status, response.headers.get_list("Location"))
    if url is None:
        return None
    target = Target.parse(url)
    following = request.copy()
    if _becomes_get(request.method, response.status):
        following.method = "GET"
        following.content = None
        following.expect_continue = False
        _remove(following.headers, FOR_CONTENT)
    elif isinstance(request.content, Content) and not request.content.replayable:
        return None
    same = target.origin == request.target.origin
    following.url = url
    if not same:
        _remove(following.headers, FOR_ORIGIN)
        following.credentials = None
    if target.credentials is not None:
        following.credentials = target.credentials
    return following


def _becomes_get(method: str, status: int) -> bool:
    if status == 303:
        return method != "HEAD"
    return status in (301, 302) and method == "POST"


def _remove(headers: HTTPHeaders, names: Collection[str]) -> None:
    for name in [name for name in headers if name in names]:
        del headers[name]
