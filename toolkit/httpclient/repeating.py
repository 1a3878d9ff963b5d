"""What links of the chain have in common that send a request more than once."""

from toolkit.httpclient.content import Content
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.log import gen_log

#: Bytes of a response that are read to keep its connection; to read more costs more than a new
#: connection.
MAX_DISCARD = 64 * 1024


def repeatable(request: OutgoingRequest) -> bool:
    """Say whether a request can be sent again: its content is not used up by the first time."""
    content = request.content
    return not isinstance(content, Content) or content.replayable


async def discard(response: StreamedResponse) -> None:
    """Let go of a response that nobody wants, and keep its connection if that is cheap."""
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:10]) <= MAX_DISCARD:
        try:
            await response.read(MAX_DISCARD)  # of little, decoding may make much
        except Exception as error:
            gen_log.debug("Content of %r, which nobody wants, failed: %s", response, error)
    await response.aclose()
