"""This is where it is decided what a word can become, from where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hygge.completion import names
from hygge.completion.table import Command, Option, Table

RUNS = ("show", "tail")
"""Commands of which the words after the options are runs."""

WORDS = {"completion": ("bash", "fish", "zsh"), "schema": ("flow", "project", "event", "manifest")}
"""Commands with words of their own."""

NOTHING = ("board", "debug", "go", "init", "runs", "tabcompletion")
"""Commands that take no names of tasks."""

IMPLIED = "run"
"""The command that may be left out."""


class Candidate(NamedTuple):
    """What a word can become."""

    text: str
    help: str = ""


class Answer(NamedTuple):
    """All that a word can become."""

    candidates: tuple[Candidate, ...] = ()
    """In the order in which they are offered."""
    goes_on: bool = False
    """Whether the only one is likely to be typed on."""


def answer(words: Sequence[str], table: Table, folder: Path) -> Answer:
    """Return what the last of *words* can become; nothing where a file is as likely as anything.

    Args:
        words: Of the whole command line up to the cursor, the program's name first.
        folder: Where it is typed.
    """
    current, before = words[-1] if len(words) > 1 else "", words[1:-1]
    command, implied = _command(before, table)
    option = _awaiting(command, before)
    if option is not None:
        return _beginning(current, map(Candidate, option.values))
    if current.startswith("-"):
        return _beginning(current, _options(command, current))
    root = names.root_of(folder)
    if implied:
        commands = [Candidate(each.name, each.help) for each in table.values()]
        return _names(root, current, [] if _has_names(before, command) else commands)
    if command.name == "help":
        return _beginning(current, [Candidate(each.name, each.help) for each in table.values()])
    if command.name in WORDS:
        return _beginning(current, map(Candidate, WORDS[command.name]))
    if command.name in RUNS:
        return _beginning(current, map(Candidate, names.runs(root)))
    return Answer() if command.name in NOTHING else _names(root, current, [])


def _command(before: Iterable[str], table: Table) -> tuple[Command, bool]:
    """Return the command that was typed, and whether it was only meant."""
    first = next((word for word in before if not word.startswith("-")), "")
    if first in table:
        return table[first], False
    return table.get(IMPLIED, Command(IMPLIED, "")), True


def _has_names(before: Sequence[str], command: Command) -> bool:
    """Tell whether a name was typed, so that no command can follow."""
    return any(
        not word.startswith("-") and _awaiting(command, before[:i]) is None
        for i, word in enumerate(before)
    )


def _awaiting(command: Command, before: Sequence[str]) -> Option | None:
    """Return the option whose value is to follow; None if there is none."""
    last = before[-1] if before else ""
    return next((each for each in command.options if each.takes_value and each.text == last), None)


def _options(command: Command, current: str) -> Iterable[Candidate]:
    written, is_, _ = current.partition("=")
    for each in command.options:
        if is_ and each.text == written:
            yield from (Candidate(f"{written}={value}") for value in each.values)
        elif not is_:
            yield Candidate(each.text, each.help)


def _names(root: Path, current: str, first: Iterable[Candidate]) -> Answer:
    if ":" in current:
        return Answer(tuple(map(Candidate, names.partitions(root, current))))
    flows = names.flows(root)
    found = _beginning(current, [*first, *map(Candidate, flows)])
    only = found.candidates[0].text if len(found.candidates) == 1 else ""
    return Answer(found.candidates, only in flows)


def _beginning(current: str, candidates: Iterable[Candidate]) -> Answer:
    return Answer(tuple(each for each in candidates if each.text.startswith(current)))
