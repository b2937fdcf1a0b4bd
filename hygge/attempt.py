"""This is where a partition is shaped while its sources hold still, or is shaped again."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hygge.errors import HyggeError, SourceChanged
from hygge.fingerprint import ContentHashes, Signature, content_hash, is_regular
from hygge.partition import Partition, Source
from hygge.receipt import ReadSource
from hygge.shape import Shaped, Shaping, discard

PAUSES = (0.2, 1.0)
"""Seconds to wait before a source that was written to while it was read is read again."""

Held = tuple[Shaped, tuple[ReadSource, ...]]
"""What a partition has become, and of what bytes: its sources, then its inputs."""


@dataclass(frozen=True)
class Attempt:
    """One partition, to be read and staged. Nothing in the store changes."""

    shaping: Shaping
    """Turns its rows into staged outputs."""
    hashes: ContentHashes
    """Of the files that many partitions read."""

    @property
    def partition(self) -> Partition:
        """What is read."""
        return self.shaping.partition

    @property
    def root(self) -> Path:
        """The project's root."""
        return self.shaping.prepared.root

    def __call__(self) -> Held:
        """Stage the outputs, and tell the hashes of the bytes that were read.

        Raises:
            SourceChanged: It, or an input, was written to, each time it was read.
            HomeError: It can't be read.
            TransformError: What the flow does to its rows can't be done.
            CheckFailed: A check does not hold.
            ContractBroken: The store may not have these columns.
            StoreError: The outputs can't be written.
        """
        for pause in (*PAUSES, None):
            try:
                return self._once()
            except SourceChanged:
                if pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")

    def _once(self) -> Held:
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
        read = zip(self._files, hashes, before, strict=True)
        return shaped, tuple(ReadSource(s.path, digest, stat) for s, digest, stat in read)

    @functools.cached_property
    def _files(self) -> tuple[Source, ...]:
        return self.partition.sources + self.shaping.prepared.input_sources

    @functools.cached_property
    def _paths(self) -> list[str]:
        root = str(self.root)
        return [os.path.join(root, each.path) for each in self._files]

    def _signatures(self) -> list[Signature]:
        with contextlib.suppress(OSError):
            stats = [os.stat(path) for path in self._paths]
            if all(is_regular(stat) for stat in stats):
                return [Signature.of(stat) for stat in stats]
        # Gone, a link to nowhere, or a pipe that would be waited for: the home can say it better.
        self._examine()
        raise self._source_changed()

    def _hash(self, index: int, signature: Signature) -> str:
        path = self._paths[index]
        try:
            if index >= len(self.partition.sources) and not signature.racy:
                return self.hashes.read(path, signature)
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
            now = [Signature.of(os.stat(path)) for path in self._paths]
        except OSError:
            return True
        return not all(old.same_file(new) for old, new in zip(before, now, strict=True))

    def _source_changed(self) -> SourceChanged:
        names = ", ".join(f"'{source.path}'" for source in self._files[:3])
        return SourceChanged(
            f"{names} was written to while it was read",
            self.partition.sources[0].path,
            "run again when the writing has ended; whoever writes it should write another name "
            "and rename",
        )
