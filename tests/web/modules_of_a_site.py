"""UI modules and methods as an application may have them in a Python module."""

from typing import Any

from toolkit.web import RequestHandler, UIModule


class Box(UIModule):
    """A box around a text."""

    def render(self, text: str) -> str:
        """Return the box."""
        return f"[{text}]"


def shout(handler: RequestHandler, text: str) -> str:
    """Return a text in capitals, with the method of the request."""
    return f"{handler.request.method} {text.upper()}"


def _private(handler: RequestHandler) -> Any:
    raise AssertionError("not for templates")


unrelated = 7
