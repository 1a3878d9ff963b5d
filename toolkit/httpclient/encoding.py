"""Content made from values and files: JSON, forms, and forms with files.

Example::

    content = encode(form={"title": "Holiday"}, files={"photo": Path("beach.jpg")})
    content.length, content.content_type       # 48213, "multipart/form-data; boundary=..."
"""

import contextlib
import io
import json as json_module
import mimetypes
import os
import secrets
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlencode

from toolkit import files as file_access
from toolkit.files.threads import in_thread
from toolkit.httpclient.content import Content, Pieces, Write
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.events import Field
from toolkit.wire.form_parts import form_end, part_start

#: Bytes that are read of a file, and that progress is told of, at once.
PIECE = 64 * 1024
#: What a file is that nobody knows better.
UNKNOWN_TYPE = "application/octet-stream"

FormValue = str | bytes | int | float
#: Fields of a form, in the order in which they are sent; a list gives a name several values.
Form = Mapping[str, FormValue | Sequence[FormValue]] | Iterable[tuple[str, FormValue]]
#: What a part of a form can be made from. A file object is one that is opened for bytes.
FileSource = bytes | str | os.PathLike[str] | IO[bytes] | AsyncIterable[bytes] | Content


@contextlib.asynccontextmanager
async def iterated(content: AsyncIterable[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Iterate over content, and end its generator with the block, wherever that ends.

    Else the file of a request that was given up would be open until somebody collects it.
    """
    pieces = aiter(content)
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


class Opened(Content):
    """Content whose iteration holds something open, such as a file."""

    async def write_to(self, write: Write) -> None:
        async with iterated(self) as pieces:
            async for piece in pieces:
                await write(piece)


class BytesContent(Content):
    """Bytes, with what they are."""

    def __init__(self, data: bytes, content_type: str | None = None) -> None:
        self.data = data
        self.length = len(data)
        self.content_type = content_type

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), PIECE):
            yield self.data[start : start + PIECE]


def json_content(value: object) -> BytesContent:
    """Return a value as JSON.

    Raises:
        TypeError: what JSON has not.
        ValueError: a number that is none, or a value within itself.
    """
    text = json_module.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return BytesContent(text.encode("utf-8"), "application/json")


def form_content(form: Form) -> BytesContent:
    """Return fields as ``application/x-www-form-urlencoded``.

    Raises:
        TypeError: a value that is neither text, bytes nor a number.
    """
    text = urlencode(list(_fields(form)))
    return BytesContent(text.encode("ascii"), "application/x-www-form-urlencoded")


def _fields(form: Form) -> Iterable[tuple[str, str | bytes]]:
    for name, given in form.items() if isinstance(form, Mapping) else form:
        for value in given if isinstance(given, list | tuple) else [given]:
            if isinstance(value, bool) or not isinstance(value, str | bytes | int | float):
                raise TypeError(
                    f"form field {name!r} is {value!r}; text, bytes and numbers are allowed"
                )
            yield name, value if isinstance(value, str | bytes) else str(value)


# -- forms with files --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a form, where more is to be said than where its content comes from.

    Attributes:
        source: its content. A file object is read from where it stands; an async iterable has
            no length unless one is given.
        filename: that the server is told; by default that of a path or of a file object. An
            empty one makes no file of it.
        content_type: by default guessed from the name of the file.
        length: of an async iterable, in bytes.
        headers: more of them.
    """

    source: FileSource
    filename: str | None = None
    content_type: str | None = None
    length: int | None = None
    headers: Sequence[Field] = ()


#: Files by the names of their fields.
Files = Mapping[str, FileSource | Part] | Iterable[tuple[str, FileSource | Part]]


class Multipart(Opened):
    """A form with files, which are read while it is sent.

    It has a length if all its parts have one, and can be sent again if all of them can.

    Args:
        parts: with the names of their fields.
        boundary: letters that occur nowhere in it; by default made by chance.
    Raises:
        ValueError: a name, or a header, that would break the form.
        OSError: a file that is not there.
    """

    def __init__(
        self, parts: Iterable[tuple[str, FileSource | Part]], boundary: str | None = None
    ) -> None:
        boundary = boundary or f"part-{secrets.token_hex(16)}"
        raw = boundary.encode("ascii")
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._parts = [_opened(name, part, raw) for name, part in parts]
        self._end = form_end(raw)
        self.replayable = all(content.replayable for _, content in self._parts)
        self.length = _total(self._parts, len(self._end))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start, content in self._parts:
            yield start
            async with iterated(content) as pieces:
                async for piece in pieces:
                    yield piece
            yield b"\r\n"
        yield self._end


def _total(parts: Iterable[tuple[bytes, Content]], size: int) -> int | None:
    """Return the bytes of a form whose end has `size`; None if a part does not tell its own."""
    for start, content in parts:
        if content.length is None:
            return None
        size += len(start) + content.length + 2
    return size


def _opened(name: str, given: FileSource | Part, boundary: bytes) -> tuple[bytes, Content]:
    """Return what stands before a part, and its content."""
    part = given if isinstance(given, Part) else Part(given)
    filename = _filename(part.source) if part.filename is None else part.filename
    content = file_content(part.source, part.length)
    kind = part.content_type or content.content_type
    if kind is None:
        kind = _guessed_type(filename) if filename else ""
    try:
        return part_start(boundary, name, filename or None, kind, part.headers), content
    except LocalProtocolError as error:
        raise ValueError(str(error)) from None


def _filename(source: FileSource) -> str:
    name = source if isinstance(source, os.PathLike) else getattr(source, "name", "")
    return os.path.basename(name) if isinstance(name, str | os.PathLike) else ""


def _guessed_type(filename: str) -> str:
    kind, coding = mimetypes.guess_type(filename)
    return kind if kind and not coding else UNKNOWN_TYPE


# -- files -------------------------------------------------------------------------------


def file_content(source: FileSource, length: int | None = None) -> Content:
    """Return content from a source.

    Args:
        length: of an async iterable; that of others is looked up.
    Raises:
        OSError: a file that is not there.
        TypeError: another kind of source.
    """
    if isinstance(source, Content):
        return source
    if isinstance(source, str):
        return BytesContent(source.encode("utf-8"))
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesContent(bytes(source))
    if isinstance(source, os.PathLike):
        return FileContent(source)
    if isinstance(source, AsyncIterable):
        return Pieces(source, length)
    if hasattr(source, "read"):
        return FileObjectContent(source)
    raise TypeError(
        f"content from a {type(source).__name__}; bytes, str, a path, a file opened for bytes, "
        "Content and an async iterable of bytes are allowed"
    )


class FileContent(Opened):
    """A file by its path, opened when it is sent and read without blocking the loop.

    Args:
        path: of a file that is there; it is sent as long as it is now.
        start: bytes to leave out.
    Raises:
        OSError: it is not there.
    """

    def __init__(self, path: "os.PathLike[str] | str", start: int = 0) -> None:
        self._path = path
        self._start = start
        self.length: int = max(os.stat(path).st_size - start, 0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left, piece = self.length, b""
        async with file_access.open(self._path, "rb") as file:
            await file.seek(self._start)
            while left:
                piece = await file.read(min(PIECE, left))
                if not piece:
                    raise OSError(f"{os.fspath(self._path)!r} has become shorter by {left} bytes")
                left -= len(piece)
                if left:
                    yield piece
        if piece:
            yield piece  # with the file closed: nobody may ask for more after the last byte


class FileObjectContent(Opened):
    """A file object opened for bytes, from where it stands; read in a thread.

    One that can seek has a length and can be sent again.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.replayable = file.seekable()
        if self.replayable:
            self._start = file.tell()
            self.length = max(file.seek(0, io.SEEK_END) - self._start, 0)
            file.seek(self._start)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.replayable:
            self._file.seek(self._start)
        while piece := await in_thread(None, self._file.read, PIECE):
            if not isinstance(piece, bytes):
                raise TypeError(f"{self._file!r} gives {type(piece).__name__}; open it for bytes")
            yield piece


# -- progress ----------------------------------------------------------------------------

#: Is told how many bytes have gone, and how many there are, None when nobody knows.
Progress = Callable[[int, int | None], None]


class Reported(Opened):
    """Content that tells how far it has been sent.

    Example::

        content = Reported(file_content(Path("film.mkv")), lambda done, total: print(done))

    Args:
        content: what is sent.
        progress: called once for each piece, when it is its turn. Sent again, it begins at 0
            again.
    """

    def __init__(self, content: Content, progress: Progress) -> None:
        self._content = content
        self._progress = progress
        self.length = content.length
        self.content_type = content.content_type
        self.replayable = content.replayable

    async def __aiter__(self) -> AsyncIterator[bytes]:
        done = 0
        async with iterated(self._content) as pieces:
            async for piece in pieces:
                # Before it goes: after the last one nobody may ask for more.
                done += len(piece)
                self._progress(done, self.length)
                yield piece


# -- all of it ---------------------------------------------------------------------------

#: Stands for an argument that was not given, where None is a value of JSON.
NOT_GIVEN: Any = type("NotGiven", (), {"__repr__": lambda self: "NOT_GIVEN"})()


def encode(
    *, json: object = NOT_GIVEN, form: Form | None = None, files: Files | None = None
) -> Content | None:
    """Return the content that a request is to have, None if nothing is given.

    Args:
        json: a value; nothing else beside it.
        form: fields; with `files` they are parts before them.
        files: without them a form is urlencoded.
    Raises:
        ValueError: `json` beside others, or a name that would break the form.
        TypeError: a value or a source of the wrong kind.
        OSError: a file that is not there.
    """
    if json is not NOT_GIVEN:
        if form is not None or files is not None:
            raise ValueError("json beside form or files; a request has one content")
        return json_content(json)
    if files is None:
        return None if form is None else form_content(form)
    fields = [(name, Part(value, filename="")) for name, value in _fields(form or {})]
    return Multipart([*fields, *(files.items() if isinstance(files, Mapping) else files)])
