"""This is where it is known whose a file in a store is, so that only what is nobody's goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hygge.paths import contains, real


@dataclass(frozen=True)
class Ownership:
    """Which files in which stores are whose."""

    stores: Mapping[str, str]
    """Real path of each flow's store, by flow."""
    outputs: Mapping[str, frozenset[str]]
    """By flow, real path of each output of its partitions, as far as it is known."""
    root: Path

    def with_flow(self, flow: str, outputs: Iterable[str]) -> Ownership:
        """Return this with *outputs*, as receipts have them, as those of *flow*."""
        found = frozenset(real(output, self.root) for output in outputs)
        return dataclasses.replace(self, outputs={**self.outputs, flow: found})

    def without(self, flow: str, outputs: Iterable[str]) -> Ownership:
        """Return this without *outputs* among those of *flow*."""
        gone = {real(output, self.root) for output in outputs}
        left = self.outputs.get(flow, frozenset()) - gone
        return dataclasses.replace(self, outputs={**self.outputs, flow: left})

    def is_in_a_store(self, output: str) -> bool:
        """Tell whether *output* lies in the store of a flow that is there now."""
        path = real(output, self.root)
        return any(contains(store, path) for store in self.stores.values())

    def is_unused(self, output: str) -> bool:
        """Tell whether no partition that is there now settles at *output*."""
        path = real(output, self.root)
        return not any(path in outputs for outputs in self.outputs.values())
