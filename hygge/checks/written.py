"""This is where checks are read as they were written, before there is any data."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hygge.errors import CheckFailed, ConfigError
from hygge.flow import Section

KINDS = ("not_null", "unique", "between", "in", "matches", "rows", "expression", "freshness")
"""What can be checked."""

OF_THE_WHOLE = ("rows", "freshness")
"""Kinds that no single row offends against."""

Bound = int | float | str | None


@dataclass(frozen=True)
class Entry:
    """One entry under ``checks``: what must hold, and what happens where it does not."""

    kind: str
    """One of `KINDS`."""
    wanted: Any
    """What stands behind the kind; ``not_null`` and ``unique`` always have a list of names."""
    severity: str
    """``error`` or ``warn``."""
    on_fail: str
    """``stop`` or ``quarantine``."""
    section: Section
    """Where it was written."""

    @property
    def quarantines(self) -> bool:
        """Whether offending rows are set aside."""
        return self.on_fail == "quarantine"

    @property
    def stops(self) -> bool:
        """Whether the partition is not moved where this does not hold."""
        return self.severity == "error" and not self.quarantines

    def where(self, *keys: str | int) -> str:
        """Return the place in YAML of what stands at *keys* behind the kind, or around it."""
        return str(self.section.place(self.kind, *keys) or "")

    def broken(self, what: str, hint: str = "", *keys: str | int) -> CheckFailed:
        """Build the error for a check that can't be applied to the data as it is."""
        return CheckFailed(what, self.where(*keys), hint)

    def fingerprint(self) -> dict[str, Any]:
        """Return what of this entry can change what is moved."""
        return {self.kind: self.wanted, "severity": self.severity, "on_fail": self.on_fail}


def entry_of(section: Section) -> Entry:
    """Read the entry that *section* is.

    Raises:
        ConfigError: It could never be applied, whatever the data.
    """
    values = section.values
    kinds = [kind for kind in KINDS if kind in values]
    if len(kinds) != 1:
        raise _not_one(section, kinds)
    kind = kinds[0]
    entry = Entry(
        kind,
        _names(values[kind]) if kind in ("not_null", "unique") else values[kind],
        values.get("severity", "error"),
        values.get("on_fail", "stop"),
        section,
    )
    _check_consequence(entry)
    check = _CHECKS.get(kind)
    if check is not None:
        check(entry)
    return entry


def _names(written: str | list[str]) -> list[str]:
    return [written] if isinstance(written, str) else list(dict.fromkeys(written))


def _not_one(section: Section, kinds: list[str]) -> ConfigError:
    if not kinds:
        known = ", ".join(f"'{kind}'" for kind in KINDS)
        return section.error(ConfigError, "an entry that checks nothing", f"add one of {known}")
    what = "several checks in one entry: " + " and ".join(f"'{kind}'" for kind in kinds)
    return section.error(ConfigError, what, "write an entry for each of them", kinds[1])


def _check_consequence(entry: Entry) -> None:
    if not entry.quarantines:
        return
    if entry.kind in OF_THE_WHOLE:
        raise entry.section.error(
            ConfigError,
            f"'{entry.kind}' can't quarantine: no single row offends against it",
            "remove 'on_fail', or write 'severity: warn' to be told only",
            "on_fail",
        )
    if entry.severity == "warn":
        raise entry.section.error(
            ConfigError,
            "'severity: warn' leaves offending rows in, 'on_fail: quarantine' sets them aside",
            "remove one of the two; what is quarantined is told anyway",
            "on_fail",
        )


def _check_between(entry: Entry) -> None:
    for column, (low, high) in entry.wanted.items():
        problem = _problem_of_bounds(low, high)
        if problem:
            place = str(entry.where(column))
            what = f"the bounds of '{column}' {problem[0]}"
            raise ConfigError(what, place, problem[1])


def _problem_of_bounds(low: Bound, high: Bound) -> tuple[str, str] | None:
    """Return what is wrong with the bounds, and what to do; None if they may fit some column."""
    if low is None and high is None:
        return "are both open", "give one of them"
    if any(isinstance(each, float) and math.isnan(each) for each in (low, high)):
        return "can't be NaN: nothing compares to it", "give a number, or null for an open end"
    if low is None or high is None:
        return None
    if isinstance(low, str) != isinstance(high, str):
        return f"are a text and a number: {low} and {high}", "write both in the same way"
    if _is_above(low, high):
        return f"leave nothing between them: {low} is above {high}", f"[{high}, {low}]"
    return None


def _is_above(low: Any, high: Any) -> bool:
    if not isinstance(low, str):
        return bool(low > high)
    instants = [_instant(low), _instant(high)]
    if None in instants:  # one of them is only text, or both are times; the data will tell
        return instants == [None, None] and low > high
    first, last = instants
    if (first.tzinfo is None) != (last.tzinfo is None):  # type: ignore[union-attr]
        return False
    return first > last  # type: ignore[operator]


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _check_in(entry: Entry) -> None:
    for column, values in entry.wanted.items():
        for i, value in enumerate(values):
            if isinstance(value, list | dict):
                shown = "a list" if isinstance(value, list) else "a mapping"
                what = f"{shown} among the values of '{column}'"
                hint = "write texts, numbers, true, false or null"
                raise ConfigError(what, entry.where(column, i), hint)


def _check_rows(entry: Entry) -> None:
    fewest, most = entry.wanted.get("min"), entry.wanted.get("max")
    if fewest is not None and most is not None and fewest > most:
        what = f"no number of rows is at least {fewest} and at most {most}"
        raise entry.section.error(ConfigError, what, f"{{min: {most}, max: {fewest}}}", "rows")


_REFUSED_BY_ALL = re.compile(
    r"missing \)|unbalanced parenthesis|unterminated character set"
    r"|min repeat greater|bad character range|bad escape \(end"
)
"""What Python says of patterns that no engine takes.

The engine that will be used is not loaded here; it takes things that Python's does not.
"""

_NESTED_SET = re.compile(r"\[[^\]]*\[")
"""Sets within sets, which Python takes for something else."""


def _check_matches(entry: Entry) -> None:
    for column, pattern in entry.wanted.items():
        problem = _problem_of_pattern(pattern)
        if problem:
            what = f"the pattern of '{column}' is no regular expression: {problem}"
            hint = "mend it; a '\\' before a sign makes it stand for itself"
            raise ConfigError(what, entry.where(column), hint)


def _problem_of_pattern(pattern: str) -> str:
    if _NESTED_SET.search(pattern):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error as error:
        at = error.pos or 0
        # Only there: '^?', too, repeats nothing for Python.
        begins = at == 0 or pattern[at - 1] in "(|"
        if (error.msg == "nothing to repeat" and begins) or _REFUSED_BY_ALL.match(error.msg):
            return f"{error.msg}, at character {at + 1}"
    except (OverflowError, RecursionError):
        return ""
    return ""


_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


def seconds_of(age: str) -> int:
    """Return the seconds that a number with its unit, like ``2d``, stands for."""
    return int(age[:-1]) * _SECONDS[age[-1]]


_CHECKS: Mapping[str, Callable[[Entry], None]] = {
    "between": _check_between,
    "in": _check_in,
    "matches": _check_matches,
    "rows": _check_rows,
}
