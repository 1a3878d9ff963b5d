"""The smallest application: `python -m demos.helloworld --port=8888`."""

import argparse
import asyncio
import contextlib

import toolkit.web

#: Seconds that answers under way get when the server is stopped.
STOP_TIMEOUT = 5.0


class MainHandler(toolkit.web.RequestHandler):
    """Greets."""

    def get(self) -> None:
        self.write("Hello, world")


async def main(port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    application = toolkit.web.Application([(r"/", MainHandler)])
    server = application.listen(port, "127.0.0.1")
    print(f"http://127.0.0.1:{server.addresses[0][1]}/", flush=True)
    # Both signals cancel this wait.
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    server.stop()
    await server.close_all_connections(STOP_TIMEOUT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    toolkit.run(main(parser.parse_args().port))
