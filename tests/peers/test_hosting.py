"""Programs of other frameworks answer here what they answer below their own servers."""

import json

import pytest

from tests.peers.asking import ask_all, by_request, talk
from tests.peers.serving import served
from toolkit.asgi import ASGIContainer
from toolkit.httpclient import AsyncHTTPClient
from toolkit.routing import mount
from toolkit.web import Application, RequestHandler
from toolkit.websocket import websocket_connect

pytestmark = pytest.mark.peers

ASGI = ["fastapi", "starlette", "quart", "falcon", "blacksheep", "sanic", "litestar"]


@pytest.mark.feature("P02")
@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("framework", ASGI)
async def test_an_asgi_program_answers_as_below_uvicorn(framework: str) -> None:
    """Status, headers and content, and over a WebSocket each message and the code at the end."""
    app = f"tests.peers.apps.{framework}_app:app"
    with served("uvicorn", app) as port, served("toolkit_asgi", app) as own_port:
        expected, answers = ask_all(port), ask_all(own_port)
        assert by_request(answers) == by_request(expected)
        assert expected[0].status == 200
        assert json.loads(expected[0].body) == {"id": 7, "tags": ["a", "b c"]}
        assert json.loads(expected[6].body) == {"name": "caf\xe9", "file": "a.bin", "size": 150_000}
        assert expected[7].body == b"".join(b"%d\n" % number for number in range(10))
        assert len([name for name, _ in expected[8].fields if name == "set-cookie"]) == 2
        assert expected[9].status == 500
        assert expected[12].body == b"yes"
        (*said, code), (*own, own_code) = await talk(port), await talk(own_port)
        assert own == said == ["caf\xe9", b"\x00\xff" * 40_000, "", None]
        # Sanic's `close` says nothing below ASGI, so that the servers themselves close.
        assert (own_code, code) == (4001, 4001) or framework == "sanic"


@pytest.mark.feature("P04")
@pytest.mark.parametrize("framework", ["flask", "django"])
def test_a_wsgi_program_answers_as_below_waitress(framework: str) -> None:
    app = f"tests.peers.apps.{framework}_app:app"
    with served("waitress", app) as port, served("toolkit_wsgi", app) as own_port:
        expected, answers = ask_all(port), ask_all(own_port)
        assert by_request(answers) == by_request(expected)
        assert json.loads(expected[0].body) == {"id": 7, "tags": ["a", "b c"]}
        assert json.loads(expected[6].body) == {"name": "caf\xe9", "file": "a.bin", "size": 150_000}


class Ours(RequestHandler):
    """A handler beside."""

    def get(self) -> None:
        self.write("ours")


@pytest.mark.feature("H24")
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_graphql_beside_handlers_answers_a_query_and_a_subscription() -> None:
    from tests.peers.apps.graphql_app import app

    application = Application([("/", Ours), mount("/graphql", ASGIContainer(app))])
    async with application.listen(0, "127.0.0.1") as server:
        await server.started()
        port = server.addresses[0][1]
        url = f"127.0.0.1:{port}"
        client = AsyncHTTPClient()
        assert (await client.fetch(f"http://{url}/")).body == b"ours"
        answer = await client.fetch(
            f"http://{url}/graphql",
            method="POST",
            headers={"Content-Type": "application/json"},
            body=json.dumps({"query": '{ hello(name: "you") }'}),
        )
        assert json.loads(answer.body) == {"data": {"hello": "hello you"}}
        connection = await websocket_connect(
            f"ws://{url}/graphql", subprotocols=["graphql-transport-ws"]
        )
        assert connection.selected_subprotocol == "graphql-transport-ws"
        await connection.write_message({"type": "connection_init"})
        assert json.loads(await connection.read_message() or "")["type"] == "connection_ack"
        query = {"query": "subscription { count(to: 3) }"}
        await connection.write_message({"id": "1", "type": "subscribe", "payload": query})
        messages = [json.loads(await connection.read_message() or "") for _ in range(4)]
        values = [message["payload"]["data"]["count"] for message in messages[:3]]
        assert values == [1, 2, 3]
        assert messages[3] == {"id": "1", "type": "complete"}
        connection.close()
        assert await connection.read_message() is None
