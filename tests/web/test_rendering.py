"""Pages: templates, what they see, UI modules, and templates that wait or are streamed."""

import asyncio
import gc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Serve, Site, get
from tests.loops import expect_log
from tests.web import modules_of_a_site
from tests.web.test_handler import Body, handler_of, site_of
from toolkit import locale
from toolkit.httputil import HTTPServerRequest
from toolkit.template import BaseLoader, DictLoader, Template
from toolkit.util import ObjectDict
from toolkit.web import (
    Application,
    RequestHandler,
    TemplateModule,
    UIModule,
    is_absolute,
)


def pages_of(serve: Serve, templates: dict[str, str], body: Body, **settings: Any) -> Site:
    """Start a site with templates by name."""
    return site_of(serve, body, template_loader=DictLoader(templates), **settings)


async def page_of(serve: Serve, template: str, /, _settings: Any = None, **values: Any) -> str:
    """Return a template, filled in by a handler."""
    settings = _settings or {}
    site = pages_of(serve, {"p.html": template}, lambda h: h.render("p.html", **values), **settings)
    answer = await site.get()
    assert answer.status == 200
    return answer.text


# -- templates ---------------------------------------------------------------------------


@pytest.mark.feature("K01")
async def test_a_template_is_the_answer(serve: Serve) -> None:
    site = pages_of(serve, {"a.html": "<p>{{ x }}</p>"}, lambda h: h.render("a.html", x="<3"))
    answer = await site.get()
    assert (answer.text, answer.get("content-type")) == (
        "<p>&lt;3</p>",
        "text/html; charset=UTF-8",
    )
    assert answer.get("etag") is not None


async def test_rendering_ends_the_answer(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        await handler.render("p.html")
        with pytest.raises(RuntimeError, match="finish"):
            handler.render("p.html")
        with pytest.raises(RuntimeError, match="finish"):
            await handler.render_async("p.html")
        with pytest.raises(RuntimeError, match="finish"):
            await handler.render_stream("p.html")

    assert (await pages_of(serve, {"p.html": "once"}, body).get()).text == "once"


async def test_a_template_can_be_a_part_of_the_answer(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.write({"html": handler.render_string("p.html", n=1).decode()})

    assert (await pages_of(serve, {"p.html": "<{{ n }}>"}, body).get()).text == '{"html": "<1>"}'


@pytest.mark.feature("K07")
async def test_all_templates_see_some_names(serve: Serve) -> None:
    class Handler(RequestHandler):
        def get_current_user(self) -> str:
            return "alice"

        def get(self) -> None:
            self.render("p.html")

    names = (
        "{{ handler.request is request }} {{ current_user }} {{ locale.code }} {{ _('a') }} "
        "{{ pgettext('c', 'a') }} {{ reverse_url('p') }} "
        "{{ static_url('x', include_version=False) }}"
        "{{ 'hidden' in xsrf_form_html() }}"
    )
    settings = {"template_loader": DictLoader({"p.html": names}), "static_path": "."}
    site = serve([("/p", Handler, {}, "p")], settings)
    assert (await site.get("/p")).text == "True alice en_US a a /p /static/xTrue"


@pytest.mark.feature("K07")
async def test_a_handler_adds_names_of_its_own(serve: Serve) -> None:
    """Values that are given go first."""

    class Handler(RequestHandler):
        def get_template_namespace(self) -> dict[str, Any]:
            return {**super().get_template_namespace(), "site": "ours", "x": 1}

        def get(self) -> None:
            self.render("p.html", x=2)

    loader = DictLoader({"p.html": "{{ site }} {{ x }}"})
    assert (await serve([("/", Handler)], {"template_loader": loader}).get()).text == "ours 2"


async def test_an_error_of_a_template_is_one_of_the_handler(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = pages_of(serve, {"p.html": "a\n{{ 1 // 0 }}"}, lambda h: h.render("p.html"))
    assert (await site.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    assert "# p.html:2" in caplog.text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "&lt; a b"),
        ({"autoescape": None}, "< a b"),
        ({"template_whitespace": "all"}, "&lt; a\n\n b"),
        ({"template_whitespace": "oneline"}, "&lt; a b"),
    ],
)
async def test_settings_say_how_files_are_read(
    serve: Serve, tmp_path: Path, settings: dict[str, Any], text: str
) -> None:
    (tmp_path / "p.html").write_text("{{ '<' }} a\n\n b")
    site = site_of(serve, lambda h: h.render("p.html"), template_path=str(tmp_path), **settings)
    assert (await site.get()).text in (text, text.replace(" b", "\nb"))


async def test_without_a_path_templates_are_beside_the_program(serve: Serve) -> None:
    """The file whose code asks for one says where; a UI module may be that too."""
    beside = Path(__file__).with_name("beside_the_test.html")
    beside.write_text("found")
    try:

        class Part(UIModule):
            def render(self) -> bytes:
                return self.render_string(beside.name)

        class Direct(RequestHandler):
            def get(self) -> None:
                self.render(beside.name)

        class Async(RequestHandler):
            async def get(self) -> None:
                await self.render_async(beside.name)

        class Indirect(RequestHandler):
            def get(self) -> None:
                self.write(self.ui["modules"].Part())

        handlers = [("/a", Direct), ("/b", Async), ("/c", Indirect)]
        site = serve(handlers, {"ui_modules": {"Part": Part}})
        assert [(await site.get(path)).text for path in ("/a", "/b", "/c")] == ["found"] * 3
    finally:
        beside.unlink()


@pytest.mark.feature("K06")
@pytest.mark.parametrize(("cached", "second"), [(True, "old"), (False, "new")])
@pytest.mark.parametrize("from_files", [True, False])
async def test_changed_templates_are_seen_where_they_are_not_cached(
    serve: Serve, tmp_path: Path, cached: bool, second: str, from_files: bool
) -> None:
    """In development, by ``debug`` too; be they files or of a loader that cannot tell."""
    file = tmp_path / "p.html"
    file.write_text("old")

    class Own(BaseLoader):
        def _create_template(self, name: str) -> Template:
            return Template(file.read_text(), name=name, loader=self)

    where = {"template_path": str(tmp_path)} if from_files else {"template_loader": Own()}
    site = site_of(serve, lambda h: h.render("p.html"), compiled_template_cache=cached, **where)
    assert (await site.get()).text == "old"
    file.write_text("new")
    assert (await site.get()).text == second
    debug = Application([], debug=True, autoreload=False)
    assert debug.settings["compiled_template_cache"] is False


async def test_a_loader_is_made_once_for_an_application(serve: Serve) -> None:
    """Two applications, and two handlers that make their own, do not mix."""
    made: list[str] = []

    def class_of(word: str) -> type[RequestHandler]:
        class Handler(RequestHandler):
            def create_template_loader(self, template_path: str) -> BaseLoader:
                made.append(word)
                return DictLoader({"p.html": word})

            def get(self) -> None:
                self.render("p.html")

        return Handler

    site = serve([("/a", class_of("a")), ("/b", class_of("b"))])
    assert [(await site.get(path)).text for path in ("/a", "/b", "/a", "/b")] == [*"abab"]
    assert made == ["a", "b"]
    other = serve([("/a", class_of("c"))])
    assert (await other.get("/a")).text == "c"
    RequestHandler._template_loaders.clear()
    assert (await site.get("/a")).text == "a"
    assert made == ["a", "b", "c", "a"]


# -- UI methods and modules --------------------------------------------------------------


@pytest.mark.feature("K04")
@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("as_module", [False, True])
async def test_methods_and_modules_come_from_settings(
    serve: Serve, as_list: bool, as_module: bool
) -> None:
    source: Any = modules_of_a_site if as_module else vars(modules_of_a_site)
    both: dict[str, Any] = {
        name: [source] if as_list else source for name in ("ui_methods", "ui_modules")
    }
    text = await page_of(serve, "{{ shout('a') }} {% module Box('<x>') %}", both)
    assert text == "GET A [<x>]"
    application = Application([], **both)
    assert (set(application.ui_methods), "Box" in application.ui_modules) == ({"shout"}, True)


@pytest.mark.parametrize("setting", ["ui_methods", "ui_modules"])
def test_other_sources_are_refused(setting: str) -> None:
    settings: dict[str, Any] = {setting: "text"}
    with pytest.raises(TypeError, match=f"{setting} 'text'"):
        Application([], **settings)


async def test_a_module_that_is_not_there_is_named(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = pages_of(serve, {"p": "{% module Other() %}"}, lambda h: h.render("p"))
    assert (await site.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    assert "no UI module 'Other'; there are Template, linkify, xsrf_form_html" in caplog.text


@pytest.mark.feature("K04")
async def test_some_modules_are_always_there(serve: Serve) -> None:
    template = "{% module linkify('http://h.example', shorten=True) %}{% module xsrf_form_html() %}"
    text = await page_of(serve, template)
    assert text.startswith('<a href="http://h.example">http://h.example</a><input type="hidden"')


class Entry(UIModule):
    """Needs everything that a module can need."""

    def render(self, word: str) -> str:
        """Return the word."""
        assert self.request is self.handler.request
        assert self.locale is self.handler.locale
        return word

    def embedded_javascript(self) -> str:
        """Return a script."""
        return "script()"

    def javascript_files(self) -> Iterable[str]:
        """Return absolute and relative files."""
        return ["/a.js", "b.js", "https://h.example/c.js?x&y"]

    def embedded_css(self) -> str:
        """Return styles."""
        return "p {}"

    def css_files(self) -> str:
        """Return one file."""
        return "/a.css"

    def html_head(self) -> str:
        """Return a part of the head."""
        return "<meta>"

    def html_body(self) -> str:
        """Return a part of the body."""
        return "<footer/>"


class Second(UIModule):
    """Needs some of the same."""

    def render(self) -> bytes:
        """Return a word, as bytes."""
        return b"second"

    def javascript_files(self) -> Iterable[str]:
        """Return files of the other one, too."""
        return ["/a.js", "/d.js"]

    def embedded_css(self) -> str:
        """Return styles."""
        return "b {}"


HEAD_OF_ENTRIES = """\
<link href="/a.css" type="text/css" rel="stylesheet"/>
<style type="text/css">
p {}
b {}
</style>
<meta>
"""
FOOT_OF_ENTRIES = """\
<script src="/a.js" type="text/javascript"></script>\
<script src="/static/b.js" type="text/javascript"></script>\
<script src="https://h.example/c.js?x&amp;y" type="text/javascript"></script>\
<script src="/d.js" type="text/javascript"></script>
<script type="text/javascript">
//<![CDATA[
script()
//]]>
</script>
<footer/>
"""
PARTS = "{% module Entry('one') %} {% module Entry('two') %} {% module Second() %}"


class Plain(RequestHandler):
    """Renders a page whose static files have no version."""

    def static_url(self, path: str, include_host: bool | None = None, **kwargs: Any) -> str:
        """Return the URL of a file."""
        return f"/static/{path}"

    async def get(self, way: str) -> None:
        """Render in one of three ways."""
        if way == "stream":
            await self.render_stream("p.html")
        elif way == "async":
            await self.render_async("p.html")
        else:
            await self.render("p.html")


async def entries(serve: Serve, template: str, way: str) -> str:
    """Return a page with the modules above."""
    settings = {
        "template_loader": DictLoader({"p.html": template}),
        "ui_modules": {"Entry": Entry, "Second": Second},
    }
    return (await serve([("/(.*)", Plain)], settings).get(f"/{way}")).text


@pytest.mark.feature("K04")
@pytest.mark.parametrize("way", ["plain", "async"])
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<head></head><body>{}</body>", "<head>{}</head><body>one two second{}</body>"),
        ("<head></head>{}", "<head>{}</head>one two second{}"),
        ("<body>{}</body></html>", "{}<body>one two second{}</body></html>"),
        ("{}", "{}one two second{}"),
    ],
)
async def test_a_page_has_what_its_modules_need_once(
    serve: Serve, template: str, expected: str, way: str
) -> None:
    text = await entries(serve, template.replace("{}", PARTS), way)
    assert text == expected.format(HEAD_OF_ENTRIES, FOOT_OF_ENTRIES)


async def test_how_files_are_linked_can_be_overridden(serve: Serve) -> None:
    class Handler(Plain):
        def render_linked_js(self, js_files: Iterable[str]) -> str:
            return f"JS{sorted(js_files)}"

        def render_embed_js(self, js_embed: Iterable[bytes]) -> bytes:
            return b"EMBED" + b"".join(js_embed)

        def render_linked_css(self, css_files: Iterable[str]) -> str:
            return f"CSS{sorted(css_files)}"

        def render_embed_css(self, css_embed: Iterable[bytes]) -> bytes:
            return b"STYLE" + b"".join(css_embed)

    loader = DictLoader({"p.html": "{% module Entry('x') %}"})
    site = serve([("/(.*)", Handler)], {"template_loader": loader, "ui_modules": {"Entry": Entry}})
    text = (await site.get("/")).text
    assert text.startswith("CSS['/a.css']\nSTYLEp {}\n<meta>\nxJS['/a.js', 'b.js', 'https")
    assert text.endswith("]\nEMBEDscript()\n<footer/>\n")


@pytest.mark.feature("K04")
async def test_a_template_can_be_a_module(serve: Serve) -> None:
    """It sees what it is given; what it needs is there once, however often it is used."""
    templates = {
        "page.html": "<head></head><body>{% for n in (1, 2) %}"
        '{% module Template("entry.html", n=n) %}{% end %}</body>',
        "entry.html": '{{ set_resources(embedded_css="p {}", embedded_javascript="f()", '
        'css_files=["/a.css", "/b.css"], javascript_files="/c.js", html_head="<meta>", '
        'html_body="<hr>") }}entry {{ n }} ',
    }
    text = (await pages_of(serve, templates, lambda h: h.render("page.html")).get()).text
    assert text.count("/a.css") == text.count("/b.css") == text.count("f()") == 1
    assert text.count('<script src="/c.js"') == text.count("<meta>") == text.count("<hr>") == 1
    assert "<body>entry 1 entry 2 <script" in text


async def test_a_template_needs_the_same_each_time(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    templates = {
        "p": '{% module Template("e", f="a") %}{% module Template("e", f="b") %}',
        "e": "{{ set_resources(css_files=f) }}",
    }
    assert (await pages_of(serve, templates, lambda h: h.render("p")).get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    assert "set_resources of template 'e'" in caplog.text


async def test_modules_know_the_user_without_asking_for_one(serve: Serve) -> None:
    asked: list[str] = []

    class Who(UIModule):
        def render(self) -> str:
            return str(self.current_user)

    class Nobody(UIModule):
        def render(self) -> str:
            return "nobody"

    class Handler(RequestHandler):
        def get_current_user(self) -> str:
            asked.append("asked")
            return "alice"

        def get_template_namespace(self) -> ObjectDict:
            return self.ui

        def get(self, name: str) -> None:
            self.write(self.render_string(name))

    loader = DictLoader({"a": "{% module Nobody() %}", "b": "{% module Who() %}"})
    modules = {"Who": Who, "Nobody": Nobody}
    site = serve([("/(.)", Handler)], {"template_loader": loader, "ui_modules": modules})
    assert ((await site.get("/a")).text, asked) == ("nobody", [])
    assert ((await site.get("/b")).text, asked) == ("alice", ["asked"])


async def test_a_module_says_what_it_lacks() -> None:
    application = Application([])
    handler = handler_of(lambda h: None)(application, _request())
    module = UIModule(handler)
    with pytest.raises(NotImplementedError):
        module.render()
    found = (module.embedded_javascript(), module.javascript_files(), module.embedded_css())
    assert (*found, module.css_files(), module.html_head(), module.html_body()) == (None,) * 6
    assert list(TemplateModule(handler).css_files()) == []


def _request() -> Any:
    return HTTPServerRequest("GET", "/")


async def test_a_page_leaves_no_reference_cycle(serve: Serve) -> None:
    """Handlers, modules and what templates see of them are free at once."""
    template = PARTS + '{% module Template("e.html") %}{{ method() }}'
    settings = {
        "template_loader": DictLoader({"p.html": template, "e.html": "e"}),
        "ui_modules": {"Entry": Entry, "Second": Second},
        "ui_methods": {"method": lambda handler: handler.request.method},
    }
    client = await serve([("/(.*)", Plain)], settings).client()
    for way in ("plain", "async", "stream"):
        await client.get(f"/{way}")
        await asyncio.sleep(0)
        gc.collect()
        await client.get(f"/{way}")
        await asyncio.sleep(0)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        kinds = {type(item) for item in gc.garbage}
        gc.garbage.clear()
        assert not [kind for kind in kinds if issubclass(kind, (RequestHandler, UIModule))]


# -- waiting and streaming ---------------------------------------------------------------


@pytest.mark.feature("K02")
async def test_a_template_may_wait(serve: Serve) -> None:
    async def name() -> str:
        await asyncio.sleep(0)
        return "<Ann>"

    async def body(handler: RequestHandler) -> None:
        part = await handler.render_string_async("p.html", name=name)
        assert part == b"Hello &lt;Ann&gt;"
        await handler.render_async("p.html", name=name)

    answer = await pages_of(serve, {"p.html": "Hello {{ await name() }}"}, body).get()
    assert (answer.text, answer.get("etag") is not None) == ("Hello &lt;Ann&gt;", True)


async def test_a_template_that_waits_needs_a_handler_that_does(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = pages_of(serve, {"p.html": "{{ await x }}"}, lambda h: h.render("p.html", x=None))
    assert (await site.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    assert "render it asynchronously" in caplog.text


@pytest.mark.feature("K03")
async def test_a_stream_is_sent_while_it_is_made(serve: Serve) -> None:
    """The client has the first part before the second is begun."""
    gate = asyncio.Event()

    async def late() -> str:
        await gate.wait()
        return "late"

    async def body(handler: RequestHandler) -> None:
        await handler.render_stream("p.html", late=late)

    site = pages_of(serve, {"p.html": "early{% flush %}{{ await late() }}"}, body)
    client = await site.client()
    await client.send(get())
    received = b""
    while b"early" not in received:
        received += await client.read()
    assert b"late" not in received
    gate.set()
    client.rest = received
    assert (await client.answer()).text == "earlylate"


@pytest.mark.feature("K03")
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        # Nothing has left yet: as any other page.
        ("<head></head><body>{}</body>", "<head>{head}</head><body>{parts}{foot}</body>"),
        # The head has left before the modules were known.
        (
            "<head></head>{% flush %}<body>{}</body>",
            "<head></head><body>{parts}{head}{foot}</body>",
        ),
        ("<head></head>{% flush %}{}{% flush %}", "<head></head>{parts}{head}{foot}"),
        (
            "{}{% flush %}<head></head><body></body>",
            "{parts}<head>{head}</head><body>{foot}</body>",
        ),
    ],
)
async def test_a_stream_has_what_its_modules_need_where_it_can(
    serve: Serve, template: str, expected: str
) -> None:
    text = await entries(serve, template.replace("{}", PARTS), "stream")
    pieces = {"{parts}": "one two second", "{head}": HEAD_OF_ENTRIES, "{foot}": FOOT_OF_ENTRIES}
    for name, piece in pieces.items():
        expected = expected.replace(name, piece)
    assert text == expected


async def test_a_stream_ends_with_its_client(serve: Serve) -> None:
    """What the template has begun is ended, by its ``finally``."""
    ended = asyncio.Event()

    async def body(handler: RequestHandler) -> None:
        await handler.render_stream("p.html", big="x" * 300_000, ended=ended)

    template = (
        "{% try %}{% while True %}{{ big }}{% flush %}{% end %}{% finally %}"
        "{% set _none = ended.set() %}{% end %}"
    )
    site = pages_of(serve, {"p.html": template}, body)
    client = await site.client(receive_buffer=4096)
    await client.send(get())
    await client.read()
    client.reset()
    await ended.wait()


def test_absolute_urls_are_no_static_files() -> None:
    assert [is_absolute(url) for url in ("/a", "http://h/a", "https://h/a", "//h/a")] == [True] * 4
    assert [is_absolute(url) for url in ("a", "a/b", "ftp", "")] == [False] * 4


def test_the_language_of_the_tests_is_the_default() -> None:
    """Other tests may load translations; they forget them."""
    assert locale.get("fr_FR").code == "en_US"
