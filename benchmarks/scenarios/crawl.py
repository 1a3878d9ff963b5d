"""A crawl by the project's client: nothing may be left behind, and nothing may grow."""

import json
import shutil
import subprocess
import sys

from benchmarks.load import LoadError
from benchmarks.peers import CRAWL_PEERS, Peer
from benchmarks.process import ROOT, pinned
from benchmarks.report import Column, Layout, Values, number
from benchmarks.scenarios.base import Cores, Scenario, Sizes
from benchmarks.scenarios.client import KIBIBYTE, TIMEOUT, nginx

FLIGHT = 200
"""Pages under way at once."""

ALLOWED_GROWTH = 1.02
"""How many times its size after a tenth of the pages the client may have after all."""

ALLOWED_OBJECTS = 200
"""Objects more than after that tenth: one for each page under way would be a leak for none."""


def _change(name: str, first: str, last: str) -> Column:
    """Return the column of a count at two moments."""
    return Column(
        f"{name} {first}–{last}",
        lambda values: f"{values[f'{name}_{first}']:.0f}–{values[f'{name}_{last}']:.0f}",
    )


class Crawl(Scenario):
    """Very many pages of one server, each of its own URL."""

    name = "crawl"
    title = "what a crawl leaves behind"
    layout = Layout(
        peers=CRAWL_PEERS,
        columns=(
            number("pages", "pages"),
            number("pages/s", "per_second"),
            number("pages/CPU-s", "per_cpu_second"),
            number("RSS after a tenth, MiB", "resident_before", 1, 2**-20),
            number("after all, MiB", "resident_after", 1, 2**-20),
            number("growth", "growth", 4),
            _change("objects", "before", "after"),
            _change("tasks", "first", "last"),
            _change("descriptors", "first", "last"),
        ),
        figure="growth",
        unit="growth of memory",
        lowest_first=True,
    )
    rounds = 1
    repeated = False

    def missing(self) -> str | None:
        return next((name for name in ("nginx", "openssl") if shutil.which(name) is None), None)

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with nginx(cores.server, KIBIBYTE, tls=False) as server:
            command = [sys.executable, "-m", f"benchmarks.clients.{peer.module}"]
            command += ["--url", server.url, "--pages", str(sizes.crawl)]
            command += ["--flight", str(FLIGHT), *peer.arguments]
            with pinned(cores.load):
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT
                )
        if done.returncode:
            raise LoadError(f"{peer.name}: {done.stderr.strip()[-500:]}")
        values: Values = json.loads(done.stdout)
        leaks = found_leaks(values)
        if leaks:
            raise LoadError(f"{peer.name}: {', '.join(leaks)}")
        return {
            **values,
            "pages": sizes.crawl,
            "per_second": sizes.crawl / values["seconds"],
            "per_cpu_second": sizes.crawl / values["cpu"],
            "growth": values["resident_after"] / values["resident_before"],
        }

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{sizes.crawl:,} pages of 1 KiB from nginx after a tenth of them, {FLIGHT} at once; a "
            f"task or descriptor left, growth beyond {ALLOWED_GROWTH}, or {ALLOWED_OBJECTS} "
            "objects more are no figure"
        )


def found_leaks(values: Values) -> list[str]:
    """Say what a crawl has left behind."""
    growth = values["resident_after"] / values["resident_before"]
    leaks = []
    if growth > ALLOWED_GROWTH:
        leaks.append(f"memory {growth:.4f} times that before ({ALLOWED_GROWTH} is allowed)")
    objects = values["objects_after"] - values["objects_before"]
    if objects > ALLOWED_OBJECTS:
        leaks.append(f"{objects:.0f} objects more ({ALLOWED_OBJECTS} are allowed)")
    for name in ("tasks", "descriptors"):
        first, last = values[f"{name}_first"], values[f"{name}_last"]
        if last > first:
            leaks.append(f"{name} {first:.0f} to {last:.0f}")
    return leaks
