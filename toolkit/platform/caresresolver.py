"""A door to `toolkit.netutil.cares`, under the name that Tornado has for it."""

from toolkit.netutil.cares import CaresResolver

__all__ = ["CaresResolver"]
