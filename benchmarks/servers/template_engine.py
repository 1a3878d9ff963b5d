"""Fill templates in for a while, and say how often: no server, just an engine."""

import argparse
import importlib
import json
import time
from collections.abc import Callable
from typing import Any

CASES = ("table", "inheritance", "escaping")

BASE = """<html><head>{% block head %}<title>{{ title }}</title>{% endblock %}</head><body>
<ul>{% for link in links %}<li><a href="{{ link }}">{{ link }}</a></li>{% endfor %}</ul>
{% block content %}{% endblock %}<footer>{% block footer %}nothing{% endblock %}</footer>
</body></html>"""
MIDDLE = """{% extends "base" %}{% block footer %}<p>{{ title }}</p>{% endblock %}"""
PAGE = """{% extends "middle" %}{% block content %}<h1>{{ title }}</h1>
{% include "part" %}{% endblock %}"""
PART = """<p>{{ text }}</p>"""
TABLE = (
    "<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>"
    "{% endfor %}</table>"
)
ESCAPING = "{% for text in texts %}<p>{{ text }}</p>{% endfor %}"
SOURCES = {
    "base": BASE,
    "middle": MIDDLE,
    "inheritance": PAGE,
    "part": PART,
    "table": TABLE,
    "escaping": ESCAPING,
}
VALUES: dict[str, Any] = {
    "title": "A page & more",
    "links": [f"/page/{number}" for number in range(10)],
    "text": "Some words, of which <b>some</b> are escaped.",
    "rows": [[f"cell {row} {column}" for column in range(10)] for row in range(1000)],
    "texts": [
        f"<script>alert({number!r})</script> & \"more\" of 'it'" * 4 for number in range(200)
    ],
}


def fill_jinja2(case: str) -> Callable[[], str]:
    """Return what fills a template in by Jinja2."""
    jinja2 = importlib.import_module("jinja2")
    pages = jinja2.Environment(loader=jinja2.DictLoader(SOURCES), autoescape=True)
    template = pages.get_template(case)
    return lambda: str(template.render(VALUES))


def fill_tornado(case: str, package: str = "tornado") -> Callable[[], bytes]:
    """Return what fills a template in by Tornado, or by the project."""
    engine = importlib.import_module(f"{package}.template")
    sources = {
        name: source.replace("endfor", "end").replace("endblock", "end")
        for name, source in SOURCES.items()
    }
    template = engine.DictLoader(sources).load(case)
    return lambda: bytes(template.generate(**VALUES))


def fill(engine: str, case: str) -> Callable[[], str | bytes]:
    """Return what fills a template in by an engine."""
    return fill_jinja2(case) if engine == "jinja2" else fill_tornado(case, engine)


def main() -> None:
    """Measure one engine and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=("toolkit", "tornado", "jinja2"))
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    render = fill(options.engine, options.case)
    render()
    pages, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < options.seconds:
        render()
        pages += 1
    print(json.dumps({"pages": pages, "cpu": spent}))


if __name__ == "__main__":
    main()
