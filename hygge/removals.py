"""This is where it is found out which moves have to wait for a removal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from hygge.plan import Decision
from hygge.prepared import Prepared


def in_the_way(prepared: Prepared, decisions: Sequence[Decision]) -> dict[str, list[str]]:
    """Return, by task, the removals it has to wait for: a file can't be where a folder is.

    It is so when ``x.parquet/1.parquet`` has become ``x.parquet``, or the other way round.
    """
    gone = {
        output.path: decision.task
        for decision in decisions
        if decision.partition is None and decision.receipt is not None
        for output in decision.receipt.outputs
    }
    above: dict[str, list[str]] = {}
    for path, task in gone.items():
        for folder in PurePosixPath(path).parents:
            above.setdefault(str(folder), []).append(task)
    found: dict[str, list[str]] = {}
    if gone and prepared.store.spreads:
        return _by_name(decisions, gone)
    for decision in decisions if gone else ():
        if decision.partition is not None:
            for output in prepared.store.outputs(decision.partition):
                folders = map(str, PurePosixPath(output).parents)
                waits = [gone[folder] for folder in folders if folder in gone]
                found.setdefault(decision.task, []).extend(waits + above.get(output, []))
    return found


def _by_name(decisions: Sequence[Decision], gone: dict[str, str]) -> dict[str, list[str]]:
    """Return `in_the_way` where only the ends of the outputs' paths are known beforehand."""
    paths = [(PurePosixPath(path).parts, task) for path, task in gone.items()]
    return {
        decision.task: [
            task
            for parts, task in paths
            if _collide(PurePosixPath(decision.partition.name).parts, parts)
        ]
        for decision in decisions
        if decision.partition is not None
    }


def _collide(name: Sequence[str], gone: Sequence[str]) -> bool:
    """Tell whether an output called *name* would be where a folder of *gone* is, or below it."""
    *folders, file = name
    count = len(name)
    for i in range(len(gone) - count):
        if list(gone[i : i + count - 1]) == folders and gone[i + count - 1].startswith(f"{file}."):
            return True
    return any(list(gone[-i:]) == folders[:i] for i in range(1, count))
