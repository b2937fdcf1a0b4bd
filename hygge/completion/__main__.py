"""This is where a completion script asks: ``python -m hygge.completion SHELL ...``.

The answer's first line is ``nospace`` where the word is likely to go on after its completion, else
``space``. Each other line is a candidate, with what it means after a tab.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hygge.completion import table
from hygge.completion.candidates import Answer, answer
from hygge.completion.line import Line, glued

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SPECIAL = re.compile(r"([^\w@%+=:,./^-])")


def main(arguments: Sequence[str]) -> None:
    """Write what the last word can become, given a shell's name and what that knows."""
    shell, *rest = arguments
    known = table.read(os.environ.get("HYGGE_COMMANDS", ""))
    if shell == "bash":
        lines = _bash(known, rest)
    else:
        found = answer(rest, known, Path.cwd())
        lines = [_head(found), *("\t".join(filter(None, each)) for each in found.candidates)]
    # What a terminal would take for a command of its own is no candidate.
    shown = (each for each in lines if not _CONTROL.search(each.replace("\t", "")))
    text = "".join(f"{each}\n" for each in shown)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def _bash(known: table.Table, arguments: Sequence[str]) -> list[str]:
    """Return what bash takes for the part of the word that it replaces."""
    text, point, breaks, current, *words = arguments
    line = Line.parse(text[: int(point)]) if text else glued(words[: int(current) + 1])
    found = answer(line.words, known, Path.cwd())
    kept = line.kept(breaks)
    texts = (candidate.text[kept:] for candidate in found.candidates)
    if line.quote is not None:
        return [_head(found), *texts]
    return [_head(found), *(_SPECIAL.sub(r"\\\1", each) for each in texts)]


def _head(found: Answer) -> str:
    return "nospace" if found.goes_on else "space"


if __name__ == "__main__":
    main(sys.argv[1:])
