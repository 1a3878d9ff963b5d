"""Files in threads: what is read and written, in which order, and what a cancellation leaves."""
# ruff: noqa: ASYNC240  # the tests look at the files from outside, and may block meanwhile

import asyncio
import io
import itertools
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.loops import FACTORIES
from toolkit import files
from toolkit.process import Subprocess

LINES = [f"line {number}" for number in range(5000)]


class Counting(Executor):
    """Counts what it is given, and can hold it back."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(4)
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a function in a thread, behind the gate."""
        self.calls += 1

        def run() -> Any:
            self.begun.set()
            assert self.gate.wait(20)
            return fn(*args, **kwargs)

        return self.threads.submit(run)

    def hold(self) -> None:
        """Let nothing pass that comes from now on."""
        self.gate.clear()
        self.begun.clear()


@pytest.fixture
def counting() -> Iterator[Counting]:
    """Make an executor."""
    executor = Counting()
    yield executor
    executor.gate.set()
    executor.threads.shutdown()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make a file of many lines."""
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


async def happened(event: threading.Event) -> None:
    """Wait for what a thread does."""
    assert await asyncio.get_running_loop().run_in_executor(None, event.wait, 20)


async def cancelled(executor: Counting, operation: Any) -> None:
    """Cancel an operation while a thread is at it."""
    executor.hold()
    task = asyncio.ensure_future(operation)
    await happened(executor.begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# -- reading and writing -----------------------------------------------------------------


@pytest.mark.feature("N13")
async def test_a_file_is_opened_read_and_closed(path: Path) -> None:
    async with files.open(path) as file:
        assert (file.name, file.mode, file.closed) == (path, "r", False)
        assert await file.readline() == "line 0\n"
        assert await file.read(6) == "line 1"
        assert await file.readlines(10) == ["\n", "line 2\n", "line 3\n"]
        assert (await file.read()).startswith("line 4\n")
        assert await file.read() == ""
        assert file.fileno() >= 0
    assert file.closed
    assert "closed" in repr(file)
    await file.close()
    for operation in (file.read, file.tell, file.__anext__, file.flush):
        with pytest.raises(ValueError, match="closed file"):
            await operation()


async def test_a_file_can_be_awaited(path: Path) -> None:
    file = await files.open(path, "rb")
    assert await file.read(4) == b"line"
    await file.close()


@pytest.mark.feature("N13")
@pytest.mark.parametrize("mode", ["w", "wb", "a", "x", "r+b", "w+"])
async def test_what_is_written_is_in_the_file(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "new"
    if mode == "r+b":
        path.touch()
    text = "b" not in mode
    pieces: list[Any] = ["one ", "zw\u00f6lf\n"] if text else [b"one ", "zw\u00f6lf\n".encode()]
    opening: Any = files.open(path, mode)
    async with opening as file:
        assert await file.write(pieces[0]) == 4
        assert path.read_bytes() == b""
        await file.flush()
        assert path.read_bytes() == b"one "
        await file.writelines(piece for piece in pieces)
    assert path.read_bytes() == "one one zw\u00f6lf\n".encode()


async def test_positions(tmp_path: Path) -> None:
    async with files.open(tmp_path / "new", "w+b") as file:
        await file.write(b"0123456789")
        assert await file.tell() == 10
        assert await file.seek(2) == 2
        assert await file.read(3) == b"234"
        assert await file.seek(-1, io.SEEK_END) == 9
        assert await file.truncate(5) == 5
        assert await file.seek(0) == 0
        assert await file.read() == b"01234"
        assert await file.truncate() == 5


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_buffers_are_written(tmp_path: Path, buffering: int, kind: Any) -> None:
    async with files.open(tmp_path / "new", "wb", buffering) as file:
        assert await file.write(kind(b"abc")) == 3
    assert (tmp_path / "new").read_bytes() == b"abc"


async def test_a_file_without_a_buffer_takes_all_in_the_end(tmp_path: Path) -> None:
    """Its own `write` may take less than it is given, as that of a pipe does."""

    class Small(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(bytes(data)[:3])

    async with files.open(tmp_path / "new", "wb") as file:
        small = Small(tmp_path / "new", "w")
        file._file.close()
        file._file = small  # type: ignore[assignment]  # there is no other way to a short write
        assert await file.write(b"0123456789") == 10
    assert (tmp_path / "new").read_bytes() == b"0123456789"


@pytest.mark.parametrize("size", [0, 4, 100])
async def test_a_buffer_is_filled(path: Path, size: int) -> None:
    async with files.open(path, "rb") as file:
        buffer = bytearray(size)
        assert await file.readinto(buffer) == size
        assert buffer == path.read_bytes()[:size]
        await file.seek(-3, io.SEEK_END)
        view = memoryview(bytearray(10))
        assert await file.readinto(view) == 3
        assert bytes(view) == b"99\n" + bytes(7)


@pytest.mark.parametrize(
    ("mode", "method", "arguments"),
    [
        ("r", "write", ["x"]),
        ("w", "read", []),
        ("w", "__anext__", []),
        ("rb", "write", [b"x"]),
        ("r", "truncate", []),
        ("r", "seek", [1, 1]),
    ],
)
async def test_errors_are_those_of_files(
    path: Path, mode: Any, method: str, arguments: list[Any]
) -> None:
    """And the file is as good as before."""
    async with files.open(path, mode) as file:
        for _ in range(2):
            with pytest.raises(OSError):
                await getattr(file, method)(*arguments)
        assert await file.tell() == 0
        with pytest.raises(TypeError):
            await file.write(5)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("missing",), FileNotFoundError),
        ((".",), IsADirectoryError),
        (("missing", "q"), ValueError),
        (("missing", "w", -1, "no-coding"), LookupError),
    ],
)
async def test_what_cannot_be_opened(
    tmp_path: Path, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    opening: Any = files.open(tmp_path / arguments[0], *arguments[1:])
    with pytest.raises(error):
        await opening
    with pytest.raises(error):
        async with opening:
            pass


async def test_a_text_is_utf8_whatever_the_locale_says(tmp_path: Path) -> None:
    async with files.open(tmp_path / "a", "w") as file:
        await file.write("\u20ac")
    assert (tmp_path / "a").read_bytes() == b"\xe2\x82\xac"
    async with files.open(tmp_path / "a", encoding="latin-1") as file:
        assert await file.read() == "\xe2\x82\xac"


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    file = await files.open("/dev/full", "w")
    await file.write("x")
    with pytest.raises(OSError, match="No space"):
        await file.close()
    with pytest.raises(OSError, match="No space"):
        await file.close()


# -- lines and chunks --------------------------------------------------------------------


@pytest.mark.feature("N13")
async def test_lines_are_taken_many_at_once(path: Path, counting: Counting) -> None:
    async with files.open(path, executor=counting) as file:
        before = counting.calls
        assert [line async for line in file] == [f"{line}\n" for line in LINES]
        assert counting.calls - before == len(LINES) // files.LINES_AHEAD + 1
        assert [line async for line in file] == []


@pytest.mark.parametrize("mode", ["r", "rb"])
@pytest.mark.parametrize("taken", [1, 2, 999, 1000, 1001])
@pytest.mark.parametrize("how", ["read", "readline", "readlines", "iterate", "tell", "seek"])
async def test_what_follows_the_lines_goes_on_behind_them(
    path: Path, mode: Any, taken: int, how: str
) -> None:
    lines: list[Any] = path.read_bytes().splitlines(keepends=True)
    if mode == "r":
        lines = [line.decode() for line in lines]
    async with files.open(path, mode) as file:
        found = []
        async for line in file:
            found.append(line)
            if len(found) == taken:
                break
        if how == "read":
            found.extend((await file.read()).splitlines(keepends=True))
        elif how == "readline":
            found.append(await file.readline())
            found.extend(await file.readlines())
        elif how == "readlines":
            found.extend(await file.readlines())
        elif how == "iterate":
            found.extend([line async for line in file])
        elif how == "seek":
            await file.seek(0, io.SEEK_CUR)
            found.extend(await file.readlines())
        else:
            position = await file.tell()
            assert position == len("".join(str(line) for line in lines[:taken])) or mode == "rb"
            await file.seek(0)
            assert await file.readline() == lines[0]
            await file.seek(position)
            found.extend(await file.readlines())
    assert found == lines


async def test_lines_of_a_text_whose_characters_are_long(tmp_path: Path) -> None:
    """Positions in it are no count of characters, and line ends are as they were."""
    lines = [f"\u20ac\U0001f600 {number}\r\n" for number in range(3000)]
    (tmp_path / "a").write_bytes("".join(lines).encode("utf-16"))
    async with files.open(tmp_path / "a", encoding="utf-16", newline="") as file:
        for step in (1, 10, 500, 1500):
            for _ in range(step):
                assert await anext(file) == lines.pop(0)
            assert await file.read(3) == lines[0][:3]
            lines[0] = lines[0][3:]
        assert [line async for line in file] == lines


async def test_a_text_that_cannot_tell_its_position_is_read_all_the_same(tmp_path: Path) -> None:
    """The decoder of ISO 2022-KR has a state that does not fit into a position."""
    lines = [f"\ud55c\uad6d {number}\n" for number in range(100)]
    (tmp_path / "a").write_text("".join(lines), "iso2022_kr")
    async with files.open(tmp_path / "a", encoding="iso2022_kr") as file:
        found = [await anext(file) for _ in range(40)]
        with pytest.raises(OverflowError):
            await file.tell()
        found.append(await file.readline())
        assert found + [line async for line in file] == lines


async def test_two_tasks_share_the_lines(path: Path) -> None:
    async with files.open(path) as file:

        async def take() -> list[str]:
            found = []
            async for line in file:
                found.append(line)
                await asyncio.sleep(0)
            return found

        shares = await asyncio.gather(take(), take(), take())
    assert all(shares)
    assert sorted(itertools.chain(*shares)) == sorted(f"{line}\n" for line in LINES)


async def test_long_lines_are_not_taken_far_ahead(tmp_path: Path, counting: Counting) -> None:
    (tmp_path / "a").write_bytes((b"x" * 99_999 + b"\n") * 5)
    async with files.open(tmp_path / "a", "rb", executor=counting) as file:
        before = counting.calls
        await anext(file)
        assert len(file._lines) == 0
        assert len([line async for line in file]) == 4
        assert counting.calls - before == 6


@pytest.mark.feature("N13")
@pytest.mark.parametrize(("size", "count"), [(1000, 44), (64 * 1024, 1)])
async def test_a_file_in_chunks(path: Path, size: int, count: int) -> None:
    content = path.read_bytes()[:44_000]
    path.write_bytes(content)
    async with files.open(path, "rb") as file:
        pieces = [piece async for piece in file.chunks(size)]
    assert (len(pieces), b"".join(pieces)) == (count, content)
    async with files.open(path) as text:
        assert "".join([piece async for piece in text.chunks()]) == content.decode()
        with pytest.raises(ValueError, match="size 0; 1 or more"):
            text.chunks(0)


async def test_a_pipe_gives_its_lines_as_they_come() -> None:
    """None is waited for ahead of its time."""
    reader, writer = os.pipe()
    async with files.open(reader, "rb") as source, files.open(writer, "wb", 0) as sink:
        for line in (b"one\n", b"two\n"):
            await sink.write(line)
            assert await anext(source) == line
        await sink.write(b"rest")
        await sink.close()
        assert [line async for line in source] == [b"rest"]


# -- one after another, and cancellations ------------------------------------------------


@pytest.mark.feature("N13")
async def test_calls_run_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    async with files.open(tmp_path / "a", "w") as file, asyncio.TaskGroup() as group:
        for number in range(300):
            group.create_task(file.write(f"{number} "))
    assert (tmp_path / "a").read_text() == "".join(f"{number} " for number in range(300))


READS: list[tuple[str, Callable[[Any], Any]]] = [
    ("read some", lambda file: file.read(10)),
    ("read", lambda file: file.read()),
    ("readline", lambda file: file.readline()),
    ("readlines", lambda file: file.readlines()),
    ("next", lambda file: anext(file)),
    ("chunk", lambda file: anext(file.chunks(3))),
]


@pytest.mark.feature("N13")
@pytest.mark.parametrize("mode", ["r", "rb"])
@pytest.mark.parametrize("read", [read for _, read in READS], ids=[name for name, _ in READS])
@pytest.mark.parametrize("before", ["nothing", "line", "lines"])
async def test_a_read_that_was_cancelled_takes_nothing(
    path: Path, counting: Counting, mode: Any, read: Callable[[Any], Any], before: str
) -> None:
    content: Any = path.read_bytes() if mode == "rb" else path.read_text()
    async with files.open(path, mode, executor=counting) as file:
        taken = content[:0]
        if before == "line":
            taken = await file.readline()
        elif before == "lines":
            taken = await anext(file) + await anext(file)
            if read is READS[4][1]:  # the next line is there, and takes no thread
                return
        await cancelled(counting, read(file))
        rest = asyncio.create_task(file.read())
        await asyncio.sleep(0)
        counting.gate.set()
        assert taken + await rest == content


async def test_a_result_that_comes_with_the_cancellation_is_not_lost(path: Path) -> None:
    """In whichever turn of the loop either comes."""
    content = path.read_text()
    async with files.open(path) as file:
        found = ""
        for turns in range(30):
            task = asyncio.create_task(file.read(7))
            for _ in range(turns * 5):
                await asyncio.sleep(0)
            task.cancel()
            try:
                found += await task
            except asyncio.CancelledError:
                pass
        assert found + await file.read() == content


@pytest.mark.feature("N13")
async def test_nothing_that_was_written_is_lost_by_a_cancellation(
    tmp_path: Path, counting: Counting
) -> None:
    """What was cancelled may be there, in its place and whole."""
    async with files.open(tmp_path / "a", "w", executor=counting) as file:
        await file.write("one ")
        await cancelled(counting, file.write("two "))
        three = asyncio.create_task(file.write("three "))
        await asyncio.sleep(0)
        counting.gate.set()
        await three
    assert (tmp_path / "a").read_text() == "one two three "


async def test_a_call_that_waits_for_its_turn_is_cancelled_without_an_effect(
    tmp_path: Path, counting: Counting
) -> None:
    async with files.open(tmp_path / "a", "w", executor=counting) as file:
        counting.hold()
        tasks = [asyncio.create_task(file.write(text)) for text in ("one ", "two ", "three ")]
        await happened(counting.begun)
        tasks[1].cancel()
        counting.gate.set()
        await asyncio.wait(tasks)
    assert (tmp_path / "a").read_text() == "one three "


async def test_a_file_can_be_closed_after_a_cancellation(path: Path, counting: Counting) -> None:
    """The closing waits for what is under way, and goes on when it is cancelled itself."""
    file = await files.open(path, executor=counting)
    await cancelled(counting, file.read())
    closing = asyncio.create_task(file.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not file._file.closed
    counting.gate.set()
    await file.close()
    assert file._file.closed


async def test_a_time_out_is_kept_by_a_disk_that_hangs(path: Path, counting: Counting) -> None:
    async with files.open(path, executor=counting) as file:
        counting.hold()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await file.read()
        counting.gate.set()


async def test_a_file_whose_opening_was_cancelled_is_closed(
    path: Path, counting: Counting, recwarn: pytest.WarningsRecorder
) -> None:
    descriptors = set(os.listdir("/proc/self/fd")) if Path("/proc").exists() else set()
    await cancelled(counting, files.open(path, executor=counting).__aenter__())
    counting.begun.clear()
    counting.gate.set()
    # The closing is the next thing that the executor gets.
    await happened(counting.begun)
    await asyncio.get_running_loop().run_in_executor(None, counting.threads.shutdown)
    assert counting.calls == 2
    if descriptors:
        assert not [
            name
            for name in set(os.listdir("/proc/self/fd")) - descriptors
            if os.path.exists(link := f"/proc/self/fd/{name}") and os.readlink(link) == str(path)
        ]


# -- atomic writes -----------------------------------------------------------------------


def names(directory: Path) -> list[str]:
    """List what is in a directory."""
    return sorted(os.listdir(directory))


@pytest.mark.feature("N13")
@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("mode", ["w", "wt", "wb"])
async def test_a_file_is_replaced_whole(tmp_path: Path, mode: Any, durable: bool) -> None:
    """A reader finds all of the old or all of the new content."""
    target = tmp_path / "a"
    target.write_text("old")
    data: Any = "new" if "b" not in mode else b"new"
    async with files.atomic_write(target, mode, durable=durable) as file:
        await file.write(data)
        await file.flush()
        assert target.read_text() == "old"
        assert len(names(tmp_path)) == 2
    assert file.closed
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a"]


async def test_a_new_file_has_the_rights_of_new_files(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    async with files.atomic_write(tmp_path / "a") as file:
        await file.write("\u20ac")
    assert (tmp_path / "a").read_bytes() == b"\xe2\x82\xac"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o400])
async def test_the_mode_of_a_file_is_kept(tmp_path: Path, mode: int) -> None:
    """And nobody else may read what replaces it before."""
    target = tmp_path / "a"
    target.touch()
    target.chmod(mode)
    async with files.atomic_write(target) as file:
        await file.write("new")
        (draft,) = [tmp_path / name for name in names(tmp_path) if name != "a"]
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert target.read_text() == "new" or mode == 0o400


@pytest.mark.parametrize("before", [None, 0o644])
async def test_the_rights_of_a_file_can_be_chosen(tmp_path: Path, before: int | None) -> None:
    """For secrets, which were readable in the old file perhaps."""
    target = tmp_path / "a"
    if before is not None:
        target.touch(before)
    async with files.atomic_write(target, rights=0o600):
        (draft,) = tmp_path.glob(".toolkit-*")
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


async def test_the_owner_of_a_file_is_kept(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may give files away")
    target = tmp_path / "a"
    target.touch()
    os.chown(target, 12, 34)
    async with files.atomic_write(target) as file:
        await file.write("new")
    assert (target.stat().st_uid, target.stat().st_gid) == (12, 34)


async def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    for text in ("one", "two"):
        async with files.atomic_write(link) as file:
            await file.write(text)
        assert link.is_symlink()
        assert target.read_text() == text
        target.unlink(missing_ok=text == "one")  # a link that leads nowhere yet
    assert names(tmp_path / "real") == []


@pytest.mark.feature("N13")
async def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    kept: list[Any] = []

    async def write() -> None:
        async with files.atomic_write(target) as file:
            kept.append(file)
            await file.write("new")
            raise LookupError

    with pytest.raises(LookupError):
        await write()
    assert kept[0].closed
    assert (target.read_text(), names(tmp_path)) == ("old", ["a"])


@pytest.mark.feature("N13")
async def test_a_cancellation_leaves_the_old_file(tmp_path: Path, counting: Counting) -> None:
    """Even while a thread is at it, and although it comes twice."""
    target = tmp_path / "a"
    target.write_text("old")
    inside = asyncio.Event()

    async def write() -> None:
        async with files.atomic_write(target, executor=counting) as file:
            await file.write("new")
            counting.hold()
            inside.set()
            await file.write("more")

    task = asyncio.create_task(write())
    await inside.wait()
    await happened(counting.begun)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    counting.gate.set()
    while names(tmp_path) != ["a"]:
        await asyncio.sleep(0)
    assert target.read_text() == "old"


async def test_a_cancellation_at_the_beginning_leaves_nothing(
    tmp_path: Path, counting: Counting
) -> None:
    target = tmp_path / "a"
    await cancelled(counting, files.atomic_write(target, executor=counting).__aenter__())
    counting.begun.clear()
    counting.gate.set()
    await happened(counting.begun)
    await asyncio.get_running_loop().run_in_executor(None, counting.threads.shutdown)
    assert (counting.calls, names(tmp_path)) == (2, [])


async def test_a_file_that_was_closed_already_is_put_in_place(tmp_path: Path) -> None:
    async with files.atomic_write(tmp_path / "a") as file:
        await file.write("new")
        await file.close()
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("what", ["directory", "fifo", "nowhere", "coding"])
async def test_what_cannot_be_replaced(tmp_path: Path, what: str) -> None:
    target = tmp_path / "a"
    options: dict[str, Any] = {}
    if what == "directory":
        target.mkdir()
    elif what == "fifo":
        os.mkfifo(target)
    elif what == "nowhere":
        target = tmp_path / "none" / "a"
    else:
        options = {"encoding": "no-coding"}
    before = names(tmp_path)
    with pytest.raises((OSError, LookupError)):
        async with files.atomic_write(target, **options):
            raise AssertionError("not reached")
    assert names(tmp_path) == before


async def test_a_target_that_became_a_directory_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "a"

    async def write() -> None:
        async with files.atomic_write(target) as file:
            await file.write("new")
            (target / "b").mkdir(parents=True)

    with pytest.raises(OSError):
        await write()
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("mode", ["r", "a", "x", "w+", "rb", ""])
def test_modes_that_replace_nothing(mode: Any) -> None:
    with pytest.raises(ValueError, match="one of w, wt, wb is allowed"):
        files.atomic_write("a", mode)


# -- paths, executors --------------------------------------------------------------------


@pytest.mark.feature("N13")
async def test_what_is_done_to_a_path_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a"
    await files.makedirs(path.parent)
    await files.makedirs(path.parent, exist_ok=True)
    assert not await files.exists(path)
    assert await files.write_bytes(path, bytearray(b"\xc3\xa9\r\n")) == 4
    assert await files.read_bytes(path) == b"\xc3\xa9\r\n"
    assert await files.read_text(path) == "\xe9\n"
    assert await files.write_text(path, "\xe9\n", "latin-1", newline="\r\n") == 2
    assert path.read_bytes() == b"\xe9\r\n"
    assert (await files.stat(path)).st_size == 3
    await files.replace(path, path.with_name("b"))
    assert await files.listdir(path.parent) == ["b"]
    (path.parent / "link").symlink_to(path)
    assert not await files.exists(path.parent / "link")
    link = await files.stat(path.parent / "link", follow_symlinks=False)
    assert stat.S_ISLNK(link.st_mode)
    await files.remove(path.with_name("b"))
    await files.remove(path, missing_ok=True)
    for operation in (files.remove, files.stat, files.read_bytes, files.read_text):
        with pytest.raises(FileNotFoundError):
            await operation(path)  # type: ignore[operator]


async def test_threads_of_this_module_of_the_loop_or_of_the_program(path: Path) -> None:
    loop = asyncio.get_running_loop()
    seen: list[str] = []

    def opener(name: str, flags: int) -> int:
        seen.append(threading.current_thread().name.partition("_")[0])
        return os.open(name, flags)

    with ThreadPoolExecutor(1, "mine") as mine, ThreadPoolExecutor(1, "default") as default:
        loop.set_default_executor(default)
        for executor in (None, files.LOOP_EXECUTOR, mine):
            async with files.open(path, opener=opener, executor=executor) as file:
                await file.read(1)
    assert seen == ["toolkit.files", "default", "mine"]


async def test_a_process_that_was_forked_has_threads_of_its_own(path: Path) -> None:
    """Those of its parent do not live on in it."""
    program = f"""
import asyncio, os
from toolkit import files
async def main():
    return len(await files.read_bytes({str(path)!r}))
for _ in range(20):  # so that its thread is at rest
    size = asyncio.run(main())
child = os.fork()
if not child:
    os._exit(0 if asyncio.run(main()) == size else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert await Subprocess(command).wait_for_exit() == 0


def test_a_file_outlives_the_loop_that_opened_it(loop_name: str, path: Path) -> None:
    """Nothing of it hangs on the loop once its calls have ended."""
    kept: list[Any] = []

    async def begin() -> None:
        kept.append(await files.open(path))
        assert await kept[0].readline() == "line 0\n"

    async def end() -> None:
        async with kept[0] as file:
            assert await file.readline() == "line 1\n"

    for main in (begin, end):
        with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
            runner.run(main())


def test_a_type_checker_knows_text_from_bytes(tmp_path: Path) -> None:
    """`read` of a text gives str, of any mode with "b" bytes."""
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(
        "from toolkit import files\n"
        "async def main() -> None:\n"
        "    async with files.open('a') as text, files.open('a', 'r+b') as data:\n"
        "        reveal_type(await text.read())\n"
        "        reveal_type(await data.readlines())\n"
        "        async for line in data:\n"
        "            reveal_type(line)\n"
        "        async for piece in text.chunks():\n"
        "            reveal_type(piece)\n"
        "        await data.readinto(bytearray(1))\n"
        "        await text.write(b'')\n"
        "    async with files.atomic_write('a') as one, files.atomic_write('a', 'wb') as two:\n"
        "        await one.write('')\n"
        "        await two.write(b'')\n"
        "        await two.write('')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), program],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    lines = done.stdout.splitlines()
    revealed = [line.partition('Revealed type is "')[2][:-1] for line in lines if "note" in line]
    plain = [text.replace("builtins.", "") for text in revealed if text]
    assert plain == ["str", "list[bytes]", "bytes", "str"]
    errors = [line.split(":")[1] for line in lines if ": error:" in line]
    assert errors == ["11", "15"], done.stdout
