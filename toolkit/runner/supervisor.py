"""`Supervisor`: keeps as many workers serving as there are to be, and replaces those that fail.

What happens is decided in one place, `Supervisor._settle`, which compares the workers that there
are with those that there should be, and takes the next step. Everything else only changes one of
the two and calls it: a worker that is ready or has ended, a signal, a time-out.
"""

import asyncio
import signal
from collections.abc import Callable

from toolkit.log import gen_log
from toolkit.runner.child import Child, Message
from toolkit.runner.listening import Listening
from toolkit.runner.main_process import Happening
from toolkit.runner.notify import Notifier
from toolkit.runner.settings import Settings
from toolkit.runner.worker import LIFESPAN_GRACE

#: Seconds that a worker which is told to end gets beyond those that it grants itself.
KILL_MARGIN = LIFESPAN_GRACE + 2.0
#: Seconds that a stuck worker gets to tell where it is stuck.
ABORT_GRACE = 1.0
#: Seconds between two starts of workers that fail: the first of them, doubled with each failure.
FIRST_BACKOFF, MAX_BACKOFF = 0.2, 30.0
#: Seconds after which a worker that has ended is no sign of a general failure.
LONG_LIFE = 60.0
#: Failures in a row after which it is given up, where no worker is left.
MAX_FAILURES = 5
#: Workers that signals can ask for.
MAX_WORKERS = 512


class Supervisor:
    """Keeps workers serving.

    Args:
        listening: the sockets, which stay open whatever happens to workers.
        tell: called with what happens, as `MainProcess.tell`.

    Attributes:
        size: how many workers there should be.
    """

    def __init__(
        self,
        settings: Settings,
        listening: Listening,
        notifier: Notifier,
        tell: Callable[[Happening, int | None], None],
    ) -> None:
        self.size = max(settings.workers, 1)
        self._settings = settings
        self._listening = listening
        self._notifier = notifier
        self._tell = tell
        self._children: set[Child] = set()  # all that run, also those that begin or drain
        self._serving: dict[int, Child] = {}  # by number, those that are not to end
        self._generation = 0
        self._begun = False  # whether all were ready once
        self._waits_for_change = False  # of the sources, as what there is cannot begin
        self._failures = 0
        self._not_before = 0.0
        self._rolling = False  # whether somebody waits for a reload to be over
        self._ending = False
        self._status = 0
        self._empty = asyncio.Event()

    # -- from outside --------------------------------------------------------------------

    async def serve(self) -> int:
        """Serve until a signal ends it, or it fails; return the exit status."""
        self._loop = loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self.end,
            signal.SIGINT: self.end,
            signal.SIGHUP: self.reload,
            signal.SIGTTIN: lambda: self.resize(self.size + 1),
            signal.SIGTTOU: lambda: self.resize(self.size - 1),
            signal.SIGUSR1: self._dump,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        watch = loop.create_task(self._watch())
        self._settle()
        await self._empty.wait()
        watch.cancel()
        return self._status

    def missing(self) -> list[str]:
        """Return why nothing can be served; nothing where a worker is ready."""
        if self._ending:
            return ["draining"]
        if any(not child.missing for child in self._serving.values()):
            return []
        return [
            f"worker {child.number}: {reason}"
            for child in self._serving.values()
            for reason in child.missing
        ] or ["no worker is ready"]

    def end(self) -> None:
        """Have all workers drain and end; asked a second time, at once."""
        if self._ending:
            for child in self._children:
                child.signal(signal.SIGTERM)
            return
        gen_log.info("Ending")
        self._notifier.stopping()
        self._end(0)

    def _end(self, status: int) -> None:
        self._tell("stopping", None)
        self._ending = True
        self._status = status
        # First, so that another program on the port gets what workers do not accept any more.
        self._listening.close()
        for child in self._children:
            self._retire(child)
        if not self._children:
            self._empty.set()

    def reload(self) -> None:
        """Replace all workers, one at a time, each by one that is ready before the old one ends."""
        self._generation += 1
        self._waits_for_change = False
        if self._begun and not self._ending:
            gen_log.info("Replacing %d workers", self.size)
            self._rolling = True
            self._notifier.reloading()
            self._tell("reloading", None)
        self._settle()

    def resize(self, size: int) -> None:
        """Have another number of workers."""
        if self._ending or not 1 <= size <= MAX_WORKERS:
            return
        self._listening.grow(size)
        self.size = size
        gen_log.info("%d workers from now on", size)
        self._settle()

    def _dump(self) -> None:
        for child in self._children:
            if child.ready:
                child.signal(signal.SIGUSR1)

    # -- the next step -------------------------------------------------------------------

    def _settle(self) -> None:
        """Come one step closer to the workers that there should be."""
        if self._ending or self._waits_for_change:
            return
        beginning = {
            child.number for child in self._children if not (child.ready or child.retiring)
        }
        lacking = [
            number
            for number in range(self.size)
            if number not in self._serving and number not in beginning
        ]
        if not self._begun and not self._serving:
            # What keeps the first one from beginning would be said by each.
            lacking = [] if beginning else lacking[:1]
        stale = [child.number for child in self._serving.values() if self._is_stale(child)]
        if lacking or beginning:
            # Those that lack come at once, others one at a time.
            wanted = lacking
        else:
            wanted = sorted(stale)[:1]
        if wanted and self._loop.time() < self._not_before:
            return  # a timer calls again
        for number in wanted:
            self._spawn(number)
        if wanted or beginning:
            return
        # Nobody is needed any more who has a number too high.
        for child in [child for child in self._serving.values() if child.number >= self.size]:
            self._retire(child)
        self._settled()

    def _is_stale(self, child: Child) -> bool:
        # One that has more than its share can keep it for now.
        return child.number < self.size and (
            child.generation != self._generation
            or bool(child.used_up)
            or not set(self._share(child.number)).issubset(child.share)
        )

    def _share(self, number: int) -> tuple[int, ...]:
        return self._listening.share(number, self.size)

    def _settled(self) -> None:
        """Tell that all is as it should be, where somebody waits for that."""
        if not self._begun:
            self._begun = True
            for name in self._listening.names:
                gen_log.info("Serving on %s with %d workers", name, self.size)
        elif self._rolling:
            gen_log.info("All workers are replaced")
            self._tell("reloaded", None)
        else:
            return
        self._rolling = False
        self._notifier.ready(f"{self.size} workers")

    def _spawn(self, number: int) -> None:
        self._tell("starting", number)
        share = self._share(number)
        child = Child(
            self._settings,
            number,
            self._generation,
            share,
            self._listening.sockets(share),
            self._heard,
            self._ended,
        )
        self._children.add(child)

    def _retire(self, child: Child) -> None:
        if self._serving.get(child.number) is child:
            del self._serving[child.number]
        if not child.retiring:
            settings = self._settings
            child.retire(settings.graceful_timeout + settings.drain_delay + KILL_MARGIN)

    # -- what workers do -----------------------------------------------------------------

    def _heard(self, child: Child, message: Message) -> None:
        if message["kind"] == "failed":
            child.failure = message["reason"]
        elif message["kind"] == "ready":
            self._took_up(child)
        else:
            child.missing = message["missing"]
            if message["used_up"] and not child.used_up:
                gen_log.info("Worker %d has had %s", child.number, message["used_up"])
                child.used_up = message["used_up"]
                self._settle()

    def _took_up(self, child: Child) -> None:
        if child.retiring:
            return
        child.ready = True
        child.readied = self._loop.time()
        before = self._serving.get(child.number)
        self._serving[child.number] = child
        if before is not None:
            self._retire(before)
        gen_log.debug("Worker %d (pid %d) is ready", child.number, child.pid)
        self._tell("ready", child.number)
        self._settle()

    def _ended(self, child: Child, status: int) -> None:
        self._children.discard(child)
        self._tell("ended", child.number)
        if self._ending:
            if not self._children:
                self._empty.set()
            return
        if child.retiring:
            gen_log.debug("Worker %d (pid %d) is gone", child.number, child.pid)
        else:
            how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
            if child.ready:
                del self._serving[child.number]
                gen_log.error("Worker %d (pid %d): %s", child.number, child.pid, how)
                lived = self._loop.time() - child.readied
                self._failures = 0 if lived > LONG_LIFE else self._failures + 1
                # One failure alone costs no time.
                self._back_off(self._failures - 2)
            else:
                self._failed(child, child.failure or f"it ended before it was ready, {how}")
        self._settle()

    def _failed(self, child: Child, reason: str) -> None:
        """Take note of a worker that could not begin."""
        gen_log.error("Worker %d could not begin: %s", child.number, reason)
        self._failures += 1
        if self._settings.reload and not self._serving:
            gen_log.info("Waiting for a change of the sources")
            self._waits_for_change = True
        elif not self._begun or (not self._serving and self._failures >= MAX_FAILURES):
            self._end(1)
        else:
            self._keep_old()
            self._back_off(self._failures)

    def _keep_old(self) -> None:
        """Give a reload up, as what there is now cannot begin."""
        for child in self._serving.values():
            child.generation = self._generation
        if self._rolling:
            self._rolling = False
            gen_log.error("The old workers go on")
            self._tell("not reloaded", None)
            self._notifier.ready("the old workers go on")

    def _back_off(self, failures: int) -> None:
        delay = min(MAX_BACKOFF, FIRST_BACKOFF * 2**failures) if failures >= 0 else 0.0
        self._not_before = self._loop.time() + delay
        self._loop.call_at(self._not_before + 0.001, self._settle)

    # -- time ----------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Kill workers that are stuck, and tell the service manager that all is well."""
        settings = self._settings
        stuck, begin = settings.worker_timeout, settings.start_timeout
        pace = min([1.0, *(time / 4 for time in (stuck, begin, self._notifier.interval) if time)])
        while True:
            before = self._loop.time()
            await asyncio.sleep(pace)
            self._notifier.alive()
            now = self._loop.time()
            if now - before > 2 * pace:
                continue  # it was this process that was stuck, and what came is not read yet
            for child in self._children:
                if child.retiring:
                    continue
                if child.ready and stuck and now - child.heard_at > stuck:
                    gen_log.error(
                        "Worker %d (pid %d) gave no sign of life for %g seconds",
                        child.number,
                        child.pid,
                        stuck,
                    )
                    child.heard_at = now
                    child.signal(signal.SIGABRT)
                    self._loop.call_later(ABORT_GRACE, child.signal, signal.SIGKILL)
                elif not child.ready and begin and now - child.began > begin:
                    child.failure = f"it was not ready within {begin:g} seconds"
                    child.signal(signal.SIGKILL)
