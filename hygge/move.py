"""This is where a partition is moved: read, written beside its place, verified, put into place."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hygge.contract import Columns
from hygge.errors import HyggeError, SourceChanged, StoreError
from hygge.fingerprint import ContentHashes, Signature, content_hash, is_regular
from hygge.partition import Partition, Source
from hygge.paths import real
from hygge.receipt import Output, ReadSource, Receipt
from hygge.shape import Shaped, Shaping, discard
from hygge.stores.staging import (
    FOLDERS,
    is_temporary,
    remove_temporary,
    store_error,
    temporary_path,
)

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
    notes: tuple[str, ...] = ()
    """What a person should know, a line each."""


@dataclass(frozen=True)
class Move:
    """One partition on its way from a home to a store."""

    shaping: Shaping
    """Turns its rows into staged outputs."""
    config_hash: str
    hashes: ContentHashes
    """Of the files that many partitions read."""
    intend: Callable[[Sequence[str]], None]
    """Remembers what is about to be put into place."""
    remember_columns: Callable[[Columns], str]
    """Remembers the columns that were written; returns their hash."""
    earlier: tuple[str, ...]
    """What earlier moves wrote, or were about to write when they were stopped."""
    earlier_store: Path
    """Absolute folder of the store they wrote to."""
    may_remove: Callable[[str], bool]
    """Tells whether an output that is no longer written is nobody else's."""

    @property
    def partition(self) -> Partition:
        """What is moved."""
        return self.shaping.partition

    @property
    def root(self) -> Path:
        """The project's root."""
        return self.shaping.prepared.root

    def __call__(self) -> Moved:
        """Make the store hold what the partition holds now.

        What is in the receipt is the hash of the bytes that were moved, never of what lies there
        afterwards. Until the outputs are put into place, nothing in the store has changed.

        Raises:
            SourceChanged: It, or an input, was written to, each time it was read.
            HomeError: It can't be read.
            TransformError: What the flow does to its rows can't be done.
            CheckFailed: A check does not hold.
            ContractBroken: The store may not have these columns.
            StoreError: It can't be written.
        """
        started = time.perf_counter()
        shaped, read = self._shaped()
        try:
            self.intend([each.final for each in shaped.staged])
            published = [each.publish() for each in shaped.staged]
        finally:
            discard(shaped.staged)
        outputs = tuple(output for output, _ in published)
        removed = self._remove_leftovers(outputs)
        count = len(self.partition.sources)
        receipt = Receipt(
            config=self.config_hash,
            sources=read[:count],
            outputs=outputs,
            run=self.shaping.run,
            seconds=time.perf_counter() - started,
            values=self.partition.values,
            inputs=read[count:],
            columns=self.remember_columns(shaped.columns) if shaped.columns else "",
        )
        return Moved(
            receipt,
            written=tuple(output for output, changed in published if changed),
            unchanged=tuple(output for output, changed in published if not changed),
            removed=removed,
            notes=shaped.notes,
        )

    def _shaped(self) -> tuple[Shaped, tuple[ReadSource, ...]]:
        for pause in (*PAUSES, None):
            try:
                return self._shape_once()
            except SourceChanged:
                if pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")

    def _shape_once(self) -> tuple[Shaped, tuple[ReadSource, ...]]:
        before = self._signatures()
        # A file that was written just now may be written again without its times showing it, so
        # that only its bytes can tell whether it was.
        racy = {i: self._hash(i, each) for i, each in enumerate(before) if each.racy}
        try:
            shaped = self.shaping()
        except HyggeError as error:
            if self._changed_since(before):
                raise self._source_changed() from error
            raise
        try:
            copied = (
                [shaped.copied_hash] * len(self.partition.sources) if shaped.copied_hash else []
            )
            rest = list(enumerate(before))[len(copied) :]
            hashes = [*copied, *(self._hash(i, each) for i, each in rest)]
            if self._changed_since(before) or any(hashes[i] != racy[i] for i in racy):
                raise self._source_changed()
        except BaseException:
            discard(shaped.staged)
            raise
        read = zip(self._files(), hashes, before, strict=True)
        return shaped, tuple(ReadSource(s.path, digest, stat) for s, digest, stat in read)

    def _files(self) -> tuple[Source, ...]:
        return self.partition.sources + self.shaping.prepared.input_sources

    def _signatures(self) -> list[Signature]:
        with contextlib.suppress(OSError):
            stats = [os.stat(self.root / each.path) for each in self._files()]
            if all(is_regular(stat) for stat in stats):
                return [Signature.of(stat) for stat in stats]
        # Gone, a link to nowhere, or a pipe that would be waited for: the home can say it better.
        self._examine()
        raise self._source_changed()

    def _hash(self, index: int, signature: Signature) -> str:
        path = self.root / self._files()[index].path
        try:
            if index >= len(self.partition.sources) and not signature.racy:
                return self.hashes.read(str(path), signature)
            return content_hash(path)
        except OSError:
            self._examine()
            raise self._source_changed() from None

    def _examine(self) -> None:
        prepared = self.shaping.prepared
        prepared.home.examine(self.partition)
        for each in prepared.inputs.values():
            for partition in each.partitions:
                each.home.examine(partition)

    def _changed_since(self, before: Sequence[Signature]) -> bool:
        try:
            now = [Signature.of(os.stat(self.root / each.path)) for each in self._files()]
        except OSError:
            return True
        return not all(old.same_file(new) for old, new in zip(before, now, strict=True))

    def _source_changed(self) -> SourceChanged:
        names = ", ".join(f"'{source.path}'" for source in self._files()[:3])
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
        floors = set(self.shaping.prepared.floors())
        if self.earlier_store not in floors:
            floors.add(self.earlier_store.parent)
        return remove(filter(self.may_remove, left), self.root, floors)


def remove(outputs: Iterable[str], root: Path, floors: Collection[Path]) -> tuple[str, ...]:
    """Remove *outputs* and the folders below *floors* that are empty then; return what was there.

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
        except NotADirectoryError:
            continue
        except FileNotFoundError:
            pass  # but perhaps the folder was made for it
        except OSError as error:
            raise StoreError(
                f"'{output}' can't be removed: {error.strerror}",
                output,
                "see to it that you may write there; then run again",
            ) from error
        else:
            removed.append(output)
        with FOLDERS:
            _remove_empty_folders(path.parent, floors)
    return tuple(removed)


def _remove_empty_folders(folder: Path, floors: Collection[Path]) -> None:
    while folder not in floors and any(folder.is_relative_to(floor) for floor in floors):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
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
            path = root / output
            temporary = path if is_temporary(path.name) else temporary_path(path, run)
            try:
                remove_temporary(temporary)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise store_error(output, error) from error


def settle() -> None:
    """Wait until all that was written is on the disk."""
    os.sync()
