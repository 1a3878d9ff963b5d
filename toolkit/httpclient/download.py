"""`download`: a URL into a file, which goes on where it was when it is cut off."""

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import files
from toolkit.httpclient.base import AsyncHTTPClient
from toolkit.httpclient.building import as_headers
from toolkit.httpclient.encoding import Progress
from toolkit.httpclient.errors import HTTPClientError, HTTPStreamClosedError
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httpclient.transport import StreamedResponse
from toolkit.httputil import HTTPHeaders
from toolkit.wire.dates import http_date

#: As long as something comes, a download may take as long as it likes.
TIMEOUTS = Timeouts(whole=None, first_byte=60.0, read=60.0)

_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Download:
    """What came of a download.

    Attributes:
        path: of the file.
        size: of the file in bytes.
        resumed_at: bytes that were there already.
        response: the last one, which has been read.
    """

    path: Path
    size: int
    resumed_at: int
    response: StreamedResponse


async def download(
    client: AsyncHTTPClient,
    url: str,
    path: str | os.PathLike[str],
    *,
    method: str = "GET",
    resume: bool = False,
    progress: Progress | None = None,
    **arguments: Any,
) -> Download:
    """Write the content of a URL to a file, whole or not at all.

    Example::

        await download(client, "https://www.example.com/film.mkv", "film.mkv", resume=True)

    It is written to ``film.mkv.part``, which takes the place of the file when it is whole. If it
    is cut off that stays, if the server has said what tells its versions apart, which is kept
    beside it in ``film.mkv.part.json``. With `resume` the rest is asked for then, on the
    condition that the content is still the same (``If-Range``, RFC 9110 §13.1.5); if it is not,
    all of it comes. A file that is there and as long as that of the server is not fetched again.

    Args:
        client: whose `max_body_size` has to allow the content.
        resume: whether to go on with what is there.
        progress: called with the bytes that are there, and those of all, if that is known.
        arguments: as of `AsyncHTTPClient.stream`; there is no time-out for the whole unless one
            is given.
    Raises:
        HTTPClientError: the status is no success.
        HTTPStreamClosedError: it was cut off; what came is kept.
        OSError: the network, or the file system.
    """
    task = _Task(client, method, url, Path(path), progress, arguments)
    return await task.run(resume)


class _Task:
    """One download; what is there is asked for at most once."""

    def __init__(
        self,
        client: AsyncHTTPClient,
        method: str,
        url: str,
        path: Path,
        progress: Progress | None,
        arguments: dict[str, Any],
    ) -> None:
        self._client = client
        self._method = method
        self._url = url
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        self._progress = progress
        self._arguments = arguments

    async def run(self, resume: bool) -> Download:
        if resume:
            offset, validator = await self._state()
            done = await self._ask(offset, validator) if offset else None
            if done is not None:
                return done
        done = await self._ask(0, "")
        assert done is not None
        return done

    async def _state(self) -> tuple[int, str]:
        """Return how many bytes there are, and what tells whether they are still good.

        Without a part they are those of the file itself, which may be whole.
        """
        for path in (self._part, self._path):
            with contextlib.suppress(FileNotFoundError):
                size = (await files.stat(path)).st_size
                return size, await self._validator() if path is self._part else ""
        return 0, ""

    async def _validator(self) -> str:
        try:
            note = json.loads(await files.read_bytes(self._note))
        except (FileNotFoundError, ValueError):
            return ""
        same = isinstance(note, dict) and note.get("url") == self._url
        return str(note.get("validator", "")) if same else ""

    async def _ask(self, offset: int, validator: str) -> Download | None:
        """Fetch what is missing; None when it has to begin anew."""
        headers = as_headers(self._arguments.get("headers"))
        # A part of coded content is a part of nothing.
        headers["Accept-Encoding"] = "identity"
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if validator:
                headers["If-Range"] = validator
        arguments: dict[str, Any] = {
            "timeout": TIMEOUTS,
            **self._arguments,
            "headers": headers,
            "decompress_response": False,
        }
        async with self._client.stream(self._method, self._url, **arguments) as response:
            if offset and response.status == 416:
                return await self._settle(response, offset, bool(validator))
            if response.status == 206 and offset:
                if not (validator and _goes_on(response, offset, validator)):
                    return None  # it may be a part of something else
            elif response.status == 206 or not response.ok:
                raise HTTPClientError(response.status, response.reason)
            else:
                offset, validator = 0, strong_validator(response.headers)
                await self._keep_note(validator)
            size = await self._receive(response, offset, bool(validator))
            await self._replace()
            return Download(self._path, size, offset, response)

    async def _settle(
        self, response: StreamedResponse, offset: int, is_part: bool
    ) -> Download | None:
        """See whether nothing is missing, since the server has no bytes after those here."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or match[3] != str(offset):
            return None
        if await files.exists(self._part):
            if not is_part:
                return None
            await self._replace()
        return Download(self._path, offset, offset, response)

    async def _receive(self, response: StreamedResponse, offset: int, keep: bool) -> int:
        """Write content behind what is there, and return how long the file is then.

        Args:
            keep: whether what came is kept if it is cut off.
        """
        total = _total(response, offset)
        done = offset
        try:
            async with files.open(self._part, "r+b" if offset else "wb") as file:
                await file.seek(offset)
                async for piece in response:
                    await file.write(piece)
                    done += len(piece)
                    if self._progress is not None:
                        self._progress(done, total)
                await file.truncate()
        except BaseException:
            if not keep:
                await files.remove(self._part, missing_ok=True)
            raise
        if total is not None and done != total:
            raise HTTPStreamClosedError(f"{done} bytes came of {total}")
        return done

    async def _keep_note(self, validator: str) -> None:
        if validator:
            async with files.atomic_write(self._note, durable=False) as file:
                await file.write(json.dumps({"url": self._url, "validator": validator}))
        else:
            await files.remove(self._note, missing_ok=True)

    async def _replace(self) -> None:
        await files.replace(self._part, self._path)
        await files.remove(self._note, missing_ok=True)


def _goes_on(response: StreamedResponse, offset: int, validator: str) -> bool:
    """Say whether a part is the one that was asked for, of the same content."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    etag = response.headers.get("ETag", validator)
    same = etag == validator or not validator.startswith('"')
    return same and match is not None and match[1] == str(offset)


def _total(response: StreamedResponse, offset: int) -> int | None:
    """Return the bytes of all of the content, None when they are not known."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if offset and match is not None:
        return int(match[3]) if match[3] != "*" else None
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isascii() and length.isdigit() else None


def strong_validator(headers: HTTPHeaders) -> str:
    """Return what tells for sure whether content is the same, "" for nothing.

    That is a strong ETag, or a date that is older than the response itself.

    RFC 9110 §8.8, §13.1.5
    """
    etag = headers.get("ETag", "")
    if etag:
        return "" if etag.startswith("W/") else etag
    modified = headers.get("Last-Modified", "")
    times = [http_date(text, 0) for text in (modified, headers.get("Date", ""))]
    if times[0] is None or times[1] is None:
        return ""
    return modified if times[1] - times[0] >= 1 else ""
