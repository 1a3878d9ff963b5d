"""From tokens to nodes."""

from dataclasses import dataclass

from toolkit.template import python
from toolkit.template.nodes import (
    Apply,
    Block,
    Body,
    Clause,
    Control,
    File,
    Flush,
    Head,
    Include,
    Jump,
    Output,
    Statements,
    Text,
)
from toolkit.template.reader import (
    WHITESPACE_MODES,
    Code,
    Kind,
    Source,
    filter_whitespace,
    tokens,
)

#: Directives within directives: as deep as Python itself can be indented.
MAX_DEPTH = 100

#: What may come after a clause of a statement.
_AFTER = {
    ("if", "if"): {"elif", "else"},
    ("if", "elif"): {"elif", "else"},
    ("for", "for"): {"else"},
    ("while", "while"): {"else"},
    ("try", "try"): {"except", "finally"},
    ("try", "except"): {"except", "else", "finally"},
    ("try", "else"): {"finally"},
}

#: Statements that have a clause.
_OWNERS = {
    "elif": "if",
    "else": "if, for, while or try",
    "except": "try",
    "finally": "try",
}

_LOOPS = ("for", "while")


@dataclass(slots=True)
class _Open:
    """A directive whose ``{% end %}`` is still to come.

    Attributes:
        keyword: what it began with.
        code: where.
        around: what it stands in.
        body: what is being gathered.
        loop: whether ``break`` may stand in it.
    """

    keyword: str
    code: Code
    around: "_Open | None"
    node: Apply | Block | Control | None
    body: Body
    loop: bool = False


def parse(source: Source, autoescape: str | None, whitespace: str) -> File:
    """Return a template's nodes.

    Args:
        autoescape: what holds unless the template says something else.
        whitespace: the mode at its beginning.
    Raises:
        ParseError: it is no template.
    """
    return _Parser(source, autoescape, whitespace).parse()


class _Parser:
    def __init__(self, source: Source, autoescape: str | None, whitespace: str) -> None:
        self.source = source
        self.autoescape = autoescape
        self.whitespace = whitespace
        self.extends: Include | None = None
        self.body: Body = []
        self.sites: list[Block | Include] = []
        self.tries = False
        self.open = _Open("", Code("", 1, 0, source), None, None, self.body)
        self.depth = 0

    def parse(self) -> File:
        for token in tokens(self.source):
            code = token.code
            if token.kind is Kind.TEXT:
                text = filter_whitespace(self.whitespace, code.text)
                self.open.body.append(Text(text, code))
            elif token.kind is Kind.EXPRESSION:
                if code.text == "{{":
                    code.error("Empty expression")
                self.open.body.append(Output(python.expression(code), raw=False))
            else:
                self._directive(code)
        if self.open.around:
            self.open.code.error(f"Missing {{% end %}} block for {self.open.keyword}")
        autoescape = self.autoescape or None
        return File(self.source, autoescape, self.extends, self.body, self.sites, self.tries)

    def _directive(self, code: Code) -> None:
        if code.text == "{%":
            code.error("Empty block tag ({% %})")
        keyword = code.text.split(None, 1)[0]
        rest = code.after(len(keyword))
        match keyword:
            case "end":
                self._end(code)
            case "if" | "for" | "while" | "try" | "async":
                self._control(keyword, code, rest)
            case "elif" | "else" | "except" | "finally":
                self._clause(keyword, code, rest)
            case "block" | "apply":
                self._container(keyword, code, rest)
            case "raw" | "module" | "set" | "import" | "from":
                self._python(keyword, code, rest)
            case "extends" | "include":
                self._other_template(keyword, code, rest)
            case "break" | "continue" | "flush":
                self._alone(keyword, code, rest)
            case "autoescape" | "whitespace":
                self._setting(keyword, code, rest)
            case "comment":
                pass
            case _:
                code.error(f"unknown operator: {keyword[:100]!r}")

    # -- directives with an end --------------------------------------------------------------

    def _push(
        self, keyword: str, code: Code, node: Apply | Block | Control, body: Body, loop: bool
    ) -> None:
        if self.depth == MAX_DEPTH:
            code.error(f"Directives are nested too deeply; {MAX_DEPTH} levels are allowed")
        self.depth += 1
        self.open.body.append(node)
        self.open = _Open(keyword, code, self.open, node, body, loop)

    def _end(self, code: Code) -> None:
        closed = self.open
        if closed.around is None:
            code.error("Extra {% end %} block")
        if isinstance(closed.node, Control) and [c.keyword for c in closed.node.clauses] == ["try"]:
            closed.code.error("try has neither except nor finally")
        self.depth -= 1
        self.open = closed.around

    def _control(self, keyword: str, code: Code, rest: Code) -> None:
        awaits = keyword == "async"
        if awaits:
            keyword = "for"
            if rest.text.split(None, 1)[:1] != ["for"]:
                code.error("async is followed by for")
            rest = rest.after(3)
        clause = Clause(keyword, code, self._head(keyword, code, rest))
        loop = keyword in _LOOPS or self.open.loop
        self.tries |= keyword == "try"
        self._push(keyword, code, Control([clause], awaits), clause.body, loop)

    def _clause(self, keyword: str, code: Code, rest: Code) -> None:
        opened = self.open
        control = opened.node
        if not isinstance(control, Control):
            code.error(f"{keyword} outside of a block of {_OWNERS[keyword]}")
        before = control.clauses[-1].keyword
        if keyword not in _AFTER.get((opened.keyword, before), ()):
            where = opened.keyword if before == opened.keyword else f"{before} of {opened.keyword}"
            code.error(f"{keyword} cannot follow {where}")
        clause = Clause(keyword, code, self._head(keyword, code, rest))
        control.clauses.append(clause)
        opened.body = clause.body
        if opened.keyword in _LOOPS:
            # What follows a loop belongs to the loop around, if there is one.
            assert opened.around
            opened.loop = opened.around.loop

    def _head(self, keyword: str, code: Code, rest: Code) -> Head:
        if keyword in ("if", "elif", "while", "for") and not rest.text:
            code.error(f"{keyword} has no condition" if keyword != "for" else "for has no target")
        match keyword:
            case "if" | "elif" | "while":
                return python.expression(rest)
            case "for":
                return python.loop(rest)
            case "except":
                return python.handler(rest)
        if rest.text:
            code.error(f"{keyword} is followed by nothing: {rest.text[:100]!r}")
        return None

    def _container(self, keyword: str, code: Code, rest: Code) -> None:
        body: Body = []
        if keyword == "block":
            if not rest.text:
                code.error("block missing name")
            name = _unquoted(rest.text)
            block = Block(name, code, body)
            self.sites.append(block)
            self._push(keyword, code, block, body, self.open.loop)
            return
        if not rest.text:
            code.error("apply missing method name")
        waiting = python.awaited(rest)
        function = python.expression(waiting or rest)
        # Leaving the loop from within would lose what the function is to be applied to.
        self._push(keyword, code, Apply(function, waiting is not None, body), body, loop=False)

    # -- directives without ------------------------------------------------------------------

    def _python(self, keyword: str, code: Code, rest: Code) -> None:
        if not rest.text:
            noun = "statement" if keyword in ("set", "import", "from") else "expression"
            code.error(f"{keyword} missing {noun}")
        match keyword:
            case "raw":
                self.open.body.append(Output(python.expression(rest), raw=True))
            case "module":
                self.open.body.append(Output(python.module_call(rest), raw=True))
            case _:
                body = python.statements(rest if keyword == "set" else code)
                self.open.body.append(Statements(body))

    def _other_template(self, keyword: str, code: Code, rest: Code) -> None:
        name = _unquoted(rest.text)
        if not name:
            code.error(f"{keyword} missing file path")
        other = Include(name, code)
        if keyword == "include":
            self.open.body.append(other)
            self.sites.append(other)
            return
        if self.open.around:
            code.error(f"extends cannot stand within {self.open.keyword}")
        if self.extends:
            code.error(f"Template extends {self.extends.name!r} already")
        self.extends = other

    def _alone(self, keyword: str, code: Code, rest: Code) -> None:
        if rest.text:
            code.error(f"{keyword} is followed by nothing: {rest.text[:100]!r}")
        if keyword == "flush":
            self.open.body.append(Flush(code))
            return
        if not self.open.loop:
            code.error(f"{keyword} outside of a block of for or while")
        self.open.body.append(Jump(code))

    def _setting(self, keyword: str, code: Code, rest: Code) -> None:
        if keyword == "whitespace":
            if rest.text not in WHITESPACE_MODES:
                code.error(f"invalid whitespace mode {rest.text[:100]!r}: {WHITESPACE_MODES}")
            self.whitespace = rest.text
            return
        if not rest.text:
            code.error("autoescape missing function; None is for no escaping")
        python.expression(rest)
        self.autoescape = None if rest.text == "None" else rest.text


def _unquoted(name: str) -> str:
    return name.strip("\"'")
