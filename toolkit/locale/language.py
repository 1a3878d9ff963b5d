"""Codes of languages: how they are written, what is close to one, which a browser wants."""

import re
from collections.abc import Iterator

#: Languages and scripts that are written from right to left.
_RTL = {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "ug", "ur", "yi"}
_RTL_SCRIPTS = {"Adlm", "Arab", "Hebr", "Nkoo", "Rohg", "Syrc", "Thaa"}

_TAG = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)
_QVALUE = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?", re.ASCII)


def canonical(code: str) -> str:
    """Return a code as it is usually written: ``zh_Hant_TW`` for ``zh-hant-tw``."""
    language, *parts = code.replace("-", "_").split("_")
    return "_".join([language.lower(), *(_CASES.get(len(part), str.lower)(part) for part in parts)])


#: By its length a part is a country or a script.
_CASES = {2: str.upper, 4: str.title}


def closest(code: str) -> Iterator[str]:
    """Yield a code and what may stand for it, the closest first.

    >>> list(closest("zh-hans-cn"))
    ['zh_Hans_CN', 'zh_CN', 'zh_Hans', 'zh']

    RFC 4647 §3.4, and the country without the script.
    """
    parts = canonical(code).split("_")
    while parts:
        yield "_".join(parts)
        if len(parts) == 3 and len(parts[1]) == 4:
            yield f"{parts[0]}_{parts[2]}"
        parts.pop()


def right_to_left(code: str) -> bool:
    """Whether text of a locale is written from right to left."""
    language, *parts = canonical(code).split("_")
    scripts = [part for part in parts if len(part) == 4]
    return scripts[0] in _RTL_SCRIPTS if scripts else language in _RTL


def accepted_languages(header: str) -> list[str]:
    """Return the languages of an Accept-Language header, the most wanted first.

    >>> accepted_languages("da, en;q=0.7, en-gb;q=0.8, *;q=0.1")
    ['da', 'en-gb', 'en']

    Those of equal weight stay in order. What is malformed or not wanted (``q=0``), and ``*``, is
    left out.

    RFC 9110 §12.5.4
    """
    weighted = []
    for item in header.split(","):
        tag, semicolon, parameter = item.partition(";")
        name, _, value = parameter.strip(" \t").partition("=")
        if not semicolon:
            name, value = "q", "1"
        tag = tag.strip(" \t")
        if _TAG.fullmatch(tag) and name.lower() == "q" and _QVALUE.fullmatch(value):
            weighted.append((float(value), tag))
    weighted.sort(key=lambda pair: -pair[0])
    return [tag for weight, tag in weighted if weight]
