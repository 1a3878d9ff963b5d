"""Multipart form data (RFC 7578, RFC 2046 §5.1): `MultipartReader`, fed piece by piece.

A body is text before the first boundary, parts between boundaries, and text after the last
one. A part is a head of a few fields, and content.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.events import CLOSED, NEED_DATA, Data, EndOfMessage, Fields, Signal
from toolkit.wire.grammar import FIELD_BYTES
from toolkit.wire.http1.limits import Limits
from toolkit.wire.http1.section import Section
from toolkit.wire.parameters import parse_extended, parse_parameters

#: Longest boundary (RFC 2046 §5.1.1).
MAX_BOUNDARY = 70
_DISPOSITION = b"content-disposition:"

#: Most whitespace after a boundary. It was for mail that is padded; nobody sends any.
MAX_PADDING = 100

#: A whole head as browsers write it, to be read in one go. Any other is read line by line, and
#: that way alone finds errors.
_USUAL_HEAD = re.compile(
    rb'Content-Disposition: (form-data; name="([^"\\\x00-\x1f\x7f]*)"'
    rb'(?:; filename="([^"\\\x00-\x1f\x7f]*)")?)'
    rb"(?:\r\nContent-Type: ([!-~]+(?: [!-~]+)*))?\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class FormLimits:
    """How much of a form is read before it is refused.

    Attributes:
        parts: number of parts.
        part_head: bytes of the fields of one part.
        part_fields: number of fields of one part; a browser sends three.
        name: characters of the name of one part.
        field: bytes of the content of a part that is no file, None for no limit.
        file: bytes of the content of a file, None for no limit.
        content: bytes of the content of all parts together, None for no limit.
        outside: bytes of text before the first part, and as many behind the last, None for
            no limit.
    """

    parts: int = 100
    part_head: int = 10 * 1024
    part_fields: int = 16
    name: int = 1024
    field: int | None = None
    file: int | None = None
    content: int | None = None
    outside: int | None = None


DEFAULT_LIMITS = FormLimits()


class PartHead:
    """What a part says of itself.

    Attributes:
        name: of the form's control.
        filename: as the client named it, None when the part is no file. It may be a path, or
            anything else.
        content_type: as sent, "" for none.
        fields: all of its fields, names in lower case. Those that say how long the content
            is, or how it is coded, mean nothing here (RFC 7578 §4.7, §4.8).
    """

    __slots__ = ("content_type", "fields", "filename", "name")

    def __init__(self, name: str, filename: str | None, content_type: str, fields: Fields) -> None:
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self.fields = fields

    def __repr__(self) -> str:
        return f"<PartHead {excerpt(self.name)} {self.content_type!r}>"


class EndOfPart:
    """The content of the part is whole."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<EndOfPart>"


PartEvent = PartHead | Data | EndOfPart | EndOfMessage


class MultipartReader:
    """Reads a form as it comes in: for each part a head, data and its end.

    It holds the fields of one part and, of what was read, no more than the last piece, whose end
    may begin a boundary. A piece that is content alone goes through as the object that came.

    Example::

        reader = MultipartReader(b"b")
        reader.receive(b'--b\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1')
        reader.next_event()         # <PartHead 'a' ''>
        reader.next_event()         # <Data 1 bytes>
        reader.receive(b"\\r\\n--b--")
        reader.next_event()         # <EndOfPart>
        reader.next_event()         # <EndOfMessage>

    Args:
        boundary: value of the parameter of Content-Type.
        limits: what is refused.
    Raises:
        RemoteProtocolError: the boundary is none.
    """

    __slots__ = (
        "_at_start",
        "_buffer",
        "_content_left",
        "_dashes",
        "_delimiter",
        "_ended",
        "_error",
        "_left",
        "_limits",
        "_lines",
        "_outside",
        "_parts",
        "_section",
        "_step",
    )

    def __init__(self, boundary: bytes, limits: FormLimits = DEFAULT_LIMITS) -> None:
        if not 0 < len(boundary) <= MAX_BOUNDARY or boundary.translate(None, FIELD_BYTES):
            raise RemoteProtocolError(
                f"boundary of {len(boundary)} bytes: {excerpt(boundary)}; "
                f"1 to {MAX_BOUNDARY} without control characters are allowed"
            )
        self._dashes = b"--" + boundary
        self._delimiter = b"\r\n" + self._dashes
        self._limits = limits
        self._lines = Limits(line=limits.part_head, fields=limits.part_fields)
        self._buffer = Buffer()
        # What reads next: an event or a signal comes of it, or None to go on with the next step.
        self._step: Callable[[MultipartReader], PartEvent | Signal | None]
        self._step = MultipartReader._read_preamble
        self._at_start = True  # of a text, where a boundary needs no line end before it
        self._ended = False
        self._error = ("", 0)
        self._parts = 0
        self._section: Section | None = None  # the fields of a part that are being read
        self._left: int | None = None  # bytes that the content of the part may still have
        self._content_left = limits.content  # and that of all parts to come
        self._outside = 0  # bytes of the text before the parts, or behind them

    def receive(self, data: bytes) -> None:
        """Take bytes of the form; ``b""`` says that there are no more."""
        if not data:
            self._ended = True
        elif self._step is MultipartReader._read_epilogue:
            self._outside += len(data)
        elif self._step is not MultipartReader._fail_again:
            self._buffer.append(data)

    def next_event(self) -> PartEvent | Signal:
        """Return the next event, NEED_DATA, or CLOSED behind the end of the form.

        Whoever bounds the text there has to ask again when more of it came.

        Raises:
            RemoteProtocolError: the form is malformed, passed a limit, or is cut off. Every
                later call raises it again.
        """
        try:
            while (event := self._step(self)) is None:
                pass
            if event is NEED_DATA and self._ended:
                raise RemoteProtocolError("a form without its closing boundary")
        except RemoteProtocolError as error:
            self._step, self._error = MultipartReader._fail_again, (str(error), error.status)
            raise
        return event

    def _read_preamble(self) -> Signal | None:
        """Pass over the text before the first boundary (RFC 2046 §5.1.1)."""
        end, found = self._find_end()
        self._outside += end - self._buffer.pos
        self._check_outside("before the first boundary")
        if not found:
            self._buffer.skip_to(end)
            return NEED_DATA
        self._end_text(end)
        return None

    def _check_outside(self, where: str) -> None:
        """Refuse too much text around the parts."""
        most = self._limits.outside
        if most is not None and self._outside > most:
            raise RemoteProtocolError(f"too much text {where} of a form; {most} bytes are allowed")

    def _read_boundary(self) -> EndOfMessage | Signal | None:
        """See whether a part follows, or nothing."""
        buffer = self._buffer
        if len(buffer) < 2:
            return NEED_DATA
        if buffer.data[buffer.pos : buffer.pos + 2] == b"--":
            self._outside = len(buffer) - 2
            buffer.skip_to(len(buffer.data))
            self._step = MultipartReader._read_epilogue
            return EndOfMessage()
        if self._parts == self._limits.parts:
            raise RemoteProtocolError(f"too many parts; {self._limits.parts} are allowed in a form")
        line = buffer.line(MAX_PADDING, 400)
        if line is None:
            return NEED_DATA
        if line.strip(" \t"):
            raise RemoteProtocolError(f"{excerpt(line)} after a boundary")
        self._parts += 1
        self._step = MultipartReader._read_head
        return None

    def _read_head(self) -> PartHead | Signal:
        """Read the fields of a part."""
        head = self._usual_head() if self._section is None else None
        if head is None:
            fields = self._fields()
            if fields is None:
                return NEED_DATA
            head = part_head(fields)
        limits = self._limits
        if len(head.name) > limits.name:
            raise RemoteProtocolError(
                f"name of a part of {len(head.name)} characters; {limits.name} are allowed"
            )
        self._section = None
        self._left = limits.field if head.filename is None else limits.file
        self._at_start = True
        self._step = MultipartReader._read_content
        return head

    def _usual_head(self) -> PartHead | None:
        """Read a head that is whole and like most, None if it is not."""
        buffer, limits = self._buffer, self._limits
        match = _USUAL_HEAD.match(buffer.data, buffer.pos, buffer.pos + limits.part_head + 4)
        if match is None or limits.part_fields < 2:
            return None
        disposition, name, filename, content_type = match.groups()
        fields = [("content-disposition", disposition.decode("latin-1"))]
        kind = ""
        if content_type is not None:
            kind = content_type.decode("latin-1")
            fields.append(("content-type", kind))
        buffer.skip_to(match.end())
        return PartHead(_text(name), None if filename is None else _text(filename), kind, fields)

    def _fields(self) -> Fields | None:
        """Read fields line by line, None while they are not whole."""
        limits = self._limits
        if self._section is None:
            self._section = Section(limits.part_head, self._lines)
        try:
            return self._section.read(self._buffer)
        except RemoteProtocolError as error:
            if error.status == 400:
                raise RemoteProtocolError(f"Invalid header value or name: {error}") from None
            raise RemoteProtocolError(
                f"part header too large; {limits.part_head} bytes and {limits.part_fields} "
                "fields are allowed"
            ) from None

    def _read_content(self) -> Data | EndOfPart | Signal:
        """Give what is content for sure, up to the boundary."""
        end, found = self._find_end()
        size = end - self._buffer.pos
        if size:
            self._count(size)
            return Data(self._buffer.take(size))
        if not found:
            return NEED_DATA
        self._end_text(end)
        return EndOfPart()

    def _count(self, size: int) -> None:
        """Take bytes of content off what is allowed."""
        limits, part, form = self._limits, self._left, self._content_left
        # The limit that is passed first counts, or the error would depend on the cut.
        if form is not None and size > form and (part is None or form <= part):
            raise RemoteProtocolError(
                f"too much content in a form; {limits.content} bytes are allowed", 413
            )
        if part is not None and size > part:
            raise RemoteProtocolError(
                f"too much content in a part; {limits.field} bytes are allowed in a field "
                f"and {limits.file} in a file",
                413,
            )
        if part is not None:
            self._left = part - size
        if form is not None:
            self._content_left = form - size

    def _read_epilogue(self) -> Signal:
        self._check_outside("behind the last boundary")
        return CLOSED

    def _fail_again(self) -> Signal:
        raise RemoteProtocolError(*self._error)

    def _find_end(self) -> tuple[int, bool]:
        """Return up to which index there is text for sure, and whether a boundary follows."""
        data, pos = self._buffer.data, self._buffer.pos
        if self._at_start:
            first = bytes(data[pos : pos + len(self._dashes)])
            if self._dashes.startswith(first):
                return pos, first == self._dashes
            self._at_start = False
        delimiter = self._delimiter
        end = data.find(delimiter, pos)
        if end >= 0:
            return end, True
        # The delimiter may have begun at the very end, with the one CR that is in it.
        end = data.rfind(b"\r", max(pos, len(data) - len(delimiter) + 1))
        if end >= 0 and delimiter.startswith(bytes(data[end:])):
            return end, False
        return len(data), False

    def _end_text(self, end: int) -> None:
        """Leave out the boundary that a text ends with."""
        self._buffer.skip_to(end + len(self._dashes if self._at_start else self._delimiter))
        self._step = MultipartReader._read_boundary


def form_boundary(content_type: str) -> bytes:
    """Return the boundary of the form that a Content-Type announces.

    Raises:
        RemoteProtocolError: no ``multipart/form-data`` with a boundary.
    """
    try:
        kind, parameters = parse_parameters(content_type)
        boundary = parameters.get("boundary", "").encode("latin-1")
    except ValueError as error:
        raise RemoteProtocolError(f"Content-Type: {error}") from None
    if kind != "multipart/form-data":
        raise RemoteProtocolError(f"Content-Type {excerpt(kind)}; multipart/form-data allowed", 415)
    if not boundary:
        raise RemoteProtocolError(f"no boundary in Content-Type {excerpt(content_type)}")
    return boundary


def parse_multipart(
    boundary: bytes, body: bytes, limits: FormLimits = DEFAULT_LIMITS
) -> list[tuple[PartHead, bytes]]:
    """Read a whole form: the head and the content of each part.

    A body that begins with the fields of a part is read as if its first boundary were there,
    which some programs leave out.

    Raises:
        RemoteProtocolError: malformed or past a limit; nothing of it is used then.
    """
    reader = MultipartReader(boundary, limits)
    if body[: len(_DISPOSITION)].lower() == _DISPOSITION:
        reader.receive(b"--" + boundary + b"\r\n")
        reader.next_event()
    reader.receive(body)
    reader.receive(b"")
    parts: list[tuple[PartHead, bytes]] = []
    while not isinstance(event := reader.next_event(), EndOfMessage):
        if isinstance(event, PartHead):
            parts.append((event, b""))
        elif isinstance(event, Data):
            # All of the content, since the body came in one piece.
            parts[-1] = (parts[-1][0], event.data)
    return parts


# -- heads of parts ----------------------------------------------------------------------


def part_head(fields: Fields) -> PartHead:
    """Return what the fields of a part say.

    Raises:
        RemoteProtocolError: no Content-Disposition with a name, or one that two readers could
            take for different ones.
    """
    try:
        kind, parameters = parse_parameters(_one(fields, "content-disposition"), form=True)
    except ValueError as error:
        raise RemoteProtocolError(f"Content-Disposition of a part: {error}") from None
    if kind != "form-data" or "name" not in parameters:
        raise RemoteProtocolError("a part without Content-Disposition: form-data and a name")
    name = _text(parameters["name"].encode("latin-1"))
    return PartHead(name, _filename(parameters), _one(fields, "content-type"), fields)


def _one(fields: Fields, name: str) -> str:
    values = [value for other, value in fields if other == name]
    if len(values) > 1:
        raise RemoteProtocolError(f"{len(values)} fields {name} in a part; one is allowed")
    return values[0] if values else ""


def _filename(parameters: dict[str, str]) -> str | None:
    """Return the file name that a part gives.

    ``filename*`` has no place in a form (RFC 7578 §4.2), but some programs send it beside the
    plain one to keep the letters that this has lost. It counts if it is that same name with
    its accents on: else a name that was looked at on the way could be another one here.
    """
    if "filename" not in parameters:
        return None
    plain = _text(parameters["filename"].encode("latin-1"))
    if "filename*" not in parameters:
        return plain
    try:
        extended = parse_extended(parameters["filename*"])
    except ValueError:
        return plain
    letters = unicodedata.normalize("NFD", extended)
    without = "".join([letter for letter in letters if not unicodedata.combining(letter)])
    return extended if without == plain else plain


def _text(raw: bytes) -> str:
    """Read a parameter as UTF-8, which browsers send here unescaped (RFC 7578 §5.1)."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
