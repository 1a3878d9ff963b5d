"""Templates: text with Python in it, compiled to a function.

Example::

    loader = Loader("templates")
    content = loader.load("list.html").generate(title="Birds", birds=birds)

``templates/base.html``::

    <title>{% block title %}{{ title }}{% end %}</title>
    {% block body %}{% end %}

``templates/list.html``::

    {% extends "base.html" %}
    {% block body %}
      <ul>
      {% for bird in birds %}<li>{{ bird.name }}{% end %}
      </ul>
    {% end %}

``{{ }}`` escapes ``& < > " '``, which is what HTML and its quoted attributes need; it knows
nothing of JavaScript, CSS or URLs. Templates run any Python that stands in them: only those who
may change the program may write them.

================================================  ==============================================
``{{ expression }}``                              its value, escaped
``{% raw expression %}``                          its value as it is
``{# … #}``, ``{% comment … %}``                  nothing
``{{!``, ``{%!``, ``{#!``                         ``{{``, ``{%``, ``{#`` as text
``{% if c %}`` ``elif c`` ``else`` ``end``        as in Python; so are the next three
``{% for x in y %}`` ``else`` ``end``             also ``{% async for x in y %}``
``{% while c %}`` ``else`` ``end``                ``{% break %}`` and ``{% continue %}`` in both
``{% try %}`` ``except E`` ``else`` ``finally``
``{% set x = y %}``                               a statement
``{% import x %}``, ``{% from x import y %}``     as in Python
``{% extends "name" %}``                          the other template, with our blocks in it
``{% block name %}`` ``end``                      what may be replaced
``{% include "name" %}``                          the other template, with our variables
``{% module Name(…) %}``                          a UI module, as it is
``{% apply function %}`` ``end``                  what the function makes of the bytes within
``{% autoescape function %}``                     how this file escapes; ``None`` for not at all
``{% whitespace mode %}``                         ``all``, ``single`` or ``oneline`` from here on
``{% flush %}``                                   a stream sends what it has
================================================  ==============================================
"""

from toolkit.template.errors import ParseError, PythonSyntaxError
from toolkit.template.loader import (
    BaseLoader,
    ChoiceLoader,
    DictLoader,
    Loader,
    PackageLoader,
)
from toolkit.template.reader import filter_whitespace
from toolkit.template.stream import TemplateStream
from toolkit.template.template import Template

__all__ = [
    "BaseLoader",
    "ChoiceLoader",
    "DictLoader",
    "Loader",
    "PackageLoader",
    "ParseError",
    "PythonSyntaxError",
    "Template",
    "TemplateStream",
    "filter_whitespace",
]
