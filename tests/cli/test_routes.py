"""``toolkit routes``: the rules of an application."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.cli import main

SOURCE = """
from toolkit.routing import mount
from toolkit.web import Application, RequestHandler

class Main(RequestHandler):
    def get(self): pass

class Item(RequestHandler):
    def put(self, id): pass

def other(request): pass

app = Application([
    (r"/old/([0-9]+)", Main),
    ("/items/{id:int}", Item, {}, "item"),
    mount("/api", [("/users", Main, {}, "users")]),
    mount("/other", other),
])
app.add_handlers(r"www\\.example\\.org", [("/", Main)])

def wsgi(environ, start_response): pass
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the application in the current directory."""
    (tmp_path / "routed.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("routed", None)


def test_routes_are_listed_in_the_order_of_their_turn(capsys: pytest.CaptureFixture[str]) -> None:
    """With methods, target, name, and the line that made them."""
    assert main(["routes", "routed:app", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(route["pattern"], route["methods"], route["target"]) for route in found] == [
        ("host=www\\.example\\.org$ /$", ["GET", "HEAD", "OPTIONS"], "routed.Main"),
        ("/old/([0-9]+)$", ["GET", "HEAD", "OPTIONS"], "routed.Main"),
        ("/items/{id:int}", ["PUT", "OPTIONS"], "routed.Item"),
        ("/api/users$", ["GET", "HEAD", "OPTIONS"], "routed.Main"),
        ("/other/*", [], "routed.other"),
    ]
    assert [route["name"] for route in found] == ["", "", "item", "users", ""]
    assert "routed.py:" in found[1]["place"]


@pytest.mark.feature("G17")
def test_routes_are_a_table_for_the_eye(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, with a head."""
    assert main(["routes", "routed"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["PATTERN", "METHODS", "TARGET", "NAME", "PLACE"]
    assert rows[2].split()[:4] == ["/items/{id:int}", "PUT,OPTIONS", "routed.Item", "item"]
    assert len(rows) == 5


def test_only_our_applications_have_routes(capsys: pytest.CaptureFixture[str]) -> None:
    """Others are told so."""
    assert main(["routes", "routed:wsgi"]) == 1
    said = "toolkit: 'routed:wsgi' is a WSGIContainer; a web.Application has routes\n"
    assert capsys.readouterr().err == said
