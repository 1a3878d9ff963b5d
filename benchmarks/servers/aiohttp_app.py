"""aiohttp on uvloop, access log off."""

import asyncio

import uvloop
from aiohttp import web

from benchmarks.servers.startup import ADDRESS, arguments

routes = web.RouteTableDef()


@routes.get("/")
async def hello(request: web.Request) -> web.Response:
    """Answer with 13 bytes of text."""
    return web.Response(text="Hello, world!")


@routes.get(r"/user/{user_id:\d+}")
async def user(request: web.Request) -> web.Response:
    """Answer with a small JSON object about the user that the path names."""
    user_id = request.match_info["user_id"]
    return web.json_response({"id": int(user_id), "name": f"user {user_id}"})


async def main() -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, arguments(__doc__).port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
