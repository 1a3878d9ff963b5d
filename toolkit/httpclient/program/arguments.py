"""What ``toolkit fetch`` is asked to do."""

import argparse
import getpass
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from toolkit._version import __version__
from toolkit.httpclient.content import Content
from toolkit.httpclient.encoding import (
    BytesContent,
    FileContent,
    FileObjectContent,
    Multipart,
    Part,
)
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.program.exits import EPILOG, ReadFileError
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httputil import HTTPHeaders

FORM = "application/x-www-form-urlencoded"
#: Seconds for a connection to be made, unless ``--connect-timeout`` says otherwise.
CONNECT_TIMEOUT = 30.0


class UsageError(ValueError):
    """Arguments that contradict each other, or say nothing."""


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="toolkit fetch",
        description="Fetch URLs, to standard output or into files. Options are those of curl.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("urls", nargs="+", metavar="URL", help="http or https; http when it says neither")
    add("-V", "--version", action="version", version=f"toolkit {__version__}")
    add(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help="write to a file; given again, for the next URL",
    )
    add("-O", "--remote-name", action="store_true", help="write to files named as the URLs end")
    add(
        "-C",
        "--continue-at",
        choices=["-"],
        metavar="-",
        help="with -o or -O: go on where a download was cut off",
    )
    add("-i", "--include", action="store_true", help="print the heads of responses as well")
    add("-I", "--head", action="store_true", help="fetch the head alone")
    add("-v", "--verbose", action="store_true", help="say on standard error what happens")
    add("-s", "--silent", action="store_true", help="no progress, and no errors")
    add("-f", "--fail", action="store_true", help="status 400 and above is an error, exit code 22")
    add("-X", "--request", metavar="METHOD")
    add(
        "-d",
        "--data",
        action="append",
        default=[],
        metavar="DATA",
        help="content of a POST, as a form; @FILE reads it, @- from standard input",
    )
    add("--json", action="append", default=[], metavar="DATA", help="the same as JSON")
    add(
        "-F",
        "--form",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a part of a form with files; NAME=@FILE[;type=TYPE][;filename=NAME]",
    )
    add("-T", "--upload-file", metavar="FILE", help="content of a PUT; - for standard input")
    add(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="'NAME:' leaves a header out, 'NAME;' sends it empty",
    )
    add("-A", "--user-agent", metavar="NAME")
    add("-u", "--user", metavar="USER[:PASSWORD]", help="the password is asked for if missing")
    add("--digest", action="store_true", help="with -u: Digest instead of Basic")
    add("-L", "--location", action="store_true", help="follow redirects")
    add("--max-redirs", type=int, default=50, metavar="N")
    add("--compressed", action="store_true", help="ask for compressed content, and decode it")
    add("-k", "--insecure", action="store_true", help="do not check certificates")
    add("--cacert", metavar="FILE", help="authorities to trust")
    add("-E", "--cert", metavar="FILE", help="own certificate, in PEM")
    add("--key", metavar="FILE", help="its key, unless that is with it")
    add(
        "-x",
        "--proxy",
        metavar="URL",
        help="http, https, socks5 or socks5h; by default as the environment says; '' for none",
    )
    add("--unix-socket", metavar="PATH")
    add("-m", "--max-time", type=seconds, metavar="SECONDS", help="for each URL")
    add("--connect-timeout", type=seconds, default=CONNECT_TIMEOUT, metavar="SECONDS")
    add("--retry", type=int, default=0, metavar="N", help="times to try again what may pass")
    return parser


def seconds(text: str) -> float:
    """Read a time-out."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def checked(arguments: argparse.Namespace) -> argparse.Namespace:
    """Return arguments that go together.

    Raises:
        UsageError: they do not; it says which.
    """
    given = [name for name in ("data", "json", "form", "upload_file") if getattr(arguments, name)]
    if len(given) > 1:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{options}: a request has one content")
    if arguments.head and given:
        raise UsageError("--head with content")
    if len(arguments.output) > len(arguments.urls):
        raise UsageError(f"{len(arguments.output)} times -o for {len(arguments.urls)} URLs")
    if arguments.continue_at and not (arguments.output or arguments.remote_name):
        raise UsageError("-C - without -o or -O")
    if arguments.max_redirs < 0 or arguments.retry < 0:
        raise UsageError("--max-redirs and --retry take numbers from 0")
    return arguments


def full_url(text: str) -> str:
    """Return a URL as it was meant."""
    return text if "://" in text else f"http://{text}"


def targets(arguments: argparse.Namespace) -> Iterable[tuple[str, Path | None]]:
    """Yield each URL with the file that it goes to, None for standard output.

    Raises:
        UsageError: a URL whose end is no name for a file.
    """
    for number, text in enumerate(arguments.urls):
        url = full_url(text)
        if number < len(arguments.output):
            output = arguments.output[number]
            yield url, None if output == "-" else Path(output)
        elif arguments.remote_name:
            name = url.partition("://")[2].partition("#")[0].partition("?")[0]
            name = name.rpartition("/")[2] if "/" in name else ""
            if name in ("", ".", "..") or "\\" in name or "\0" in name:
                raise UsageError(f"-O: {url!r} does not end in the name of a file")
            yield url, Path(name)
        else:
            yield url, None


def request_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `AsyncHTTPClient.stream` is to be called with, besides method and URL.

    Raises:
        UsageError: an option that is malformed.
        ReadFileError: a file that cannot be read.
    """
    content = _content(arguments)
    headers = HTTPHeaders()
    if isinstance(content, BytesContent):
        # As a header of this side's, which -H can leave out.
        headers["Content-Type"] = content.content_type or ""
    if arguments.json:
        headers["Accept"] = "application/json"
    if arguments.user_agent is not None:
        headers["User-Agent"] = arguments.user_agent
    _add_headers(headers, arguments.header)
    return {
        "headers": headers,
        "content": content.data if isinstance(content, BytesContent) else content,
        "timeout": Timeouts(connect=arguments.connect_timeout, whole=arguments.max_time),
        "follow_redirects": arguments.location,
        "max_redirects": arguments.max_redirs,
        "decompress_response": arguments.compressed,
        **_credentials(arguments),
        "options": _options(arguments),
    }


def method(arguments: argparse.Namespace) -> str:
    """Return the method of the requests."""
    if arguments.request:
        return str(arguments.request)
    if arguments.head:
        return "HEAD"
    if arguments.upload_file:
        return "PUT"
    return "POST" if arguments.data or arguments.json or arguments.form else "GET"


def _options(arguments: argparse.Namespace) -> ConnectOptions:
    try:
        proxy = Proxy.parse(arguments.proxy) if arguments.proxy else None
        return ConnectOptions(
            validate_cert=not arguments.insecure,
            ca_certs=arguments.cacert,
            client_cert=arguments.cert,
            client_key=arguments.key,
            unix_socket=arguments.unix_socket,
            proxy=proxy,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _credentials(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.user is None:
        return {}
    user, colon, password = arguments.user.partition(":")
    if not colon:
        password = getpass.getpass(f"Password of {user}: ")
    return {"auth": (user, password), "auth_mode": "digest" if arguments.digest else "basic"}


def _add_headers(headers: HTTPHeaders, lines: Sequence[str]) -> None:
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon and line.endswith(";"):
            headers[line[:-1]] = ""
        elif not colon:
            raise UsageError(f"-H {line!r}; 'NAME: VALUE' is allowed")
        elif not value.strip():
            headers.pop(name, None)
        elif name in headers and name.title() in ("Content-Type", "Accept", "User-Agent"):
            headers[name] = value.strip()
        else:
            headers.add(name, value.strip())


# -- content -----------------------------------------------------------------------------


def _content(arguments: argparse.Namespace) -> Content | None:
    if arguments.data:
        return BytesContent(b"&".join(map(_data, arguments.data)), FORM)
    if arguments.json:
        return BytesContent(b"".join(map(_data, arguments.json)), "application/json")
    if arguments.form:
        return Multipart([_part(text) for text in arguments.form])
    if arguments.upload_file == "-":
        return FileObjectContent(sys.stdin.buffer)
    return _file(arguments.upload_file) if arguments.upload_file else None


def _data(text: str) -> bytes:
    """Return content as it is given, or that of a file."""
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    if text == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ReadFileError(str(error)) from error


def _file(path: str) -> FileContent:
    try:
        return FileContent(path)
    except OSError as error:
        raise ReadFileError(str(error)) from error


def _part(text: str) -> tuple[str, Part]:
    """Read ``NAME=VALUE``, ``NAME=@FILE`` or ``NAME=<FILE``, with ``;type=`` and ``;filename=``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"-F {text!r}; 'NAME=VALUE' is allowed")
    if value[:1] not in ("@", "<"):
        return name, Part(value, filename="")
    path, *more = value[1:].split(";")
    options = dict(option.strip().partition("=")[::2] for option in more)
    if unknown := set(options) - {"type", "filename"}:
        raise UsageError(
            f"-F {text!r}: {', '.join(sorted(unknown))}; type and filename are allowed"
        )
    kind = options.get("type")
    if value[0] == "<":
        return name, Part(_data(f"@{path}"), filename="", content_type=kind)
    filename = options.get("filename", os.path.basename(path))
    return name, Part(_file(path), filename=filename, content_type=kind)
