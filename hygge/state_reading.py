"""This is where ``.doit.db`` is opened to be read, so that nothing is left beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path


def connect(name: str, uri: bool = False) -> sqlite3.Connection:
    """Return a connection to the file, or URI, that gives text whatever its bytes are."""
    connection = sqlite3.connect(name, uri=uri, check_same_thread=False, timeout=30)
    # A byte that is no UTF-8 must not cost all rows: the sum of its own row tells.
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def _copied(name: str) -> sqlite3.Connection | None:
    """Return a connection to a copy in memory of what nobody is writing to, else None.

    SQLite leaves two files beside one that it reads, which keep out everybody who may not write
    them: not even the next run of whom the project belongs to could.
    """
    before = _quiet(name)
    if before is None or not hasattr(sqlite3.Connection, "deserialize"):
        return None
    try:
        data = bytearray(Path(name).read_bytes())
    except OSError:
        return None
    if not data or _quiet(name) != before:  # a run that was killed at its very start leaves 0 bytes
        return None
    # https://www.sqlite.org/fileformat.html: 2 says that there is a log, and a copy has none.
    if data[18:20] == b"\x02\x02":
        data[18:20] = b"\x01\x01"
    connection = connect(":memory:")
    connection.deserialize(bytes(data))
    return connection


def _quiet(name: str) -> tuple[int, int, int] | None:
    """Return what tells whether the file has changed; None where its log holds something."""
    try:
        if os.path.exists(f"{name}-wal") and os.path.getsize(f"{name}-wal"):
            return None
        stat = os.stat(name)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _shared(name: str) -> sqlite3.Connection:
    """Return a connection that reads the log too, while a run goes on or after it was killed."""
    return connect(f"{Path(name).absolute().as_uri()}?mode=ro", uri=True)


def _unchanging(name: str) -> sqlite3.Connection:
    """Return a connection for a folder without write access."""
    return connect(f"{Path(name).absolute().as_uri()}?mode=ro&immutable=1", uri=True)


READERS: Sequence[Callable[[str], sqlite3.Connection | None]] = (_copied, _shared, _unchanging)
"""What opens a file to read it, one after the other until one can."""
