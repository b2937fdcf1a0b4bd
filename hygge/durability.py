"""This is where what was written is brought onto the disk, and heard of if it did not get there.

A write that succeeded has only reached memory. The kernel writes it to the disk later, and where
that fails, it says so once, to whoever asks next, and forgets: the page in memory still holds the
bytes, counts as written, and is what a reader gets until it is thrown out. So:

- `Disks.settle` asks in both ways that Linux has. ``syncfs`` on a descriptor that was opened before
  the first write reports each failure on that file system since (Linux 5.8), also of a file whose
  inode has left memory. A descriptor that is opened afresh on a file reports a failure of that file
  that nobody was told of, by name; ``sync_file_range`` asks without making the disk empty its
  cache for every file, which ``fsync`` costs milliseconds for.
- `forget_cached` makes what is read next come from the disk.

Elsewhere there is ``sync`` and an ``fsync`` of each file.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hygge.errors import StoreError
from hygge.paths import located

WAIT_BEFORE_WRITE_WAIT_AFTER = 7
"""``sync_file_range``: wait for what is under way, write what is not, wait for that."""

FOLDERS_AT_ONCE = 8
"""From so many folders on, one ``sync`` of everything is cheaper than one of each."""

_Call = Callable[..., int]


class Disks:
    """The file systems that a run writes to. Safe to use from several threads.

    Args:
        root: The project's root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._watched: dict[int, tuple[int, Path]] = {}
        self._asked: set[Path] = set()
        self._known: frozenset[Path] = frozenset()
        self._lock = threading.Lock()

    def watch(self, folder: Path) -> None:
        """Hear from now on of what can't be written to the file system of *folder*.

        It need not be there yet.
        """
        # Until it is heard of, no other thread may begin to write there.
        with self._lock:
            if folder in self._asked:
                return
            there = _nearest(folder)
            with contextlib.suppress(OSError):  # one that may not be read is heard of by its files
                device = there.stat().st_dev
                if device not in self._watched:
                    self._watched[device] = (os.open(there, os.O_RDONLY), there)
            self._asked.add(folder)

    def settle(self, outputs: Iterable[str]) -> None:
        """Wait until all that was written is on the disk.

        Args:
            outputs: What this run put into place or vouches for; from the root, or absolute.

        Raises:
            StoreError: Something did not get there.
        """
        failed = self._settle_disks()
        root = str(self._root)
        for output in outputs:
            try:
                _check(os.path.join(root, output))
            except (FileNotFoundError, NotADirectoryError):
                continue  # it was removed since; if not by this run, the next one finds it missing
            except OSError as error:
                raise self._lost(located(output, self._root), error) from error
        if failed is not None:
            raise failed
        self.close()

    def _settle_disks(self) -> StoreError | None:
        sync = _of_libc("syncfs")
        if sync is None or not self._watched:
            os.sync()
            return None
        failed = None
        for descriptor, folder in list(self._watched.values()):
            try:
                _called(sync, descriptor)
            except OSError as error:
                failed = failed or self._lost(located(str(folder), self._root) or ".", error)
        return failed

    def _lost(self, path: str, error: OSError) -> StoreError:
        return StoreError(
            f"what was written to '{path}' did not reach the disk: {error.strerror}",
            path,
            "see to it that there is room and that the disk is sound; the next `doit` reads back "
            "what this run wrote, and moves again what is not whole",
        )

    def sync_files(self, files: Iterable[tuple[str, Path]]) -> None:
        """Wait until each of *files*, told as receipts have it, is on the disk.

        Raises:
            StoreError: One is not.
        """
        for shown, file in files:
            try:
                _fsync(file)
            except OSError as error:
                raise self._lost(shown, error) from error

    def sync_names(self, outputs: Iterable[str]) -> None:
        """Wait until the names of *outputs* are on the disk, and those of their folders.

        Raises:
            StoreError: One is not.
        """
        folders: dict[Path, str] = {}
        known: set[Path] = set()
        for output in outputs:
            folder = (self._root / output).parent
            folders.setdefault(folder, output)
            # That a folder is there has to be said once in a run.
            while folder not in self._known | known and folder.is_relative_to(self._root):
                known.add(folder)
                folder = folder.parent
                folders.setdefault(folder, output)
        for folder, output in folders.items():
            try:
                _fsync_folder(folder)
            except OSError as error:
                raise self._lost(output, error) from error
        self._known |= known

    def close(self) -> None:
        """Hear no more."""
        while self._watched:
            _, (descriptor, _) = self._watched.popitem()
            os.close(descriptor)


def sync_removals(folders: Iterable[Path]) -> None:
    """Wait until it is on the disk that files in *folders*, some of which may be gone, are gone.

    What is forgotten must not come back with the next power cut.

    Raises:
        OSError: So it may.
    """
    there = {_nearest(folder) for folder in folders}
    if len(there) >= FOLDERS_AT_ONCE:
        os.sync()
        return
    for folder in there:
        _sync_what_is_left(folder)


def _nearest(folder: Path) -> Path:
    """Return *folder*, or the nearest one above that is there."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _sync_what_is_left(folder: Path) -> None:
    while True:
        try:
            _fsync_folder(folder)
        except FileNotFoundError:  # another thread has removed it since, being empty
            folder = _nearest(folder)
        else:
            return


def forget_cached(files: Iterable[Path]) -> None:
    """Let what is read next of *files* come from the disk, where the system can be asked to."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in files:
        with contextlib.suppress(OSError):
            _check(file)  # what is not written yet can't be thrown out of memory
        with contextlib.suppress(OSError), _opened(file) as descriptor:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@functools.cache
def _waiting() -> tuple[Any, Any, Any]:
    """Return the arguments of ``sync_file_range`` for a whole file."""
    # Imported here, as elsewhere in this module: a run that writes nothing waits for nothing.
    import ctypes

    whole = ctypes.c_int64(0)
    return whole, whole, ctypes.c_uint(WAIT_BEFORE_WRITE_WAIT_AFTER)


def _check(file: str | Path) -> None:
    """Raise OSError if *file*, which was written, could not be brought onto the disk."""
    ask = _of_libc("sync_file_range")
    descriptor = _open(file)
    try:
        if ask is None:
            os.fsync(descriptor)
            return
        try:
            _called(ask, descriptor, *_waiting())
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.ESPIPE):
                raise
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync(path: Path) -> None:
    with _opened(path) as descriptor:
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that has nothing to wait for
                raise


def _fsync_folder(folder: Path) -> None:
    _fsync(Path(os.path.realpath(folder)))  # a store may be a link to a folder


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: str | Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def _called(function: _Call, *arguments: object) -> None:
    while function(*arguments) != 0:
        number = _errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


@functools.cache
def _of_libc(name: str) -> _Call | None:
    """Return the function of the C library, or None where it has none."""
    import ctypes

    return getattr(ctypes.CDLL(None, use_errno=True), name, None)


def _errno() -> int:
    import ctypes

    return ctypes.get_errno()
