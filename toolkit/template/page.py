"""A page: a template with all that it extends and includes, and the programs made from it."""

import ast
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType

from toolkit.template.errors import ParseError, PythonSyntaxError
from toolkit.template.nodes import Block, File, Include
from toolkit.template.reader import Code, Source
from toolkit.template.writer import ESCAPE_NAMES, PAGE, Writer

#: Templates that extend or include one another in a row.
MAX_CHAIN = 50


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled page or block.

    Attributes:
        code: of the function, which takes `writer.ARGUMENTS`.
        sources: of each function in it, the template that it comes from.
        waits: the first code that can stand in a coroutine only.
        tree: what was compiled.
    """

    code: CodeType
    sources: dict[CodeType, Source]
    waits: Code | None
    tree: ast.Module

    def annotate(self, error: BaseException) -> None:
        """Note the templates and lines that an error went through, innermost first.

        The lines of templates that are no files are shown in its traceback too.
        """
        trail: list[str] = []
        traceback = error.__traceback__
        while traceback is not None:
            source = self.sources.get(traceback.tb_frame.f_code)
            if source is not None:
                place = f"{source.name}:{traceback.tb_lineno}"
                # A comprehension has a frame of its own before Python 3.12.
                if trail[-1:] != [place]:
                    trail.append(place)
                _show_lines(source)
            traceback = traceback.tb_next
        if not trail:
            return
        note = f"# {trail.pop()}"
        if trail:
            note += f" (via {', '.join(reversed(trail))})"
        # An error may be raised many times.
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


def _show_lines(source: Source) -> None:
    """Let tracebacks find the lines of a template that is no file; of a file they read them."""
    if source.path is None:
        # As those of a file: only newlines end them, and the last one has one too.
        lines = [f"{line}\n" for line in source.text.split("\n")]
        # No time of change: `linecache.checkcache` leaves such an entry alone.
        linecache.cache[source.filename] = len(source.text), None, lines, source.filename


class Page:
    """A template with its ancestors and what they all include.

    Args:
        file: the template.
        load: gives the template that a node of a file means.
    Raises:
        ParseError: a template includes one that extends another.
    """

    def __init__(self, file: File, load: Callable[[Include, File], File]) -> None:
        self.file = file
        self.careful = False
        self.blocks: dict[str, tuple[Block, File]] = {}
        self._load = load
        self._included: dict[tuple[Source, str], File] = {}
        self._seen: set[Source] = set()
        ancestor = self.root = file
        # The last block of a name counts, in the order from the root to the template: walking
        # backwards, the first one. So each file is looked at once, however often it is included.
        self._collect(ancestor)
        while ancestor.extends:
            ancestor = self.root = load(ancestor.extends, ancestor)
            self._collect(ancestor)

    def _collect(self, file: File) -> None:
        """Register the blocks of a file and what it includes."""
        if file.source in self._seen:
            return
        self._seen.add(file.source)
        self.careful |= file.tries
        for site in reversed(file.sites):
            if isinstance(site, Block):
                self.blocks.setdefault(site.name, (site, file))
                continue
            included = self._load(site, file)
            if included.extends:
                site.code.error(
                    f"{site.name!r} extends another template and so cannot be included; "
                    "{% module Template(...) %} renders a page within a page"
                )
            self._included[file.source, site.name] = included
            self._collect(included)

    def program(self, block: str | None, waiting: bool, own_escape: bool) -> Program:
        """Compile the page or a block of it.

        Args:
            block: its name; None for the whole page.
            waiting: make a coroutine function, which can flush; one that waits is always made so.
            own_escape: ``xhtml_escape`` may be another function than usual.
        Raises:
            ParseError: it is no Python after all, or nested too deeply.
        """
        body, file, label = self.root.body, self.root, "template"
        if block is not None:
            found, file = self.blocks[block]
            body, label = found.body, f"block {block}"
        try:
            writer = self._writer(waiting, own_escape)
            tree = writer.page(body, file, label)
            waiting = waiting or writer.waits is not None
            own_escape = own_escape or not writer.binds.isdisjoint(ESCAPE_NAMES)
            if (waiting, own_escape) != (writer.waiting, writer.own_escape):
                writer = self._writer(waiting, own_escape)
                tree = writer.page(body, file, label)
            compiled = _compiled(tree, writer)
        except (RecursionError, MemoryError):
            raise ParseError("Template is nested too deeply", self.file.source.name) from None
        sources: dict[CodeType, Source] = {}
        (page,) = (each for each in compiled.co_consts if isinstance(each, CodeType))
        code = _relabelled(page, file.source, writer, sources)
        return Program(code, sources, writer.waits, tree)

    def _writer(self, waiting: bool, own_escape: bool) -> Writer:
        return Writer(
            self.blocks,
            lambda site, file: self._included[file.source, site.name],
            waiting=waiting,
            own_escape=own_escape,
            careful=self.careful,
        )


# -- compiling ---------------------------------------------------------------------------


def _compiled(tree: ast.Module, writer: Writer) -> CodeType:
    try:
        return compile(tree, "<template>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _located(error, writer) from None


def _located(error: SyntaxError, writer: Writer) -> ParseError:
    """Find the file of an error, which the compiler does not know."""
    source = writer.labels[PAGE][0]
    for part in writer.parts.values():
        part.body = [node for node in part.body if not isinstance(node, ast.Nonlocal)]
        try:
            compile(ast.Module([part], []), "<template>", "exec", dont_inherit=True)
        except SyntaxError as found:
            error, source = found, writer.labels[part.name][0]
            break
    line = error.lineno or 0
    return PythonSyntaxError(error.msg, source.name, line, error.offset or 0, source.line(line))


def _relabelled(
    code: CodeType, source: Source, writer: Writer, sources: dict[CodeType, Source]
) -> CodeType:
    """Return code that tracebacks name after its template, as all code within it."""
    name = code.co_name
    if name in writer.labels:
        source, name = writer.labels[name]
    constants = tuple(
        _relabelled(constant, source, writer, sources)
        if isinstance(constant, CodeType)
        else constant
        for constant in code.co_consts
    )
    code = code.replace(
        co_consts=constants,
        co_filename=source.filename,
        co_name=name,
        co_qualname=name,
    )
    sources[code] = source
    return code
