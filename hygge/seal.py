"""This is where a flow of which nothing has changed is known again at a glance.

A seal holds what ``stat`` said of every file that a flow had read and written when all of its
partitions were found up to date. As long as it says the same, and nothing else has changed that a
decision depends on, a decision for each of them would say the same again. It proves no more than
the signatures in the receipts do, and by the same rule: none of them may be racy.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hygge.errors import HomeError
from hygge.fingerprint import Signature, canonical_json, config_hash, text_hash
from hygge.homes.base import Home
from hygge.plan import Decision, FlowPlan
from hygge.prepared import Prepared
from hygge.state import State

FORMAT = 1
"""Version of the rules by which partitions are found up to date; raised when they change."""

Numbers = tuple[int, int, int, int]
"""Size, times and inode, as a signature has them."""


@dataclass(frozen=True)
class Seal:
    """What was seen of a flow when all of its partitions were up to date."""

    key: str
    """Hash of what decisions depend on beside files."""
    count: int
    """Partitions."""
    read: bytes
    """Names and numbers of the files of the home and the inputs, as `packed`."""
    written: bytes
    """Paths and numbers of the outputs, as `packed`."""

    @property
    def outputs(self) -> list[str]:
        """Paths of the outputs, as receipts have them, in order of the partitions."""
        return unpacked_names(self.written)


def of(prepared: Prepared, decisions: Sequence[Decision]) -> Seal | None:
    """Return the seal of a flow for which *decisions* were made; None if it can't have one.

    None too if a home has changed since.
    """
    if not decisions or prepared.gone or not prepared.contract.is_empty:
        return None
    if any(each.reason is not None or each.partition is None for each in decisions):
        return None
    receipts = [each.receipt for each in decisions if each.receipt is not None]
    sources = {each.path: each.signature for receipt in receipts for each in receipt.read}
    outputs = {each.path: each.signature for receipt in receipts for each in receipt.outputs}
    if any(each.racy for seen in (sources, outputs) for each in seen.values()):
        return None
    read, seen = _glance(prepared), [_numbers(each) for each in sources.values()]
    if read is None or sorted(numbers for _, numbers in read) != sorted(seen):
        return None
    written = packed(outputs, [_numbers(each) for each in outputs.values()])
    names, numbers = [name for name, _ in read], [each for _, each in read]
    return Seal(_key(prepared), len(receipts), packed(names, numbers), written)


def remember(state: State, plan: FlowPlan) -> None:
    """Remember that a flow is up to date as a whole, if it is and nothing else is to be said."""
    made = of(plan.prepared, plan.decisions) if plan.prepared is not None else None
    if made is None or state.doubted():
        return
    if not any(state.get(each.task, "ignore:") for each in plan.decisions):
        state.remember_seal(plan.name, made.key, made.count, made.read, made.written)


def holds(seal: Seal, prepared: Prepared) -> bool:
    """Tell whether *seal* says that all partitions of a flow are up to date now."""
    if seal.key != _key(prepared):
        return False
    read = _glance(prepared)
    if read is None or packed([name for name, _ in read], [each for _, each in read]) != seal.read:
        return False
    try:
        names = seal.outputs
        stats = [os.lstat(os.path.join(prepared.root, name)) for name in names]
    except (OSError, ValueError):  # it names nothing that can be there
        return False
    return packed(names, map(_of_stat, stats)) == seal.written


def _glance(prepared: Prepared) -> list[tuple[str, Numbers]] | None:
    """Return name and numbers of every file that is read; None if that is not enough to know."""
    found: list[tuple[str, Numbers]] = []
    tables: list[tuple[str, Home]] = [("", prepared.home)]
    tables += [(f"{name}\0", each.home) for name, each in prepared.inputs.items()]
    for prefix, home in tables:
        try:
            seen = home.glance()
        except HomeError:
            return None
        if seen is None:
            return None
        found += [(prefix + name, _of_stat(stat)) for name, stat in seen]
    return found


def _key(prepared: Prepared) -> str:
    flow = prepared.flow
    sections = [flow.home.values, flow.store.values, *(s.values for s in flow.inputs.values())]
    text = canonical_json([FORMAT, prepared.transform.sees_paths, *map(dict, sections)])
    return text_hash(f"{config_hash(prepared.config)}{text}")


def _numbers(signature: Signature) -> Numbers:
    return signature.size, signature.mtime_ns, signature.ctime_ns, signature.inode


def _of_stat(stat: os.stat_result) -> Numbers:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def packed(names: Iterable[str], numbers: Iterable[Numbers]) -> bytes:
    """Return *names*, and as many *numbers*, as bytes that are equal if these are."""
    text = "\0\0".join(names).encode("utf-8", "surrogatepass")
    flat = array("q", [value & _WORD for each in numbers for value in each])
    return len(text).to_bytes(8, "big") + text + flat.tobytes()


def unpacked_names(data: bytes) -> list[str]:
    """Return the names in what `packed` made."""
    length = int.from_bytes(data[:8], "big")
    text = data[8 : 8 + length].decode("utf-8", "surrogatepass")
    return text.split("\0\0") if text else []


_WORD = 2**63 - 1
"""Inodes of some file systems, and times before 1970, take the last bit; it tells nothing apart."""
