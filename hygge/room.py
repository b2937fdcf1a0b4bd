"""This is where it is told how much room a disk has left, and how much would be needed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hygge.errors import StoreError

_FULL = {os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)}
"""What the system calls it, also in the messages of libraries and of other processes."""


def is_full(problem: str) -> bool:
    """Tell whether *problem*, as some library put it, is that of a full disk or quota."""
    return any(words in problem for words in _FULL)


def explain(error: StoreError, folder: Path, needed: int) -> None:
    """Let *error*, if it is about room, say how much there is in *folder*.

    Args:
        folder: Absolute; need not be there.
        needed: Bytes that would be written there, about.
    """
    if not is_full(error.what):
        return
    subject = error.what.partition(" can't be written")[0]
    is_quota = os.strerror(errno.EDQUOT) in error.what
    problem = "the disk quota is used up" if is_quota else "no space left on the device"
    error.what = f"{subject} can't be written: {problem}: {amount(folder, needed)}"
    error.hint = "make room; then run again"


def amount(folder: Path, needed: int) -> str:
    """Return how many bytes there are and how many are needed: ``1.2MB free, about 4.5MB needed``.

    A guess that would fit shows that it is one: it is not told.
    """
    left = free(folder)
    if needed <= left:
        return f"{size(left)} free, more is needed"
    return f"{size(left)} free, about {size(needed)} needed"


def free(folder: Path) -> int:
    """Return how many bytes may be written to the disk of *folder*, which need not be there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        disk = os.statvfs(folder)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize


def size(count: int) -> str:
    """Return *count* bytes with three digits or so: ``446.9kB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f}B" if unit == "B" else f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f}TB"
