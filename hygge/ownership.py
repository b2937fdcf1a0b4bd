"""This is where it is known whose a file in a store is, so that only what is nobody's goes."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hygge.paths import all_real, contains, real


class Outputs:
    """Real paths of the outputs of one flow, found out when they are first asked for.

    Most runs never ask: nothing is removed.
    """

    def __init__(self, paths: Callable[[], Iterable[str]], root: Path) -> None:
        self._paths = paths
        self._root = root

    @functools.cached_property
    def real(self) -> frozenset[str]:
        """The real paths."""
        return all_real(self._paths(), self._root)


class Settled:
    """Outputs that a run has put into place, or vouches for. Safe to use from several threads.

    Args:
        root: The project's root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._paths: dict[str, None] = {}
        self._unresolved: list[str] = []
        self._real: set[str] = set()

    def add(self, outputs: Iterable[str]) -> None:
        """Add *outputs*, as receipts have them."""
        with self._lock:
            new = [each for each in outputs if each not in self._paths]
            self._paths.update(dict.fromkeys(new))
            self._unresolved += new

    def __contains__(self, output: str) -> bool:
        """Tell whether *output* is one of them, however its path is written."""
        with self._lock:
            self._real |= all_real(self._unresolved, self._root)
            self._unresolved.clear()
            return real(output, self._root) in self._real

    def __iter__(self) -> Iterator[str]:
        """Yield them, as receipts have them, in the order in which they were added."""
        return iter(list(self._paths))


@dataclass(frozen=True)
class Ownership:
    """Which files in which stores are whose."""

    stores: Mapping[str, str]
    """Real path of each flow's store, by flow."""
    outputs: Mapping[str, Outputs]
    """Of each flow's partitions, as far as they are known, by flow."""
    root: Path

    def with_flow(self, flow: str, outputs: Callable[[], Iterable[str]]) -> Ownership:
        """Return this with what *outputs* returns, as receipts have it, as those of *flow*."""
        found = Outputs(outputs, self.root)
        return dataclasses.replace(self, outputs={**self.outputs, flow: found})

    def without(self, flow: str, outputs: Iterable[str]) -> Ownership:
        """Return this without *outputs* among those of *flow*."""
        before = self.outputs[flow].real if flow in self.outputs else frozenset()
        left = before - all_real(outputs, self.root)
        return self.with_flow(flow, lambda: left)

    def is_in_a_store(self, output: str) -> bool:
        """Tell whether *output* lies in the store of a flow that is there now."""
        path = real(output, self.root)
        return any(contains(store, path) for store in self.stores.values())

    def is_unused(self, output: str) -> bool:
        """Tell whether no partition that is there now settles at *output*."""
        path = real(output, self.root)
        return not any(path in outputs.real for outputs in self.outputs.values())
