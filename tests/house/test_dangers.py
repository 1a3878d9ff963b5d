"""What is not to be in the package at all: code from data, and checks that ``-O`` takes away."""

import ast

import pytest

from tests.house.modules import MODULES, imports

#: They run what the data says that they read.
UNSAFE = {"pickle", "marshal", "shelve", "dill"}
#: Where code of the program itself is run: of a template, of a file of options, of `exec_in`.
COMPILERS = {"toolkit.util", "toolkit.options.parser", "toolkit.template.page"}
COMPILING = {"eval", "exec", "compile"}


def tells_types(test: ast.expr) -> bool:
    """Say whether an assertion tells type checkers what is known, and checks nothing else."""
    if isinstance(test, ast.UnaryOp):
        return tells_types(test.operand)
    if isinstance(test, ast.Call):
        return ast.unparse(test.func) == "isinstance"
    if isinstance(test, ast.Compare):
        return all(isinstance(operator, ast.Is | ast.IsNot) for operator in test.ops)
    return isinstance(test, ast.Attribute)


@pytest.mark.parametrize("name", MODULES)
def test_nothing_dangerous_is_in_a_module(name: str) -> None:
    """CVE-2025-69227 (aiohttp) hung without its assertions, CVE-2026-34993 ran cookies."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert not UNSAFE & {imported.partition(".")[0] for imported in imports(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            assert tells_types(node.test), ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in COMPILING or name in COMPILERS, ast.unparse(node)
