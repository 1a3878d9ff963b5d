"""Rooms, and queues for those who read slowly."""

import asyncio
from typing import Any

import pytest

from tests.http.client import Serve
from tests.websocket.peers import Peer, masked, until
from toolkit.testing import MemoryServer
from toolkit.web import Application
from toolkit.websocket import Room, Rooms, SendQueue, WebSocketClosedError, WebSocketHandler
from toolkit.wire.websocket import Close, frames

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n"


class Member(WebSocketHandler):
    """Joins the room that the route gives and says there what it is told."""

    def initialize(self, room: Room, members: list[Any]) -> None:
        self.room = room
        self.members = members

    def open(self) -> None:
        self.room.join(self)
        self.members.append(self)

    def on_message(self, message: Any) -> None:
        self.room.broadcast(message, skip=[self] if message == "to others" else [])

    def get_compression_options(self) -> dict[str, Any]:
        return {}


def site_of(room: Room, members: list[Any] | None = None) -> list[Any]:
    """Return the rules of a site with one room."""
    return [("/", Member, {"room": room, "members": [] if members is None else members})]


@pytest.mark.feature("D12")
async def test_members_get_what_is_said_in_a_room(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Framed once for all of them, and compressed once for those who want it."""
    room = Room(name="one")
    site = serve(site_of(room))
    made = []
    frame = frames.frame
    monkeypatch.setattr(frames, "frame", lambda *args: made.append(args) or frame(*args))
    peers = [await Peer.connect(site) for _ in range(5)]
    packing = [await Peer.connect(site, fields=DEFLATE) for _ in range(5)]
    assert len(room) == 10
    text = "said in the room " * 10
    await peers[0].say(text)
    for peer in peers:
        assert await peer.event() == text
    for peer in packing:
        data = await peer.client.read()
        assert data[0] == 0xC1
        assert len(data) < 60
    assert len(made) == 2


async def test_some_may_be_skipped(serve: Serve) -> None:
    site = serve(site_of(Room()))
    one, other = await Peer.connect(site), await Peer.connect(site)
    await one.say("to others")
    await one.say("to all")
    assert await other.event() == "to others"
    assert await other.event() == "to all"
    assert await one.event() == "to all"


async def test_who_closes_leaves_all_rooms(serve: Serve) -> None:
    room, members = Room(), list[Any]()
    site = serve(site_of(room, members))
    one, other = await Peer.connect(site), await Peer.connect(site)
    await until(lambda: len(room) == 2)
    assert members[0] in room
    await one.say(Close(1000))
    await one.expect_close(1000)
    await until(lambda: len(room) == 1)
    assert list(room) == [members[1]]
    room.leave(members[0])
    with pytest.raises(WebSocketClosedError):
        room.join(members[0])
    room.leave(members[1])
    assert len(room) == 0
    await other.say("heard by nobody")
    members[1].write_message("but it is open")
    assert await other.event() == "but it is open"


async def test_named_rooms_are_there_while_they_have_members() -> None:
    rooms = Rooms()

    class Handler(WebSocketHandler):
        def open(self, name: str) -> None:
            rooms.join(name, self)

        def on_message(self, message: str) -> None:
            if message == "leave":
                rooms.leave(self.open_args[0], self)
                self.write_message("left")
            else:
                rooms.broadcast(self.open_args[0], {"said": message})

    application = Application([("/(.*)", Handler)], log_function=lambda _: None)
    async with MemoryServer(application) as server:
        async with (
            server.websocket("/a") as one,
            server.websocket("/a") as other,
            server.websocket("/b") as stranger,
        ):
            assert sorted(rooms) == ["a", "b"]
            await one.write_message("x")
            assert await one.read_json() == await other.read_json() == {"said": "x"}
            await stranger.write_message("y")
            assert await stranger.read_json() == {"said": "y"}
            await stranger.write_message("leave")
            assert await stranger.read_message() == "left"
            assert list(rooms) == ["a"]
            assert len(rooms["a"]) == 2
        rooms.leave("a", other)  # which is gone
        await rooms.broadcast("nowhere", "x")
        assert len(rooms) == 0
        assert "a" not in rooms


class Slow:
    """A member that reads nothing until it is told to."""

    def __init__(self, peer: Peer, member: Any) -> None:
        self.peer = peer
        self.member = member

    @classmethod
    async def join(cls, serve: Serve, room: Room) -> "Slow":
        """Join a room, with all that the buffers hold on the way."""
        members: list[Any] = []
        peer = await Peer.connect(serve(site_of(room, members)), receive_buffer=4096)
        await until(lambda: members)
        stream = members[0].ws_connection.stream
        while not stream.writing():
            members[0].write_message(bytes(65536), binary=True)
            await asyncio.sleep(0)
        return cls(peer, members[0])

    async def texts(self, last: str) -> list[str]:
        """Read up to a text, and return all texts."""
        found = []
        while not found or found[-1] != last:
            event = await self.peer.event()
            if isinstance(event, str):
                found.append(event)
        return found


@pytest.mark.feature("D12")
@pytest.mark.feature("D09")
@pytest.mark.parametrize(
    ("queue", "arrive"),
    [
        (SendQueue("drop_old", messages=3), "789"),
        (SendQueue("drop_new", messages=3), "012"),
        (SendQueue("drop_old", size=2), "89"),
        (SendQueue("wait", messages=10), "0123456789"),
    ],
    ids=["old", "new", "old by size", "wait"],
)
async def test_a_policy_decides_what_a_slow_reader_gets(
    serve: Serve, queue: SendQueue, arrive: str
) -> None:
    """Whatever it is, the others get everything at once."""
    room = Room(queue)
    slow = await Slow.join(serve, room)
    fast = await Peer.connect(serve(site_of(room)))
    await until(lambda: len(room) == 2)
    for number in range(10):
        future = room.broadcast(str(number))
        assert future.done() is (queue.policy != "wait")
        assert await fast.event() == str(number)
    assert await slow.texts(arrive[-1]) == list(arrive)
    await future
    await room.broadcast("end")
    assert await slow.texts("end") == ["end"]


@pytest.mark.parametrize("policy", ["close", "wait"])
async def test_a_policy_may_cut_a_slow_reader_off(serve: Serve, policy: Any) -> None:
    """So does waiting, where nobody waits."""
    room = Room(SendQueue(policy, messages=3))
    slow = await Slow.join(serve, room)
    for number in range(5):
        room.broadcast(str(number))
    await until(lambda: len(room) == 0)
    assert slow.member.ws_connection is None
    assert slow.member.close_code == 1008


async def test_who_waits_hears_of_the_end_of_a_slow_reader(serve: Serve) -> None:
    slow = await Slow.join(serve, Room())
    future = slow.member.write_message("x")
    assert not future.done()
    slow.peer.client.reset()
    with pytest.raises(WebSocketClosedError):
        await future


async def test_a_close_comes_after_what_waits(serve: Serve) -> None:
    slow = await Slow.join(serve, Room())
    for number in range(3):
        slow.member.write_message(str(number))
    slow.member.close(4000, "done")
    await slow.peer.send(masked(0x89, b"ping"))
    assert await slow.texts("2") == ["0", "1", "2"]
    close = await slow.peer.event()
    assert (close.code, close.reason) == (4000, "done")


@pytest.mark.parametrize("options", [("shout",), ("wait", 0), ("wait", 1, -1)])
def test_a_queue_that_is_none_is_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="allowed"):
        SendQueue(*options)
