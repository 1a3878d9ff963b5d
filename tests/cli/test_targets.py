"""What ``module:attribute`` names, and what is said where it names nothing."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from toolkit.asgi import ASGIContainer
from toolkit.cli import main
from toolkit.runner import RunnerError, Settings, application_of, load
from toolkit.runner.listening import Listening
from toolkit.web import Application
from toolkit.wsgi import WSGIContainer

SOURCE = """
import functools
from toolkit.routing import RuleRouter
from toolkit.web import Application

class Names:
    class inner:
        application = Application([])

async def asgi(scope, receive, send): pass

class ASGI:
    async def __call__(self, scope, receive, send): pass

def wrapped_asgi(scope, receive, send): return asgi(scope, receive, send)

def wsgi(environ, start_response): pass

class WSGI:
    def __call__(self, environ, start_response): pass

app = Application([])
router = RuleRouter([])
number = 3

def create(size=2): return Application([], size=size)
def create_wsgi(): return wsgi
def fails(): raise LookupError("no settings")
def of_request(request): pass
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have modules of these names in a directory, which is the current one."""
    (tmp_path / "site_of_tests.py").write_text(SOURCE)
    (tmp_path / "raises.py").write_text("def f():\n    1 / 0\nf()\n")
    (tmp_path / "needs.py").write_text("import not_there\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit('no settings')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if not name.startswith("toolkit"):
            del sys.modules[name]


@pytest.mark.feature("R01", "R04")
@pytest.mark.parametrize(
    ("attribute", "kind"),
    [
        ("", Application),
        (":app", Application),
        (":Names.inner.application", Application),
        (":asgi", ASGIContainer),
        (":ASGI()", ASGIContainer),
        (":wrapped_asgi", ASGIContainer),
        (":wsgi", WSGIContainer),
        (":WSGI()", WSGIContainer),
        (":create", Application),
        (":create()", Application),
        (":create_wsgi", WSGIContainer),
    ],
)
def test_applications_are_found(attribute: str, kind: type) -> None:
    """By names, and by what a function returns."""
    assert isinstance(application_of(Settings(f"site_of_tests{attribute}")), kind)


@pytest.mark.feature("R04")
def test_a_factory_is_called_where_nothing_else_says_so() -> None:
    """``--factory`` calls what could be an application too."""
    made = application_of(Settings("site_of_tests:create", factory=True, interface="toolkit"))
    assert made.settings == {"size": 2}


def test_a_router_is_served_as_it_is() -> None:
    """As a function of the request is, where it is said to be one."""
    router = load("site_of_tests:router")
    assert application_of(Settings("site_of_tests:router")) is router
    function = application_of(Settings("site_of_tests:of_request", interface="toolkit"))
    assert function is load("site_of_tests:of_request")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing:app"], "there is no module 'missing' in "),
        (["missing.part:app"], "there is no module 'missing.part' in "),
        (["needs:app"], "module 'needs' cannot be imported: ModuleNotFoundError: No module"),
        (["raises:app"], "module 'raises' cannot be imported: ZeroDivisionError: division by"),
        (["broken:app"], "module 'broken' cannot be imported: SyntaxError: "),
        (["leaves:app"], "module 'leaves' cannot be imported: SystemExit: no settings"),
        (["site_of_tests:nothing"], "module 'site_of_tests' has no attribute 'nothing'"),
        (["site_of_tests:Names.no"], "Names'> has no attribute 'no'"),
        (["raises"], "module 'raises' cannot be imported"),
        (["site_of_tests:number"], "'site_of_tests:number' is 3; a web.Application, an ASGI"),
        (["site_of_tests:number()"], "'site_of_tests:number()' is a int, which cannot be called"),
        (["site_of_tests:of_request"], "--interface says which it is"),
        (["site_of_tests:fails"], "'site_of_tests:fails' raised: LookupError: no settings"),
        (["site_of_tests:number", "--interface=asgi"], "is 3, which is no asgi application"),
        (["site/of"], "'site/of' is no application; module:attribute names one"),
        (["site_of_tests:app", "--certfile=no.pem"], "certificate: [Errno 2] No such file"),
        (["site_of_tests:app", "--certfile=raises.py"], "certificate raises.py"),
        (["site_of_tests:app", "--keyfile=no.pem"], "a key or an authority of clients, and no"),
        (["site_of_tests:app", "--trusted-proxies=proxy"], "'proxy' does not appear to be"),
        (["site_of_tests:app", "--access-log=%Q"], "'%Q' in a format; "),
        (["site_of_tests:app", "--check-ready=raises:f"], "module 'raises' cannot be imported"),
        (["site_of_tests:app", "--check-ready=site_of_tests:number"], "is a int, and no function"),
        (["site_of_tests:app", "--main=site_of_tests:asgi"], "; an async generator function is"),
        (["site_of_tests:app", "--main=missing:main"], "there is no module 'missing' in "),
        (["site_of_tests:app", "--admin=here"], "admin address 'here'; host:port or :port"),
        (["site_of_tests:app", "--reload", "--workers=2"], "--reload with 2 workers; one is"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the traceback of the application's own frames before, where it has any."""
    assert main(["run", *arguments, "--check"]) == 1
    *traceback, line = capsys.readouterr().err.splitlines()
    assert line.startswith("toolkit: ")
    assert said in line
    assert not any("/toolkit/" in frame for frame in traceback)
    own = arguments[0].partition(":")[0] in ("raises", "needs", "broken", "leaves")
    own = own or "fails" in arguments[0] or "raises:f" in arguments[-1]
    assert bool(traceback) == own


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port=65536"], "65536; a port from 0 to 65535 is allowed"),
        (["--workers=0"], "0; a whole number from 1 up is allowed"),
        (["--workers=two"], "'two'; a whole number is allowed"),
        (["--max-body=1T"], "'1T'; bytes are allowed, or such as 512K, 100M, 2G"),
        (["--graceful-timeout=-1"], "'-1'; a number such as 2.5 is allowed"),
        (["--graceful-timeout=nan"], "'nan'; a number such as 2.5 is allowed"),
        (["--unix-mode=888"], "'888'; three octal digits such as 660 are allowed"),
        (["--log-level=loud"], "'loud'; critical, fatal, error, warn, warning, info, debug"),
        (["--interface=fcgi"], "invalid choice: 'fcgi'"),
    ],
)
def test_values_of_options_are_looked_at(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 2, as for every wrong call."""
    with pytest.raises(SystemExit) as caught:
        main(["run", "site_of_tests:app", *arguments])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_check_takes_what_can_be_served(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    """And ends with status 0, whether the port is free or not."""
    certificate = place / "server.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    options = ["--port=1", "--max-body=2M", f"--certfile={certificate}", "--header-timeout=2.5"]
    assert main(["run", "site_of_tests:app", "--check", *options]) == 0
    assert capsys.readouterr().out == "site_of_tests:app can be served\n"


@pytest.mark.feature("R01")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_port_in_use_is_said(workers: int) -> None:
    """Also where workers would share it among themselves."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = other.getsockname()[1]
        with pytest.raises(RunnerError, match=f"cannot listen on 127.0.0.1:{port}: Address alre"):
            Listening(Settings("", port=port), workers)


def test_descriptors_have_to_listen() -> None:
    """They are said by their number, and left open."""
    with socket.socket() as sock:
        fd = sock.fileno()
        with pytest.raises(RunnerError, match=f"descriptor {fd} is a socket that does not listen"):
            Listening(Settings("", fds=(fd,)), 0)
        assert sock.getsockname()
    with pytest.raises(RunnerError, match="descriptor 99999 is no socket: Bad file descriptor"):
        Listening(Settings("", fds=(99999,)), 0)


@pytest.mark.feature("T02")
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_each_socket_has_a_worker(workers: int) -> None:
    """However many there were before."""
    listening = Listening(Settings("", port=0), 4)
    try:
        shares = [listening.share(number, workers) for number in range(workers)]
        assert sorted(index for share in shares for index in share) == [0, 1, 2, 3]
    finally:
        listening.close()
