"""Hosting ASGI applications: a raw one, Starlette's and FastAPI's, on each of the servers."""

from benchmarks.peers import Comparison, Peer
from benchmarks.report import Layout
from benchmarks.scenarios.base import work_columns
from benchmarks.scenarios.web import Web, is_hello

HOSTS = (
    ("toolkit", "toolkit"),
    ("uvicorn", "uvicorn[standard]"),
    ("hypercorn", "hypercorn"),
    ("granian", "granian"),
)
"""The servers: name, and what the report calls it."""

APPS = (("raw", "raw ASGI"), ("starlette", "Starlette"), ("fastapi", "FastAPI"))
"""The applications, likewise."""

PEERS = tuple(
    Peer(
        f"{host}-{app}",
        f"{app_label} on {host_label}",
        "asgi_host",
        ("--server", host, "--app", app),
        app,
    )
    for app, app_label in APPS
    for host, host_label in HOSTS
)
"""Each application on each server; those of one application are compared."""


LAYOUT = Layout(
    peers=PEERS,
    columns=work_columns("req"),
    figure="per_cpu_second",
    unit="requests per CPU second",
    comparisons=(
        Comparison("uvicorn", "uvicorn-{loop}"),
        Comparison("granian", "granian-{loop}"),
    ),
)


class ASGI(Web):
    """The same requests as `hello`, of applications that others serve too."""

    def __init__(self) -> None:
        title = "13 bytes of text of ASGI applications"
        super().__init__("asgi", title, "/", is_hello, layout=LAYOUT)
