"""Being told what happens to requests."""

from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse


class Trace:
    """Is told what happens to requests; a subclass gives the methods that it is interested in.

    They are called as it happens, each with the request as it is sent, so they had better be
    quick. ``id(request)`` tells one hop of one request from others; a redirect makes a new one.

    Example::

        class Slow(Trace):
            def ended(self, request, response, error):
                print(request.url, error or response.time_info)

        client = AsyncHTTPClient(force_instance=True, traces=[Slow()])
    """

    def started(self, request: OutgoingRequest) -> None:
        """A request has begun, redirects and retries to come."""

    def resolved(self, request: OutgoingRequest) -> None:
        """The addresses of the host, or of its proxy, are known."""

    def connected(self, request: OutgoingRequest) -> None:
        """A connection was made for the request."""

    def tunnelled(self, request: OutgoingRequest) -> None:
        """A proxy passes on what is said."""

    def secured(self, request: OutgoingRequest) -> None:
        """TLS was agreed on."""

    def reused(self, request: OutgoingRequest) -> None:
        """A connection that had served a request before was taken."""

    def sent(self, request: OutgoingRequest) -> None:
        """The request was sent, content that is made piece by piece not included."""

    def first_byte(self, request: OutgoingRequest) -> None:
        """The head of the response is there."""

    def chunk(self, request: OutgoingRequest, size: int) -> None:
        """A piece of the content was read, of so many bytes as they came."""

    def finished(self, request: OutgoingRequest) -> None:
        """The content of the response was read to its end."""

    def redirected(self, request: OutgoingRequest, response: StreamedResponse) -> None:
        """A response redirects; `request` is the one that comes next."""

    def ended(
        self,
        request: OutgoingRequest,
        response: StreamedResponse | None,
        error: BaseException | None,
    ) -> None:
        """The head of the final response is there, or else an error."""
