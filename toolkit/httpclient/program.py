"""``python -m toolkit.httpclient``: fetches URLs and prints what comes."""

from contextlib import closing

from toolkit.httpclient.base import HTTPClient
from toolkit.httpclient.errors import HTTPClientError
from toolkit.options import define, options, parse_command_line


def main() -> None:
    """Fetch the URLs on the command line, and print their bodies.

    ``--print_headers`` prints the headers too, ``--print_body=false`` leaves the bodies out;
    ``--follow_redirects``, ``--validate_cert``, ``--proxy_host`` and ``--proxy_port`` are as
    of `HTTPRequest`.
    """
    define("print_headers", type=bool, default=False)
    define("print_body", type=bool, default=True)
    define("follow_redirects", type=bool, default=True)
    define("validate_cert", type=bool, default=True)
    define("proxy_host", type=str)
    define("proxy_port", type=int)
    urls = parse_command_line()
    with closing(HTTPClient()) as client:
        for url in urls:
            try:
                response = client.fetch(
                    url,
                    follow_redirects=options.follow_redirects,
                    validate_cert=options.validate_cert,
                    proxy_host=options.proxy_host,
                    proxy_port=options.proxy_port,
                )
            except HTTPClientError as error:
                if error.response is None:
                    raise
                response = error.response
            if options.print_headers:
                print(response.headers)
            if options.print_body:
                print(response.body.decode("utf-8", "replace"))
