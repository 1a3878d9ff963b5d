"""A small markup for posts, whose HTML can hold nothing but the elements named here.

A block ends with an empty line. ``# `` begins a heading, ``- `` an item of a list, ``> `` a
quotation; a line of three backticks begins and ends code. Within text there are ``**strong**``,
``*emphasis*``, code between backticks, and ``[links](https://…)``.
"""

import re
from collections.abc import Callable

from toolkit.escape import xhtml_escape

_FENCE = "```"
#: No two of these begin alike, and each is tried once at a place: text takes linear time.
_INLINE = re.compile(
    r"`(?P<code>[^`\n]{1,500})`"
    r"|\*\*(?P<strong>[^*\n]{1,500})\*\*"
    r"|\*(?P<em>[^*\n]{1,500})\*"
    r"|\[(?P<text>[^][\n]{1,200})\]\((?P<url>https?://[^\s()<>\"']{1,500})\)"
)


def to_html(text: str) -> str:
    """Return the HTML of a text.

    >>> to_html("# Title\\n\\nSome *<text>*.")
    '<h2>Title</h2>\\n<p>Some <em>&lt;text&gt;</em>.</p>'
    """
    html: list[str] = []
    block: list[str] = []
    code: list[str] | None = None
    for line in [*text.replace("\r\n", "\n").split("\n"), ""]:
        if line.strip() == _FENCE:
            if code is None:
                html += _block(block)
                block, code = [], []
            else:
                html.append(_code(code))
                code = None
        elif code is not None:
            code.append(line)
        elif line.strip():
            block.append(line)
        else:
            html += _block(block)
            block = []
    if code is not None:
        html.append(_code(code[:-1]))
    return "\n".join(html)


def summary(text: str, length: int = 240) -> str:
    """Return the beginning of a text without its markup."""
    plain = re.sub(r"(?m)^\s*(?:#+ |- |> |```\s*$)", "", text[: 4 * length])
    plain = _INLINE.sub(lambda match: match[match.lastgroup or 0] and _words(match), plain)
    plain = " ".join(plain.split())
    if len(plain) <= length:
        return plain
    return plain[:length].rsplit(" ", 1)[0].rstrip(".,;:") + "…"


def _words(match: re.Match[str]) -> str:
    return match["code"] or match["strong"] or match["em"] or match["text"]


def _block(lines: list[str]) -> list[str]:
    """Return the elements of lines that belong together; none for no lines."""
    if not lines:
        return []
    if lines[0].startswith("# "):
        return [f"<h2>{_inline(lines[0][2:])}</h2>", *_block(lines[1:])]
    for mark, write in _MARKED.items():
        if all(line.startswith(mark) for line in lines):
            return [write([line[len(mark) :] for line in lines])]
    return [f"<p>{_inline(' '.join(line.strip() for line in lines))}</p>"]


def _list(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{_inline(line)}</li>" for line in lines) + "</ul>"


def _quote(lines: list[str]) -> str:
    return f"<blockquote><p>{_inline(' '.join(lines))}</p></blockquote>"


_MARKED: dict[str, Callable[[list[str]], str]] = {"- ": _list, "> ": _quote}


def _code(lines: list[str]) -> str:
    return f"<pre><code>{xhtml_escape(chr(10).join(lines))}</code></pre>"


def _inline(text: str) -> str:
    """Return the HTML of text within a block: what is not markup is escaped."""
    html, place = [], 0
    for match in _INLINE.finditer(text):
        html.append(xhtml_escape(text[place : match.start()]))
        words = xhtml_escape(_words(match))
        if match["url"]:
            url = xhtml_escape(match["url"])
            html.append(f'<a href="{url}" rel="nofollow noopener">{words}</a>')
        else:
            html.append(f"<{match.lastgroup}>{words}</{match.lastgroup}>")
        place = match.end()
    return "".join(html) + xhtml_escape(text[place:])
