"""This is where the commands and their options are written into a script, and read from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Option(NamedTuple):
    """A way to write an option."""

    text: str
    """With its dashes."""
    takes_value: bool
    help: str
    values: tuple[str, ...] = ()
    """All that it can have; empty if that is not known."""


class Command(NamedTuple):
    """A command of doit's or hygge's."""

    name: str
    help: str
    options: tuple[Option, ...] = ()


Table = Mapping[str, Command]
"""Commands by name, in the order in which they are offered."""


def written(commands: Iterable[Command]) -> str:
    """Return the text that `read` reads: a line for each command and each option."""
    lines = []
    for command in commands:
        lines.append(f"{command.name}\t{command.help}")
        for each in command.options:
            values = " ".join(each.values)
            lines.append(f"\t{each.text}\t{'=' * each.takes_value}\t{each.help}\t{values}")
    return "\n".join(lines)


def read(text: str) -> Table:
    """Return the table that `written` wrote; what is no line of it is passed over."""
    found: dict[str, Command] = {}
    name = ""
    for line in text.split("\n"):
        fields = line.split("\t")
        if len(fields) == 2:
            name = fields[0]
            found[name] = Command(name, fields[1])
        elif len(fields) == 5 and name:
            option = Option(fields[1], bool(fields[2]), fields[3], tuple(fields[4].split()))
            found[name] = found[name]._replace(options=(*found[name].options, option))
    return found
