"""This is where `hygge` begins: every doit command, from any folder of a project."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from doit.doit_cmd import DoitMain

from hygge import __version__, outlet
from hygge.commands.envelope import Answer, envelope
from hygge.commands.telling import NOTHING_STARTED, told
from hygge.errors import HyggeError, UsageError
from hygge.project import find_root
from hygge.tasks import ProjectLoader

WITHOUT_PROJECT = ("help", "--help", "schema", "completion", "tabcompletion")
"""What can be asked anywhere."""

WHERE_ONE_IS = ("init",)
"""What begins in the current folder, even in a project."""


def main() -> None:
    """Run the command on the command line; exit with its code."""
    outlet.open_streams()
    sys.exit(told(functools.partial(_main, sys.argv[1:])))


def _main(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        sys.stdout.write(f"hygge {__version__}\n")
        return 0
    arguments = ["--help"] if arguments == ["-h"] else arguments
    try:
        folder = _folder(arguments)
    except HyggeError as error:
        if "--json" not in arguments:
            raise
        answer = Answer({}, status="error", code=NOTHING_STARTED, problems=[error])
        command = next((word for word in arguments if not word.startswith("-")), "run")
        sys.stdout.write(envelope(command, answer) + "\n")
        return answer.code
    os.chdir(folder)
    loader = None if (folder / "dodo.py").is_file() else ProjectLoader()
    result = DoitMain(loader).run(arguments)
    return int(result or 0)


def _folder(arguments: Sequence[str]) -> Path:
    """Return the folder in which the command works.

    Raises:
        UsageError: There is none for it, or it is none.
    """
    if "" in arguments:
        raise UsageError("an empty word names nothing", hint="leave it out, or name a flow")
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        hint = "go to a folder that is there: cd"
        raise UsageError("the current folder is gone", hint=hint) from error
    command = arguments[0] if arguments else ""
    if command in WHERE_ONE_IS:
        return here
    try:
        return find_root(here)
    except UsageError:
        if command in WITHOUT_PROJECT:
            return here
        raise
