"""Files that are so large that the kernel sends them."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Serve, Site, TLSClient, get
from tests.loops import expect_log
from tests.streams.peers import client_context, pattern, server_context
from toolkit.iostream import IOStream, SSLIOStream
from toolkit.web import StaticFileHandler

MEBIBYTE = 1024 * 1024
SIZE = 3 * MEBIBYTE + 17
CONTENT = pattern(0, SIZE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a directory with a large file."""
    (tmp_path / "big").write_bytes(CONTENT)
    return tmp_path


def start(serve: Serve, root: Path, settings: dict[str, Any] | None = None, **options: Any) -> Site:
    """Serve the directory."""
    return serve([("/(.*)", StaticFileHandler, {"path": str(root)})], settings, **options)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the bytes of each block that a stream is to send of a file."""
    counts: list[int] = []
    true_send = IOStream.send_file

    async def send_file(self: IOStream, file: int, offset: int, count: int) -> int:
        counts.append(count)
        return await true_send(self, file, offset, count)

    monkeypatch.setattr(IOStream, "send_file", send_file)
    return counts


@pytest.mark.feature("M06")
@pytest.mark.parametrize(
    ("fields", "status", "start_", "end", "direct"),
    [
        ("", 200, 0, SIZE, SIZE),
        ("Range: bytes=5-\r\n", 206, 5, SIZE, SIZE - 5),
        (f"Range: bytes=-{MEBIBYTE}\r\n", 206, SIZE - MEBIBYTE, SIZE, MEBIBYTE),
        ("Range: bytes=10-109\r\n", 206, 10, 110, 0),
    ],
)
async def test_the_kernel_sends_what_is_large(
    serve: Serve,
    root: Path,
    sent: list[int],
    fields: str,
    status: int,
    start_: int,
    end: int,
    direct: int,
) -> None:
    site = start(serve, root)
    client = await site.client()
    for _ in range(2):
        answer = await client.get("/big", fields)
        assert (answer.status, answer.body) == (status, CONTENT[start_:end])
        assert answer.get("content-length") == str(end - start_)
    assert sum(sent) == 2 * direct


async def test_parts_are_sent_so_too(serve: Serve, root: Path, sent: list[int]) -> None:
    site = start(serve, root)
    client = await site.client()
    answer = await client.get("/big", f"Range: bytes=0-{MEBIBYTE - 1}, {2 * MEBIBYTE}-\r\n")
    assert answer.status == 206
    assert len(answer.body) == int(answer.get("content-length") or 0)
    assert CONTENT[:MEBIBYTE] in answer.body
    assert CONTENT[2 * MEBIBYTE :] in answer.body
    assert sum(sent) == SIZE - MEBIBYTE
    assert (await client.get("/big", "Range: bytes=0-0\r\n")).body == CONTENT[:1]


async def test_head_sends_nothing_of_it(serve: Serve, root: Path, sent: list[int]) -> None:
    client = await start(serve, root).client()
    await client.send(
        b"HEAD /big HTTP/1.1\r\nHost: h\r\n\r\n" + get("/big", "Range: bytes=1-2\r\n")
    )
    assert (await client.answer("HEAD")).get("content-length") == str(SIZE)
    assert (await client.answer()).body == CONTENT[1:3]
    assert sent == []


@pytest.mark.parametrize("keeps", [True, False])
async def test_an_old_client_gets_it(
    serve: Serve, root: Path, sent: list[int], keeps: bool
) -> None:
    client = await start(serve, root).client()
    fields = b"Connection: keep-alive\r\n" if keeps else b""
    await client.send(b"GET /big HTTP/1.0\r\n" + fields + b"\r\n")
    if keeps:
        assert (await client.answer()).body == CONTENT
        assert (await client.get("/big", "Range: bytes=1-2\r\n")).body == CONTENT[1:3]
    else:
        _, _, body = (await client.read_to_end()).partition(b"\r\n\r\n")
        assert body == CONTENT
    assert sum(sent) == SIZE


async def test_what_is_compressed_is_not_sent_as_it_is(
    serve: Serve, root: Path, sent: list[int]
) -> None:
    (root / "big.txt").write_bytes(b"a" * SIZE)
    site = start(serve, root, {"compress_response": True})
    answer = await (await site.client()).get("/big.txt", "Accept-Encoding: gzip\r\n")
    assert answer.get("content-encoding") == "gzip"
    assert len(answer.body) < SIZE / 10
    assert sent == []


async def test_over_tls_it_is_encrypted(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SSLIOStream, "_send_in_kernel", None)
    site = start(serve, root, ssl_options=server_context())
    client = await TLSClient.connect_tls(site.address, client_context(), "localhost")
    site.own(client)
    await client.send(get("/big"))
    assert (await client.answer()).body == CONTENT


async def test_a_client_that_leaves_costs_nothing(serve: Serve, root: Path) -> None:
    """Its answer is given up, and its descriptors with it."""
    os.truncate(root / "big", 64 * MEBIBYTE)
    site = start(serve, root)
    other = await site.client()
    assert (await other.get("/big", "Range: bytes=0-0\r\n")).status == 206
    opened = len(os.listdir("/proc/self/fd"))
    client = await site.client(receive_buffer=65_536)
    await client.send(get("/big"))
    await client.read()
    client.sock.close()
    while len(os.listdir("/proc/self/fd")) > opened:
        assert (await other.get("/big", "Range: bytes=0-0\r\n")).status == 206


async def test_a_client_that_reads_nothing_is_cut_off(serve: Serve, root: Path) -> None:
    os.truncate(root / "big", 64 * MEBIBYTE)
    site = start(serve, root, write_timeout=0.2)
    client, other = await site.client(receive_buffer=65_536), await site.client()
    await client.send(get("/big"))
    while len(site.server._connections) < 2:
        await other.get("/big", "Range: bytes=0-0\r\n")
    while len(site.server._connections) > 1:
        await other.get("/big", "Range: bytes=0-0\r\n")
    assert len(await client.read_to_end()) < 64 * MEBIBYTE


async def test_a_large_file_that_shrinks_cuts_the_answer(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.truncate(root / "big", 64 * MEBIBYTE)
    site = start(serve, root)
    client = await site.client(receive_buffer=65_536)
    await client.send(get("/big"))
    first = await client.read()
    os.truncate(root / "big", MEBIBYTE)
    rest = await client.read_to_end()
    assert len(first) + len(rest) < 64 * MEBIBYTE
    expect_log(caplog, "toolkit.general", "became shorter")
    expect_log(caplog, "toolkit.general", "Cannot send error response")
