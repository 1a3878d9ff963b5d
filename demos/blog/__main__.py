"""A blog: users, posts, pages and a feed, with a database in a thread."""

import argparse
import asyncio
import logging
import signal
import tempfile
from importlib import resources
from pathlib import Path

from demos.blog import handlers, markup
from demos.blog.database import Database
from toolkit.ioloop import IOLoop
from toolkit.web import Application, url

#: Seconds that requests under way get when the server is stopped.
STOP_TIMEOUT = 10.0

HERE = resources.files("demos.blog")


def make_application(database: Database) -> Application:
    """Return the application."""
    options = {"database": database}
    return Application(
        [
            url("/", handlers.HomeHandler, options, name="home"),
            url("/post/{number:int}", handlers.PostHandler, options, name="post"),
            url("/post/{number:int}/edit", handlers.EditHandler, options, name="edit"),
            url("/post/{number:int}/delete", handlers.DeleteHandler, options, name="delete"),
            url("/write", handlers.WriteHandler, options, name="write"),
            url("/login", handlers.LoginHandler, options, name="login"),
            url("/register", handlers.RegisterHandler, options, name="register"),
            url("/logout", handlers.LogoutHandler, options, name="logout"),
            url("/feed.atom", handlers.FeedHandler, options, name="feed"),
        ],
        default_handler_class=handlers.MissingHandler,
        default_handler_args=options,
        template_path=str(HERE / "templates"),
        static_path=str(HERE / "static"),
        ui_modules={"Entry": handlers.Entry, "Faults": handlers.Faults},
        ui_methods={"html_of": lambda _, text: markup.to_html(text), "summary_of": _summary},
        login_url="/login",
        cookie_secret=database.secret(),
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"httponly": True, "samesite": "Lax"},
    )


def _summary(_: object, text: str) -> str:
    return markup.summary(text)


async def main(port: int, application: Application) -> None:
    """Serve until SIGINT or SIGTERM, then let requests under way finish."""
    server = application.listen(port, "127.0.0.1")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"blog: http://127.0.0.1:{server.addresses[0][1]}/", flush=True)
    await stopped.wait()
    server.stop()
    await server.close_all_connections(STOP_TIMEOUT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--database", type=Path, help="keeps the posts; else they go at the end")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="blog-") as temporary:
        database = Database(options.database or Path(temporary, "blog.sqlite"))
        try:
            application = make_application(database)
            IOLoop.current().run_sync(lambda: main(options.port, application))
        finally:
            database.close()
