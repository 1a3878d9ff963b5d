"""What a developer is shown of an error, and what nobody else is."""

import datetime
import decimal
import enum
import json
import re
import sys
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.http.client import Answer, Serve, Site, get, post
from tests.loops import expect_log
from toolkit.template import DictLoader, Template
from toolkit.web import HTTPError, RequestHandler
from toolkit.web.debug.values import MASK, MAX_ALL, Values, cut, is_secret, mask

Raiser = Callable[[RequestHandler], object]

HTML = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
JSON = "Accept: application/json, text/plain, */*\r\n"
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def failing(raiser: Raiser) -> type[RequestHandler]:
    """Make a handler class that calls a function."""

    class Failing(RequestHandler):
        def get(self, *args: str) -> None:
            raiser(self)

        post = get

    return Failing


def boom(handler: RequestHandler) -> NoReturn:
    """Fail."""
    raise ValueError("boom <script>alert(1)</script> & \"'")


def site_of(serve: Serve, raiser: Raiser = boom, **settings: Any) -> Site:
    """Start a site in debug mode whose root fails."""
    return serve([("/", failing(raiser)), ("/named/(.*)", failing(boom), {}, "name")], settings)


async def shown(
    serve: Serve, caplog: pytest.LogCaptureFixture, raiser: Raiser, accept: str = HTML
) -> Answer:
    """Return the page of an error at the root."""
    answer = await site_of(serve, raiser, debug=True).get(fields="Host: localhost\r\n" * 0 + accept)
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    return answer


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the requests of the tests' clients ask for this machine."""
    for function in (get, post):
        monkeypatch.setitem(function.__globals__, function.__name__, _locally(function))


def _locally(function: Callable[..., bytes]) -> Callable[..., bytes]:
    def changed(*args: Any) -> bytes:
        return function(*args).replace(b"Host: h\r\n", b"Host: localhost\r\n")

    return changed
