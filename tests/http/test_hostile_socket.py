"""Every hostile request of the table, sent to a real server through a real socket."""

import pytest

from tests.http.client import Client, Serve, Site, get
from tests.wire.hostile import CANARY, HOSTILE, Hostile
from toolkit.web import RequestHandler
from toolkit.wire.http1 import DEFAULT_LIMITS, Limits

#: Entries about limits that no option of `HTTPServer` sets: of one line, of the number of
#: fields, of chunk extensions and of trailers. The machine's own tests have them.
NO_OPTION = {
    "small limit: request line": "line",
    "small limit: field line": "line",
    "small limit: five fields": "fields",
    "small limit: chunk overhead": "chunk_overhead",
    "small limit: chunk overhead of the last chunk": "chunk_overhead",
    "small limit: chunk line": "line",
    "small limit: trailer line": "line",
    "small limit: trailer section": "trailers",
    "small limit: five trailers": "fields",
}


class Everything(RequestHandler):
    """Takes every method, reads all content, and notes what it was asked for."""

    asked: list[str]

    def initialize(self, asked: list[str]) -> None:
        self.asked = asked

    def prepare(self) -> None:
        self.asked.append(self.request.uri)

    def get(self) -> None:
        self.write("taken")

    head = post = put = delete = patch = options = get


def site_for(serve: Serve, limits: Limits, asked: list[str]) -> Site:
    """Start a site with those limits that a server has options for."""
    rules = [(".*", Everything, {"asked": asked})]
    return serve(rules, max_header_size=limits.head, content_limit=limits.body)


def test_the_table_of_entries_without_an_option_is_true() -> None:
    """Each is there, differs in that limit from the default, and no other entry has limits."""
    entries = {entry.name: entry for entry in HOSTILE}
    for name, limit in NO_OPTION.items():
        limits = entries[name].limits
        assert getattr(limits, limit) != getattr(DEFAULT_LIMITS, limit), name
    assert all(entry.name.startswith("small limit: ") for entry in HOSTILE if _limited(entry))
    assert sum(entry.name not in NO_OPTION for entry in HOSTILE) > 700


def _limited(entry: Hostile) -> bool:
    return entry.limits != DEFAULT_LIMITS


async def attack(client: Client, entry: Hostile) -> str:
    """Send an entry; return what is wrong with the server's reaction, "" for nothing."""
    try:
        await client.send(entry.raw)
    except ConnectionError:
        # The server answers and closes while a large entry is still being sent.
        pass
    # A request that cannot be read is answered as a GET, whatever its first word was.
    answer = await client.answer()
    if answer.status not in entry.statuses:
        return f"status {answer.status}, not {sorted(entry.statuses)}"
    # Who sends a word alone does not speak HTTP, and gets the least of an answer.
    if answer.fields and answer.get("connection") != "close":
        return f"Connection {answer.get('connection')}"
    if rest := await client.read_to_end():
        return f"{rest[:100]!r} after the answer"
    return ""


@pytest.mark.parametrize("limited", [False, True], ids=["default limits", "small limits"])
async def test_each_hostile_request_gets_one_refusal_and_the_end(
    serve: Serve, caplog: pytest.LogCaptureFixture, limited: bool
) -> None:
    """The canary is never answered, and between two attacks others are served."""
    entries = [
        entry for entry in HOSTILE if _limited(entry) is limited and entry.name not in NO_OPTION
    ]
    asked: list[str] = []
    site = site_for(serve, entries[0].limits, asked)
    good = await site.client()
    wrong: dict[str, str] = {}
    for entry in entries:
        client = await site.client()
        try:
            fault = await attack(client, entry)
        except Exception as error:
            fault = repr(error)
        finally:
            client.close()
        if fault:
            wrong[entry.name] = fault
        assert (await good.get("/good")).text == "taken", entry.name
    assert not wrong
    assert not any("canary" in uri for uri in asked)
    _claim(caplog)


async def test_hostile_requests_are_refused_after_a_good_one(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The good one is answered first, whether or not it came in the same piece."""
    asked: list[str] = []
    site = site_for(serve, DEFAULT_LIMITS, asked)
    wrong: dict[str, str] = {}
    for index, entry in enumerate(entry for entry in HOSTILE if not _limited(entry)):
        if len(entry.raw) > 10_000:
            continue
        client = await site.client()
        if index % 2:
            assert (await client.get("/good")).text == "taken"
            fault = await attack(client, entry)
        else:
            await client.send(get("/good") + entry.raw)
            assert (await client.answer()).text == "taken"
            answer = await client.answer()
            fault = "" if answer.status in entry.statuses else f"status {answer.status}"
            fault = fault or (await client.read_to_end()).decode("latin-1")
        client.close()
        if fault:
            wrong[entry.name] = fault
    assert not wrong
    assert not any("canary" in uri for uri in asked)
    assert (await site.get("/good")).text == "taken"
    _claim(caplog)


def _claim(caplog: pytest.LogCaptureFixture) -> None:
    """Claim the lines about content that could not be read, a line for a request at most.

    Untrusted bytes stand in them in no raw form.
    """
    for record in caplog.records:
        if record.name == "toolkit.general":
            assert record.getMessage().isprintable()
            record.claimed = True


def test_each_entry_hides_the_canary_at_its_end() -> None:
    assert all(entry.raw.endswith(CANARY) for entry in HOSTILE)
