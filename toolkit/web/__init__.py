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
from toolkit.web.decorators import (
    addslash,
    authenticated,
    removeslash,
    stream_request_body,
)
from toolkit.web.errors import Finish, HTTPError, MissingArgumentError
from toolkit.web.events import EventChannel, EventStream, ServerSentEvent
from toolkit.web.handler import RequestHandler
from toolkit.web.pages import ErrorHandler, FallbackHandler, RedirectHandler
from toolkit.web.rendering import is_absolute
from toolkit.web.signing import (
    DEFAULT_SIGNED_VALUE_MIN_VERSION,
    DEFAULT_SIGNED_VALUE_VERSION,
    MAX_SUPPORTED_SIGNED_VALUE_VERSION,
    MIN_SUPPORTED_SIGNED_VALUE_VERSION,
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
    signature_v1,
    signature_v2,
)
from toolkit.web.state import State
from toolkit.web.static import StaticFileHandler
from toolkit.web.threads import run_in_thread
from toolkit.web.transforms import (
    CompressResponse,
    GZipContentEncoding,
    OutputTransform,
    compressing,
)
from toolkit.web.uimodules import TemplateModule, UIModule
from toolkit.web.uploads import UPLOAD_LIMITS, Part, Parts, SpooledFile
from toolkit.wire.multipart import FormLimits

url = URLSpec
# Programs written for Tornado test their own cookies by these.
_create_signature_v1 = signature_v1
_create_signature_v2 = signature_v2

__all__ = [
    "DEFAULT_SIGNED_VALUE_MIN_VERSION",
    "DEFAULT_SIGNED_VALUE_VERSION",
    "MAX_SUPPORTED_SIGNED_VALUE_VERSION",
    "MIN_SUPPORTED_SIGNED_VALUE_VERSION",
    "UPLOAD_LIMITS",
    "Application",
    "CompressResponse",
    "ErrorHandler",
    "EventChannel",
    "EventStream",
    "FallbackHandler",
    "Finish",
    "FormLimits",
    "GZipContentEncoding",
    "HTTPError",
    "MissingArgumentError",
    "OutputTransform",
    "Part",
    "Parts",
    "RedirectHandler",
    "RequestHandler",
    "ServerSentEvent",
    "SpooledFile",
    "State",
    "StaticFileHandler",
    "TemplateModule",
    "UIModule",
    "URLSpec",
    "addslash",
    "authenticated",
    "compressing",
    "create_signed_value",
    "decode_signed_value",
    "get_signature_key_version",
    "is_absolute",
    "removeslash",
    "run_in_thread",
    "stream_request_body",
    "url",
]
