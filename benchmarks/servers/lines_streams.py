"""Echo of lines with asyncio's streams, on uvloop or on asyncio's own loop."""

import asyncio

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send each line back."""
    try:
        while True:
            line = await reader.readuntil(b"\n")
            writer.write(line)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    """Listen."""
    await asyncio.start_server(echo, ADDRESS, port, backlog=BACKLOG)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
