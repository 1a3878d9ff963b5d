"""The bodies of forms: fields and files, read whole and within limits."""

from dataclasses import dataclass, field

from toolkit.escape import parse_qs_bytes
from toolkit.httputil.errors import HTTPInputError
from toolkit.httputil.headers import HTTPHeaders
from toolkit.util import ObjectDict
from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.multipart import FormLimits, form_boundary, parse_multipart


class HTTPFile(ObjectDict):
    """An uploaded file: ``filename``, ``body`` (bytes) and ``content_type``.

    The name is what the client says, and may be a path or anything else: never use it as the
    name of a file of your own.
    """

    filename: str
    body: bytes
    content_type: str


@dataclass
class ParseMultipartConfig:
    """How ``multipart/form-data`` is read.

    Attributes:
        enabled: whether such a body is read at all; if not, it is an error.
        max_parts: most fields and files together.
        max_part_header_size: most bytes of what stands before the content of one part.
    """

    enabled: bool = True
    max_parts: int = 100
    max_part_header_size: int = 10 * 1024


@dataclass
class ParseUrlEncodedConfig:
    """How ``application/x-www-form-urlencoded`` and queries are read.

    Attributes:
        max_arguments: most fields, counting each value of a name.
    """

    max_arguments: int = 1000


@dataclass
class ParseBodyConfig:
    """How the bodies of forms are read, by their content type."""

    multipart: ParseMultipartConfig = field(default_factory=ParseMultipartConfig)
    urlencoded: ParseUrlEncodedConfig = field(default_factory=ParseUrlEncodedConfig)


_default_config = ParseBodyConfig()


def set_parse_body_config(config: ParseBodyConfig) -> None:
    """Set how forms are read where nothing else is said, for the whole process."""
    global _default_config
    _default_config = config


def parse_query(
    query: str | bytes, config: ParseUrlEncodedConfig | None = None
) -> dict[str, list[bytes]]:
    """Return the values of a query or a urlencoded body by name.

    Raises:
        HTTPInputError: more fields than allowed, or text that stands for no bytes.
    """
    if not query:
        return {}
    limit = (config or _default_config.urlencoded).max_arguments
    if (
        limit
        and type(query) is str
        and query.isascii()
        and "&" not in query
        and "%" not in query
        and "+" not in query
    ):
        # One argument as it is: half as many steps as by the way for all.
        name, _, value = query.partition("=")
        return {name: [value.encode()]}
    try:
        return parse_qs_bytes(query, keep_blank_values=True, max_num_fields=limit)
    except UnicodeEncodeError:
        raise HTTPInputError(f"query {excerpt(query)} has characters above U+00FF") from None
    except ValueError as error:
        raise HTTPInputError(f"Max number of fields exceeded: {error}") from None


def parse_body_arguments(
    content_type: str,
    body: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    headers: HTTPHeaders | None = None,
    *,
    config: ParseBodyConfig | None = None,
) -> None:
    """Add the fields of a form to `arguments` and its files to `files`.

    A body of another content type adds nothing.

    Args:
        headers: of the message, to see whether the body has a content coding.
        config: limits; those of `set_parse_body_config` when None.
    Raises:
        HTTPInputError: malformed, past a limit, or with a content coding; nothing was added.
    """
    kind = content_type.partition(";")[0].strip(" \t").lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return
    if headers is not None and "Content-Encoding" in headers:
        raise HTTPInputError(f"Unsupported Content-Encoding: {headers['Content-Encoding'][:100]}")
    config = config or _default_config
    if kind == "multipart/form-data":
        try:
            boundary = form_boundary(content_type)
        except RemoteProtocolError as error:
            raise HTTPInputError(f"Invalid multipart/form-data: {error}") from None
        parse_multipart_form_data(boundary, body, arguments, files, config=config.multipart)
    else:
        for name, values in parse_query(body, config.urlencoded).items():
            arguments.setdefault(name, []).extend(values)


def parse_multipart_form_data(
    boundary: bytes,
    data: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    *,
    config: ParseMultipartConfig | None = None,
) -> None:
    """Add the fields of a multipart form to `arguments` and its files to `files`.

    Args:
        boundary: from the Content-Type; may still have its quotes.
        config: limits; those of `set_parse_body_config` when None.
    Raises:
        HTTPInputError: malformed or past a limit; nothing was added.
    """
    config = config or _default_config.multipart
    if not config.enabled:
        raise HTTPInputError("multipart/form-data parsing is disabled")
    if len(boundary) > 1 and boundary[:1] == boundary[-1:] == b'"':
        boundary = boundary[1:-1]
    limits = FormLimits(parts=config.max_parts, part_head=config.max_part_header_size)
    try:
        parts = parse_multipart(boundary, data, limits)
    except RemoteProtocolError as error:
        raise HTTPInputError(f"Invalid multipart/form-data: {error}") from None
    for head, content in parts:
        if head.filename:
            kind = head.content_type or "application/unknown"
            file = HTTPFile(filename=head.filename, body=content, content_type=kind)
            files.setdefault(head.name, []).append(file)
        else:
            # Browsers send an empty name where no file was chosen.
            arguments.setdefault(head.name, []).append(content)
