"""`HTTPServer`: serves an application over HTTP/1 on any number of sockets."""

from toolkit.httpserver.adapters import as_application
from toolkit.httpserver.lifespan import Lifespan, in_one_line, lifespan_of
from toolkit.httpserver.server import HTTPRequest, HTTPServer

__all__ = [
    "HTTPRequest",
    "HTTPServer",
    "Lifespan",
    "as_application",
    "in_one_line",
    "lifespan_of",
]
