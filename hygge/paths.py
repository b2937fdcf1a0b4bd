"""This is where paths are compared and written the way receipts have them."""

from __future__ import annotations

import os
from pathlib import Path


def located(path: str, root: Path) -> str:
    """Return *path* as it is remembered: from *root* where it lies inside, forward slashes."""
    inside = os.path.join(root, "")
    shown = path[len(inside) :] if path.startswith(inside) else path
    return shown.replace(os.sep, "/")


def normal(path: str, root: Path) -> str:
    """Return *path*, as it was written in a flow, as it is remembered, however it was spelt."""
    return located(os.path.normpath(os.path.join(root, path)), root)


def real(path: str, root: Path) -> str:
    """Return the absolute *path* with links in its folders resolved, but not one at its end.

    Two spellings of one file are the same then; a link is another file than what it points to.
    """
    folder, name = os.path.split(os.path.join(root, path))
    return os.path.join(os.path.realpath(folder), name)


def contains(folder: str, path: str) -> bool:
    """Tell whether *path* is *folder* or lies below it; both absolute and free of links."""
    return path == folder or path.startswith(os.path.join(folder, ""))
