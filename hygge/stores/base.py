"""This is where what every store promises is written down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hygge.errors import ConfigError
from hygge.flow import Section, section_of
from hygge.partition import Partition
from hygge.registry import Registry
from hygge.stores.staging import StagedFile

if TYPE_CHECKING:
    import polars as pl

stores: Registry[Store] = Registry("store")
"""Every kind of store, by name."""

DEFAULT_KIND = "parquet"
"""What a store holds when its type is not said."""


class Store(ABC):
    """Where data settles. Knows neither the home nor what was moved before."""

    kind: ClassVar[str]
    """The ``type`` in YAML."""

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.kind = kind
            stores.add(kind, cls)

    @abstractmethod
    def __init__(self, section: Section, root: Path) -> None:
        """Take the options from *section*, which its schema vouches for."""

    @classmethod
    def create(cls, config: str | Mapping[str, Any] | Section, root: Path | None = None) -> Store:
        """Build the store that *config* describes, in either form that YAML has.

        Args:
            root: Where relative paths start; the current folder if None.

        Raises:
            ConfigError: *config* is wrong.
        """
        section = section_of("store", config)
        if "path" not in section.values:
            raise section.error(ConfigError, "the store lacks a path", "store: data/store/NAME")
        kind = section.values.get("type", DEFAULT_KIND)
        found = stores.find(kind, section)
        return found(section.with_kind(kind), root or Path.cwd())

    @abstractmethod
    def folder(self) -> Path:
        """Return the absolute folder that belongs to this store alone."""

    @abstractmethod
    def outputs(self, partition: Partition) -> tuple[str, ...]:
        """Return where *partition* settles, as receipts have it; empty if only its rows tell."""

    @abstractmethod
    def found(self, partition: Partition) -> tuple[str, ...]:
        """Return what lies in the store that only *partition* can have written."""

    @abstractmethod
    def intended(self, partition: Partition, run: str) -> tuple[str, ...]:
        """Return what `stage` is about to make for *partition*, so that a kill leaves no riddle.

        Its outputs, or where they are not known, the hidden folder in which they are staged.
        """

    @abstractmethod
    def stage(self, partition: Partition, rows: pl.LazyFrame, run: str) -> list[StagedFile]:
        """Write *rows* beside where they will settle, under names that no reader looks for.

        Rows are streamed; memory is bounded by a few row groups.

        Raises:
            StoreError: Nothing is left behind.
        """

    @abstractmethod
    def stage_copy(self, partition: Partition, path: Path, run: str) -> tuple[StagedFile, str]:
        """Copy the bytes of the file at *path* like `stage`; also return the hash of what was read.

        Raises:
            StoreError: Nothing is left behind.
            HomeError: *path* can't be read; nothing is left behind.
        """

    @abstractmethod
    def writing(self) -> Mapping[str, Any]:
        """Return what, beside the rows, can change the outputs; for the config hash."""

    @property
    def spreads(self) -> bool:
        """Whether a partition is spread over folders, so that only its rows tell its outputs."""
        return False

    def takes_bytes_of(self, kind: str) -> bool:
        """Tell whether a file of *kind* is, byte for byte, what this store would write."""
        return False
