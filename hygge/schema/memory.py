"""This is where it is remembered what fits its schema, so that a second run need not know.

What tells whether it fits takes longer to load than a run with nothing to do. Remembered is the
hash of the schema and the values together: that these fit can never become wrong.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

NAME = "fitting"
"""File below ``.hygge``: a hash a line. A line that was cut off is no hash, and harmless."""

LARGEST = 1_000_000
"""Bytes of the file at which it is begun anew."""

_known: set[str] = set()
_new: dict[str, None] = {}
_read: set[Path] = set()


def use(folder: Path) -> None:
    """Take what is remembered in *folder*, a project's ``.hygge``, for known."""
    if folder not in _read:
        _read.add(folder)
        with contextlib.suppress(OSError):
            _known.update((folder / NAME).read_text("ascii", "replace").split("\n"))


def knows(digest: str) -> bool:
    """Tell whether what has this hash was found to fit."""
    return digest in _known


def learn(digest: str) -> None:
    """Note that what has this hash fits."""
    _known.add(digest)
    _new[digest] = None


def keep(folder: Path) -> None:
    """Remember in *folder* what was learnt; what can't be written is learnt again."""
    if not _new:
        return
    with contextlib.suppress(OSError):
        file = folder / NAME
        is_full = file.exists() and file.stat().st_size > LARGEST
        with file.open("wb" if is_full else "ab", buffering=0) as opened:
            opened.write("".join(f"\n{digest}\n" for digest in _new).encode())
        _new.clear()
