"""This is where what a disturbed run has left is compared with what an undisturbed one leaves."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from faults.warm import Ended
from hygge.fingerprint import content_hash

Digest = list[tuple[str, str, int | None]]
"""Path, content hash and rows of each output, in order."""

STATE = (".doit.db", ".doit.db-wal", ".doit.db-shm")

_DONE = re.compile(r"^(?P<task>\S+)  (?P<what>moved|removed)  ", re.MULTILINE)


@dataclass(frozen=True)
class Remembered:
    """What `.doit.db` says, as it is on the disk."""

    runs: Mapping[str, str]
    """The run that moved it, by task."""
    outputs: Mapping[str, Digest]
    """By task."""
    intents: tuple[str, ...] = ()
    """Tasks of which something may have to be cleared away."""
    unclean: tuple[str, ...] = ()
    """Runs that are doubted."""

    @property
    def digest(self) -> Digest:
        """The outputs of all tasks."""
        return sorted(output for outputs in self.outputs.values() for output in outputs)


def remembered(root: Path) -> Remembered:
    """Read the state of the project at *root* and leave it as it is.

    A copy is read: SQLite clears up after a killed process as soon as it opens the file.
    """
    with tempfile.TemporaryDirectory() as name:
        for each in STATE:
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(root / each, name)
        connection = sqlite3.connect(Path(name) / STATE[0])
        with contextlib.closing(connection):
            return _read(connection)


def _read(connection: sqlite3.Connection) -> Remembered:
    try:
        rows = connection.execute("SELECT task, data FROM tasks").fetchall()
        intents = connection.execute("SELECT task FROM intents").fetchall()
        unclean = connection.execute("SELECT run FROM unclean").fetchall()
    except sqlite3.OperationalError:  # killed while the tables were made
        return Remembered({}, {})
    receipts = {task: json.loads(data)["_values_:"] for task, data in rows}
    outputs = {
        task: [tuple(each[:3]) for each in receipt["outputs"]] for task, receipt in receipts.items()
    }
    runs = {task: receipt["run"] for task, receipt in receipts.items()}
    left = (tuple(each for (each,) in rows) for rows in (intents, unclean))
    return Remembered(runs, outputs, *left)


def files(root: Path) -> dict[str, str]:
    """Return the content hash of every file in the stores of *root*, the staged too, by path."""
    return {
        file.relative_to(root).as_posix(): content_hash(file)
        for file in (root / "data/store").rglob("*")
        if file.is_file()
    }


def staged(root: Path) -> list[str]:
    """Return whatever has a temporary name, anywhere below *root*."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.tmp*"))


def is_staged(path: str) -> bool:
    """Tell whether *path* is out of sight for readers."""
    return any(part.startswith(".") for part in path.split("/"))


def done(out: str) -> dict[str, set[str]]:
    """Return the tasks that a run said it moved and removed."""
    found: dict[str, set[str]] = {"moved": set(), "removed": set()}
    for each in _DONE.finditer(out):
        found[each["what"]].add(each["task"])
    return found


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run finds and leaves."""

    before: Mapping[str, str]
    """Content hash of what was in the stores, by path."""
    runs: Mapping[str, str]
    """The run that had moved it, by task, before."""
    moves: frozenset[str]
    """Tasks that are to be moved."""
    removals: frozenset[str]
    """Tasks whose outputs are to go."""
    outputs: Mapping[str, Digest]
    """What is to be in the stores in the end, by task."""

    @property
    def digest(self) -> Digest:
        """What is to be in the stores in the end."""
        return sorted(output for outputs in self.outputs.values() for output in outputs)

    @property
    def tasks(self) -> int:
        """How many partitions are to be moved or removed."""
        return len(self.moves) + len(self.removals)

    def finished(self, now: Remembered) -> set[str]:
        """Return what has been done, and is remembered, of what was to be done."""
        moved = {
            each for each in self.moves if now.runs.get(each) not in (None, self.runs.get(each))
        }
        return moved | {task for task in self.removals if task not in now.runs}

    def wrong_while_stopped(self, root: Path) -> list[str]:
        """Return what readers would see in the stores at *root* that is neither old nor new."""
        new = {path: digest for path, digest, _ in self.digest}
        return [
            f"neither old nor new: {path}"
            for path, digest in files(root).items()
            if not is_staged(path) and digest not in (self.before.get(path), new.get(path))
        ]

    def in_flight(self, root: Path, finished: Set[str]) -> set[str]:
        """Return what is in place at *root* as it is to be, but not *finished*."""
        seen = files(root).items()
        return {
            task
            for task in self.moves - finished
            if all((path, digest) in seen for path, digest, _ in self.outputs[task])
            and not all(self.before.get(path) == digest for path, digest, _ in self.outputs[task])
        }

    def judge(
        self, root: Path, out: str, rerun: Callable[[], Ended], threads: int
    ) -> tuple[set[str], list[str]]:
        """Look at what a run that was stopped has left, run again, and compare.

        Args:
            root: The project.
            out: What the run said that was stopped.
            rerun: Types a plain `doit`.
            threads: How many partitions it moved at once.

        Returns:
            What it had finished, and all that is wrong.
        """
        finished = self.finished(remembered(root))
        wrong = self.wrong_while_stopped(root)
        said = set().union(*done(out).values())
        wrong += [f"said to be done, not remembered: {task}" for task in said - finished]
        flying = self.in_flight(root, finished)
        if len(flying) > threads:
            wrong.append(f"in place, not remembered: {flying}")
        again = rerun()
        rest = {"moved": self.moves - finished, "removed": self.removals - finished}
        if again.code or again.err or done(again.out) != rest:
            wrong.append(f"not {rest}: {again.code} {again.out}{again.err}")
        return finished, wrong + self.wrong_in_the_end(root)

    def wrong_in_the_end(self, root: Path) -> list[str]:
        """Return what at *root* differs from what it should be now that all is done."""
        now, seen = remembered(root), files(root)
        wrong = [f"left over: {path}" for path in staged(root)]
        if now.digest != self.digest:
            wrong.append(f"receipts differ: {sorted({*now.digest} ^ {*self.digest})[:3]}")
        expected = {path: digest for path, digest, _ in self.digest}
        if seen != expected:
            wrong.append(f"files differ: {sorted(seen.items() ^ expected.items())[:3]}")
        wrong += [f"{word} left: {what}" for word, what in _left(now).items() if what]
        wrong += [f"moved aside: {path.name}" for path in root.glob(".doit.db.corrupt-*")]
        return wrong


def _left(now: Remembered) -> dict[str, tuple[str, ...]]:
    return {"intents": now.intents, "unclean runs": now.unclean}


def reference(template: Path, root: Path, out: str) -> Reference:
    """Build the reference from what is at *template* and what a run made of a copy of it.

    Args:
        root: The copy, after an undisturbed run.
        out: What that run said.
    """
    did = done(out)
    made = Reference(
        before=files(template),
        runs=remembered(template).runs,
        moves=frozenset(did["moved"]),
        removals=frozenset(did["removed"]),
        outputs=remembered(root).outputs,
    )
    assert made.wrong_in_the_end(root) == []
    assert made.tasks > 0
    return made
