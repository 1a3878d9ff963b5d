"""`UIModule`: a part of a page with the styles and scripts that it needs.

Example::

    class Entry(UIModule):
        def render(self, entry):
            return self.render_string("modules/entry.html", entry=entry)

        def css_files(self):
            return ["entry.css"]

    Application(handlers, ui_modules={"Entry": Entry})

``{% module Entry(entry) %}`` in a page then gives the part; however many there are,
`RequestHandler.render` links ``entry.css`` once.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from toolkit.escape import linkify

if TYPE_CHECKING:
    from toolkit.web.handler import RequestHandler


class UIModule:
    """A part of a page; subclasses override `render`, and what else they need.

    There is one object for a page, which is rendered as often as the page has the module.

    Attributes:
        handler: that renders the page.
        request: the handler's.
        ui: modules and methods of the application, for use in `render`.
        locale: of the handler.
    """

    def __init__(self, handler: "RequestHandler") -> None:
        self.handler = handler
        self.request = handler.request
        self.ui = handler.ui
        self.locale = handler.locale

    @property
    def current_user(self) -> Any:
        """The user of the handler."""
        return self.handler.current_user

    def render(self, *args: Any, **kwargs: Any) -> str | bytes:
        """Return the part, as HTML; it takes the arguments that stand in the template."""
        raise NotImplementedError

    def embedded_javascript(self) -> str | None:
        """Return a script for the end of the page."""
        return None

    def javascript_files(self) -> Iterable[str] | None:
        """Return URLs of scripts for the end of the page; relative ones are static files."""
        return None

    def embedded_css(self) -> str | None:
        """Return styles for the head of the page."""
        return None

    def css_files(self) -> Iterable[str] | None:
        """Return URLs of style sheets for the head of the page, as `javascript_files` does."""
        return None

    def html_head(self) -> str | None:
        """Return HTML for the end of the page's head."""
        return None

    def html_body(self) -> str | None:
        """Return HTML for the end of the page's body."""
        return None

    def render_string(self, path: str, **kwargs: Any) -> bytes:
        """Return a template filled in, with the names that the page has too."""
        return self.handler.render_string(path, **kwargs)


class Linkify(UIModule):
    """``{% module linkify(text) %}``: text with its URLs as links."""

    def render(self, text: str, **kwargs: Any) -> str:
        return linkify(text, **kwargs)


class XSRFForm(UIModule):
    """``{% module xsrf_form_html() %}``: the hidden field that forms need."""

    def render(self) -> str:
        return self.handler.xsrf_form_html()


class TemplateModule(UIModule):
    """``{% module Template("entry.html", entry=entry) %}``: a module that is a template alone.

    The template sees only what it is given, besides the names that all have. It says which
    styles and scripts it needs by a call::

        {{ set_resources(css_files="entry.css", javascript_files=["entry.js"]) }}
    """

    def __init__(self, handler: "RequestHandler") -> None:
        super().__init__(handler)
        # By the path of the template: what each needs is there once.
        self._resources: dict[str, dict[str, Any]] = {}

    def render(self, path: str, **kwargs: Any) -> bytes:
        def set_resources(**resources: Any) -> str:
            if self._resources.setdefault(path, resources) != resources:
                raise ValueError(
                    f"set_resources of template {path!r} gave {resources!r} after "
                    f"{self._resources[path]!r}; all its uses have to need the same"
                )
            return ""

        return self.render_string(path, set_resources=set_resources, **kwargs)

    def _all(self, kind: str) -> Iterator[Any]:
        return (found[kind] for found in self._resources.values() if kind in found)

    def _files(self, kind: str) -> list[str]:
        files: list[str] = []
        for found in self._all(kind):
            files.extend([found] if isinstance(found, str) else found)
        return files

    def embedded_javascript(self) -> str:
        """Return the scripts of all templates."""
        return "\n".join(self._all("embedded_javascript"))

    def javascript_files(self) -> Iterable[str]:
        """Return the script files of all templates."""
        return self._files("javascript_files")

    def embedded_css(self) -> str:
        """Return the styles of all templates."""
        return "\n".join(self._all("embedded_css"))

    def css_files(self) -> Iterable[str]:
        """Return the style sheets of all templates."""
        return self._files("css_files")

    def html_head(self) -> str:
        """Return what all templates have for the head."""
        return "".join(self._all("html_head"))

    def html_body(self) -> str:
        """Return what all templates have for the end of the body."""
        return "".join(self._all("html_body"))


#: Modules that every application has.
BUILT_IN: Mapping[str, type[UIModule]] = {
    "linkify": Linkify,
    "xsrf_form_html": XSRFForm,
    "Template": TemplateModule,
}


class UIModules:
    """The modules of an application as a page calls them: ``modules.Entry(entry)``.

    Attributes:
        active: those that were used, by name.
    """

    def __init__(self, handler: "RequestHandler", classes: Mapping[str, type[UIModule]]) -> None:
        self._handler = handler
        self._classes = classes
        self.active: dict[str, UIModule] = {}

    def __getitem__(self, name: str) -> Any:
        return partial(self._render, name, self._classes[name])

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(sorted(self._classes))
            raise AttributeError(f"no UI module {name!r}; there are {known}") from None

    def _render(
        self, name: str, module_class: type[UIModule], /, *args: Any, **kwargs: Any
    ) -> str | bytes:
        module = self.active.get(name)
        if module is None:
            module = self.active[name] = module_class(self._handler)
        return module.render(*args, **kwargs)


def find_modules(source: Any) -> dict[str, type[UIModule]]:
    """Return the UI modules of a setting: a dict, a Python module, or a list of these."""
    return {
        name: value
        for name, value in _members(source, "ui_modules")
        if isinstance(value, type) and issubclass(value, UIModule)
    }


def find_methods(source: Any) -> dict[str, Any]:
    """Return the UI methods of a setting: functions, not classes, of a dict or Python module."""
    return {
        name: value
        for name, value in _members(source, "ui_methods")
        if callable(value) and not name.startswith("_") and name[0].islower()
    }


def _members(source: Any, setting: str) -> Iterator[tuple[str, Any]]:
    if isinstance(source, Mapping):
        yield from source.items()
    elif isinstance(source, ModuleType):
        yield from vars(source).items()
    elif isinstance(source, (list, tuple)):
        for each in source:
            yield from _members(each, setting)
    else:
        raise TypeError(f"{setting} {source!r}; a dict, a module or a list of these is allowed")
