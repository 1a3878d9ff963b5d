"""What is measured: each scenario knows its servers, its load and its figures."""

from benchmarks.scenarios.base import Cores, Scenario, Sizes
from benchmarks.scenarios.bulk import Bulk, SlowReader
from benchmarks.scenarios.lines import Churn, Idle, Lines
from benchmarks.scenarios.web import WEB

SCENARIOS: tuple[Scenario, ...] = (*WEB, Lines(), Bulk(), SlowReader(), Idle(), Churn())

__all__ = ["SCENARIOS", "Cores", "Scenario", "Sizes"]
