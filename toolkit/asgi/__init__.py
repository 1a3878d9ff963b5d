"""ASGI both ways: its applications served here, and ours served by its servers."""

from toolkit.asgi.container import ASGIContainer
from toolkit.asgi.guest import as_asgi
from toolkit.asgi.guest_exchange import AnswerCutOff
from toolkit.asgi.lifespan import LifespanError
from toolkit.asgi.messages import ASGIApplication, ClientDisconnected

__all__ = [
    "ASGIApplication",
    "ASGIContainer",
    "AnswerCutOff",
    "ClientDisconnected",
    "LifespanError",
    "as_asgi",
]
