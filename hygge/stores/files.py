"""This is where partitions become files, whatever their format."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from hygge.errors import ConfigError, StoreError
from hygge.fingerprint import content_hash, text_hash
from hygge.flow import Section
from hygge.partition import Partition
from hygge.paths import located, normal
from hygge.stores.base import Store
from hygge.stores.staging import (
    StagedFile,
    check_lengths,
    check_place,
    copy,
    staging,
    staging_folder,
    temporary_path,
)

if TYPE_CHECKING:
    import polars as pl

    from hygge.stores.fan_out import FanOut

ROWS_AT_ONCE = 100_000
"""Rows in a row group or record batch. polars makes them as the rows happen to come, which after a
join differs from run to run: the same rows would be other bytes."""

HIGHEST_LEVEL = {"zstd": 22, "gzip": 9, "brotli": 11}
"""The highest compression level of what has levels."""


class FilesStore(Store):
    """A folder of files of one format: one file for each partition, named after it."""

    suffix: ClassVar[str]
    """Ending of an uncompressed output's name."""
    default_compression: ClassVar[str]
    """How outputs are compressed unless it is said."""

    def __init__(self, section: Section, root: Path) -> None:
        self.section = section
        self.root = root
        self.path: str = normal(section.values["path"], root)
        self._folder = root / self.path
        self.compression: str = section.values.get("compression", self.default_compression)
        self.options: Mapping[str, Any] = section.values.get("options", {})
        self.fan_out: FanOut | None = None
        if "partition_by" in section.values:
            # Imported here: most stores have none.
            from hygge.stores.fan_out import FanOut

            self.fan_out = FanOut.of(section)
        self._check_level()

    def _check_level(self) -> None:
        level = self.options.get("compression_level")
        if level is None:
            return
        highest = HIGHEST_LEVEL.get(self.compression)
        if highest is None:
            what = f"compression '{self.compression}' has no levels"
            raise self.section.error(ConfigError, what, "remove 'compression_level'")
        if level > highest:
            what = f"compression level {level} is too high: '{self.compression}' ends at {highest}"
            raise self.section.error(ConfigError, what, f"compression_level: {highest}")

    @property
    def polars_compression(self) -> str:
        """What polars calls the compression."""
        return "uncompressed" if self.compression == "none" else self.compression

    def folder(self) -> Path:
        return self._folder

    def ending(self) -> str:
        """Return how the names of outputs end."""
        return self.suffix

    @property
    def spreads(self) -> bool:
        return self.fan_out is not None

    def outputs(self, partition: Partition) -> tuple[str, ...]:
        return () if self.fan_out else (self._whole(partition),)

    def found(self, partition: Partition) -> tuple[str, ...]:
        name = partition.name + self.ending()
        if self.fan_out is None:
            there = [name] if os.path.lexists(os.path.join(self._folder, name)) else []
        else:
            there = self.fan_out.found(self.folder(), name)
        return tuple(f"{self.path}/{each}" for each in there)

    def intended(self, partition: Partition, run: str) -> tuple[str, ...]:
        if self.fan_out is None:
            return self.outputs(partition)
        folder = temporary_path(self._staging_place(partition), run)
        return (located(str(folder), self.root),)

    def _staging_place(self, partition: Partition) -> Path:
        """Return what the staging folder of a partition that is spread over folders stands for.

        Directly in the store, so that no other folder has to be made, and removed, for it.
        """
        name = partition.name if "/" not in partition.name else text_hash(partition.name)
        return self.folder() / f"{name}{self.ending()}"

    def _whole(self, partition: Partition) -> str:
        return f"{self.path}/{partition.name}{self.ending()}"

    def _check_links(self, final: str) -> None:
        """Refuse to write *final* where a folder in the store is a link: that leads out of it.

        Raises:
            StoreError: One is.
        """
        top = os.path.join(self._folder, "")
        folder = os.path.dirname(os.path.join(self.root, final))
        while folder.startswith(top):
            if os.path.islink(folder):
                shown = located(folder, self.root)
                raise StoreError(
                    f"'{shown}' is a link: what is written there would not be in the store",
                    final,
                    "remove the link; a store may lie elsewhere as a whole: store: {path: ...}",
                )
            folder = os.path.dirname(folder)

    def stage(self, partition: Partition, rows: pl.LazyFrame, run: str) -> list[StagedFile]:
        if self.fan_out is not None:
            return self._stage_in_folders(self.fan_out, partition, rows, run)
        final = self._whole(partition)
        target = self.root / final
        self._check_links(final)
        with staging(final, target, run) as temporary:
            # Opened here: polars would open it by name a moment later, perhaps only after the
            # failure for which it has been removed already, and make it again.
            with temporary.open("wb", buffering=0) as file:
                self.write(rows, file)
            return [
                StagedFile(final, target, temporary, content_hash(temporary), self.count(temporary))
            ]

    def _stage_in_folders(
        self, fan_out: FanOut, partition: Partition, rows: pl.LazyFrame, run: str
    ) -> list[StagedFile]:
        whole = self._whole(partition)
        staged = []
        with staging_folder(whole, self._staging_place(partition), run) as folder:
            for place, path in fan_out.sink(rows, self.write, folder):
                final = f"{self.path}/{place}/{partition.name}{self.ending()}"
                check_lengths(final)
                self._check_links(final)
                check_place(final, self.root / final)
                digest, rows_of_file = content_hash(path), self.count(path)
                target = self.root / final
                staged.append(StagedFile(final, target, path, digest, rows_of_file, folder))
        return sorted(staged, key=lambda each: each.final)

    def stage_copy(self, partition: Partition, path: Path, run: str) -> tuple[StagedFile, str]:
        (final,) = self.outputs(partition)
        target = self.root / final
        self._check_links(final)
        with staging(final, target, run) as temporary:
            digest = copy(partition.sources[0].path, path, final, temporary)
            return StagedFile(final, target, temporary, digest, None), digest

    @abstractmethod
    def write(self, rows: pl.LazyFrame, file: IO[bytes] | pl.PartitionBy) -> None:
        """Write *rows*, in their order, to *file*; the same input gives the same bytes."""

    @abstractmethod
    def count(self, path: Path) -> int:
        """Return how many rows `write` wrote to *path*."""

    def writing(self) -> Mapping[str, Any]:
        return {
            "type": self.kind,
            "path": self.path,
            "compression": self.section.values.get("compression"),
            "options": dict(self.options),
            **self._spreading(),
        }

    def _spreading(self) -> dict[str, Any]:
        if self.fan_out is None:
            return {}
        columns = [name if every is None else [name, every] for name, every in self.fan_out.columns]
        return {"partition_by": columns}

    def takes_bytes_of(self, kind: str) -> bool:
        as_it_is = "compression" not in self.section.values and not self.options
        return kind == self.kind and as_it_is and self.fan_out is None


class TextStore(FilesStore):
    """A folder of text files, whose names tell how they are compressed."""

    default_compression = "none"

    def ending(self) -> str:
        return self.suffix + {"none": "", "gzip": ".gz", "zstd": ".zst"}[self.compression]

    def compressing(self) -> dict[str, Any]:
        """Return polars' arguments for the compression."""
        return {
            "compression": self.polars_compression,
            "compression_level": self.options.get("compression_level"),
            "check_extension": False,
        }
