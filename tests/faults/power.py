"""This is where the power goes: what a disk may hold then, told from the calls that led up to it.

A model, and no more than that. What was synced is there; of the rest:

- names (files made, renamed, removed, folders made and removed) are a journal. What is left of it
  is all, or no more than was synced, or all up to some point, or all but some of the last few, as
  on file systems that keep no order between folders and where the state lies on another disk;
- bytes are independent of names, and of one another. A file that was not synced has all that was
  written to it, or nothing, or zeros in the length it should have, or the first half and zeros, or
  some of its writes and zeros for the others.

What a call to sync covers: ``fsync`` of a file its bytes, and, if names are lost in order only, all
names before it; of a folder the names in it; ``syncfs`` and ``sync`` everything. SQLite's files are
held to be one file in this: it syncs them, and their folder, as it needs it.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.held import Call

LAST = 8
"""Names of which some may be lost and others not."""

NAMES = ("all", "synced", "cut", "holes")
BYTES = ("all", "none", "zeros", "half", "some")
"""What may be left of what was not synced."""

STATE = ".doit.db"
IGNORED = (".doit.db-shm", ".hygge/lock", "__pycache__")
"""SQLite's shared memory is never on the disk by intent; the others say nothing."""


@dataclass(frozen=True)
class Step:
    """One change, or one sync."""

    kind: str
    """create, rename, remove or folder; write or cut; sync or sync all."""
    path: str
    target: str = ""
    inode: int = 0
    """Number of the file in this model; 0 for a folder."""
    data: bytes = b""
    offset: int = 0

    @property
    def is_name(self) -> bool:
        """Whether it changes names."""
        return self.kind in ("create", "rename", "remove", "folder")

    @property
    def is_state(self) -> bool:
        """Whether it is about SQLite's files."""
        return self.path.startswith(STATE)


@dataclass
class Tape:
    """What a run did to the disk, and what was there before."""

    before: dict[str, int]
    """Number of each file by path."""
    content: dict[int, bytes]
    """What was in them."""
    real: dict[int, int]
    """The number of the inode that each had in truth, as receipts have it."""
    steps: list[Step] = field(default_factory=list)


def tape_of(root: Path) -> Tape:
    """Return the disk below *root* as it is, all of it synced."""
    tape = Tape({}, {}, {})
    for number, file in enumerate(sorted(_files(root)), 1):
        tape.before[file.relative_to(root).as_posix()] = number
        tape.content[number] = file.read_bytes()
        tape.real[number] = file.stat().st_ino
    return tape


def _files(root: Path) -> Iterator[Path]:
    return (file for file in root.rglob("*") if file.is_file() and not _is_ignored(str(file)))


def _is_ignored(path: str) -> bool:
    return any(each in path for each in IGNORED)


def play(tape: Tape, calls: Sequence[Call]) -> None:
    """Turn *calls*, which were made on what *tape* begins with, into steps."""
    live = dict(tape.before)
    numbers = itertools.count(max(live.values(), default=0) + 1)
    folders: set[str] = set()
    for call in calls:
        if call.path and _is_ignored(call.path):
            continue
        known = live.get(call.path, 0)
        if call.name == "openat":
            if call.number & os.O_CREAT and not known:
                live[call.path] = known = next(numbers)
                tape.steps.append(Step("create", call.path, inode=known))
            if call.number & os.O_TRUNC:
                tape.steps.append(Step("cut", call.path, inode=known))
        elif call.name in ("write", "pwrite64") and known:
            tape.steps.append(
                Step("write", call.path, inode=known, data=call.data, offset=call.number)
            )
        elif call.name == "ftruncate" and known:
            tape.steps.append(Step("cut", call.path, inode=known, offset=call.number))
        elif call.name == "rename" and known:
            tape.steps.append(Step("rename", call.path, call.target, known))
            live[call.target] = live.pop(call.path)
            tape.real[known] = call.number
        elif call.name in ("unlink", "unlinkat", "rmdir") and (known or call.path in folders):
            live.pop(call.path, None)
            folders.discard(call.path)
            tape.steps.append(Step("remove", call.path, inode=known))
        elif call.name == "mkdir" and call.path not in folders:
            folders.add(call.path)
            tape.steps.append(Step("folder", call.path))
        elif call.name in ("fsync", "fdatasync"):
            tape.steps.append(Step("sync", call.path, inode=known))
        elif call.name in ("sync", "syncfs"):
            tape.steps.append(Step("sync all", ""))
        elif call.name in ("copy_file_range", "sendfile", "writev", "pwritev", "link", "fallocate"):
            raise NotImplementedError(call.name)


@dataclass(frozen=True)
class Loss:
    """What becomes of what was not synced, one of `NAMES` and two of `BYTES`."""

    names: str
    data: str
    state: str


LOSSES = tuple(itertools.starmap(Loss, itertools.product(NAMES, BYTES, ("all", "none", "some"))))


def left(tape: Tape, length: int, loss: Loss, chance: random.Random) -> dict[str, int | bytes]:
    """Return what the disk holds if the power goes after *length* steps.

    Returns:
        By path: the file's bytes. Beside that, under ``#PATH``, the number of its inode in truth.
    """
    steps = tape.steps[:length]
    names = _names(tape, steps, loss.names, chance)
    found: dict[str, int | bytes] = {}
    for path, inode in names.items():
        kind = loss.state if path.startswith(STATE) else loss.data
        found[path] = _bytes(tape, steps, inode, kind, chance)
        found[f"#{path}"] = tape.real.get(inode, -1)
    return found


def _names(tape: Tape, steps: Sequence[Step], kind: str, chance: random.Random) -> dict[str, int]:
    ordered = kind != "holes"
    indexed = [i for i, step in enumerate(steps) if step.is_name]
    kept = set(indexed)
    if kind != "all":
        safe = {i for i in indexed if _is_safe(steps, i, ordered)}
        loose = [i for i in indexed if i not in safe]
        if kind == "synced":
            kept = safe
        elif kind == "cut":
            end = chance.choice([*loose, len(steps)])
            kept = safe | {i for i in loose if i < end}
        else:
            lost = {i for i in loose[-LAST:] if chance.random() < 0.5}
            kept = set(indexed) - lost
    names = dict(tape.before)
    for i in sorted(kept):
        step = steps[i]
        if step.kind == "create":
            names[step.path] = step.inode
        elif step.kind == "remove":
            names.pop(step.path, None)
        elif step.kind == "rename":
            # A rename is one step of the journal: the new name is there with it, or the old one.
            names.pop(step.path, None)
            names[step.target] = step.inode
    return names


def _is_safe(steps: Sequence[Step], index: int, ordered: bool) -> bool:
    """Tell whether the change of names at *index* was synced later."""
    changed = steps[index]
    folder = (changed.target or changed.path).rpartition("/")[0]
    for step in steps[index + 1 :]:
        if step.kind == "sync all":
            return True
        if step.kind != "sync":
            continue
        if ordered or (changed.is_state and (step.is_state or step.path == "")):
            return True
        if step.inode == 0 and step.path == folder:
            return True
    return False


def _bytes(
    tape: Tape, steps: Sequence[Step], inode: int, kind: str, chance: random.Random
) -> bytes:
    mine = [(i, s) for i, s in enumerate(steps) if s.inode == inode and s.kind in ("write", "cut")]
    synced = max(
        (
            i
            for i, s in enumerate(steps)
            if s.kind == "sync all" or (s.kind, s.inode) == ("sync", inode)
        ),
        default=-1,
    )
    content = bytearray(tape.content.get(inode, b""))
    loose = sum(i > synced for i, _ in mine)
    seen = 0
    for i, step in mine:
        if i > synced:
            seen += 1
        if i <= synced or kind == "all":
            _apply(content, step)
        elif kind == "none":
            continue
        elif (
            kind == "zeros"
            or (kind == "half" and seen > loose / 2)
            or (kind == "some" and chance.random() < 0.5)
        ):
            _apply(content, step, lost=True)
        else:
            _apply(content, step)
    return bytes(content)


def _is_sync_of(step: Step, inode: int) -> bool:
    return step.kind == "sync" and step.inode == inode


def _apply(content: bytearray, step: Step, lost: bool = False) -> None:
    """Make the change; of one that is *lost* only the length is there."""
    if step.kind == "cut":
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
        return
    end = step.offset + len(step.data)
    content.extend(bytes(max(end - len(content), 0)))
    if not lost:
        content[step.offset : end] = step.data


def lay_out(disk: Mapping[str, int | bytes], root: Path) -> dict[str, int]:
    """Write *disk* to *root*; return the number of each file's inode in truth, by path."""
    for path, content in disk.items():
        if isinstance(content, bytes):
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return {path[1:]: real for path, real in disk.items() if isinstance(real, int)}
