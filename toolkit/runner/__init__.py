"""Running an application: in this process, or in workers that a supervisor looks after."""

from toolkit.runner.errors import RunnerError
from toolkit.runner.main_process import MainProcess
from toolkit.runner.program import check, run
from toolkit.runner.settings import Settings
from toolkit.runner.targets import application_of, load

__all__ = ["MainProcess", "RunnerError", "Settings", "application_of", "check", "load", "run"]
