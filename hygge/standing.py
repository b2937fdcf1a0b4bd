"""This is where a seal is held against the disk and the state: what of it stands?"""

from __future__ import annotations

import dataclasses
import functools
import operator
import os
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hygge.errors import HomeError
from hygge.fingerprint import ContentHashes, Signature, is_regular
from hygge.homes.base import Home
from hygge.partition import Partition
from hygge.prepared import Prepared
from hygge.seal import (
    DIGITS,
    WIDTH,
    Files,
    Numbers,
    Seal,
    hash_of_rows,
    joined,
    key_of,
    numbers_of,
    packed,
    parted,
    split,
)

GONE = (0, 0, 0, 0)
"""Numbers of what is not there; a file that is there has an inode."""


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
    is_new: bool = False
    """Whether `seal` says more than the one that is remembered."""

    @functools.cached_property
    def tasks(self) -> dict[str, int]:
        """The partitions that stand, and their numbers in the seal."""
        tasks = parted(self.seal.tasks)
        return {task: number for number, task in enumerate(tasks) if number not in self.others}

    @property
    def count(self) -> int:
        """How many partitions stand."""
        return len(self.seal.sums) * 2 // DIGITS - len(self.others)

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
        standing = {*range(self.count + len(self.others))} - self.others
        yield from self.seal.written.paths_of(standing)


def standing(
    seal: Seal,
    prepared: Prepared,
    sums: Mapping[str, str],
    doubtful: Collection[str],
    hashes: ContentHashes,
) -> Standing | None:
    """Return what of *seal* stands; None if that can't be told.

    A file that looks another than in the seal is read: most were only touched.

    Args:
        sums: Of the rows of the flow in the state.
        doubtful: Tasks that have to be decided for in any case.
        hashes: What was read already.
    """
    if seal.key != key_of(prepared):
        return None
    read = _glance([prepared.home])
    inputs = _glance([each.home for each in prepared.inputs.values()])
    if read is None or inputs is None or not _are_the_same(inputs, seal.inputs):
        return None
    added: set[str] = set()
    new_written, others = _reread(seal.written, _written(seal, prepared), prepared.root, hashes)
    if is_same := joined(path for path, _ in read) == seal.read.paths:
        numbers = packed(each for _, each in read)
        new_read, changed = _reread(seal.read, numbers, prepared.root, hashes, os.stat)
    else:
        new_read = seal.read
        changed, added = _compared(seal.read, dict(read))
    others |= changed
    is_known = True
    if doubtful or hash_of_rows(sums.values()) != seal.rows:
        others |= _doubted(seal, sums, doubtful)
        is_known = {*sums, *doubtful} <= set(parted(seal.tasks))
    is_new = new_read is not seal.read or new_written is not seal.written
    renewed = dataclasses.replace(seal, read=new_read, written=new_written) if is_new else seal
    if not (is_same and is_known):
        return Standing(renewed, frozenset(others), None, frozenset(added), is_new)
    files = seal.read.paths_of(others) if others else ()
    return Standing(renewed, frozenset(others), frozenset(files), is_new=is_new)


def _are_the_same(seen: Sequence[tuple[str, Numbers]], files: Files) -> bool:
    paths, numbers = joined(path for path, _ in seen), packed(each for _, each in seen)
    return (paths, numbers) == (files.paths, files.numbers)


def _reread(
    files: Files,
    numbers: bytes,
    root: Path,
    hashes: ContentHashes,
    look: Callable[[str], os.stat_result] = os.lstat,
) -> tuple[Files, set[int]]:
    """Read the files that have other *numbers*.

    Args:
        look: How to look at one; an output that has become a link is not what was written.

    Returns:
        *files* with the numbers of those whose content is the same, as far as these prove
        anything; and the partitions of the others.
    """
    differing = files.differing(numbers)
    if not differing:
        return files, set()
    paths, owners = parted(files.paths), array("i", files.owners)
    digests, known = split(files.hashes.hex(), DIGITS), split(files.numbers, WIDTH)
    changed: set[int] = set()
    for at in differing:
        is_known = any(known[at])  # of a partition that was not up to date, nothing is
        full = os.path.join(root, paths[at])
        now = _signature(full, digests[at], hashes, look) if is_known else None
        if now is None:
            changed.add(owners[at])
        elif not now.racy:
            known[at] = packed([numbers_of(now)])
    renewed = b"".join(known)
    is_new = renewed != files.numbers
    return (dataclasses.replace(files, numbers=renewed) if is_new else files), changed


def _signature(
    path: str, digest: str, hashes: ContentHashes, look: Callable[[str], os.stat_result]
) -> Signature | None:
    """Return the signature of the file at *path*; None if its content is not that of *digest*."""
    try:
        stat = look(path)
        now = Signature.of(stat)
        is_same = is_regular(stat) and hashes.read(path, now) == digest
    except (OSError, ValueError):
        return None
    return now if is_same else None


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
    found.sort(key=operator.itemgetter(0))
    return found


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
    sealed = {path: (numbers, owner) for (path, numbers, _), owner in read.owned()}
    pairs = ((now.get(path, GONE), numbers, owner) for path, (numbers, owner) in sealed.items())
    changed = {owner for new, old, owner in pairs if packed([new]) != packed([old])}
    return changed, now.keys() - sealed.keys()


def _doubted(seal: Seal, sums: Mapping[str, str], doubtful: Collection[str]) -> set[int]:
    """Return the partitions whose row is another one, or that are *doubtful*."""
    known = zip(parted(seal.tasks), split(seal.sums.hex(), DIGITS), strict=True)
    return {
        number
        for number, (task, total) in enumerate(known)
        if sums.get(task) != total or task in doubtful
    }
