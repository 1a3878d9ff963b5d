"""The database of the blog: SQLite, in a thread of its own."""

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS secrets (value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    author INTEGER NOT NULL REFERENCES users,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    created REAL NOT NULL,
    changed REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS posts_by_time ON posts (created DESC);
"""
_POSTS = """
SELECT posts.id, author, name, title, text, created, changed
FROM posts JOIN users ON users.id = author
"""


@dataclass(frozen=True)
class User:
    """Somebody who may write."""

    id: int
    name: str


@dataclass(frozen=True)
class Post:
    """A post as it is shown."""

    id: int
    author: int
    name: str
    title: str
    text: str
    created: datetime
    changed: datetime


class Database:
    """Users and posts; each method waits for the thread and not for the disk.

    Args:
        path: of the file, which is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        # One thread: SQLite has one writer at a time anyway, and a connection belongs to a thread.
        self._thread = ThreadPoolExecutor(1, "database")
        self._connection: sqlite3.Connection = self._thread.submit(_connect, path).result()

    def secret(self) -> str:
        """Return what cookies are signed with; blocks, so ask before the loop runs."""
        return self._thread.submit(self._secret).result()

    async def _run(self, function: Callable[..., _T], *args: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def close(self) -> None:
        """Close the file."""
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    # -- users ---------------------------------------------------------------------------

    async def add_user(self, name: str, password: bytes) -> User | None:
        """Add a user; None when the name is taken."""
        return await self._run(self._add_user, name, password)

    async def user(self, number: int) -> User | None:
        """Return a user."""
        rows = await self._run(self._rows, "SELECT id, name FROM users WHERE id = ?", number)
        return User(*rows[0]) if rows else None

    async def login(self, name: str) -> tuple[User, bytes] | None:
        """Return a user with the hash of the password."""
        query = "SELECT id, name, password FROM users WHERE name = ?"
        rows = await self._run(self._rows, query, name)
        return (User(*rows[0][:2]), rows[0][2]) if rows else None

    # -- posts ---------------------------------------------------------------------------

    async def posts(self, start: int, count: int) -> tuple[list[Post], int]:
        """Return some posts, the newest first, and the number of all."""
        return await self._run(self._some_posts, start, count)

    async def post(self, number: int) -> Post | None:
        """Return a post."""
        rows = await self._run(self._rows, f"{_POSTS} WHERE posts.id = ?", number)
        return _post(rows[0]) if rows else None

    async def add_post(self, author: User, title: str, text: str) -> int:
        """Add a post; return its number."""
        now = datetime.now(UTC).timestamp()
        query = "INSERT INTO posts (author, title, text, created, changed) VALUES (?, ?, ?, ?, ?)"
        return (await self._run(self._change, query, author.id, title, text, now, now))[0]

    async def change_post(self, number: int, author: User, title: str, text: str) -> bool:
        """Change a post of that author; False if there is none."""
        now = datetime.now(UTC).timestamp()
        query = "UPDATE posts SET title = ?, text = ?, changed = ? WHERE id = ? AND author = ?"
        return (await self._run(self._change, query, title, text, now, number, author.id))[1]

    async def delete_post(self, number: int, author: User) -> bool:
        """Delete a post of that author; False if there is none."""
        query = "DELETE FROM posts WHERE id = ? AND author = ?"
        return (await self._run(self._change, query, number, author.id))[1]

    # -- in the thread -------------------------------------------------------------------

    def _rows(self, query: str, *args: object) -> list[Any]:
        return self._connection.execute(query, args).fetchall()

    def _change(self, query: str, *args: object) -> tuple[int, bool]:
        """Return the number of a row that was added, and whether there was one to change."""
        with self._connection:
            cursor = self._connection.execute(query, args)
        return cursor.lastrowid or 0, cursor.rowcount > 0

    def _add_user(self, name: str, password: bytes) -> User | None:
        query = "INSERT INTO users (name, password) VALUES (?, ?)"
        try:
            return User(self._change(query, name, password)[0], name)
        except sqlite3.IntegrityError:
            return None

    def _some_posts(self, start: int, count: int) -> tuple[list[Post], int]:
        query = f"{_POSTS} ORDER BY created DESC, posts.id DESC LIMIT ? OFFSET ?"
        ((total,),) = self._rows("SELECT count(*) FROM posts")
        return [_post(row) for row in self._rows(query, count, start)], total

    def _secret(self) -> str:
        rows = self._rows("SELECT value FROM secrets")
        if not rows:
            self._change("INSERT INTO secrets VALUES (?)", secrets.token_hex(32))
            rows = self._rows("SELECT value FROM secrets")
        return str(rows[0][0])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(_SCHEMA)
    return connection


def _post(row: Any) -> Post:
    *fields, created, changed = row
    times = [datetime.fromtimestamp(time, UTC) for time in (created, changed)]
    return Post(*fields, *times)
