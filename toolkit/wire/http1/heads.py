"""What the parts of a head mean together: where a request goes and how its body ends."""

from collections.abc import Sequence

from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.events import CHUNKED, UNTIL_CLOSE, Field, Fields, RequestHead, ResponseHead
from toolkit.wire.grammar import ABSOLUTE_FORM, ORIGIN_FORM, is_host, list_items
from toolkit.wire.http1.framing import (
    by_name,
    may_have_body,
    parse_length,
    parse_repeated_length,
    request_length,
    response_length,
    upgrade_offer,
    wants_keep_alive,
)
from toolkit.wire.http1.memory import LONGEST, Memory
from toolkit.wire.http1.parser import parse_status_line

#: What the fields of a request decide: its host, the length of its content, whether the
#: connection goes on, whether a 100 is waited for, and the protocols offered.
_Meaning = tuple[str, int, bool, bool, str]
#: What fields that decide were found to mean, by version and fields; those without an error,
#: and without a Content-Length, which is another one each time.
_known_meanings: Memory[tuple[object, ...], _Meaning] = Memory()
#: What the start line and the fields of a response say: its version, status and reason, the
#: length of its content, and whether the connection goes on.
_Answer = tuple[str, int, str, int, bool]
#: That by status line, method of the request and fields, those without an error. Lengths of
#: content are left out, as they are above.
_known_answers: Memory[tuple[object, ...], _Answer] = Memory()


def request_head(
    method: str, target: str, version: str, fields: Fields, deciding: Sequence[Field]
) -> RequestHead:
    """Build the head of a request from its parts, checking what they mean together.

    Args:
        deciding: those of the fields that framing looks at.
    Raises:
        RemoteProtocolError: 400, 417 for an unknown expectation.
    """
    authority = target_authority(method, target)
    meaning = _known_meanings.get((version, *deciding)) or _read_meaning(version, deciding)
    host, length, keep_alive, expects, upgrade = meaning
    return RequestHead(
        method,
        target,
        fields,
        version,
        host if authority is None else authority,
        length,
        keep_alive,
        expects and length != 0,
        upgrade,
    )


def _read_meaning(version: str, deciding: Sequence[Field]) -> _Meaning:
    """Find out what fields decide, and remember it unless they are long."""
    key = (version, *[field for field in deciding if field[0] != "content-length"])
    known = _known_meanings.get(key)
    if known is not None and known[1] == 0:
        # Only the length is new, since the rest was found to be good and without chunks.
        lengths = [value for name, value in deciding if name == "content-length"]
        return known[0], parse_length(lengths), *known[2:]
    found = by_name(deciding)
    meaning = (
        request_host(found.get("host"), version),
        request_length(found, version),
        wants_keep_alive(found, version),
        expects_continue(found, version),
        upgrade_offer(found, version),
    )
    if sum(len(name) + len(value) for name, value in deciding) <= LONGEST:
        length = 0 if "content-length" in found else meaning[1]
        _known_meanings.keep(key, (meaning[0], length, *meaning[2:]))
    return meaning


def target_authority(method: str, target: str) -> str | None:
    """Check the form of a request target and return the authority in it, None without one.

    Raises:
        RemoteProtocolError: 400, unless it is an origin form, an absolute form, the
            authority form with CONNECT or the asterisk form with OPTIONS.

    RFC 9112 §3.2
    """
    if method == "CONNECT":
        if target.rpartition(":")[2].isdecimal() and target[:1] != ":" and is_host(target):
            return target
        raise RemoteProtocolError(f"target {excerpt(target)}; CONNECT takes host:port")
    if ORIGIN_FORM.fullmatch(target):
        return None
    if target == "*" and method == "OPTIONS":
        return None
    match = ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        raise RemoteProtocolError(f"target {excerpt(target)}; a path or an absolute URI is allowed")
    authority = match[2]
    if not authority or authority[0] == ":" or not is_host(authority):
        raise RemoteProtocolError(f"authority {excerpt(authority)} in the request target")
    return authority


def request_host(hosts: list[str] | None, version: str) -> str:
    """Return the host that the fields of a request name, "" for none.

    Args:
        hosts: values of the Host fields.
    Raises:
        RemoteProtocolError: no Host in HTTP/1.1, more than one, or not a host.

    RFC 9112 §3.2
    """
    if hosts is None:
        if version == "HTTP/1.1":
            raise RemoteProtocolError("no Host field, which HTTP/1.1 requires")
        return ""
    if len(hosts) > 1:
        raise RemoteProtocolError(f"{len(hosts)} Host fields; one is allowed")
    if not is_host(hosts[0]):
        raise RemoteProtocolError(
            f"Invalid Host header {excerpt(hosts[0])}; host[:port] is allowed"
        )
    return hosts[0]


def expects_continue(found: dict[str, list[str]], version: str) -> bool:
    """Say whether the client waits for a 100 before it sends content (RFC 9110 §10.1.1).

    Raises:
        RemoteProtocolError: 417 for another expectation in HTTP/1.1.
    """
    if "expect" not in found or version == "HTTP/1.0":
        return False
    expectations = list_items(",".join(found["expect"]))
    if not expectations:
        return False
    if expectations != ["100-continue"]:
        seen = excerpt(", ".join(found["expect"]))
        raise RemoteProtocolError(f"Expect {seen}; '100-continue' is allowed", 417)
    return True


def response_head(
    line: str, fields: Fields, deciding: Sequence[Field], request_method: str
) -> ResponseHead:
    """Build the head of a response from its parts and the method that it answers.

    Args:
        line: the status line.
        deciding: those of the fields that framing looks at.
    Raises:
        RemoteProtocolError: a malformed line, or framing that could be read in two ways.
    """
    lengths = [value for name, value in deciding if name == "content-length"]
    others = [field for field in deciding if field[0] != "content-length"] if lengths else deciding
    answer = _known_answers.get((line, request_method, *others))
    if answer is None or (lengths and answer[3] == CHUNKED):
        answer = _read_answer(line, deciding, others, request_method)
    version, status, reason, length, keep_alive = answer
    if lengths and length == UNTIL_CLOSE:
        length = parse_repeated_length(lengths)
    return ResponseHead(status, fields, reason, version, length, keep_alive)


def _read_answer(
    line: str, deciding: Sequence[Field], others: Sequence[Field], request_method: str
) -> _Answer:
    """Find out what a status line and fields say, and remember it unless they are long.

    Args:
        others: the deciding fields without lengths, which are read apart: here the content is
            one that ends with the connection then.
    """
    found = by_name(deciding)
    version, status, reason = parse_status_line(line)
    length = response_length(found, version, status, request_method)
    if "content-length" in found and may_have_body(status, request_method):
        length = UNTIL_CLOSE
    answer = version, status, reason, length, wants_keep_alive(found, version)
    if len(line) + sum(len(name) + len(value) for name, value in others) <= LONGEST:
        _known_answers.keep((line, request_method, *others), answer)
    return answer
