"""Close codes (RFC 6455 §7.4 and the IANA registry)."""

from typing import Final

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
#: Stands for a Close without a code; never sent.
NO_STATUS: Final = 1005
#: Stands for a connection that ended without a Close; never sent.
ABNORMAL: Final = 1006
INVALID_DATA: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
MANDATORY_EXTENSION: Final = 1010
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013
BAD_GATEWAY: Final = 1014

#: Codes below 3000 that may stand in a frame.
_DEFINED = frozenset({*range(1000, 1004), *range(1007, 1015)})


def may_be_sent(code: int) -> bool:
    """Say whether a Close frame may carry `code`."""
    return code in _DEFINED or 3000 <= code <= 4999
