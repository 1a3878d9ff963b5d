"""What an exception has gone through: exceptions, frames, lines of source, variables."""

import linecache
import os
import sysconfig
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import Any

from toolkit.web.debug.values import Values, cut, type_name

#: Exceptions that are shown, frames of one from its beginning and from its end, variables of one
#: frame, lines of source before and behind its own, and characters of a line and a message.
MAX_EXCEPTIONS = 10
FIRST_FRAMES, LAST_FRAMES = 10, 30
MAX_VARIABLES = 25
LINES_AROUND = 5
MAX_LINE, MAX_MESSAGE = 300, 4000
MAX_NOTES = 10

#: Directories of code that is not the application's.
_LIBRARIES = tuple(
    os.path.join(path, "")
    for path in (
        os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)


@dataclass(slots=True)
class Line:
    """A line of source.

    Attributes:
        before, marked, after: its text; `marked` is what was being run, if that is known.
        current: whether the frame stood in it.
    """

    number: int
    before: str
    marked: str
    after: str
    current: bool


@dataclass(slots=True)
class Frame:
    """A call that was under way.

    Attributes:
        own: whether it is code of the application, not of a library.
        lines: of its source, around where it stood.
        variables: names and values.
        opened: whether it is to be seen at once.
    """

    file: str
    number: int
    function: str
    own: bool
    lines: list[Line]
    variables: list[tuple[str, str]]
    opened: bool = False


@dataclass(slots=True)
class Shown:
    """An exception.

    Attributes:
        relation: to the one before it, "" for the first.
        left_out: number of frames that are not shown, between the first `FIRST_FRAMES` and the
            rest.
    """

    relation: str
    kind: str
    message: str
    notes: list[str]
    frames: list[Frame] = field(default_factory=list)
    left_out: int = 0


def shown_exceptions(error: BaseException, values: Values) -> list[Shown]:
    """Return an exception, and then what it came from and what it consists of."""
    shown = []
    for relation, one in islice(_chain(error), MAX_EXCEPTIONS):
        found = Shown(relation, type_name(type(one)), _message(one), _notes(one))
        _add_frames(found, one.__traceback__, values)
        shown.append(found)
    # What is to be seen at once: where the application was, or else where it happened.
    for found in shown:
        own = [frame for frame in found.frames if frame.own] or found.frames
        if own:
            own[-1].opened = True
    return shown


def _chain(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Yield an exception and those that belong to it, each once, with the relation."""
    waiting = deque([("", error)])
    seen: set[int] = set()
    while waiting:
        relation, one = waiting.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield relation, one
        if isinstance(one, BaseExceptionGroup):
            members = one.exceptions[:MAX_EXCEPTIONS]
            waiting.extend(("which is a group that has", member) for member in members)
        if one.__cause__ is not None:
            waiting.append(("which was caused by", one.__cause__))
        elif one.__context__ is not None and not one.__suppress_context__:
            waiting.append(("which came up while this was handled", one.__context__))


def _message(error: BaseException) -> str:
    try:
        return cut(str(error), MAX_MESSAGE)
    except Exception as failure:  # of its `__str__`, which nothing is known of
        return f"(no text: its __str__ raised {type(failure).__name__})"


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, list):
        return []
    return [cut(note, MAX_MESSAGE) for note in notes[:MAX_NOTES] if isinstance(note, str)]


def _add_frames(shown: Shown, traceback: TracebackType | None, values: Values) -> None:
    first: list[TracebackType] = []
    last: deque[TracebackType] = deque(maxlen=LAST_FRAMES)
    count = 0
    while traceback is not None:
        if len(first) < FIRST_FRAMES:
            first.append(traceback)
        else:
            last.append(traceback)
        count += 1
        traceback = traceback.tb_next
    shown.left_out = count - len(first) - len(last)
    # The innermost first, as the room for variables may not do for all.
    frames = [_frame(item, values) for item in reversed([*first, *last])]
    shown.frames = frames[::-1]


def _frame(traceback: TracebackType, values: Values) -> Frame:
    frame = traceback.tb_frame
    code = frame.f_code
    file = code.co_filename
    return Frame(
        cut(file),
        traceback.tb_lineno,
        cut(code.co_qualname),
        not file.startswith((*_LIBRARIES, "<frozen ")) and "site-packages" not in file,
        _lines(frame, traceback),
        [
            (cut(str(name)), values.show(name, value))
            for name, value in islice(_variables(frame), MAX_VARIABLES)
        ],
    )


def _variables(frame: FrameType) -> Iterator[tuple[str, Any]]:
    yield from (item for item in frame.f_locals.items() if not _is_inner(item[0]))
    if "__spec__" not in frame.f_globals:
        # Code of no module, such as a template's, which finds its values there.
        names = [name for name in frame.f_code.co_names if name in frame.f_globals]
        yield from ((name, frame.f_globals[name]) for name in names if not _is_inner(name))


def _is_inner(name: object) -> bool:
    return isinstance(name, str) and name.startswith(("__", "_tt_", "."))


# -- source ------------------------------------------------------------------------------


def _lines(frame: FrameType, traceback: TracebackType) -> list[Line]:
    """Return the lines around the one that a frame stood in; none if there is no source."""
    file, number = frame.f_code.co_filename, traceback.tb_lineno
    linecache.checkcache(file)
    source = linecache.getlines(file, frame.f_globals)
    if number is None or not 0 < number <= len(source):
        return []
    start = max(1, number - LINES_AROUND)
    lines = []
    for at in range(start, min(len(source), number + LINES_AROUND) + 1):
        text = source[at - 1].rstrip("\r\n")
        begin, end = _columns(frame.f_code, traceback, text) if at == number else (0, 0)
        text = text[:MAX_LINE]
        before, marked, after = text[:begin], text[begin:end], text[end:]
        shown = cut(before, MAX_LINE), cut(marked, MAX_LINE), cut(after, MAX_LINE)
        lines.append(Line(at, *shown, at == number))
    return lines


def _columns(code: CodeType, traceback: TracebackType, text: str) -> tuple[int, int]:
    """Return from where to where in its line an instruction stands; 0, 0 if that is unknown."""
    position = next(islice(code.co_positions(), max(traceback.tb_lasti, 0) // 2, None), None)
    if position is None:
        return 0, 0
    line, last_line, begin, end = position
    if line != traceback.tb_lineno or begin is None or end is None:
        return 0, 0
    raw = text.encode("utf-8", "surrogateescape")
    if last_line != line:
        end = len(raw)
    # Python counts bytes of UTF-8.
    return len(raw[:begin].decode("utf-8", "ignore")), len(raw[:end].decode("utf-8", "ignore"))
