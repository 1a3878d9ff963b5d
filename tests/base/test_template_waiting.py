"""Templates that wait, and pages that come in chunks."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.template import DictLoader, Template


async def later(value: Any) -> Any:
    """Return a value in a later turn of the loop."""
    await asyncio.sleep(0)
    return value


async def each(values: Any) -> AsyncIterator[Any]:
    """Yield values, each in a turn of its own."""
    for value in values:
        yield await later(value)


# -- waiting -----------------------------------------------------------------------------


@pytest.mark.feature("K02")
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ await later('<') }}{{ 1 }}", "&lt;1"),
        ("{% raw await later('<') %}", "<"),
        ("{% set x = await later(2) %}{{ x }}", "2"),
        ("{% if await later(0) %}a{% elif await later(1) %}b{% end %}", "b"),
        ("{% for x in await later('ab') %}{{ x }}{% end %}", "ab"),
        ("{% while await later(s) %}{{ s.pop() }}{% end %}", "21"),
        ("{% async for x in each('ab') %}{{ x }}{% else %}.{% end %}", "ab."),
        ("{{ [x async for x in each('a')] }}", "[&#x27;a&#x27;]"),
        ("{{ [await later(x) for x in 'a'][0] }}", "a"),
        ("{% apply await upper %}x{% end %}", "X"),
        ("{% apply f %}{{ await later('x') }}{% end %}", "(x)"),
        ("{% module await Later('<') %}", "<"),
        ("{% module await Later(\n1) %}", "1"),
        ("{% autoescape None %}{{ await later('<') }}", "<"),
        ("{% try %}{{ await later(x) }}{% except NameError %}none{% end %}", "none"),
        ("{% block a %}{{ await later(1) }}{% end %}", "1"),
        ("no {{ 1 }} waiting", "no 1 waiting"),
    ],
)
async def test_templates_wait_wherever_there_is_python(source: str, expected: str) -> None:
    async def upper(value: bytes) -> bytes:
        return (await later(value)).upper()

    values = {
        "later": later,
        "each": each,
        "s": [1, 2],
        "upper": upper,
        "f": lambda value: b"(%s)" % value,
        "_tt_modules": SimpleNamespace(Later=later),
    }
    page = Template(source)
    assert (await page.generate_async(**values)).decode() == expected
    values["s"] = [1, 2]
    chunks = [chunk async for chunk in page.stream(**values)]
    assert b"".join(chunks).decode() == expected


async def test_parts_of_a_page_wait_too() -> None:
    loader = DictLoader(
        {
            "base": "{% for i in x %}{% block b %}{% end %}{% end %}",
            "leaf": "{% extends base %}{% block b %}{% include part %}{% end %}",
            "part": "{% set y = await later(i) %}{{ y }}",
        },
        namespace={"later": later},
    )
    leaf = loader.load("leaf")
    assert leaf.waits
    assert not loader.load("base").waits
    assert await leaf.generate_async(x="abc") == b"abc"
    assert await leaf.render_block_async("b", i=1) == b"1"
    assert await loader.load("base").render_block_async("b") == b""


async def test_a_template_that_waits_is_not_rendered_at_once() -> None:
    page = Template("{% block a %}\n{{ await later(1) }}{% end %}{% block b %}b{% end %}", "p")
    for render in (page.generate, lambda **kw: page.render_block("a", **kw)):
        with pytest.raises(RuntimeError, match="waits at p:2: render it asynchronously"):
            render(later=later)
    assert page.render_block("b") == b"b"


async def test_a_stream_that_waits_is_ended_where_nobody_can_wait() -> None:
    ended: list[int] = []
    page = Template("{% try %}{{ await later(1) }}{% finally %}{% set ended.append(1) %}{% end %}")
    with pytest.raises(RuntimeError, match="iterate with 'async for'") as caught:
        next(page.stream(later=later, ended=ended))
    assert ended == [1], caught.value


async def test_a_replaced_escape_function_holds_there_too() -> None:
    page = Template("{{ await later('<') }}")
    assert await page.generate_async(later=later, xhtml_escape=lambda value: "!") == b"!"


async def test_errors_of_waiting_templates_have_lines() -> None:
    page = Template("\n{{ await later(1) / 0 }}", "p")
    with pytest.raises(ZeroDivisionError) as caught:
        await page.generate_async(later=later)
    assert caught.value.__notes__ == ["# p:2"]
    with pytest.raises(ZeroDivisionError) as caught:
        [chunk async for chunk in page.stream(later=later)]
    assert caught.value.__notes__ == ["# p:2"]


async def test_time_outs_work_within_a_template() -> None:
    async def limited() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "never"

    page = Template("{{ await limited() }}")
    assert await page.generate_async(limited=limited) == b"late"
    assert [chunk async for chunk in page.stream(limited=limited)] == [b"late"]


async def test_a_cancelled_page_runs_its_finally() -> None:
    ended = []
    begun = asyncio.Event()

    async def stuck() -> None:
        begun.set()
        await asyncio.Event().wait()

    source = "{% try %}{{ await stuck() }}{% finally %}{% set ended.append(1) %}{% end %}"

    async def collect() -> None:
        async for _ in Template(source).stream(stuck=stuck, ended=ended):
            pass

    for work in (Template(source).generate_async(stuck=stuck, ended=ended), collect()):
        task = asyncio.ensure_future(work)
        await begun.wait()
        begun.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == [1, 1]


# -- chunks ------------------------------------------------------------------------------


@pytest.mark.feature("K03")
def test_a_page_is_sent_while_it_is_still_being_rendered() -> None:
    page = Template("<head>{% flush %}{{ body() }}{% flush %}{% flush %}</body>{% flush %}")
    rendered = []

    def body() -> str:
        rendered.append(True)
        return "<body>"

    stream = page.stream(body=body)
    assert next(stream) == b"<head>"
    assert not rendered
    assert next(stream) == b"&lt;body&gt;"
    assert list(stream) == [b"</body>"]
    assert list(stream) == []
    assert page.generate(body=body) == b"<head>&lt;body&gt;</body>"


@pytest.mark.feature("K03")
async def test_a_page_is_sent_while_it_waits() -> None:
    gate = asyncio.Event()
    page = Template("head{% flush %}{% if await gate.wait() %}{{ 1 }}{% end %}")
    stream = page.stream(gate=gate)
    assert await anext(stream) == b"head"
    rest = asyncio.ensure_future(anext(stream))
    gate.set()
    assert await rest == b"1"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.parametrize("size", [1, 100, 1000, 10**6])
def test_loops_send_chunks_of_about_a_size(size: int) -> None:
    loader = DictLoader(
        {
            "page": "{% for n in x %}{% include part %}{% end %}",
            "part": "{% for m in range(10) %}{{ n }},{{ m }};{% end %}",
        }
    )
    page = loader.load("page")
    chunks = list(page.stream(size, x=range(500)))
    assert b"".join(chunks) == page.generate(x=range(500))
    total = sum(map(len, chunks))
    # A stream looks at the size after 64 pieces of at most 6 bytes, and some more of a part.
    assert all(size <= len(chunk) <= size + 1000 for chunk in chunks[:-1])
    assert len(chunks) >= total // (size + 1000)


def test_what_is_applied_stays_together() -> None:
    source = "a{% apply f %}b{% flush %}{% for i in x %}c{% end %}{% end %}d"
    chunks = list(Template(source).stream(1, f=lambda value: value.upper(), x=range(200)))
    assert chunks == [b"a", b"B" + b"C" * 200 + b"d"]


def test_an_empty_page_has_no_chunks() -> None:
    assert list(Template("{% flush %}").stream()) == []
    assert list(Template("{% for i in x %}{% end %}").stream(x=range(100))) == []


@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_has_a_size(size: int) -> None:
    with pytest.raises(ValueError, match=f"chunk_size must be positive: {size}"):
        Template("").stream(size)


def test_an_error_ends_the_stream() -> None:
    stream = Template("a{% flush %}{{ 1 / 0 }}b").stream()
    assert next(stream) == b"a"
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert list(stream) == []


SOURCE = "{% try %}a{% flush %}b{% flush %}{% finally %}{% set ended.append(1) %}c{% end %}"


def test_a_closed_stream_has_ended_its_page() -> None:
    ended: list[int] = []
    stream = Template(SOURCE).stream(ended=ended)
    assert next(stream) == b"a"
    stream.close()
    stream.close()
    assert ended == [1]
    assert list(stream) == []
    never = Template(SOURCE).stream(ended=ended)
    never.close()
    assert list(never) == []
    assert ended == [1]


async def test_a_stream_is_closed_even_if_its_page_waits_then() -> None:
    ended: list[int] = []
    waiting = SOURCE.replace("c{%", "{{ await later(1) }}{% flush %}{{ await later(1) }}{%")
    waiting += "{% set ended.append(2) %}"
    stream = Template(waiting).stream(ended=ended, later=later)
    assert await anext(stream) == b"a"
    await stream.aclose()
    await stream.aclose()
    assert ended == [1]
    assert [chunk async for chunk in stream] == []
    # The other way to close cannot wait.
    stream = Template(waiting).stream(ended=ended, later=later)
    assert await anext(stream) == b"a"
    with pytest.raises(RuntimeError):
        stream.close()


async def test_what_goes_wrong_while_a_stream_is_closed_is_raised() -> None:
    stream = Template("{% try %}a{% flush %}{% finally %}{{ 1 / 0 }}{% end %}").stream()
    assert await anext(stream) == b"a"
    with pytest.raises(ZeroDivisionError):
        await stream.aclose()


async def test_many_streams_are_rendered_at_once() -> None:
    page = Template("{% for i in x %}{{ await later(n) }}{% flush %}{% end %}")

    async def collect(n: int) -> bytes:
        return b"".join([chunk async for chunk in page.stream(n=n, x=range(20), later=later)])

    assert await asyncio.gather(*map(collect, range(10))) == [b"%d" % n * 20 for n in range(10)]
