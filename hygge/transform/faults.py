"""This is where what is wrong with a transform is given its place in YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hygge.document import Place
from hygge.errors import TransformError, did_you_mean
from hygge.flow import Section

_UNCONVERTED = re.compile(
    r"conversion from `.*?` to `(?P<type>.*?)` failed in column '(?P<column>.*?)' for .*?: "
    r"\[(?:\"(?P<text>(?:[^\"\\]|\\.)*)\"|(?P<other>[^,\]]*))"
)
_SHORT = re.compile(r"^([iuf])(\d+)$")
_LONG = {"i": "int", "u": "uint", "f": "float"}


def fault(
    section: Section, keys: tuple[str | int, ...], what: str, hint: str = ""
) -> TransformError:
    """Build the error that points at the value at *keys* of *section*."""
    return TransformError(what, str(section.place(*keys) or ""), hint)


def key_fault(
    section: Section, keys: tuple[str | int, ...], what: str, hint: str = ""
) -> TransformError:
    """Build the error that points at the key of the value at *keys* of *section*."""
    at = (*(section.at or (section.name,)), *keys)
    place = section.document.keys.get(at) or section.place(*keys)
    return TransformError(what, str(place or ""), hint)


def no_column(name: str, known: Iterable[str]) -> tuple[str, str]:
    """Return what is wrong, and a hint, where there is no column called *name*."""
    return f"no column '{name}'", did_you_mean(name, known)


def first_line(error: BaseException) -> str:
    """Return what *error* says, without the plan that polars prints below."""
    return str(error).strip().split("\n")[0]


def plain(error: BaseException) -> str:
    """Return what polars says of rows, in the words that hygge has for it."""
    text = first_line(error)
    match = _UNCONVERTED.search(text)
    if match is None:
        return text
    value = match["text"] if match["text"] is not None else match["other"]
    kind = _SHORT.sub(lambda short: _LONG[short[1]] + short[2], match["type"])
    return f"'{value}' in the column '{match['column']}' is no {kind}"


def place_within(start: Place | None, root: Path, value: str, offset: int) -> Place | None:
    """Return where the character of *value* at *offset* stands in the YAML file at *start*.

    Folding and indentation change nothing but white space, so that the text and the value are
    the same without it; where they are not (an expanded variable, an escape), the start of the
    value has to do.
    """
    if start is None:
        return None
    try:
        lines = (root / start.file).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        return start
    count = sum(not char.isspace() for char in value[: offset + 1])
    wanted = iter([char for char in value[: offset + 1] if not char.isspace()])
    for written, line, column in _characters(lines, start):
        if written != next(wanted):
            return start
        count -= 1
        if count == 0:
            return Place(start.file, line, column, lines[line - 1].rstrip("\r"))
    return start


def _characters(lines: list[str], start: Place) -> Iterator[tuple[str, int, int]]:
    """Yield the characters of the scalar at *start* with line and column, without white space."""
    first = start.text[start.column - 1 :]
    skipped = len(first) if re.match(r"[|>]", first) else 1 if first[:1] in ("'", '"') else 0
    quote = first[:1] if skipped == 1 else ""
    begin = start.column + skipped
    for number, text in enumerate(lines[start.line - 1 :], start=start.line):
        escaped = False
        for column, char in enumerate(text[begin - 1 :], start=begin):
            escaped = not escaped and char == {"'": "'", '"': "\\"}.get(quote)
            if not escaped and not char.isspace():
                yield char, number, column
        begin = 1
