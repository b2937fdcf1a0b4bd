"""This is where paths are compared and written the way receipts have them."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
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


def contains(folder: str, path: str) -> bool:
    """Tell whether *path* is *folder* or lies below it; both absolute and free of links."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def hive_folder(column: str, value: str | None) -> str:
    """Return the folder for *value*, ``column=value``, as Hive writes it.

    What could be taken for a part of the path, and what is no ASCII, is percent-encoded.
    """
    return f"{quote(column, _PLAIN)}={HIVE_NULL if value is None else quote(value, _PLAIN)}"
