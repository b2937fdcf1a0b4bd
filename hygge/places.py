"""This is where it is known in which folders outputs can lie, so that nothing elsewhere goes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hygge.paths import contains, real
from hygge.plan import FlowPlan
from hygge.prepared import QUARANTINE, Prepared


@dataclass(frozen=True)
class Places:
    """The folders in which a run may remove what is remembered as an output.

    What is remembered is a claim: a file that somebody else wrote, or that was damaged, may name
    any path. What lies behind a link in a store is not the store's either.
    """

    root: Path
    """The project's."""
    stores: frozenset[str]
    """Real paths of the stores of the flows that are there now, and of what is set aside."""
    earlier: frozenset[str]
    """Real paths of stores that flows had before; each inside the project."""
    kept: frozenset[str]
    """Real paths, inside the project, in which nothing that only was a store's may go."""

    @classmethod
    def of(
        cls, root: Path, plans: Iterable[FlowPlan], flows: Path, before: Iterable[str]
    ) -> Places:
        """Return the places for *plans*.

        Args:
            flows: The folder with the flows.
            before: Paths of the stores that are remembered, as flows have them.
        """
        prepared = [each.prepared for each in plans if each.prepared is not None]
        top = os.path.realpath(root)
        earlier = (os.path.realpath(root / path) for path in before)
        homes = (_fixed(each) for each in prepared if not each.chained)
        folders = (flows, root / ".hygge", root / ".git", *homes)
        return cls(
            root,
            frozenset(os.path.realpath(each.store.folder()) for each in prepared)
            | {os.path.realpath(root / QUARANTINE)},
            frozenset(path for path in earlier if path != top and contains(top, path)),
            frozenset(map(os.path.realpath, folders)),
        )

    def hold(self, output: str) -> bool:
        """Tell whether *output*, as receipts have it, is in one of them."""
        path = real(output, self.root)
        if any(contains(store, path) for store in self.stores):
            return True
        was = any(contains(store, path) for store in self.earlier)
        return was and not any(contains(folder, path) for folder in self.kept)


def _fixed(prepared: Prepared) -> Path:
    """Return the folder or file in which all of a flow's sources lie."""
    path = str(prepared.flow.home.values.get("path", ""))
    while glob.has_magic(path):
        path = os.path.dirname(path)
    return prepared.root / path
