"""This is where the names of a project are found without loading it: they are read, not checked."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

MARKERS = ("dodo.py", "hygge.yml")
"""As in `hygge.project`, whose import takes too long here."""

SUFFIXES = (".yml", ".yaml")

STATE = ".doit.db"

RUNS = ".hygge/runs"

PATIENCE = 0.1
"""Seconds to wait for a state that is being made; who presses a key does not wait longer."""

LAST = "\U0010ffff"
"""Comes after every other character."""

_FLOWS_DIR = re.compile(r"""^flows_dir:\s*(["']?)(?P<name>.+?)\1\s*(?:#.*)?$""", re.MULTILINE)
_DIGITS = re.compile(r"(\d+)")


def root_of(start: Path) -> Path:
    """Return the root of the project around *start*; *start* itself if there is none."""
    for folder in (start, *start.parents):
        if any((folder / marker).is_file() for marker in MARKERS):
            return folder
    return start


def natural(text: str) -> tuple[tuple[str | int, ...], str]:
    """Return the sort key of `hygge.partition.natural`."""
    parts = _DIGITS.split(text)
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts)), text


def flows(root: Path) -> list[str]:
    """Return the flows that have a file, their entities as far as known, and other tasks."""
    folder = root / _flows_dir(root)
    nested = {each for each in _entries(folder) if (folder / each).is_dir()}
    found = {
        *_stems(folder),
        *(each for each in nested if {*_stems(folder / each)} & {"flow"}),
    }
    for each in found & nested:
        found |= {f"{each}.{name}" for name in _stems(folder / each / "entities")}
    for name in _asked(root, _beginnings):
        base, _, entity = name.partition(".")
        if ":" not in name or (entity and base in found):
            found.add(name.rstrip(":"))
    return sorted(found, key=natural)


def partitions(root: Path, prefix: str) -> list[str]:
    """Return the partitions, as far as they were ever moved, that begin with *prefix*."""
    query = "SELECT task FROM tasks WHERE task >= ? AND task < ?"
    found = _asked(
        root, lambda state: [t for (t,) in state.execute(query, (prefix, prefix + LAST))]
    )
    return sorted(found, key=natural)


def runs(root: Path) -> list[str]:
    """Return the ids of runs, the newest first."""
    return sorted((each for each in _entries(root / RUNS) if each[:1].isdigit()), reverse=True)


def _flows_dir(root: Path) -> str:
    try:
        text = (root / "hygge.yml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "flows"
    match = _FLOWS_DIR.search(text)
    return match["name"] if match else "flows"


def _stems(folder: Path) -> Iterator[str]:
    for name in _entries(folder):
        stem, suffix = os.path.splitext(name)
        if suffix in SUFFIXES and not name.startswith("."):
            yield stem


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _beginnings(state: sqlite3.Connection) -> list[str]:
    """Return what stands before the colon of tasks, with it, and the tasks that have none."""
    found: list[str] = []
    last = ""
    while True:
        (task,) = state.execute("SELECT min(task) FROM tasks WHERE task > ?", (last,)).fetchone()
        if task is None:
            return found
        name, colon, _ = task.partition(":")
        found.append(name + colon)
        # From one flow to the next, however many partitions lie between them.
        last = f"{name}:{LAST}" if colon else task


def _asked(root: Path, ask: Callable[[sqlite3.Connection], list[str]]) -> list[str]:
    """Return what *ask* finds in the state; nothing if that can't be read. Takes no lock."""
    file = root / STATE
    # The second is for a folder without write access.
    for mode in ("mode=ro", "mode=ro&immutable=1") if file.is_file() else ():
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
            uri = f"{file.absolute().as_uri()}?{mode}"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as state:
                return ask(state)
    return []
