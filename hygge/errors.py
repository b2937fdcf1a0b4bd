"""This is where every error a person can meet is declared, one class for each place to mend it.

::

    HyggeError
    ├── ConfigError      a flow's YAML, hygge.yml or dodo.py
    ├── UsageError       the command line
    ├── HomeError        the source
    │   └── SourceChanged    it was written to while it was read
    ├── TransformError   what a flow does to its rows: SQL, casts, a Python function
    ├── CheckFailed      the data: a check of the flow does not hold
    ├── ContractBroken   the data or the flow: columns other than the store may have
    ├── StoreError       the place where data settles
    ├── WorkerCrashed    what ended the process that shaped a partition
    ├── Timeout          what takes longer than the flow's timeout, or that timeout
    ├── StateError       .doit.db or .hygge/
    └── RunInProgress    another run holds the project
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from hygge import redaction

# Lines of ours are indented; a line break in a name must not begin one of its own.
_CONTROL = re.compile(
    r"\n(?! )|[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_PLACE = re.compile(r"(?P<file>\S.*?):(?P<line>\d+):(?P<column>\d+)  ")


LONGEST = 4000
"""Characters of a part of a message; a value that is quoted in it may have millions."""


def _bounded(text: str) -> str:
    # Hidden first: half a secret would not be known for one.
    return text if len(text) <= LONGEST else f"{redaction.hide(text)[:LONGEST]}…"


class HyggeError(Exception):
    """Something a person can mend.

    Args:
        what: What happened, in one line, values quoted.
        where: ``file:line:column  text`` with a caret below, a path or a task; empty if unknown.
        hint: What to do; empty if nothing is known to help.
    """

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        what, where, hint = map(_bounded, (what, where, hint))
        super().__init__(what, where, hint)
        self.what = what
        self.where = where
        self.hint = hint

    may_pass = False
    """Whether trying again may help, where its causes can't tell: they are in another process, or
    whoever raised it knows better."""
    recorded: object = None
    """What was remembered of it, as an `ErrorRecord`, where it was met: in another process."""

    @property
    def place(self) -> tuple[str, int, int] | None:
        """File, line and column to go to, 1 is the first; None where that is not known."""
        match = _PLACE.match(self.where)
        return (match["file"], int(match["line"]), int(match["column"])) if match else None

    def __str__(self) -> str:
        lines = [_CONTROL.sub(lambda match: repr(match[0])[1:-1], self.what)]
        if self.where:
            lines.append("  at " + self.where)
        if self.hint:
            lines.append("  try: " + self.hint)
        return "\n".join(lines)


class ConfigError(HyggeError):
    """To be mended in YAML or in dodo.py. Nothing was started."""


class UsageError(HyggeError):
    """To be mended on the command line. Nothing was started."""


class HomeError(HyggeError):
    """To be mended at the source. Nothing was changed in the store."""


class SourceChanged(HomeError):
    """The source was written to while it was read. Nothing was changed in the store."""


class TransformError(HyggeError):
    """To be mended in the flow's transform, or in its Python function. Nothing was changed."""


class CheckFailed(HyggeError):
    """To be mended in the data, or in the flow's checks. Nothing was changed in the store."""

    row: int | None = None
    """The first row that offends, 1 is the first; None where that is not known."""
    column: str | None = None
    """The column that is wrong; None if there is none, or several."""


class ContractBroken(HyggeError):
    """To be mended in the data, or in the flow's schema. Nothing was changed in the store."""


class StoreError(HyggeError):
    """To be mended where the data settles. Nothing was changed."""


class WorkerCrashed(HyggeError):
    """To be mended in what ended the process that shaped a partition. Nothing was changed."""


class Timeout(HyggeError):
    """To be mended in what takes so long, or in the flow's timeout. Nothing was changed."""


class StateError(HyggeError):
    """To be mended at ``.doit.db`` or ``.hygge/``. Nothing was moved."""


class RunInProgress(HyggeError):
    """Another process holds the project. Nothing was started."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what it was raised from, in order; each once."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the one of *known* that *name* most likely meant, or None."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the near miss, or all that is *known* where nothing is near."""
    known = list(known)
    near = nearest(name, known)
    if near is not None:
        return f"did you mean '{near}'?"
    return "one of " + ", ".join(f"'{each}'" for each in known)
