"""Users and their languages: `current_user`, `authenticated`, `locale`; and slashes at the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.http.client import Serve, get, post
from tests.loops import expect_log
from tests.web.test_handler import site_of
from toolkit import locale
from toolkit.template import DictLoader
from toolkit.web import HTTPError, RequestHandler, addslash, authenticated, removeslash


class Private(RequestHandler):
    """Lets users in, who say their name in the query."""

    def get_current_user(self) -> Any:
        return self.get_argument("user", None)

    @authenticated
    def get(self, *args: str) -> None:
        self.write(f"hello {self.current_user}")

    @authenticated
    async def post(self) -> None:
        self.write("posted")


@pytest.mark.parametrize(
    ("login_url", "target", "location"),
    [
        ("/login", "/private", "/login?next=%2Fprivate"),
        ("/login", "/private?a=b&c", "/login?next=%2Fprivate%3Fa%3Db%26c"),
        ("/login?x=y", "/private", "/login?x=y"),
        ("https://id.example/", "/private", "https://id.example/?next=http%3A%2F%2Fh%2Fprivate"),
        ("/login", "//evil.example", "/login?next=%2Fevil.example"),
        ("/login", "/\\evil.example", "/login?next=%2Fevil.example"),
        ("/login", "http://h//evil.example", "/login?next=%2Fevil.example"),
    ],
)
async def test_strangers_are_sent_to_the_login_page(
    serve: Serve, login_url: str, target: str, location: str
) -> None:
    """And from there back, but never to another host (as CVE-2023-28370 of Tornado)."""
    site = serve([("/.*", Private)], {"login_url": login_url})
    answer = await site.get(target)
    assert (answer.status, answer.get("location")) == (302, location)


async def test_users_are_let_in(serve: Serve) -> None:
    site = serve([("/", Private)], {"login_url": "/login"})
    assert (await site.get("/?user=alice")).text == "hello alice"
    assert (await site.ask(post("/?user=alice"))).text == "posted"


async def test_strangers_change_nothing(serve: Serve) -> None:
    site = serve([("/", Private)], {"login_url": "/login"})
    answer = await site.ask(post("/", b"a"))
    assert (answer.status, answer.get("location")) == (403, None)


async def test_a_login_page_has_to_be_known(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    assert (await serve([("/", Private)]).get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    assert "'login_url' setting in your application to use @authenticated" in caplog.text


async def test_get_login_url_can_be_overridden(serve: Serve) -> None:
    class Elsewhere(Private):
        def get_login_url(self) -> str:
            return "/elsewhere"

    location = (await serve([("/", Elsewhere)]).get()).get("location") or ""
    assert parse_qs(urlsplit(location).query) == {"next": ["/"]}


async def test_the_user_is_looked_up_once_and_only_when_needed(serve: Serve) -> None:
    looked: list[str] = []

    class Handler(RequestHandler):
        def get_current_user(self) -> Any:
            looked.append("looked")

        def get(self) -> None:
            if self.get_argument("ask", None):
                assert (self.current_user, self.current_user) == (None, None)

    site = serve([("/", Handler)])
    await site.get()
    assert looked == []
    await site.get("/?ask=1")
    assert looked == ["looked"]


async def test_the_user_can_be_set(serve: Serve) -> None:
    """As by a `prepare` that has to wait for it."""

    class Handler(RequestHandler):
        async def prepare(self) -> None:
            self.current_user = "Ben"
            self.locale = locale.get("en_US")

        def get_current_user(self) -> Any:
            raise AssertionError("not reached")

        def get_user_locale(self) -> Any:
            raise AssertionError("not reached")

        def get(self) -> None:
            self.write(f"{self.current_user} {self.locale.code}")

    assert (await serve([("/", Handler)]).get()).text == "Ben en_US"


# -- languages ---------------------------------------------------------------------------


@pytest.fixture
def translations(tmp_path: Path) -> Iterator[None]:
    """Load translations, and forget them after the test."""
    for code in ("fr_FR", "de"):
        (tmp_path / f"{code}.csv").write_text('"school","école"\n', encoding="utf-8")
    locale.load_translations(str(tmp_path))
    yield
    empty = tmp_path / "none"
    empty.mkdir()
    locale.load_translations(str(empty))


@pytest.mark.usefixtures("translations")
@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en_US"),
        ("Accept-Language: fr-FR\r\n", "fr_FR"),
        ("Accept-Language: es, de-AT;q=0.5, fr;q=0.4\r\n", "de"),
        ("Accept-Language: fr-FR; q=0.9\r\n", "fr_FR"),
        ("Accept-Language: fr-FR;q=0\r\n", "en_US"),
        ("Accept-Language: fr-FR;q=-1\r\n", "en_US"),
        ("Accept-Language: *\r\n", "en_US"),
        ("Accept-Language: \xff;;=,q\r\n", "en_US"),
    ],
)
async def test_the_language_is_the_one_that_the_browser_likes_best(
    serve: Serve, accepted: str, code: str
) -> None:
    def body(handler: RequestHandler) -> None:
        handler.write(handler.locale.code)
        assert handler.locale is handler.locale

    assert (await site_of(serve, body).get("/", accepted)).text == code


@pytest.mark.usefixtures("translations")
async def test_what_a_user_has_chosen_goes_first(serve: Serve) -> None:
    class Handler(RequestHandler):
        def get_user_locale(self) -> locale.Locale | None:
            chosen = self.get_argument("l", None)
            return locale.get(chosen) if chosen else None

        def get(self) -> None:
            self.write(f"{self.locale.code} {self.get_browser_locale('de').code}")

    site = serve([("/", Handler)])
    assert (await site.get("/?l=fr_FR")).text == "fr_FR de"
    assert (await site.get("/", "Accept-Language: de\r\n")).text == "de de"


@pytest.mark.feature("U04")
@pytest.mark.usefixtures("translations")
async def test_a_page_and_what_is_wrong_with_its_form_speak_the_language_of_the_browser(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    texts = {"Name": "Nom", "Missing argument %s": "Il manque %s", "at most %d": "%d au plus"}
    lines = [f'"{text}","{translated}"\n' for text, translated in texts.items()]
    (tmp_path / "fr.csv").write_text("".join(lines), encoding="utf-8")
    locale.load_translations(str(tmp_path))

    class Handler(RequestHandler):
        def get(self) -> None:
            self.render("form.html", fault=None)

        def post(self) -> None:
            if len(self.get_argument("name")) > 3:
                raise HTTPError(400, "at most %d", 3)

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            _, error, _ = kwargs["exc_info"]
            self.render("form.html", fault=error.get_message(self.locale.translate))

    loader = DictLoader({"form.html": "{{ _('Name') }}{% if fault %}: {{ fault }}{% end %}"})
    site = serve([("/", Handler)], {"template_loader": loader})

    async def shown(request: bytes) -> str:
        return (await site.ask(request)).text

    for fields, expected in (
        ("Accept-Language: fr\r\n", ["Nom", "Nom: Il manque name", "Nom: 3 au plus"]),
        ("", ["Name", "Name: Missing argument name", "Name: at most 3"]),
    ):
        assert [
            await shown(get("/", fields)),
            await shown(post("/", b"", fields)),
            await shown(post("/?name=long", b"", fields)),
        ] == expected
    # The log speaks one language.
    expect_log(caplog, "toolkit.general", "Missing argument name")
    expect_log(caplog, "toolkit.general", "at most 3")


# -- slashes -----------------------------------------------------------------------------


class Slashed(RequestHandler):
    """Is at a path with a slash at its end."""

    @addslash
    def get(self) -> None:
        self.write("slashed")

    post = get


class Bare(RequestHandler):
    """Is at a path without."""

    @removeslash
    async def get(self) -> None:
        self.write("bare")

    post = get


@pytest.mark.feature("G11")
@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/add", "/add/"),
        ("/add?foo=bar", "/add/?foo=bar"),
        ("/add/", None),
        ("/rem/", "/rem"),
        ("/rem//?foo=bar", "/rem?foo=bar"),
        ("/rem", None),
        ("/", None),
    ],
)
async def test_slashes_are_added_and_removed(
    serve: Serve, target: str, location: str | None
) -> None:
    site = serve([("/add.*", Slashed), ("/.*", Bare)])
    answer = await site.get(target)
    assert (answer.status, answer.get("location")) == (301 if location else 200, location)
    moved = await site.ask(post(target))
    assert moved.status == (404 if location else 200)


@pytest.mark.parametrize(
    "target",
    ["//add.example", "///add.example", "/\\add.example", "//rem.example/", "///rem.example//"],
)
async def test_no_slash_leads_to_another_host(
    serve: Serve, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """CVE-2023-28370 of Tornado, CVE-2021-21330 of aiohttp, CVE-2020-28724 of Werkzeug."""
    site = serve([(r"[/\\]+add.*", Slashed), (r".*", Bare)])
    answer = await site.get(target)
    assert (answer.status, answer.get("location")) == (403, None)
    expect_log(caplog, "toolkit.general", "cannot redirect path")
