"""Answers that are streams of events: one client's `EventStream`, and `EventChannel` for all."""

from toolkit.web.events.channel import EventChannel
from toolkit.web.events.stream import EventSource, EventStream
from toolkit.wire.event_stream import ServerSentEvent

__all__ = ["EventChannel", "EventSource", "EventStream", "ServerSentEvent"]
