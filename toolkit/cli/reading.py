"""What reads the values of options; `argparse` tells what is wrong with them."""

import argparse
import logging
import re

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def whole(text: str) -> int:
    """Read a whole number that is not negative."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number is allowed")
    return int(text)


def positive(text: str) -> int:
    """Read a whole number from 1 up."""
    number = whole(text)
    if not number:
        raise argparse.ArgumentTypeError("0; a whole number from 1 up is allowed")
    return number


def port(text: str) -> int:
    """Read a port; 0 for any that is free."""
    number = whole(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text}; a port from 0 to 65535 is allowed")
    return number


def octal(text: str) -> int:
    """Read permissions of a file."""
    if not re.fullmatch("(0o?)?[0-7]{3}", text):
        raise argparse.ArgumentTypeError(f"{text!r}; three octal digits such as 660 are allowed")
    return int(text, 8)


def amount(text: str) -> float:
    """Read a number that is not negative, such as seconds."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r}; a number such as 2.5 is allowed")
    return float(text)


def size(text: str) -> int:
    """Read bytes, such as ``512K``."""
    match = re.fullmatch("([0-9]+)([KMG]?)", text.upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}; bytes are allowed, or such as 512K, 100M, 2G")
    return int(match[1]) * _UNITS[match[2]]


def level(text: str) -> str:
    """Read a level of logging."""
    levels = [name.lower() for name in logging.getLevelNamesMapping() if name != "NOTSET"]
    if text.lower() not in levels:
        raise argparse.ArgumentTypeError(f"{text!r}; {', '.join(levels)} are allowed")
    return text.lower()


def names(text: str) -> list[str]:
    """Read a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
