"""This is where tables, times and odd names are made to fit a terminal."""

from __future__ import annotations

import datetime
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

GAP = "  "
"""Between columns."""

# Control characters, line separators, what turns the direction of writing, halves of characters.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    is_number: bool = False
    """Whether it stands to the right."""
    least: int | None = None
    """How narrow it may be cut; None if it is never cut."""
    leaves: int = 0
    """Where there is no room, columns with more than 0 are left out, the highest first."""


def printable(text: Any) -> str:
    """Return *text* in one line that does nothing to a terminal: ``\\n`` for a line break."""
    return _UNPRINTABLE.sub(_escaped, str(text))


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def room() -> int | None:
    """Return how wide a line may be; None where nobody looks at it: in a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitted(text: str, width: int | None) -> str:
    """Return *text* cut to *width* cells of a terminal, with ``…`` where something is left out."""
    from rich.cells import cell_len, set_cell_size

    if width is None or cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> Iterator[str]:
    """Yield the lines of a table with its titles; as wide as *width* if that can be."""
    from rich.cells import cell_len

    printed = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max([len(column.title), *(cell_len(row[i]) for row in printed)])
        for i, column in enumerate(columns)
    ]
    kept = _kept(columns, widths, width)
    widths = _narrowed(columns, widths, kept, width)
    for row in ([column.title for column in columns], *printed):
        cells = [_cell(row[i], widths[i], columns[i].is_number) for i in kept]
        yield GAP.join(cells).rstrip()


def _kept(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    """Return the columns that there is room for, by number."""
    kept = list(range(len(columns)))
    while width is not None:
        least = [min(widths[i], columns[i].least or widths[i]) for i in kept]
        leaving = max(kept, key=lambda i: columns[i].leaves)
        if sum(least) + len(GAP) * (len(kept) - 1) <= width or not columns[leaving].leaves:
            break
        kept.remove(leaving)
    return kept


def _narrowed(
    columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int], width: int | None
) -> list[int]:
    """Return the width of each column, cut from the last one on where there is no room."""
    result = list(widths)
    for i in reversed(kept):
        least = columns[i].least
        if width is None or least is None:
            continue
        over = sum(result[j] for j in kept) + len(GAP) * (len(kept) - 1) - width
        result[i] = max(result[i] - max(over, 0), min(least, result[i]))
    return result


def _cell(text: str, width: int, is_number: bool) -> str:
    from rich.cells import cell_len

    text = fitted(text, width)
    spaces = " " * (width - cell_len(text))
    return spaces + text if is_number else text + spaces


def local_time(instant: datetime.datetime) -> str:
    """Return *instant* by the clock of whoever reads it: ``2026-11-21 08:30:00``."""
    return f"{instant.astimezone():%Y-%m-%d %H:%M:%S}"


def ago(instant: datetime.datetime) -> str:
    """Return how long ago *instant* was: ``5 min ago``."""
    seconds = int((datetime.datetime.now(datetime.UTC) - instant).total_seconds())
    for unit, size in (("days", 2 * 86400), ("h", 2 * 3600), ("min", 2 * 60)):
        if seconds >= size:
            one = {"days": 86400, "h": 3600, "min": 60}[unit]
            return f"{seconds // one:,} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def duration(seconds: Any) -> str:
    """Return ``3.4s``, ``2m 05s`` or ``1h 02m``; nothing where *seconds* is no number."""
    if not isinstance(seconds, int | float):
        return ""
    if seconds < 60:
        return f"{seconds:.2f}s" if seconds < 1 else f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60:,}h {minutes % 60:02}m"


def number(value: Any) -> str:
    """Return ``48,120``; nothing where *value* is no number."""
    return f"{value:,}" if isinstance(value, int | float) else ""
