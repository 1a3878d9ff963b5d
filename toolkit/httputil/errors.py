"""The two ways in which something is not HTTP."""


class HTTPInputError(Exception):
    """What a peer sent is not well-formed HTTP."""


class HTTPOutputError(Exception):
    """What our own side wants to send is not well-formed HTTP."""
