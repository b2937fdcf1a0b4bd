"""This is where it is remembered what fits its schema, so that a second run need not know.

What tells whether it fits takes longer to load than a run with nothing to do. Remembered is the
hash of the schema and the values together: that these fit can never become wrong.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import IO

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
        with contextlib.suppress(OSError), _opened(folder / NAME, os.O_RDONLY) as file:
            _known.update(file.read().decode("ascii", "replace").split("\n"))


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
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with _opened(folder / NAME, flags) as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                file.truncate(0)
            file.write("".join(f"\n{digest}\n" for digest in _new).encode())
        _new.clear()


def _opened(path: Path, flags: int) -> IO[bytes]:
    """Open a plain file; no link is followed, and no pipe waited for.

    Raises:
        OSError: It is none.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no plain file")
    return os.fdopen(descriptor, "rb" if flags == os.O_RDONLY else "ab", buffering=0)
