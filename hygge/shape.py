"""This is where a partition's rows take the shape in which they settle, still out of sight."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hygge.contract import Columns
from hygge.datatypes import type_name
from hygge.errors import HomeError, StoreError, TransformError
from hygge.homes.base import Home
from hygge.partition import ROW, TRACE, Partition
from hygge.prepared import Prepared
from hygge.receipt import Receipt
from hygge.stores.staging import StagedFile, staging, store_error
from hygge.transform import Context

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Shaped:
    """What a partition has become."""

    staged: tuple[StagedFile, ...]
    """Its outputs, whole but not yet in place."""
    columns: Columns = ()
    """Name and type of what was written; empty if bytes were copied without a look at them."""
    copied_hash: str = ""
    """Hash of the source if its bytes were copied; empty if it was read as rows."""
    notes: tuple[str, ...] = ()
    """What a person should know, a line each."""


@dataclass(frozen=True)
class Shaping:
    """One partition on its way from rows to staged outputs."""

    prepared: Prepared
    partition: Partition
    run: str
    """Id of the run."""
    instant: datetime.datetime
    """When the run began; aware."""
    accept: Callable[[Columns], Sequence[str]]
    """Holds the columns against the flow's contract; returns what to report."""

    def __call__(self) -> Shaped:
        """Write the outputs out of sight.

        Raises:
            HomeError: The source can't be read.
            TransformError: What the flow does to its rows can't be done.
            CheckFailed: A check does not hold.
            ContractBroken: The store may not have these columns.
            StoreError: The outputs can't be written.
        """
        if self.prepared.copies(self.partition):
            return self._copied()
        import polars as pl

        try:
            return self._from_rows()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise self._explained(error) from error
        except TransformError:
            # A function that reads rows itself stumbles over a source that is broken.
            self._examine_sources()
            raise

    def _copied(self) -> Shaped:
        home, store = self.prepared.home, self.prepared.store
        rows = home.count(self.partition)
        columns: Columns = ()
        notes: Sequence[str] = ()
        if not self.prepared.contract.is_empty:
            columns = columns_of(home.scan(self.partition))
            notes = self.accept(columns)
        source = self.prepared.root / self.partition.sources[0].path
        staged, digest = store.stage_copy(self.partition, source, self.run)
        return Shaped((dataclasses.replace(staged, rows=rows),), columns, digest, tuple(notes))

    def _from_rows(self) -> Shaped:
        rows = self._transformed(traced=not self.prepared.checks.is_empty)
        if not self.prepared.checks.is_empty:
            with self._spooled(rows) as spool:
                return self._checked(spool)
        columns = columns_of(rows)
        notes = self.accept(columns)
        with self.prepared.transform.executing():
            staged = self.prepared.store.stage(self.partition, rows, self.run)
        return Shaped(tuple(staged), columns, "", tuple(notes))

    def _transformed(self, traced: bool) -> pl.LazyFrame:
        import polars as pl

        home, transform = self.prepared.home, self.prepared.transform
        rows = home.trace(self.partition) if traced else home.scan(self.partition)
        try:
            names = () if traced or transform.is_empty else rows.collect_schema().names()
            if set(TRACE) & set(names):
                raise self._kept_name()
            return transform.apply(rows, self._context())
        except pl.exceptions.DuplicateError as error:
            if traced and ROW in home.scan(self.partition).collect_schema():
                raise self._kept_name() from error
            raise

    def _kept_name(self) -> HomeError:
        return HomeError(
            f"columns can't be called {' or '.join(map(repr, TRACE))}: hygge numbers rows so",
            self.partition.sources[0].path,
            "give the column another name at the source",
        )

    def _context(self) -> Context:
        inputs = {name: each.scan(name) for name, each in self.prepared.inputs.items()}
        return Context(self.partition, inputs, self.instant)

    @contextlib.contextmanager
    def _spooled(self, rows: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
        """Write *rows* to a file that is gone afterwards, so that they can be read several times.

        Checks ask more than one question, and a function that a person wrote need not give the
        same rows twice.
        """
        import polars as pl

        shown = self.prepared.spool(self.partition)
        with staging(shown, self.prepared.root / shown, self.run) as path:
            try:
                with path.open("wb", buffering=0) as file, self.prepared.transform.executing():
                    rows.sink_ipc(file, compression="lz4", engine="streaming")
                yield pl.scan_ipc(path, glob=False)
            finally:
                path.unlink(missing_ok=True)

    def _checked(self, spool: pl.LazyFrame) -> Shaped:
        names = [source.path for source in self.partition.sources]
        now = datetime.datetime.now(datetime.UTC)
        verdict = self.prepared.checks.examine(spool, names, now)
        good = verdict.good(spool)
        columns = columns_of(good)
        notes = [*self.accept(columns), *(each.message for each in verdict.warnings)]
        staged = self.prepared.store.stage(self.partition, good, self.run)
        if verdict.quarantined:
            store = self.prepared.quarantine()
            try:
                aside = store.stage(self.partition, verdict.quarantine(spool), self.run)
            except BaseException:
                discard(staged)
                raise
            staged = [*staged, *aside]
            notes += [
                f"{each.message}; set aside in '{aside[0].final}'" for each in verdict.quarantined
            ]
        return Shaped(tuple(staged), columns, "", tuple(notes))

    def _explained(self, error: BaseException) -> StoreError:
        """Return the error for a failure that is neither the source's nor the transform's.

        polars reads, computes and writes in one go: only asking each part again tells which of
        them it was.

        Raises:
            HomeError: It was the source, or an input.
            TransformError: It was the transform.
        """
        prepared = self.prepared
        self._examine_sources()
        if not prepared.transform.is_empty:
            prepared.transform.examine(prepared.home.trace(self.partition), self._context())
        final = next(
            iter(prepared.store.outputs(self.partition)), prepared.flow.store.values["path"]
        )
        if isinstance(error, OSError):
            return store_error(final, error)
        problem = str(error).split("\n")[0]
        return StoreError(f"'{final}' can't be written: {problem}", final)

    def _examine_sources(self) -> None:
        self.prepared.home.examine(self.partition)
        for each in self.prepared.inputs.values():
            for partition in each.partitions:
                each.home.examine(partition)


def columns_of(rows: pl.LazyFrame) -> Columns:
    """Return name and type of the columns of *rows*, without those that trace them."""
    schema = rows.collect_schema()
    return tuple((name, type_name(kind)) for name, kind in schema.items() if name not in TRACE)


def columns_written(prepared: Prepared, receipt: Receipt) -> Columns:
    """Return the columns of the first output in *receipt*, as a home would read it."""
    kind, path = prepared.store.kind, receipt.outputs[0].path
    home = Home.create({"type": kind, "path": path}, prepared.root)
    return columns_of(home.scan(home.partitions()[0]))


def discard(staged: Sequence[StagedFile]) -> None:
    """Remove those of *staged* that are not in place."""
    for each in staged:
        with contextlib.suppress(OSError):
            each.discard()
