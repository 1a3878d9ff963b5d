"""Sanic on uvloop, in a single process, access log off."""

from typing import Any

from sanic import HTTPResponse, Request, Sanic, json, text

from benchmarks.servers.startup import ADDRESS, arguments, require_loop

app: Sanic[Any, Any] = Sanic("benchmark")


@app.get("/")
async def hello(request: Request) -> HTTPResponse:
    """Answer with 13 bytes of text."""
    return text("Hello, world!")


@app.get("/user/<user_id:int>")
async def user(request: Request, user_id: int) -> HTTPResponse:
    """Answer with a small JSON object about the user that the path names."""
    return json({"id": user_id, "name": f"user {user_id}"})


@app.before_server_start
async def check_loop(app: Sanic[Any, Any]) -> None:
    """Make sure of the loop, which Sanic chooses by itself."""
    require_loop("uvloop")


if __name__ == "__main__":
    app.run(
        host=ADDRESS,
        port=arguments(__doc__).port,
        single_process=True,
        access_log=False,
        motd=False,
    )
