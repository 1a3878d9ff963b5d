"""Every case of the battery, whole and byte by byte, on both loops."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.http.battery import CASES, ETAG, Case, fuzz, rules, run_case, settings
from tests.http.client import Serve

ROOT = Path(__file__).resolve().parents[2]
#: What asyncio in debug mode says of a machine that is busy.
BUSY = re.compile(r"Executing .* took [0-9.]+ seconds$")


def test_names_are_unique_and_say_where_the_rule_stands() -> None:
    counted = Counter(case.name for case in CASES)
    assert [name for name, count in counted.items() if count > 1] == []
    assert all(case.section for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_conversation(
    case: Case, serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """In one piece and byte by byte, a case gets the answers that the RFC has for it."""
    asked: list[str] = []
    site = serve(rules(tmp_path), settings(asked))
    etag = b""
    if any(ETAG in step for step in case.steps if isinstance(step, bytes)):
        etag = ((await site.get("/static/file.txt")).get("etag") or "").encode()
    whole = await run_case(case, site.address, asked, etag=etag)
    pieces = await run_case(case, site.address, asked, etag=etag, bytewise=True)
    _claim_refusals(caplog, failing=case.fails)
    assert (whole, pieces) == ("", ""), case.section


def _claim_refusals(caplog: pytest.LogCaptureFixture, failing: bool = False) -> None:
    """Claim the warnings about requests, and all that a failing handler causes.

    Untrusted bytes stand in no line in a raw form.
    """
    for record in caplog.records:
        if failing:
            record.claimed = True
        elif record.name == "toolkit.general" and record.levelname == "WARNING":
            assert record.getMessage().isprintable()
            record.claimed = True


async def test_mutated_requests_get_good_answers_or_none(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Beside them a healthy client is served, and the server sees no error of its own."""
    seen, times = await fuzz.fuzz(1, 300, tmp_path)
    assert seen[400] > 100
    assert sum(seen.values()) > 300
    assert times
    _claim_refusals(caplog)


async def test_cuts_mean_nothing_to_a_server(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The same bytes in other pieces get the same answers, byte by byte."""
    site = serve(rules(tmp_path), settings([]))
    for seed in range(100):
        mutator = fuzz.Mutator(seed)
        raw = mutator.make()
        whole = fuzz.without_dates(await fuzz.converse(site.address, [raw]))
        for pieces in (mutator.pieces(raw), [raw[:-1], raw[-1:]]):
            again = fuzz.without_dates(await fuzz.converse(site.address, pieces))
            assert again == whole, raw
    _claim_refusals(caplog)


#: Ways to run a server's process: one without assertions, two in which Python is stricter.
MODES = {
    "optimized": (["-O"], {}),
    "debug": (["-X", "dev"], {"PYTHONASYNCIODEBUG": "1"}),
    "resources": (["-W", "error::ResourceWarning"], {}),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_battery_passes_in_a_process_of_another_mode(mode: str, loop_name: str) -> None:
    """CVE-2025-69227: no check is an assertion; nothing is left open, no callback forgotten."""
    options, environment = MODES[mode]
    done = subprocess.run(
        [sys.executable, *options, "-m", "tests.http.battery", "--whole", "--loop", loop_name],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if not BUSY.match(line)]
    assert (done.stdout.splitlines()[:-1], said, done.returncode) == ([], [], 0)
