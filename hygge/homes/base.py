"""This is where what every home promises is written down."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hygge.errors import ConfigError
from hygge.flow import Section, section_of
from hygge.partition import FILE, ROW, Partition
from hygge.registry import Registry

if TYPE_CHECKING:
    import polars as pl

homes: Registry[Home] = Registry("home")
"""Every kind of home, by name."""


class Home(ABC):
    """Where data comes from. Knows neither the store nor what was moved before."""

    kind: ClassVar[str]
    """The ``type`` in YAML."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Endings of file names that mean this kind; empty for what is no file."""
    seen: Sequence[tuple[str, str]] | None = None
    """Path, absolute, and name of each file that was there when it was last listed; None makes it
    be listed again."""

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.kind = kind
            homes.add(kind, cls)

    @abstractmethod
    def __init__(self, section: Section, root: Path) -> None:
        """Take the options from *section*, which its schema vouches for."""

    @classmethod
    def create(cls, config: str | Mapping[str, Any] | Section, root: Path | None = None) -> Home:
        """Build the home that *config* describes, in either form that YAML has.

        Args:
            root: Where relative paths start; the current folder if None.

        Raises:
            ConfigError: *config* is wrong.
            HomeError: Its kind can't be told from its path because nothing is there.
        """
        root = root or Path.cwd()
        section = section_of("home", config)
        kind, seen = section.values.get("type"), None
        if kind is None:
            if "path" not in section.values:
                raise section.error(ConfigError, "the home lacks a path", "home: data/home/NAME")
            # Imported here: files are one kind of home among others.
            from hygge.homes.files import check_common, kind_of

            check_common(section)
            kind, seen = kind_of(section, root)
        home = homes.find(kind, section)(section.with_kind(kind), root)
        home.seen = seen
        return home

    @abstractmethod
    def partitions(self) -> tuple[Partition, ...]:
        """List what is there now, in natural order of the keys. Reads names and stats only.

        Raises:
            HomeError: It can't be listed, or two partitions would have one key.
        """

    def glance(self) -> list[tuple[str, os.stat_result]] | None:
        """Return each file by its path as sources have it; None if that does not tell all changes.

        Much cheaper than `partitions`, which sees the same files afterwards.

        Raises:
            HomeError: It can't be listed.
        """
        return None

    def partitions_of(self, paths: Collection[str]) -> tuple[Partition, ...]:
        """Return those of `partitions` that are made of the sources at *paths*.

        Args:
            paths: All sources of each of them.

        Raises:
            HomeError: It can't be listed.
        """
        wanted = {*paths}
        return tuple(
            each for each in self.partitions() if wanted.issuperset(s.path for s in each.sources)
        )

    @abstractmethod
    def scan(self, partition: Partition) -> pl.LazyFrame:
        """Return the rows of *partition*; what reads them needs bounded memory.

        Raises:
            HomeError: A source is known to be wrong before its rows are read.
        """

    def trace(self, partition: Partition) -> pl.LazyFrame:
        """Return the rows of *partition* with the columns `FILE` and `ROW`, like `scan`."""
        import polars as pl

        rows = self.scan(partition).with_row_index(ROW, offset=1)
        return rows.with_columns(
            pl.lit(0, dtype=pl.UInt32).alias(FILE), pl.col(ROW).cast(pl.UInt64)
        )

    @abstractmethod
    def examine(self, partition: Partition) -> None:
        """Find out what is wrong with *partition*, after reading it has failed. May be slow.

        Raises:
            HomeError: This is what is wrong. Returns if nothing is.
        """

    @abstractmethod
    def reading(self) -> Mapping[str, Any]:
        """Return what beside the sources' bytes can change the rows; for the config hash."""

    def overlaps(self, folder: Path, resolve: Callable[[Path], str] = os.path.realpath) -> bool:
        """Tell whether the home and *folder* share files, so that no store may be there.

        Args:
            resolve: Resolves links.
        """
        return False

    def is_missing(self) -> bool:
        """Tell whether there is nothing yet where the data is to be."""
        return False

    def copyable(self, partition: Partition) -> str | None:
        """Return the ending of *partition*'s file if its bytes may be copied as they are.

        None means that it has to be read as rows.
        """
        return None

    def count(self, partition: Partition) -> int | None:
        """Return the rows of a `copyable` *partition*, or None where counting means decoding.

        Raises:
            HomeError: The file is not of this kind.
        """
        return None
