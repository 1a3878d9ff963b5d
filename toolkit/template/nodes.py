"""What a template is made of, once parsed."""

import ast
from dataclasses import dataclass, field
from typing import TypeAlias

from toolkit.template.python import Fragment
from toolkit.template.reader import Code, Source


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text, its whitespace filtered already."""

    text: str
    code: Code


@dataclass(frozen=True, slots=True)
class Output:
    """The value of an expression; escaped unless `raw`."""

    value: Fragment[ast.expr]
    raw: bool


@dataclass(frozen=True, slots=True)
class Statements:
    """``set``, ``import`` and ``from``."""

    body: Fragment[ast.Module]


@dataclass(frozen=True, slots=True)
class Jump:
    """``break`` or ``continue``."""

    code: Code


@dataclass(frozen=True, slots=True)
class Flush:
    """Where a stream passes on what it has."""

    code: Code


@dataclass(frozen=True, slots=True)
class Apply:
    """Output that goes through a function."""

    function: Fragment[ast.expr]
    awaited: bool
    body: "Body"


@dataclass(frozen=True, slots=True)
class Block:
    """What a template that extends this one may replace."""

    name: str
    code: Code
    body: "Body"


@dataclass(frozen=True, slots=True)
class Include:
    """Another template, by the name written down."""

    name: str
    code: Code


Head: TypeAlias = (
    Fragment[ast.expr] | Fragment[ast.For | ast.AsyncFor] | Fragment[ast.ExceptHandler] | None
)


@dataclass(frozen=True, slots=True)
class Clause:
    """``if x`` with what it governs, ``else`` with what it does, and so on."""

    keyword: str
    code: Code
    head: Head
    body: "Body" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Control:
    """An ``if``, ``for``, ``while`` or ``try`` with all of its clauses."""

    clauses: list[Clause]
    awaits: bool = False


Node: TypeAlias = Text | Output | Statements | Jump | Flush | Apply | Block | Include | Control
Body: TypeAlias = list[Node]


@dataclass(frozen=True, slots=True)
class File:
    """A parsed template.

    Attributes:
        autoescape: name of the function that escapes its expressions; None for none.
        extends: the template that it extends.
        body: all that stands outside of other nodes.
        sites: all blocks and includes, in the order in which they begin.
        tries: whether there is a ``try``.
    """

    source: Source
    autoescape: str | None
    extends: Include | None
    body: Body
    sites: list[Block | Include]
    tries: bool
