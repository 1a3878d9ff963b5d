"""WSGI applications (PEP 3333) served in threads, with content that streams either way."""

from toolkit import escape, httputil
from toolkit.concurrent import dummy_executor
from toolkit.httputil import HTTPServerRequest
from toolkit.ioloop import IOLoop
from toolkit.log import access_log
from toolkit.wsgi.answer import WSGIApplication
from toolkit.wsgi.bridge import ContentError
from toolkit.wsgi.container import WSGIContainer
from toolkit.wsgi.environ import FileWrapper, to_wsgi_str

#: The name under which programs that are old know it.
HTTPRequest = HTTPServerRequest

__all__ = [
    "ContentError",
    "FileWrapper",
    "HTTPRequest",
    "IOLoop",
    "WSGIApplication",
    "WSGIContainer",
    "access_log",
    "dummy_executor",
    "escape",
    "httputil",
    "to_wsgi_str",
]
