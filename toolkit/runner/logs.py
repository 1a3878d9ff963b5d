"""Where the runner's logs go."""

import logging
import sys

from toolkit.log import LogFormatter, access_log
from toolkit.runner.settings import Settings


def set_up_logging(settings: Settings) -> None:
    """Have logs written: of requests to standard output, all else to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    if settings.access_log == "off":
        access_log.disabled = True
        return
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    access_log.addHandler(lines)
    access_log.propagate = False
    access_log.setLevel(logging.INFO)


def access_format(settings: Settings) -> str | None:
    """Return the format of the server's access log; None for none."""
    return None if settings.access_log == "off" else settings.access_log
