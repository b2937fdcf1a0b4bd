"""This is where a command finds the run that it is asked about."""

from __future__ import annotations

import contextlib
import getopt
import re
import sys
from collections.abc import Iterable

from hygge import redaction, runs
from hygge.commands.reading import Opened, Reading
from hygge.commands.terminal import printable
from hygge.errors import UsageError
from hygge.runs import RunFolder


class OneRun(Reading):
    """A command about one run, which may be named before its options or after them."""

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Parse and execute; return an exit code."""
        result: int | None = super().parse_execute(self._names_last(in_args))
        return result

    def _names_last(self, words: list[str]) -> list[str]:
        """Return *words* with names behind ``--``: to doit, ``-2`` would be an option."""
        short, long = self.cmdparser.get_short(), self.cmdparser.get_long()
        takes = {f"-{letter}" for letter in re.findall("(.):", short)}
        takes |= {f"--{name[:-1]}" for name in long if name.endswith("=")}
        pairs = list(zip(words, ["", *words], strict=False))
        counted = [w for w, before in pairs if re.fullmatch(r"-\d+", w) and before not in takes]
        rest = [w for w, before in pairs if not re.fullmatch(r"-\d+", w) or before in takes]
        # What can't be parsed is complained about by doit's own parser.
        with contextlib.suppress(getopt.GetoptError):
            options, names = getopt.gnu_getopt(rest, short, long)
            flat = [
                word for name, value in options for word in (name, value)[: 1 + (name in takes)]
            ]
            return [*flat, "--", *names, *counted]
        return words


def asked(opened: Opened, names: list[str]) -> RunFolder:
    """Return the run that *names* asks for, by default the last one.

    Raises:
        HyggeError: There is none, or more than one is asked for.
    """
    if len(names) > 1:
        raise UsageError(f"{len(names)} runs are asked for", " ".join(names), "name one")
    return runs.find(opened.project.root, names[0] if names else None)


def tell_warnings(warnings: Iterable[str]) -> None:
    """Write *warnings* to stderr."""
    for warning in warnings:
        sys.stderr.write(f"warning: {printable(redaction.hide(warning))}\n")
