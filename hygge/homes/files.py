"""This is where files become partitions, whatever their format."""

from __future__ import annotations

import functools
import glob
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge import schema
from hygge.errors import ConfigError, HomeError
from hygge.fingerprint import Signature, is_regular
from hygge.flow import Section
from hygge.homes import grouping
from hygge.homes.base import Home
from hygge.homes.listing import Listed, Listing, could_match_in, stat_or_none
from hygge.landing import SUFFIXES
from hygge.partition import FILE, ROW, Partition, Source, natural
from hygge.paths import all_located, contains, located

if TYPE_CHECKING:
    import polars as pl


Names = list[tuple[str, str]]
"""Path, absolute, and name, relative to the home, of each of some files."""


class FilesHome(Home):
    """Files of one format: one, or those in a folder, or those that a glob names."""

    def __init__(self, section: Section, root: Path) -> None:
        self.section = section
        self.root = root
        self.path: str = section.values["path"]
        self.partition: str = section.values.get("partition", "file")
        self.options: Mapping[str, Any] = section.values.get("options", {})

    def partitions(self) -> tuple[Partition, ...]:
        return self._grouped(self._names())

    def partitions_of(self, paths: Collection[str]) -> tuple[Partition, ...]:
        names = dict(self._names())
        full = (os.path.join(self.root, path) for path in paths)
        return self._grouped((path, names[path]) for path in full if path in names)

    def _grouped(self, names: Iterable[tuple[str, str]]) -> tuple[Partition, ...]:
        # Before all stats: of many files the last is grouped seconds after the first was seen.
        taken = time.time_ns()
        files = (Listed(path, name, stat_or_none(path)) for path, name in names)
        grouped = grouping.partitions(self.section, self.partition, files, self.suffixes)
        source = functools.partial(self._source, taken)
        return tuple(
            Partition(each.key, each.name, tuple(map(source, each.files)), each.values)
            for each in sorted(grouped, key=lambda each: natural(each.key))
        )

    def _names(self) -> Iterable[tuple[str, str]]:
        """Return path and name of each file; of what told the kind, without a second look."""
        if self.seen is not None:
            return self.seen
        return Listing(self.section, self.root).names(self.suffixes)

    def glance(self) -> list[tuple[str, os.stat_result]] | None:
        names = self.seen = list(self._names())
        try:
            paths = all_located([path for path, _ in names], self.root)
            return [(path, os.stat(full)) for path, (full, _) in zip(paths, names, strict=True)]
        except OSError:
            return None

    def _source(self, taken: int, file: Listed) -> Source:
        stat = file.stat
        is_file = stat is not None and is_regular(stat)
        signature = Signature.of(stat, taken) if stat is not None and is_file else None
        return Source(located(file.path, self.root), signature)

    def scan(self, partition: Partition) -> pl.LazyFrame:
        return _together(
            [self._scan_with_values(partition, path) for path in self.readable(partition)]
        )

    def trace(self, partition: Partition) -> pl.LazyFrame:
        import polars as pl

        return _together(
            [
                self._scan_with_values(partition, path)
                .with_row_index(ROW, offset=1)
                .with_columns(pl.lit(i, dtype=pl.UInt32).alias(FILE), pl.col(ROW).cast(pl.UInt64))
                for i, path in enumerate(self.readable(partition))
            ]
        )

    def _scan_with_values(self, partition: Partition, path: str) -> pl.LazyFrame:
        import polars as pl

        rows = self.scan_file(path)
        if not partition.values:
            return rows
        present = rows.collect_schema().names()
        missing = [
            pl.lit(value, dtype=pl.String).alias(name)
            for name, value in partition.values
            if name not in present
        ]
        return rows.with_columns(missing)

    @abstractmethod
    def scan_file(self, path: str) -> pl.LazyFrame:
        """Return the rows of the file at the absolute *path*."""

    def readable(self, partition: Partition) -> Iterator[str]:
        """Yield the absolute path of each source.

        Raises:
            HomeError: One is no file, can't be opened or is empty.
        """
        for source in partition.sources:
            path = os.path.join(self.root, source.path)
            self._check_readable(source.path, path)
            yield path

    def _check_readable(self, shown: str, path: str) -> None:
        if os.path.islink(path) and not os.path.exists(path):
            target = os.readlink(path)
            raise HomeError(
                f"'{shown}' is a link to '{target}', which leads to no file",
                shown,
                "restore its target, remove the link, or exclude it",
            )
        try:
            stat = os.stat(path)
            if is_regular(stat):
                # Opening tells what stat can't: whether this user may read it.
                os.close(os.open(path, os.O_RDONLY))
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            hint = (
                "run again: it went after it was listed"
                if gone
                else "see to it that you may read it, or exclude it"
            )
            raise HomeError(f"'{shown}' can't be read: {error.strerror}", shown, hint) from error
        if not is_regular(stat):
            raise HomeError(f"'{shown}' is no plain file", shown, "remove it, or exclude it")
        if stat.st_size == 0:
            raise HomeError(
                f"'{shown}' is empty: it has 0 bytes",
                shown,
                "write it again, remove it, or exclude it",
            )

    def examine(self, partition: Partition) -> None:
        import polars as pl

        for source, path in zip(partition.sources, self.readable(partition), strict=True):
            try:
                self.scan_file(path).select(pl.len()).collect(engine="streaming")
                self.scan_file(path).sink_batches(lambda _: None)
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
                raise self.unreadable(source.path, str(error)) from error

    def unreadable(self, shown: str, problem: str) -> HomeError:
        """Build the error for the file at *shown*, which the parser refused with *problem*."""
        first = problem.strip().split("\n")[0]
        return HomeError(
            f"'{shown}' can't be read as {self.kind}: {first}",
            shown,
            "write it again, remove it, or exclude it",
        )

    def reading(self) -> Mapping[str, Any]:
        return {"type": self.kind, "partition": self.partition, "options": dict(self.options)}

    def is_missing(self) -> bool:
        fixed = self.path
        while glob.has_magic(fixed):
            fixed = os.path.dirname(fixed)
        return not os.path.lexists(self.root / fixed)

    def overlaps(self, folder: Path, resolve: Callable[[Path], str] = os.path.realpath) -> bool:
        home, other = resolve(self.root / self.path), resolve(folder)
        plain = not glob.has_magic(self.path)
        if os.path.isdir(home) or (plain and self.is_missing()):
            return contains(home, other) or contains(other, home)
        files = () if self.is_missing() else Listing(self.section, self.root).files(self.suffixes)
        if any(contains(other, os.path.realpath(file.path)) for file in files):
            return True
        # A glob may lie beside a store as long as it will find nothing in it.
        return could_match_in(os.path.normpath(self.root / self.path), os.path.normpath(folder))

    def copyable(self, partition: Partition) -> str | None:
        path = partition.sources[0].path
        plain = len(partition.sources) == 1 and not partition.values and not self.options
        suffix = next((each for each in self.suffixes if path.endswith(each)), None)
        compressed = suffix is not None and suffix.endswith((".gz", ".zst"))
        return self.kind if plain and suffix is not None and not compressed else None

    def count(self, partition: Partition) -> int | None:
        for _ in self.readable(partition):
            pass
        return None


def _together(frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Return one table; the files of a group need not have the same columns, nulls fill up."""
    import polars as pl

    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def check_common(section: Section) -> None:
    """Check the keys that all kinds of files have, before they are used to find out the kind.

    Raises:
        ConfigError: One of them is wrong.
    """
    common = {k: v for k, v in section.values.items() if k in ("path", "include", "exclude")}
    schema.check(section.document, {**common, "type": "parquet"}, "home/parquet", (section.name,))


def kind_of(section: Section, root: Path) -> tuple[str, Names]:
    """Return the kind of home that the files at the path of *section* are, and what was seen there.

    Raises:
        HomeError: There is nothing at the path.
        ConfigError: Their names don't tell, or tell of several.
    """
    by_suffix = {suffix: kind for kind in sorted(SUFFIXES) for suffix in SUFFIXES[kind]}
    names = list(Listing(section, root).names(tuple(by_suffix)))
    kinds = _kinds((name for _, name in names), by_suffix)
    if len(kinds) == 1:
        return kinds[0], names
    path = section.values["path"]
    if not kinds:
        what = f"no file in '{path}' tells its type"
        known = ", ".join(by_suffix)
        hint = f"put a file there that ends in one of {known}, or write 'type:'"
    else:
        what = f"files of several types in '{path}': {', '.join(kinds)}"
        hint = f"home: {{type: {kinds[0]}, path: {path}}}"
    raise section.error(ConfigError, what, hint, "path")


def _kinds(names: Iterable[str], by_suffix: Mapping[str, str]) -> list[str]:
    """Return the kinds that the ends of *names* tell, sorted."""
    found: set[str] = set()
    left = tuple(by_suffix)
    for name in names:
        lower = name.lower()
        if lower.endswith(left):
            found |= {kind for suffix, kind in by_suffix.items() if lower.endswith(suffix)}
            left = tuple(suffix for suffix, kind in by_suffix.items() if kind not in found)
    return sorted(found)
