"""A proxy with asyncio's streams, on uvloop or on asyncio's own loop."""

import asyncio

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run


async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes until either side has ended."""
    try:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
    except ConnectionError:
        pass
    finally:
        target.close()


async def main(port: int, to: int) -> None:
    """Listen, and connect each incoming stream with one to the port `to`."""

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(ADDRESS, to)
        await asyncio.gather(forward(reader, up_writer), forward(up_reader, writer))

    await asyncio.start_server(proxy, ADDRESS, port, backlog=BACKLOG)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS, proxy=True)
    run(main(options.port, options.to), options.loop)
