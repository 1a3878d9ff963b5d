"""A browser shows the dashboard: the stream comes in, and its figures are drawn."""

import asyncio
import re
from pathlib import Path

import pytest

from demos.dashboard.__main__ import PAGE, Figures, make_application
from tests.system.test_browser import browse
from toolkit.web import RequestHandler

pytestmark = pytest.mark.system

#: The page loads a picture that comes once the chart was drawn, since a browser shows what it
#: has as soon as all is loaded.
WATCH = """
<img src="/picture" alt="" hidden>
<script>
new MutationObserver(() => fetch("/drawn")).observe(byId("walks"), { childList: true });
</script>
"""


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_figures_are_drawn_as_they_come(tmp_path: Path) -> None:
    """Each tile has its number and picture, and the chart its three lines."""
    drawn = asyncio.Event()

    class Page(RequestHandler):
        def get(self) -> None:
            self.write(PAGE.replace("</body>", WATCH + "</body>"))

    class Picture(RequestHandler):
        async def get(self) -> None:
            await drawn.wait()
            self.set_status(204)

    class Drawn(RequestHandler):
        def get(self) -> None:
            drawn.set()

    figures = Figures()
    application = make_application(figures)
    application.add_handlers(".*", [("/", Page), ("/picture", Picture), ("/drawn", Drawn)])
    async with application.listen(0, "127.0.0.1") as server:
        measuring = asyncio.create_task(figures.measure(0.05))
        url = f"http://127.0.0.1:{server.addresses[0][1]}/"
        dom = (await asyncio.to_thread(browse, tmp_path, url, "--dump-dom")).text
        measuring.cancel()
    assert re.search(r'class="state live".*?<span>live</span>', dom, re.DOTALL)
    assert re.search(r'id="last">[0-9a-f]{12}-[0-9]+<', dom)
    assert len(re.findall(r"<output>[0-9.]+<small>", dom)) == 4
    chart = dom.partition('id="walks"')[2].partition("</svg>")[0]
    assert len(re.findall(r'<path d="M[0-9.]+ [0-9.]+L?[^"]*" fill="none"', chart)) == 3
