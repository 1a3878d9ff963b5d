"""The language of templates."""

import datetime
import doctest
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.escape import xhtml_escape
from toolkit.template import DictLoader, ParseError, Template, filter_whitespace
from toolkit.template import loader as loader_room
from toolkit.template import reader as reader_room
from toolkit.template import template as template_room


def render(source: str | bytes, /, **values: Any) -> str:
    """Return the page of a template."""
    return Template(source).generate(**values).decode()


# -- values ------------------------------------------------------------------------------


class Shown:
    def __str__(self) -> str:
        return "<shown>"


class Marked(str):
    """Claims to be HTML, and does not replace what it is asked to."""

    def __html__(self) -> str:
        return "<html>"

    def __str__(self) -> str:
        return self

    def replace(self, *args: Any) -> str:  # type: ignore[override]
        return self


class GivesMarked:
    def __str__(self) -> str:
        return Marked("<given>")


@pytest.mark.feature("K01")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("& < > \" '", "&amp; &lt; &gt; &quot; &#x27;"),
        ("&amp;", "&amp;amp;"),
        (b"<\xc3\xa9>", "&lt;é&gt;"),
        (None, "None"),
        (0, "0"),
        (-12, "-12"),
        (True, "True"),
        (1.5, "1.5"),
        (["<"], "[&#x27;&lt;&#x27;]"),
        (Shown(), "&lt;shown&gt;"),
        (Marked("<a>"), "&lt;a&gt;"),
        (GivesMarked(), "&lt;given&gt;"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
    ],
)
def test_values_are_escaped_whatever_they_are(value: Any, expected: str) -> None:
    """Mako CVE-2010-2480: all five characters, and of every type."""
    assert render("{{ value }}", value=value) == expected
    assert render('<a title="{{ value }}">', value=value) == f'<a title="{expected}">'


@pytest.mark.parametrize("character", "&<>\"'")
def test_each_character_is_escaped_alone(character: str) -> None:
    assert render("{{ c }}", c=character) == xhtml_escape(character)
    assert render("{{ c }}", c=f"a{character}") == "a" + xhtml_escape(character)


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_templates_escape_as_xhtml_escape_does(value: str) -> None:
    assert render("{{ v }}{{ v }}", v=value) == 2 * xhtml_escape(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("<b>", b"<b>"), (b"<\xc3\xa9>", "<é>".encode()), (5, b"5"), (None, b"None")],
)
def test_raw_values_are_not_escaped(value: Any, expected: bytes) -> None:
    assert Template("{% raw v %}").generate(v=value) == expected
    assert Template("{{ v }}", autoescape=None).generate(v=value) == expected
    assert Template("{% autoescape None %}{{ v }}").generate(v=value) == expected
    assert Template("{% module M() %}").generate(_tt_modules=SimpleNamespace(M=lambda: value)) == (
        expected
    )


def test_raw_bytes_need_not_be_utf8_but_escaped_ones_do() -> None:
    page = Template("é{% raw v %}{{ 1 }}")
    assert page.generate(v=b"\xff") == "é".encode() + b"\xff1"
    with pytest.raises(UnicodeDecodeError):
        render("{{ v }}", v=b"\xff")


def test_lone_surrogates_are_no_utf8() -> None:
    with pytest.raises(UnicodeEncodeError):
        render("{{ v }}", v="\ud800")


def test_a_value_that_cannot_be_shown_raises_its_own_error() -> None:
    class Broken:
        def __str__(self) -> str:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "broken")

    with pytest.raises(UnicodeDecodeError, match="broken"):
        render("{% raw v %}", v=Broken())


# -- expressions and statements ----------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("no tag: { } }} %} #}", "no tag: { } }} %} #}"),
        ("{{1}}{{ 2 }}{{\n3\n}}", "123"),
        ("{{ 1, 2 }}", "(1, 2)"),
        ("{{ { 1 } }}", "{1}"),
        ("{{ 1 # why }}", "1"),
        ("{{ 1\n + 2 }}", "3"),
        ("{{ 'a'\n 'b' }}", "ab"),
        ("{{ [x\n for x in 'ab'] [\n0] }}", "a"),
        ("{{ sum(x\n for x in [1, 2]) }}", "3"),
        ("{{ (lambda a, b=2, *, c=3: a + b + c)(1) }}", "6"),
        ("{{ {k: v for k, v in [(1, 2)]}[1] }}", "2"),
        ("{{ f'{1 + 1}<' }}", "2&lt;"),
        ("{{{1}}}", "{1}"),
        ("{{{{1}}}}", "{{1}}"),
        ("{{!", "{{"),
        ("{%!", "{%"),
        ("{#!", "{#"),
        ("{{{!x", "{{{x"),
        ("{{! {{ 1 }} {%! if %} {#! no #}", "{{ 1 {% if %} {# no #}"),
        ("a{# b {{ c }} #}d", "ad"),
        ("a{% comment b %}c{% comment %}d", "acd"),
        ("é{{ 'é' }}{# é #}é", "ééé"),
        ("{% set x = 1 %}{{ x }}", "1"),
        ("{% set x, y = 1, 2 %}{{ x + y }}", "3"),
        ("{% set x = 1; y = 2 %}{{ x + y }}", "3"),
        ("{% set a = [] %}{% set a.append(1) %}{{ a }}", "[1]"),
        ("{% set\tx = (1,\n 2) %}{{ x }}", "(1, 2)"),
        ("{% set def f(x=2): return x * 2 %}{{ f() }}", "4"),
        ("{% set class C(list): pass %}{{ C() }}", "[]"),
        ("{% import os.path %}{{ os.path.basename('a/b') }}", "b"),
        ("{% import os.path as p %}{{ p.basename('a/b') }}", "b"),
        ("{% from os.path import basename as b, dirname %}{{ b('a/b') + dirname('c/d') }}", "bc"),
        ("{{ escape('<') }}", "&amp;lt;"),
        ("{% raw xhtml_escape('<') + url_escape('a b') %}", "&lt;a+b"),
        ("{% raw json_encode('</') + squeeze(' a  b ') %}", '"<\\/"a b'),
        (
            "{% raw linkify('http://a.example') %}",
            '<a href="http://a.example">http://a.example</a>',
        ),
        ("{{ datetime.date(2024, 1, 2) }}", "2024-01-02"),
        ("{{ __name__ }}", "&lt;string&gt;"),
    ],
)
def test_expressions_and_statements_are_python(source: str, expected: str) -> None:
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "values", "expected"),
    [
        ("{% if x %}a{% end %}", {"x": 1}, "a"),
        ("{% if x > 1 %}a{% elif x %}b{% else %}c{% end %}", {"x": 2}, "a"),
        ("{% if x > 1 %}a{% elif x %}b{% else %}c{% end %}", {"x": 1}, "b"),
        ("{% if x > 1 %}a{% elif x %}b{% else %}c{% end %}", {"x": 0}, "c"),
        ("{% if x # why %}{% else %}c{% end if %}", {"x": 0}, "c"),
        ("{% if x and\n y %}a{% end %}", {"x": 1, "y": 1}, "a"),
        ("{%\nif x\n%}a{%\nend\n%}", {"x": 1}, "a"),
        ("{% for i in x %}{{ i }}{% else %}e{% end %}", {"x": "ab"}, "abe"),
        ("{% for i, (j, *k) in x %}{{ i }}{{ j }}{{ k }}{% end %}", {"x": [(1, "a")]}, "1a[]"),
        ("{% for i in 1, 2 %}{{ i }}{% end %}", {}, "12"),
        (
            "{% for i in x %}{% if i == 'b' %}{% break %}{% end %}{{ i }}{% end %}",
            {"x": "abc"},
            "a",
        ),
        (
            "{% for i in x %}{% if i == 'b' %}{% continue %}{% end %}{{ i }}{% end %}",
            {"x": "abc"},
            "ac",
        ),
        ("{% while x %}{{ x.pop() }}{% else %}e{% end %}", {"x": [1, 2]}, "21e"),
        (
            "{% while True %}{% for i in x %}{% else %}{% break %}{% end %}{% end %}z",
            {"x": []},
            "z",
        ),
        ("{% try %}a{{ 1 / x }}b{% except %}c{% end %}", {"x": 0}, "ac"),
        (
            "{% try %}{{ 1 / x }}{% except ZeroDivisionError as e %}{{ e }}{% end %}",
            {"x": 0},
            "division by zero",
        ),
        (
            "{% try %}{{ x }}{% except (KeyError, OSError) %}b{% else %}c{% finally %}d{% end %}",
            {"x": 1},
            "1cd",
        ),
        ("{% try %}a{% finally %}b{% end %}", {}, "ab"),
        ("{% for i in 'ab' %}{% block c %}{% break %}{% end %}{% end %}x", {}, "x"),
    ],
)
def test_control_statements_are_python(source: str, values: dict[str, Any], expected: str) -> None:
    assert render(source, **values) == expected


def test_a_page_has_any_name_for_a_value() -> None:
    values = {"self": 1, "block": 2, "chunk_size": 3, "kwargs": 4}
    source = "{{ self }}{{ block }}{{ chunk_size }}{{ kwargs }}"
    page = Template(f"{{% block b %}}{source}{{% end %}}")
    assert page.generate(**values) == b"1234"
    assert page.render_block("b", **values) == b"1234"
    assert list(page.stream(**values)) == [b"1234"]


def test_a_variable_that_is_set_is_no_value_any_more() -> None:
    """As in a function of Python, all of the page counts."""
    with pytest.raises(UnboundLocalError):
        render("{{ x }}{% set x = 1 %}", x=2)


@pytest.mark.parametrize(
    "statement",
    [
        "v = 1",
        "v: int = 1; w: int",
        "v, w = 1, 2",
        "[(v, *w)] = [[1]]",
        "v = w = 1",
        "print(v := 1, end='')",
        "w = [(v := x) for x in [1]]",
        "f = lambda a=(v := 1): a",
        "import sys as v; v = 1",
        "def v(): pass\nv = 1",
        "@lambda f: 1\ndef v(): pass",
        "@[str, (v := 1)][0]\ndef u(): pass",
        "def u(a=(v := 1)): pass",
        "@lambda c: 1\nclass v: pass",
        "@[str, (v := 1)][0]\nclass u: pass",
        "class u(*[(v := 1)][1:]): pass",
        "class u(metaclass=[type, (v := 1)][0]): pass",
        "match [1]:\n case [v, *w]: pass",
        "match {1: 1}:\n case {1: v, **w}: pass",
        "for v in [1]: pass",
        "try: raise OSError\nexcept OSError as w: v = 1",
        "with open('/dev/null') as w: v = 1",
    ],
)
def test_every_way_to_bind_a_name_is_shared_with_parts(statement: str) -> None:
    """A name that the page did not know would be another variable in the part."""
    loader = DictLoader({"a": "{% include b %}{{ v }}", "b": f"{{% set {statement} %}}"})
    assert loader.load("a").generate() == b"1"


def test_variables_of_comprehensions_stay_their_own() -> None:
    source = "{% set y = [x for x in 'ab' if (z := x)] %}{{ x }}{{ y }}{{ z }}"
    assert render(source, x="!") == "![&#x27;a&#x27;, &#x27;b&#x27;]b"
    # So it is where parts share their variables.
    loader = DictLoader({"a": "{{ x }}{% include b %}{{ x }}{{ z }}", "b": source})
    assert loader.load("a").generate(x="!").decode().startswith("!![")


# -- functions ---------------------------------------------------------------------------


def test_apply_gives_the_function_the_bytes_within() -> None:
    seen = []

    def function(value: bytes) -> str:
        seen.append(value)
        return "<é>"

    source = "{% apply f %}a{{ '<' }}{% apply f %}b{% end %}{% end %}c"
    assert render(source, f=function) == "<é>c"
    assert seen == [b"b", "a&lt;<é>".encode()]
    assert render("{% apply g(1) %}x{% end %}", g=lambda n: lambda b: n * b + b"\xc3\xa9") == "xé"


def test_variables_set_within_apply_are_set() -> None:
    source = "{% apply f %}{% set x = 2 %}{% end %}{{ x }}"
    assert render(source, f=lambda value: value) == "2"


def test_autoescape_names_a_function_that_gets_bytes() -> None:
    def bracketed(value: bytes) -> str:
        assert type(value) is bytes
        return f"[{value.decode()}]"

    assert render("{% autoescape f %}{{ '<' }}{{ 5 }}", f=bracketed) == "[<][5]"
    assert render("{% autoescape m.f %}{{ b'x' }}", m=SimpleNamespace(f=bracketed)) == "[x]"


def test_the_last_autoescape_holds_for_the_whole_file() -> None:
    assert render("{{ '<' }}{% autoescape None %}{{ '<' }}") == "<<"
    assert Template("{% autoescape xhtml_escape %}{{ '<' }}", autoescape=None).generate() == b"&lt;"


@pytest.mark.parametrize("name", ["xhtml_escape", "escape"])
def test_the_usual_function_may_be_replaced(name: str) -> None:
    source = f"{{% autoescape {name} %}}{{{{ '<' }}}}"
    assert render(source) == "&lt;"
    assert render(source, **{name: lambda value: b"!"}) == "!"
    assert render(f"{{% set {name} = f %}}{source}", f=lambda value: b"?") == "?"
    loader = DictLoader({"a": source}, namespace={name: lambda value: "+"})
    assert loader.load("a").generate() == b"+"


@pytest.mark.parametrize("source", ["{% apply f %}{% end %}", "{% autoescape f %}{{ 1 }}"])
@pytest.mark.parametrize("returned", [None, 5])
def test_a_function_that_gives_no_text_is_an_error(source: str, returned: Any) -> None:
    with pytest.raises(TypeError, match="not str or bytes"):
        render(source, f=lambda value: returned)


def test_modules_are_looked_up_by_name() -> None:
    modules = SimpleNamespace(List=lambda items, **kw: f"<ul>{items}{kw}</ul>")
    source = "{% module List([1],\n depth=2) %}"
    assert render(source, _tt_modules=modules) == "<ul>[1]{'depth': 2}</ul>"


# -- whitespace --------------------------------------------------------------------------

TEXT = " \t a  b\t\n \n c \r\n d  "


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("all", TEXT), ("single", " a b\nc\nd "), ("oneline", " a b c d ")],
)
def test_whitespace_is_kept_or_squeezed(mode: str, expected: str) -> None:
    assert filter_whitespace(mode, TEXT) == expected
    assert Template(TEXT, whitespace=mode).generate().decode() == expected
    assert render(f"{{% whitespace {mode} %}}{TEXT}") == expected
    assert DictLoader({"a": TEXT}, whitespace=mode).load("a").generate().decode() == expected


@pytest.mark.parametrize(
    ("name", "squeezed"), [("a.html", True), ("a.js", True), ("a.txt", False), ("html", False)]
)
def test_whitespace_is_decided_by_the_name(name: str, squeezed: bool) -> None:
    assert (Template("a  b", name=name).generate() == b"a b") is squeezed
    assert Template("a  b", name=name, whitespace="all").generate() == b"a  b"


def test_whitespace_changes_from_the_directive_on() -> None:
    assert render("a  b{% whitespace oneline %}c \n d{% whitespace all %} \n ") == "a  bc d \n "


def test_whitespace_within_tags_is_none() -> None:
    source = "{% for i in x\n  %}{% if i %}, {% end %}{#\n  #}{{ i\n  }}{% end\n%}"
    assert render(source, x=range(3)) == "0, 1, 2"


def test_a_wrong_mode_is_an_error() -> None:
    for make in (
        lambda: filter_whitespace("none", ""),
        lambda: Template("", whitespace="none"),
        lambda: DictLoader({"a": ""}, whitespace="none").load("a"),
    ):
        with pytest.raises(ValueError, match="invalid whitespace mode 'none'"):
            make()


def test_compress_whitespace_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="use whitespace"):
        assert Template("a  b", compress_whitespace=True).generate() == b"a b"
    with pytest.warns(DeprecationWarning, match="use whitespace"):
        assert Template("a  b", "a.html", compress_whitespace=False).generate() == b"a  b"
    with pytest.raises(ValueError, match="both"):
        Template("", compress_whitespace=True, whitespace="all")


# -- inheritance and inclusion -----------------------------------------------------------


def pages(**templates: str) -> Callable[..., str]:
    """Return what renders one of several templates."""
    loader = DictLoader(templates)
    return lambda name, **values: loader.load(name).generate(**values).decode()


@pytest.mark.feature("K01")
def test_blocks_replace_those_of_the_same_name() -> None:
    page = pages(
        root="[{% block a %}a{% end %}|{% block b %}b{% block c %}c{% end %}{% end %}]",
        middle="{% extends root %}ignored{% block a %}A{% end %}{% set x = ignored() %}",
        leaf="{% extends 'middle' %}{% block c %}C{{ x }}{% end %}",
        other='{% extends "middle" %}{% block b %}B{% block d %}d{% end %}{% end %}',
    )
    assert page("root") == "[a|bc]"
    assert page("middle") == "[A|bc]"
    assert page("leaf", x=1) == "[A|bC1]"
    assert page("other") == "[A|Bd]"


def test_the_last_block_of_a_name_stands_in_all_places() -> None:
    page = pages(
        same="{% block a %}1{% end %}{% block 'a' %}2{% end %}",
        root="{% block a %}r{% end %}{% include part %}",
        part="({% block a %}p{% end %})",
        leaf="{% extends root %}{% include part2 %}",
        part2="{% block a %}2{% end %}",
    )
    assert page("same") == "22"
    assert page("root") == "p(p)"
    assert page("leaf") == "2(2)"


def test_included_files_and_blocks_share_all_variables() -> None:
    page = pages(
        page="{% for i in x %}{% include part %}{% end %}{{ y }}",
        part="{% set y = i + 1 %}{% include deeper %}",
        deeper="{{ y }}{% set y = y * 10 %}{% import math %}",
        base="{% block a %}{% end %}{{ v }}{{ os.sep }}",
        leaf="{% extends base %}{% block a %}{% set v = 1 %}{% import os %}{% end %}",
    )
    assert page("page", x=[1, 2]) == "2330"
    assert page("leaf") == "1/"


def test_each_file_has_its_own_escaping_and_whitespace() -> None:
    page = pages(
        **{
            "a.html": "{{ v }}  {% include b.txt %}",
            "b.txt": "{% autoescape None %}{{ v }}  {% block c %}{{ v }}{% end %}",
            "c.html": "{% extends b.txt %}{% block c %}  {{ v }}{% end %}",
        }
    )
    assert page("a.html", v="<") == "&lt; <  <"
    assert page("c.html", v="<") == "<   &lt;"


def test_parts_may_stand_within_apply() -> None:
    page = pages(a="{% apply f %}{% include b %}{% end %}{% include b %}", b="b{{ x }}")
    assert page("a", f=lambda value: value.upper(), x="x") == "BXbx"


def test_an_included_file_appears_as_often_as_it_is_included() -> None:
    """Compiled once: doubling at each of 40 levels would make a million million parts."""
    loader = DictLoader({f"{n}": f"{{% include '{n + 1}' %}}" * 2 for n in range(40)} | {"40": ""})
    assert len(loader.load("0").code) < 10_000
    assert loader.load("30").generate() == b""


# -- one block ---------------------------------------------------------------------------


def test_one_block_is_rendered_alone() -> None:
    loader = DictLoader(
        {
            "base": "{{ nothing }}{% block a %}{{ x }}{% block b %}b{% end %}{% end %}",
            "leaf": "{% extends base %}{% block b %}<{{ x }}>{% include part %}{% end %}",
            "part": "{% block c %}{% set y = x %}{{ y }}{% end %}",
        }
    )
    leaf = loader.load("leaf")
    assert leaf.blocks == ("a", "b", "c")
    assert leaf.render_block("a", x="&") == b"&amp;<&amp;>&amp;"
    assert leaf.render_block("b", x=1) == b"<1>1"
    assert loader.load("base").render_block("b") == b"b"
    with pytest.raises(KeyError, match=r"leaf has no block 'd'; it has \('a', 'b', 'c'\)"):
        leaf.render_block("d")


def test_a_block_that_leaves_the_loop_around_it_cannot_stand_alone() -> None:
    page = Template("{% for i in x %}\n{% block a %}{% break %}{% end %}{% end %}", "p")
    assert page.generate(x=[1]) == b"\n"
    with pytest.raises(ParseError, match="'break' outside loop at p:2"):
        page.render_block("a")


# -- the object --------------------------------------------------------------------------


def test_a_template_tells_what_it_is() -> None:
    loader = DictLoader({"a.txt": "{{ x }}"}, namespace={"x": 1})
    page = loader.load("a.txt")
    assert (page.name, page.loader, page.autoescape) == ("a.txt", loader, "xhtml_escape")
    assert page.namespace is loader.namespace
    assert page.file.source.text == "{{ x }}"
    assert page.compiled.co_filename == "a.txt"
    assert "_tt_escaped(x)" in page.code
    assert repr(page) == "<Template 'a.txt'>"
    assert not page.waits


def test_neighbouring_texts_and_values_are_one_piece() -> None:
    """What makes it fast: the fewest steps for a page."""
    page = Template("a{# c #}b{% block x %}c{{ 1 }}d{% end %}e{% if 0 %}f{% end %}")
    assert "_tt_append(f'abc{_tt_escaped(1)}de')" in page.code


def test_the_examples_of_the_documentation_are_true() -> None:
    for room in (reader_room, template_room, loader_room):
        result = doctest.testmod(room)
        assert result.attempted
        assert not result.failed


# -- time --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{" * 400_000,
        "{ " * 200_000,
        "{{!" * 100_000,
        " " * 1_000_000 + "x",
        "\r" * 1_000_000 + "x",
        "\n " * 500_000,
        "é{{ x }}" * 5_000,
        "{# #}\n" * 50_000,
        "{{ x }}{# " * 20_000,
    ],
    ids=lambda source: source[:8],
)
def test_reading_takes_linear_time(source: str) -> None:
    """Quadratic time would take minutes for each of these."""
    try:
        Template(source, "a.html")
    except ParseError:
        pass


def test_whitespace_modes_agree_with_their_meaning() -> None:
    """Each run by itself, compared with the words of the documentation."""
    chance = random.Random(1)
    for _ in range(2000):
        run = "".join(chance.choices(" \t\n\r\v\xa0", k=chance.randrange(1, 6)))
        assert filter_whitespace("oneline", f"a{run}b") == "a b"
        single = filter_whitespace("single", f"a{run}b")
        assert single == "a\nb" if "\n" in run else "  " not in single
