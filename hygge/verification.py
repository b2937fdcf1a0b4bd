"""This is where stores are held against the receipts of what was moved into them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hygge.fingerprint import Signature, content_hash, is_regular
from hygge.paths import located, real
from hygge.prepared import Prepared, quarantine_folder
from hygge.receipt import Output
from hygge.state import State
from hygge.stores.staging import is_temporary


@dataclass(frozen=True)
class Mismatch:
    """An output that is not what its receipt says."""

    task: str
    path: str
    what: str
    """``missing``, ``another size``, ``another content``, ``no plain file`` or ``unreadable``."""
    detail: str
    """Old and new, for people; empty where *what* says all."""


@dataclass(frozen=True)
class Stray:
    """A file in a store that no receipt names."""

    flow: str
    path: str
    left_over: bool
    """Whether a run that was stopped left it half-written; the next run removes it."""


@dataclass(frozen=True)
class Verified:
    """What was found."""

    partitions: int
    """Partitions with a receipt."""
    outputs: int
    """Outputs that receipts name."""
    size: int
    """Bytes of the outputs that match."""
    read: int
    """Bytes that were read to find out."""
    mismatches: tuple[Mismatch, ...]
    strays: tuple[Stray, ...]


def verify(
    flows: Iterable[Prepared], tasks: Collection[str], state: State, root: Path, full: bool
) -> Verified:
    """Hold each output that the receipts of *tasks* name against what lies there. Changes nothing.

    Args:
        flows: Flows in whose stores files that no receipt names are looked for.
        full: Whether every byte is read; else only where size and times prove nothing.
    """
    mismatches: list[Mismatch] = []
    outputs = size = read = 0
    doubted = state.doubted()
    partitions = 0
    for task in tasks:
        receipt = state.receipt(task)
        if receipt is None:
            continue
        partitions += 1
        for output in receipt.outputs:
            outputs += 1
            found = _Look(output, root, full or state.run_of(task) in doubted)
            what, detail = found.fault()
            if what:
                mismatches.append(Mismatch(task, output.path, what, detail))
            else:
                size += output.signature.size
            read += found.read
    strays = tuple(_strays(flows, state, root))
    return Verified(partitions, outputs, size, read, tuple(mismatches), strays)


class _Look:
    """A look at one output."""

    def __init__(self, output: Output, root: Path, reads: bool) -> None:
        self.output = output
        self.path = os.path.join(root, output.path)
        self.reads = reads
        self.read = 0
        """Bytes that were read."""

    def fault(self) -> tuple[str, str]:
        """Return what is wrong and its details; empty if nothing is."""
        remembered = self.output.signature
        try:
            stat = os.lstat(self.path)
            if not is_regular(stat):
                return "no plain file", ""
            now = Signature.of(stat)
            if now.size != remembered.size:
                return "another size", f"{remembered.size:,} -> {now.size:,} bytes"
            if remembered.proves(now) and not self.reads:
                return "", ""
            digest = content_hash(self.path)
            self.read = now.size
        except (FileNotFoundError, NotADirectoryError):
            return "missing", ""
        except OSError as error:
            return "unreadable", str(error.strerror)
        if digest == self.output.hash:
            return "", ""
        return "another content", f"{self.output.hash[:8]} -> {digest[:8]}"


def _strays(flows: Iterable[Prepared], state: State, root: Path) -> Iterator[Stray]:
    known = _recorded(state, root)
    for prepared in flows:
        name = prepared.flow.name
        for folder in (prepared.store.folder(), quarantine_folder(name, root)):
            for path in sorted(_files(str(folder))):
                if real(path, root) not in known:
                    inside = os.path.relpath(path, folder).split(os.sep)
                    left_over = any(map(is_temporary, inside))
                    yield Stray(name, located(path, root), left_over)


def _recorded(state: State, root: Path) -> Mapping[str, str]:
    """Return the task of each output that a receipt names, by real path."""
    folders: dict[str, str] = {}
    found = {}
    for task in state.receipts():
        receipt = state.receipt(task)
        for output in receipt.outputs if receipt else ():
            folder, _, name = output.path.rpartition("/")
            if folder not in folders:
                folders[folder] = os.path.dirname(real(f"{folder}/x" if folder else "x", root))
            found[os.path.join(folders[folder], name)] = task
    return found


def _files(folder: str) -> Iterator[str]:
    """Yield every file below *folder*, hidden ones too; what can't be listed is passed over."""
    for above, _, names in os.walk(folder):
        yield from (os.path.join(above, name) for name in names)
