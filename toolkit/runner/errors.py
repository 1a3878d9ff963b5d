"""What keeps an application from being run."""


class RunnerError(Exception):
    """The application cannot be run; the message says why in one line."""
