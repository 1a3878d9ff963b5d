"""An application that computes for each request, run by ``toolkit run`` with some workers."""

import os
import sys

from benchmarks.servers.startup import ADDRESS, arguments
from toolkit.web import Application, RequestHandler

STEPS = 10_000
"""Of a loop: about a millisecond, beside which asking costs little."""


class ComputeHandler(RequestHandler):
    """Answer with a number that takes a while."""

    def get(self) -> None:
        number = 1
        for step in range(STEPS):
            number = (number * 31 + step) % 1_000_003
        self.write(str(number))


app = Application([("/", ComputeHandler)], log_function=lambda handler: None)


if __name__ == "__main__":
    options = arguments(__doc__, workers=True)
    # On all processors, as one would hold them to one.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    command = ["toolkit", "run", "benchmarks.servers.workers_app:app", "--access-log=off"]
    where = [f"--host={ADDRESS}", f"--port={options.port}", f"--workers={options.workers}"]
    os.execv(sys.executable, [sys.executable, "-m", *command, *where])
