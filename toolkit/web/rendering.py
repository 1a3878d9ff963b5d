"""Pages: where templates come from, and how what UI modules need gets into the page."""

import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from toolkit.escape import utf8, xhtml_escape
from toolkit.template import BaseLoader
from toolkit.web.uimodules import UIModule

#: Frames of the framework are not those that ask for a template.
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def is_absolute(path: str) -> bool:
    """Say whether a URL is more than the name of a static file."""
    return path.startswith(("/", "http:", "https:"))


def linked_js(urls: Iterable[str]) -> str:
    """Return the elements that load scripts."""
    return "".join(
        f'<script src="{xhtml_escape(url)}" type="text/javascript"></script>' for url in urls
    )


def linked_css(urls: Iterable[str]) -> str:
    """Return the elements that load style sheets."""
    return "".join(
        f'<link href="{xhtml_escape(url)}" type="text/css" rel="stylesheet"/>' for url in urls
    )


def embedded_js(scripts: Iterable[bytes]) -> bytes:
    """Return an element that holds scripts."""
    return (
        b'<script type="text/javascript">\n//<![CDATA[\n'
        + b"\n".join(scripts)
        + b"\n//]]>\n</script>"
    )


def embedded_css(styles: Iterable[bytes]) -> bytes:
    """Return an element that holds styles."""
    return b'<style type="text/css">\n' + b"\n".join(styles) + b"\n</style>"


class Resources(NamedTuple):
    """What UI modules need in a page besides what they render."""

    js_files: list[str]
    scripts: list[bytes]
    css_files: list[str]
    styles: list[bytes]
    heads: list[bytes]
    bodies: list[bytes]


def gather(modules: Iterable[UIModule]) -> Resources:
    """Return what modules need; files that several need are there once."""
    js_files: dict[str, None] = {}
    css_files: dict[str, None] = {}
    found = Resources([], [], [], [], [], [])
    for module in modules:
        js_files.update(dict.fromkeys(_files(module.javascript_files())))
        css_files.update(dict.fromkeys(_files(module.css_files())))
        _add(found.scripts, module.embedded_javascript())
        _add(found.styles, module.embedded_css())
        _add(found.heads, module.html_head())
        _add(found.bodies, module.html_body())
    return found._replace(js_files=list(js_files), css_files=list(css_files))


def _files(files: Iterable[str] | None) -> Iterable[str]:
    return [files] if isinstance(files, str) else files or ()


def _add(pieces: list[bytes], piece: str | bytes | None) -> None:
    if piece:
        pieces.append(utf8(piece))


def insert(page: bytes, head: bytes, foot: bytes) -> bytes:
    """Return a page with something more at the end of its head, and of its body.

    A page without these ends gets it at its own.
    """
    if head:
        at = page.find(b"</head>")
        at = 0 if at < 0 else at
        page = page[:at] + head + page[at:]
    if foot:
        at = page.rfind(b"</body>")
        at = len(page) if at < 0 else at
        page = page[:at] + foot + page[at:]
    return page


class LoaderCache:
    """Template loaders of applications, by where and how they load.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaders: WeakKeyDictionary[Any, dict[Any, BaseLoader]] = WeakKeyDictionary()

    def find(
        self, application: Any, make: Callable[[Any, str], BaseLoader], handler: Any, path: str
    ) -> BaseLoader:
        """Return the loader for a path; `make` creates it for the handler that asks first."""
        with self._lock:
            loaders = self._loaders.setdefault(application, {})
            loader = loaders.get((make, path))
            if loader is None:
                loader = loaders[make, path] = make(handler, path)
            return loader

    def clear(self) -> None:
        """Forget all loaders, and so what they have loaded."""
        with self._lock:
            self._loaders.clear()


def calling_directory() -> str:
    """Return the directory of the program that called into the framework."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return os.path.dirname(str(frame.f_code.co_filename))
