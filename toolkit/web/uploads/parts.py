"""`Parts`: a multipart form, part by part as it comes from the client."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Self

from toolkit import files
from toolkit.files.opening import Path
from toolkit.http1connection import Exchange
from toolkit.httputil import HTTPHeaders, HTTPServerRequest
from toolkit.util import lazy
from toolkit.web.errors import HTTPError
from toolkit.web.uploads.names import safe_filename
from toolkit.web.uploads.spool import Directory, Spool, SpooledFile
from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.events import NEED_DATA, Data, Signal
from toolkit.wire.multipart import FormLimits, MultipartReader, PartEvent, PartHead, form_boundary

MEBIBYTE = 1024 * 1024

#: Of forms that are read part by part. Fields are held in memory, so that they are bounded;
#: files and the form itself are so by the server's limit on content.
UPLOAD_LIMITS = FormLimits(field=MEBIBYTE, outside=64 * 1024)

#: Bytes that a file is written by. A file that came by pieces of 64 KiB, with a turn of the loop
#: and a hop to a thread for each, took ten times as many instructions.
BLOCK = MEBIBYTE
#: Bytes of a piece that is written as it is; smaller ones are put together.
LARGE_PIECE = 16 * 1024


class Part:
    """One part of a form: a field, or a file.

    Its content is there once, and until the next part is asked for. It is taken whole by
    `read` or `text`, in pieces by ``async for``, or put into a file by `save` or `spool`. What
    is left of it is read and dropped when the form goes on.

    Attributes:
        head: what the client said of it, as it said it.
        name: of the form's control.
        filename: fit to stand in a directory (see `safe_filename`), None when it is no file,
            "" where a browser's user chose none. The client's own is ``head.filename``.
        content_type: as the client said, "" for none. It need not be true.
    """

    def __init__(self, form: "Parts", head: PartHead) -> None:
        self._form = form
        self._taken = bytearray()  # gathered; more than nothing if that was cancelled
        self._ended = False
        self.head = head
        self.name = head.name
        self.filename = None if head.filename is None else safe_filename(head.filename)
        self.content_type = head.content_type

    def __repr__(self) -> str:
        name = "" if self.filename is None else f" filename={excerpt(self.filename)}"
        return f"<Part {excerpt(self.name)}{name}>"

    @lazy
    def headers(self) -> HTTPHeaders:
        """All of its headers."""
        return HTTPHeaders.received(self.head.fields)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece of the content as it comes; errors as `read`."""
        piece = self._take() or await self._next()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def read(self, max_size: int = MEBIBYTE) -> bytes:
        """Return the rest of the content.

        Raises:
            HTTPError: 413, when it has more than `max_size` bytes; 400 or 413, when the form
                is malformed, cut off, or passes a limit.
            StreamClosedError: the client is gone.
            RuntimeError: the form went on to another part, or the content was given to a
                `save` or `spool` that failed.
        """
        while len(self._taken) <= max_size and (piece := await self._next()):
            self._taken += piece
        if len(self._taken) > max_size:
            raise self._too_large(max_size)
        return self._take()

    async def text(self, max_size: int = MEBIBYTE, encoding: str = "utf-8") -> str:
        """Return the rest of the content as text.

        Raises:
            HTTPError: 400, when it is not in that encoding; else as `read`.
        """
        content = await self.read(max_size)
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            message = "part %s is not %s: byte %d"
            raise HTTPError(400, message, excerpt(self.name), encoding, error.start) from None

    async def save(self, path: Path, max_size: int | None = None, *, durable: bool = True) -> int:
        """Write the rest of the content to a file, which is there whole or not at all.

        Example::

            await part.save(directory / f"{uuid4()}.jpg", max_size=10_000_000)

        Args:
            path: never take it from the client alone, who chooses what is replaced then.
            max_size: bytes that are allowed; None for the limits of the form.
            durable: as of `files.atomic_write`, which it is written by.
        Returns:
            Number of bytes.
        Raises:
            OSError: the file cannot be written.
            HTTPError, StreamClosedError, RuntimeError: as `read`.
        """
        async with files.atomic_write(path, "wb", durable=durable) as file:
            return await self._pour(file.writelines, max_size)

    async def spool(
        self,
        max_memory: int = MEBIBYTE,
        max_size: int | None = None,
        directory: Directory = None,
    ) -> SpooledFile:
        """Return the rest of the content as a file, in memory or else on disk.

        Args:
            max_memory: bytes beyond which it goes to a temporary file.
            max_size: bytes that are allowed; None for the limits of the form.
            directory: of the temporary file; None for the system's.
        Raises:
            OSError: the file cannot be written.
            HTTPError, StreamClosedError, RuntimeError: as `read`.
        """
        spool = Spool(max_memory, directory)
        try:
            await self._pour(spool.writelines, max_size)
            return await spool.finish()
        finally:
            spool.discard()

    async def _pour(
        self, write: Callable[[list[bytes]], Awaitable[object]], max_size: int | None
    ) -> int:
        """Give the content to a file; if that fails nobody can have what is left of it."""
        written = 0
        try:
            while (block := await self._block(max_size, written)).size:
                written += block.size
                if max_size is not None and written > max_size:
                    raise self._too_large(max_size)
                await write(block.pieces())
        except BaseException:
            self._ended = False
            self._form.pass_over(self)
            raise
        return written

    async def _next(self) -> bytes:
        """Return the next piece from the form, b"" at the end."""
        if self._ended:
            return b""
        piece = await self._form.content(self)
        self._ended = not piece
        return piece

    async def _block(self, max_size: int | None, written: int) -> "_Block":
        """Return content that is worth a hop to a thread, or is too much; nothing at the end."""
        block = _Block(BLOCK if max_size is None else min(BLOCK, max_size - written + 1))
        if self._taken:
            block.add(self._take())
        if not self._ended:
            self._ended = await self._form.fill(block, self)
        return block

    def _take(self) -> bytes:
        taken = bytes(self._taken)
        self._taken.clear()
        return taken

    def _too_large(self, max_size: int) -> HTTPError:
        message = "part %s is too large; %d bytes are allowed"
        return HTTPError(413, message, excerpt(self.name), max_size)


class _Block:
    """Content that is written at once: large pieces as they came, small ones put together.

    Attributes:
        enough: bytes for which no further piece is waited.
        size: bytes so far.
    """

    __slots__ = ("_pieces", "_small", "enough", "size")

    def __init__(self, enough: int) -> None:
        self.enough = enough
        self.size = 0
        self._pieces: list[bytes] = []
        self._small = bytearray()  # what comes behind them

    def add(self, piece: bytes) -> None:
        """Add a piece."""
        self.size += len(piece)
        if len(piece) < LARGE_PIECE:
            self._small += piece
        else:
            self._settle()
            self._pieces.append(piece)

    def pieces(self) -> list[bytes]:
        """Return what is to be written."""
        self._settle()
        return self._pieces

    def _settle(self) -> None:
        if self._small:
            self._pieces.append(bytes(self._small))
            self._small.clear()


class Parts:
    """The parts of a multipart form, one after another as they come, for ``async for``.

    What nobody reads is not kept, and a client sends no faster than its form is read.

    Example::

        async for part in self.parts():
            if part.name == "title":
                title = await part.text(max_size=200)
            elif part.content_type != "image/jpeg":
                raise HTTPError(415)     # before its content was read
            else:
                await part.save(directory / new_name(), max_size=10_000_000)

    When it is over, the form was whole. Errors of it and its parts: HTTPError of status 400 or
    413, when the form is malformed, cut off, or passes a limit; and what the source raises,
    which of an `Exchange` is StreamClosedError when the client is gone, TruncatedError when it
    has closed its way out too early, and RemoteProtocolError when its content is refused.

    Args:
        source: the content in pieces. Where that is an async generator, a wait for a piece
            that is cancelled is the end of it; an `Exchange` goes on.
        boundary: from the Content-Type.
        limits: what is refused.
    """

    def __init__(
        self, source: AsyncIterable[bytes], boundary: bytes, limits: FormLimits = UPLOAD_LIMITS
    ) -> None:
        self._source: Exchange | _Pieces
        self._source = source if isinstance(source, Exchange) else _Pieces(source)
        self._reader = MultipartReader(boundary, limits)
        self._part: Part | None = None  # that may be read
        self._in_content = False  # whether the reader is amid the content of a part
        self._at_end = False  # of the form; text may follow
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Part:
        """Return the next part; what is left of the one before is dropped."""
        self._part = None
        while self._in_content:
            await self._content()
        if not self._at_end:
            event = await self._next_event()
            if isinstance(event, PartHead):
                self._in_content = True
                self._part = Part(self, event)
                return self._part
            self._at_end = True
        if not self._over:
            await self._read_to_end()
        raise StopAsyncIteration

    async def content(self, part: Part) -> bytes:
        """Return the next piece of a part, b"" at its end; for the part."""
        self._check(part)
        return await self._content()

    async def fill(self, block: _Block, part: Part) -> bool:
        """Gather the next pieces of a part, and say whether it has ended; for the part."""
        self._check(part)

        def take(piece: bytes) -> bool:
            self._reader.receive(piece)
            try:
                return self._gather(block)
            except HTTPError:
                return True  # the reader says it again to who waits

        while not self._gather(block):
            await self._feed(take)
        return not self._in_content

    def pass_over(self, part: Part) -> None:
        """Let nothing more be read from a part; for the part."""
        if part is self._part:
            self._part = None

    def _check(self, part: Part) -> None:
        if part is not self._part:
            raise RuntimeError(f"the content of {part!r} is gone; a form is read in order")

    def _gather(self, block: _Block) -> bool:
        """Move content that has come to a block; say whether that is all, or enough."""
        while self._in_content and block.size < block.enough:
            event = self._read()
            if event is NEED_DATA:
                return False
            if isinstance(event, Data):
                block.add(event.data)
            else:
                self._in_content = False
        return True

    async def _content(self) -> bytes:
        event = await self._next_event()
        if isinstance(event, Data):
            return event.data
        self._in_content = False
        return b""

    async def _next_event(self) -> PartEvent:
        while (event := self._read()) is NEED_DATA:
            await self._feed(self._receive)
        assert not isinstance(event, Signal)  # CLOSED comes behind the end only
        return event

    async def _read_to_end(self) -> None:
        """Read what follows the parts, so that the connection is free for another request."""
        self._read()  # which looks at what has come already
        while await self._source.pour(self._receive):
            self._read()
        self._over = True

    def _read(self) -> PartEvent | Signal:
        try:
            return self._reader.next_event()
        except RemoteProtocolError as error:
            raise HTTPError(error.status, "multipart/form-data: %s", error) from error

    async def _feed(self, take: Callable[[bytes], bool]) -> None:
        """Have the next pieces of the source taken, or its end."""
        if not await self._source.pour(take):
            self._reader.receive(b"")

    def _receive(self, piece: bytes) -> bool:
        """Take one piece."""
        self._reader.receive(piece)
        return True


class _Pieces:
    """Content from elsewhere than an `Exchange`, to be taken in the same way."""

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._source = source
        self._pieces: AsyncIterator[bytes] | None = None

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Give `take` the next piece; False at the end."""
        if self._pieces is None:
            self._pieces = aiter(self._source)
        try:
            while not (piece := await anext(self._pieces)):
                pass
        except StopAsyncIteration:
            return False
        except BaseException:
            # A generator that an exception went through has ended; the source may go on.
            self._pieces = None
            raise
        take(piece)
        return True


def parts_of(
    source: AsyncIterable[bytes], content_type: str, limits: FormLimits = UPLOAD_LIMITS
) -> Parts:
    """Return the parts of a form.

    Args:
        source: its content in pieces, such as an `Exchange`; see `Parts`.
        content_type: of the content, with the boundary.
    Raises:
        HTTPError: 415, it is no multipart/form-data; 400, it has no boundary.
    """
    try:
        return Parts(source, form_boundary(content_type), limits)
    except RemoteProtocolError as error:
        raise HTTPError(error.status, "%s", error) from None


def request_parts(request: HTTPServerRequest, limits: FormLimits = UPLOAD_LIMITS) -> Parts:
    """Return the parts of the form that a request brings, be its content read already or not.

    Raises:
        HTTPError: as `parts_of`; 415, the content has a coding that the server left on it.
    """
    headers = request.headers
    if "Content-Encoding" in headers:
        coding = excerpt(headers["Content-Encoding"])
        raise HTTPError(415, "form with Content-Encoding %s; none is allowed", coding)
    source = _pieces(request.body) if request.body else request.connection
    return parts_of(source, headers.get("Content-Type", ""), limits)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content
