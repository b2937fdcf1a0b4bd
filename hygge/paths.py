"""This is where paths are compared and written the way receipts have them."""

from __future__ import annotations

import os
from pathlib import Path


def located(path: str, root: Path) -> str:
    """Return *path* as it is remembered: from *root* where it lies inside, forward slashes."""
    inside = os.path.join(root, "")
    shown = path[len(inside) :] if path.startswith(inside) else path
    return shown.replace(os.sep, "/")


def contains(folder: str, path: str) -> bool:
    """Tell whether *path* is *folder* or lies below it; both absolute and free of links."""
    return path == folder or path.startswith(os.path.join(folder, ""))
