"""`Template`: a page that can be rendered."""

import ast
import builtins
import datetime
import warnings
from collections.abc import Coroutine
from types import CodeType, FunctionType
from typing import Any, Final, Protocol

from toolkit.escape import json_encode, linkify, squeeze, to_unicode, url_escape, xhtml_escape
from toolkit.template import output
from toolkit.template.nodes import File, Include
from toolkit.template.page import Page, Program
from toolkit.template.parser import parse
from toolkit.template.reader import WHITESPACE_MODES, Source
from toolkit.template.stream import Flush, Pieces, TemplateStream

#: The function that escapes expressions unless somebody says something else.
DEFAULT_AUTOESCAPE: Final = "xhtml_escape"

#: Bytes that a stream gathers: what a connection sends at once without waiting.
DEFAULT_CHUNK_SIZE: Final = 16 * 1024

#: Pieces of output that no page has: nobody looks at the size of one that is rendered whole.
_ALL: Final = 1 << 62

#: Names of all templates.
_NAMES: Final[dict[str, Any]] = {
    "__builtins__": builtins,
    "datetime": datetime,
    "escape": xhtml_escape,
    "json_encode": json_encode,
    "linkify": linkify,
    "squeeze": squeeze,
    "url_escape": url_escape,
    "xhtml_escape": xhtml_escape,
}

_HELPERS: Final = (len, output.escaped, output.text, output.encoded, output.result, output.joined)


class Unset:
    """The type of an argument that was not given, where None has a meaning."""


UNSET: Final = Unset()


class TemplateLoader(Protocol):
    """What a template asks its loader for."""

    autoescape: str | None
    namespace: dict[str, Any]
    whitespace: str | None

    def load(self, name: str, parent_path: str | None = None) -> "Template":
        """Return a template by the name that another one gives it."""


class Template:
    """A compiled template.

    Example::

        >>> page = Template("<p>{{ name }}</p>")
        >>> page.generate(name="Tom & Jerry")
        b'<p>Tom &amp; Jerry</p>'

    Args:
        template_string: the source, as text or UTF-8.
        name: in errors and tracebacks; the names that it includes are relative to it.
        loader: where what it extends and includes comes from. Its settings hold here too.
        compress_whitespace: deprecated; True is the mode ``single``, False ``all``.
        autoescape: name of the function that escapes ``{{ }}``, or None for no escaping.
        whitespace: a mode of `filter_whitespace`; by default the loader's, or else ``single``
            for names that end in ``.html`` or ``.js`` and ``all`` for others.
        path: of the file that holds the source, for tracebacks.
    Raises:
        ParseError: it cannot be compiled.

    A template runs any Python that it holds: only those who may change the program may write
    templates.
    """

    def __init__(
        self,
        template_string: str | bytes,
        name: str = "<string>",
        loader: TemplateLoader | None = None,
        compress_whitespace: bool | Unset = UNSET,
        autoescape: str | Unset | None = UNSET,
        whitespace: str | None = None,
        *,
        path: str | None = None,
    ) -> None:
        if not isinstance(compress_whitespace, Unset):
            if whitespace is not None:
                raise ValueError("cannot set both whitespace and compress_whitespace")
            warnings.warn(
                "compress_whitespace is deprecated: use whitespace", DeprecationWarning, 2
            )
            whitespace = "single" if compress_whitespace else "all"
        whitespace = whitespace or (loader.whitespace if loader else None)
        if whitespace is None:
            whitespace = "single" if name.endswith((".html", ".js")) else "all"
        elif whitespace not in WHITESPACE_MODES:
            raise ValueError(
                f"invalid whitespace mode {whitespace!r}; it is one of {WHITESPACE_MODES}"
            )
        if isinstance(autoescape, Unset):
            autoescape = loader.autoescape if loader else DEFAULT_AUTOESCAPE
        self.name = name
        self.loader = loader
        self.namespace: dict[str, Any] = loader.namespace if loader else {}
        #: What it holds, parsed.
        self.file: File = parse(
            Source(name, to_unicode(template_string), path), autoescape, whitespace
        )
        self.autoescape = self.file.autoescape
        #: What the loader knew of each file that it was made from, when it read it.
        self.sources: dict[str, object] = {}
        self._page = Page(self.file, self._load)
        self._module_name = name.replace(".", "_")
        self._programs: dict[tuple[str | None, bool, bool], Program] = {}
        self._whole = self._program(None, waiting=False, own_escape=False)

    def __repr__(self) -> str:
        return f"<Template {self.name!r}>"

    def _load(self, site: Include, file: File) -> File:
        """Return the file that another one extends or includes."""
        if self.loader is None:
            keyword = site.code.text.split(None, 1)[0]
            site.code.error(f"{{% {keyword} %}} block found, but no template loader")
        try:
            template = self.loader.load(site.name, file.source.name)
        except Exception as error:
            error.add_note(f"# {file.source.name}:{site.code.line}")
            raise
        self.sources |= template.sources
        return template.file

    # -- what it is --------------------------------------------------------------------------

    @property
    def code(self) -> str:
        """The Python that it was compiled to, for those who want to know."""
        return ast.unparse(self._whole.tree)

    @property
    def compiled(self) -> CodeType:
        """The code that renders the page."""
        return self._whole.code

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of its blocks, those of what it extends and includes among them, in order."""
        return tuple(sorted(self._page.blocks))

    @property
    def waits(self) -> bool:
        """Whether it has ``await``, and so is rendered by `generate_async` or a stream."""
        return self._whole.waits is not None

    # -- rendering ---------------------------------------------------------------------------

    def generate(self, /, **kwargs: Any) -> bytes:
        """Return the page for some values, as UTF-8.

        Raises:
            RuntimeError: the template waits: see `generate_async`.
        """
        return self._rendered(None, kwargs)

    async def generate_async(self, /, **kwargs: Any) -> bytes:
        """Return the page; its expressions may wait.

        Example::

            page = Template("{{ await user_name() }}")
            content = await page.generate_async(user_name=user_name)
        """
        return await self._rendered_async(None, kwargs)

    def render_block(self, block: str, /, **kwargs: Any) -> bytes:
        """Return what one block gives alone, such as the part of a page that is to be replaced.

        >>> page = Template("<ul>{% block items %}<li>{{ item }}</li>{% end %}</ul>")
        >>> page.render_block("items", item="<3")
        b'<li>&lt;3</li>'

        Variables that the page sets outside of the block have to be given.

        Raises:
            KeyError: no such block.
            ParseError: it cannot stand alone, since it leaves a loop around it.
            RuntimeError: it waits.
        """
        return self._rendered(self._known(block), kwargs)

    async def render_block_async(self, block: str, /, **kwargs: Any) -> bytes:
        """Return what one block gives alone; its expressions may wait."""
        return await self._rendered_async(self._known(block), kwargs)

    def stream(self, chunk_size: int = DEFAULT_CHUNK_SIZE, /, **kwargs: Any) -> TemplateStream:
        """Return the page in chunks that come while it is being rendered.

        Example::

            >>> page = Template("<head></head>{% flush %}<p>{{ text }}</p>")
            >>> list(page.stream(text="late"))
            [b'<head></head>', b'<p>late</p>']

            async for chunk in page.stream(rows=rows):
                handler.write(chunk)
                await handler.flush()

        Args:
            chunk_size: bytes of a chunk, about. A shorter one comes at ``{% flush %}`` and at
                the end, a longer one where the template has no loop.
        """
        namespace = self._namespace(kwargs)
        program = self._chosen(None, namespace, waiting=True)

        async def render(pieces: Pieces, most: int, flush: Flush) -> None:
            await _run(program, namespace, pieces, most, flush)

        return TemplateStream(render, chunk_size)

    def _known(self, block: str) -> str:
        if block not in self._page.blocks:
            raise KeyError(f"{self.name} has no block {block!r}; it has {self.blocks}")
        return block

    def _rendered(self, block: str | None, values: dict[str, Any]) -> bytes:
        namespace = self._namespace(values)
        program = self._chosen(block, namespace)
        if program.waits is not None:
            where = f"{program.waits.source.name}:{program.waits.line}"
            raise RuntimeError(f"The template waits at {where}: render it asynchronously")
        pieces: Pieces = []
        try:
            FunctionType(program.code, namespace)(pieces, _ALL, _no_flush, *_HELPERS)
        except Exception as error:
            program.annotate(error)
            raise
        return output.joined(pieces)

    async def _rendered_async(self, block: str | None, values: dict[str, Any]) -> bytes:
        namespace = self._namespace(values)
        program = self._chosen(block, namespace)
        if program.waits is None:
            return self._rendered(block, values)
        pieces: Pieces = []
        await _run(program, namespace, pieces, _ALL, _no_flush)
        return output.joined(pieces)

    # -- programs ----------------------------------------------------------------------------

    def _namespace(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the global variables of a page."""
        return {**_NAMES, "__name__": self._module_name, **self.namespace, **values}

    def _chosen(
        self, block: str | None, namespace: dict[str, Any], waiting: bool = False
    ) -> Program:
        usual = namespace["xhtml_escape"] is xhtml_escape is namespace["escape"]
        if usual and block is None and not waiting:
            return self._whole
        return self._program(block, waiting, not usual)

    def _program(self, block: str | None, waiting: bool, own_escape: bool) -> Program:
        """Return a program, which is compiled when it is asked for first."""
        key = block, waiting, own_escape
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._page.program(block, waiting, own_escape)
        return program


async def _run(
    program: Program, namespace: dict[str, Any], pieces: Pieces, most: int, flush: Flush
) -> None:
    """Run a program that is a coroutine function."""
    function = FunctionType(program.code, namespace)
    page: Coroutine[Any, Any, None] = function(pieces, most, flush, *_HELPERS)
    try:
        await page
    except Exception as error:
        program.annotate(error)
        raise


async def _no_flush(forced: bool) -> None:
    """Keep what there is: the page is wanted whole."""
