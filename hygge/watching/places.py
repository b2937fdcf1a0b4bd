"""This is where it is told which places on the disk a change can come from."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygge.landing import MARK
from hygge.paths import contains
from hygge.project import MARKERS

NOBODYS = ("__pycache__",)
"""Folders that no flow reads, beside those whose name begins with a dot."""


@dataclass(frozen=True, order=True)
class Place:
    """Where a change means something. It need not be there yet."""

    path: str
    """Absolute and normal."""
    reach: str = "below"
    """``below`` for all that lies there, ``entries`` for what lies there directly, or ``itself``.

    The place itself is meant in each case.
    """

    def means(self, path: str) -> bool:
        """Tell whether a change of *path* means something here.

        One of a folder above does too: the place may have come, or gone, with it.
        """
        if contains(path, self.path):
            return True
        if self.reach == "itself" or not contains(self.path, path):
            return False
        inside = os.path.relpath(path, self.path).split(os.sep)
        if any(part.startswith(".") or part in NOBODYS for part in inside):
            return False
        return self.reach == "below" or len(inside) == 1


@dataclass(frozen=True)
class Folders:
    """What the operating system is asked to tell about."""

    whole: tuple[tuple[str, int], ...]
    """Folders with all that is in them, and their inodes: one that was made anew is another."""
    single: tuple[tuple[str, int], ...]
    """Folders of which only the entries matter."""

    @classmethod
    def of(cls, places: Iterable[Place], root: Path) -> Folders:
        """Return the folders that have to be watched, of those that are there now."""
        whole: dict[str, int] = {}
        single: dict[str, int] = {}
        for place in sorted(places):
            inode = _inode(place.path)
            if inode is not None and place.reach == "below":
                whole[place.path] = inode
            elif inode is not None and place.reach == "entries":
                single[place.path] = inode
            single |= _above(place.path, root)
        outermost: dict[str, int] = {}
        for path, inode in sorted(whole.items()):
            if not any(contains(outer, path) for outer in outermost):
                outermost[path] = inode
        rest = {
            path: inode
            for path, inode in single.items()
            if not any(contains(outer, path) for outer in outermost)
        }
        return cls(tuple(outermost.items()), tuple(sorted(rest.items())))


def _inode(path: str) -> int | None:
    """Return the inode of the folder at *path*, or None if there is none."""
    return os.stat(path).st_ino if os.path.isdir(path) else None


def _above(path: str, root: Path) -> dict[str, int]:
    """Return the folders in which something happens when *path* comes or goes."""
    found: dict[str, int] = {}
    folder = os.path.dirname(path)
    while True:
        inode = _inode(folder)
        if inode is not None:
            found[folder] = inode
            if folder == str(root) or not contains(str(root), folder):
                return found
        folder = os.path.dirname(folder)


def of_configuration(root: Path, flows: Path) -> Iterator[Place]:
    """Yield where a project whose flows lie in *flows* is configured."""
    yield Place(os.path.normpath(flows))
    for name in MARKERS:
        yield Place(str(root / name), "itself")


def of_path(written: str, root: Path) -> Iterator[Place]:
    """Yield the places that the path of a home, as a flow has it, stands for."""
    written = written.partition(MARK)[0].rpartition("/")[0] if MARK in written else written
    full = os.path.normpath(os.path.join(root, written))
    if not glob.has_magic(written) or os.path.lexists(full):
        yield Place(full)
        return
    fixed, parts = written, list[str]()
    while glob.has_magic(fixed):
        fixed, part = os.path.split(fixed)
        parts.insert(0, part)
    folders = [os.path.normpath(os.path.join(root, fixed))]
    for part in parts:
        if part == "**":
            yield from map(Place, folders)
            return
        yield from (Place(folder, "entries") for folder in folders)
        folders = [path for folder in folders for path in _folders_in(folder, part)]


def _folders_in(folder: str, pattern: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if fnmatch.fnmatch(entry.name, pattern) and entry.is_dir():
                    yield entry.path
    except OSError:
        return


def of_flow(values: Mapping[str, Any], root: Path) -> Iterator[Place]:
    """Yield the places that a flow names, as its file has them; what is wrong is passed over."""
    inputs = values.get("inputs")
    for section in (values.get("home"), *(inputs.values() if isinstance(inputs, dict) else ())):
        path = section.get("path") if isinstance(section, dict) else section
        if isinstance(path, str) and path:
            yield from of_path(path, root)
    transform = values.get("transform")
    python = transform.get("python") if isinstance(transform, dict) else None
    if isinstance(python, str):
        file = os.path.normpath(os.path.join(root, python.rpartition(":")[0] or python))
        yield Place(file, "itself")
        # What it imports lies beside it, and may be what is wrong with it.
        yield Place(os.path.dirname(file), "entries")
