"""pycurl itself: one handle for each request under way, driven by libcurl's own loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import pycurl

from benchmarks.clients.load import Get


@asynccontextmanager
async def open_client(url: str, ca: str | None, flight: int) -> AsyncIterator[Get]:
    """Give a function that fetches the URL; a turn of libcurl runs while the others wait."""
    multi = pycurl.CurlMulti()
    idle: list[pycurl.Curl] = []
    waiting: dict[pycurl.Curl, asyncio.Future[None]] = {}

    def new_handle() -> pycurl.Curl:
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, url)
        if ca:
            handle.setopt(pycurl.CAINFO, ca)
        return handle

    async def drive() -> None:
        while True:
            while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                pass
            _, done, failed = multi.info_read()
            if failed:
                raise SystemExit(f"pycurl: {failed[0][2]}")
            for handle in done:
                multi.remove_handle(handle)
                waiting.pop(handle).set_result(None)
            if waiting and not done:
                multi.select(1.0)
            await asyncio.sleep(0)

    async def get() -> bytes:
        handle = idle.pop() if idle else new_handle()
        body = BytesIO()
        handle.setopt(pycurl.WRITEFUNCTION, body.write)
        waiting[handle] = future = asyncio.get_running_loop().create_future()
        multi.add_handle(handle)
        await future
        idle.append(handle)
        return body.getvalue()

    driver = asyncio.create_task(drive())
    yield get
    driver.cancel()
    multi.close()
