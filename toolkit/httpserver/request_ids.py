"""An id for each request, by which its lines are found in the logs of all who served it."""

import os
import re
from collections.abc import Callable, Iterable

from toolkit.http1connection import ConnectionContext
from toolkit.iostream import trusted_by
from toolkit.wire.events import RequestHead
from toolkit.wire.grammar import is_token

#: An id that may go on into logs, headers, file names and URLs: UUIDs, ULIDs, base64, and
#: those of proxies, such as ``Root=1-67891233-abcdef012345678912345678``.
WELL_FORMED = re.compile(r"[A-Za-z0-9._~+/=:@\-]{1,128}")


def random_id() -> str:
    """Return 32 hexadecimal digits by chance: no two are alike, and none can be guessed."""
    return os.urandom(16).hex()


class RequestIDs:
    """Takes the id that a proxy gave to a request, or makes one.

    Ids of clients are taken only from peers that are named: whoever chooses an id can have the
    lines of his requests mixed up with those of another's. One that is not well-formed, that is
    longer than 128 characters or comes twice is never taken.

    Args:
        header: has the id in requests and answers.
        accept: whose ids are taken: True for everybody's, or peers as `TrustedProxies` has them.
        make: makes an id; `random_id` by default.
    Raises:
        ValueError: the header's name or a peer is malformed.

    Attributes:
        header: the name to send the id back by.
    """

    def __init__(
        self,
        header: str = "X-Request-ID",
        accept: Iterable[str] | bool = (),
        make: Callable[[], str] = random_id,
    ) -> None:
        if not is_token(header):
            raise ValueError(f"header {header[:100]!r}; a token is allowed")
        self.header = header
        self._name = header.lower()
        self._accepts_all = accept is True
        self._trusts = None if isinstance(accept, bool) else trusted_by(accept)
        self._make = make

    def __call__(self, head: RequestHead, context: ConnectionContext) -> str:
        """Return the id of a request.

        Raises:
            ValueError: `make` returned one that is not well-formed.
        """
        if self._name in head.names and self._accepts(context):
            given = [value for name, value in head.fields if name == self._name]
            if len(given) == 1 and WELL_FORMED.fullmatch(given[0]):
                return given[0]
        made = self._make()
        if not WELL_FORMED.fullmatch(made):
            raise ValueError(f"request id {made[:100]!r}; {WELL_FORMED.pattern} is allowed")
        return made

    def _accepts(self, context: ConnectionContext) -> bool:
        trusts = self._trusts
        return self._accepts_all or (trusts is not None and trusts(context.address))
