"""The proxies that the environment names, for those who ask for them."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from toolkit.httpclient.options import Proxy
from toolkit.httpclient.target import Origin


def proxy_from(environment: Mapping[str, str], origin: Origin) -> Proxy | None:
    """Return the proxy that an environment names for an origin; None for none.

    Looked at are ``http_proxy`` or ``https_proxy`` by the origin's scheme, then
    ``all_proxy``, and ``no_proxy`` against them; in capitals too, but for ``HTTP_PROXY``, which
    in a CGI program is a header that a stranger has sent.

    Raises:
        ValueError: the variable is no URL of a proxy.
    """
    if no_proxy_for(origin.host, origin.port, _variable(environment, "no_proxy")):
        return None
    url = _variable(environment, f"{origin.scheme}_proxy") or _variable(environment, "all_proxy")
    return Proxy.parse(url) if url else None


def _variable(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value and not (name == "http_proxy" and "REQUEST_METHOD" in environment):
        value = environment.get(name.upper(), "")
    return value.strip()


def no_proxy_for(host: str, port: int, rules: str) -> bool:
    """Say whether a ``no_proxy`` variable excepts a host: a list of names, addresses, networks.

    A name stands for itself and all below it, with or without a dot before it; ``*`` for all
    hosts; a port after it limits it to that port.
    """
    bare = host.partition("%")[0]  # the zone of an address is nothing that rules know
    try:
        address = ip_address(bare)
    except ValueError:
        address = None
    for rule in rules.replace(",", " ").split():
        if rule == "*":
            return True
        rule = rule.lower()
        if address is not None:
            try:
                if address in ip_network(rule.strip("[]"), strict=False):
                    return True
            except ValueError:
                pass
        name, colon, number = rule.rpartition(":")
        if colon and number.isdecimal() and (":" not in name or name.startswith("[")):
            if int(number) != port:
                continue
            rule = name
        rule = rule.strip("[]").lstrip(".")
        if rule and (bare == rule or (address is None and bare.endswith("." + rule))):
            return True
    return False
