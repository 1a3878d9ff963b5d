"""The Autobahn test suite against a server and a client: `python -m tests.system.autobahn`.

It knows 517 cases. Those of 9 (large messages), 12 and 13 (compression of thousands of messages)
take most of the time.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.system.websocket_peers import echo, serving
from toolkit.testing import bind_unused_port
from toolkit.websocket import websocket_connect

WSTEST = Path(__file__).parents[2] / ".venv-autobahn" / "bin" / "wstest"

#: The cases that take long.
LONG = ("9.*", "12.*", "13.*")

#: Cases that have no right answer, and so are neither OK nor failed: a Close after 256 KiB of
#: data that nobody waits for (7.1.6), and the codes 5000 and 65535 (7.13), which are refused.
INFORMATIONAL = ("7.1.6", "7.13.1", "7.13.2")

#: What one case came to: how messages were treated, and how the connection was closed.
Verdict = tuple[str, str]

#: Seconds for the suite to begin to listen.
START_TIMEOUT = 60.0


def expected(results: dict[str, Verdict]) -> dict[str, Verdict]:
    """Return what the results should be."""
    good = ("OK", "OK")
    informational = ("INFORMATIONAL", "INFORMATIONAL")
    return {case: informational if case in INFORMATIONAL else good for case in results}


async def run_against_server(
    cases: Sequence[str] = ("*",), without: Sequence[str] = LONG
) -> dict[str, Verdict]:
    """Have the suite's client try our server.

    Args:
        cases, without: of the suite, such as ``"9.*"``.
    """
    with tempfile.TemporaryDirectory() as directory:
        async with serving() as url:
            servers = [{"agent": "toolkit", "url": url}]
            running = _running("fuzzingclient", directory, cases, without, servers=servers)
            async with running as suite:
                await suite.wait()
        return _results(directory)


async def run_against_client(
    cases: Sequence[str] = ("*",), without: Sequence[str] = LONG
) -> dict[str, Verdict]:
    """Have our client try the suite's server; arguments as of `run_against_server`."""
    with tempfile.TemporaryDirectory() as directory:
        unused, port = bind_unused_port()
        unused.close()
        url = f"ws://127.0.0.1:{port}"
        async with _running("fuzzingserver", directory, cases, without, url=url):
            for case in range(1, await _count_cases(url) + 1):
                await echo(f"{url}/runCase?case={case}&agent=toolkit")
            await echo(f"{url}/updateReports?agent=toolkit")
        return _results(directory)


async def _count_cases(url: str) -> int:
    """Ask the suite's server once it listens."""
    async with asyncio.timeout(START_TIMEOUT):
        while True:
            try:
                connection = await websocket_connect(f"{url}/getCaseCount")
            except OSError:
                await asyncio.sleep(0.1)
            else:
                async with connection:
                    return int(await connection.read_message())


@contextlib.asynccontextmanager
async def _running(
    mode: str, directory: str, cases: Sequence[str], without: Sequence[str], **more: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the suite; it is killed at the end, if it still runs."""
    spec = Path(directory) / "spec.json"
    chosen = {"cases": cases, "exclude-cases": without, "exclude-agent-cases": {}}
    spec.write_text(json.dumps({"outdir": directory, **chosen, **more}))
    with (Path(directory) / "log").open("wb") as log:
        suite = await asyncio.create_subprocess_exec(
            *(str(WSTEST), "-m", mode, "-s", str(spec)), cwd=directory, stdout=log, stderr=log
        )
        try:
            yield suite
        finally:
            if suite.returncode is None:
                suite.kill()
            await suite.wait()


def _results(directory: str) -> dict[str, Verdict]:
    index = json.loads((Path(directory) / "index.json").read_text())
    return {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in index["toolkit"].items()
    }


async def main() -> int:
    """Run both sides, say what is not as it should be, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="the long cases too")
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="just these, such as '9.*'")
    arguments = parser.parse_args()
    cases = arguments.cases or ["*"]
    without = () if arguments.all or arguments.cases else LONG
    wrong = 0
    for name, run in (("server", run_against_server), ("client", run_against_client)):
        results = await run(cases, without)
        okay = sum(verdict == ("OK", "OK") for verdict in results.values())
        print(f"{name}: {len(results)} cases, {okay} OK", flush=True)
        for case, verdict in results.items():
            if verdict != ("OK", "OK"):
                print(f"  {case}: {', '.join(dict.fromkeys(verdict))}")
        wrong += results != expected(results)
    return wrong


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
