"""This is where the last runs are read, as far as the board tells of them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hygge import runs
from hygge.runs import RunFolder, RunRecord

FILES = ("manifest.json", "events.jsonl")

MOST_RUNS = 40
"""Runs that the board shows."""

MOST_FAILURES = 20
"""Failures of one run that the board names."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One run."""

    id: str
    status: str
    """``running``, ``succeeded``, ``failed``, ``interrupted`` or ``unknown``."""
    command: str
    """The words that were typed."""
    seconds: float | None
    """None if it is not known for how long it went on."""
    counts: Mapping[str, int]
    """As the manifest has them: moved, removed, failed, pending, rows, bytes and others."""
    failed: tuple[tuple[str, str], ...] = ()
    """Task and message of what failed, `MOST_FAILURES` at most."""


class History:
    """The last runs of a project; what a run that has ended left is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, tuple[float, Bar]] = {}

    def bars(self) -> list[Bar]:
        """Return the last runs, the newest first.

        Raises:
            StateError: Runs can't be looked at.
        """
        known: dict[str, tuple[float, Bar]] = {}
        for folder in runs.run_folders(self.root)[:MOST_RUNS]:
            before = self._known.get(folder.id)
            changed = _changed(folder)
            if before is None or before[0] != changed or before[1].status == "running":
                before = (changed, _bar(folder.record()))
            known[folder.id] = before
        self._known = known
        return [bar for _, bar in known.values()]

    def files(self) -> list[str]:
        """Return what the newest of the runs that were read last writes to."""
        newest = [RunFolder(self.root, run).folder for run in [*self._known][:1]]
        return [str(folder / name) for folder in newest for name in FILES]

    def is_going_on(self) -> bool:
        """Tell whether one of the runs that were read last had not ended then."""
        return any(bar.status == "running" for _, bar in self._known.values())


def _changed(folder: RunFolder) -> float:
    """Return when a run last wrote anything that is told of it."""
    times = [0.0]
    for name in FILES:
        try:
            times.append(os.stat(folder.folder / name).st_mtime)
        except OSError:
            continue
    return max(times)


def _bar(record: RunRecord) -> Bar:
    manifest = record.manifest
    failed = [step for step in record.steps() if step.status == "failed"]
    seconds = record.seconds
    if record.status == "running":
        seconds = time.time() - record.began.timestamp()
    return Bar(
        id=record.id,
        status=record.status,
        command=" ".join(map(str, manifest["command"])),
        seconds=seconds,
        counts=dict(manifest["counts"]),
        failed=tuple((step.task, step.reason) for step in failed[:MOST_FAILURES]),
    )
