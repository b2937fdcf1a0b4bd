"""This is where bytes and configurations become short values that can be compared."""

from __future__ import annotations

import json
import os
import stat as stat_modes
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import xxhash

RACY_NS = 2_000_000_000
"""Nanoseconds in which a file can change again without its times showing it.

Two seconds is the coarsest clock a file system in use has (FAT).
"""

CHUNK = 1 << 20
"""Bytes read at once while hashing."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What ``stat`` says of a file, and when it said so."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Last change of the content, nanoseconds since the epoch; a program can set it at will."""
    ctime_ns: int
    """Last change of the inode, nanoseconds since the epoch; no program can set it."""
    inode: int
    """Number of the inode; another file under the same name has another."""
    taken_ns: int
    """When this signature was taken, nanoseconds since the epoch."""

    @classmethod
    def of(cls, stat: os.stat_result, taken_ns: int | None = None) -> Signature:
        """Build the signature of a ``stat`` that was made at *taken_ns*, or just now."""
        taken = time.time_ns() if taken_ns is None else taken_ns
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, taken)

    def same_file(self, other: Signature) -> bool:
        """Tell whether both describe the same version of the same inode, as far as stat can."""
        return (
            self.size == other.size
            and self.mtime_ns == other.mtime_ns
            and self.ctime_ns == other.ctime_ns
            and self.inode == other.inode
        )

    @property
    def racy(self) -> bool:
        """Whether the file may have changed after this signature was taken without showing it.

        The rule is git's ("racy git"): a file whose times are not clearly older than the moment
        of looking may be written again within the same tick of the file system's clock.
        """
        return max(self.mtime_ns, self.ctime_ns) > self.taken_ns - RACY_NS

    def proves(self, now: Signature) -> bool:
        """Tell whether *now* proves that the content is still that of this, remembered, one."""
        return self.same_file(now) and not self.racy


def content_hash(path: str | os.PathLike[str]) -> str:
    """Return the xxh3_128 of the bytes of *path*, in hex. Costs one pass over the file."""
    digest = xxhash.xxh3_128()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def text_hash(text: str) -> str:
    """Return the xxh3_128 of *text* in UTF-8, in hex."""
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8"))


def canonical_json(value: Any) -> str:
    """Return *value* as JSON that is the same whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the hash of what in a flow's configuration can change a partition's result."""
    return text_hash(canonical_json(config))


class ContentHashes:
    """Content hashes that were read in this process, remembered by signature.

    A file that many partitions depend on is read once. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Signature, str]] = {}
        self._lock = threading.Lock()

    def read(self, path: str, now: Signature) -> str:
        """Return the hash of the file at *path*, whose signature is *now*.

        Raises:
            OSError: The file can't be read.
        """
        with self._lock:
            known = self._known.get(path)
        if known is not None and known[0].same_file(now):
            return known[1]
        digest = content_hash(path)
        self.learn({path: (now, digest)})
        return digest

    def known(self, paths: Iterable[str]) -> dict[str, tuple[Signature, str]]:
        """Return signature and hash of those of *paths* that were read."""
        with self._lock:
            return {path: self._known[path] for path in paths if path in self._known}

    def learn(self, known: Mapping[str, tuple[Signature, str]]) -> None:
        """Take over signatures and hashes of files that were read elsewhere."""
        with self._lock:
            self._known.update(known)


def is_regular(stat: os.stat_result) -> bool:
    """Tell whether *stat* is of a plain file: no folder, pipe, socket or device."""
    return stat_modes.S_ISREG(stat.st_mode)
