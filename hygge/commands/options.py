"""This is where options that a command can't do anything with are told in three lines."""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from pathlib import Path

from doit.cmdparse import CmdOption, CmdParse, CmdParseError

from hygge.errors import UsageError, nearest


def refused(command: str, parser: CmdParse, words: Sequence[str]) -> UsageError | None:
    """Return what is wrong with the options among *words*; None if nothing is.

    Args:
        command: Name of the command that *words* follow.
    """
    try:
        options, _ = getopt.getopt(list(words), parser.get_short(), parser.get_long())
    except getopt.GetoptError as error:
        return _unknown(command, parser, error)
    for typed, value in options:
        option, _ = parser.get_option(typed)
        try:
            if option.type is not bool:
                option.str2type(value)
        except CmdParseError:
            return UsageError(
                f"'{value}' is no value for '{typed}'", f"doit {command}", _values(command, option)
            )
    return None


def _unknown(command: str, parser: CmdParse, error: getopt.GetoptError) -> UsageError:
    dashes = "--" if f"--{error.opt}" in error.msg else "-"
    typed, where = f"{dashes}{error.opt}", f"doit {command}"
    if "requires argument" in error.msg:
        return UsageError(f"option '{typed}' needs a value", where, _see(command))
    if "must not have" in error.msg:
        return UsageError(f"option '{typed}' takes no value", where, "leave out '=' and the rest")
    known = [each for option in parser.options for each in (option.long, option.inverse) if each]
    if "unique prefix" in error.msg:
        found = " and ".join(f"'--{each}'" for each in known if each.startswith(error.opt))
        return UsageError(f"'{typed}' begins several options", where, f"there are {found}")
    near = nearest(error.opt, known)
    hint = f"did you mean '--{near}'?" if near else _see(command)
    return UsageError(f"no option '{typed}'", where, hint)


def _values(command: str, option: CmdOption) -> str:
    if option.choices:
        return "take one of " + ", ".join(f"'{each}'" for each in option.choices)
    return "take a whole number" if option.type is int else _see(command)


def _see(command: str) -> str:
    return f"see what there is: doit help {command}"


def is_hygges_project() -> bool:
    """Tell whether the current folder's dodo.py speaks of hygge; it is not imported."""
    dodo = Path("dodo.py")
    return not dodo.is_file() or b"hygge" in dodo.read_bytes()
