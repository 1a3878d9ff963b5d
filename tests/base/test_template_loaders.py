"""Where templates come from, and when they are loaded anew."""

import os
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.template import (
    BaseLoader,
    ChoiceLoader,
    DictLoader,
    Loader,
    PackageLoader,
    Template,
)


def write(folder: Path, **files: str) -> Path:
    """Write files, whose names have ``__`` for ``/``; return the folder."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make templates in a folder, and something beside it."""
    write(tmp_path, secret="secret", root_private__a="secret")
    return write(
        tmp_path / "root",
        a="A",
        sub__b="{% include ../a %}{% include c %}{% include deep/d %}",
        sub__c="é",
        sub__deep__d="{% include ../../a %}",
    )


# -- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a", "A"), ("./a", "A"), ("sub/../a", "A"), ("sub/b", "AéA"), ("sub//c", "é")],
)
def test_names_are_relative_to_the_file_that_has_them(root: Path, name: str, expected: str) -> None:
    loader = Loader(root)
    assert loader.load(name).generate().decode() == expected
    assert loader.load(name) is loader.load(os.path.normpath(name))


def test_a_loader_resolves_names() -> None:
    loader = DictLoader({})
    for name, parent, expected in [
        ("a", None, "a"),
        ("a", "b", "a"),
        ("a", "sub/b", "sub/a"),
        ("../a", "sub/b", "a"),
        ("/a", "sub/b", "/a"),
        ("a", "<string>", "a"),
        ("a", "/abs/b", "a"),
    ]:
        assert loader.resolve_path(name, parent) == expected


def test_a_path_within_the_root_is_a_name_too(root: Path) -> None:
    loader = Loader(root)
    assert loader.load(str(root / "sub" / "b")) is loader.load("sub/b")
    assert Loader(os.path.relpath(root)).root == str(root)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "sub/../../secret",
        "../root_private/a",
        "../../etc/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "/",
        "..",
        ".",
        "{tmp}/secret",
        "{tmp}/root/../secret",
        "{tmp}/root_private/a",
    ],
)
def test_no_name_leads_out_of_the_root(root: Path, name: str) -> None:
    """Tornado allows ``..`` and absolute names; prefixes of names are no folders either."""
    name = name.format(tmp=root.parent)
    loader = Loader(root)
    with pytest.raises(PermissionError, match="is not in"):
        loader.load(name)
    write(root, evil__x=f"{{% include '{name}' %}}")
    deeper = name if name.startswith("/") else f"../{name}"
    with pytest.raises(PermissionError, match="is not in"):
        Template(f"{{% include '{deeper}' %}}", "evil/x", loader)
    assert loader.templates == {}


def test_symbolic_links_are_followed(root: Path) -> None:
    """Who can make links in the folder can write templates in it."""
    (root / "link").symlink_to(root.parent / "secret")
    assert Loader(root).load("link").generate() == b"secret"


def test_what_is_missing_is_an_error_of_its_loader(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Loader(root).load("missing")
    with pytest.raises(IsADirectoryError):
        Loader(root).load("sub")
    with pytest.raises(ValueError, match="null"):
        Loader(root).load("a\0")
    with pytest.raises(KeyError):
        DictLoader({}).load("missing")
    with pytest.raises(NotImplementedError):
        BaseLoader().load("a")


# -- settings ----------------------------------------------------------------------------


@pytest.mark.feature("K07")
def test_settings_of_a_loader_hold_for_all_its_templates(root: Path) -> None:
    write(root, s="{{ x }}  {{ y }}")
    loader = Loader(root, autoescape=None, namespace={"x": "<", "y": 1}, whitespace="single")
    page = loader.load("s")
    assert page.generate() == b"< 1"
    assert page.generate(y=2) == b"< 2"
    loader.namespace["x"] = ">"
    assert page.generate() == b"> 1"


def test_templates_are_kept_until_the_loader_is_reset(root: Path) -> None:
    loader = Loader(root)
    page = loader.load("a")
    write(root, a="changed")
    assert loader.load("a") is page
    loader.reset()
    assert loader.load("a").generate() == b"changed"


def test_one_thread_loads_at_a_time() -> None:
    """Without the lock, the list of what is being loaded would be that of all threads."""
    taken: list[bool] = []

    class Asking(DictLoader):
        def source(self, name: str) -> tuple[str | bytes, str | None]:
            ask = threading.Thread(target=lambda: taken.append(self.lock.acquire(blocking=False)))
            ask.start()
            ask.join()
            return super().source(name)

    Asking({"a": "{% include b %}", "b": ""}).load("a")
    assert taken == [False, False]


def test_threads_get_the_same_template() -> None:
    loaded: list[Template] = []
    loader = DictLoader({"a": "{% include b %}", "b": "b"})
    barrier = threading.Barrier(8)

    def load() -> None:
        barrier.wait()
        loaded.append(loader.load("a"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 8
    assert len(set(map(id, loaded))) == 1


def test_a_loader_of_your_own_gives_sources() -> None:
    class Upper(BaseLoader):
        def source(self, name: str) -> tuple[str | bytes, str | None]:
            return name.upper().encode(), None

    class Old(BaseLoader):
        """As loaders for Tornado are written."""

        def _create_template(self, name: str) -> Template:
            return Template(f"{name}{{% include other %}}" if name == "a" else name, name, self)

    assert Upper().load("a").generate() == b"A"
    for auto_reload in (False, True):
        assert Old(auto_reload=auto_reload).load("a").generate() == b"aother"


# -- packages and choices ----------------------------------------------------------------


@pytest.fixture(params=["folder", "archive"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Make a package with templates; yield its name."""
    name = f"templates_in_{request.param}"
    files = {"__init__.py": "", "pages/a.html": "{% include sub/b %}", "pages/sub/b": "{{ x }}é"}
    source = tmp_path / request.param
    if request.param == "archive":
        with zipfile.ZipFile(source, "w") as archive:
            for path, text in files.items():
                archive.writestr(f"{name}/{path}", text)
    else:
        for path, text in files.items():
            (source / name / path).parent.mkdir(parents=True, exist_ok=True)
            (source / name / path).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(source))
    yield name
    sys.path.remove(str(source))
    sys.modules.pop(name, None)


def test_templates_of_a_package_are_loaded(package: str) -> None:
    loader = PackageLoader(package, "pages", auto_reload=True)
    page = loader.load("a.html")
    assert page.generate(x="<").decode() == "&lt;é"
    assert loader.load("a.html") is page
    with pytest.raises(FileNotFoundError):
        loader.load("missing")
    with pytest.raises(ModuleNotFoundError):
        PackageLoader("no_such_package")


@pytest.mark.parametrize(
    "name", ["../__init__.py", "sub/../../__init__.py", "/etc/passwd", "..\\x", "c:x", ".."]
)
def test_no_name_leads_out_of_the_folder_of_a_package(package: str, name: str) -> None:
    with pytest.raises(PermissionError, match="is not in"):
        PackageLoader(package, "pages").load(name)


def test_the_first_loader_that_has_a_template_gives_it(root: Path, package: str) -> None:
    ours = DictLoader({"sub/b": "ours", "c": "{% include a.html %}"})
    loader = ChoiceLoader([ours, Loader(root), PackageLoader(package, "pages")], namespace={"x": 1})
    assert loader.load("c").generate() == b"ours"
    assert loader.load("a").generate() == b"A"
    with pytest.raises(FileNotFoundError, match="None of 3 loaders has 'missing'"):
        loader.load("missing")
    with pytest.raises(PermissionError):
        loader.load("../secret")


# -- changes -----------------------------------------------------------------------------


@pytest.fixture
def change() -> Callable[[Path, str], None]:
    """Return what writes a file, each time a second later by its date."""
    times = iter(range(2_000_000_000, 2_000_000_100))

    def write_later(path: Path, text: str) -> None:
        path.write_text(text)
        moment = next(times)
        os.utime(path, (moment, moment))

    return write_later


@pytest.mark.feature("K06")
def test_only_what_a_change_affects_is_compiled_anew(
    tmp_path: Path, change: Callable[[Path, str], None]
) -> None:
    write(
        tmp_path,
        base="[{% block x %}{% end %}]",
        page="{% extends base %}{% block x %}{% include part %}{% end %}",
        part="old",
        other="{% extends base %}",
    )
    loader = Loader(tmp_path, auto_reload=True)
    names = ["base", "page", "part", "other"]

    def changed() -> list[str]:
        before = {name: loader.templates.get(name) for name in names}
        return [name for name in names if loader.load(name) is not before[name]]

    assert changed() == names
    assert changed() == []
    change(tmp_path / "part", "new")
    assert changed() == ["page", "part"]
    assert loader.load("page").generate() == b"[new]"
    change(tmp_path / "other", "{% include part %}")
    assert changed() == ["other"]
    change(tmp_path / "base", "<{% block x %}{% end %}>")
    assert changed() == ["base", "page"]
    assert changed() == []


def test_a_change_seen_through_one_page_is_seen_through_another(
    tmp_path: Path, change: Callable[[Path, str], None]
) -> None:
    write(tmp_path, a="a{% include part %}", b="b{% include part %}", part="1")
    loader = Loader(tmp_path, auto_reload=True)
    assert [loader.load(name).generate() for name in "ab"] == [b"a1", b"b1"]
    change(tmp_path / "part", "2")
    assert [loader.load(name).generate() for name in "ab"] == [b"a2", b"b2"]


def test_a_template_that_breaks_or_goes_is_not_kept(
    tmp_path: Path, change: Callable[[Path, str], None]
) -> None:
    write(tmp_path, a="{% include part %}", part="1")
    loader = Loader(tmp_path, auto_reload=True)
    loader.load("a")
    change(tmp_path / "part", "{{")
    for _ in range(2):
        with pytest.raises(Exception, match="at part:1"):
            loader.load("a")
    (tmp_path / "part").unlink()
    with pytest.raises(FileNotFoundError):
        loader.load("a")
    change(tmp_path / "part", "2")
    assert loader.load("a").generate() == b"2"
    (tmp_path / "part").unlink()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            loader.load("a")


def test_a_template_of_the_same_age_but_another_size_has_changed(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    os.utime(tmp_path / "a", (1, 1))
    loader = Loader(tmp_path, auto_reload=True)
    loader.load("a")
    write(tmp_path, a="22")
    os.utime(tmp_path / "a", (1, 1))
    assert loader.load("a").generate() == b"22"


def test_other_loaders_see_changes_too(root: Path) -> None:
    values = {"x": "1"}
    loader = ChoiceLoader([DictLoader(values), Loader(root)], auto_reload=True)
    assert loader.load("x").generate() == b"1"
    values["x"] = "2"
    assert loader.load("x").generate() == b"2"
    # A template may also appear in an earlier loader, or go from it.
    assert loader.load("a").generate() == b"A"
    values["a"] = "ours"
    assert loader.load("a").generate() == b"ours"
    del values["a"]
    assert loader.load("a").generate() == b"A"


def test_a_template_of_another_loader_is_a_change_by_itself() -> None:
    class Silent(DictLoader):
        """Cannot tell what changes."""

        fingerprint = BaseLoader.fingerprint

    first: dict[str, str] = {}
    loader = ChoiceLoader([Silent(first), Silent({"a": "second"})], auto_reload=True)
    assert loader.load("a").generate() == b"second"
    first["a"] = "first"
    assert loader.load("a").generate() == b"first"


def test_a_changed_value_of_a_dict_is_a_change() -> None:
    values = {"x": "2"}
    by_itself = DictLoader(values, auto_reload=True)
    assert by_itself.load("x").generate() == b"2"
    values["x"] = "3"
    assert by_itself.load("x").generate() == b"3"
