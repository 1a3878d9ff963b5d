"""The smallest application: `python -m demos.helloworld --port=8888`."""

import argparse
import asyncio

import toolkit.web


class MainHandler(toolkit.web.RequestHandler):
    """Greets."""

    def get(self) -> None:
        self.write("Hello, world")


async def main(port: int) -> None:
    """Serve until interrupted."""
    application = toolkit.web.Application([(r"/", MainHandler)])
    server = application.listen(port, "127.0.0.1")
    print(f"http://127.0.0.1:{server.addresses[0][1]}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    try:
        asyncio.run(main(parser.parse_args().port))
    except KeyboardInterrupt:
        pass
