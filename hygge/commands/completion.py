"""This is where `doit completion` prints what makes a shell complete what is being typed."""

from __future__ import annotations

import functools
import re
import shlex
import sys
from collections.abc import Iterator
from importlib import resources
from typing import Any

from doit.cmd_base import Command
from doit.cmdparse import CmdOption

from hygge.commands.telling import Entering, told
from hygge.completion import table
from hygge.errors import UsageError, did_you_mean

SHELLS = ("bash", "fish", "zsh")


class Completion(Entering, Command):  # type: ignore[misc]
    """Prints a script for a shell."""

    name = "completion"
    doc_purpose = "print the script that makes a shell complete commands, flows and partitions"
    doc_usage = "bash|fish|zsh"
    doc_description = None
    cmd_options = ()

    def __init__(self, task_loader: Any = None, cmds: Any = None, **more: Any) -> None:
        super().__init__(**more)
        self._loader, self._commands = task_loader, cmds

    def execute(self, opt_values: Any, pos_args: list[str]) -> int | None:
        """Print the script; return an exit code."""
        return told(functools.partial(self._print, pos_args))

    def _print(self, shells: list[str]) -> int:
        """Print the script for the one shell in *shells*.

        Raises:
            UsageError: It is another one, or not one.
        """
        if len(shells) != 1 or shells[0] not in SHELLS:
            asked = " ".join(shells)
            what = f"no completion for '{asked}'" if shells else "completion for which shell?"
            raise UsageError(what, hint=did_you_mean(asked, SHELLS))
        quote = _fish_quoted if shells[0] == "fish" else shlex.quote
        commands = table.written(self._known())
        sys.stdout.write(
            (resources.files("hygge.completion") / f"doit.{shells[0]}")
            .read_text(encoding="utf-8")
            .replace("@COMMANDS@", quote(commands))
            .replace("@PYTHON@", quote(sys.executable))
        )
        return 0

    def _known(self) -> Iterator[table.Command]:
        for name in sorted(self._commands):
            cls = self._commands.get_plugin(name)
            command = cls(task_loader=self._loader, config=self.config, cmds=self._commands)
            found = [each for option in command.cmdparser.options for each in _written(option)]
            yield table.Command(name, _one_line(command.doc_purpose), tuple(found))


def _written(option: CmdOption) -> Iterator[table.Option]:
    """Yield each way to write *option*, the long one first."""
    takes_value = option.type is not bool
    said = _one_line(option.help % {"default": option.default}).partition(" [default")[0]
    values = tuple(sorted(option.choices))
    for written in (option.long and f"--{option.long}", option.short and f"-{option.short}"):
        if written:
            yield table.Option(written, takes_value, said, values)
    if option.inverse:
        yield table.Option(f"--{option.inverse}", False, f"opposite of --{option.long}")


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f]", " ", text).split())


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
