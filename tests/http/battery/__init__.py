"""A battery of conversations with an HTTP/1 server, by the sentences of RFC 9110 and RFC 9112."""

from tests.http.battery.answers import ANSWERS
from tests.http.battery.case import Case
from tests.http.battery.connections import CONNECTIONS
from tests.http.battery.content import CONTENT
from tests.http.battery.files import FILES
from tests.http.battery.heads import HEADS
from tests.http.battery.run import ETAG, run_case
from tests.http.battery.site import rules, settings

#: All cases.
CASES = (*HEADS, *CONTENT, *CONNECTIONS, *ANSWERS, *FILES)

__all__ = ["CASES", "ETAG", "Case", "rules", "run_case", "settings"]
