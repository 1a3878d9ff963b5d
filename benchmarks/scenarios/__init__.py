"""What is measured: each scenario knows its servers, its load and its figures."""

from benchmarks.scenarios.asgi import ASGI
from benchmarks.scenarios.base import Cores, Scenario, Sizes
from benchmarks.scenarios.bulk import Bulk, SlowReader
from benchmarks.scenarios.endurance import BusyIdle, IdleHTTP, Soak
from benchmarks.scenarios.lines import Churn, Idle, Lines
from benchmarks.scenarios.slow import SlowHTTP
from benchmarks.scenarios.web import WEB
from benchmarks.scenarios.workers import Workers

SCENARIOS: tuple[Scenario, ...] = (
    *WEB,
    ASGI(),
    Lines(),
    Bulk(),
    SlowReader(),
    Idle(),
    Churn(),
    IdleHTTP(),
    BusyIdle(),
    SlowHTTP(),
    Soak(),
    Workers(),
)

__all__ = ["SCENARIOS", "Cores", "Scenario", "Sizes"]
