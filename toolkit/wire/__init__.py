"""Sans-I/O protocol machines: bytes in, events out; no loop, socket, clock or chance.

Each machine keeps one contract::

    machine.receive(data)                 bytes in; b"" means the peer sends no more
    machine.next_event()                  an event, NEED_DATA, PAUSED or CLOSED
    machine.send(event) -> bytes          what to write for this event

``next_event`` raises only RemoteProtocolError, ``send`` only LocalProtocolError.
"""
