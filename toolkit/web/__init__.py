"""The web framework: an `Application` of `RequestHandler`s.

Example::

    class MainHandler(RequestHandler):
        def get(self):
            self.write("Hello, world")

    async def main():
        Application([(r"/", MainHandler)]).listen(8888, "127.0.0.1")
        await asyncio.Event().wait()
"""

from toolkit.routing import URLSpec
from toolkit.web.application import Application
from toolkit.web.decorators import stream_request_body
from toolkit.web.errors import Finish, HTTPError, MissingArgumentError
from toolkit.web.handler import ErrorHandler, RedirectHandler, RequestHandler
from toolkit.web.static import StaticFileHandler

url = URLSpec

__all__ = [
    "Application",
    "ErrorHandler",
    "Finish",
    "HTTPError",
    "MissingArgumentError",
    "RedirectHandler",
    "RequestHandler",
    "StaticFileHandler",
    "URLSpec",
    "stream_request_body",
    "url",
]
