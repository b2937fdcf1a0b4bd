"""This is where a flow of which nothing has changed is known again at a glance.

A seal holds what ``stat`` said of every file that a flow had read and written when its partitions
were found up to date. Of a partition whose files it still says the same of, and whose row in the
state is the same, a decision would say the same again. It proves no more than the signatures in the
receipts do, and by the same rule: none of them may be racy.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hygge.fingerprint import Signature, canonical_json, text_hash
from hygge.prepared import Prepared

FORMAT = 3
"""Version of the form of seals, and of the rules by which partitions are found up to date."""

Numbers = tuple[int, int, int, int]
"""Size, times and inode, as a signature has them."""

WIDTH = 32
"""Bytes of the numbers of one file."""

DIGITS = 32
"""Hexadecimal digits of a hash; in a seal it has half as many bytes."""

Seen = tuple[str, Numbers, str]
"""Path, numbers and content hash of a file."""

BETWEEN = "\0\0"
"""What stands between names."""


@dataclass(frozen=True)
class Files:
    """Files, and what ``stat`` said of them."""

    paths: bytes
    """As receipts have them, `joined`."""
    numbers: bytes
    """Of each of them, as `packed`."""
    hashes: bytes
    """Of the content of each, 16 bytes."""
    owners: bytes = b""
    """Number of the partition of each, 32 bits; empty if they belong to all partitions."""

    @classmethod
    def of(cls, seen: Sequence[Seen], owners: Iterable[int] = ()) -> Files:
        """Put together what was *seen*, and the number of the partition of each."""
        paths, numbers = joined(path for path, _, _ in seen), packed(each for _, each, _ in seen)
        hashes = bytes.fromhex("".join(digest for _, _, digest in seen))
        return cls(paths, numbers, hashes, array("i", owners).tobytes())

    def _is_sound(self) -> bool:
        count = _count(self.paths)
        return len(self.numbers) == count * WIDTH and len(self.hashes) * 2 == count * DIGITS

    def owned(self) -> Iterable[tuple[Seen, int]]:
        """Yield each file, and the number of its partition."""
        words, hashes = iter(array("q", self.numbers)), split(self.hashes.hex(), DIGITS)
        numbers = zip(words, words, words, words, strict=True)
        seen = zip(parted(self.paths), numbers, hashes, strict=True)
        return zip(seen, array("i", self.owners), strict=True)

    def paths_of(self, partitions: Collection[int]) -> list[str]:
        """Return the paths of the files of *partitions*."""
        owners = array("i", self.owners)
        pairs = zip(parted(self.paths), owners, strict=True)
        return [path for path, owner in pairs if owner in partitions]

    def differing(self, numbers: bytes) -> list[int]:
        """Return which files, by their order here, have other numbers than *numbers* says."""
        if numbers == self.numbers:
            return []
        pairs = zip(split(self.numbers, WIDTH), split(numbers, WIDTH), strict=True)
        return [at for at, (old, new) in enumerate(pairs) if old != new]


@dataclass(frozen=True)
class Seal:
    """What was seen of a flow when its partitions were decided for."""

    key: str
    """Hash of what decisions depend on beside files."""
    rows: str
    """`hash_of_rows` of the flow; empty if not everything was up to date."""
    tasks: bytes
    """Of the partitions, `joined`."""
    sums: bytes
    """Of the row of each, 16 bytes; zeros for one that has to be decided for each time."""
    read: Files
    """The files of the home, in order of their paths."""
    inputs: Files
    """The files of the other tables, in order of their paths."""
    written: Files
    """The outputs."""

    def to_bytes(self) -> bytes:
        """Return the form in which it is remembered."""
        parts = [str(FORMAT).encode(), self.key.encode(), self.rows.encode()]
        parts += [self.tasks, self.sums]
        for files in (self.read, self.inputs, self.written):
            parts += [files.paths, files.numbers, files.hashes, files.owners]
        return b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Seal | None:
        """Return the seal that `to_bytes` made; None if *data* is of another version, or none."""
        parts, at = [], 0
        while at < len(data):
            end = at + 8 + int.from_bytes(data[at : at + 8], "big")
            parts.append(data[at + 8 : end])
            at = end
        if len(parts) != 17 or parts[0] != str(FORMAT).encode():
            return None
        try:
            key, rows = parts[1].decode(), parts[2].decode()
            read, inputs, written = (Files(*parts[at : at + 4]) for at in (5, 9, 13))
            seal = cls(key, rows, parts[3], parts[4], read, inputs, written)
            return seal if seal._is_sound() else None
        except ValueError:
            return None

    def known(self) -> Iterator[tuple[str, tuple[bytes, str]]]:
        """Yield path, numbers, as `packed`, and content hash of every file."""
        for files in (self.read, self.inputs, self.written):
            hashes = split(files.hashes.hex(), DIGITS)
            each = zip(split(files.numbers, WIDTH), hashes, strict=True)
            yield from zip(parted(files.paths), each, strict=True)

    def _is_sound(self) -> bool:
        count = _count(self.tasks)
        owners = [*array("i", self.read.owners), *array("i", self.written.owners)]
        return (
            len(self.sums) * 2 == count * DIGITS
            and all(each._is_sound() for each in (self.read, self.inputs, self.written))
            and not self.inputs.owners
            and len(owners) == _count(self.read.paths) + _count(self.written.paths)
            and 0 <= min(owners, default=0) <= max(owners, default=0) < max(count, 1)
        )


def key_of(prepared: Prepared) -> str:
    """Return the hash of what decisions for a flow depend on beside files."""
    flow = prepared.flow
    sections = [flow.home.values, flow.store.values, *(s.values for s in flow.inputs.values())]
    text = canonical_json([FORMAT, prepared.transform.sees_paths, *map(dict, sections)])
    return text_hash(f"{prepared.config_hash}{text}")


def hash_of_rows(sums: Iterable[str]) -> str:
    """Return what tells whether the *sums* of the rows of a flow are the same."""
    return text_hash("".join(sorted(sums)))


def numbers_of(signature: Signature) -> Numbers:
    """Return what a seal has of *signature*."""
    return signature.size, signature.mtime_ns, signature.ctime_ns, signature.inode


def packed(numbers: Iterable[Numbers]) -> bytes:
    """Return *numbers* as bytes, `WIDTH` of each, that are equal if these are."""
    flat = list(itertools.chain.from_iterable(numbers))
    try:
        return array("q", flat).tobytes()
    except OverflowError:
        # Inodes of some file systems take all 64 bits.
        return array("q", [(each & _HIGHEST) - (each & _SIGN) for each in flat]).tobytes()


Text = TypeVar("Text", str, bytes)


def split(data: Text, width: int) -> list[Text]:
    """Return *data* in parts of *width*."""
    return [data[at : at + width] for at in range(0, len(data), width)]


def joined(names: Iterable[str]) -> bytes:
    """Return *names* as bytes that are equal if these are."""
    return BETWEEN.join(names).encode("utf-8", "surrogatepass")


def parted(data: bytes) -> list[str]:
    """Return the names in what `joined` made."""
    return data.decode("utf-8", "surrogatepass").split(BETWEEN) if data else []


def _count(data: bytes) -> int:
    """Return how many names are in what `joined` made; raises ValueError if it did not."""
    return data.decode("utf-8", "surrogatepass").count(BETWEEN) + 1 if data else 0


_SIGN = 2**63
_HIGHEST = _SIGN - 1
