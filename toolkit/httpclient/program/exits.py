"""The exit codes of ``toolkit fetch``: those of curl, where it has one."""

from collections.abc import Mapping

from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError

SUCCESS, USAGE, URL, LOCAL_WRITE, LOCAL_READ = 0, 2, 3, 23, 26
RESOLVE, CONNECT, CUT_OFF, STATUS, TIMEOUT = 6, 7, 18, 22, 28
TLS, REDIRECTS, NETWORK, CERTIFICATE, INTERRUPTED = 35, 47, 56, 60, 130

#: What each means.
MEANINGS: Mapping[int, str] = {
    SUCCESS: "all URLs were fetched",
    USAGE: "the command line makes no sense",
    URL: "a URL that cannot be fetched",
    RESOLVE: "no address for a host",
    CONNECT: "no connection",
    CUT_OFF: "the response was cut off or malformed",
    STATUS: "with -f: a status of 400 or above",
    LOCAL_WRITE: "the output could not be written",
    LOCAL_READ: "a file to be sent could not be read",
    TIMEOUT: "it took too long",
    TLS: "no agreement on TLS",
    REDIRECTS: "too many redirects",
    NETWORK: "another error of the network",
    CERTIFICATE: "the certificate is not to be trusted",
    INTERRUPTED: "interrupted from the keyboard",
}
EPILOG = "exit codes, of the first URL that failed:\n" + "\n".join(
    f"  {code:3}  {meaning}" for code, meaning in MEANINGS.items()
)

#: The codes of errors, by the names of their classes: some are a matter of the floors below.
_CODES = {
    "SSLCertVerificationError": CERTIFICATE,
    "FingerprintError": CERTIFICATE,
    "SSLError": TLS,
    "gaierror": RESOLVE,
    "ConnectionRefusedError": CONNECT,
    HTTPTimeoutError.__name__: TIMEOUT,
    HTTPStreamClosedError.__name__: CUT_OFF,
    "WriteFileError": LOCAL_WRITE,
    "ReadFileError": LOCAL_READ,
    "UsageError": USAGE,
    "ValueError": URL,
}


class WriteFileError(Exception):
    """The output could not be written."""


class ReadFileError(Exception):
    """A file that was to be sent could not be read."""


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error."""
    causes = [error, error.__cause__]
    for cause in causes:
        for kind in type(cause).__mro__:
            if kind.__name__ in _CODES:
                return _CODES[kind.__name__]
    return NETWORK
