"""This is where what a check found is put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

MOST_ROWS = 5
"""Offending rows that are told one by one."""

LONGEST = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Finding:
    """One check that does not hold."""

    check: str
    """The check in short: ``not_null: origin``."""
    message: str
    """The whole of it, in one line."""
    count: int
    """Offending rows; 0 where it is not about rows."""
    where: str
    """The place in YAML."""
    hint: str
    """What to do."""
    row: int | None = None
    """The first row that offends, as `Offender` counts; None where it is not about rows."""
    column: str | None = None
    """The column it is about; None if there is none, or several."""


@dataclass(frozen=True)
class Offender:
    """One row that offends."""

    file: str
    """Where it came from; empty if that can't be told."""
    row: int
    """1 is the first of the file, or of the result if there is no file."""
    values: str
    """What is wrong with it, as text; empty if the message has said so."""


def shown(value: Any) -> str:
    """Return *value* as people write it, in one line of bounded length."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, str):
        return f"'{_short(value)}'"
    return _short(str(value))


def _short(text: str) -> str:
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)


def list_of(values: Sequence[Any]) -> str:
    """Return the first of *values*, separated by commas."""
    first = ", ".join(map(shown, values[:MOST_ROWS]))
    return first + (", …" if len(values) > MOST_ROWS else "")


def rows_text(count: int) -> str:
    """Return *count* with its noun."""
    return "1 row" if count == 1 else f"{count:,} rows"


def offenders_text(offenders: Sequence[Offender], count: int, several: bool) -> str:
    """Return which rows offend: ``9999 in row 17, 8888 in row 21 of 'a.csv'``.

    Args:
        offenders: The first of them, in order.
        count: How many there are altogether.
        several: Whether those that are not told may lie in other files.
    """
    more = count > len(offenders)
    groups = [
        (file, ", ".join(_one(each) for each in group))
        for file, group in groupby(offenders, key=lambda each: each.file)
    ]
    if more and not several:
        groups[-1] = (groups[-1][0], groups[-1][1] + ", …")
    text = "; ".join(
        f"{told} of " + (f"'{file}'" if file else "the result") for file, told in groups
    )
    return text + ("; …" if more and several else "")


def _one(offender: Offender) -> str:
    return f"{offender.values} in row {offender.row}" if offender.values else f"row {offender.row}"


_SPANS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def span_text(microseconds: int) -> str:
    """Return a span of time in its two largest units, rounded down: ``3d 4h``."""
    rest = microseconds // 1_000_000
    told: list[str] = []
    for unit, seconds in _SPANS:
        number, rest = divmod(rest, seconds)
        if number or told:
            told.append(f"{number:,}{unit}")
    return " ".join(told[:2]) or "0s"
