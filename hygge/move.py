"""This is where a partition is moved: read, written beside its place, verified, put into place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hygge.attempt import Attempt, Held
from hygge.clearing import remove
from hygge.contract import Columns
from hygge.durability import Disks
from hygge.fingerprint import ContentHashes
from hygge.partition import Partition
from hygge.paths import real
from hygge.receipt import Output, Receipt
from hygge.shape import Shaping, discard
from hygge.stores.staging import StagedFile


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
    durable: Disks | None = None
    """Waits for the disk before and after each output is put into place; None where that is done
    once, at the end of the run."""
    elsewhere: Callable[[Attempt], Held] | None = None
    """Attempts it in another process; None where this one will do."""

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
            WorkerCrashed: The process that was to shape it ended.
            Timeout: Shaping it took too long.
        """
        started = time.perf_counter()
        attempt = Attempt(self.shaping, self.hashes)
        shaped, read = self.elsewhere(attempt) if self.elsewhere else attempt()
        try:
            self.intend([each.final for each in shaped.staged])
            published = self._published(shaped.staged)
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

    def _published(self, staged: Sequence[StagedFile]) -> list[tuple[Output, bool]]:
        if self.durable is None:
            return [each.publish() for each in staged]
        self.durable.sync_files((each.final, each.temporary) for each in staged)
        published = [each.publish() for each in staged]
        # What had these bytes already may be from a run that was killed before it had waited.
        left = [output.path for output, changed in published if not changed]
        self.durable.sync_files((path, self.root / path) for path in left)
        self.durable.sync_names(output.path for output, _ in published)
        return published

    def _remove_leftovers(self, outputs: Iterable[Output]) -> tuple[str, ...]:
        """Remove what the last move wrote and this one did not."""
        if not self.earlier:
            return ()
        written = {real(output.path, self.root) for output in outputs}
        left = [each for each in self.earlier if real(each, self.root) not in written]
        floors = set(self.shaping.prepared.floors())
        if self.earlier_store not in floors:
            floors.add(self.earlier_store.parent)
        return remove(filter(self.may_remove, left), self.root, floors)
