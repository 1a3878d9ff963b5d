"""Count the instructions of one request: `python -m benchmarks.instructions --help`.

A server runs under valgrind's callgrind, and is asked on one connection, a few times and then more
often; what the difference cost is divided by the number of requests. It is work outside the kernel
alone, and no measure of time, but it is the same on a slow or a busy machine.
"""

import argparse
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import FRAMEWORKS, Peer
from benchmarks.process import ADDRESS, ROOT, ServerError, free_port
from benchmarks.run import names_of, positive
from benchmarks.scenarios.web import WEB, Web

#: Requests before anything is counted: caches, memories, lazy imports, and the interpreter, which
#: settles what it has found out of a piece of code again and again.
WARM_UP = 1000
#: Seconds for a server to listen, or to answer, under valgrind.
PATIENCE = 600.0

ROWS = {row.name: row for row in WEB if row.script is None or row.post is not None}


class Counter:
    """A server that runs under callgrind."""

    def __init__(self, pid: int, port: int, folder: Path) -> None:
        self.pid = pid
        self.port = port
        self.folder = folder

    def control(self, *arguments: str) -> None:
        """Tell callgrind something."""
        command = ["callgrind_control", *arguments, str(self.pid)]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def count(self) -> int:
        """Return the instructions since this was last asked."""
        for path in self.folder.glob("callgrind.out.*"):
            path.unlink()
        self.control("--dump")
        text = "".join(path.read_text() for path in self.folder.glob("callgrind.out.*"))
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("totals:"))

    def cost(self, row: Web, requests: int) -> float:
        """Return the instructions of one request of a row.

        Raises:
            OSError, http.client.HTTPException, ServerError: it was not answered as it should be.
        """
        self._ask(row, WARM_UP)
        self.count()
        self._ask(row, requests)
        once = self.count()
        self._ask(row, 2 * requests)
        return (self.count() - once) / requests

    def _ask(self, row: Web, requests: int) -> None:
        """Ask so often, on a connection of its own, as some servers soon close an idle one."""
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=PATIENCE)
        try:
            for _ in range(requests):
                ask(connection, row)
        finally:
            connection.close()


def ask(connection: http.client.HTTPConnection, row: Web) -> None:
    """Ask once, with the few fields that wrk sends.

    Raises:
        ServerError: the answer is not the right one.
    """
    connection.putrequest(row.method, row.path, skip_accept_encoding=True)
    if row.post is not None:
        connection.putheader("Content-Type", row.post.content_type)
        connection.putheader("Content-Length", str(len(row.post.content)))
    connection.endheaders(row.post.content if row.post else None)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200 or not row.right_body(body):
        raise ServerError(f"{row.method} {row.path} gave {response.status} {body[:100]!r}")


@contextmanager
def counted(peer: Peer) -> Iterator[Counter]:
    """Run a server under callgrind within the block."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={folder}/callgrind.out",
            sys.executable,
            "-m",
            f"benchmarks.servers.{peer.module}",
            *("--port", str(port)),
            *peer.arguments,
        ]
        # Sets and dicts of text are in the same order in each run.
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output
            )
        try:
            wait_until_up(process, port, log)
            counter = Counter(process.pid, port, Path(folder))
            counter.control("--instr=on")
            yield counter
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def wait_until_up(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until a server listens.

    Raises:
        ServerError: it has ended, or does not in time.
    """
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=1.0)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise ServerError(f"the server does not listen:\n{log.read_text(errors='replace')[-2000:]}")


def table(costs: dict[str, dict[str, float]], rows: Sequence[str]) -> str:
    """Return the costs as a table: a line for each server, a column for each row."""
    lines = ["| server | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for name, its in costs.items():
        cells = [f"{its[row]:,.0f}" if row in its else "-" for row in rows]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Count for a command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    peers = {peer.name: peer for peer in FRAMEWORKS}
    usual = [row for row in ROWS if not row.startswith("routes")]
    parser.add_argument("--only", type=names_of(peers), default=list(peers), metavar="NAME,NAME")
    parser.add_argument("--scenario", type=names_of(ROWS), default=usual, metavar="NAME,NAME")
    parser.add_argument("--requests", type=positive, default=50, metavar="N")
    options = parser.parse_args(arguments)
    for program in ("valgrind", "callgrind_control"):
        if shutil.which(program) is None:
            print(f"{program} is missing: apt-get install valgrind", file=sys.stderr)
            return 1
    costs: dict[str, dict[str, float]] = {}
    for name in options.only:
        with counted(peers[name]) as counter:
            costs[name] = {}
            for row in options.scenario:
                try:
                    costs[name][row] = counter.cost(ROWS[row], options.requests)
                except (OSError, http.client.HTTPException, ServerError) as error:
                    print(f"{name}, {row}: {error!r}", file=sys.stderr, flush=True)
                else:
                    print(f"{name}, {row}: {costs[name][row]:,.0f}", file=sys.stderr, flush=True)
    print(table(costs, options.scenario))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
