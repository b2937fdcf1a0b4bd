"""This is where it is known whose a file in a store is, so that only what is nobody's goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hygge.paths import contains, real


@dataclass(frozen=True)
class Ownership:
    """Which files in which stores are whose."""

    stores: dict[str, str]
    """Real path of each flow's store, by flow."""
    outputs: frozenset[str]
    """Real path of each output of the partitions that are there now, as far as it is known."""
    root: Path

    def with_outputs(self, outputs: Iterable[str]) -> Ownership:
        """Return this with more *outputs*, as receipts have them."""
        found = {real(output, self.root) for output in outputs}
        return Ownership(self.stores, self.outputs | found, self.root)

    def is_in_a_store(self, output: str) -> bool:
        """Tell whether *output* lies in the store of a flow that is there now."""
        path = real(output, self.root)
        return any(contains(store, path) for store in self.stores.values())

    def is_unused(self, output: str) -> bool:
        """Tell whether no partition that is there now settles at *output*."""
        return real(output, self.root) not in self.outputs

    def may_remove(self, flow: str, output: str) -> bool:
        """Tell whether *output*, which *flow* once wrote, is of no use to any flow now."""
        path = real(output, self.root)
        others = (store for name, store in self.stores.items() if name != flow)
        return self.is_unused(output) and not any(contains(store, path) for store in others)
