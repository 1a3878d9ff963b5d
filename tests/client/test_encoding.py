"""`encoding`: content made from values and files."""

import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.httpclient.content import Content
from toolkit.httpclient.encoding import (
    PIECE,
    FileContent,
    Multipart,
    Part,
    Reported,
    encode,
    file_content,
    iterated,
)
from toolkit.testing.mock_transport import read_body
from toolkit.wire.multipart import form_boundary, parse_multipart

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


async def body(content: Content) -> bytes:
    """Return what is sent of content; it is as long as it says."""
    data = await read_body(content)
    assert data is not None
    assert content.length in (None, len(data))
    if content.replayable:
        assert await read_body(content) == data
    return data


async def parts(content: Content) -> list[tuple[str, str | None, str, bytes]]:
    """Return the parts of a form as a server reads them."""
    assert content.content_type is not None
    found = parse_multipart(form_boundary(content.content_type), await body(content))
    return [(head.name, head.filename, head.content_type, data) for head, data in found]


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    """Yield bytes."""
    for piece in data:
        yield piece


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({"json": {"a": [1, "\u20ac"], "b": None}}, "json", '{"a":[1,"\u20ac"],"b":null}'),
        ({"json": None}, "json", "null"),
        ({"form": {"a": "b c&d", "e": ["f", 1, 2.5], "\u20ac": b"\xff"}}, "form", None),
        ({"form": [("a", "1"), ("b", "2"), ("a", "3")]}, "form", "a=1&b=2&a=3"),
        ({"form": {}}, "form", ""),
    ],
    ids=["json", "null", "form", "pairs", "empty form"],
)
async def test_values_are_encoded(options: Any, kind: str, expected: str | None) -> None:
    """As JSON, or as a browser encodes a form."""
    if expected is None:
        expected = "a=b+c%26d&e=f&e=1&e=2.5&%E2%82%AC=%FF"
    content = encode(**options)
    assert content is not None
    assert (await body(content)).decode() == expected
    types = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
    assert content.content_type == types[kind]
    assert content.replayable


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"json": 1, "form": {}}, ValueError),
        ({"json": 1, "files": {}}, ValueError),
        ({"json": float("nan")}, ValueError),
        ({"json": object()}, TypeError),
        ({"form": {"a": None}}, TypeError),
        ({"form": {"a": True}}, TypeError),
        ({"files": {"a": 7}}, TypeError),
        ({"files": {"a\x00": b""}}, ValueError),
        ({"files": {"a": Part(b"", content_type="x\r\nX: y")}}, ValueError),
        ({"files": {"a": Path("/nonexistent")}}, OSError),
    ],
    ids=range(10),
)
async def test_what_cannot_be_encoded_is_an_error(options: Any, error: type[Exception]) -> None:
    """Before anything is sent."""
    with pytest.raises(error):
        encode(**options)


async def test_nothing_is_no_content() -> None:
    """Which is not the same as an empty one."""
    assert encode() is None


@pytest.mark.feature("F07")
async def test_files_come_from_wherever_they_are(tmp_path: Path) -> None:
    """From paths, file objects, memory and generators, behind the fields of the form."""
    (tmp_path / "a.txt").write_bytes(b"by path")
    (tmp_path / "b.tar.gz").write_bytes(b"by object")
    with (tmp_path / "b.tar.gz").open("rb") as file:
        file.seek(3)
        content = encode(
            form={"x": "1", "y": ["2", "3"]},
            files={
                "path": tmp_path / "a.txt",
                "object": file,
                "bytes": b"in memory",
                "text": Part("\u20ac", filename="e.json"),
                "memory": Part(io.BytesIO(b"file"), filename="f", content_type="x/y"),
                "stream": Part(pieces(b"a", b"", b"b"), filename="g", length=2),
            },
        )
        assert content is not None
        assert content.length is not None
        assert not content.replayable
        assert await parts(content) == [
            ("x", None, "", b"1"),
            ("y", None, "", b"2"),
            ("y", None, "", b"3"),
            ("path", "a.txt", "text/plain", b"by path"),
            ("object", "b.tar.gz", "application/octet-stream", b"object"),
            ("bytes", None, "", b"in memory"),
            ("text", "e.json", "application/json", "\u20ac".encode()),
            ("memory", "f", "x/y", b"file"),
            ("stream", "g", "application/octet-stream", b"ab"),
        ]


@pytest.mark.feature("F07")
async def test_a_form_has_a_length_if_all_its_parts_have_one(tmp_path: Path) -> None:
    """And can be sent again if all of them can."""
    (tmp_path / "a").write_bytes(b"x" * (PIECE + 1))
    whole = Multipart([("a", tmp_path / "a"), ("b", io.BytesIO(b"y"))])
    assert whole.replayable
    assert [data for *_, data in await parts(whole)] == [b"x" * (PIECE + 1), b"y"]
    open_ended = Multipart([("a", tmp_path / "a"), ("b", pieces(b"z"))])
    assert (open_ended.length, open_ended.replayable) == (None, False)
    assert len(await parts(open_ended)) == 2


@pytest.mark.feature("F07")
async def test_a_boundary_is_made_by_chance() -> None:
    """So that no content can hold it."""
    one, other = (encode(files={"a": b""}) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.content_type != other.content_type
    assert Multipart([], "b").content_type == "multipart/form-data; boundary=b"


async def test_a_file_that_cannot_seek_has_no_length(tmp_path: Path) -> None:
    """Such as a pipe."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    content = file_content(Pipe(b"data"))
    assert (content.length, content.replayable) == (None, False)
    assert await body(content) == b"data"
    with pytest.raises(TypeError, match="open it for bytes"):
        await read_body(file_content(io.StringIO("text")))  # type: ignore[arg-type]


async def test_a_file_that_has_changed_is_not_sent_for_whole(tmp_path: Path) -> None:
    """What came to it is not sent, and what is missing is an error."""
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    content = FileContent(path, start=2)
    path.write_bytes(b"0123456789abc")
    assert await body(content) == b"23456789"
    path.write_bytes(b"0123")
    with pytest.raises(OSError, match="shorter by 6 bytes"):
        await read_body(content)


async def test_a_form_that_is_given_up_closes_its_file(tmp_path: Path) -> None:
    """At once, and not when somebody collects it."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * PIECE * 3)
    content = Reported(Multipart([("a", path)]), lambda done, total: None)
    with contextlib.suppress(RuntimeError):
        async with iterated(content) as given:
            async for piece in given:
                if piece.startswith(b"x"):
                    raise RuntimeError
    # An open file would be a ResourceWarning, and that an error.


@pytest.mark.feature("F28")
async def test_an_upload_tells_how_far_it_is(tmp_path: Path) -> None:
    """Once for each piece that has gone."""
    seen: list[tuple[int, int | None]] = []
    path = tmp_path / "a"
    path.write_bytes(b"x" * (2 * PIECE + 1))
    content = Reported(FileContent(path), lambda done, total: seen.append((done, total)))
    total = 2 * PIECE + 1
    once = [(PIECE, total), (2 * PIECE, total), (total, total)]
    await body(content)
    assert seen == once * 2
    seen.clear()
    stream = Reported(file_content(pieces(b"ab", b"c")), lambda *at: seen.append(at))
    await body(stream)
    assert seen == [(2, None), (3, None)]
