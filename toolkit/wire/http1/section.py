"""A section of field lines that may come in pieces: of a head, or the trailers."""

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import Fields
from toolkit.wire.http1.limits import Limits
from toolkit.wire.http1.parser import parse_field


class Section:
    """Gathers field lines up to the empty line.

    Args:
        size: bytes that the lines may have together.
        limits: of a line, and of the number of fields.
        bare: whether the lines end by LF alone.
    """

    __slots__ = ("_bare", "_fields", "_left", "_limits")

    def __init__(self, size: int, limits: Limits, bare: bool = False) -> None:
        self._bare = bare
        self._left = size
        self._limits = limits
        self._fields: list[tuple[str, str]] = []

    def read(self, buffer: Buffer) -> Fields | None:
        """Take the lines that are there; the fields once the empty line was found.

        Raises:
            RemoteProtocolError: 400 for a malformed line, 431 for too many or too long ones.
        """
        limits = self._limits
        while True:
            line = buffer.line(min(limits.line, self._left), 431, self._bare)
            if line is None:
                return None
            if not line:
                return self._fields
            self._left -= len(line) + 2
            self._fields.append(parse_field(line))
            if len(self._fields) > limits.fields:
                raise RemoteProtocolError(f"more than {limits.fields} fields", 431)
