"""Where templates come from: files, packages, dicts, or several of these."""

import importlib.resources
import os
import posixpath
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from toolkit.template.errors import ParseError
from toolkit.template.page import MAX_CHAIN
from toolkit.template.template import DEFAULT_AUTOESCAPE, Template


class BaseLoader:
    """Loads templates by name, and keeps them.

    A loader of your own overrides `source`, and `fingerprint` if it can tell that a template
    has changed.

    Args:
        autoescape: name of the function that escapes ``{{ }}``, or None for no escaping.
        namespace: values that all templates see.
        whitespace: mode of all templates; None to decide by name.
        auto_reload: look at each `load` whether the template, or one that it extends or
            includes, has changed; only what is affected is compiled anew. For development.

    Threads may share a loader.
    """

    def __init__(
        self,
        autoescape: str | None = DEFAULT_AUTOESCAPE,
        namespace: dict[str, Any] | None = None,
        whitespace: str | None = None,
        *,
        auto_reload: bool = False,
    ) -> None:
        self.autoescape = autoescape
        self.namespace = namespace or {}
        self.whitespace = whitespace
        self.auto_reload = auto_reload
        self.templates: dict[str, Template] = {}
        # A template loads others while it is being loaded.
        self.lock = threading.RLock()
        self._loading: list[str] = []

    def reset(self) -> None:
        """Forget all templates, so that they are loaded again."""
        with self.lock:
            self.templates = {}

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Return the name that a template has for the loader.

        Args:
            name: absolute, or relative to the folder of the template that names it.
            parent_path: the name of that template, if one does.
        """
        if parent_path and not name.startswith("/") and not parent_path.startswith(("<", "/")):
            return posixpath.normpath(posixpath.join(posixpath.dirname(parent_path), name))
        return name

    def load(self, name: str, parent_path: str | None = None) -> Template:
        """Return a template.

        Raises:
            ParseError: it cannot be compiled, or extends or includes itself.
            LookupError, OSError: there is none of that name; which of the two depends on the
                loader.
        """
        name = self.resolve_path(name, parent_path=parent_path)
        with self.lock:
            template = self.templates.get(name)
            if template is None or (self.auto_reload and self._changed(template)):
                template = self.templates[name] = self._loaded(name)
            return template

    def source(self, name: str) -> tuple[str | bytes, str | None]:
        """Return the source of a template, and the path of its file if there is one."""
        raise NotImplementedError

    def fingerprint(self, name: str) -> object:
        """Return a value that is another one when the template has changed."""
        return None

    def _create_template(self, name: str) -> Template:
        text, path = self.source(name)
        return Template(text, name=name, loader=self, path=path)

    def _loaded(self, name: str) -> Template:
        """Make a template, unless that is what we are doing already."""
        if name in self._loading:
            way = " → ".join([*self._loading[self._loading.index(name) :], name])
            raise ParseError(f"Template extends or includes itself: {way}", name)
        if len(self._loading) == MAX_CHAIN:
            message = f"{MAX_CHAIN} templates extend or include one another; no more are allowed"
            raise ParseError(message, name)
        self._loading.append(name)
        try:
            # Taken first: what changes in between is seen as a change.
            fingerprint = self.fingerprint(name) if self.auto_reload else None
            template = self._create_template(name)
        finally:
            self._loading.pop()
        template.sources[name] = fingerprint
        return template

    def _changed(self, template: Template) -> bool:
        try:
            return any(self.fingerprint(name) != old for name, old in template.sources.items())
        except (LookupError, OSError):
            return True


class Loader(BaseLoader):
    """Loads templates from a folder.

    Example::

        loader = Loader("templates")
        content = loader.load("users/list.html").generate(users=users)

    Args:
        root_directory: the folder. Names lead to nothing outside of it, except by way of
            symbolic links, which are followed.
        kwargs: those of `BaseLoader`.
    """

    def __init__(self, root_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = os.path.abspath(root_directory)

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Return the name relative to the root; an absolute path within the root gets one too."""
        if parent_path is None and name in self.templates:
            return name
        name = super().resolve_path(name, parent_path)
        if os.path.isabs(name):
            name = os.path.relpath(name, self.root).replace(os.sep, "/")
        return posixpath.normpath(name)

    def source(self, name: str) -> tuple[str | bytes, str | None]:
        """Read a file.

        Raises:
            PermissionError: the name leads out of the root.
            OSError: it cannot be read.
        """
        path = self._path(name)
        return Path(path).read_bytes(), path

    def fingerprint(self, name: str) -> object:
        """Return the file's size and when it was changed."""
        status = os.stat(self._path(name))
        return status.st_mtime_ns, status.st_size

    def _path(self, name: str) -> str:
        path = os.path.abspath(os.path.join(self.root, name))
        if not path.startswith(os.path.join(self.root, "")):
            raise PermissionError(f"The template {name[:100]!r} is not in {self.root!r}")
        return path


class DictLoader(BaseLoader):
    """Loads templates from a dict.

    >>> loader = DictLoader({"a.html": "{% include 'b.html' %}!", "b.html": "Hello"})
    >>> loader.load("a.html").generate()
    b'Hello!'
    """

    def __init__(self, dict: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dict = dict

    def source(self, name: str) -> tuple[str | bytes, str | None]:
        """Return a value of the dict.

        Raises:
            KeyError: it has none of that name.
        """
        return self.dict[name], None

    def fingerprint(self, name: str) -> object:
        """Return the source itself."""
        return self.dict[name]


class PackageLoader(BaseLoader):
    """Loads templates that are part of an installed package, be it a folder or an archive.

    Example::

        loader = PackageLoader("shop", "templates")
        page = loader.load("basket.html")

    Args:
        package: its name, as in ``import``.
        path: of the folder in it.
        kwargs: those of `BaseLoader`.
    Raises:
        ModuleNotFoundError: no such package.
    """

    def __init__(self, package: str, path: str = "templates", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.package = package
        self.path = path
        self._root = importlib.resources.files(package).joinpath(path)

    def source(self, name: str) -> tuple[str | bytes, str | None]:
        """Read a file of the package.

        Raises:
            PermissionError: the name leads out of the folder.
            OSError: it cannot be read.
        """
        file = self._file(name)
        return file.read_bytes(), str(file) if isinstance(file, Path) else None

    def fingerprint(self, name: str) -> object:
        """Return the file's size and when it was changed; None within an archive."""
        file = self._file(name)
        if not isinstance(file, Path):
            return None
        status = file.stat()
        return status.st_mtime_ns, status.st_size

    def _file(self, name: str) -> Any:
        parts = posixpath.normpath(name).split("/")
        if "" in parts or ".." in parts or any("\\" in part or ":" in part for part in parts):
            raise PermissionError(f"The template {name[:100]!r} is not in {self.package}")
        return self._root.joinpath(*parts)


class ChoiceLoader(BaseLoader):
    """Loads each template from the first of several loaders that has it.

    So a folder of your own may replace single templates of a package::

        loader = ChoiceLoader([Loader("templates"), PackageLoader("shop")])

    What one template extends or includes is looked for in all of them too. The settings of this
    loader hold, not theirs.
    """

    def __init__(self, loaders: Iterable[BaseLoader], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loaders = list(loaders)

    def source(self, name: str) -> tuple[str | bytes, str | None]:
        """Return what the first loader has.

        Raises:
            FileNotFoundError: none has it.
        """
        return self._first(name)[2]

    def fingerprint(self, name: str) -> object:
        """Return which loader has it, and that loader's fingerprint."""
        position, loader, _ = self._first(name)
        return position, loader.fingerprint(name)

    def _first(self, name: str) -> tuple[int, BaseLoader, tuple[str | bytes, str | None]]:
        for position, loader in enumerate(self.loaders):
            try:
                return position, loader, loader.source(name)
            except (KeyError, FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
        raise FileNotFoundError(f"None of {len(self.loaders)} loaders has {name[:100]!r}")
