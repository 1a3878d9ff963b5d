"""A package's face has a docstring, re-exports and ``__all__``, and no logic."""

import ast

import pytest

import toolkit
from tests.house.modules import MODULES

FACES = [name for name, path in MODULES.items() if path.name == "__init__.py" and name != "toolkit"]


def logic(tree: ast.Module) -> list[str]:
    """Return the statements of a face that do something."""
    found = []
    for position, node in enumerate(tree.body):
        docstring = position == 0 and isinstance(node, ast.Expr)
        alias = isinstance(node, ast.Assign) and isinstance(node.value, (ast.Name, ast.List))
        if not (docstring or alias or isinstance(node, ast.ImportFrom)):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("name", FACES)
def test_a_face_has_no_logic(name: str) -> None:
    """What a package offers can be read in one look."""
    tree = ast.parse(MODULES[name].read_text())
    assert ast.get_docstring(tree)
    assert logic(tree) == []


def test_the_check_finds_logic() -> None:
    """A function, a call and a condition each count."""
    tree = ast.parse('"""Face."""\nimport os\nx = f()\nif x: y = 1\ndef g(): ...')
    assert len(logic(tree)) == 4


def test_the_version_of_the_api_is_tornados() -> None:
    """Programs written for Tornado compare it before they use newer parts."""
    assert (toolkit.version, toolkit.version_info) == ("6.6.1", (6, 6, 1, 0))
