"""What HTTP servers and clients share: headers, the request object, dates and form bodies."""

from toolkit.escape import native_str, parse_qs_bytes, to_unicode, utf8
from toolkit.httputil.dates import date_now, format_timestamp
from toolkit.httputil.delegates import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
)
from toolkit.httputil.errors import HTTPInputError, HTTPOutputError
from toolkit.httputil.forms import (
    HTTPFile,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    parse_body_arguments,
    parse_multipart_form_data,
    set_parse_body_config,
)
from toolkit.httputil.headers import HTTP_WHITESPACE, HTTPHeaders, normalize_name
from toolkit.httputil.request import HTTPServerRequest
from toolkit.httputil.start_lines import (
    RequestStartLine,
    ResponseStartLine,
    parse_request_start_line,
    parse_response_start_line,
    responses,
)
from toolkit.httputil.urls import (
    encode_username_password,
    qs_to_qsl,
    split_host_and_port,
    url_concat,
)
from toolkit.util import ObjectDict, unicode_type
from toolkit.wire.cookies import parse_cookie

__all__ = [
    "HTTP_WHITESPACE",
    "HTTPConnection",
    "HTTPFile",
    "HTTPHeaders",
    "HTTPInputError",
    "HTTPMessageDelegate",
    "HTTPOutputError",
    "HTTPServerConnectionDelegate",
    "HTTPServerRequest",
    "ObjectDict",
    "ParseBodyConfig",
    "ParseMultipartConfig",
    "ParseUrlEncodedConfig",
    "RequestStartLine",
    "ResponseStartLine",
    "date_now",
    "encode_username_password",
    "format_timestamp",
    "native_str",
    "normalize_name",
    "parse_body_arguments",
    "parse_cookie",
    "parse_multipart_form_data",
    "parse_qs_bytes",
    "parse_request_start_line",
    "parse_response_start_line",
    "qs_to_qsl",
    "responses",
    "set_parse_body_config",
    "split_host_and_port",
    "to_unicode",
    "unicode_type",
    "url_concat",
    "utf8",
]
