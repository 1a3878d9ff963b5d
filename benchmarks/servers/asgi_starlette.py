"""A Starlette application: what hosting a framework costs."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


async def hello(request: Request) -> Response:
    """Answer with 13 bytes of text."""
    return PlainTextResponse("Hello, world!")


async def user(request: Request) -> Response:
    """Answer with a small JSON object about the user that the path names."""
    user_id = request.path_params["user_id"]
    return JSONResponse({"id": user_id, "name": f"user {user_id}"})


app = Starlette(routes=[Route("/", hello), Route("/user/{user_id:int}", user)])
