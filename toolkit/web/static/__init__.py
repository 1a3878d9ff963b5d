"""Files over HTTP: `StaticFileHandler`.

`names` judges paths by their text, `files` opens and keeps what they lead to, `listing` and
`packages` are there for the options of those names, and `handler` answers.
"""

from toolkit.web.static.handler import StaticFileHandler

__all__ = ["StaticFileHandler"]
