"""This is where the parts of a flow are made ready to be planned and moved."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge.checks import Checks
from hygge.contract import Contract
from hygge.errors import HomeError
from hygge.fingerprint import config_hash, text_hash
from hygge.flow import Flow
from hygge.homes.base import Home
from hygge.partition import Partition, Source
from hygge.paths import located
from hygge.stores.base import Store
from hygge.stores.staging import LONGEST_NAME, temporary_path
from hygge.transform import Transform

if TYPE_CHECKING:
    import polars as pl

DATA_FORMAT = 2
"""Version of how rows become bytes; raised when the same rows would be written differently."""

QUARANTINE = "data/quarantine"
"""Below this, from the root, rows that failed a check are set aside, a folder for each flow."""


def quarantine_folder(flow: str, root: Path) -> Path:
    """Return where rows of *flow* go that failed a check; absolute."""
    return root / QUARANTINE / flow.replace(".", "/")


@dataclass(frozen=True)
class Input:
    """Another table that the transform of a flow reads."""

    home: Home
    partitions: tuple[Partition, ...] = ()
    """All of them, as they were listed when the flow was planned."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every file of the table."""
        return tuple(source for each in self.partitions for source in each.sources)

    def scan(self, name: str) -> pl.LazyFrame:
        """Return the rows of the table called *name*; a column that a file lacks is null there.

        Raises:
            HomeError: It has no files, or one of them can't be read.
        """
        import polars as pl

        if not self.partitions:
            raise HomeError(f"the input '{name}' has no files", "", "see what should write them")
        frames = [self.home.scan(partition) for partition in self.partitions]
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


@dataclass(frozen=True)
class Prepared:
    """A flow that is ready to be planned and moved."""

    flow: Flow
    home: Home
    store: Store
    root: Path
    """The project's root."""
    transform: Transform
    checks: Checks
    contract: Contract
    inputs: Mapping[str, Input] = field(default_factory=dict)
    """Other tables by name, in order of the names."""
    upstream: tuple[str, ...] = ()
    """Flows that are brought up to date before this one, in order of their names."""
    ancestors: frozenset[str] = frozenset()
    """Those, and all that they wait for in turn."""
    chained: bool = False
    """Whether the home lies in the store of one of them."""
    gone: bool = False
    """Whether it is an entity that is remembered, but no longer there."""

    @functools.cached_property
    def config(self) -> Mapping[str, Any]:
        """What in the configuration can change a partition's result."""
        more = {
            "transform": self.transform.fingerprint(),
            "checks": self.checks.fingerprint(),
            "schema": self.contract.fingerprint(),
            "inputs": {
                # With the path: what was read from where is told by the files, but not as what.
                name: {**self.flow.inputs[name].values, **each.home.reading()}
                for name, each in self.inputs.items()
            },
        }
        reading, writing = self.home.reading(), self.store.writing()
        written = {key: value for key, value in more.items() if value}
        return {"home": reading, "store": writing, "format": DATA_FORMAT, **written}

    @functools.cached_property
    def config_hash(self) -> str:
        """Hash of `config`."""
        return config_hash(self.config)

    @property
    def on_removed(self) -> str:
        """What becomes of outputs whose source is gone: ``delete``, ``keep`` or ``error``."""
        return str(self.flow.store.values.get("on_removed", "delete"))

    @functools.cached_property
    def input_sources(self) -> tuple[Source, ...]:
        """Every file of every input."""
        return tuple(source for each in self.inputs.values() for source in each.sources)

    def look_again(self) -> None:
        """Forget what was seen of the files that it reads."""
        for home in (self.home, *(each.home for each in self.inputs.values())):
            home.seen = None

    def copies(self, partition: Partition) -> bool:
        """Tell whether the bytes of *partition* are what the store would write."""
        kind = self.home.copyable(partition)
        as_they_are = self.transform.is_empty and self.checks.is_empty
        return as_they_are and kind is not None and self.store.takes_bytes_of(kind)

    def quarantine(self) -> Store:
        """Return where rows go that failed a check."""
        path = quarantine_folder(self.flow.name, self.root)
        return Store.create({"type": "parquet", "path": str(path)}, self.root)

    def spool(self, partition: Partition) -> str:
        """Return what the file stands for in which rows wait for their checks."""
        name = f"{partition.name}.spool"
        if "/" in name or len(os.fsencode(name)) > LONGEST_NAME:
            name = f"{text_hash(partition.name)}.spool"
        return located(str(self.store.folder() / name), self.root)

    def intended(self, partition: Partition, run: str) -> tuple[str, ...]:
        """Return what a move of *partition* is about to make, outputs and temporary things."""
        if self.checks.is_empty:
            return self.store.intended(partition, run)
        spool = temporary_path(self.root / self.spool(partition), run)
        return (
            *self.store.intended(partition, run),
            *self.quarantine().intended(partition, run),
            located(str(spool), self.root),
        )

    def found(self, partition: Partition) -> tuple[str, ...]:
        """Return what lies on the disk that only *partition* can have written."""
        if self.checks.is_empty:
            return self.store.found(partition)
        return (*self.store.found(partition), *self.quarantine().found(partition))

    def floors(self) -> Iterable[Path]:
        """Return the folders that stay even when they are empty."""
        return (self.store.folder(), (self.root / QUARANTINE).parent)
