"""This is where a flow of which nothing has changed is known again at a glance.

A seal holds what ``stat`` said of every file that a flow had read and written when its partitions
were found up to date. Of a partition whose files it still says the same of, and whose row in the
state is the same, a decision would say the same again. It proves no more than the signatures in the
receipts do, and by the same rule: none of them may be racy.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hygge.fingerprint import Signature, canonical_json, text_hash
from hygge.prepared import Prepared

FORMAT = 2
"""Version of the form of seals, and of the rules by which partitions are found up to date."""

Numbers = tuple[int, int, int, int]
"""Size, times and inode, as a signature has them."""

WIDTH = 32
"""Bytes of the numbers of one file."""

BETWEEN = "\0\0"
"""What stands between names."""


@dataclass(frozen=True)
class Files:
    """Files, and what ``stat`` said of them."""

    paths: bytes
    """As receipts have them, `joined`."""
    numbers: bytes
    """Of each of them, as `packed`."""
    owners: bytes = b""
    """Number of the partition of each, 32 bits; empty if they belong to all partitions."""

    @classmethod
    def of(cls, seen: Sequence[tuple[str, Numbers]], owners: Iterable[int] = ()) -> Files:
        """Put together what was *seen*, and the number of the partition of each."""
        paths, numbers = joined(path for path, _ in seen), packed(each for _, each in seen)
        return cls(paths, numbers, array("i", owners).tobytes())

    def _is_sound(self) -> bool:
        return len(self.numbers) == _count(self.paths) * WIDTH

    def owned(self) -> Iterable[tuple[str, Numbers, int]]:
        """Yield path, numbers and number of the partition of each file."""
        words = iter(array("q", self.numbers))
        numbers = zip(words, words, words, words, strict=True)
        return zip(parted(self.paths), numbers, array("i", self.owners), strict=True)

    def differing(self, numbers: bytes) -> set[int]:
        """Return the partitions of the files of which *numbers*, in the same order, differ."""
        if numbers == self.numbers:
            return set()
        pairs = zip(chunks(self.numbers), chunks(numbers), array("i", self.owners), strict=True)
        return {owner for old, new, owner in pairs if old != new}


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
            parts += [files.paths, files.numbers, files.owners]
        return b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Seal | None:
        """Return the seal that `to_bytes` made; None if *data* is of another version, or none."""
        parts = []
        while data:
            end = 8 + int.from_bytes(data[:8], "big")
            parts.append(data[8:end])
            data = data[end:]
        if len(parts) != 14 or parts[0] != str(FORMAT).encode():
            return None
        try:
            key, rows = parts[1].decode(), parts[2].decode()
            read, inputs, written = (Files(*parts[at : at + 3]) for at in (5, 8, 11))
            seal = cls(key, rows, parts[3], parts[4], read, inputs, written)
            return seal if seal._is_sound() else None
        except ValueError:
            return None

    def _is_sound(self) -> bool:
        count = _count(self.tasks)
        owners = [*array("i", self.read.owners), *array("i", self.written.owners)]
        return (
            len(self.sums) == count * 16
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
    return array("q", [value & _WORD for each in numbers for value in each]).tobytes()


def chunks(data: bytes) -> list[bytes]:
    """Return the numbers of each file in what `packed` made."""
    return [data[at : at + WIDTH] for at in range(0, len(data), WIDTH)]


def joined(names: Iterable[str]) -> bytes:
    """Return *names* as bytes that are equal if these are."""
    return BETWEEN.join(names).encode("utf-8", "surrogatepass")


def parted(data: bytes) -> list[str]:
    """Return the names in what `joined` made."""
    return data.decode("utf-8", "surrogatepass").split(BETWEEN) if data else []


def _count(data: bytes) -> int:
    """Return how many names are in what `joined` made; raises ValueError if it did not."""
    return data.decode("utf-8", "surrogatepass").count(BETWEEN) + 1 if data else 0


_WORD = 2**63 - 1
"""Inodes of some file systems, and times before 1970, take the last bit; it tells nothing apart."""
