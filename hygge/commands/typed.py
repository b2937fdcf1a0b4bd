"""This is where words with ``=`` are found again, which doit takes out of a command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import doit.doit_cmd


def words(command: str, left: Sequence[str]) -> list[str]:
    """Return the words after *command* as they were typed; doit has no variables then.

    Args:
        left: What doit left of them.
    """
    # Asked for once: what stays there would be refused, as no task's name.
    variables = dict(doit.doit_cmd._CMDLINE_VARS or {})
    doit.doit_cmd.reset_vars()
    typed = sys.argv[1:]
    for i, word in enumerate(typed):
        if word == command and [each for each in typed[i + 1 :] if not _is_variable(each)] == left:
            return typed[i + 1 :]
    # Called from Python: which word stood where is not known.
    return [*left, *(f"{name}={value}" for name, value in variables.items())]


def _is_variable(word: str) -> bool:
    return "=" in word and not word.startswith("-")
