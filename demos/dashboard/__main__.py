"""A live dashboard: every open page is sent the same figures, as server-sent events."""

import argparse
import asyncio
import logging
import os
import random
import signal
import time
from importlib import resources

from toolkit.ioloop import IOLoop
from toolkit.web import Application, EventChannel, RequestHandler, ServerSentEvent, url

#: Seconds that requests under way get when the server is stopped.
STOP_TIMEOUT = 10.0

#: Samples that are kept for pages that come back, and that a new page begins with.
KEPT = 120

#: How often, in seconds, the loop is asked whether it is late.
TICK = 0.02

#: Seconds for which a visitor may hold the loop up.
BLOCK = 0.25

PAGE = (resources.files("demos.dashboard") / "page.html").read_text("utf-8")


class Figures:
    """What is measured, and the channel that it is published on.

    Attributes:
        channel: of events ``sample`` and ``note``.
        requests: answered since the last sample.
    """

    def __init__(self) -> None:
        # Who was away for longer than what is kept is told to draw anew.
        self.channel = EventChannel(keep=KEPT, recent=KEPT, gap=ServerSentEvent("", "gap"))
        self.requests = 0
        self._walks = [50.0, 50.0, 50.0]
        self._cpu = time.process_time()

    async def measure(self, period: float) -> None:
        """Publish a sample each `period` seconds, until cancelled."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            lag = 0.0
            while loop.time() < before + period:
                due = loop.time() + TICK
                await asyncio.sleep(TICK)
                lag = max(lag, loop.time() - due)
            now = loop.time()
            self.channel.publish(self._sample(lag, now - before), event="sample")
            before = now

    def _sample(self, lag: float, seconds: float) -> dict[str, object]:
        requests, self.requests = self.requests, 0
        cpu, self._cpu = self._cpu, time.process_time()
        self._walks = [step(value) for value in self._walks]
        return {
            "time": round(time.time(), 2),
            "lag": round(lag * 1000, 2),
            "requests": round(requests / seconds, 1),
            "cpu": round((self._cpu - cpu) / seconds * 100, 1),
            "listeners": self.channel.listeners,
            "walks": self._walks,
        }


def step(value: float) -> float:
    """Take a step at random, which leads back to the middle from the edges of 0 to 100."""
    return round(min(100.0, max(0.0, value + random.gauss((50 - value) / 40, 3))), 2)


class Handler(RequestHandler):
    """What all handlers have: the figures."""

    def initialize(self, figures: Figures) -> None:
        self.figures = figures


class PageHandler(Handler):
    """The page, which gets all that it shows from the stream."""

    def get(self) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.write(PAGE)


class EventsHandler(Handler):
    """The stream."""

    async def get(self) -> None:
        await self.stream_events(self.figures.channel, heartbeat=10, retry=1)


class PingHandler(Handler):
    """A request to be counted."""

    def get(self) -> None:
        self.write({"pid": os.getpid()})


class BlockHandler(Handler):
    """Holds the loop up, once its client has the answer, so that all can see what that does."""

    def post(self) -> None:
        self.after_response(self.block)
        self.set_status(202)

    def block(self) -> None:
        time.sleep(BLOCK)
        note = {"time": time.time(), "text": f"The loop was held up for {BLOCK * 1000:.0f} ms."}
        self.figures.channel.publish(note, event="note")


def make_application(figures: Figures) -> Application:
    """Return the application."""

    def count(handler: RequestHandler) -> None:
        figures.requests += 1

    return Application(
        [
            url(path, handler, {"figures": figures})
            for path, handler in (
                ("/", PageHandler),
                ("/events", EventsHandler),
                ("/ping", PingHandler),
                ("/block", BlockHandler),
            )
        ],
        log_function=count,
        cross_origin_protection=True,
        compress_response=True,
    )


async def main(port: int, period: float) -> None:
    """Serve until SIGINT or SIGTERM, then let requests under way finish."""
    figures = Figures()
    server = make_application(figures).listen(port, "127.0.0.1")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    measuring = asyncio.create_task(figures.measure(period))
    print(f"dashboard: http://127.0.0.1:{server.addresses[0][1]}/", flush=True)
    await stopped.wait()
    measuring.cancel()
    server.stop()
    await server.close_all_connections(STOP_TIMEOUT)


def seconds(text: str) -> float:
    """Read the time between two samples."""
    value = float(text)
    if not 0.05 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text}; 0.05 to 60 seconds are allowed")
    return value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--period", type=seconds, default=1.0, help="seconds between samples")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser.parse_args()
    IOLoop.current().run_sync(lambda: main(options.port, options.period))
