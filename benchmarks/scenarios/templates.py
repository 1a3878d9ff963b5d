"""Template engines alone, without a server."""

import json
import subprocess
import sys

from benchmarks.load import GRACE, LoadError
from benchmarks.peers import ENGINE_COMPARISONS, ENGINES, Peer
from benchmarks.process import ROOT, pinned
from benchmarks.report import Layout, Values, number
from benchmarks.scenarios.base import Cores, Scenario, Sizes


class Templates(Scenario):
    """A template that is filled in again and again.

    Args:
        case: one of `benchmarks.servers.template_engine.CASES`.
    """

    layout = Layout(
        peers=ENGINES,
        columns=(number("pages/CPU-s", "per_cpu_second"), number("CPU µs/page", "cpu", 1, 1e6)),
        figure="per_cpu_second",
        unit="pages per CPU second",
        comparisons=ENGINE_COMPARISONS,
    )

    def __init__(self, case: str, title: str) -> None:
        self.name = f"templates_{case}"
        self.title = title
        self.case = case

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        command = [sys.executable, "-m", f"benchmarks.servers.{peer.module}", peer.name, self.case]
        command += ["--seconds", str(sizes.seconds)]
        try:
            with pinned(cores.server):
                done = subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    text=True,
                    cwd=ROOT,
                    timeout=sizes.seconds * 10 + GRACE,
                )
        except subprocess.SubprocessError as error:
            raise LoadError(f"{peer.name}: {error}") from error
        seen = json.loads(done.stdout)
        return {
            "per_cpu_second": seen["pages"] / seen["cpu"],
            "cpu": seen["cpu"] / seen["pages"],
        }

    def describe(self, sizes: Sizes) -> str:
        return f"one process, {sizes.seconds} s of CPU time"


TEMPLATES = (
    Templates("table", "1,000 rows of 10 cells"),
    Templates("inheritance", "a page that extends two others and includes one"),
    Templates("escaping", "200 long texts with much to escape"),
)
