"""This is where the last good configuration is kept while the present one is broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hygge.errors import StateError

if TYPE_CHECKING:
    import filelock

LOCK = "lock"
"""Held by the watch that a folder belongs to, for as long as it lives."""


class Kept:
    """Copies of the configuration's files, in ``.hygge/watch/<id>``.

    Args:
        watches: The project's ``.hygge/watch``.
        watch: Id of the watch.
    """

    def __init__(self, watches: Path, watch: str) -> None:
        self._watches = watches
        self._folder = watches / watch
        self._looks = 0
        self.good: Path | None = None
        """What was copied for the last good look; None before there was one."""

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Have the folder within the block; remove what watches that were killed left behind.

        Raises:
            StateError: The folder can't be made.
        """
        # Imported here: to name the command is not to watch.
        import filelock

        try:
            self._folder.mkdir(mode=0o700, parents=True)
            lock = filelock.FileLock(self._folder / LOCK)
            lock.acquire(timeout=0)
        except OSError as error:
            what = f"the configuration can't be kept: {error.strerror}"
            hint = "see to it that you may write there"
            raise StateError(what, str(self._folder), hint) from error
        try:
            for left in self._watches.iterdir():
                if left != self._folder:
                    _sweep(left, filelock.FileLock(left / LOCK))
            yield
        finally:
            lock.release()
            shutil.rmtree(self._folder, ignore_errors=True)

    def fresh(self) -> Path:
        """Return where the next look is to copy to; what the one before it copied may go."""
        if self._next != self.good:
            shutil.rmtree(self._next, ignore_errors=True)
        self._looks += 1
        return self._next

    def keep(self) -> None:
        """Keep what was copied to the folder that `fresh` returned last, and nothing else.

        If nothing could be copied, there is nothing to keep.
        """
        if self.good is not None and self.good != self._next:
            shutil.rmtree(self.good, ignore_errors=True)
        self.good = self._next if self._next.is_dir() else None

    @property
    def _next(self) -> Path:
        return self._folder / str(self._looks)


def _sweep(left: Path, lock: filelock.BaseFileLock) -> None:
    """Remove the folder *left* if nobody holds its *lock*."""
    import filelock

    try:
        lock.acquire(timeout=0)
    except (filelock.Timeout, OSError):
        return
    shutil.rmtree(left, ignore_errors=True)
    lock.release()
