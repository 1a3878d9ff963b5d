"""From nodes to Python: one function for a page, and one within it for each part of another file.

What comes from one file is one function, so that tracebacks, debuggers and profilers know its
name and its lines by themselves. A part (an included file, a block that replaces another) shares
its variables with the page by ``nonlocal``, as if it stood in its place. Names of our own begin
with ``_tt_``.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from toolkit.template.nodes import (
    Apply,
    Block,
    Body,
    Clause,
    Control,
    File,
    Flush,
    Include,
    Jump,
    Node,
    Output,
    Statements,
    Text,
)
from toolkit.template.python import Fragment
from toolkit.template.reader import Code, Source

#: What the function of a page is called with, in this order: the list that it fills, how many
#: pieces of it are worth a look at their size, what sends them off, and helpers of `output`.
ARGUMENTS = (
    "_tt_pieces",
    "_tt_most",
    "_tt_flush",
    "_tt_len",
    "_tt_escaped",
    "_tt_text",
    "_tt_encoded",
    "_tt_result",
    "_tt_joined",
)

#: The function of a page.
PAGE = "_tt_page"

#: Names of the function that `output.escaped` stands in for.
ESCAPE_NAMES = frozenset(("xhtml_escape", "escape"))

#: Texts and expressions of one f-string, each of which needs a place on the function's stack.
_RUN = 64

#: The blocks of a page by name, each with the file that it was written in.
Blocks: TypeAlias = Mapping[str, tuple[Block, File]]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_Placed = TypeVar("_Placed", ast.stmt, ast.expr)
_T = TypeVar("_T", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where nodes are written to.

    Attributes:
        file: where they come from.
        append: name of what takes their output.
        binds: the names that their function binds.
    """

    file: File
    append: str = "_tt_append"
    binds: set[str] = field(default_factory=set)


class Writer:
    """Writes the function of a page or of one of its blocks.

    Args:
        blocks: what stands in for each block.
        included: gives the file that an ``include`` of a file means.
        waiting: make it a coroutine function, which may flush.
        own_escape: call the function that autoescape names, whichever it is.
        careful: whether output made before an error is seen, since ``try`` goes on after it.

    Attributes:
        labels: of each function by name its source, and what tracebacks call it.
        waits: the first code that can stand in a coroutine only.
        binds: all variables of the page.
    """

    def __init__(
        self,
        blocks: Blocks,
        included: Callable[[Include, File], File],
        *,
        waiting: bool,
        own_escape: bool,
        careful: bool,
    ) -> None:
        self.blocks = blocks
        self.included = included
        self.waiting = waiting
        self.own_escape = own_escape
        self.careful = careful
        self.labels: dict[str, tuple[Source, str]] = {}
        self.waits: Code | None = None
        self.binds: set[str] = set()
        self.parts: dict[object, Function] = {}
        self._applied = 0

    def page(self, body: Body, file: File, label: str) -> ast.Module:
        """Return a module whose one statement defines the function."""
        written = self._define(PAGE, ARGUMENTS, body, _Scope(file), label)
        append = ast.Attribute(value=_name("_tt_pieces"), attr="append", ctx=ast.Load())
        first: list[ast.stmt] = [_assign("_tt_append", append)]
        if self.parts and self.binds:
            # It never runs, but makes the names of all parts variables of the page.
            variables: list[ast.stmt] = [
                _assign(name, ast.Constant(value=None)) for name in sorted(self.binds)
            ]
            first.append(ast.If(test=ast.Constant(value=False), body=variables, orelse=[]))
        written.body[:0] = [*first, *self.parts.values()]
        return ast.fix_missing_locations(ast.Module(body=[written], type_ignores=[]))

    # -- functions ---------------------------------------------------------------------------

    def _define(
        self,
        name: str,
        arguments: Iterable[str],
        body: Body,
        scope: _Scope,
        label: str,
    ) -> Function:
        """Write a function."""
        self.labels[name] = scope.file.source, label
        args = ast.arguments(
            posonlyargs=[ast.arg(arg=argument) for argument in arguments],
            args=[],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        kind = ast.AsyncFunctionDef if self.waiting else ast.FunctionDef
        function = kind(
            name=name,
            args=args,
            body=self._body(body, scope),
            decorator_list=[],
            lineno=1,
            col_offset=0,
            end_lineno=1,
            end_col_offset=0,
        )
        if name != PAGE and scope.binds:
            function.body.insert(0, ast.Nonlocal(names=sorted(scope.binds)))
        self.binds |= scope.binds
        return function

    def _part(
        self, key: object, body: Body, file: File, label: str, code: Code, scope: _Scope
    ) -> list[ast.stmt]:
        """Write a call of a part, and the part if it is called for the first time."""
        if key not in self.parts:
            name = f"_tt_part_{len(self.labels)}"
            self.labels[name] = file.source, label  # the number is taken
            self.parts[key] = self._define(name, ("_tt_append",), body, _Scope(file), label)
        call: ast.expr = _call(_name(self.parts[key].name), _name(scope.append))
        if self.waiting:
            call = ast.Await(value=call)
        return [_at(ast.Expr(value=call), code), *self._check(code)]

    def _check(self, code: Code) -> list[ast.stmt]:
        """Write where a stream looks at how much it has; at nothing, if it is no stream."""
        if not self.waiting:
            return []
        test = ast.Compare(
            left=_call(_name("_tt_len"), _name("_tt_pieces")),
            ops=[ast.Gt()],
            comparators=[_name("_tt_most")],
        )
        return [_at(ast.If(test=test, body=[self._flush(False)], orelse=[]), code)]

    def _flush(self, forced: bool) -> ast.stmt:
        call = _call(_name("_tt_flush"), ast.Constant(value=forced))
        return ast.Expr(value=ast.Await(value=call))

    def _use(self, fragment: Fragment[_T], scope: _Scope) -> _T:
        """Return the tree of Python that is to stand in a scope."""
        scope.binds.update(fragment.binds)
        if fragment.waits:
            self._wait(fragment.code)
        return fragment.tree

    def _wait(self, code: Code) -> None:
        self.waits = self.waits or code

    # -- bodies ------------------------------------------------------------------------------

    def _body(self, body: Body, scope: _Scope) -> list[ast.stmt]:
        """Write nodes; neighbouring texts and escaped expressions become one f-string."""
        written: list[ast.stmt] = []
        run: list[Text | Output] = []
        for node in self._spliced(body):
            plain = isinstance(node, Output) and self._escapes_as_usual(node, scope)
            if run and (len(run) == _RUN or (self.careful and plain)):
                written.append(self._run(run, scope))
                run = []
            if isinstance(node, Text) or (isinstance(node, Output) and plain):
                run.append(node)
                continue
            if run:
                written.append(self._run(run, scope))
                run = []
            written += self._node(node, scope)
        if run:
            written.append(self._run(run, scope))
        return written or [ast.Pass()]

    def _spliced(self, body: Body) -> Iterator[Node]:
        """Yield nodes, those of blocks that are not replaced in the place of the block."""
        stack = [iter(body)]
        while stack:
            for node in stack[-1]:
                if isinstance(node, Block) and self.blocks[node.name][0] is node:
                    stack.append(iter(node.body))
                    break
                yield node
            else:
                stack.pop()

    def _escapes_as_usual(self, node: Output, scope: _Scope) -> bool:
        return not node.raw and not self.own_escape and scope.file.autoescape in ESCAPE_NAMES

    def _run(self, run: list[Text | Output], scope: _Scope) -> ast.stmt:
        """Write the output of texts and escaped expressions."""
        values: list[ast.expr] = []
        texts: list[str] = []
        for node in run:
            if isinstance(node, Text):
                texts.append(node.text)
                continue
            if texts:
                values.append(ast.Constant(value="".join(texts)))
                texts = []
            tree = self._use(node.value, scope)
            values.append(ast.copy_location(_call(_name("_tt_escaped"), tree), tree))
        if texts:
            values.append(ast.Constant(value="".join(texts)))
        first = run[0]
        code = first.code if isinstance(first, Text) else first.value.code
        return self._output(_concatenated(values), code, scope)

    def _output(self, value: ast.expr, code: Code, scope: _Scope) -> ast.stmt:
        return _at(ast.Expr(value=_call(_name(scope.append), value)), code)

    # -- nodes -------------------------------------------------------------------------------

    def _node(self, node: Node, scope: _Scope) -> list[ast.stmt]:
        """Write a node that is no text."""
        match node:
            case Output():
                return [self._value(node, scope)]
            case Statements():
                return self._use(node.body, scope).body
            case Control():
                return [self._control(node, scope)]
            case Block():
                block, file = self.blocks[node.name]
                return self._part(
                    node.name, block.body, file, f"block {node.name}", node.code, scope
                )
            case Include():
                file = self.included(node, scope.file)
                return self._part(file.source, file.body, file, "template", node.code, scope)
            case Apply():
                return self._apply(node, scope)
            case Jump():
                jump = ast.Break() if node.code.text == "break" else ast.Continue()
                return [_at(jump, node.code)]
        assert isinstance(node, Flush)
        return [_at(self._flush(True), node.code)] if self.waiting else []

    def _value(self, node: Output, scope: _Scope) -> ast.stmt:
        """Write the output of an expression that is raw, or escaped in a way of its own."""
        tree = self._use(node.value, scope)
        autoescape = scope.file.autoescape
        if node.raw or autoescape is None:
            value = _call(_name("_tt_text"), tree)
        else:
            function = ast.parse(autoescape, mode="eval").body
            for part in ast.walk(function):
                ast.copy_location(part, tree)
            encoded = _call(_name("_tt_encoded"), tree)
            value = _call(_name("_tt_result"), _call(function, encoded))
        return self._output(ast.copy_location(value, tree), node.value.code, scope)

    def _apply(self, node: Apply, scope: _Scope) -> list[ast.stmt]:
        """Write a body into a list of its own, and the function's result into the page."""
        self._applied += 1
        pieces, append = f"_tt_pieces_{self._applied}", f"_tt_append_{self._applied}"
        code = node.function.code
        body = self._body(node.body, _Scope(scope.file, append, scope.binds))
        method = ast.Attribute(value=_name(pieces), attr="append", ctx=ast.Load())
        function = self._use(node.function, scope)
        value: ast.expr = _call(function, _call(_name("_tt_joined"), _name(pieces)))
        if node.awaited:
            self._wait(code)
            value = ast.copy_location(ast.Await(value=value), function)
        value = _call(_name("_tt_result"), ast.copy_location(value, function))
        return [
            _at(_assign(pieces, ast.List(elts=[], ctx=ast.Load())), code),
            _at(_assign(append, method), code),
            *body,
            self._output(value, code, scope),
        ]

    # -- control statements ------------------------------------------------------------------

    def _control(self, node: Control, scope: _Scope) -> ast.stmt:
        """Write an ``if``, ``for``, ``while`` or ``try`` with its clauses."""
        first = node.clauses[0]
        if first.keyword == "if":
            return self._if(node.clauses, scope)
        if first.keyword == "try":
            return self._try(node.clauses, scope)
        body = [*self._body(first.body, scope), *self._check(first.code)]
        last = self._last(node.clauses[1:], scope)
        assert first.head is not None
        tree = self._use(first.head, scope)
        if isinstance(tree, ast.expr):
            return _at(ast.While(test=tree, body=body, orelse=last), first.code)
        assert isinstance(tree, ast.For)
        if node.awaits:
            self._wait(first.code)
        kind: Any = ast.AsyncFor if node.awaits else ast.For
        loop: ast.stmt = kind(target=tree.target, iter=tree.iter, body=body, orelse=last)
        return _at(loop, first.code)

    def _if(self, clauses: list[Clause], scope: _Scope) -> ast.stmt:
        written: list[ast.stmt] = []
        for clause in reversed(clauses):
            body = self._body(clause.body, scope)
            if clause.head is None:
                written = body
                continue
            tree = self._use(clause.head, scope)
            assert isinstance(tree, ast.expr)
            written = [_at(ast.If(test=tree, body=body, orelse=written), clause.code)]
        return written[0]

    def _try(self, clauses: list[Clause], scope: _Scope) -> ast.stmt:
        handlers = []
        for clause in clauses:
            if clause.keyword == "except":
                assert clause.head is not None
                tree = self._use(clause.head, scope)
                assert isinstance(tree, ast.ExceptHandler)
                body = self._body(clause.body, scope)
                handler = ast.ExceptHandler(type=tree.type, name=tree.name, body=body)
                handlers.append(ast.copy_location(handler, tree))
        others = {clause.keyword: clause for clause in clauses if clause.keyword != "except"}
        statement = ast.Try(
            body=self._body(clauses[0].body, scope),
            handlers=handlers,
            orelse=self._last([others["else"]] if "else" in others else [], scope),
            finalbody=self._last([others["finally"]] if "finally" in others else [], scope),
        )
        return _at(statement, clauses[0].code)

    def _last(self, clauses: list[Clause], scope: _Scope) -> list[ast.stmt]:
        """Write the body of a clause that may be missing."""
        return self._body(clauses[0].body, scope) if clauses else []


# -- trees -------------------------------------------------------------------------------


def _at(node: _Placed, code: Code) -> _Placed:
    """Place a node where code stands; at its beginning if it has several lines."""
    node.lineno = node.end_lineno = code.line
    node.col_offset = node.end_col_offset = code.column
    if "\n" not in code.text:
        node.end_col_offset += len(code.text.encode("utf-8", "surrogatepass"))
    return node


def _name(identifier: str) -> ast.Name:
    return ast.Name(id=identifier, ctx=ast.Load())


def _call(function: ast.expr, *args: ast.expr) -> ast.Call:
    return ast.Call(func=function, args=list(args), keywords=[])


def _concatenated(values: list[ast.expr]) -> ast.expr:
    """Return an expression for the concatenation of strings."""
    if len(values) == 1:
        return values[0]
    parts: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant):
            parts.append(value)
        else:
            parts.append(ast.FormattedValue(value=value, conversion=-1, format_spec=None))
    return ast.JoinedStr(values=parts)


def _assign(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=value)
