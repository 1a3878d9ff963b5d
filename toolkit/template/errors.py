"""What is wrong with a template."""


class ParseError(Exception):
    """A template that cannot be compiled.

    Attributes:
        message: what was seen, and what was expected.
        filename: name of the template, if known.
        lineno: its line, from 1; 0 if none is to blame.
    """

    def __init__(self, message: str, filename: str | None = None, lineno: int = 0) -> None:
        self.message = message
        self.filename = filename
        self.lineno = lineno

    def __str__(self) -> str:
        return f"{self.message} at {self.filename}:{self.lineno}"


class PythonSyntaxError(ParseError, SyntaxError):  # type: ignore[misc]  # it always has a line
    """Python in a template that is no Python; its traceback shows the line of the template.

    It is a `SyntaxError` as well, with the template's name, line and column.
    """

    def __init__(
        self, message: str, filename: str, lineno: int, column: int = 0, line: str | None = None
    ) -> None:
        ParseError.__init__(self, message, filename, lineno)
        self.msg = message
        self.offset = column
        self.text = line
