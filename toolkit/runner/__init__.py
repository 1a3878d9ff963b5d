"""Running an application: in this process, or in workers that a supervisor looks after."""

from toolkit.runner.errors import RunnerError
from toolkit.runner.program import run
from toolkit.runner.settings import Settings
from toolkit.runner.targets import as_served, load

__all__ = ["RunnerError", "Settings", "as_served", "load", "run"]
