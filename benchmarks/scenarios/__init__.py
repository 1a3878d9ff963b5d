"""What is measured: each scenario knows its servers, its load and its figures."""

from benchmarks.scenarios.asgi import ASGI
from benchmarks.scenarios.base import Cores, Scenario, Sizes
from benchmarks.scenarios.bulk import Bulk, SlowReader
from benchmarks.scenarios.client import CLIENT
from benchmarks.scenarios.crawl import Crawl
from benchmarks.scenarios.endurance import BusyIdle, IdleHTTP, Soak
from benchmarks.scenarios.large import Download, Upload
from benchmarks.scenarios.lines import Bursts, Churn, Idle, Lines
from benchmarks.scenarios.slow import SlowHTTP
from benchmarks.scenarios.templates import TEMPLATES
from benchmarks.scenarios.web import WEB
from benchmarks.scenarios.websocket import WEBSOCKET
from benchmarks.scenarios.workers import Workers

SCENARIOS: tuple[Scenario, ...] = (
    *WEB,
    *TEMPLATES,
    ASGI(),
    Lines(),
    Bursts(),
    Bulk(),
    SlowReader(),
    Idle(),
    Churn(),
    IdleHTTP(),
    BusyIdle(),
    SlowHTTP(),
    Download(),
    Upload(),
    Soak(),
    *CLIENT,
    Crawl(),
    *WEBSOCKET,
    Workers(),
)

__all__ = ["SCENARIOS", "Cores", "Scenario", "Sizes"]
