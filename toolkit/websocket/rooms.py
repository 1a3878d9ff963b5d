"""`Room`: connections that get the same messages."""

import asyncio
from collections.abc import Collection, Iterator
from typing import Any, Protocol

from toolkit.concurrent import Future
from toolkit.ioloop import IOLoop
from toolkit.websocket.connection import Connection
from toolkit.websocket.errors import WebSocketClosedError
from toolkit.websocket.options import SendQueue
from toolkit.websocket.protocol import encoded
from toolkit.wire.websocket import Prepared


class Member(Protocol):
    """What can join a room, such as a `WebSocketHandler`."""

    ws_connection: Any


class Room:
    """Connections that get the same messages, each framed and compressed once for all.

    Example::

        class Chat(WebSocketHandler):
            room = Room()

            def open(self):
                self.room.join(self)

            def on_message(self, message):
                self.room.broadcast(message)

    A connection that closes leaves by itself.

    Args:
        send_queue: what happens to messages for members that read slowly; None for what each
            of them says itself.
        name: for people.
    """

    def __init__(self, send_queue: SendQueue | None = None, name: str = "") -> None:
        self.send_queue = send_queue
        self.name = name
        self._members: dict[Connection, Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._members.values()))

    def __contains__(self, member: Member) -> bool:
        return member.ws_connection in self._members

    def __repr__(self) -> str:
        return f"<Room {self.name!r} of {len(self)}>"

    def join(self, member: Member) -> None:
        """Have a member get what is sent from now on; twice is once.

        Raises:
            WebSocketClosedError: its connection is not open.
        """
        connection: Connection | None = member.ws_connection
        if connection is None or connection.is_closing():
            raise WebSocketClosedError("the connection is not open")
        self._members[connection] = member
        if connection.rooms is None:
            connection.rooms = set()
        connection.rooms.add(self)

    def leave(self, member: Member) -> None:
        """Have a member get nothing any more; one that is not there is none the worse."""
        if member.ws_connection is not None:
            self.discard(member.ws_connection)

    def discard(self, connection: Connection) -> None:
        """Let go of a connection; called with its end."""
        if self._members.pop(connection, None) is not None and connection.rooms is not None:
            connection.rooms.discard(self)

    def broadcast(
        self,
        message: str | bytes | dict[str, Any],
        binary: bool = False,
        skip: Collection[Member] = (),
    ) -> "Future[Any]":
        """Send a message to all members.

        Args:
            message, binary: as of `WebSocketHandler.write_message`.
            skip: members that do not get it.
        Returns:
            A future that is done when more should be sent; with policies other than ``"wait"``
            that is at once.
        """
        prepared = Prepared(encoded(message, binary))
        queue = self.send_queue
        waiting: list[Future[None]] = []
        skipped = {member.ws_connection for member in skip}
        for connection in list(self._members):
            if connection in skipped or connection.is_closing():
                continue
            try:
                future = connection.send(prepared, queue)
            except WebSocketClosedError:
                continue  # it was told itself
            if not future.done():
                waiting.append(future)
        if not waiting:
            return IOLoop.current().done
        return asyncio.gather(*waiting, return_exceptions=True)


class Rooms:
    """Rooms by name, each there while it has members.

    Args:
        send_queue: of each room.
    """

    def __init__(self, send_queue: SendQueue | None = None) -> None:
        self._send_queue = send_queue
        self._rooms: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._rooms))

    def __contains__(self, name: str) -> bool:
        return name in self._rooms

    def __getitem__(self, name: str) -> Room:
        return self._rooms[name]

    def join(self, name: str, member: Member) -> Room:
        """Have a member join a room, and return that; errors as `Room.join`."""
        room = self._rooms.get(name)
        if room is None:
            room = _NamedRoom(self._send_queue, name, self._rooms)
        room.join(member)
        self._rooms[name] = room
        return room

    def leave(self, name: str, member: Member) -> None:
        """Have a member leave a room, if it is there."""
        room = self._rooms.get(name)
        if room is not None:
            room.leave(member)

    def broadcast(
        self,
        name: str,
        message: str | bytes | dict[str, Any],
        binary: bool = False,
        skip: Collection[Member] = (),
    ) -> "Future[Any]":
        """Send a message to all members of a room, of which there may be none."""
        room = self._rooms.get(name)
        if room is None:
            return IOLoop.current().done
        return room.broadcast(message, binary, skip)


class _NamedRoom(Room):
    """A room that goes with its last member."""

    def __init__(self, send_queue: SendQueue | None, name: str, rooms: dict[str, Room]) -> None:
        super().__init__(send_queue, name)
        self._rooms = rooms

    def discard(self, connection: Connection) -> None:
        super().discard(connection)
        if not self._members:
            self._rooms.pop(self.name, None)
