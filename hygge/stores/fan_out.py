"""This is where a partition is spread over folders by the values of its columns."""

from __future__ import annotations

import contextlib
import glob
import os
import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hygge.datatypes import type_name
from hygge.errors import ConfigError, StoreError, did_you_mean
from hygge.flow import Section
from hygge.paths import HIVE_NULL, hive_folder

if TYPE_CHECKING:
    import polars as pl

MOST_FOLDERS = 500
"""Folders that are written at once; each has an open file and buffers of about 100 kB."""

BUCKETS = 64
"""Parts into which the rows go first where there are more folders than that."""

_FORMATS = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}

Sink = Callable[["pl.LazyFrame", Any], None]
"""Writes rows to an open file, or to the files of a `polars.PartitionBy`."""


@dataclass(frozen=True)
class FanOut:
    """The columns by which a store spreads each partition over folders."""

    columns: tuple[tuple[str, str | None], ...]
    """Name of each column, and the stretch of time that a folder holds; None for the value."""
    section: Section
    """The store's section, for errors."""

    @property
    def names(self) -> list[str]:
        """What the folders call the values.

        A stretch of time is not called as its column is: a reader that takes values from the path
        would take it for the time itself.
        """
        return [name if every is None else f"{name}_{every}" for name, every in self.columns]

    @classmethod
    def of(cls, section: Section) -> FanOut | None:
        """Return what *section* says under ``partition_by``; None if it says nothing.

        Raises:
            ConfigError: A column stands twice.
        """
        written = section.values.get("partition_by")
        if written is None:
            return None
        items = [written] if isinstance(written, str) else written
        columns = tuple(
            (each, None) if isinstance(each, str) else (each["column"], each.get("every"))
            for each in items
        )
        names = [name for name, _ in columns]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            what = f"the column '{twice}' stands twice in 'partition_by'"
            raise section.error(ConfigError, what, "remove one of them", "partition_by")
        return cls(columns, section)

    def found(self, store: Path, name: str) -> list[str]:
        """Return the files called *name* that lie in such folders of *store*, relative to it."""
        folders = "/".join(glob.escape(hive_folder(name, "")) + "*" for name in self.names)
        pattern = f"{folders}/{glob.escape(name)}"
        return sorted(path.replace(os.sep, "/") for path in glob.glob(pattern, root_dir=store))

    def sink(self, rows: pl.LazyFrame, sink: Sink, staging: Path) -> Iterator[tuple[str, Path]]:
        """Write *rows* into files in *staging*; yield (folder, file) for each folder.

        The rows of a file are in their order. polars' own partitioned sink does the work: it is
        one pass, as fast as a plain sink, and gives the same bytes each time (a test sees to it),
        and since it writes to files that we open, their hashes can be had. It keeps a file and a
        buffer open for each folder, 12 GB for 100,000 of them, so that where there are many the
        rows go into a few buckets first.

        Raises:
            StoreError: A column is missing, or its values can't name a folder.
        """
        keys = self._keys(rows.collect_schema())
        files = _Files(staging, self._folder, most_folders())
        with files:
            try:
                sink(rows, files.partitions(keys))
            except _TooManyFolders:
                files.remove()
                yield from self._in_buckets(rows, sink, staging, 0)
                return
        yield from files.by_folder.items()

    def _in_buckets(
        self, rows: pl.LazyFrame, sink: Sink, staging: Path, depth: int
    ) -> Iterator[tuple[str, Path]]:
        import polars as pl

        buckets = staging / f"buckets-{depth}"
        buckets.mkdir()
        keys = self._keys(rows.collect_schema())
        bucket = pl.struct(keys).hash(seed=depth) % BUCKETS
        parts = _Files(buckets, lambda values: str(values[0]), BUCKETS)
        with parts:
            target = parts.partitions([bucket.alias("__hygge_bucket")])
            rows.sink_ipc(target, compression="lz4", engine="streaming")
        for path in sorted(parts.by_folder.values()):
            inner = staging / f"{depth}-{path.name}"
            inner.mkdir()
            part = pl.scan_ipc(path, glob=False)
            files = _Files(inner, self._folder, most_folders())
            with files:
                try:
                    sink(part, files.partitions(keys))
                except _TooManyFolders:
                    files.remove()
                    yield from self._in_buckets(part, sink, inner, depth + 1)
            yield from files.by_folder.items()
            path.unlink()
        buckets.rmdir()

    def _folder(self, values: Sequence[str | None]) -> str:
        return "/".join(map(hive_folder, self.names, values))

    def _keys(self, schema: pl.Schema) -> list[pl.Expr]:
        """Return, for each column, the text that names its folder; null for null and for ''."""
        import polars as pl

        keys = []
        for i, (name, every) in enumerate(self.columns):
            if name not in schema:
                what = f"no column '{name}' to spread the rows by"
                hint = did_you_mean(name, schema.names())
                raise self.section.error(StoreError, what, hint, "partition_by")
            self._check_type(name, every, schema[name])
            if every and f"{name}_{every}" in schema:
                what = f"a column is called '{name}_{every}', as the folders are"
                hint = "rename it under transform"
                raise self.section.error(StoreError, what, hint, "partition_by")
            text = pl.col(name).dt.strftime(_FORMATS[every]) if every else pl.col(name)
            text = text.cast(pl.String)
            text = pl.when(text.is_in(["", HIVE_NULL])).then(None).otherwise(text)
            keys.append(text.alias(f"__hygge_folder_{i}"))
        return keys

    def _check_type(self, name: str, every: str | None, dtype: pl.DataType) -> None:
        import polars as pl

        if every and not isinstance(dtype, pl.Date | pl.Datetime):
            what = f"the column '{name}' is no date or time: it is {type_name(dtype)}"
            hint = "cast it under transform, or leave out 'every'"
        elif dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            what = f"the values of the column '{name}' can't name folders: it is {type_name(dtype)}"
            hint = "spread the rows by another column"
        else:
            return
        raise self.section.error(StoreError, what, hint, "partition_by")


class _TooManyFolders(Exception):
    """More folders than are written at once."""


@dataclass
class _Files:
    """The open files of one partitioned sink."""

    staging: Path
    folder: Callable[[Sequence[Any]], str]
    """Returns the folder for the values of the keys."""
    most: int
    by_folder: dict[str, Path] = field(default_factory=dict)
    """Where the rows of each folder are, by the folder's path below the store."""
    _open: list[IO[bytes]] = field(default_factory=list)
    _closed: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def partitions(self, keys: list[pl.Expr]) -> pl.PartitionBy:
        """Return what makes a sink write into these files."""
        import polars as pl

        return pl.PartitionBy(
            self.staging,
            key=keys,
            include_key=False,
            file_path_provider=self._provide,
            approximate_bytes_per_file=None,
        )

    def _provide(self, arguments: Any) -> IO[bytes]:
        folder = self.folder(arguments.partition_keys.row(0))
        with self._guard:  # polars asks from several threads
            if self._closed or len(self._open) == self.most:
                raise _TooManyFolders
            path = self.staging / str(len(self._open))
            file = path.open("xb", buffering=0)
            self._open.append(file)
            self.by_folder[folder] = path
        return file

    def remove(self) -> None:
        """Close and remove what was written so far."""
        self._close()
        for path in self.by_folder.values():
            path.unlink()
        self.by_folder.clear()

    def _close(self) -> None:
        # A sink that failed goes on for a moment in other threads: nothing is made any more.
        with self._guard:
            self._closed = True
            for file in self._open:
                with contextlib.suppress(OSError):
                    file.close()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._close()


def most_folders() -> int:
    """Return how many folders may be written at once, so that open files don't run out."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST_FOLDERS, max(soft // 2, 1))
