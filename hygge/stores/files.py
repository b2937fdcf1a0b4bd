"""This is where partitions become files, whatever their format."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from hygge.errors import ConfigError
from hygge.fingerprint import content_hash
from hygge.flow import Section
from hygge.partition import Partition
from hygge.paths import normal
from hygge.stores.base import Store
from hygge.stores.staging import StagedFile, copy, staging

if TYPE_CHECKING:
    import polars as pl

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
        self.compression: str = section.values.get("compression", self.default_compression)
        self.options: Mapping[str, Any] = section.values.get("options", {})
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
        return self.root / self.path

    def ending(self) -> str:
        """Return how the names of outputs end."""
        return self.suffix

    def outputs(self, partition: Partition) -> tuple[str, ...]:
        return (f"{self.path}/{partition.name}{self.ending()}",)

    def stage(self, partition: Partition, rows: pl.LazyFrame, run: str) -> list[StagedFile]:
        (final,) = self.outputs(partition)
        target = self.root / final
        with staging(final, target, run) as temporary:
            # Opened here: polars would open it by name a moment later, perhaps only after the
            # failure for which it has been removed already, and make it again.
            with temporary.open("wb", buffering=0) as file:
                self.write(rows, file)
            return [
                StagedFile(final, target, temporary, content_hash(temporary), self.count(temporary))
            ]

    def stage_copy(self, partition: Partition, path: Path, run: str) -> tuple[StagedFile, str]:
        (final,) = self.outputs(partition)
        target = self.root / final
        with staging(final, target, run) as temporary:
            digest = copy(partition.sources[0].path, path, final, temporary)
            return StagedFile(final, target, temporary, digest, None), digest

    @abstractmethod
    def write(self, rows: pl.LazyFrame, file: IO[bytes]) -> None:
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
        }

    def takes_bytes_of(self, kind: str) -> bool:
        return kind == self.kind and "compression" not in self.section.values and not self.options


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
