"""This is where a seal is held against the disk and the state: what of it stands?"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hygge.errors import HomeError
from hygge.homes.base import Home
from hygge.partition import Partition
from hygge.prepared import Prepared
from hygge.seal import Files, Numbers, Seal, hash_of_rows, joined, key_of, packed, parted

GONE = (0, 0, 0, 0)
"""Numbers of what is not there; a file that is there has an inode."""

SUM = 32
"""Hexadecimal digits of a sum."""


@dataclass(frozen=True)
class Standing:
    """The partitions of a flow that its seal proves to be up to date."""

    seal: Seal
    others: frozenset[int]
    """Numbers of the partitions in the seal that have to be decided for."""
    files: frozenset[str] | None
    """The sources of these, which are all there is to decide for; None if there may be more."""
    added: frozenset[str] = frozenset()
    """Sources that the seal does not have."""

    @functools.cached_property
    def tasks(self) -> dict[str, int]:
        """The partitions that stand, and their numbers in the seal."""
        tasks = parted(self.seal.tasks)
        return {task: number for number, task in enumerate(tasks) if number not in self.others}

    @property
    def count(self) -> int:
        """How many partitions stand."""
        return len(self.seal.sums) * 2 // SUM - len(self.others)

    @property
    def is_whole(self) -> bool:
        """Whether the whole flow is known to be up to date."""
        return self.files is not None and not self.others

    def holds(self, task: str, partition: Partition) -> bool:
        """Tell whether *partition*, as it was listed now, is up to date."""
        return task in self.tasks and self.added.isdisjoint(s.path for s in partition.sources)

    def without(self, tasks: Iterable[str]) -> Standing:
        """Return what stands beside *tasks*."""
        more = {self.tasks[task] for task in tasks if task in self.tasks}
        return dataclasses.replace(self, others=self.others | more) if more else self

    def outputs(self) -> Iterator[str]:
        """Yield the outputs of the partitions that stand."""
        if not self.others:
            yield from parted(self.seal.written.paths)
            return
        for path, _, owner in self.seal.written.owned():
            if owner not in self.others:
                yield path


def standing(
    seal: Seal, prepared: Prepared, sums: Mapping[str, str], doubtful: Collection[str]
) -> Standing | None:
    """Return what of *seal* stands; None if that can't be told.

    Args:
        sums: Of the rows of the flow in the state.
        doubtful: Tasks that have to be decided for in any case.
    """
    if seal.key != key_of(prepared):
        return None
    read = _glance([prepared.home])
    inputs = _glance([each.home for each in prepared.inputs.values()])
    if read is None or inputs is None or Files.of(inputs) != seal.inputs:
        return None
    paths, numbers = joined(path for path, _ in read), packed(each for _, each in read)
    written = _written(seal, prepared)
    is_same = paths == seal.read.paths
    others = seal.read.differing(numbers) if is_same else set()
    others |= seal.written.differing(written)
    added: set[str] = set()
    if not is_same:
        moved, added = _compared(seal.read, dict(read))
        others |= moved
    is_known = True
    if doubtful or hash_of_rows(sums.values()) != seal.rows:
        others |= _doubted(seal, sums, doubtful)
        is_known = {*sums, *doubtful} <= set(parted(seal.tasks))
    if not (is_same and is_known):
        return Standing(seal, frozenset(others), None, frozenset(added))
    files = {path for path, _, owner in seal.read.owned() if owner in others} if others else ()
    return Standing(seal, frozenset(others), frozenset(files))


def _glance(homes: Iterable[Home]) -> list[tuple[str, Numbers]] | None:
    """Return path and numbers of every file, in order; None if that is not enough to know."""
    found: list[tuple[str, Numbers]] = []
    for home in homes:
        try:
            seen = home.glance()
        except HomeError:
            return None
        if seen is None:
            return None
        found += [(path, _numbers(stat)) for path, stat in seen]
    return sorted(found)


def _written(seal: Seal, prepared: Prepared) -> bytes:
    """Return the numbers of the outputs as they are now."""
    root, paths = os.path.join(prepared.root, ""), parted(seal.written.paths)
    full = (path if path.startswith(os.sep) else root + path for path in paths)
    return packed(map(_looked_at, full))


def _looked_at(path: str) -> Numbers:
    try:
        # lstat: an output that has become a link is not what was written.
        return _numbers(os.lstat(path))
    except (OSError, ValueError):
        return GONE


def _numbers(stat: os.stat_result) -> Numbers:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _compared(read: Files, now: Mapping[str, Numbers]) -> tuple[set[int], set[str]]:
    """Return the partitions of which a file has changed or is gone, and the files that are new."""
    sealed = {path: (numbers, owner) for path, numbers, owner in read.owned()}
    pairs = ((now.get(path, GONE), numbers, owner) for path, (numbers, owner) in sealed.items())
    changed = {owner for new, old, owner in pairs if packed([new]) != packed([old])}
    return changed, now.keys() - sealed.keys()


def _doubted(seal: Seal, sums: Mapping[str, str], doubtful: Collection[str]) -> set[int]:
    """Return the partitions whose row is another one, or that are *doubtful*."""
    text = seal.sums.hex()
    known = enumerate(parted(seal.tasks))
    return {
        number
        for number, task in known
        if sums.get(task) != text[number * SUM : number * SUM + SUM] or task in doubtful
    }
