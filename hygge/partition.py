"""This is where the unit of work is defined: what is moved as a whole and remembered as a whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hygge.fingerprint import Signature

FILE = "__hygge_file"
"""Hidden column of traced rows: number of the source in its partition, 0 is the first; UInt32."""

ROW = "__hygge_row"
"""Hidden column of traced rows: number of the row in its source, 1 is the first; UInt64."""

TRACE = (FILE, ROW)


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a partition, as it was listed."""

    path: str
    """Relative to the project's root where it lies inside, else absolute; forward slashes."""
    signature: Signature | None
    """None if the file can't be read: a dangling link, or no plain file."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a flow that is moved as a whole."""

    key: str
    """Unique in its flow; never contains ``=``, which doit refuses in a task's name."""
    name: str
    """What its output is called, a relative path without suffix."""
    sources: tuple[Source, ...]
    """In natural order of their paths; never empty."""
    values: tuple[tuple[str, str | None], ...] = ()
    """Columns that are captured from the path, in order; None is a null."""


_DIGITS = re.compile(r"(\d+)")


def natural(text: str) -> tuple[tuple[str | int, ...], str]:
    """Return a sort key in which ``2`` comes before ``10``.

    The text itself breaks ties, so that ``1`` and ``01`` have an order too.
    """
    # split() alternates text and digits, so that only like is compared with like.
    parts = _DIGITS.split(text)
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts)), text
