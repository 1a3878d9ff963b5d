"""All cases of the battery against one server: `python -m tests.http.battery --loop uvloop`.

It says what is wrong, a line for each case, and ends with 1 if anything is.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from tests.http.battery import CASES, rules, run_case, settings
from tests.http.client import start_site
from tests.loops import FACTORIES


async def run_all(directory: Path, ways: list[bool]) -> list[str]:
    """Run every case in each way, whole or bytewise; return what is wrong."""
    asked: list[str] = []
    site = start_site(rules(directory), settings(asked))
    etag = ((await site.get("/static/file.txt")).get("etag") or "").encode()
    wrong = []
    try:
        for case in CASES:
            faults = {
                await run_case(case, site.address, asked, bytewise=bytewise, etag=etag)
                for bytewise in ways
            }
            if faults != {""}:
                wrong.append(f"{case.name}: {' or '.join(sorted(faults))} [{case.section}]")
    finally:
        await site.end()
    return wrong


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=FACTORIES, default="asyncio")
    parser.add_argument("--whole", action="store_true", help="leave out byte by byte")
    options = parser.parse_args()
    # What handlers fail with is their own; what is said of asyncio itself is not.
    logging.getLogger("toolkit").addHandler(logging.NullHandler())
    logging.getLogger("toolkit").propagate = False
    ways = [False] if options.whole else [False, True]
    with (
        tempfile.TemporaryDirectory() as directory,
        asyncio.Runner(loop_factory=FACTORIES[options.loop]) as runner,
    ):
        wrong = runner.run(run_all(Path(directory), ways))
    print(*wrong, f"{len(CASES)} cases, {len(wrong)} faults on {options.loop}", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
