"""This is where a partition is moved: read, written beside its place, verified, put into place."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hygge.errors import HyggeError, SourceChanged, StoreError
from hygge.fingerprint import Signature, content_hash, is_regular
from hygge.homes.base import Home
from hygge.partition import Partition
from hygge.paths import real
from hygge.receipt import Output, ReadSource, Receipt
from hygge.stores.base import Store
from hygge.stores.staging import FOLDERS, StagedFile, store_error, temporary_path

PAUSES = (0.2, 1.0)
"""Seconds to wait before a source that was written to while it was read is read again."""


@dataclass(frozen=True)
class Moved:
    """What a move did."""

    receipt: Receipt
    """To be remembered; nothing is recorded yet."""
    written: tuple[Output, ...] = ()
    """Outputs that are new or different."""
    unchanged: tuple[Output, ...] = ()
    """Outputs that had the same bytes already and were left untouched."""
    removed: tuple[str, ...] = ()
    """Outputs of an earlier move that are gone."""


@dataclass(frozen=True)
class Move:
    """One partition on its way from a home to a store."""

    partition: Partition
    home: Home
    store: Store
    root: Path
    run: str
    """Id of the run."""
    config_hash: str
    earlier: tuple[str, ...]
    """What earlier moves wrote, or were about to write when they were stopped."""
    earlier_store: Path
    """Absolute folder of the store they wrote to."""
    may_remove: Callable[[str], bool]
    """Tells whether an output that is no longer written is nobody else's."""

    def __call__(self) -> Moved:
        """Make the store hold what the partition holds now.

        What is in the receipt is the hash of the bytes that were moved, never of what lies there
        afterwards. Until the outputs are put into place, nothing in the store has changed.

        Raises:
            SourceChanged: It was written to, each time it was read.
            HomeError: It can't be read.
            StoreError: It can't be written.
        """
        started = time.perf_counter()
        staged, sources = self._staged()
        try:
            published = [each.publish() for each in staged]
        finally:
            for each in staged:
                with contextlib.suppress(OSError):
                    each.discard()
        outputs = tuple(output for output, _ in published)
        removed = self._remove_leftovers(outputs)
        seconds = time.perf_counter() - started
        return Moved(
            Receipt(self.config_hash, sources, outputs, self.run, seconds, self.partition.values),
            written=tuple(output for output, changed in published if changed),
            unchanged=tuple(output for output, changed in published if not changed),
            removed=removed,
        )

    def _staged(self) -> tuple[list[StagedFile], tuple[ReadSource, ...]]:
        for pause in (*PAUSES, None):
            try:
                return self._stage_once()
            except SourceChanged:
                if pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")

    def _stage_once(self) -> tuple[list[StagedFile], tuple[ReadSource, ...]]:
        before = self._signatures()
        # A file that was written just now may be written again without its times showing it, so
        # that only its bytes can tell whether it was.
        racy_hashes = self._hashes() if any(each.racy for each in before) else None
        try:
            staged, copied_hash = self._stage()
        except HyggeError as error:
            if self._changed_since(before):
                raise self._source_changed() from error
            raise
        try:
            hashes = (copied_hash,) if copied_hash else self._hashes()
            if self._changed_since(before) or racy_hashes not in (None, hashes):
                raise self._source_changed()
        except BaseException:
            for each in staged:
                each.discard()
            raise
        read = zip(self.partition.sources, hashes, before, strict=True)
        return staged, tuple(ReadSource(s.path, digest, stat) for s, digest, stat in read)

    def _stage(self) -> tuple[list[StagedFile], str]:
        """Write the outputs; return them, and the hash of the source if its bytes were copied."""
        kind = self.home.copyable(self.partition)
        if kind is not None and self.store.takes_bytes_of(kind):
            rows = self.home.count(self.partition)
            staged, digest = self.store.stage_copy(self.partition, self._paths()[0], self.run)
            return [StagedFile(**{**staged.__dict__, "rows": rows})], digest
        return self._stage_rows(), ""

    def _stage_rows(self) -> list[StagedFile]:
        import polars as pl

        try:
            rows = self.home.scan(self.partition)
            return self.store.stage(self.partition, rows, self.run)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            # polars reads and writes in one go: only the home can tell whose fault it was.
            self.home.examine(self.partition)
            final = self.store.outputs(self.partition)[0]
            if isinstance(error, OSError):
                raise store_error(final, error) from error
            problem = str(error).split("\n")[0]
            raise StoreError(f"'{final}' can't be written: {problem}", final) from error

    def _paths(self) -> list[Path]:
        return [self.root / source.path for source in self.partition.sources]

    def _signatures(self) -> list[Signature]:
        with contextlib.suppress(OSError):
            stats = [os.stat(path) for path in self._paths()]
            if all(is_regular(stat) for stat in stats):
                return [Signature.of(stat) for stat in stats]
        # Gone, a link to nowhere, or a pipe that would be waited for: the home can say it better.
        self.home.examine(self.partition)
        raise self._source_changed()

    def _hashes(self) -> tuple[str, ...]:
        try:
            return tuple(content_hash(path) for path in self._paths())
        except OSError:
            self.home.examine(self.partition)
            raise self._source_changed() from None

    def _changed_since(self, before: Sequence[Signature]) -> bool:
        try:
            now = [Signature.of(os.stat(path)) for path in self._paths()]
        except OSError:
            return True
        return not all(old.same_file(new) for old, new in zip(before, now, strict=True))

    def _source_changed(self) -> SourceChanged:
        names = ", ".join(f"'{source.path}'" for source in self.partition.sources[:3])
        return SourceChanged(
            f"{names} was written to while it was read",
            self.partition.sources[0].path,
            "run again when the writing has ended; whoever writes it should write another name "
            "and rename",
        )

    def _remove_leftovers(self, outputs: Iterable[Output]) -> tuple[str, ...]:
        """Remove what the last move wrote and this one did not."""
        written = {real(output.path, self.root) for output in outputs}
        left = [each for each in self.earlier if real(each, self.root) not in written]
        floor = self.store.folder()
        if self.earlier_store != floor:
            floor = self.earlier_store.parent
        return remove(filter(self.may_remove, left), self.root, floor)


def remove(outputs: Iterable[str], root: Path, floor: Path) -> tuple[str, ...]:
    """Remove *outputs* and the folders below *floor* that are empty then; return what was there.

    Raises:
        StoreError: One can't be removed; those before it are gone.
    """
    removed = []
    for output in outputs:
        path = root / output
        if path.is_dir() and not path.is_symlink():
            continue  # what was written is gone: somebody made a folder of this name
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise StoreError(
                f"'{output}' can't be removed: {error.strerror}",
                output,
                "see to it that you may write there; then run again",
            ) from error
        removed.append(output)
        with FOLDERS:
            _remove_empty_folders(path.parent, floor)
    return tuple(removed)


def _remove_empty_folders(folder: Path, floor: Path) -> None:
    while folder != floor and folder.is_relative_to(floor):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def sweep(intents: Iterable[tuple[str, Iterable[str]]], root: Path) -> None:
    """Remove what killed runs left half-written, given (run, outputs) of each.

    Raises:
        StoreError: A file can't be removed.
    """
    for run, outputs in intents:
        for output in outputs:
            temporary = temporary_path(root / output, run)
            try:
                temporary.unlink(missing_ok=True)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise store_error(output, error) from error


def settle() -> None:
    """Wait until all that was written is on the disk."""
    os.sync()
