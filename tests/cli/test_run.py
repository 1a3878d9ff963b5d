"""``toolkit run`` as a user meets it: processes, signals and sockets."""

import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.cli.program import Program, directory, get, opened, port_of, running

ASGI = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})
"""

#: A stream of events that cannot be cancelled.
STUBBORN = """
import asyncio

async def app(scope, receive, send):
    assert scope["type"] == "http"
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: 1\\n\\n", "more_body": True})
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass
"""

WSGI = """
import threading

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]
"""

#: A lifespan that leaves a word.
LIFESPAN = """
import sys
from hello import app

@app.lifespan
async def life(app):
    print("begins", file=sys.stderr, flush=True)
    yield
    print("ends", file=sys.stderr, flush=True)
"""

READY = """
import os
from hello import app

def database():
    if os.path.exists("broken"):
        raise ConnectionError("no database")
"""

#: A counter that workers share, in a process that the main process has begun.
STATE = """
import os, secrets, sys
from multiprocessing.managers import BaseManager
from toolkit.web import Application, RequestHandler

class Counter:
    count = 0
    def add(self):
        self.count += 1
        return self.count

COUNTER = Counter()

def counter():
    return COUNTER

class State(BaseManager): pass

State.register("counter", counter)

async def main(process):
    process.listen(lambda *what: print(*what, file=sys.stderr, flush=True))
    key = secrets.token_hex()
    with State(authkey=key.encode()) as state:
        os.environ |= {"STATE": state.address, "STATE_KEY": key}
        yield
    print("main ends", file=sys.stderr, flush=True)

def create():
    state = State(os.environ["STATE"], os.environ["STATE_KEY"].encode())
    state.connect()
    shared = state.counter()

    class Count(RequestHandler):
        def get(self):
            self.write({"count": shared.add(), "number": os.environ["TOOLKIT_WORKER"]})

    return Application([("/", Count)])
"""

#: Runs the program as systemd does: the first descriptor is 3, and the process has its own id.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "toolkit", "run", "hello:app"])
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with applications."""
    modules = {"asgi": ASGI, "wsgi": WSGI, "life": LIFESPAN, "ready": READY, "state": STATE}
    return directory(tmp_path, stubborn=STUBBORN, **modules)


# -- one process -------------------------------------------------------------------------


@pytest.mark.feature("R01")
def test_an_application_is_served_until_sigterm(place: Path) -> None:
    """Its lifespan begins before the first connection and ends after the last request."""
    with running(place, "life:app", "--port=0") as program:
        program.expect("begins")
        port = port_of(program)
        assert get(port)[0] == 200
        connection, answer = opened(port, "/slow?seconds=0.2")
        program.signal(signal.SIGTERM)
        assert answer.read() == b"begunended"
        connection.close()
        program.expect("ends")
        assert program.status() == 0


@pytest.mark.feature("R01")
@pytest.mark.parametrize(("target", "expected"), [("asgi:app", "asgi"), ("wsgi:app", "wsgi_0")])
def test_the_kind_of_application_is_found_out(place: Path, target: str, expected: str) -> None:
    """ASGI runs in the loop, WSGI in threads."""
    with running(place, target, "--port=0", "--access-log=off") as program:
        assert get(port_of(program))[1] == expected
        program.signal(signal.SIGINT)
        assert program.status() == 0


@pytest.mark.feature("B19")
@pytest.mark.parametrize("options", [[], ["--workers=1"]], ids=["alone", "worker"])
@pytest.mark.parametrize("target", ["hello:app", "stubborn:app"])
def test_an_open_stream_delays_the_end_no_longer_than_it_may(
    place: Path, target: str, options: list[str]
) -> None:
    """What has not ended by the deadline is cut off, also where it takes no notice of that."""
    with running(place, target, "--port=0", "--graceful-timeout=0.2", *options) as program:
        connection, _ = opened(port_of(program), "/slow?seconds=600")
        program.signal(signal.SIGTERM)
        assert program.status() == 0
        connection.close()


@pytest.mark.feature("B19")
def test_a_second_signal_cuts_off_what_is_under_way(place: Path) -> None:
    """The first one lets it end."""
    with running(place, "hello:app", "--port=0", "--graceful-timeout=600") as program:
        connection, _ = opened(port_of(program), "/slow?seconds=600")
        program.signal(signal.SIGTERM)
        program.expect("Ending")
        program.signal(signal.SIGTERM)
        assert program.status() == 0
        connection.close()


@pytest.mark.feature("B22")
def test_sockets_of_systemd_are_served_and_it_is_told(place: Path) -> None:
    """READY comes once connections are accepted, WATCHDOG again and again, then STOPPING."""
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening = socket.create_server(("127.0.0.1", 0))
    (place / "activate.py").write_text(ACTIVATE)
    with told, listening:
        told.bind(str(place / "notify"))
        told.settimeout(60)
        with running(
            place,
            fds=[listening.fileno()],
            program=["activate.py", str(listening.fileno())],
            NOTIFY_SOCKET=str(place / "notify"),
            WATCHDOG_USEC="200000",
        ) as program:
            assert told.recv(4096).startswith(b"READY=1\n")
            assert get(listening.getsockname()[1])[0] == 200
            assert told.recv(4096) == b"WATCHDOG=1"
            program.signal(signal.SIGTERM)
            while (message := told.recv(4096)) == b"WATCHDOG=1":
                pass
            assert message.startswith(b"STOPPING=1\n")
            assert program.status() == 0


@pytest.mark.feature("R01")
def test_an_inherited_socket_is_served(place: Path) -> None:
    """As ``--fd`` says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        with running(place, "hello:app", f"--fd={fd}", fds=[fd]) as program:
            assert port_of(program) == listening.getsockname()[1]
            assert get(listening.getsockname()[1])[0] == 200


@pytest.mark.feature("R01")
def test_a_unix_socket_is_taken_away_at_the_end(place: Path) -> None:
    """Its file has the permissions that were asked for."""
    path = place / "socket"
    with running(place, "hello:app", f"--unix={path}", "--unix-mode=660") as program:
        program.expect("Serving on unix:")
        assert path.stat().st_mode & 0o777 == 0o660
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
        program.signal(signal.SIGTERM)
        assert program.status() == 0
    assert not path.exists()


@pytest.mark.feature("R01")
def test_clients_show_certificates(place: Path) -> None:
    """TLS with an authority of clients serves those alone who have a certificate of it."""
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(place / "s.pem")
    authority.cert_pem.write_to_path(place / "ca.pem")
    arguments = ["--port=0", "--certfile=s.pem", "--client-ca=ca.pem"]
    with running(place, "hello:app", *arguments) as program:
        port = port_of(program)
        context = ssl.create_default_context(cafile=str(place / "ca.pem"))
        with pytest.raises(OSError):
            _ask_tls(port, context)
        authority.issue_cert("client@example.org").configure_cert(context)
        assert _ask_tls(port, context).startswith(b"HTTP/1.1 200 ")


def _ask_tls(port: int, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return sock.recv(100)


# -- workers -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, int, int]]:
    """Run two workers for several tests; give their ports for requests and for probes too."""
    place = directory(tmp_path_factory.mktemp("workers"), ready=READY)
    options = (
        "--port=0 --workers=2 --probes --admin=:0 --log-level=debug --check-ready=ready:database"
    )
    with running(place, "hello:app", *options.split(), "--worker-timeout=3") as program:
        admin = int(program.expect(r"Probes on http://127\.0\.0\.1:([0-9]+)")[1])
        yield program, port_of(program), admin


def answering(port: int) -> dict[str, int]:
    """Return the process of each worker, by its number, which all answer within 200 requests."""
    found = {}
    for _ in range(200):
        who = json.loads(get(port)[1])
        found[who["number"]] = who["pid"]
    return found


@pytest.mark.feature("T01", "A19")
def test_each_worker_answers(workers: tuple[Program, int, int]) -> None:
    """They have numbers, and are processes of their own."""
    program, port, _ = workers
    found = answering(port)
    assert set(found) == {"0", "1"}
    assert len({program.process.pid, *found.values()}) == 3


@pytest.mark.feature("B31")
def test_sighup_replaces_each_worker(workers: tuple[Program, int, int]) -> None:
    """One after the other; the numbers stay."""
    program, port, _ = workers
    before = answering(port)
    program.signal(signal.SIGHUP)
    program.expect("All workers are replaced", "Worker 0 .* is gone", "Worker 1 .* is gone")
    after = answering(port)
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())


@pytest.mark.feature("A19")
def test_a_worker_that_dies_is_replaced(workers: tuple[Program, int, int]) -> None:
    """By one with its number."""
    program, port, _ = workers
    before = answering(port)
    os.kill(before["1"], signal.SIGKILL)
    program.expect(r"Worker 1 \(pid [0-9]+\): killed by signal 9")
    program.expect(r"Worker 1 \(pid [0-9]+\) is ready")
    after = answering(port)
    assert after["0"] == before["0"]
    assert after["1"] != before["1"]


@pytest.mark.feature("B30")
def test_a_worker_that_is_stuck_is_replaced(workers: tuple[Program, int, int]) -> None:
    """It tells where it is stuck before it ends."""
    program, port, _ = workers
    with pytest.raises(OSError):
        get(port, "/stuck")
    program.expect("gave no sign of life for 3 seconds")
    program.expect(r'hello\.py", line [0-9]+ in get')
    program.expect("is ready")
    assert set(answering(port)) == {"0", "1"}


@pytest.mark.feature("T02")
def test_signals_change_the_number_of_workers(workers: tuple[Program, int, int]) -> None:
    """No socket is left without a worker."""
    program, port, _ = workers
    program.signal(signal.SIGTTIN)
    program.expect("3 workers from now on")
    program.expect(r"Worker 2 \(pid [0-9]+\) is ready")
    assert set(answering(port)) == {"0", "1", "2"}
    for size in (2, 1):
        program.signal(signal.SIGTTOU)
        program.expect(f"{size} workers from now on")
    program.expect("Worker 0 .* is ready", "Worker 1 .* is gone", "Worker 2 .* is gone")
    assert set(answering(port)) == {"0"}
    program.signal(signal.SIGTTIN)
    program.expect(r"Worker 1 \(pid [0-9]+\) is ready")


@pytest.mark.feature("S10")
def test_a_signal_shows_what_is_under_way(workers: tuple[Program, int, int]) -> None:
    """Requests, and the stacks of tasks."""
    program, port, _ = workers
    connection, answer = opened(port, "/slow?seconds=1")
    program.signal(signal.SIGUSR1)
    program.expect("1 requests under way")
    program.expect(r"GET /slow\?seconds=1 from 127\.0\.0\.1, for .* s, status 200")
    program.expect(r'hello\.py", line [0-9]+, in get')
    assert answer.read() == b"begunended"
    connection.close()


@pytest.mark.feature("S07")
def test_probes_answer_beside_the_application_and_apart(
    workers: tuple[Program, int, int],
) -> None:
    """Here and there, whether it lives and whether it is ready."""
    _, port, admin = workers
    for at in (port, admin):
        assert get(at, "/livez") == (200, "ok\n")
        assert get(at, "/readyz") == (200, "ok\n")
    assert get(admin, "/")[0] == 404


@pytest.mark.feature("S07")
def test_a_server_that_drains_is_not_ready(place: Path) -> None:
    """It serves on for a while, so that balancers see that, and looks after its checks."""
    options = "--port=0 --probes --admin=:0 --drain-delay=600 --check-ready=ready:database"
    with running(place, "hello:app", *options.split()) as program:
        admin = int(program.expect(r"Probes on http://127\.0\.0\.1:([0-9]+)")[1])
        port = port_of(program)
        (place / "broken").touch()
        while (answer := get(port, "/readyz"))[0] == 200:
            pass
        assert answer == (503, "database: ConnectionError: no database\n")
        program.signal(signal.SIGTERM)
        program.expect("Ending")
        assert get(port, "/readyz") == get(admin, "/readyz") == (503, "draining\n")
        assert get(port)[0] == 200
        program.signal(signal.SIGTERM)
        assert program.status() == 0


@pytest.mark.feature("B29")
def test_a_worker_is_replaced_after_its_requests(place: Path) -> None:
    """Without ``--workers`` there is one."""
    options = ["--recycle-requests=3", "--recycle-jitter=0", "--log-level=debug"]
    with running(place, "hello:app", "--port=0", *options) as program:
        port = port_of(program)
        before = [json.loads(get(port)[1])["pid"] for _ in range(3)]
        program.expect("Worker 0 has had 3 requests")
        program.expect("is ready", "is gone")
        assert json.loads(get(port)[1])["pid"] not in before


@pytest.mark.feature("R02")
@pytest.mark.parametrize("by", ["watchfiles", "looking"])
def test_a_change_of_the_sources_is_served(place: Path, by: str) -> None:
    """An error in them leaves the old ones in service."""
    if by == "watchfiles":
        pytest.importorskip("watchfiles")
    else:
        # A module of the name that cannot be found hides the real one.
        (place / "sitecustomize.py").write_text("import sys; sys.modules['watchfiles'] = None")
    source = (place / "hello.py").read_text()
    options = ["--port=0", "--reload", "--log-level=debug"]
    environment = {"PYTHONPATH": os.pathsep.join([str(place), os.getcwd()])}
    with running(place, "hello:app", *options, **environment) as program:
        port = port_of(program)
        (place / "hello.py").write_text("1 / 0\n" + source)
        program.expect(r"hello\.py has changed")
        program.expect("ZeroDivisionError: division by zero$")
        program.expect("The old workers go on")
        assert json.loads(get(port)[1])["version"] == 1
        (place / "hello.py").write_text(source.replace("VERSION = 1", "VERSION = 222"))
        program.expect("All workers are replaced", "is gone")
        assert json.loads(get(port)[1])["version"] == 222


@pytest.mark.feature("A19")
def test_workers_end_when_their_supervisor_is_killed(place: Path) -> None:
    """They drain, as nobody would ever end them."""
    with running(place, "life:app", "--port=0", "--workers=1") as program:
        port = port_of(program)
        connection, answer = opened(port, "/slow?seconds=0.3")
        program.signal(signal.SIGKILL)
        assert answer.read() == b"begunended"
        connection.close()
        program.expect("ends")


@pytest.mark.feature("T04", "I05")
def test_workers_share_what_the_main_process_has(place: Path) -> None:
    """It begins before them, hears of them, and ends after them."""
    with running(place, "state:create", "--port=0", "--workers=2", "--main=state:main") as program:
        program.expect("starting 0", "starting 1", "ready 0", "ready 1")
        port = port_of(program)
        told = [json.loads(get(port)[1]) for _ in range(50)]
        assert [answer["count"] for answer in told] == list(range(1, 51))
        assert {answer["number"] for answer in told} == {"0", "1"}
        program.signal(signal.SIGTERM)
        program.expect("stopping None")
        program.expect("ended 0", "ended 1")
        program.expect("main ends")
        assert program.status() == 0


def test_a_main_process_that_fails_ends_everything(place: Path) -> None:
    """In one line, before any worker begins."""
    source = STATE.replace("    key = ", "    raise OSError('no state')\n    key = ")
    (place / "fails.py").write_text(source)
    with running(place, "fails:create", "--port=0", "--main=fails:main") as program:
        assert program.status() == 1
        assert len(program.lines) == 1
        assert "fails:main could not start: OSError: no state" in program.lines[0]


@pytest.mark.parametrize("options", [[], ["--workers=2"]], ids=["alone", "workers"])
def test_a_port_in_use_ends_everything(place: Path, options: list[str]) -> None:
    """In one line, before any worker begins."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with running(place, "hello:app", f"--port={port}", *options) as program:
            assert program.status() == 1
            said = f"toolkit: cannot listen on 127.0.0.1:{port}: Address already in use\n"
            assert program.lines == [said]


def test_a_crash_at_the_start_ends_everything(place: Path) -> None:
    """The error is said once, and no worker is started again."""
    (place / "boom.py").write_text("raise ValueError('nothing is configured')")
    with running(place, "boom:app", "--port=0", "--workers=4") as program:
        assert program.status() == 1
        said = [line for line in program.lines if "could not begin" in line]
        assert len(said) == 1
        assert "module 'boom' cannot be imported: ValueError: nothing is configured" in said[0]


def test_a_lifespan_that_fails_ends_everything(place: Path) -> None:
    """In one line, with the place."""
    source = LIFESPAN.replace("    yield", "    raise OSError('no database')\n    yield")
    (place / "fails.py").write_text(source)
    with running(place, "fails:app", "--port=0", "--workers=2") as program:
        assert program.status() == 1
        said = program.lines[-1]
        assert len(program.lines) == 2  # it says that it begins
        assert "the application could not start: OSError: no database" in said
        assert "fails.py:8" in said
