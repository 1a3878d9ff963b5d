"""The blog: who is registered writes, and changes what is his; everybody reads."""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from demos.blog.markup import summary, to_html
from tests.demos.process import TIMEOUT, Demo, serving
from tests.demos.test_showcase import Answer, read_answer

ATOM = "{http://www.w3.org/2005/Atom}"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo with a database that is new."""
    path = tmp_path_factory.mktemp("blog") / "blog.sqlite"
    with serving("blog", f"--database={path}") as demo:
        yield demo


class Visitor:
    """A browser without scripts: it keeps cookies, and sends the forms of the pages."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        """Send one request on a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.demo.port, timeout=TIMEOUT)
        with closing(client):
            headers = {"Cookie": "; ".join("=".join(pair) for pair in self.cookies.items())}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            client.request(method, path, body, headers)
            answer = read_answer(client.getresponse())
        for field in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = field.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def get(self, path: str = "/") -> Answer:
        """Load a page."""
        return self.ask("GET", path)

    def send(self, path: str, **fields: str) -> Answer:
        """Send the form of a page."""
        found = re.search('name="_xsrf" value="([^"]*)"', self.get(path).text)
        token = unescape(found[1]) if found else self.token
        return self.ask("POST", path, urlencode({"_xsrf": token} | fields))

    @property
    def token(self) -> str:
        """The token of a page that always has a form."""
        found = re.search('name="_xsrf" value="([^"]*)"', self.get("/login").text)
        assert found
        return unescape(found[1])

    def register(self, name: str, password: str = PASSWORD, next: str = "/") -> Answer:
        """Become a new user."""
        return self.send("/register", name=name, password=password, next=next)

    def write(self, title: str, text: str = "text") -> str:
        """Write a post; return its path."""
        answer = self.send("/write", title=title, text=text)
        assert answer.status == 303, answer.text
        return str(answer.headers["Location"])


@pytest.fixture
def ada(demo: Demo) -> Visitor:
    """Return a user, who is there since the first test."""
    visitor = Visitor(demo)
    if visitor.register("ada").status != 303:
        assert visitor.send("/login", name="ada", password=PASSWORD).status == 303
    return visitor


def test_who_is_registered_is_known_until_the_end(demo: Demo, ada: Visitor) -> None:
    assert '<span class="who">ada</span>' in ada.get().text
    answer = ada.ask("POST", "/logout", urlencode({"_xsrf": ada.token}))
    assert answer.status == 303
    assert "Log in" in ada.get().text
    assert ada.send("/login", name="ADA", password=PASSWORD).status == 303
    assert '<span class="who">ada</span>' in ada.get().text


@pytest.mark.parametrize(
    ("name", "password", "fault"),
    [
        ("ada", PASSWORD, "The name ada is taken."),
        ("Ada", PASSWORD, "The name Ada is taken."),
        ("a b", PASSWORD, "A name has up to 30 letters"),
        ("<b>", PASSWORD, "A name has up to 30 letters"),
        ("", PASSWORD, "A name has up to 30 letters"),
        ("bob", "short", "A password has 8 to 200 characters."),
        ("bob", "x" * 201, "A password has 8 to 200 characters."),
    ],
)
def test_a_name_is_of_one_user_and_a_password_is_long(
    demo: Demo, ada: Visitor, name: str, password: str, fault: str
) -> None:
    answer = Visitor(demo).register(name, password)
    assert answer.status == 400
    assert fault in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong horse"), ("nobody", PASSWORD)])
def test_who_has_no_password_learns_nothing(
    demo: Demo, ada: Visitor, name: str, password: str
) -> None:
    answer = Visitor(demo).send("/login", name=name, password=password)
    assert answer.status == 403
    assert "Name or password is wrong." in answer.text


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/write?a=1", "/write?a=1"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example/", "/"),
    ],
)
def test_a_login_leads_to_pages_of_the_blog_alone(
    demo: Demo, ada: Visitor, wanted: str, location: str
) -> None:
    answer = Visitor(demo).send("/login", name="ada", password=PASSWORD, next=wanted)
    assert (answer.status, answer.headers["Location"]) == (303, location)


def test_the_cookie_is_signed_and_for_no_script(demo: Demo, ada: Visitor) -> None:
    answer = Visitor(demo).send("/login", name="ada", password=PASSWORD)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    ada.cookies["user"] = ada.cookies["user"].replace("|", "|1", 1)
    assert "Log in" in ada.get().text


def test_a_post_is_written_changed_and_deleted(ada: Visitor) -> None:
    path = ada.write("A <title>", "Some *text* & <script>alert(1)</script>")
    page = ada.get(path).text
    assert "<h1>A &lt;title&gt;</h1>" in page
    assert "<p>Some <em>text</em> &amp; &lt;script&gt;" in page
    assert "<script" not in page
    assert "A &lt;title&gt;" in ada.get().text
    assert "Some *text* &amp; &lt;script&gt;" in ada.get(f"{path}/edit").text
    assert ada.send(f"{path}/edit", title="Another", text="changed").status == 303
    assert "<p>changed</p>" in ada.get(path).text
    assert "Delete “Another”?" in ada.get(f"{path}/delete").text
    assert ada.send(f"{path}/delete").status == 303
    assert ada.get(path).status == 404


@pytest.mark.parametrize("action", ["edit", "delete"])
def test_only_the_author_changes_a_post(demo: Demo, ada: Visitor, action: str) -> None:
    path = ada.write("Mine")
    assert f'href="{path}/{action}"' in ada.get(path).text
    stranger = Visitor(demo)
    answer = stranger.get(f"{path}/{action}")
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/login?next=")
    assert stranger.send(f"{path}/{action}", title="x", text="x").status == 403
    stranger.register(f"other_{action}")
    assert stranger.get(f"{path}/{action}").status == 403
    assert stranger.send(f"{path}/{action}", title="x", text="x").status == 403
    page = stranger.get(path).text
    assert "<h1>Mine</h1>" in page
    assert f"{path}/{action}" not in page


@pytest.mark.parametrize("action", ["write", "logout", "login", "register"])
def test_without_the_token_nothing_is_done(demo: Demo, ada: Visitor, action: str) -> None:
    fields = {"title": "x", "text": "x", "name": "eve", "password": PASSWORD}
    assert ada.ask("POST", f"/{action}", urlencode(fields)).status == 403


@pytest.mark.parametrize(
    ("title", "text", "fault"),
    [
        ("", "x", "this one has 0"),
        ("x" * 121, "x", "this one has 121"),
        ("x", " ", "A text has 1 to 50,000"),
    ],
)
def test_a_post_that_is_refused_is_not_lost(
    ada: Visitor, title: str, text: str, fault: str
) -> None:
    answer = ada.send("/write", title=title, text=text)
    assert answer.status == 400
    assert fault in answer.text
    assert f'value="{title}"' in answer.text


def test_posts_go_over_pages_and_into_the_feed(demo: Demo, ada: Visitor) -> None:
    for number in range(7):
        ada.write(f"Number {number} & more", "# Head\n\nText")
    first, second = ada.get().text, ada.get("/?page=2").text
    assert [int(found) for found in re.findall(r"Number (\d) &amp;", first)] == [6, 5, 4, 3, 2]
    assert "Number 1 &amp; more" in second
    assert 'href="/?page=2"' in first
    answer = Visitor(demo).get("/feed.atom")
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    entry = ElementTree.fromstring(answer.text).findall(f"{ATOM}entry")[0]
    assert entry.findtext(f"{ATOM}title") == "Number 6 & more"
    assert entry.findtext(f"{ATOM}content") == "<h2>Head</h2>\n<p>Text</p>"
    assert entry.findtext(f"{ATOM}author/{ATOM}name") == "ada"


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/?page=0", "/?page=99999", "/?page=x", "/post/999999", f"/post/{10**30}"],
)
def test_what_is_not_there_has_a_page_too(demo: Demo, path: str) -> None:
    answer = Visitor(demo).get(path)
    assert answer.status == 404
    assert "<h1>404</h1>" in answer.text


def test_posts_and_logins_outlive_the_program(tmp_path: Path) -> None:
    path = tmp_path / "blog.sqlite"
    with serving("blog", f"--database={path}") as demo:
        visitor = Visitor(demo)
        visitor.register("ada")
        post = visitor.write("It stays")
    with serving("blog", f"--database={path}") as demo:
        visitor.demo = demo
        assert "<h1>It stays</h1>" in visitor.get(post).text
        assert '<span class="who">ada</span>' in visitor.get().text


# -- the markup --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("a\nb\n\nc", "<p>a b</p>\n<p>c</p>"),
        ("# T\nx", "<h2>T</h2>\n<p>x</p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("> a\n> b", "<blockquote><p>a b</p></blockquote>"),
        (
            "a\n```\n<b>\n\n*x*\n```\nc",
            "<p>a</p>\n<pre><code>&lt;b&gt;\n\n*x*</code></pre>\n<p>c</p>",
        ),
        ("```\nopen", "<pre><code>open</code></pre>"),
        ("**a** *b* `*c*`", "<p><strong>a</strong> <em>b</em> <code>*c*</code></p>"),
        ("2 * 3 * 4", "<p>2 <em> 3 </em> 4</p>"),
        (
            "[a<b](https://x.example/?a=1&b)",
            '<p><a href="https://x.example/?a=1&amp;b" rel="nofollow noopener">a&lt;b</a></p>',
        ),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>"),
        (
            '[a](https://x" onclick="y)',
            "<p>[a](https://x&quot; onclick=&quot;y)</p>",
        ),
        ("<img src=x onerror=1>", "<p>&lt;img src=x onerror=1&gt;</p>"),
    ],
)
def test_markup_becomes_these_elements_and_no_others(text: str, html: str) -> None:
    assert to_html(text) == html


def test_a_summary_has_no_markup() -> None:
    assert summary("# T\n\n**a** `b` [c](https://x)\n- d") == "T a b c d"
    assert summary("word " * 100, 22) == "word word word word…"
