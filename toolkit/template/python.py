"""The Python in templates: parsed, moved to its place, and what it does to its scope."""

import ast
from dataclasses import dataclass
from typing import Generic, TypeVar

from toolkit.template.errors import ParseError, PythonSyntaxError
from toolkit.template.reader import Code

#: Names that begin so belong to the compiled template.
RESERVED = "_tt_"

_Tree = TypeVar("_Tree", bound=ast.AST)
_Tree_co = TypeVar("_Tree_co", bound=ast.AST, covariant=True)


@dataclass(frozen=True, slots=True)
class Fragment(Generic[_Tree_co]):
    """Parsed Python, whose nodes have the lines and columns of the template.

    Attributes:
        tree: never changed, since several programs are made from it.
        binds: the names that it binds in the scope around it.
        waits: whether it can stand in a coroutine only.
        code: where it came from.
    """

    tree: _Tree_co
    binds: frozenset[str]
    waits: bool
    code: Code


def expression(code: Code, before: str = "") -> Fragment[ast.expr]:
    """Parse an expression; it may go over several lines.

    Args:
        code: the expression, or what is one with `before` in front of it.
    """
    if not code.text:
        code.error("Empty expression")
    try:
        tree = _parse(code, before, "")
    except PythonSyntaxError as error:
        try:
            tree = _in_parentheses(code, before)
        except ParseError:
            raise error from None
    body = tree.body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        code.error(f"{_cut(code)} is no expression")
    return _fragment(body[0].value, code)


def _in_parentheses(code: Code, before: str) -> ast.Module:
    """Parse what goes over several lines without parentheses, as it may in a template."""
    tree = _parse(code, f"({before}", "\n)")
    last = code.line + code.text.count("\n") + 1
    statement = tree.body[0]
    value = statement.value if isinstance(statement, ast.Expr) else None
    # Parentheses count as part of these two alone. Others that end with ours have torn them
    # apart, as ``a) + (b`` does.
    whole = isinstance(value, ast.Tuple | ast.GeneratorExp)
    if value is None or (value.end_lineno == last and not whole):
        code.error(f"{_cut(code)} is no expression")
    return tree


def statements(code: Code) -> Fragment[ast.Module]:
    """Parse one or more statements."""
    tree = _parse(code, "", "")
    tree.body = [_unannotated(statement) for statement in tree.body]
    return _fragment(tree, code)


def _unannotated(statement: ast.stmt) -> ast.stmt:
    """Return an assignment without its type: a variable that parts share cannot have one."""
    if not isinstance(statement, ast.AnnAssign):
        return statement
    if statement.value is None:
        return ast.copy_location(ast.Pass(), statement)
    assignment = ast.Assign(targets=[statement.target], value=statement.value)
    return ast.copy_location(assignment, statement)


def loop(code: Code) -> Fragment[ast.For | ast.AsyncFor]:
    """Parse what stands between ``for`` and the colon; its body is to be replaced."""
    tree = _parse(code, "for ", ": pass").body[0]
    assert isinstance(tree, ast.For)
    return _fragment(tree, code)


def handler(code: Code) -> Fragment[ast.ExceptHandler]:
    """Parse what stands between ``except`` and the colon; its body is to be replaced."""
    tree = _parse(code, "try: pass\nexcept ", ": pass").body[0]
    assert isinstance(tree, ast.Try)
    return _fragment(tree.handlers[0], code)


def module_call(code: Code) -> Fragment[ast.expr]:
    """Parse the call of a UI module, which may be awaited."""
    waiting = awaited(code)
    call = expression(waiting or code, f"{RESERVED}modules.")
    if waiting is None:
        return call
    tree = ast.copy_location(ast.Await(value=call.tree), call.tree)
    return Fragment(tree, call.binds, True, code)


def awaited(code: Code) -> Code | None:
    """Return what follows ``await`` where an expression begins with it."""
    return code.after(5) if code.text[:6].split() == ["await"] else None


# -- places ------------------------------------------------------------------------------


def _parse(code: Code, before: str, after: str) -> ast.Module:
    """Parse code between two texts, and give its nodes their places in the template.

    Raises:
        ParseError: it is no Python, or nested too deeply.
    """
    prefix = before.rpartition("\n")[2]
    first = before.count("\n") + 1
    try:
        tree = ast.parse(before + code.text + after, code.source.filename)
        _move(tree, first, code.line - first, code.column - len(prefix))
    except SyntaxError as error:
        line = (error.lineno or first) - first + code.line
        column = error.offset or 0
        text = code.source.line(line)
        if (error.lineno or first) == first:
            column += _characters(text, code.column) - len(prefix)
        name = code.source.name
        raise PythonSyntaxError(error.msg, name, line, max(column, 0), text) from None
    except (RecursionError, MemoryError):
        code.error(f"{_cut(code)} is nested too deeply")
    except ValueError as error:  # zero bytes, lone surrogates
        code.error(f"{_cut(code)} is no Python: {error}")
    return tree


def _move(tree: ast.AST, first: int, lines: int, columns: int) -> None:
    """Move nodes by some lines, and those in the first line of the code by some columns."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.expr, ast.stmt, ast.ExceptHandler, ast.alias, ast.keyword)):
            if node.lineno == first:
                node.col_offset = max(0, node.col_offset + columns)
            if node.end_lineno == first:
                node.end_col_offset = max(0, (node.end_col_offset or 0) + columns)
            node.lineno += lines
            node.end_lineno = (node.end_lineno or first) + lines


def _characters(line: str, column: int) -> int:
    """Return how many characters the first bytes of a line are."""
    return len(line.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "replace"))


def _cut(code: Code) -> str:
    return repr(code.text[:100])


# -- scope -------------------------------------------------------------------------------


def _fragment(tree: _Tree, code: Code) -> Fragment[_Tree]:
    """Look at what a tree does to its scope."""
    scope = _Scope()
    try:
        scope.visit(tree)
    except RecursionError:
        code.error(f"{_cut(code)} is nested too deeply")
    if scope.misplaced:
        code.error(f"{scope.misplaced} cannot stand in a template")
    reserved = sorted(name for name in scope.binds if name.startswith(RESERVED))
    if reserved:
        code.error(f"Names that begin with {RESERVED} are reserved: {reserved[0]}")
    return Fragment(tree, frozenset(scope.binds), scope.waits, code)


class _Scope(ast.NodeVisitor):
    """Finds the names that code binds in the function around it, and whether it waits."""

    def __init__(self) -> None:
        self.binds: set[str] = set()
        self.waits = False
        self.misplaced = ""
        self._comprehensions = 0

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load) and not self._comprehensions:
            self.binds.add(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        # It binds in the function even from within a comprehension.
        self.binds.add(node.target.id)
        self.visit(node.value)

    def visit_alias(self, node: ast.alias) -> None:
        self.binds.add(node.asname or node.name.partition(".")[0])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._named(node)

    def _named(self, node: ast.AST) -> None:
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name:
            self.binds.add(name)
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = visit_MatchMapping = _named

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.binds.add(node.name)
        for expr in node.decorator_list:
            self.visit(expr)
        self._defaults(node.args)

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.binds.add(node.name)
        keywords = [keyword.value for keyword in node.keywords]
        for expr in [*node.decorator_list, *node.bases, *keywords]:
            self.visit(expr)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node.args)

    def _defaults(self, node: ast.arguments) -> None:
        for expr in [*node.defaults, *node.kw_defaults]:
            if expr is not None:
                self.visit(expr)

    def _comprehension(self, node: ast.AST) -> None:
        self._comprehensions += 1
        self.generic_visit(node)
        self._comprehensions -= 1

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.waits |= bool(node.is_async)
        self.generic_visit(node)

    def _waiting(self, node: ast.AST) -> None:
        self.waits = True
        self.generic_visit(node)

    visit_Await = visit_AsyncFor = visit_AsyncWith = _waiting

    def _misplaced(self, node: ast.AST) -> None:
        self.misplaced = type(node).__name__.lower()

    visit_Yield = visit_YieldFrom = visit_Return = visit_Global = visit_Nonlocal = _misplaced
