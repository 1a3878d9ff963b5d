"""A client that is built on libcurl, where the package pycurl is installed (extra ``curl``).

It does what libcurl does: proxies of all kinds, ``prepare_curl_callback`` for options that
nothing else here has, devices as `network_interface`. For the rest
`simple_httpclient.SimpleAsyncHTTPClient` does as well, streams both ways, and needs no package.

Example::

    AsyncHTTPClient.configure("toolkit.curl_httpclient.CurlAsyncHTTPClient")
"""

from toolkit.curl_httpclient.client import CurlAsyncHTTPClient, curl_log
from toolkit.curl_httpclient.transfer import CurlError

__all__ = ["CurlAsyncHTTPClient", "CurlError", "curl_log"]
