"""In the toolkit: `application` for its own server, `app` for those of ASGI."""

import json
from collections.abc import AsyncIterator
from typing import Any

from toolkit.asgi import as_asgi
from toolkit.web import Application, HTTPError, RequestHandler
from toolkit.websocket import WebSocketHandler


class Item(RequestHandler):
    def get(self, id: int) -> None:
        self.write({"id": id, "tags": self.get_arguments("tag")})


class JSON(RequestHandler):
    def post(self) -> None:
        try:
            self.write({"sent": json.loads(self.request.body)})
        except ValueError:
            raise HTTPError(400) from None


class Form(RequestHandler):
    def post(self) -> None:
        file = self.request.files["file"][0]
        told = {"name": self.get_argument("name"), "file": file.filename, "size": len(file.body)}
        self.write(told)


class Stream(RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        for number in range(10):
            self.write(f"{number}\n")
            await self.flush()


class Cookies(RequestHandler):
    def get(self) -> None:
        self.set_cookie("b", "1")
        self.set_cookie("c", "2", httponly=True)
        self.write({"a": self.get_cookie("a")})


class Error(RequestHandler):
    def get(self) -> None:
        raise LookupError("broken")


class Alive(RequestHandler):
    def get(self) -> None:
        self.write(self.state["alive"])


class Echo(WebSocketHandler):
    async def on_message(self, message: Any) -> None:
        if message == "close":
            self.close(4001)
        else:
            await self.write_message(message, binary=isinstance(message, bytes))


application = Application(
    [
        ("/items/{id:int}", Item),
        ("/json", JSON),
        ("/form", Form),
        ("/stream", Stream),
        ("/cookies", Cookies),
        ("/error", Error),
        ("/alive", Alive),
        ("/ws", Echo),
    ]
)


@application.lifespan
async def lifespan(application: Application) -> AsyncIterator[dict[str, str]]:
    yield {"alive": "yes"}


app = as_asgi(application)
