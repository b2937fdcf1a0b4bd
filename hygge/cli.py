"""This is where `hygge` begins: every doit command, from any folder of a project."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from doit.doit_cmd import DoitMain

from hygge import __version__
from hygge.errors import HyggeError
from hygge.project import find_root
from hygge.tasks import ProjectLoader

WITHOUT_PROJECT = ("help", "--help", "schema")
"""What can be asked anywhere."""


def main() -> None:
    """Run the command on the command line; exit with its code."""
    sys.exit(_main(sys.argv[1:]))


def _main(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        sys.stdout.write(f"hygge {__version__}\n")
        return 0
    try:
        root = find_root(Path.cwd())
    except HyggeError as error:
        if not arguments or arguments[0] not in WITHOUT_PROJECT:
            sys.stderr.write(f"error: {error}\n")
            return 3
        root = Path.cwd()
    os.chdir(root)
    loader = None if (root / "dodo.py").is_file() else ProjectLoader()
    result = DoitMain(loader).run(arguments)
    return int(result or 0)
