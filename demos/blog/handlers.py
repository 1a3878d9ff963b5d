"""The pages of the blog."""

from typing import Any
from urllib.parse import urlsplit

from demos.blog.database import Database, Post, User
from demos.blog.passwords import hash_password, is_password
from toolkit.web import HTTPError, RequestHandler, UIModule, authenticated

PAGE_SIZE = 5
MAX_TITLE, MAX_TEXT = 120, 50_000
MIN_PASSWORD, MAX_PASSWORD = 8, 200
#: Nothing but our own files is loaded, and no script at all.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class Page(RequestHandler):
    """What all pages have in common: the user, and how they are answered.

    Attributes:
        database: of users and posts.
    """

    def initialize(self, database: Database) -> None:
        self.database = database

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")

    async def prepare(self) -> None:
        # `get_current_user` cannot wait for the database, this can.
        number = self.get_signed_cookie("user", max_age_days=14)
        self.current_user = await self.database.user(int(number)) if number else None

    @property
    def user(self) -> User:
        """The user, of a method that is `authenticated`."""
        user: User = self.current_user
        return user

    def enter(self, user: User) -> None:
        """Have the browser be that user's from now on, and go where it wanted to."""
        secure = self.request.protocol == "https"
        options: dict[str, Any] = {"httponly": True, "samesite": "Lax", "secure": secure}
        self.set_signed_cookie("user", str(user.id), expires_days=14, **options)
        self.redirect(self.next_page(), status=303)

    def next_page(self) -> str:
        """Return the path that the browser came from, if it is one of ours."""
        target = self.get_argument("next", "/") or "/"
        parts = urlsplit(target)
        ours = target.startswith("/") and target[1:2] not in ("/", "\\")
        return target if ours and not parts.netloc and target.isprintable() else "/"

    def field(self, name: str) -> str:
        """Return a field of the form that was sent, "" for none."""
        return self.get_body_argument(name, "", strip=name != "password") or ""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.render("error.html", status=status_code, reason=self._reason)


class HomeHandler(Page):
    """The newest posts, page by page."""

    async def get(self) -> None:
        text = self.get_argument("page", "1") or ""
        if not (text.isascii() and text.isdecimal() and 0 < len(text) < 8 and int(text)):
            raise HTTPError(404)
        page = int(text)
        posts, total = await self.database.posts((page - 1) * PAGE_SIZE, PAGE_SIZE)
        pages = max(1, -(-total // PAGE_SIZE))
        if page > pages:
            raise HTTPError(404)
        self.render("home.html", posts=posts, page=page, pages=pages)


class OnePost(Page):
    """What pages about one post have in common."""

    async def find(self, number: int) -> Post:
        """Return a post.

        Raises:
            HTTPError: 404, there is none.
        """
        # A number that SQLite cannot hold is nobody's.
        post = await self.database.post(number) if number < 2**63 else None
        if post is None:
            raise HTTPError(404)
        return post

    async def find_own(self, number: int) -> Post:
        """Return a post of the user.

        Raises:
            HTTPError: 404, there is none; 403, it is another's.
        """
        post = await self.find(number)
        if post.author != self.user.id:
            raise HTTPError(403)
        return post


class PostHandler(OnePost):
    """One post."""

    async def get(self, number: int) -> None:
        self.render("post.html", post=await self.find(number))


class PostForm(OnePost):
    """The form of a post."""

    def read_form(self) -> tuple[str, str, list[str]]:
        """Return title, text and what is wrong with them."""
        title = " ".join(self.field("title").split())
        text = self.field("text").strip()
        faults = []
        if not 0 < len(title) <= MAX_TITLE:
            faults.append(f"A title has 1 to {MAX_TITLE} characters; this one has {len(title)}.")
        if not 0 < len(text) <= MAX_TEXT:
            faults.append(f"A text has 1 to {MAX_TEXT:,} characters; this one has {len(text):,}.")
        return title, text, faults

    def show_form(
        self, title: str, text: str, faults: list[str] | None = None, post: Post | None = None
    ) -> None:
        """Answer with the form, and what was wrong with what it was sent with."""
        if faults:
            self.set_status(400)
        self.render("write.html", title=title, text=text, faults=faults or [], post=post)


class WriteHandler(PostForm):
    """A new post."""

    @authenticated
    async def get(self) -> None:
        self.show_form("", "")

    @authenticated
    async def post(self) -> None:
        title, text, faults = self.read_form()
        if faults:
            self.show_form(title, text, faults)
        else:
            number = await self.database.add_post(self.user, title, text)
            self.redirect(self.reverse_url("post", number), status=303)


class EditHandler(PostForm):
    """A post of one's own, to be changed."""

    @authenticated
    async def get(self, number: int) -> None:
        post = await self.find_own(number)
        self.show_form(post.title, post.text, post=post)

    @authenticated
    async def post(self, number: int) -> None:
        post = await self.find_own(number)
        title, text, faults = self.read_form()
        if faults:
            self.show_form(title, text, faults, post)
        elif await self.database.change_post(number, self.user, title, text):
            self.redirect(self.reverse_url("post", number), status=303)
        else:
            raise HTTPError(404)


class DeleteHandler(OnePost):
    """Deletes a post of one's own."""

    @authenticated
    async def get(self, number: int) -> None:
        self.render("delete.html", post=await self.find_own(number))

    @authenticated
    async def post(self, number: int) -> None:
        await self.find_own(number)
        await self.database.delete_post(number, self.user)
        self.redirect("/", status=303)


class LoginHandler(Page):
    """Name and password."""

    def get(self) -> None:
        self.show_form("", [])

    async def post(self) -> None:
        name, password = self.read_form()
        found = await self.database.login(name)
        if await is_password(password, found[1] if found else None) and found:
            self.enter(found[0])
        else:
            self.show_form(name, ["Name or password is wrong."], 403)

    def read_form(self) -> tuple[str, str]:
        """Return name and password; one that is too long is no password."""
        return self.field("name"), self.field("password")[: MAX_PASSWORD + 1]

    def show_form(self, name: str, faults: list[str], status: int = 200) -> None:
        """Answer with the form."""
        self.set_status(status)
        register = isinstance(self, RegisterHandler)
        self.render(
            "login.html", name=name, faults=faults, register=register, next=self.next_page()
        )


class RegisterHandler(LoginHandler):
    """A new user."""

    async def post(self) -> None:
        name, password = self.read_form()
        faults = []
        if not (name.isidentifier() and len(name) <= 30):
            faults.append("A name has up to 30 letters, digits and _, and begins with no digit.")
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            faults.append(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
        user = None
        if not faults:
            user = await self.database.add_user(name, await hash_password(password))
            if user is None:
                faults.append(f"The name {name} is taken.")
        if user is None:
            self.show_form(name, faults, 400)
        else:
            self.enter(user)


class LogoutHandler(Page):
    """Forgets the user."""

    def post(self) -> None:
        self.clear_cookie("user")
        self.redirect("/", status=303)


class FeedHandler(Page):
    """The newest posts for readers of feeds (Atom, RFC 4287)."""

    async def get(self) -> None:
        posts, _ = await self.database.posts(0, 20)
        self.set_header("Content-Type", "application/atom+xml; charset=utf-8")
        base = f"{self.request.protocol}://{self.request.host}"
        self.render("feed.xml", posts=posts, base=base)


class MissingHandler(Page):
    """What is nowhere else."""

    async def prepare(self) -> None:
        await super().prepare()
        raise HTTPError(404)


class Entry(UIModule):
    """A post in a list, or whole."""

    def render(self, post: Post, whole: bool = False) -> str:
        user = self.handler.current_user
        own = user is not None and user.id == post.author
        return self.render_string("entry.html", post=post, whole=whole, own=own).decode()


class Faults(UIModule):
    """What was wrong with a form."""

    def render(self, faults: list[str]) -> str:
        return self.render_string("faults.html", faults=faults).decode() if faults else ""
