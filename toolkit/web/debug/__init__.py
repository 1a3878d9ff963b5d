"""What a developer is shown of an error: source, variables, the request, the routes."""

from toolkit.web.debug.showing import may_see, shown_error

__all__ = ["may_see", "shown_error"]
