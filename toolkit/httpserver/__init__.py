"""`HTTPServer`: serves an application over HTTP/1 on any number of sockets."""

from toolkit.httpserver.lifespan import Lifespan, lifespan_of
from toolkit.httpserver.server import HTTPRequest, HTTPServer

__all__ = ["HTTPRequest", "HTTPServer", "Lifespan", "lifespan_of"]
