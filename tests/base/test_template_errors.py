"""Errors in templates: found early, and shown with the template's file and line."""

import linecache
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.template import DictLoader, Loader, ParseError, PythonSyntaxError, Template
from toolkit.template.page import MAX_CHAIN
from toolkit.template.parser import MAX_DEPTH
from toolkit.template.reader import MAX_SOURCE

# -- what cannot be compiled -------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("\n{{", "Missing end expression }}", 2),
        ("\n{{ a\n} }", "Missing end expression }}", 2),
        ("{% if x", "Missing end block %}", 1),
        ("a\n\n{# b\n", "Missing end comment #}", 3),
        ("{{ }}", "Empty expression", 1),
        ("{{ # only why }}", "'# only why' is no expression", 1),
        ("{{ x = 1 }}", "'x = 1' is no expression", 1),
        ("{{ 1; 2 }}", "'1; 2' is no expression", 1),
        ("{% %}", "Empty block tag ({% %})", 1),
        ("\n{%\n\nnope x %}", "unknown operator: 'nope'", 4),
        ("{% if(x) %}", "unknown operator: 'if(x)'", 1),
        ("\n{% end %}", "Extra {% end %} block", 2),
        ("{% if x %}{% end %}{% end %}", "Extra {% end %} block", 1),
        ("\n{% if x %}\n\n", "Missing {% end %} block for if", 2),
        ("\n{% block x %}{% if x %}{% end %}", "Missing {% end %} block for block", 2),
        ("{% else %}", "else outside of a block of if, for, while or try", 1),
        ("{% block x %}{% elif %}", "elif outside of a block of if", 1),
        ("{% for x in y %}{% elif x %}", "elif cannot follow for", 1),
        ("{% if x %}{% else %}{% elif x %}", "elif cannot follow else of if", 1),
        ("{% if x %}{% else %}{% else %}", "else cannot follow else of if", 1),
        ("{% for x in y %}{% else %}{% else %}", "else cannot follow else of for", 1),
        ("{% try %}{% else %}", "else cannot follow try", 1),
        ("{% try %}{% finally %}{% except %}", "except cannot follow finally of try", 1),
        ("\n{% try %}\n{% end %}", "try has neither except nor finally", 2),
        ("{% if x %}{% else x %}", "else is followed by nothing: 'x'", 1),
        ("{% if %}", "if has no condition", 1),
        ("{% while %}", "while has no condition", 1),
        ("{% for %}", "for has no target", 1),
        ("{% async %}", "async is followed by for", 1),
        ("{% async with x %}", "async is followed by for", 1),
        ("{% block %}", "block missing name", 1),
        ("{% apply %}", "apply missing method name", 1),
        ("{% apply await %}", "Empty expression", 1),
        ("{% set %}", "set missing statement", 1),
        ("{% import %}", "import missing statement", 1),
        ("{% from %}", "from missing statement", 1),
        ("{% raw %}", "raw missing expression", 1),
        ("{% module %}", "module missing expression", 1),
        ("{% include %}", "include missing file path", 1),
        ("{% extends '' %}", "extends missing file path", 1),
        ("{% autoescape %}", "autoescape missing function; None is for no escaping", 1),
        ("{% whitespace %}", "invalid whitespace mode ''", 1),
        ("\n{% whitespace some %}", "invalid whitespace mode 'some'", 2),
        ("{% include x %}", "{% include %} block found, but no template loader", 1),
        ("\n{% extends x %}", "{% extends %} block found, but no template loader", 2),
        ("{% if x %}{% extends x %}{% end %}", "extends cannot stand within if", 1),
        ("{% extends x %}{% extends y %}", "Template extends 'x' already", 1),
        ("{% break %}", "break outside of a block of for or while", 1),
        ("{% if x %}{% continue %}{% end %}", "continue outside of a block of for or while", 1),
        ("{% for x in y %}{% else %}{% break %}", "break outside of a block of for or while", 1),
        ("{% for x in y %}{% apply f %}{% break %}", "break outside of a block", 1),
        ("{% for x in y %}{% break 2 %}", "break is followed by nothing: '2'", 1),
        ("{% set return %}", "return cannot stand in a template", 1),
        ("{{ (yield) }}", "yield cannot stand in a template", 1),
        ("{% set yield from x %}", "yieldfrom cannot stand in a template", 1),
        ("{% set global x %}", "global cannot stand in a template", 1),
        ("{% set _tt_append = 1 %}", "Names that begin with _tt_ are reserved: _tt_append", 1),
        ("{{ '\ud800' }}", "is no Python", 1),
        ("x" * (MAX_SOURCE + 1), f"Template has {MAX_SOURCE + 1} characters", 0),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_template_is_a_parse_error(source: str, message: str, line: int) -> None:
    with pytest.raises(ParseError) as caught:
        Template(source, "t.html")
    error = caught.value
    assert message in error.message
    assert (error.filename, error.lineno) == ("t.html", line)
    assert str(error) == f"{error.message} at t.html:{line}"


@pytest.mark.feature("K05")
@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("\n {{ 1 + }}", "invalid syntax", 2, 8),
        ("é{{ 'é' b }}", "invalid syntax", 1, 9),
        ("{{ f(1 }}", "'(' was never closed", 1, 5),
        ("{{ a) + (b }}", "unmatched ')'", 1, 5),
        ("{{ a\n) + (b }}", "unmatched ')'", 2, 1),
        ("{% for x in %}", "invalid syntax", 1, 12),
        ("{% for x %}", "invalid syntax", 1, 9),
        ("{% if x: %}", "invalid syntax", 1, None),
        ("{% try %}{% except E e %}", "", 1, None),
        ("{% module M( %}", "'(' was never closed", 1, 12),
        ("{% apply f g %}", "invalid syntax", 1, 12),
        ("{% autoescape f g %}", "invalid syntax", 1, 17),
        ("\n{% set x = %}", "invalid syntax", 2, 11),
        ("\n{% import os as %}", "invalid syntax", 2, 16),
        ("{% set f() = 1 %}", "cannot assign to function call", 1, 8),
        ("\n{% from os import * %}", "import * only allowed at module level", 2, None),
        (
            "\n{% try %}{% except %}{% except E %}{% end %}",
            "default 'except:' must be last",
            2,
            None,
        ),
        ("\n" + "{% for a in b %}" * 60 + "{% end %}" * 60, "too many statically", 2, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_python_is_shown_in_its_place(
    source: str, message: str, line: int, column: int | None
) -> None:
    with pytest.raises(PythonSyntaxError) as caught:
        Template(source, "t.html")
    error = caught.value
    assert isinstance(error, SyntaxError)
    assert message in error.message
    assert (error.filename, error.lineno) == ("t.html", line)
    assert column is None or error.offset == column
    shown = traceback.format_exception_only(error)
    assert shown[0] == f'  File "t.html", line {line}\n'
    assert shown[1].strip() == source.split("\n")[line - 1].strip()


@pytest.mark.parametrize(
    "source",
    [
        "{% if x %}" * (MAX_DEPTH + 1) + "{% end %}" * (MAX_DEPTH + 1),
        "{% block x %}" * 10_000,
        "{% if x %}" + "{% elif x %}" * 20_000 + "{% end %}",
        "{{ " + "-" * 100_000 + "1 }}",
        "{{ " + "1 + " * 100_000 + "1 }}",
        "{{ " + "(" * 1000 + ")" * 1000 + " }}",
        "{{ " + "[" * 1000 + "]" * 1000 + " }}",
        "{{ x" + ".x" * 50_000 + " }}",
        "{{ x" + ".x" * 900 + " }}",
        "{% set " + "lambda: " * 2000 + "1 %}",
    ],
    ids=lambda source: source[:24],
)
def test_what_is_nested_too_deeply_is_a_parse_error(source: str) -> None:
    """A RecursionError would name neither the template nor its line."""
    with pytest.raises(ParseError):
        Template(source)


def test_directives_may_be_nested_up_to_the_limit() -> None:
    source = "{% if x %}" * MAX_DEPTH + "deep" + "{% end %}" * MAX_DEPTH
    assert Template(source).generate(x=1) == b"deep"
    assert Template("{% if x %}a{% end %}" * 2 * MAX_DEPTH).generate(x=0) == b""


@pytest.mark.parametrize(
    ("templates", "way"),
    [
        ({"a": "{% include a %}"}, "a → a"),
        ({"a": "{% extends a %}"}, "a → a"),
        ({"a": "{% include b %}", "b": "{% extends c %}", "c": "{% include b %}"}, "b → c → b"),
    ],
)
def test_a_template_cannot_hold_itself(templates: dict[str, str], way: str) -> None:
    loader = DictLoader(templates)
    for _ in range(2):
        with pytest.raises(ParseError, match=f"extends or includes itself: {way}"):
            loader.load("a")


def test_a_chain_of_templates_has_a_limit() -> None:
    templates = {str(n): f"{{% include {n + 1} %}}" for n in range(MAX_CHAIN)}
    loader = DictLoader({**templates, str(MAX_CHAIN): ""})
    with pytest.raises(ParseError, match=f"{MAX_CHAIN} templates extend or include one another"):
        loader.load("0")
    assert loader.load("1").generate() == b""
    # What is loaded already takes no part in the chain.
    assert loader.load("0").generate() == b""


def test_what_extends_cannot_be_included() -> None:
    loader = DictLoader({"a": "\n{% include b %}", "b": "{% extends c %}", "c": ""})
    with pytest.raises(ParseError, match="'b' extends another template and so cannot be included"):
        loader.load("a")


@pytest.mark.parametrize("include", ["include", "extends"])
def test_the_way_to_a_broken_template_is_noted(include: str) -> None:
    loader = DictLoader({"a": f"\n{{% {include} b %}}", "b": "\n\n{% include c %}", "c": "{{"})
    with pytest.raises(ParseError, match="at c:1") as caught:
        loader.load("a")
    assert caught.value.__notes__ == ["# b:3", "# a:2"]
    loader.dict.pop("c")
    with pytest.raises(KeyError) as missing:
        loader.load("a")
    assert missing.value.__notes__ == ["# b:3", "# a:2"]


def test_an_error_of_the_compiler_names_the_file_of_a_part() -> None:
    # A block that is good in its own file, and not where it is to stand.
    parts = {
        "base": "{% include good %}{% block z %}{% end %}",
        "good": "{% set x = 1 %}",
        "leaf": "{% extends base %}{% for i in x %}\n{% block z %}{% break %}{% end %}{% end %}",
    }
    with pytest.raises(PythonSyntaxError, match="'break' outside loop at leaf:2"):
        DictLoader(parts).load("leaf")


def test_an_error_without_a_place_says_so() -> None:
    assert str(ParseError("what")) == "what at None:0"


# -- what fails while it is rendered -----------------------------------------------------


def trace(page: Template, **values: Any) -> str:
    """Return how Python shows the error of a page."""
    with pytest.raises(ZeroDivisionError) as caught:
        page.generate(**values)
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.feature("K05")
@pytest.mark.parametrize(
    ("source", "line", "shown"),
    [
        ("one\ntwo {{ 1 / 0 }}\n", 2, "two {{ 1 / 0 }}"),
        ("{{ 1\n + 1 / 0\n + 1 }}", 2, "+ 1 / 0"),
        ("\n{% if 1 / 0 %}{% end %}", 2, "{% if 1 / 0 %}{% end %}"),
        ("\n{% if 0 %}\n{% elif 1 / 0 %}\n{% end %}", 3, "{% elif 1 / 0 %}"),
        ("\n{% for x in [1 / 0] %}\n{% end %}", 2, "{% for x in [1 / 0] %}"),
        ("{% for x in [1, 0] %}\n{{ 1 / x }}\n{% end %}", 2, "{{ 1 / x }}"),
        ("\n\n{% while 1 / 0 %}{% end %}", 3, "{% while 1 / 0 %}{% end %}"),
        ("\n{% set x = 1 / 0 %}", 2, "{% set x = 1 / 0 %}"),
        ("\n{% raw 1 / 0 %}", 2, "{% raw 1 / 0 %}"),
        ("\n{% autoescape f %}{{ 1 / 0 }}", 2, "{% autoescape f %}{{ 1 / 0 }}"),
        ("\n{% autoescape f %}\n{{ 0 }}", 3, "{{ 0 }}"),
        ("{% apply f %}\n{{ 1 / 0 }}{% end %}", 2, "{{ 1 / 0 }}{% end %}"),
        ("\n{% apply f %}\n0{% end %}", 2, "{% apply f %}"),
        ("\n{% module M(1 / 0) %}", 2, "{% module M(1 / 0) %}"),
        ("{{ [\n[1 / x for x in y]\n for y in [[0]]] }}", 2, "[1 / x for x in y]"),
        ("\n{% set g = lambda: 1 / 0 %}\n{{ g() }}", 2, "{% set g = lambda: 1 / 0 %}"),
        ("{% try %}\n{{ 1 / 0 }}\n{% except KeyError %}{% end %}", 2, "{{ 1 / 0 }}"),
        ("\n{% try %}{{ x }}\n{% except 1 / 0 %}{% end %}", 3, "{% except 1 / 0 %}{% end %}"),
    ],
)
def test_a_traceback_shows_the_line_of_the_template(source: str, line: int, shown: str) -> None:
    page = Template(source, "some.txt")
    modules = SimpleNamespace(M=lambda value: value)
    lines = trace(page, f=lambda value: 1 / int(value), _tt_modules=modules).splitlines()
    place = f'  File "some.txt", line {line}, in '
    at = max(n for n, text in enumerate(lines) if text.startswith(place))
    assert lines[at + 1].strip() == shown
    assert any(note.startswith(f"# some.txt:{line}") for note in lines)


def test_a_traceback_points_at_the_expression() -> None:
    """Characters that end lines elsewhere do not, and the last line needs no newline."""
    shown = trace(Template("\f\u2028\v\n\n é {{ 'é' + 1 / 0 }}")).splitlines()
    at = shown.index("    é {{ 'é' + 1 / 0 }}")
    assert shown[at + 1] == "               ~~^~~"


@pytest.mark.feature("K05")
def test_a_traceback_goes_through_inherited_and_included_files() -> None:
    loader = DictLoader(
        {
            "base.html": "\n{% block body %}{% end %}",
            "leaf.html": "{% extends base.html %}\n{% block body %}\n{% include p.html %}{% end %}",
            "p.html": "\n\n\n{{ 1 / 0 }}",
        }
    )
    shown = trace(loader.load("leaf.html")).splitlines()
    places = [line.strip() for line in shown if "template.py" not in line and "File" in line]
    assert places[-3:] == [
        'File "base.html", line 2, in template',
        'File "leaf.html", line 3, in block body',
        'File "p.html", line 4, in template',
    ]
    assert shown[-1] == "# p.html:4 (via leaf.html:3, base.html:2)"
    assert "    {% include p.html %}{% end %}" in shown


def test_a_traceback_goes_through_modules() -> None:
    loader = DictLoader({"a.html": "\n{% module Template('b.html') %}", "b.html": "{{ 1 / 0 }}"})
    modules = SimpleNamespace(Template=lambda name: loader.load(name).generate())
    shown = trace(loader.load("a.html"), _tt_modules=modules).splitlines()
    assert shown[-2:] == ["# b.html:1", "# a.html:2"]


def test_a_traceback_names_the_file_that_holds_a_template(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "a.html").write_text("\n<b>{{ 1 / 0 }}</b>")
    shown = trace(Loader(tmp_path).load("pages/a.html"))
    assert f'File "{folder / "a.html"}", line 2, in template' in shown
    assert "<b>{{ 1 / 0 }}</b>" in shown
    assert shown.endswith("# pages/a.html:2\n")


def test_a_block_alone_has_tracebacks_too() -> None:
    page = Template("\n{% block b %}\n{{ 1 / 0 }}{% end %}", "a.html")
    with pytest.raises(ZeroDivisionError) as caught:
        page.render_block("b")
    assert caught.value.__notes__ == ["# a.html:3"]
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert (frames[-1].name, frames[-1].lineno) == ("block b", 3)


def test_an_error_that_is_raised_again_is_noted_once() -> None:
    error = ValueError("kept")

    def fail() -> None:
        raise error

    page = Template("{{ fail() }}")
    for _ in range(3):
        with pytest.raises(ValueError, match="kept"):
            page.generate(fail=fail)
    assert error.__notes__ == ["# <string>:1"]


def test_a_template_without_a_name_takes_no_one_elses_lines() -> None:
    """Code of others is named ``<string>`` too, and tracebacks look lines up by that name."""
    trace(Template("{{ 1 / 0 }}"))
    assert "<string>" not in linecache.cache


def test_a_wrong_call_of_a_page_is_no_error_of_the_template() -> None:
    page = Template("{{ x }}")
    with pytest.raises(NameError, match="'x' is not defined"):
        page.generate()
