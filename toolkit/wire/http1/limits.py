"""How much a peer may send before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection.

    Attributes:
        head: bytes of start line and fields together.
        fields: number of fields.
        line: bytes of one line.
        chunk_overhead: bytes of chunk extensions beyond twice the data they come with.
        trailers: bytes of the trailer section.
        body: bytes of a body's content; None for no limit.
        interim: number of 1xx responses to one request.
    """

    head: int = 64 * 1024
    fields: int = 100
    line: int = 16 * 1024
    chunk_overhead: int = 16 * 1024
    trailers: int = 16 * 1024
    body: int | None = None
    interim: int = 10


DEFAULT_LIMITS = Limits()
