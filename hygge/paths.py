"""This is where paths are compared and written the way receipts have them."""

from __future__ import annotations

import bisect
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""The value that Hive writes into a path for null."""

_PLAIN = " !$&()+,-.;<>@_`|~"
"""What stays as it is in a folder's name beside letters and digits; Hive's list, without what
only Windows minds."""


def located(path: str, root: Path) -> str:
    """Return *path* as it is remembered: from *root* where it lies inside, forward slashes."""
    inside = _inside(root)
    shown = path[len(inside) :] if path.startswith(inside) else path
    return shown.replace(os.sep, "/")


def all_located(paths: Iterable[str], root: Path) -> list[str]:
    """Return `located` of each of *paths*."""
    inside = _inside(root)
    length = len(inside)
    shown = [path[length:] if path.startswith(inside) else path for path in paths]
    return shown if os.sep == "/" else [path.replace(os.sep, "/") for path in shown]


@functools.lru_cache
def _inside(root: Path) -> str:
    return os.path.join(root, "")


def normal(path: str, root: Path) -> str:
    """Return *path*, as it was written in a flow, as it is remembered, however it was spelt."""
    return located(os.path.normpath(os.path.join(root, path)), root)


def real(path: str, root: Path) -> str:
    """Return the absolute *path* with links in its folders resolved, but not one at its end.

    Two spellings of one file are the same then; a link is another file than what it points to.
    """
    folder, name = os.path.split(os.path.join(root, path))
    return os.path.join(os.path.realpath(folder), name)


def all_real(paths: Iterable[str], root: Path) -> frozenset[str]:
    """Return `real` of each of *paths*; each folder is resolved once."""
    resolved = functools.cache(os.path.realpath)
    pairs = (os.path.split(os.path.join(root, path)) for path in paths)
    return frozenset(os.path.join(resolved(folder), name) for folder, name in pairs)


class Resolver:
    """Resolves links as ``os.path.realpath`` does, but each folder once.

    What it said stays said: for one look at the disk, not for a whole run.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str | os.PathLike[str]) -> str:
        """Return the absolute *path* with all links in it resolved."""
        folder, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir) or not os.path.isabs(folder):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = self(folder) if os.path.dirname(folder) != folder else folder
        full = os.path.join(self._folders[folder], name)
        return os.path.realpath(full) if os.path.islink(full) else full


def contains(folder: str, path: str) -> bool:
    """Tell whether *path* is *folder* or lies below it; both absolute and free of links."""
    return path == folder or path.startswith(os.path.join(folder, ""))


class Folders(Mapping[str, str]):
    """Folders by name, among which those that hold a path, or lie in it, are found at once.

    Args:
        folders: Absolute path of each, free of links, by name.
        resolve: Resolves links.
    """

    def __init__(
        self,
        folders: Mapping[str, str],
        resolve: Callable[[str | os.PathLike[str]], str] = os.path.realpath,
    ) -> None:
        self.resolve = resolve
        self._folders = dict(folders)
        self._places = {name: place for place, name in enumerate(self._folders)}
        self._names: dict[str, list[str]] = {}
        for name, folder in self._folders.items():
            self._names.setdefault(os.path.join(folder, ""), []).append(name)
        self._sorted = sorted(self._names)
        common = os.path.commonpath(self._folders.values()) if self._folders else ""
        self._top = os.path.join(common, "")

    def __getitem__(self, name: str) -> str:
        return self._folders[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def __len__(self) -> int:
        return len(self._folders)

    def near(self, path: str) -> list[str]:
        """Return the names of those that hold *path* or lie in it, in the order they were given."""
        inside = os.path.join(path, "")
        if not (inside.startswith(self._top) or self._top.startswith(inside)):
            return []
        found: list[str] = []
        above = inside
        while above:
            found += self._names.get(above, ())
            above = above[: above.rstrip(os.sep).rfind(os.sep) + 1]
        at = bisect.bisect_right(self._sorted, inside)
        while at < len(self._sorted) and self._sorted[at].startswith(inside):
            found += self._names[self._sorted[at]]
            at += 1
        return sorted(found, key=self._places.__getitem__)


def hive_folder(column: str, value: str | None) -> str:
    """Return the folder for *value*, ``column=value``, as Hive writes it.

    What could be taken for a part of the path, and what is no ASCII, is percent-encoded.
    """
    return f"{quote(column, _PLAIN)}={HIVE_NULL if value is None else quote(value, _PLAIN)}"
