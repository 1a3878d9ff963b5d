"""What a supervisor does when, with workers that are none."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.loops import expect_log
from toolkit.runner import MainProcess
from toolkit.runner import supervisor as module
from toolkit.runner.listening import Listening
from toolkit.runner.notify import Notifier
from toolkit.runner.settings import Settings
from toolkit.runner.supervisor import MAX_FAILURES, Supervisor

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


class FakeChild:
    """A worker that does what a test says, in place of `child.Child`."""

    started: "list[FakeChild]"

    def __init__(
        self,
        _settings: Settings,
        number: int,
        generation: int,
        share: tuple[int, ...],
        _sockets: object,
        heard: Callable[[Any, Any], None],
        ended: Callable[[Any, int], None],
    ) -> None:
        self.number, self.generation, self.share = number, generation, share
        self.ready = self.retiring = False
        self.used_up = self.failure = ""
        self.missing: list[str] = []
        self.pid = 1000 + len(self.started)
        self.began = self.readied = self.heard_at = asyncio.get_running_loop().time()
        self._heard, self._ended = heard, ended
        self.signals: list[int] = []
        self.started.append(self)

    def signal(self, number: int) -> None:
        """Note a signal."""
        self.signals.append(number)

    def retire(self, _patience: float) -> None:
        """Note that it is to end."""
        self.retiring = True

    def says(self, **message: Any) -> None:
        """Tell the supervisor something."""
        self._heard(self, message)

    def ends(self, status: int = 0) -> None:
        """End."""
        self._ended(self, status)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[FakeChild]:
    """Return the list of all workers, in the order in which they are started."""
    FakeChild.started = []
    monkeypatch.setattr(module, "Child", FakeChild)
    monkeypatch.setattr(module, "FIRST_BACKOFF", 0.001)
    return FakeChild.started


@pytest.fixture
def listening() -> Iterator[Listening]:
    """Return sockets for three workers."""
    found = Listening(Settings("", port=0), 3)
    yield found
    found.close()


class Running:
    """A supervisor of three workers that serves."""

    def __init__(self, listening: Listening, **options: Any) -> None:
        settings = Settings("", **{"workers": 3, "port": 0, **options})
        self.told: list[tuple[str, int | None]] = []
        process = MainProcess()
        process.listen(lambda *what: self.told.append(what))
        self.supervisor = Supervisor(settings, listening, Notifier(), process.tell)
        self.task = asyncio.ensure_future(self.supervisor.serve())

    async def status(self) -> int:
        """Return the exit status."""
        return await self.task


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that timers bring."""
    while not condition():
        await asyncio.sleep(0.001)


async def begun(children: list[FakeChild], listening: Listening, **options: Any) -> Running:
    """Return a supervisor whose workers are all ready."""
    running = Running(listening, **options)
    await until(lambda: children)
    # The list grows meanwhile.
    for child in children:
        child.says(kind="ready")
    return running


async def over(running: Running, children: list[FakeChild]) -> int:
    """End everything, and return the exit status."""
    running.supervisor.end()
    for child in list(children):
        child.ends()
    return await running.status()


async def test_the_first_worker_goes_ahead(children: list[FakeChild], listening: Listening) -> None:
    """What keeps it from beginning is so said once."""
    running = Running(listening)
    await until(lambda: children)
    assert [child.number for child in children] == [0]
    children[0].says(kind="ready")
    assert [child.number for child in children] == [0, 1, 2]
    assert await over(running, children) == 0


@pytest.mark.feature("I05")
async def test_listeners_hear_of_each_worker_and_of_reloads(
    children: list[FakeChild], listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """One that raises does not keep the others from it, nor the workers from their work."""
    running = Running(listening, workers=1)
    process = MainProcess()
    process.listen(lambda *what: 1 / 0)
    process.listen(lambda *what: running.told.append(what))
    running.supervisor._tell = process.tell
    await until(lambda: children)
    children[0].says(kind="ready")
    running.supervisor.reload()
    children[1].says(kind="failed", reason="no module")
    children[1].ends(1)
    running.supervisor.reload()
    await until(lambda: len(children) == 3)
    children[2].says(kind="ready")
    children[0].ends()
    assert await over(running, children[2:]) == 0
    assert running.told == [
        ("starting", 0),
        ("ready", 0),
        ("reloading", None),
        ("starting", 0),
        ("ended", 0),
        ("not reloaded", None),
        ("reloading", None),
        ("starting", 0),
        ("ready", 0),
        ("reloaded", None),
        ("ended", 0),
        ("stopping", None),
        ("ended", 0),
    ]
    expect_log(caplog, "toolkit.application", "Exception in listener")
    expect_log(caplog, "toolkit.general", "Worker 0 could not begin|The old workers go on")


async def test_workers_are_replaced_one_at_a_time(
    children: list[FakeChild], listening: Listening
) -> None:
    """The old one goes once its replacement is ready."""
    running = await begun(children, listening)
    first, second, third = children
    running.supervisor.reload()
    assert [child.number for child in children[3:]] == [0]
    assert not first.retiring
    children[3].says(kind="ready")
    assert first.retiring
    assert not second.retiring
    children[4].says(kind="ready")
    children[5].says(kind="ready")
    assert third.retiring
    assert [child.number for child in children[3:]] == [0, 1, 2]
    assert await over(running, children) == 0


async def test_a_reload_that_cannot_begin_leaves_the_old_workers(
    children: list[FakeChild], listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """Until the next one."""
    running = await begun(children, listening)
    running.supervisor.reload()
    children[3].says(kind="failed", reason="no module")
    children[3].ends(1)
    expect_log(caplog, "toolkit.general", "Worker 0 could not begin: no module")
    expect_log(caplog, "toolkit.general", "The old workers go on")
    assert len(children) == 4
    assert not any(child.retiring for child in children)
    running.supervisor.reload()
    await until(lambda: len(children) == 5)
    assert await over(running, children) == 0


async def test_a_worker_that_dies_while_others_are_replaced_comes_back(
    children: list[FakeChild], listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not wait for its turn."""
    running = await begun(children, listening)
    running.supervisor.reload()
    children[2].ends(-9)
    expect_log(caplog, "toolkit.general", "Worker 2 .*killed by signal 9")
    await until(lambda: len(children) == 5)
    assert [child.number for child in children[3:]] == [0, 2]
    assert await over(running, children) == 0


async def test_failures_in_a_row_take_longer_each_time(
    children: list[FakeChild],
    listening: Listening,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first costs no time."""
    waits = []
    back_off = Supervisor._back_off

    def noted(self: Supervisor, failures: int) -> None:
        back_off(self, failures)
        waits.append(round((self._not_before - self._loop.time()) / 0.001))

    monkeypatch.setattr(Supervisor, "_back_off", noted)
    running = await begun(children, listening)
    for count in range(3, 8):
        children[-1].ends(1)
        await until(lambda count=count: len(children) > count)
        children[-1].says(kind="ready")
    assert waits == [0, 1, 2, 4, 8]
    assert len(expect_log(caplog, "toolkit.general", "exit status 1")) == 5
    assert await over(running, children) == 0


async def test_it_gives_up_where_nobody_can_begin_any_more(
    children: list[FakeChild], listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """After so many failures in a row, with status 1."""
    running = await begun(children, listening, workers=1)
    children[0].ends(1)
    count = 1
    while not running.task.done() and count < 20:
        await until(lambda count=count: len(children) > count or running.task.done())
        if len(children) > count:
            count = len(children)
            children[-1].ends(1)
    assert await running.status() == 1
    assert count == MAX_FAILURES
    expect_log(caplog, "toolkit.general", "exit status 1")


async def test_one_that_cannot_begin_at_first_ends_all(
    children: list[FakeChild], listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that are ready drain."""
    running = Running(listening)
    await until(lambda: children)
    children[0].says(kind="ready")
    children[1].ends(3)
    expect_log(caplog, "toolkit.general", "it ended before it was ready, exit status 3")
    assert children[0].retiring
    children[0].ends()
    children[2].ends(-15)
    assert await running.status() == 1


async def test_with_reload_it_waits_for_a_change_instead(
    children: list[FakeChild], listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is started before."""
    running = Running(listening, workers=1, reload=True)
    await until(lambda: children)
    children[0].ends(1)
    expect_log(caplog, "toolkit.general", "could not begin")
    assert len(children) == 1
    running.supervisor.reload()
    await until(lambda: len(children) == 2)
    assert await over(running, children[1:]) == 0


@pytest.mark.feature("T03")
async def test_one_that_is_used_up_is_replaced(
    children: list[FakeChild], listening: Listening
) -> None:
    """It serves until its replacement is ready."""
    running = await begun(children, listening)
    for _ in range(2):
        children[1].says(kind="alive", missing=[], used_up="600 MiB of memory")
    assert [child.number for child in children[3:]] == [1]
    assert not children[1].retiring
    children[3].says(kind="ready")
    assert children[1].retiring
    assert await over(running, children) == 0


async def test_one_too_many_goes_when_another_one_has_its_socket(
    children: list[FakeChild], listening: Listening
) -> None:
    """Each socket always has somebody who accepts."""
    running = await begun(children, listening)
    running.supervisor.resize(2)
    assert [(child.number, child.share) for child in children[3:]] == [(0, (0, 2))]
    assert not children[2].retiring
    children[3].says(kind="ready")
    assert children[2].retiring
    running.supervisor.resize(0)
    assert running.supervisor.size == 2
    assert await over(running, children) == 0


@pytest.mark.feature("B30")
async def test_one_that_is_silent_is_killed(
    children: list[FakeChild],
    listening: Listening,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After it was asked where it is stuck; so is one that takes too long to begin."""
    monkeypatch.setattr(module, "ABORT_GRACE", 0.0)
    running = await begun(children, listening, worker_timeout=0.05, start_timeout=0.05)
    running.supervisor.reload()
    await until(lambda: signal.SIGKILL in children[0].signals)
    assert children[0].signals[0] == signal.SIGABRT
    await until(lambda: signal.SIGKILL in children[3].signals)
    expect_log(caplog, "toolkit.general", "gave no sign of life for 0.05 seconds")
    children[3].ends(-9)
    expect_log(caplog, "toolkit.general", "it was not ready within 0.05 seconds")
    expect_log(caplog, "toolkit.general", "The old workers go on")
    assert await over(running, children) == 0


@pytest.mark.feature("S07")
async def test_it_is_ready_while_a_worker_is(
    children: list[FakeChild], listening: Listening
) -> None:
    """And says what is missing where none is."""
    running = Running(listening, workers=2)
    await until(lambda: children)
    missing = running.supervisor.missing
    assert missing() == ["no worker is ready"]
    children[0].says(kind="ready")
    assert missing() == []
    children[0].says(kind="alive", missing=["database: gone"], used_up="")
    assert missing() == ["worker 0: database: gone"]
    children[1].says(kind="ready")
    assert missing() == []
    running.supervisor.end()
    assert missing() == ["draining"]
    assert await over(running, children) == 0
