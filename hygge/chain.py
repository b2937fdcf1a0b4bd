"""This is where it is found out which flow has to wait for which."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from hygge.errors import ConfigError, HyggeError, did_you_mean
from hygge.flow import Flow, Section
from hygge.homes.listing import could_match_in
from hygge.paths import Folders


def lies_in(section: Section, root: Path, stores: Folders) -> list[str]:
    """Return the flows in whose stores the files of a home or an input lie, or may lie.

    Args:
        stores: Real path of each flow's store, by flow.
    """
    path = section.values.get("path")
    if not isinstance(path, str):
        return []
    full = os.path.normpath(os.path.join(root, path))
    if glob.has_magic(path) and not os.path.lexists(full):
        return [name for name, store in stores.items() if could_match_in(full, store)]
    return stores.near(stores.resolve(full))


def needed(flow: Flow, known: Iterable[str]) -> list[str]:
    """Return the flows that *flow* needs by name; the name of a file stands for its entities.

    Raises:
        ConfigError: There is no such flow.
    """
    known = list(known)
    found: list[str] = []
    for i, name in enumerate(flow.needs):
        those = [each for each in known if each == name or each.startswith(f"{name}.")]
        if flow.name in those:
            what = f"the flow '{flow.name}' needs itself"
            raise flow.home.document.error(("needs", i), what, "remove it")
        if not those:
            document = flow.home.document
            what = f"no flow '{name}' that '{flow.name}' could need"
            raise document.error(("needs", i), what, did_you_mean(name, known))
        found += those
    return found


def ordered(upstream: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the flows so that each comes after those it waits for, and the cycles among them.

    Flows that don't wait for each other are in the order given; those of a cycle are left out.
    """
    left = {name: [each for each in waits if each in upstream] for name, waits in upstream.items()}
    cycles: list[list[str]] = []
    while True:
        sorter = TopologicalSorter(left)
        try:
            sorter.prepare()
        except CycleError as error:
            cycle = list(reversed(error.args[1]))
            cycles.append(cycle)
            inside = set(cycle)
            left = {
                name: [each for each in waits if each not in inside]
                for name, waits in left.items()
                if name not in inside
            }
            continue
        return _in_order(left), cycles


def _in_order(upstream: Mapping[str, Sequence[str]]) -> list[str]:
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        for each in upstream[name]:
            if each not in done:
                visit(each)
        done[name] = None

    for name in upstream:
        if name not in done:
            visit(name)
    return list(done)


def cycle_error(flow: Flow, cycle: Sequence[str]) -> HyggeError:
    """Build the error for *flow*, one of a *cycle* of flows that wait for each other."""
    here = cycle.index(flow.name)
    path = [*cycle[here:-1], *cycle[:here], flow.name]
    document = flow.home.document
    place = document.place(("needs",) if path[1] in flow.needs else ("home", "path"))
    return ConfigError(
        f"flows wait for each other in a circle: {' -> '.join(path)}",
        str(place or flow.file),
        "let one of them begin with what none of the others writes",
    )
