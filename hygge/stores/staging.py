"""This is where outputs are written under another name and then put into place at once."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import xxhash

from hygge.errors import HomeError, StoreError
from hygge.events import RUN_ID
from hygge.fingerprint import CHUNK, Signature, content_hash, is_regular, text_hash
from hygge.receipt import Output

_TEMPORARY = re.compile(rf"\..*\.{RUN_ID}\.tmp", re.DOTALL)

LONGEST_NAME = 255
"""Bytes that a file's name may have on the file systems in use."""


FOLDERS = threading.Lock()
"""Held while a folder is made and its first file, and while empty folders are removed."""

ATTEMPTS = 100
"""How often a folder is made anew that is removed, being empty, before there is a file in it."""


@dataclass(frozen=True)
class StagedFile:
    """An output that is whole but not yet in place."""

    final: str
    """Where it settles, as receipts have it."""
    target: Path
    """The same, absolute."""
    temporary: Path
    """Where it is now; absolute."""
    hash: str
    """xxh3_128 of its bytes, in hex."""
    rows: int | None
    """None if the bytes were copied without being decoded and the format does not count rows."""
    staging: Path | None = None
    """Absolute hidden folder that goes when all that was staged in it has left it; None if
    `temporary` is in the folder of `target`."""

    def publish(self) -> tuple[Output, bool]:
        """Put the file into place; return the output, and whether anything there was changed.

        A file that already has these bytes is left untouched, with its inode and times.

        Raises:
            StoreError: What was there before is still there.
        """
        with _store_errors(self.final):
            changed = not self._already_there()
            if changed:
                with FOLDERS:
                    _make_folder(self.final, self.target.parent)
                    _replace(self.temporary, self.target)
            else:
                self.temporary.unlink()
            self._remove_staging_folder()
            signature = Signature.of(os.lstat(self.target))
        return Output(self.final, self.hash, self.rows, signature), changed

    def _already_there(self) -> bool:
        try:
            there = os.lstat(self.target)
        except (FileNotFoundError, NotADirectoryError):
            return False
        # A link is replaced, never written through: what it points to is not the store's.
        if not is_regular(there) or there.st_size != os.lstat(self.temporary).st_size:
            return False
        try:
            return content_hash(self.target) == self.hash
        except PermissionError:  # it need not be readable to be replaced
            return False

    def discard(self) -> None:
        """Remove the file, if it is not in place yet."""
        self.temporary.unlink(missing_ok=True)
        self._remove_staging_folder()

    def _remove_staging_folder(self) -> None:
        """Remove the folders in which the file was staged, if it was the last to leave them."""
        if self.staging is None:
            return
        with contextlib.suppress(OSError):
            for folder in self.temporary.parents:
                folder.rmdir()
                if folder == self.staging:
                    return


def is_temporary(name: str) -> bool:
    """Tell whether *name* is that of something staged by some run."""
    return _TEMPORARY.fullmatch(name) is not None


def temporary_path(target: Path, run: str) -> Path:
    """Return the name under which *run* writes *target*; no reader's glob matches it."""
    folder, written = os.path.split(target)
    name = f".{written}.{run}.tmp"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{text_hash(written)}.{run}.tmp"
    return Path(folder, name)


@contextlib.contextmanager
def staging(final: str, target: Path, run: str) -> Iterator[Path]:
    """Hand out the name under which to write *target*; what was written goes if that fails.

    Raises:
        StoreError: Writing failed; nothing is left behind.
    """
    temporary = temporary_path(target, run)
    check_place(final, target)

    def begin() -> None:
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            # Left by an earlier attempt of the same run; never written through if it is a link.
            temporary.unlink()
            temporary.touch(exist_ok=False)

    _begin_in(target.parent, final, begin)
    try:
        yield temporary
    except BaseException:
        # An interrupt too: nothing half-written stays, whatever ended the writing.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def staging_folder(final: str, target: Path, run: str) -> Iterator[Path]:
    """Hand out a hidden folder for what *target* stands for; it goes if that fails.

    Raises:
        StoreError: Writing failed; nothing is left behind.
    """
    folder = temporary_path(target, run)

    def begin() -> None:
        remove_temporary(folder)
        folder.mkdir()

    _begin_in(folder.parent, final, begin)
    try:
        # What goes wrong within may be the source's doing: whoever asked for rows has to find out.
        yield folder
        with _store_errors(final):
            if not any(folder.iterdir()):  # no rows, no files
                folder.rmdir()
    except BaseException:
        with contextlib.suppress(OSError):
            remove_temporary(folder)
        raise


def remove_temporary(path: Path) -> None:
    """Remove what a run staged at *path*, a file or a folder; nothing there is fine.

    Raises:
        OSError: It can't be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_place(final: str, target: Path) -> None:
    """Refuse to write *target* where a folder is.

    Raises:
        StoreError: A folder is there.
    """
    with _store_errors(final):
        if os.path.isdir(target) and not os.path.islink(target):
            raise StoreError(
                f"'{final}' is a folder", final, "move it away: a file has to be written there"
            )


def check_lengths(final: str) -> None:
    """Refuse *final* if a part of it is longer than file systems take.

    Raises:
        StoreError: So it is.
    """
    long = next((part for part in final.split("/") if len(os.fsencode(part)) > LONGEST_NAME), None)
    if long is not None:
        what = f"'{long[:40]}…' is too long to name a file or a folder"
        raise StoreError(what, final, f"a name has at most {LONGEST_NAME} bytes")


def _replace(path: Path, target: Path) -> None:
    while True:
        try:
            os.replace(path, target)
        except InterruptedError:  # by a signal; Python tries only reads and writes again by itself
            continue
        return


def _begin_in(folder: Path, final: str, begin: Callable[[], None]) -> None:
    """Make *folder* and then, with *begin*, the first thing in it.

    Between the two, another process of this run may remove the folder, for it is empty.
    """
    for left in reversed(range(ATTEMPTS)):
        with _store_errors(final), FOLDERS:
            _make_folder(final, folder)
            try:
                begin()
            except FileNotFoundError:
                if not left:
                    raise
            else:
                return


def _make_folder(final: str, folder: Path) -> None:
    try:
        if not os.path.isdir(folder):
            folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(
            f"the folder for '{final}' can't be made: a file is in its place",
            final,
            "move the file away, or give the store another path",
        ) from error


def copy(shown: str, source: Path, final: str, temporary: Path) -> str:
    """Copy the bytes of *source* to *temporary*; return their hash.

    Raises:
        HomeError: *source*, called *shown*, can't be read.
        StoreError: *temporary* can't be written.
    """
    digest = xxhash.xxh3_128()
    try:
        reader = io.FileIO(source)
    except OSError as error:
        raise HomeError(f"'{shown}' can't be read: {error.strerror}", shown) from error
    with reader, _store_errors(final), temporary.open("wb", buffering=0) as writer:
        while chunk := _read(reader, shown):
            digest.update(chunk)
            _write_all(writer.fileno(), chunk)
    return digest.hexdigest()


def _read(reader: io.FileIO, shown: str) -> bytes:
    try:
        return reader.read(CHUNK)
    except OSError as error:
        raise HomeError(f"'{shown}' can't be read: {error.strerror}", shown) from error


def _write_all(descriptor: int, chunk: bytes) -> None:
    # An unbuffered write may take less than it was given.
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextlib.contextmanager
def _store_errors(final: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise store_error(final, error) from error


def store_error(final: str, error: OSError) -> StoreError:
    """Build the error for *final*, which could not be written."""
    problem = error.strerror or str(error).split("\n")[0]
    return StoreError(
        f"'{final}' can't be written: {problem}",
        final,
        "see to it that there is room and that you may write there; then run again",
    )
