"""Programs of ours answer below other servers what they answer below their own."""

import pytest

from tests.peers.asking import FORM, Request, ask_all, by_request, talk
from tests.peers.serving import served

pytestmark = pytest.mark.peers

SERVERS = ["uvicorn", "hypercorn", "granian"]

#: What is asked of the showcase.
REQUESTS: tuple[Request, ...] = (
    ("GET", "/", None, {}),
    ("GET", "/hello/caf%C3%A9", None, {}),
    ("HEAD", "/hello/you", None, {}),
    ("GET", "/count?to=2", None, {}),
    ("GET", "/count?to=many", None, {}),
    (
        "POST",
        "/upload",
        FORM.replace(b'"file"', b'"files"'),
        {"Content-Type": "multipart/form-data; boundary=B"},
    ),
    ("PUT", "/put/a.bin", bytes(1_000_000), {}),
    ("GET", "/static/style.css", None, {"Range": "bytes=0-99"}),
    ("GET", "/nothing", None, {}),
    ("DELETE", "/", None, {}),
)


@pytest.mark.feature("P01")
@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("server", SERVERS)
async def test_an_application_answers_below_another_server_as_below_its_own(server: str) -> None:
    module = "tests.peers.apps.toolkit_app"
    with served("toolkit", f"{module}:application") as own, served(server, f"{module}:app") as port:
        expected, answers = ask_all(own), ask_all(port)
        assert by_request(answers) == by_request(expected)
        assert [answer.status for answer in expected] == [
            *(200, 200, 404, 200, 200, 400, 200, 200, 200, 500, 404, 405, 200),
        ]
        assert (
            await talk(own) == await talk(port) == ["caf\xe9", b"\x00\xff" * 40_000, "", None, 4001]
        )


@pytest.mark.feature("P01")
@pytest.mark.parametrize("server", SERVERS)
def test_the_showcase_runs_below_another_server(server: str) -> None:
    module = "tests.peers.apps.showcase_app"
    with served("toolkit", f"{module}:application") as own, served(server, f"{module}:app") as port:
        expected, answers = ask_all(own, REQUESTS), ask_all(port, REQUESTS)
        assert by_request(answers) == by_request(expected)
        assert [answer.status for answer in expected] == [
            *(200, 200, 200, 200, 400, 200, 200, 206, 404, 405),
        ]
